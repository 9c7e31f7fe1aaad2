package request_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// FuzzInitiate uploads any bytes: a relying party gets a request, or a refusal with a sentence. An
// error of another kind would be answered as a fault of the server.
func FuzzInitiate(f *testing.F) {
	for _, c := range pdftest.Cases() {
		if len(c.PDF) < 64<<10 {
			f.Add(c.PDF, 1, 0.1, 0.1)
		}
	}
	for _, pattern := range []string{"corpus/*.pdf", "upload/*.pdf", "verify/*/*.pdf"} {
		files, err := filepath.Glob("../../pades/testdata/" + pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no files of %s: %v", pattern, err)
		}
		for _, file := range files {
			doc, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			if len(doc) < 64<<10 {
				f.Add(doc, 1, 0.0, 0.0)
			}
		}
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, doc []byte, page int, x, y float64) {
		_, err := w.Initiate(t.Context(), request.Application{
			ClientID: shop, DocName: "any.pdf", Locations: []api.Location{{Page: page, X: x, Y: y}},
		}, bytes.NewReader(doc))
		var refusal *api.Error
		if err != nil && !errors.As(err, &refusal) {
			t.Fatalf("%v is not a refusal", err)
		}
	})
}
