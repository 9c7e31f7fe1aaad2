package request_test

import (
	"errors"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
)

// TestShow checks that an operator sees the document that is stored, and that the trail says who
// did; a document that is gone is neither shown nor recorded.
func TestShow(t *testing.T) {
	w := newWorld(t)
	for _, state := range []request.State{
		request.StateCreated, request.StateSession, request.StateSigned,
	} {
		in := w.in(t, state)
		before, err := w.Get(t.Context(), in.RequestID)
		if err != nil {
			t.Fatal(err)
		}
		want := before.Document.Size
		if state == request.StateSigned {
			want = before.Signed.Size
		}
		doc, r, err := w.Show(t.Context(), in.RequestID, "mei")
		if err != nil {
			t.Fatalf("%s: %v", state, err)
		}
		if doc.Size() != want || r.State != state {
			t.Errorf(
				"%s: %d bytes of a request in state %s, want %d", state, doc.Size(), r.State, want,
			)
		}
		if err := doc.Close(); err != nil {
			t.Error(err)
		}
		w.audited(t, in.RequestID, request.EventShown, 1)
	}
	for _, state := range []request.State{request.StateCancelled} {
		in := w.in(t, state)
		if _, _, err := w.Show(t.Context(), in.RequestID, "mei"); !errors.Is(err, api.ErrNoRecord) {
			t.Errorf("%s: %v", state, err)
		}
		w.audited(t, in.RequestID, request.EventShown, 0)
	}
	signed := w.in(t, request.StateSigned)
	w.Documents = &moved{Documents: w.Documents, times: 1}
	if doc, _, err := w.Show(t.Context(), signed.RequestID, "mei"); err != nil {
		t.Errorf("a document that was renewed in the meantime: %v", err)
	} else if err := doc.Close(); err != nil {
		t.Error(err)
	}
}
