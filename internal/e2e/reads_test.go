package e2e_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// failingReads are documents of which one read fails, as of an object store that stops answering.
type failingReads struct {
	request.Documents
	fail int // number of the read that fails, from 0; -1 is none
	n    int // reads so far
}

func (d *failingReads) Open(ctx context.Context, key string) (request.Blob, error) {
	b, err := d.Documents.Open(ctx, key)
	return failingBlob{b, d}, err
}

type failingBlob struct {
	request.Blob
	docs *failingReads
}

func (b failingBlob) ReadAt(p []byte, off int64) (int, error) {
	b.docs.n++
	if b.docs.n-1 == b.docs.fail {
		return 0, fmt.Errorf("%w: injected", request.ErrAway)
	}
	return b.Blob.ReadAt(p, off)
}

// worldOver opens a world whose documents are wrapped.
func worldOver(t *testing.T, wrap func(request.Documents) request.Documents) *world {
	t.Helper()
	w, err := openWorld(t.Context(), worldOptions{dir: t.TempDir(), docs: wrap})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.close() })
	return w
}

// TestReadFails fails each read of a document in turn. A failure is never taken for a mistake in
// the document: an upload is not refused as an invalid PDF, and sealing goes on later.
func TestReadFails(t *testing.T) {
	docs := &failingReads{fail: -1}
	w := worldOver(t, func(d request.Documents) request.Documents { docs.Documents = d; return docs })
	ctx := t.Context()
	var id string
	// each runs an operation once for each of its reads, with that read failing.
	each := func(name string, operation func() error) {
		t.Helper()
		for docs.fail = 0; ; docs.fail++ {
			docs.n = 0
			err := operation()
			if docs.n <= docs.fail { // all its reads have failed once
				if err != nil {
					t.Fatalf("%s, without a failure: %v", name, err)
				}
				if docs.fail < 5 {
					t.Errorf("%s reads %d times only", name, docs.n)
				}
				docs.fail = -1
				return
			}
			if !errors.Is(err, request.ErrAway) {
				t.Errorf("%s, with its read %d failing: %v", name, docs.fail, err)
			}
		}
	}
	each("initiate", func() error {
		in, err := w.Initiate(ctx, request.Application{
			ClientID: shop, DocName: "a.pdf", Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
		}, bytes.NewReader(pdftest.Minimal()))
		if err == nil {
			id = in.RequestID
		}
		return err
	})
	_, err := w.Open(ctx, id, signerAlice)
	if err == nil {
		_, err = w.Proceed(ctx, id, signerAlice, request.SeenUnasked)
	}
	if err := cmp.Or(err, w.phones.Approve(ctx, id, signerAlice)); err != nil {
		t.Fatal(err)
	}
	for docs.fail = 0; ; docs.fail++ {
		docs.n = 0
		jobs, err := w.store.Jobs(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		w.Seal(ctx, &jobs[0])
		r, err := w.Get(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if r.State == request.StateSigned {
			break
		}
		if r.State != request.StateSealing || jobs[0].Status != request.JobPending {
			t.Fatalf("with read %d failing: %s, job %s", docs.fail, r.State, jobs[0].Status)
		}
	}
	if docs.n > docs.fail || docs.fail < 10 {
		t.Errorf("signed with read %d of %d failing", docs.fail, docs.n)
	}
	docs.fail = -1
	each("check", func() error {
		_, err := w.CheckSigned(ctx, id)
		return err
	})
}

// failingWrites are documents whose disk is full.
type failingWrites struct {
	request.Documents
	full atomic.Bool
}

func (d *failingWrites) Put(ctx context.Context, key string, r io.Reader) (int64, error) {
	if !d.full.Load() {
		return d.Documents.Put(ctx, key, r)
	}
	_, _ = io.CopyN(io.Discard, r, 100) // they had room
	return 0, fmt.Errorf("%w: injected", request.ErrNoRoom)
}

// TestWriteFails fills the disk at each write of a document, while the database works. Uploads and
// signers' steps are refused without effect, cancels are not, and sealing goes on later.
func TestWriteFails(t *testing.T) {
	docs := new(failingWrites)
	w := worldOver(t, func(d request.Documents) request.Documents { docs.Documents = d; return docs })
	ctx := t.Context()
	initiate := func() (string, error) {
		in, err := w.Initiate(ctx, request.Application{
			ClientID: shop, DocName: "a.pdf", Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
		}, bytes.NewReader(pdftest.Minimal()))
		if err != nil {
			return "", err
		}
		return in.RequestID, nil
	}
	full := func(what string, step func() error) {
		t.Helper()
		docs.full.Store(true)
		if err := step(); !errors.Is(err, request.ErrNoRoom) {
			t.Errorf("%s: %v, want an ErrNoRoom", what, err)
		}
		docs.full.Store(false)
		if err := step(); err != nil {
			t.Fatalf("%s, with room: %v", what, err)
		}
	}
	var id string
	full("initiate", func() (err error) { id, err = initiate(); return err })
	_, err := w.Open(ctx, id, signerAlice)
	if err == nil {
		_, err = w.Proceed(ctx, id, signerAlice, request.SeenUnasked)
	}
	if err != nil {
		t.Fatal(err)
	}
	full("approve", func() error { return w.phones.Approve(ctx, id, signerAlice) })
	seal := func(want request.State) {
		t.Helper()
		jobs, err := w.store.Jobs(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		w.Seal(ctx, &jobs[0])
		if r, err := w.Get(ctx, id); err != nil || r.State != want {
			t.Fatalf("%s, %v; want %s", r.State, err, want)
		}
	}
	other, err := initiate()
	if err != nil {
		t.Fatal(err)
	}
	docs.full.Store(true)
	seal(request.StateSealing)
	if err := w.Cancel(ctx, shop, other); err != nil {
		t.Errorf("cancel: %v", err)
	}
	docs.full.Store(false)
	if err := w.SealAgain(ctx, id, "operator"); err != nil {
		t.Fatal(err)
	}
	seal(request.StateSigned)
}
