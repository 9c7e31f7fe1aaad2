package request_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// countedDocuments counts the bytes that are read.
type countedDocuments struct {
	request.Documents
	read atomic.Int64
}

func (d *countedDocuments) Open(ctx context.Context, key string) (request.Blob, error) {
	b, err := d.Documents.Open(ctx, key)
	return countedBlob{b, &d.read}, err
}

type countedBlob struct {
	request.Blob
	read *atomic.Int64
}

func (b countedBlob) ReadAt(p []byte, off int64) (int, error) {
	n, err := b.Blob.ReadAt(p, off)
	b.read.Add(int64(n))
	return n, err
}

// TestInitiateHashesOnTheWay checks that an upload is stored unchanged, for any size of its pieces,
// and that most of it is not read again.
func TestInitiateHashesOnTheWay(t *testing.T) {
	w := newWorld(t)
	docs := &countedDocuments{Documents: w.docs}
	w.Documents = docs
	var pdf bytes.Buffer
	if err := pdftest.Large(&pdf, 1_000_000, 3); err != nil {
		t.Fatal(err)
	}
	a := request.Application{
		ClientID: shop, DocName: "lease.pdf", Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
	}
	got, err := w.Initiate(t.Context(), a, iotest.HalfReader(bytes.NewReader(pdf.Bytes())))
	if err != nil {
		t.Fatal(err)
	}
	if n := docs.read.Load(); n > int64(pdf.Len()/4) {
		t.Errorf("%d of %d bytes were read again", n, pdf.Len())
	}
	r, err := w.Get(t.Context(), got.RequestID)
	if err != nil {
		t.Fatal(err)
	}
	if want := sha256.Sum256(pdf.Bytes()); !bytes.Equal(r.Document.SHA256, want[:]) {
		t.Errorf("SHA-256 %x, want %x", r.Document.SHA256, want)
	}
	stored, err := w.docs.Open(t.Context(), r.Document.Key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stored.Close() }()
	all := make([]byte, stored.Size())
	if _, err := stored.ReadAt(all, 0); err != nil || !bytes.Equal(all, pdf.Bytes()) {
		t.Errorf("other bytes are stored, %v", err)
	}
}

// TestOtherDocument checks that what is signed is what was received and hashed, or nothing.
func TestOtherDocument(t *testing.T) {
	w := newWorld(t)
	r := w.initiate(t)
	if _, err := w.Open(t.Context(), r.RequestID, alice); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Proceed(t.Context(), r.RequestID, alice, request.SeenUnasked); err != nil {
		t.Fatal(err)
	}
	var other bytes.Buffer
	if err := pdftest.Large(&other, 10_000, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := w.docs.Put(t.Context(), r.RequestID+"/original", &other); err != nil {
		t.Fatal(err)
	}
	if err := w.approve(t.Context(), r.RequestID, alice); err == nil ||
		!strings.Contains(err.Error(), "not what was received") {
		t.Errorf("another document was approved: %v", err)
	}
	if got, err := w.Get(t.Context(), r.RequestID); err != nil ||
		got.State != request.StateSession ||
		got.Session.Prepared != nil {
		t.Errorf("the request became %+v, %v", got, err)
	}
}
