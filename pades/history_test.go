package pades

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestLongHistory verifies a document with many revisions of many objects on a
// budget that does not suffice for all: the verdict says what was not looked at,
// and our own signature, which needs none of it, is still released.
func TestLongHistory(t *testing.T) {
	w := newWorld(t)
	var opts []pdftest.Option
	for i := range 5000 {
		opts = append(opts, pdftest.Object(10_000+i, "0"))
	}
	doc := pdftest.New(opts...)
	for i := range 40 {
		doc = pdftest.Update(
			doc,
			pdftest.Revision{
				Objects: map[int]string{pdftest.InfoNum: fmt.Sprintf("<< /Producer (%d) >>", i)},
			},
		)
	}
	out, p := w.extended(t, doc, w.options(Location{1, 0.5, 0.5}), true)
	verify := func(work int64) *Report {
		report, err := Verify(
			bytes.NewReader(out),
			int64(len(out)),
			VerifyOptions{
				Roots: w.ca.Roots(), TSARoots: w.ca.Roots(), Now: w.now(),
				Limits: pdf.Limits{Work: work},
			},
		)
		must(t, err)
		return report
	}
	must(t, verify(0).Err())

	report := verify(4 << 20) // all revisions take about 10 MiB
	var history *historyError
	if err := report.Err(); !errors.As(err, &history) || history.field != "" ||
		!strings.Contains(err.Error(), "too much work") {
		t.Errorf("on a small budget: %v", err)
	}
	must(t, report.Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA}))
}

func TestTooManySignatures(t *testing.T) {
	w := newWorld(t)
	document := func(n int) []byte {
		var fields []pdftest.Field
		for i := range n {
			fields = append(
				fields,
				pdftest.Field{
					Name: fmt.Sprint("sig", i), Page: 1, Rect: "[0 0 0 0]",
					Value: pdftest.Signature(""),
				},
			)
		}
		return pdftest.New(pdftest.IndirectForm(fields...))
	}
	for _, tc := range []struct {
		n       int
		inspect bool // refused by Inspect for the number
		verify  bool
	}{{98, false, false}, {99, true, false}, {100, true, false}, {101, true, true}} {
		r := bytes.NewReader(document(tc.n))
		_, err := Inspect(t.Context(), r, r.Size(), []Location{{1, 0, 0}}, pdf.Limits{})
		if got := pdf.ReasonOf(err) == TooManySignatures; got != tc.inspect {
			t.Errorf("Inspect with %d: %v", tc.n, err)
		}
		_, err = Verify(r, r.Size(), VerifyOptions{Now: w.now()})
		if got := pdf.ReasonOf(err) == TooManySignatures; got != tc.verify {
			t.Errorf("Verify with %d: %v", tc.n, err)
		}
	}
}
