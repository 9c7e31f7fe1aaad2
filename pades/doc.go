// Package pades signs PDFs in two phases with a remote signing key, extends signatures for
// long-term validation, and verifies them.
//
//	Inspect  checks a document before it is signed
//	Prepare  makes the incremental update with a placeholder for the signature; its
//	         [Prepared.SignedAttributes] are what the signer's key has to sign
//	Embed    fills the placeholder: PAdES B-T
//	Extend   appends revocation data and a document timestamp: B-LTA
//	Seal     is Embed and Extend in one call
//	Renew    appends another document timestamp before the newest one ends
//	Verify   verifies all signatures of a document
//
// The signer's key is an ECDSA key and signs with SHA-256; its certificate must be known when the
// key signs, not when the document is prepared. Messages of other signers may also be RSA and use
// SHA-384 or SHA-512. Package tsa has sources of timestamps. An [EvidenceSource] is the caller's,
// for its own certification authority; tsa.Fetcher asks the addresses in certificates.
//
// Start at prepare.go to sign. To verify start at verify.go; message.go judges a signature by
// itself, revisions.go and diff.go what came after it, evidence.go revocation. One approval makes
// one CMS signature. Every visible place is a signature field with that signature as its /V. The
// original bytes are never changed and never held in memory: a [Prepared] contains what was
// appended and the hash of the original.
//
// Package pdf parses PDF syntax, package cms CMS, package tsa timestamps, and package revocation
// OCSP responses and CRLs. This package does not issue certificates, stores nothing, and does not
// depend on the service that uses it.
//
// Until version 1 of the module, a minor release may change the API; CHANGELOG.md describes the
// change. The form of signed documents, and the names and codes of [Summary], stay compatible.
//
// Sources: ISO 32000-2, 12.8 (signatures), ETSI EN 319 142-1 (PAdES baseline), ETSI EN 319 102-1
// (verdicts), ISO 19005 (PDF/A: a conforming file stays conforming).
package pades
