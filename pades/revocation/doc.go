// Package revocation reads OCSP responses (RFC 6960) and certificate revocation lists (RFC 5280) as
// statements about one certificate.
//
// Start at statement.go. A [Statement] exists only if the response or list is about this
// certificate of this issuer, and if the issuer, or a responder that the issuer has authorised, has
// signed it. Whether it proves something at a time is the answer of [Statement.RevokedAt] and
// [Statement.GoodAt]. The package fetches nothing; tsa.Fetcher does.
package revocation
