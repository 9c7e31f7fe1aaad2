package pades

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// FuzzSeal checks that every document that Inspect accepts can be prepared and sealed, and that the
// result passes the release gate. A failure after the approval would leave the signer with a
// signature that cannot be delivered.
func FuzzSeal(f *testing.F) {
	for _, c := range pdftest.Cases() {
		if len(c.PDF) < 64<<10 {
			f.Add(c.PDF)
		}
	}
	w := newWorld(f)
	signed, _ := w.extended(f, pdftest.Minimal(), w.options(Location{1, 0.5, 0.5}), true)
	f.Add(signed)
	locs := []Location{{1, 0, 0}}
	f.Fuzz(func(t *testing.T, doc []byte) {
		r := bytes.NewReader(doc)
		in, err := Inspect(t.Context(), r, r.Size(), locs, pdf.Limits{})
		if err != nil {
			if pdf.ReasonOf(err) == "" {
				t.Fatalf("%v is not a refusal", err)
			}
			return
		}
		p, err := Prepare(r, r.Size(), w.options(locs...))
		if err != nil {
			t.Fatalf("accepted, but not prepared: %v", err)
		}
		appended, level, err := Seal(
			t.Context(),
			r,
			p,
			w.sign(t, p.SignedAttributes(w.cert)),
			SealOptions{
				Chain: w.chain(), Timestamper: w.tsa, Evidence: w, TimestampField: "Timestamp",
				Rand: rand.Reader,
			},
		)
		if err != nil {
			t.Fatalf("accepted, but not sealed: %v", err)
		}
		report := w.verify(t, append(bytes.Clone(doc), appended...))
		if err := report.Meets(Expectation{Prepared: p, Certificate: w.cert, Before: in.Signatures, Level: level}); err != nil {
			t.Fatalf("sealed, but refused: %v", err)
		}
	})
}
