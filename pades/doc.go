// Package pades signs PDFs in two phases, with the signer's key far away, and
// verifies the result.
//
//	Inspect  when the document arrives: every rule that can be checked early
//	Prepare  the incremental update with a hole for the signature, and its digest
//	  ...    the phone signs Prepared.SignedAttributes
//	Embed    fills the hole: PAdES B-T
//	Extend   appends revocation evidence and a document time stamp: B-LTA
//	         (Seal does Embed and Extend in one)
//	Verify   the judge of our own output before anybody sees it
//
// Start reading at prepare.go. One approval on the phone makes one CMS
// signature; every visible place is a signature field of its own whose /V is
// that one signature. The original bytes are never touched and never held in
// memory: a [Prepared] keeps what was appended and the hash of the rest.
//
// The package does not parse PDF syntax (package pdf), CMS (cms) or time stamps
// (tsa), issues no certificates (ca) and keeps nothing.
//
// Sources: ISO 32000-2, 12.8 (signatures), ETSI EN 319 142-1 (PAdES baseline),
// ISO 19005 (PDF/A: a conforming file stays conforming).
package pades
