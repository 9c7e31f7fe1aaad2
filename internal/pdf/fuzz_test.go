package pdf_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/signet-sign/signet/internal/pdf"
	"github.com/signet-sign/signet/internal/pdf/pdftest"
)

// FuzzOpen: no input panics or takes memory out of proportion; every error is a
// Refusal; and a document that can be signed reads the same afterwards.
func FuzzOpen(f *testing.F) {
	for _, c := range pdftest.Cases() {
		if len(c.PDF) < 16<<10 {
			f.Add(c.PDF)
		}
	}
	lim := pdf.Limits{Inflated: 256 << 10, Work: 8 << 20}
	f.Fuzz(func(t *testing.T, file []byte) {
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
		if err == nil {
			err = loadAll(d)
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
		r, size := pdf.Joined(bytes.NewReader(file), int64(len(file)), u.Bytes())
		d2, err := pdf.Open(r, size, pdf.Limits{})
		if err != nil {
			t.Fatalf("the updated file is refused: %v", err)
		}
		checkUntouched(t, d, d2, fields)
	})
}

// loadAll reads every object once.
func loadAll(d *pdf.Document) (err error) {
	for e := range d.Entries {
		if e.Kind != pdf.Free {
			if _, err = d.Load(e.Ref); err != nil {
				return err
			}
		}
	}
	return nil
}
