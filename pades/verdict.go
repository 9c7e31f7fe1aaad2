package pades

import (
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/tsa"
)

// Indication is the main result of validating a signature (EN 319 102-1, 5.1.3).
type Indication string

// The indications, in the words of the standard.
const (
	// TotalPassed means that the signature is intact, its signer is trusted, and all later changes
	// are allowed.
	TotalPassed Indication = "TOTAL-PASSED"
	// TotalFailed means that the signed bytes, the signature or a later change is wrong, or that
	// the certificate was not valid when it was used. The document must not be relied on.
	TotalFailed Indication = "TOTAL-FAILED"
	// Indeterminate means that the available data is not enough for either, for example because no
	// given root leads to the certificate.
	Indeterminate Indication = "INDETERMINATE"
)

// SubIndication is the reason why an indication is not [TotalPassed] (EN 319 102-1, tables 5 and
// 6). The standard has more; docs/signatures.md says why the verifier never gives those.
type SubIndication string

// Sub-indications of [TotalFailed].
const (
	// FormatFailure means that the signature dictionary or message is malformed, or that a later
	// revision made a change that the signature does not allow.
	FormatFailure SubIndication = "FORMAT_FAILURE"
	// HashFailure means that the signed bytes have changed.
	HashFailure SubIndication = "HASH_FAILURE"
	// SigCryptoFailure means that the signature value does not verify with the certificate's key.
	SigCryptoFailure SubIndication = "SIG_CRYPTO_FAILURE"
	// Revoked means that the certificate was revoked before the time at which the signature itself
	// says that it was made, or before that of a document timestamp that it covers.
	Revoked SubIndication = "REVOKED"
	// Expired means that the certificate ended before the time at which the signature itself says
	// that it was made, or before that of a document timestamp that it covers.
	Expired SubIndication = "EXPIRED"
	// NotYetValid means that a timestamp shows that the signature is older than the certificate.
	NotYetValid SubIndication = "NOT_YET_VALID"
)

// Sub-indications of [Indeterminate].
const (
	// SigConstraintsFailure means that the signature lacks a part of a PAdES baseline signature.
	SigConstraintsFailure SubIndication = "SIG_CONSTRAINTS_FAILURE"
	// ChainConstraintsFailure means that the certificate is not for signing documents.
	ChainConstraintsFailure SubIndication = "CHAIN_CONSTRAINTS_FAILURE"
	// CertificateChainGeneralFailure means that the chain has another fault.
	CertificateChainGeneralFailure SubIndication = "CERTIFICATE_CHAIN_GENERAL_FAILURE"
	// CryptoConstraintsFailure means that an algorithm or a key size is not accepted.
	CryptoConstraintsFailure SubIndication = "CRYPTO_CONSTRAINTS_FAILURE"
	// NoSigningCertificateFound means that the message does not contain its signer's certificate.
	NoSigningCertificateFound SubIndication = "NO_SIGNING_CERTIFICATE_FOUND"
	// NoCertificateChainFound means that no path leads from the certificate to a given root.
	NoCertificateChainFound SubIndication = "NO_CERTIFICATE_CHAIN_FOUND"
	// OutOfBoundsNoPOE means that the certificate was not valid at the time, and no timestamp
	// proves that the signature was made while it was.
	OutOfBoundsNoPOE SubIndication = "OUT_OF_BOUNDS_NO_POE"
	// RevokedNoPOE means that the certificate was revoked, and no timestamp proves that the
	// signature was made before.
	RevokedNoPOE SubIndication = "REVOKED_NO_POE"
	// RevokedCANoPOE means the same of the certificate of an authority in the chain.
	RevokedCANoPOE SubIndication = "REVOKED_CA_NO_POE"
	// TimestampOrderFailure means that a timestamp is from before another one that it covers.
	TimestampOrderFailure SubIndication = "TIMESTAMP_ORDER_FAILURE"
)

// Failed reports whether the sub-indication belongs to [TotalFailed].
func (s SubIndication) Failed() bool {
	switch s {
	case FormatFailure, HashFailure, SigCryptoFailure, Revoked, Expired, NotYetValid:
		return true
	}
	return false
}

// aboutCertificate reports whether the sub-indication is a failure of the certificate, and says
// nothing about the signed bytes.
func (s SubIndication) aboutCertificate() bool {
	return s == Revoked || s == Expired || s == NotYetValid
}

// Problem is one reason why a signature, or a document, is not [TotalPassed].
type Problem struct {
	SubIndication SubIndication
	Err           error // describes the problem
}

func (p *Problem) Error() string { return p.Err.Error() }

// Unwrap returns Err.
func (p *Problem) Unwrap() error { return p.Err }

// indicate returns the indication for a list of problems: TotalFailed if one of them is a failure.
// The sub-indication is that of the first problem of the most serious kind.
func indicate(problems []*Problem) (Indication, SubIndication) {
	for _, p := range problems {
		if p.SubIndication.Failed() {
			return TotalFailed, p.SubIndication
		}
	}
	if len(problems) > 0 {
		return Indeterminate, problems[0].SubIndication
	}
	return TotalPassed, ""
}

// joinProblems returns the problems as one error, or nil if there is none.
func joinProblems(problems []*Problem) error {
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// classify returns the sub-indication for an error of packages cms, tsa and x509.
func classify(err error) SubIndication {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var unhandled x509.UnhandledCriticalExtension
	var constraint x509.ConstraintViolationError
	switch {
	case errors.Is(err, cms.ErrDigest), errors.Is(err, tsa.ErrImprint):
		return HashFailure
	case errors.Is(err, cms.ErrSignature):
		return SigCryptoFailure
	case errors.Is(err, cms.ErrNoSigner):
		return NoSigningCertificateFound
	case errors.Is(err, cms.ErrAlgorithm):
		return CryptoConstraintsFailure
	case errors.Is(err, tsa.ErrPurpose):
		return ChainConstraintsFailure
	case errors.Is(err, errPremature):
		return SigConstraintsFailure
	case errors.As(err, &invalid):
		switch invalid.Reason {
		case x509.Expired:
			return OutOfBoundsNoPOE
		case x509.IncompatibleUsage:
			return ChainConstraintsFailure
		}
		return CertificateChainGeneralFailure
	case errors.As(err, &unhandled), errors.As(err, &constraint), errors.Is(err, cms.ErrIssuers):
		return CertificateChainGeneralFailure
	case errors.As(err, &unknown), errors.Is(err, tsa.ErrUntrusted):
		return NoCertificateChainFound
	}
	return FormatFailure
}

// ChangeKind is the kind of a change by a later revision.
type ChangeKind string

// Kinds of changes, from harmless to serious.
const (
	ChangeArchive     ChangeKind = "archive"    // a document timestamp or revocation data
	ChangeMetadata    ChangeKind = "metadata"   // document information, XMP metadata, version
	ChangeSignature   ChangeKind = "signature"  // another signature
	ChangeFormFilling ChangeKind = "form-fill"  // another value of a form field
	ChangeAnnotation  ChangeKind = "annotation" // an annotation was added, changed or removed
	ChangeOther       ChangeKind = "other"      // anything else
)

// Change is one difference between the signed revision and the document.
type Change struct {
	Kind ChangeKind
	// Allowed says that the signature allows it. Without a certification that allows more, these
	// are archive data, metadata and further signatures.
	Allowed bool
	// Page is the number of the page that shows it; 0 if it is on no page or on an unknown one.
	Page int
	// Object is the number of the object that was added or changed, or 0.
	Object int
	// Field is the full name of the form field.
	Field string
	// Text describes the change.
	Text string
	// Hides is the text of the page that an annotation or the box of a signature covers, "…" for a
	// picture or a drawing, or if it cannot be told.
	Hides string
}

func (c Change) String() string {
	s := c.Text
	if c.Page > 0 {
		s += fmt.Sprintf(", page %d", c.Page)
	}
	if c.Object > 0 {
		s += fmt.Sprintf(", object %d", c.Object)
	}
	return s
}

// rank orders the kinds by seriousness.
func (k ChangeKind) rank() int {
	switch k {
	case "":
		return 0
	case ChangeArchive, ChangeMetadata, ChangeSignature:
		return 1
	case ChangeFormFilling:
		return 2
	case ChangeAnnotation:
		return 3
	}
	return 4
}
