// Package client lets a relying party written in Go use a Sign V3 service: Signet, its sandbox, or
// any other that speaks the same contract.
//
// Start at [New]. Then the life of one sign request is:
//
//  1. [Client.Initiate] sends the PDF. Send the signer's browser to SigningURL; keep RequestID, and
//     keep ExchangeCode secret.
//  2. Serve your webhook URL with [Client.VerifyWebhook]. It tells that the document is signed, and
//     where to get it.
//  3. [Client.Download] the document at once: the URL lives two minutes. [Client.Result] gives a
//     fresh URL for an hour; it is there for a webhook that got lost, and is no substitute for one:
//     do not poll it.
//  4. [Client.Cancel] takes the request back, unless the signer is signing or has signed;
//     [Client.CancelWhenIdle] waits until the signer is done.
//
// The signer's browser comes back to your redirect URL with api.ParamRequestID and api.ParamStatus.
// Anyone can write these into a URL, so they prove nothing: wait for the webhook, or ask Result.
//
// # Keys
//
// Every call carries a fresh token that Config.Key signs, valid for two minutes: the machine's
// clock must be right to a few seconds. The service fetches the public half from your registered
// JWKS URL and caches it for an hour; so publish a new key an hour before you use it, and keep the
// old one an hour after. [Client.JWKS] is what to serve there.
//
// # Errors
//
// A refusal is an [*Error], to be told apart with errors.Is and the values of package api:
//
//	err := c.Cancel(ctx, id)
//	switch {
//	case err == nil, client.IsCancelled(err): // no one can sign it any more
//	case errors.Is(err, api.ErrAlreadySigned): // too late
//	case errors.Is(err, api.ErrActiveSession): // ask again after the error's RetryAfter
//	case errors.Is(err, api.ErrNoRecord): // no such request, or not yours
//	case errors.Is(err, api.ErrUnauthorized): // key, key id, client id or clock: see the service's log
//	}
//
// Decide on codes and not on HTTP statuses: services differ in the status of UNAUTHORIZED. An error
// that is no *Error means that no answer came, and thus that no one knows whether the call took
// effect. Cancel, Result and Download may then simply be called again. After Initiate, initiate
// again: a request whose id no one learned expires by itself, unseen. [Error.Temporary] tells which
// refusals may go away.
//
// The package keeps no state but the service's keys, never retries by itself except in
// CancelWhenIdle, and does not log.
package client
