// Package tsa makes, requests and checks RFC 3161 time stamps.
//
// [Authority] is the service's own time-stamping unit, used in process and, by
// [Authority.Respond], by others. [Client] asks an external authority. Both
// have the one method that the rest of the program needs:
//
//	Timestamp(ctx, imprint) (token []byte, err error)
//
// imprint is a SHA-256 value, token the DER TimeStampToken. [Parse] and
// [Token.Check] are the verifier; the client believes no answer that they
// have not passed. Start reading at token.go.
//
// [Fetcher] gets revocation data about external authorities; judging it is for
// package pades. Sources: RFC 3161, RFC 5816 (ESSCertIDv2), ETSI EN 319 422.
package tsa
