// Package cms builds and verifies CMS messages as PAdES and RFC 3161 use them: SignedData with
// exactly one SignerInfo.
//
// It supports signers in other processes. [SignedAttributes] returns the bytes that the signer
// hashes and signs. When the signature is available, possibly minutes later and in another process,
// [Build] assembles the message. [Parse] and [SignedData.Verify] read messages and are strict: DER,
// except for the order of attributes, every signed attribute at most once, no trailing bytes.
//
// Start at build.go. The package proves only that a message is well formed and was signed by the
// certificate that it names. Package pades checks chains and revocation; package tsa checks
// timestamps.
//
// Sources: RFC 5652 (CMS), RFC 5035 (signing-certificate-v2), RFC 5754 (SHA-2 with CMS), ETSI EN
// 319 122-1 (CAdES attributes), ETSI EN 319 142-1 (PAdES).
package cms
