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
	// TotalPassed: the signature is intact, its signer is trusted, and nothing that it does
	// not allow came after it.
	TotalPassed Indication = "TOTAL-PASSED"
	// TotalFailed: the signed bytes, the signature or what came after it is not what it
	// should be, or the certificate was revoked. The document must not be relied on.
	TotalFailed Indication = "TOTAL-FAILED"
	// Indeterminate: what is known is not enough for either, for example because no root
	// is given that the certificate leads to.
	Indeterminate Indication = "INDETERMINATE"
)

// SubIndication says why an indication is not [TotalPassed] (EN 319 102-1, tables 5 and 6).
type SubIndication string

// Sub-indications of [TotalFailed].
const (
	// FormatFailure: the signature dictionary or message is malformed, or a later revision
	// made a change that the signature does not allow.
	FormatFailure SubIndication = "FORMAT_FAILURE"
	// HashFailure: the signed bytes are not those that were signed.
	HashFailure SubIndication = "HASH_FAILURE"
	// SigCryptoFailure: the signature value does not verify with the certificate's key.
	SigCryptoFailure SubIndication = "SIG_CRYPTO_FAILURE"
	// Revoked: the certificate had been revoked when the signature was made.
	Revoked SubIndication = "REVOKED"
)

// Sub-indications of [Indeterminate].
const (
	// SigConstraintsFailure: the signature lacks what a PAdES baseline signature has.
	SigConstraintsFailure SubIndication = "SIG_CONSTRAINTS_FAILURE"
	// ChainConstraintsFailure: the certificate is not for signing documents.
	ChainConstraintsFailure SubIndication = "CHAIN_CONSTRAINTS_FAILURE"
	// CertificateChainGeneralFailure: the chain has another fault.
	CertificateChainGeneralFailure SubIndication = "CERTIFICATE_CHAIN_GENERAL_FAILURE"
	// CryptoConstraintsFailure: an algorithm or a key size is not accepted.
	CryptoConstraintsFailure SubIndication = "CRYPTO_CONSTRAINTS_FAILURE"
	// NoSigningCertificateFound: the message does not hold its signer's certificate.
	NoSigningCertificateFound SubIndication = "NO_SIGNING_CERTIFICATE_FOUND"
	// NoCertificateChainFound: no path leads from the certificate to a given root.
	NoCertificateChainFound SubIndication = "NO_CERTIFICATE_CHAIN_FOUND"
	// OutOfBoundsNoPOE: the certificate was not valid at the time, and no time stamp proves
	// that the signature was made while it was.
	OutOfBoundsNoPOE SubIndication = "OUT_OF_BOUNDS_NO_POE"
)

// Failed reports whether the sub-indication belongs to [TotalFailed].
func (s SubIndication) Failed() bool {
	switch s {
	case FormatFailure, HashFailure, SigCryptoFailure, Revoked:
		return true
	}
	return false
}

// Problem is one reason why a signature, or a document, is not [TotalPassed].
type Problem struct {
	SubIndication SubIndication
	Err           error // says what is wrong, for a person
}

func (p *Problem) Error() string { return p.Err.Error() }

// Unwrap returns Err.
func (p *Problem) Unwrap() error { return p.Err }

// indicate returns the indication that a list of problems gives: failed if one of them is
// a failure, the first of the most serious kind with it.
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

// joinProblems returns the problems as one error, nil if there is none.
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
	case errors.As(err, &invalid):
		switch invalid.Reason {
		case x509.Expired:
			return OutOfBoundsNoPOE
		case x509.IncompatibleUsage:
			return ChainConstraintsFailure
		}
		return CertificateChainGeneralFailure
	case errors.As(err, &unknown), errors.Is(err, tsa.ErrUntrusted):
		return NoCertificateChainFound
	}
	return FormatFailure
}

// ChangeKind is what a later revision did.
type ChangeKind string

// Kinds of changes, from harmless to serious.
const (
	ChangeArchive     ChangeKind = "archive"    // a document time stamp or revocation data
	ChangeMetadata    ChangeKind = "metadata"   // dates, producer, XMP metadata, version
	ChangeSignature   ChangeKind = "signature"  // a further signature
	ChangeFormFilling ChangeKind = "form-fill"  // another value of a form field
	ChangeAnnotation  ChangeKind = "annotation" // an annotation was added, changed or removed
	ChangeOther       ChangeKind = "other"      // anything else
)

// Change is one difference between the revision that was signed and the document.
type Change struct {
	Kind ChangeKind
	// Allowed says that the signature allows it: without a certification that grants more,
	// archive data, metadata and further signatures.
	Allowed bool
	// Page is the number of the page where it shows, 0 if that is none or not known.
	Page int
	// Object is the number of the object that was added or changed, 0 if it is not one.
	Object int
	// Field is the full name of the form field.
	Field string
	// Text says what was done.
	Text string
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

// rank orders the kinds by what they mean to a reader.
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
