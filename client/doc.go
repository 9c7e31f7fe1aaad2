// Package client is a client of the Sign V3 API for relying parties: for Signet, its sandbox, or
// any other service with the same contract.
//
// Start at [New]. Then the life of one sign request is:
//
//  1. [Client.Initiate] sends the PDF. Send the signer's browser to SigningURL; keep RequestID, and
//     keep ExchangeCode secret.
//  2. Serve your webhook URL with [Client.WebhookHandler] or [Client.VerifyWebhook]. The webhook
//     says that the document is signed, and has its URL.
//  3. [Client.Download] the document at once: the URL is valid for two minutes. [Client.Result]
//     returns a new URL for an hour. It is for lost webhooks; do not poll it.
//  4. [Client.Cancel] cancels the request, unless the signer is signing or has signed;
//     [Client.CancelWhenIdle] waits until the signer has finished.
//
// The signer's browser returns to your redirect URL with api.ParamRequestID and api.ParamStatus.
// Any client can write these into a URL, so they prove nothing: wait for the webhook, or call
// Result.
//
// # Keys
//
// Every call has a new token that Config.Key signs, valid for two minutes, so the machine's clock
// must be right to a few seconds. The service fetches the public key from your registered JWKS URL
// and caches it for an hour. Publish a new key an hour before you use it, and keep the old one for
// an hour afterwards. [JWKSHandler] serves keys; [ParseKey] and [GenerateKey]
// make them.
//
// # Errors
//
// A refusal is an [*Error]. Distinguish refusals with errors.Is and the values of package api:
//
//	err := c.Cancel(ctx, id)
//	switch {
//	case err == nil, client.IsCancelled(err): // it can no longer be signed
//	case errors.Is(err, api.ErrAlreadySigned): // it is signed
//	case errors.Is(err, api.ErrActiveSession): // try again after the error's RetryAfter
//	case errors.Is(err, api.ErrNoRecord): // no such request, or not yours
//	case errors.Is(err, api.ErrUnauthorized): // key, key id, client id or clock: see the service's log
//	}
//
// Decide by codes and not by HTTP statuses: services differ in the status of UNAUTHORIZED. An error
// that is not an *Error means that there was no answer, so the call may or may not have taken
// effect. Cancel and Result ask again by themselves, twice; Download can be called again. After
// Initiate, initiate again: a request whose id was lost expires without having been seen.
// [Error.Temporary] reports which refusals may pass.
//
// The package keeps no state except the service's keys and the requests whose webhooks a
// [Client.WebhookHandler] has handled, and does not log. Package api has the wire format; package
// clienttest makes webhooks for tests, and package signettest runs a whole service in them.
//
// Comments cite the rules of the wire as "docs/contract.md, 6.2", which is a file of this module.
package client
