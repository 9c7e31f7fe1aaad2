// Package tsa makes, requests and verifies RFC 3161 timestamps.
//
// [Authority] is a time-stamping unit, used in process and, by [Authority.Respond], by others.
// [Client] asks an external authority. Both implement [Source]:
//
//	Timestamp(ctx, imprint) (token []byte, err error)
//
// imprint is a SHA-256 value, token the DER TimeStampToken. [Parse] and [Token.Check] verify
// tokens; the client uses them for every answer. Start at token.go.
//
// [Fetcher] fetches revocation data about external authorities; package pades judges it. Sources:
// RFC 3161, RFC 5816 (ESSCertIDv2), ETSI EN 319 422.
package tsa
