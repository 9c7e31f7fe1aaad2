// Package ca is the service's own certificate authority: a root, an issuing CA
// for signers, an OCSP responder and a time-stamping certificate, all kept in
// one directory.
//
//	root (P-384, 20 years)
//	├── issuing CA (P-384, 10 years)
//	│   ├── OCSP responder (id-pkix-ocsp-nocheck)
//	│   └── signers (P-256, the key is on the signer's phone)
//	└── time-stamping unit
//
// Start reading at open.go, then issue.go. Every certificate is built twice:
// first signed by a throwaway key and held against its profile (lint.go), then
// signed by the real key, and the two must agree byte for byte in what was
// signed. A mistake in a template so never leaves the house.
//
// Bytes in, bytes out: the package serves no HTTP, stores no list of issued
// certificates (see [Revocations]) and has no clock of its own.
//
// The profile of signer certificates is section 4.6 of the contract, under our
// own names. Sources: RFC 5280 (certificates, CRLs), RFC 6960 (OCSP).
package ca
