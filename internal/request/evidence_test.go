package request_test

import (
	"context"
	"io/fs"
	"testing"

	"github.com/signet-sign/signet/internal/request"
)

// TestEvidenceMeetsRenewal checks that a document that takes another's place while its evidence is
// collected is looked up once more.
func TestEvidenceMeetsRenewal(t *testing.T) {
	w := newWorld(t)
	in := w.in(t, request.StateSigned)
	real := w.Documents
	w.Documents = &moved{Documents: real, times: 1}
	e, err := w.TakeEvidence(t.Context(), in.RequestID, "mei")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.Signed == nil || e.Report == nil || len(e.Report.Problems) > 0 {
		t.Errorf("%+v", e)
	}
	w.audited(t, in.RequestID, request.EventEvidence, 1)
	w.Documents = &moved{Documents: real, times: 2}
	if _, err := w.TakeEvidence(t.Context(), in.RequestID, "mei"); err == nil {
		t.Error("evidence of a document that is gone")
	}
}

// moved does not find the first documents that are asked for.
type moved struct {
	request.Documents
	times int
}

func (m *moved) Open(ctx context.Context, key string) (request.Blob, error) {
	if m.times--; m.times >= 0 {
		return nil, fs.ErrNotExist
	}
	return m.Documents.Open(ctx, key)
}
