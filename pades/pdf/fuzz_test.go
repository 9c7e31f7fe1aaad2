package pdf_test

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// FuzzOpen checks that no input panics or takes memory out of proportion; every error is a
// Refusal; and a document that can be signed reads the same afterwards.
func FuzzOpen(f *testing.F) {
	for _, c := range pdftest.Cases() {
		if len(c.PDF) < 16<<10 {
			f.Add(c.PDF)
		}
	}
	f.Fuzz(checkFile)
}

// FuzzObjects puts what the fuzzer makes into objects of a file with correct
// cross-references, which it would hardly ever find by itself. The form and the
// page may refer to objects 5000 and 5001.
func FuzzObjects(f *testing.F) {
	f.Add(
		byte(0), "/AcroForm << /Fields [ 5000 0 R ] >>", "/Rotate 90",
		"<< /FT /Sig /T (a) /Kids [ 5001 0 R ] >>", "<< /Rect [1 2 3 4] /V << >> >>",
	)
	f.Add(
		byte(1), "/AcroForm 5000 0 R", "/Annots 5001 0 R", "<< /Fields 5001 0 R /SigFlags 1 >>",
		"[ 12 0 R << /Subtype /Link >> null ]",
	)
	f.Add(
		byte(2), "/Perms << /DocMDP 5000 0 R >>", "/MediaBox 5001 0 R",
		pdftest.Signature(pdftest.DocMDP(2)), "[ 0 0 5000 0 R 100 ]",
	)
	f.Add(
		byte(2), "/NeedsRendering false", "/CropBox [10 10 20.5 30]/UserUnit .5", "5001 0 R",
		"5000 0 R",
	)
	f.Add(
		byte(3), "/Version/1.4/Lang(en)", "/Annots[5000 0 R]/Tabs/S",
		pdftest.Stream("/Length 5001 0 R", "x"), "1",
	)
	f.Fuzz(func(t *testing.T, layout byte, catalog, page, a, b string) {
		opts := []pdftest.Option{
			pdftest.Catalog(catalog), pdftest.PageEntries(1, page),
			pdftest.Object(5000, a), pdftest.Object(5001, b),
		}
		switch layout % 4 {
		case 1:
			opts = append(opts, pdftest.XrefStream())
		case 2:
			opts = append(opts, pdftest.ObjectStreams())
		case 3:
			opts = append(opts, pdftest.Linearized())
		}
		checkFile(t, pdftest.New(opts...))
	})
}

func checkFile(t *testing.T, file []byte) {
	lim := pdf.Limits{Inflated: 256 << 10, Work: 8 << 20}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d, err := pdf.Open(bytes.NewReader(file), int64(len(file)), lim)
	runtime.ReadMemStats(&after)
	// What one stream may inflate to is allowed several times over, since
	// buffers double; beyond that, memory follows the input.
	allowed := uint64(8*lim.Inflated) + 512*uint64(len(file)) + 64<<10
	if got := after.TotalAlloc - before.TotalAlloc; got > allowed {
		t.Errorf("%d bytes allocated for an input of %d bytes", got, len(file))
	}
	if err != nil {
		if pdf.ReasonOf(err) == "" {
			t.Fatalf("not a refusal: %v", err)
		}
		return
	}
	fields, err := d.SignatureFields()
	dangling := false
	if err == nil {
		dangling, err = loadAll(d)
	}
	var u *pdf.Update
	if err == nil {
		u, err = sign(d)
	}
	if err != nil {
		if pdf.ReasonOf(err) == "" {
			t.Fatalf("not a refusal: %v", err)
		}
		return
	}
	if dangling {
		return
	}
	r, size := pdf.Joined(bytes.NewReader(file), int64(len(file)), u.Bytes())
	d2, err := pdf.Open(r, size, pdf.Limits{})
	if err != nil {
		t.Fatalf("the updated file is refused: %v", err)
	}
	checkUntouched(t, d, d2, fields)
}

// loadAll reads every object once and reports whether one refers to a number
// that the next update may use. Where that is not in an object that the update
// changes, signing does not notice it, and the file may well read differently.
func loadAll(d *pdf.Document) (dangling bool, err error) {
	first := pdf.NewUpdate(d).Alloc().Num
	var walk func(o pdf.Object)
	walk = func(o pdf.Object) {
		if r, ok := o.Ref(); ok && r.Num >= first {
			dangling = true
		}
		for _, e := range o.Elements() {
			walk(e)
		}
		for _, v := range o.Entries() {
			walk(v)
		}
	}
	for e := range d.Entries {
		if e.Kind == pdf.Free {
			continue
		}
		o, err := d.Load(e.Ref)
		if err != nil {
			return false, err
		}
		walk(o)
	}
	return dangling, nil
}

// FuzzContent demands that operators and operands are read in the order of the data, each once.
func FuzzContent(f *testing.F) {
	f.Add([]byte("/Tx BMC q BT /F 12 Tf [(A) -80 <42>] TJ ET Q EMC"))
	f.Add([]byte("1 beginbfchar <01> <0041> endbfchar"))
	f.Add([]byte("q .5 -1e2 0 +1. 0 0 cm /P <</MCID 0/A[(\\)\\\\)]>> BDC 0 0 m 1 1 2 2 3 3 c h f* EMC Q"))
	f.Add([]byte("BI /W 1 /H 1 /BPC 8 /CS /G ID x EI q Q"))
	f.Add([]byte("(a\\\r\nb\\053) Tj % a comment\n[<4> null true] 0 d /F#31 9 Tf (((nested)))'"))
	f.Fuzz(func(t *testing.T, data []byte) {
		at := 0
		_ = pdf.Content(data, func(operator string, operands []pdf.Object) bool {
			for _, o := range operands {
				i := strings.Index(string(data[at:]), o.Raw())
				if i < 0 {
					t.Fatalf("%q is not in %q", o.Raw(), data[at:])
				}
				at += i + len(o.Raw())
			}
			i := strings.Index(string(data[at:]), operator)
			if operator == "" || i < 0 {
				t.Fatalf("%q is not in %q", operator, data[at:])
			}
			at += i + len(operator)
			return true
		})
	})
}
