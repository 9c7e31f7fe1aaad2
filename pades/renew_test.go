package pades

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
	"github.com/signet-sign/signet/pades/tsa"
)

// renewal sets the world's clock to now, and returns the options of a renewal at that time.
func (w *world) renewal(t *testing.T, dir string, now time.Time) RenewOptions {
	t.Helper()
	w.now = func() time.Time { return now }
	var err error
	w.ca, err = ca.Open(
		dir,
		ca.Options{
			Name:    "Signet",
			BaseURL: "http://127.0.0.1:1/pki",
			Now:     w.now,
			Rand:    rand.Reader,
		},
	)
	must(t, err)
	key, chain := w.ca.TSA()
	w.tsa, err = tsa.New(
		tsa.Config{
			Key: key, Chain: chain, Policy: ca.TimestampPolicy, Accuracy: time.Second, Now: w.now,
			Rand: rand.Reader,
		},
	)
	must(t, err)
	return RenewOptions{
		ExtendOptions: ExtendOptions{
			Evidence: w, Timestamper: w.tsa, FieldName: "Timestamp", Rand: rand.Reader,
		},
		Verify: VerifyOptions{Roots: w.ca.Roots(), TSARoots: w.ca.Roots(), Now: now},
		Before: 90 * 24 * time.Hour,
	}
}

// TestRenew renews a document before its timestamp's certificate ends. It is valid long after that
// end; without a renewal it is not.
func TestRenew(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	start := time.Now()
	w.renewal(t, dir, start)
	cert, err := w.ca.IssueSigner(
		ca.Subject{UIN: "S8979373D", Name: "TAN AH KOW"}, &w.phone.PublicKey,
	)
	must(t, err)
	w.cert = cert
	doc, p := w.extended(
		t, pdftest.Minimal(), w.options(Location{1, 0.1, 0.1}, Location{1, 0.1, 0.5}), true,
	)
	lt, _ := w.extended(t, pdftest.Minimal(), w.options(Location{1, 0.1, 0.1}), false)
	_, chain := w.ca.TSA()
	end := chain[0].NotAfter
	renew := func(doc []byte, o RenewOptions) ([]byte, error) {
		update, err := Renew(t.Context(), bytes.NewReader(doc), int64(len(doc)), o)
		return append(bytes.Clone(doc), update...), err
	}

	if _, err := renew(doc, w.renewal(t, dir, end.AddDate(-3, 0, 0))); !errors.Is(err, ErrNotDue) {
		t.Errorf("early: %v", err)
	}
	// Still the old unit: a new stamp of it would not help.
	o := w.renewal(t, dir, end.AddDate(-3, 0, 0))
	o.Before = 4 * 365 * 24 * time.Hour
	if _, err := renew(doc, o); err == nil || !strings.Contains(err.Error(), "no later than") {
		t.Errorf("the same unit: %v", err)
	}

	due := end.AddDate(0, 0, -60)
	renewed, err := renew(doc, w.renewal(t, dir, due))
	must(t, err)
	if !bytes.HasPrefix(renewed, doc) {
		t.Error("the document was touched")
	}
	if _, err := renew(renewed, w.renewal(t, dir, due)); !errors.Is(err, ErrNotDue) {
		t.Errorf("again: %v", err)
	}
	after := end.AddDate(1, 0, 0)
	late := w.renewal(t, dir, after)
	r, err := Verify(bytes.NewReader(renewed), int64(len(renewed)), late.Verify)
	must(t, err)
	if err := r.Err(); err != nil || len(r.Signatures) != 3 {
		t.Fatalf("renewed: %v, %d signatures", err, len(r.Signatures))
	}
	if s := r.Signatures[0]; s.Level != LevelLTA || !s.Signer.Equal(cert) ||
		s.ByteRange != p.ByteRange ||
		!r.Signatures[2].WholeFile {
		t.Errorf("renewed: %+v", s)
	}
	r, err = Verify(bytes.NewReader(doc), int64(len(doc)), late.Verify)
	must(t, err)
	if err := r.Err(); err == nil || r.Signatures[0].Level != LevelNone {
		t.Errorf("not renewed: %v, level %v", err, r.Signatures[0].Level)
	}
	if _, err := renew(doc, late); err == nil {
		t.Error("what has ended is renewed")
	}

	for name, doc := range map[string][]byte{
		"B-LT": lt, "unsigned": pdftest.Minimal(),
		"changed": bytes.Replace(renewed, []byte("/MediaBox"), []byte("/mediaBox"), 1),
	} {
		if _, err := renew(doc, late); err == nil || errors.Is(err, ErrNotDue) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRenewBesideOthers renews a document with an earlier signature under an unknown authority.
// That needs the option Others, and a newest timestamp that is valid.
func TestRenewBesideOthers(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	dir := t.TempDir()
	w.renewal(t, dir, time.Now())
	cert, err := w.ca.IssueSigner(
		ca.Subject{UIN: "S8979373D", Name: "TAN AH KOW"}, &w.phone.PublicKey,
	)
	must(t, err)
	w.cert = cert
	theirs, _ := other.extended(t, pdftest.Minimal(), other.options(Location{1, 0.1, 0.1}), true)
	doc, _ := w.extended(t, theirs, w.options(Location{1, 0.1, 0.5}), true)
	_, chain := w.ca.TSA()
	o := w.renewal(t, dir, chain[0].NotAfter.AddDate(0, 0, -30))
	if _, err := Renew(t.Context(), bytes.NewReader(doc), int64(len(doc)), o); err == nil {
		t.Error("a signature that is not trusted is not noticed")
	}
	o.Others = true
	update, err := Renew(t.Context(), bytes.NewReader(doc), int64(len(doc)), o)
	must(t, err)
	renewed := append(bytes.Clone(doc), update...)
	report, err := Verify(
		bytes.NewReader(renewed),
		int64(len(renewed)),
		VerifyOptions{
			Roots: o.Verify.Roots, TSARoots: o.Verify.TSARoots,
			Now: chain[0].NotAfter.AddDate(1, 0, 0),
		},
	)
	must(t, err)
	if ours := report.Signatures[2]; len(report.Signatures) != 5 || len(ours.Problems) > 0 ||
		ours.Level != LevelLTA {
		t.Errorf("%d signatures, ours %v %v", len(report.Signatures), ours.Level, ours.Problems)
	}
	doc[len(theirs)+100] ^= 1
	if _, err := Renew(t.Context(), bytes.NewReader(doc), int64(len(doc)), o); err == nil {
		t.Error("a damaged document is renewed")
	}
}
