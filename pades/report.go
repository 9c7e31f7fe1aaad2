package pades

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signet-sign/signet/pades/pdf"
)

// Level is a PAdES baseline level (EN 319 142-1, section 6).
type Level int

// Levels. Each includes the requirements of the previous ones.
const (
	// LevelNone means that the signature is not a valid PAdES signature.
	LevelNone Level = iota
	// LevelB means that a trusted authority issued the signer's certificate.
	LevelB
	// LevelT means that a trusted timestamp proves that the signature existed at a time.
	LevelT
	// LevelLT means that the file contains all certificates and revocation data.
	LevelLT
	// LevelLTA means that a document timestamp proves that these existed at a time.
	LevelLTA
)

func (l Level) String() string {
	switch l {
	case LevelB:
		return "B-B"
	case LevelT:
		return "B-T"
	case LevelLT:
		return "B-LT"
	case LevelLTA:
		return "B-LTA"
	}
	return "none"
}

// Place is where a signature shows on a page as displayed: fractions of its width and height, X
// and Y from the lower left corner.
type Place struct {
	Page   int     `json:"page"` // from 1
	X      float64 `json:"x"`
	Y      float64 `json:"y"`
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
}

// Signature is the verdict on one signature or document timestamp.
type Signature struct {
	// Fields are the names of all fields of this signature. Appearances is the number of visible
	// ones.
	Fields      []string
	Appearances int
	// Places are where the visible ones are.
	Places []Place
	// DocumentTimestamp distinguishes a document timestamp from a person's signature.
	DocumentTimestamp bool
	// Signer is the certificate, or nil if the message is unreadable. Chain leads from it to a
	// trusted root, and is nil if there is no such path.
	Signer *x509.Certificate
	Chain  []*x509.Certificate
	// ClaimedAt is /M, which the signing program wrote. StampedAt is what the timestamp proves; it
	// is zero if there is no valid one.
	ClaimedAt, StampedAt time.Time
	// ContentStampedAt is the time of the newest valid timestamp over the content that the
	// signature covers, and than which it is newer; zero if there is none.
	ContentStampedAt time.Time
	Level            Level
	// Digest is the message digest that was signed. ByteRange is what it covers.
	Digest    []byte
	ByteRange [4]int64
	// WholeFile says that only white space follows this signature.
	WholeFile bool
	// Permissions are what this signature and the previous ones allow in later revisions.
	Permissions *pdf.Permissions
	// Changes are the changes by later revisions; docs/signatures.md has the rules. One that is not
	// allowed is a problem too.
	Changes []Change
	// Unjudged says that the work budget did not suffice to compare all of what the signature
	// covers with the document. It is one of the Problems.
	Unjudged bool
	// Problems are the reasons why the signature is not [TotalPassed].
	Problems []*Problem

	// verified says that the form is valid and that the signature verifies over the signed bytes.
	verified bool
	// weak says the same of one with SHA-1. That does not make it intact, but its box is covered by
	// a signature, as that of any stranger.
	weak       bool
	stampChain []*x509.Certificate // of the signature timestamp
	archived   *evidence           // revocation data in the message itself; nil if there is none
}

// Indication returns the verdict on the signature, with the reason if it is not [TotalPassed].
func (s *Signature) Indication() (Indication, SubIndication) { return indicate(s.Problems) }

// Err returns the problems as one error, or nil if the signature is [TotalPassed].
func (s *Signature) Err() error { return joinProblems(s.Problems) }

// Intact reports whether the signed bytes are unchanged, and the signature allows everything that
// follows them. It does not depend on the signer. It is false if that is not known (Unjudged).
func (s *Signature) Intact() bool {
	return s.verified && !s.Unjudged && !slices.ContainsFunc(s.Problems, func(p *Problem) bool {
		return p.SubIndication.Failed() && !p.SubIndication.aboutCertificate()
	})
}

// Trusted reports whether the certificate chains to one of the given roots at the time of signing.
// It is true of a revoked certificate too, which is among the Problems.
func (s *Signature) Trusted() bool { return s.Chain != nil }

// Later returns the most serious kind of change in later revisions: "" for none, or one of
// [ChangeArchive], [ChangeFormFilling], [ChangeAnnotation] and [ChangeOther]. ChangeArchive also
// stands for signatures and metadata, and ChangeOther for changes that were not judged.
func (s *Signature) Later() ChangeKind {
	if s.Unjudged {
		return ChangeOther
	}
	kinds := [...]ChangeKind{"", ChangeArchive, ChangeFormFilling, ChangeAnnotation, ChangeOther}
	worst := 0
	for _, c := range s.Changes {
		worst = max(worst, c.Kind.rank())
	}
	return kinds[worst]
}

func (s *Signature) fail(sub SubIndication, format string, args ...any) {
	s.Problems = append(s.Problems, &Problem{sub, fmt.Errorf(format, args...)})
}

// Report is the result of [Verify].
type Report struct {
	Size int64
	// Signatures are in the order in which they close the file's revisions.
	Signatures []*Signature
	// Problems are those of the file as a whole.
	Problems []*Problem
}

// Indication returns the verdict on the document: the worst of the signatures' verdicts and of the
// file's own problems. A document without a signature is [Indeterminate]; see [ErrUnsigned].
func (r *Report) Indication() (Indication, SubIndication) {
	all := slices.Clone(r.Problems)
	for _, s := range r.Signatures {
		all = append(all, s.Problems...)
	}
	if len(r.Signatures) == 0 && len(all) == 0 {
		return Indeterminate, SigConstraintsFailure
	}
	return indicate(all)
}

// ErrUnsigned is the error for a document without signatures.
var ErrUnsigned = errors.New("pades: the document has no signature")

// Err returns nil only for a document with at least one signature in which all signatures
// are [TotalPassed].
func (r *Report) Err() error {
	var errs []error
	for _, p := range r.Problems {
		errs = append(errs, p)
	}
	for _, s := range r.Signatures {
		for _, p := range s.Problems {
			errs = append(errs, fmt.Errorf("signature %q: %w", s.Fields[0], p))
		}
	}
	if len(r.Signatures) == 0 {
		errs = append(errs, ErrUnsigned)
	}
	return errors.Join(errs...)
}

// Expectation describes what the signed document must be.
type Expectation struct {
	// Prepared is what was approved.
	Prepared *Prepared
	// Certificate is the one issued for this request.
	Certificate *x509.Certificate
	// Before is the number of signatures that the original had ([Inspection]).
	Before int
	// Level is the level that the signature must reach.
	Level Level
}

// Meets checks a signed document before it is released. It requires exactly one new signature, by
// this certificate, over the digest that was approved, with all its appearances, at this level,
// followed only by its own document timestamp. The digest covers every byte of the original, so the
// original is unchanged. Meets does not check whether earlier signatures are valid.
func (r *Report) Meets(e Expectation) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("pades: release refused: "+format, args...)
	}
	for _, p := range r.Problems {
		// Changes between earlier signatures were in the document when it was uploaded, and the
		// signer saw them.
		var history *historyError
		if !errors.As(p, &history) || history.end > e.Prepared.Size {
			return fail("%w", p)
		}
	}
	want := e.Before + 1
	if e.Level == LevelLTA {
		want++
	}
	if len(r.Signatures) != want {
		return fail("%d signatures instead of %d", len(r.Signatures), want)
	}
	for i, s := range r.Signatures[e.Before:] {
		if len(s.Problems) > 0 {
			return fail("%w", s.Err())
		}
		if s.DocumentTimestamp != (i > 0) {
			return fail("the new signatures are of the wrong kind")
		}
		if last := e.Before+i == want-1; last && s.ByteRange[2]+s.ByteRange[3] != r.Size &&
			e.Level != LevelLT {
			return fail("the last signature does not cover the whole file")
		}
	}
	s := r.Signatures[e.Before]
	p := e.Prepared
	switch {
	case s.Signer == nil || !s.Signer.Equal(e.Certificate):
		return fail("another certificate has signed")
	case s.ByteRange != p.ByteRange || !bytes.Equal(s.Digest, p.Digest[:]):
		return fail("another document was signed")
	case s.Appearances != p.Appearances || len(s.Fields) != p.Appearances:
		return fail("%d appearances instead of %d", s.Appearances, p.Appearances)
	case s.Level < e.Level:
		return fail("level %s instead of %s", s.Level, e.Level)
	}
	return nil
}
