// Package cms assembles and checks the one kind of CMS message that PAdES and
// RFC 3161 use: SignedData with exactly one SignerInfo.
//
// It is written for a signer that is not in this process. [SignedAttributes]
// gives the bytes that the phone hashes and signs; when the signature comes
// back, possibly minutes later and in another process, [Build] puts the message
// together. [Parse] and [SignedData.Verify] are the other direction and are
// strict: DER only, every attribute at most once, no trailing bytes.
//
// Start reading at build.go. Chains, revocation and time stamps are not checked
// here (see packages pades and tsa); this package proves only that a message is
// well formed and was signed by the certificate that it names.
//
// Sources: RFC 5652 (CMS), RFC 5035 (signing-certificate-v2), RFC 5754 (SHA-2
// with CMS), ETSI EN 319 122-1 (CAdES attributes), ETSI EN 319 142-1 (PAdES).
package cms
