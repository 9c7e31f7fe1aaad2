package pades

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

func TestSignAndVerify(t *testing.T) {
	w := newWorld(t)
	doc := pdftest.Minimal()
	for _, n := range []int{1, 3, 20} {
		locs := grid(t, doc, n)
		out, p := w.signed(t, doc, w.options(locs...))
		if !bytes.HasPrefix(out, doc) || p.SHA256 != sha256.Sum256(doc) {
			t.Fatal("the original is not the beginning of the signed file")
		}
		if n == 1 && len(out)-len(doc) > 40<<10 {
			t.Errorf("the update has %d bytes, more than 40 KiB", len(out)-len(doc))
		}
		r := w.verify(t, out)
		if err := r.Err(); err != nil {
			t.Fatalf("%d places: %v", n, err)
		}
		if len(r.Signatures) != 1 {
			t.Fatalf("%d places: %d signatures, want 1", n, len(r.Signatures))
		}
		s := r.Signatures[0]
		if s.Level != LevelT || s.Appearances != n || !s.WholeFile ||
			s.Signer.Subject.CommonName != "TAN AH KOW" ||
			len(s.Chain) != 3 {
			t.Errorf("%d places: %+v", n, s)
		}
		if time.Since(s.StampedAt) > time.Minute || time.Since(s.ClaimedAt) > time.Minute {
			t.Errorf("times: claimed %v, stamped %v", s.ClaimedAt, s.StampedAt)
		}
		if err := r.Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelT}); err != nil {
			t.Error(err)
		}
		if r.Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA}) == nil {
			t.Error("B-T passes for B-LTA")
		}
		if r.Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelT, Before: 1}) == nil {
			t.Error("a wrong number of signatures passes")
		}
	}
}

func TestLevels(t *testing.T) {
	w := newWorld(t)
	doc := pdftest.Minimal()
	lt, p := w.extended(t, doc, w.options(Location{1, 0.1, 0.1}), false)
	r := w.verify(t, lt)
	if err := r.Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLT}); err != nil {
		t.Errorf("B-LT: %v", err)
	}
	lta, p := w.extended(t, doc, w.options(Location{1, 0.1, 0.1}, Location{1, 0.1, 0.5}), true)
	r = w.verify(t, lta)
	if err := errors.Join(r.Err(), r.Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA})); err != nil {
		t.Errorf("B-LTA: %v", err)
	}
	if s := r.Signatures[1]; !s.DocumentTimestamp || !s.WholeFile || s.Appearances != 0 {
		t.Errorf("document timestamp: %+v", s)
	}

	// A second person signs the finished document.
	second, err := w.ca.IssueSigner(
		ca.Subject{UIN: "S8116474F", Name: "LIM MEI LING"}, &w.phone.PublicKey,
	)
	must(t, err)
	w.cert = second
	both, p2 := w.extended(t, lta, w.options(Location{1, 0.5, 0.7}), true)
	r = w.verify(t, both)
	if err := errors.Join(r.Err(), r.Meets(Expectation{Prepared: p2, Certificate: second, Before: 2, Level: LevelLTA})); err != nil {
		t.Errorf("second signature: %v", err)
	}
	if len(r.Signatures) != 4 || r.Signatures[0].Level != LevelLTA {
		t.Errorf("%d signatures, the first %v", len(r.Signatures), r.Signatures[0].Level)
	}
}

func TestSeal(t *testing.T) {
	w := newWorld(t)
	doc := pdftest.New(pdftest.XrefStream(), pdftest.NoFinalEOL())
	for _, want := range []Level{LevelT, LevelLT, LevelLTA} {
		p, err := Prepare(bytes.NewReader(doc), int64(len(doc)), w.options(Location{1, 0.1, 0.1}))
		must(t, err)
		o := SealOptions{
			Chain: w.chain(), Timestamper: w.tsa, TimestampField: "Timestamp", Rand: rand.Reader,
			NoDocumentTimestamp: want == LevelLT,
		}
		if want > LevelT {
			o.Evidence = w
		}
		appended, got, err := Seal(
			t.Context(), bytes.NewReader(doc), p, w.sign(t, p.SignedAttributes(w.cert)), o,
		)
		must(t, err)
		if got != want {
			t.Errorf("level %v, want %v", got, want)
		}
		must(
			t,
			w.verify(t, append(bytes.Clone(doc), appended...)).Meets(
				Expectation{Prepared: p, Certificate: w.cert, Level: want},
			),
		)
		if _, _, err := Seal(t.Context(), bytes.NewReader(append([]byte("%PDF-1.4"), doc[8:]...)), p, w.sign(t, p.SignedAttributes(w.cert)), o); !errors.Is(
			err, ErrOriginal,
		) {
			t.Errorf("another original: %v", err)
		}
	}
}

// What is kept while the phone is asked must survive storage.
func TestPreparedSurvivesJSON(t *testing.T) {
	w := newWorld(t)
	doc := pdftest.Minimal()
	p, err := Prepare(bytes.NewReader(doc), int64(len(doc)), w.options(Location{1, 0.1, 0.1}))
	must(t, err)
	stored, err := json.Marshal(p)
	must(t, err)
	if len(stored) > 32<<10 {
		t.Errorf("a prepared document takes %d bytes", len(stored))
	}
	var back Prepared
	must(t, json.Unmarshal(stored, &back))
	sig := w.sign(t, back.SignedAttributes(w.cert))
	var out bytes.Buffer
	must(t, Embed(t.Context(), bytes.NewReader(doc), &back, w.chain(), sig, w.tsa, &out))
	must(t, w.verify(t, out.Bytes()).Err())
}
