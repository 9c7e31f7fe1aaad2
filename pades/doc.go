// Package pades signs PDFs in two phases, with the signer's key far away, extends signatures
// for the long term, and verifies them.
//
//	Inspect  checks a document before it is signed
//	Prepare  appends the incremental update with a hole for the signature, and gives
//	         the signed attributes that the signer's key has to sign
//	Embed    fills the hole: PAdES B-T
//	Extend   appends revocation data and a document time stamp: B-LTA
//	Seal     does Embed and Extend in one
//	Renew    appends a further document time stamp before the newest one ends
//	Verify   judges all signatures of a document
//
// Start reading at prepare.go to sign, at verify.go and diff.go to verify. One approval makes
// one CMS signature; every visible place is a signature field of its own whose /V is that one
// signature. The original bytes are never touched and never held in memory: a [Prepared]
// keeps what was appended and the hash of the rest.
//
// The package does not parse PDF syntax (package pdf), CMS (cms) or time stamps (tsa), does
// not issue certificates and stores nothing. It knows nothing of the service that uses it.
//
// Until version 1 of the module, a minor release may change the API; CHANGELOG.md says how.
// What a signed document looks like, and the names and codes of [Summary], stay compatible.
//
// Sources: ISO 32000-2, 12.8 (signatures), ETSI EN 319 142-1 (PAdES baseline), ETSI EN 319
// 102-1 (verdicts), ISO 19005 (PDF/A: a conforming file stays conforming).
package pades
