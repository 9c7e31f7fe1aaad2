package pades

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestManyFields verifies large forms that four people have signed, or of which all fields are filled
// in. The work for one field does not depend on how many there are, and what revisions have in common
// is read once.
func TestManyFields(t *testing.T) {
	const (
		many  = 1500
		first = 10_000 // number of the first field
	)
	w := newWorld(t)
	var refs strings.Builder
	var fields []pdftest.Option
	for i := range many {
		fmt.Fprintf(&refs, "%d 0 R ", first+i)
		x, y := 10+i%50*10, 10+i/50*10
		fields = append(fields, pdftest.Object(first+i, fmt.Sprintf(
			"<< /Type /Annot /Subtype /Widget /FT /Tx /T (f%d) /V (x) /DA (/Helv 6 Tf 0 g) /Rect [%d %d %d %d] /P %d 0 R >>",
			i, x, y, x+8, y+8, pdftest.PageNum(1),
		)))
	}
	doc := pdftest.New(append(
		fields, pdftest.Catalog("/AcroForm << /Fields ["+refs.String()+"] >>"),
		pdftest.PageEntries(1, "/Annots ["+refs.String()+"]"),
	)...)
	verify := func(doc []byte, budget int64) *Report {
		r, err := Verify(bytes.NewReader(doc), int64(len(doc)), VerifyOptions{
			Roots: w.roots, TSARoots: w.roots, Now: w.now(), Limits: pdf.Limits{Work: budget},
		})
		must(t, err)
		return r
	}

	signed := doc
	for i, x := range []float64{0.5, 0.05, 0.5, 0.05} {
		o := w.options(Location{1, x, []float64{0.9, 0.8}[i/2]})
		o.FieldName = fmt.Sprint("signer", i)
		signed, _ = w.extended(t, signed, o, true)
	}
	if err := verify(signed, 28<<20).Err(); err != nil {
		t.Errorf("four signers: %v", err)
	}

	// What a budget does not suffice for is not known.
	r := verify(signed, 14<<20)
	if got, sub := r.Indication(); got != Indeterminate || sub != SigConstraintsFailure {
		t.Errorf("with a small budget: %s, %s", got, sub)
	}
	oldest, newest := r.Signatures[0], r.Signatures[len(r.Signatures)-1]
	if !oldest.Unjudged || oldest.Intact() || newest.Unjudged || !newest.Intact() {
		t.Errorf("with a small budget: %v", r.Err())
	}
	// What was found before it was used up counts.
	later := newVictim(t, w, signed)
	attacked := later.update(map[int]string{
		later.root(): later.set(later.root(), pdf.Pair{Key: "AA", Value: "<< /WP << /S /JavaScript /JS (1) >> >>"}),
	})
	found := false
	for budget := int64(6 << 20); budget < 20<<20 && !found; budget += 256 << 10 {
		for _, s := range verify(attacked, budget).Signatures {
			indication, _ := s.Indication()
			found = found || s.Unjudged && indication == TotalFailed
		}
	}
	if !found {
		t.Error("no change was found before the budget was used up")
	}
	inspect := func(doc []byte) error {
		_, err := Inspect(
			t.Context(), bytes.NewReader(doc), int64(len(doc)), []Location{{1, 0.05, 0.7}},
			pdf.Limits{Work: 7200 << 10},
		)
		return err
	}
	if err := inspect(doc); err != nil {
		t.Errorf("Inspect before it is signed: %v", err)
	}
	if err := inspect(signed); pdf.ReasonOf(err) != pdf.TooMuchWork {
		t.Errorf("Inspect, with a budget that does not suffice for so many signatures: %v", err)
	}

	v := newVictim(t, w, w.signedWith(t, doc, "first", certify(2), ""))
	filled := make(map[int]string)
	for i := range many {
		filled[first+i] = v.set(
			first+i, pdf.Pair{Key: "V", Value: "(y)"},
			pdf.Pair{Key: "AP", Value: fmt.Sprintf("<< /N %d 0 R >>", 2*first+i)},
		)
		filled[2*first+i] = pdftest.Stream(
			fmt.Sprintf(
				"/Type /XObject /Subtype /Form /BBox [0 0 8 8] /Resources << /Font << /Helv %d 0 R >> >>",
				pdftest.FontNum,
			), "/Tx BMC BT /Helv 6 Tf 0 g 1 1 Td (y) Tj ET EMC",
		)
	}
	r = verify(v.update(filled), 96<<20)
	if n := len(r.Signatures[0].Changes); r.Err() != nil || n != many {
		t.Errorf("filled in: %d changes, %v", n, r.Err())
	}
}
