package pades

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Level is a PAdES baseline level (EN 319 142-1, section 6).
type Level int

// Levels, each with what the ones before it have.
const (
	// LevelNone: the signature is not a valid PAdES signature.
	LevelNone Level = iota
	// LevelB: signed by a certificate of a trusted authority.
	LevelB
	// LevelT: a trusted time stamp proves that the signature existed at a time.
	LevelT
	// LevelLT: the file holds all certificates and revocation data.
	LevelLT
	// LevelLTA: a document time stamp proves that these existed at a time.
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

// Signature is the verdict on one signature or document time stamp.
type Signature struct {
	// Fields are the names of all fields that show this signature, Appearances
	// the number of them that are visible.
	Fields      []string
	Appearances int
	// DocumentTimestamp tells a time stamp over the document from a person's signature.
	DocumentTimestamp bool
	// Signer is the certificate, nil if the message is unreadable; Chain leads
	// from it to a trusted root and is nil if there is no such path.
	Signer *x509.Certificate
	Chain  []*x509.Certificate
	// ClaimedAt is /M, which the signing program wrote; StampedAt is what the
	// time stamp proves, zero if there is no valid one.
	ClaimedAt, StampedAt time.Time
	Level                Level
	// Digest is the message digest that was signed, ByteRange what it covers.
	Digest    []byte
	ByteRange [4]int64
	// WholeFile says that nothing was appended after this signature.
	WholeFile bool
	// Changes are what later revisions did, in words; only additions of the
	// white list (see diff.go) do not count as problems.
	Changes []string
	// Problems, if any, say why the signature must not be relied on.
	Problems []error

	stampChain []*x509.Certificate // of the signature time stamp
}

func (s *Signature) fail(format string, args ...any) {
	s.Problems = append(s.Problems, fmt.Errorf(format, args...))
}

// Report is what [Verify] found.
type Report struct {
	Size int64
	// Signatures in the order in which they close the file's revisions.
	Signatures []*Signature
	// Problems concern the file as a whole.
	Problems []error
}

// ErrUnsigned reports a document without any signature.
var ErrUnsigned = errors.New("pades: the document has no signature")

// Err returns nil only for a document with at least one signature in which all
// signatures are valid and nothing but additions of the white list was made
// after each.
func (r *Report) Err() error {
	errs := r.Problems
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

// Expectation is what the record says the signed document must be.
type Expectation struct {
	// Prepared is what was approved.
	Prepared *Prepared
	// Certificate is the one issued for this request.
	Certificate *x509.Certificate
	// Before is the number of signatures that the original had ([Inspection]).
	Before int
	// Level that must be reached.
	Level Level
}

// Meets is the gate before a signed document becomes visible. It demands
// exactly one new signature, by this certificate, over the digest that was
// approved, with all its appearances, at this level, and after it nothing but
// our own document time stamp. The digest covers every byte of the original, so
// the original is untouched; whether earlier signatures in it are any good is
// not asked.
func (r *Report) Meets(e Expectation) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("pades: release refused: "+format, args...)
	}
	for _, p := range r.Problems {
		// What happened before the document came to us is part of its history,
		// and of what the signer saw.
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
			return fail("%w", errors.Join(s.Problems...))
		}
		if s.DocumentTimestamp != (i > 0) {
			return fail("the new signatures are of the wrong kind")
		}
		if last := e.Before+i == want-1; last && !s.WholeFile && e.Level != LevelLT {
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
