// Package ca is the service's certificate authority: a root, an issuing CA for signers, an OCSP
// responder and a time-stamping unit. Their keys and certificates are in one directory.
//
//	root (P-384, 20 years)
//	├── issuing CA (P-384, 10 years)
//	│   ├── OCSP responder (id-pkix-ocsp-nocheck)
//	│   └── signers (P-256, the key is on the signer's phone)
//	└── time-stamping unit
//
// Start at [Open] in open.go, then [Authority.IssueSigner] in issue.go. [Authority.Rotate] adds
// issuing CAs, responders and units beside the old ones; parts.go says which are used. The root's
// key may be on another machine; see offline.go. Every certificate is built
// twice: first signed by a temporary key and checked against its profile (lint.go), then signed by
// the real key. The signed bytes of the two must be equal. So a certificate that violates its
// profile is never issued.
//
// The package works on bytes. It does not serve HTTP; package pki does. It stores no list of issued
// certificates (see [Revocations]) and has no clock.
//
// Sources: RFC 5280 (certificates, CRLs), RFC 6960 (OCSP).
package ca
