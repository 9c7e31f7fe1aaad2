package request_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/pades"
	"github.com/signet-sign/signet/pades/tsa"
)

// restart opens the authority again, as a restart of the program would: it then has a newer
// time-stamping unit if the old one is in its last years.
func (w *world) restart(t *testing.T) {
	t.Helper()
	authority, err := ca.Open(filepath.Join(w.dir, "authority"), ca.Options{
		Name: "Test", Sandbox: true, BaseURL: "http://127.0.0.1/pki", Now: w.clock.Now,
		Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	key, chain := authority.TSA()
	w.Timestamper, err = tsa.New(tsa.Config{
		Key: key, Chain: chain, Policy: "1.2.3.4", Accuracy: time.Second, Now: w.clock.Now,
		Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// signed returns the record, the bytes and the verdict on the bytes.
func (w *world) signed(t *testing.T, id string) (*request.Request, []byte, *pades.Report) {
	t.Helper()
	r, err := w.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.docs.Open(t.Context(), r.Signed.Key)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	doc, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	if err != nil {
		t.Fatal(err)
	}
	report, err := pades.Verify(
		b, b.Size(), pades.VerifyOptions{Roots: w.Roots, TSARoots: w.TSARoots, Now: w.clock.Now()},
	)
	if err != nil {
		t.Fatal(err)
	}
	return r, doc, report
}

func (w *world) drain(t *testing.T) {
	t.Helper()
	if err := w.worker.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// renewals are the pending renewals of a request.
func (w *world) renewals(t *testing.T, id string) (jobs []request.Job) {
	t.Helper()
	all, err := w.store.Jobs(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range all {
		if j.Kind == request.JobRenew && j.Status == request.JobPending {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// due brings a signed request to the day on which it is to be renewed, with a new unit to do it.
func (w *world) due(t *testing.T) (*api.Initiated, *request.Request, []byte) {
	t.Helper()
	in := w.in(t, request.StateSigned)
	r, doc, _ := w.signed(t, in.RequestID)
	jobs := w.renewals(t, in.RequestID)
	want := r.Signed.Until.Add(-request.DefaultRenewBefore)
	if len(jobs) != 1 || !jobs[0].DueAt.Equal(want) {
		t.Fatalf("renewals %+v, want one at %s", jobs, want)
	}
	w.clock.advance(want.Sub(w.clock.Now()) - time.Second)
	w.drain(t)
	if _, now, _ := w.signed(t, in.RequestID); !bytes.Equal(now, doc) {
		t.Fatal("renewed before it is due")
	}
	w.restart(t)
	w.clock.advance(time.Second)
	return in, r, doc
}

// TestRenew checks that a stored document gets a further timestamp before its newest one's
// certificate ends, again and again; the old bytes are deleted, the record of the signature stays.
func TestRenew(t *testing.T) {
	w := newWorld(t)
	in, before, doc := w.due(t)
	w.drain(t)
	r, renewed, report := w.signed(t, in.RequestID)
	if !bytes.HasPrefix(renewed, doc) || len(renewed) == len(doc) {
		t.Fatalf("%d bytes became %d", len(doc), len(renewed))
	}
	if err := report.Err(); err != nil || len(report.Signatures) != 3 ||
		report.Signatures[0].Level != pades.LevelLTA {
		t.Errorf("%d signatures: %v", len(report.Signatures), err)
	}
	if s, b := r.Signed, before.Signed; !s.At.Equal(b.At) || s.Name != b.Name ||
		s.Level != b.Level ||
		!s.Until.After(b.Until) ||
		s.Renewal != "" ||
		s.Size != int64(len(renewed)) {
		t.Errorf("the record was %+v and is %+v", b, s)
	}
	if keys, err := w.docs.Keys(t.Context(), in.RequestID); err != nil || len(keys) != 1 ||
		keys[0] != r.Signed.Key {
		t.Errorf("%v are stored (%v), want %s", keys, err, r.Signed.Key)
	}
	w.audited(t, in.RequestID, request.EventRenewed, 1)
	next := r.Signed.Until.Add(-request.DefaultRenewBefore)
	if jobs := w.renewals(t, in.RequestID); len(jobs) != 1 || !jobs[0].DueAt.Equal(next) ||
		jobs[0].LastError != "" {
		t.Errorf("then %+v, want one at %s", jobs, next)
	}
	w.clock.advance(before.Signed.Until.AddDate(1, 0, 0).Sub(w.clock.Now()))
	if _, _, report := w.signed(t, in.RequestID); report.Err() != nil {
		t.Errorf("a year after the first certificate: %v", report.Err())
	}
}

// TestLevelsBelowAreNotRenewed checks that documents below B-LTA, which have no document timestamp,
// are not renewed.
func TestLevelsBelowAreNotRenewed(t *testing.T) {
	for _, level := range []pades.Level{pades.LevelT, pades.LevelLT} {
		w := newWorld(t)
		w.Level = level
		if jobs := w.renewals(t, w.in(t, request.StateSigned).RequestID); len(jobs) != 0 {
			t.Errorf("%s: %+v", level, jobs)
		}
	}
}

// TestRenewRetries checks that as long as there is no timestamp the document stays as it is, the
// job comes again at growing distances, the trail tells of it, and in the end it is done.
func TestRenewRetries(t *testing.T) {
	w := newWorld(t)
	in, _, doc := w.due(t)
	good := w.Timestamper
	w.Timestamper = away{}
	var waits []time.Duration
	for range 6 {
		w.drain(t)
		jobs := w.renewals(t, in.RequestID)
		if len(jobs) != 1 || jobs[0].LastError == "" {
			t.Fatalf("%+v", jobs)
		}
		waits = append(waits, jobs[0].DueAt.Sub(w.clock.Now()))
		w.clock.advance(waits[len(waits)-1])
	}
	for i, w := range waits[1:] {
		if w < waits[i] || w > 24*time.Hour {
			t.Errorf("it waits %v", waits)
		}
	}
	if _, now, _ := w.signed(t, in.RequestID); !bytes.Equal(now, doc) {
		t.Error("the document has changed")
	}
	w.audited(t, in.RequestID, request.EventRenewFailed, 6)
	w.Timestamper = good
	w.drain(t)
	if _, now, report := w.signed(t, in.RequestID); len(now) == len(doc) || report.Err() != nil {
		t.Errorf("not renewed in the end: %v", report.Err())
	}
	if jobs := w.renewals(t, in.RequestID); len(jobs) != 1 || jobs[0].Payload != "" {
		t.Errorf("%+v", jobs)
	}
}

// away is a timestamp authority that does not answer.
type away struct{}

func (away) Timestamp(context.Context, []byte) ([]byte, error) { return nil, errors.New("away") }

// TestRenewOnTwoNodes checks that attempts that run at the same time leave one whole document, on
// record, and nothing else; those that ask for it during the renewal get the old or the new one.
func TestRenewOnTwoNodes(t *testing.T) {
	w := newWorld(t)
	in, _, doc := w.due(t)
	link, _ := w.Link(in.RequestID)
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var readers, nodes sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			r, b, err := w.Follow(
				t.Context(), in.RequestID, u.Query().Get("expires"), u.Query().Get("signature"),
			)
			if err != nil {
				t.Errorf("a download during a renewal: %v", err)
				return
			}
			if b.Size() != r.Signed.Size {
				t.Errorf("%d bytes instead of %d", b.Size(), r.Signed.Size)
			}
			_ = b.Close()
		}
	})
	for range 4 {
		nodes.Go(func() {
			job := request.Job{RequestID: in.RequestID, Kind: request.JobRenew, Attempts: 1}
			w.Renew(t.Context(), &job)
		})
	}
	nodes.Wait()
	w.drain(t) // the job itself, and the deletions
	close(stop)
	readers.Wait()
	r, now, report := w.signed(t, in.RequestID)
	if !bytes.HasPrefix(now, doc) || len(report.Signatures) != 3 || report.Err() != nil ||
		r.Signed.Renewal != "" {
		t.Errorf("%d signatures: %v", len(report.Signatures), report.Err())
	}
	w.clock.advance(time.Minute)
	w.drain(t)
	if keys, err := w.docs.Keys(t.Context(), in.RequestID); err != nil || len(keys) != 1 ||
		keys[0] != r.Signed.Key {
		t.Errorf("%v are stored (%v), want %s", keys, err, r.Signed.Key)
	}
	w.audited(t, in.RequestID, request.EventRenewed, 1)
}

// TestRenewSurvivesCrashes checks that a process that dies at any step of the way leaves a document
// that can be read, and what it leaves half done neither counts nor stays.
func TestRenewSurvivesCrashes(t *testing.T) {
	for step := range 6 {
		w := newWorld(t)
		in, _, doc := w.due(t)
		real := w.Documents
		w.Documents = &mortal{Documents: real, left: step}
		job := request.Job{RequestID: in.RequestID, Kind: request.JobRenew, Attempts: 1}
		w.Renew(t.Context(), &job)
		w.Documents = real
		// What lies around now is what strays look like, but for what the record names.
		if err := w.PurgeStrays(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, now, report := w.signed(t, in.RequestID); !bytes.HasPrefix(now, doc) ||
			report.Err() != nil {
			t.Errorf("step %d: %v", step, report.Err())
		}
		w.drain(t)
		r, _, report := w.signed(t, in.RequestID)
		if report.Err() != nil || len(report.Signatures) != 3 {
			t.Errorf("step %d: %d signatures: %v", step, len(report.Signatures), report.Err())
		}
		w.clock.advance(time.Hour)
		w.drain(t)
		if keys, err := w.docs.Keys(t.Context(), in.RequestID); err != nil || len(keys) != 1 ||
			keys[0] != r.Signed.Key {
			t.Errorf("step %d: %v are stored (%v), want %s", step, keys, err, r.Signed.Key)
		}
	}
}

// mortal does a number of operations and then fails all others, as a killed process would.
type mortal struct {
	request.Documents
	left int
}

var errDead = errors.New("the process has died")

func (m *mortal) alive() error {
	if m.left--; m.left < 0 {
		return errDead
	}
	return nil
}

func (m *mortal) Open(ctx context.Context, key string) (request.Blob, error) {
	if err := m.alive(); err != nil {
		return nil, err
	}
	return m.Documents.Open(ctx, key)
}

func (m *mortal) Put(ctx context.Context, key string, r io.Reader) (int64, error) {
	if err := m.alive(); err != nil {
		return 0, err
	}
	n, err := m.Documents.Put(ctx, key, r)
	if err == nil {
		err = m.alive() // after the bytes, before anyone hears of them
	}
	return n, err
}

func (m *mortal) Delete(ctx context.Context, keys ...string) error {
	if err := m.alive(); err != nil {
		return err
	}
	return m.Documents.Delete(ctx, keys...)
}

// TestRenewGate checks that bytes that changed on the way to the disk do not take the document's
// place.
func TestRenewGate(t *testing.T) {
	w := newWorld(t)
	in, _, doc := w.due(t)
	real := w.Documents
	w.Documents = forgetful{real}
	w.drain(t)
	w.Documents = real
	r, now, report := w.signed(t, in.RequestID)
	if !bytes.Equal(now, doc) || report.Err() != nil {
		t.Errorf("%d bytes, %v", len(now), report.Err())
	}
	if jobs := w.renewals(t, in.RequestID); len(jobs) != 1 || jobs[0].LastError == "" {
		t.Errorf("%+v", jobs)
	}
	if keys, err := w.docs.Keys(t.Context(), in.RequestID); err != nil || len(keys) != 1 ||
		keys[0] != r.Signed.Key {
		t.Errorf("%v are stored (%v), want %s", keys, err, r.Signed.Key)
	}
}

// forgetful flips a bit in the middle of each document that it stores.
type forgetful struct{ request.Documents }

func (f forgetful) Put(ctx context.Context, key string, r io.Reader) (int64, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	b[len(b)/2] ^= 1
	return f.Documents.Put(ctx, key, bytes.NewReader(b))
}

// TestRenewAmongStrays checks that a sweep for strays while a document is renewed takes neither the
// old bytes nor the new ones.
func TestRenewAmongStrays(t *testing.T) {
	w := newWorld(t)
	in, _, _ := w.due(t)
	real := w.Documents
	w.Documents = swept{real, func() {
		if err := w.PurgeStrays(t.Context()); err != nil {
			t.Error(err)
		}
	}}
	w.drain(t)
	if _, _, report := w.signed(t, in.RequestID); len(report.Signatures) != 3 ||
		report.Err() != nil {
		t.Errorf("%d signatures: %v", len(report.Signatures), report.Err())
	}
	w.audited(t, in.RequestID, request.EventRenewFailed, 0)
}

// swept lists all stored documents, and sweeps them.
type swept struct {
	request.Documents
	sweep func()
}

func (s swept) Put(ctx context.Context, key string, r io.Reader) (int64, error) {
	n, err := s.Documents.Put(ctx, key, r)
	s.sweep()
	return n, err
}

// TestRenewFindsOutWhen checks that the job of a document that was signed before renewals were
// planned, and whose record does not say how long it holds, is due at once, finds out, and renews
// when the time has come.
func TestRenewFindsOutWhen(t *testing.T) {
	w := newWorld(t)
	in := w.in(t, request.StateSigned)
	r, _, _ := w.signed(t, in.RequestID)
	planned := w.renewals(t, in.RequestID)[0]
	err := w.store.Update(
		t.Context(),
		in.RequestID,
		func(r *request.Request) (e request.Effects, err error) {
			r.Signed.Until = time.Time{}
			e.Enqueue(request.JobRenew, time.UnixMicro(0))
			return e, nil
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	w.drain(t)
	jobs := w.renewals(t, in.RequestID)
	if len(jobs) != 2 || !jobs[1].DueAt.Equal(planned.DueAt) || jobs[1].LastError != "" {
		t.Fatalf("renewals %+v, want both at %s", jobs, planned.DueAt)
	}
	w.clock.advance(planned.DueAt.Sub(w.clock.Now()))
	w.restart(t)
	w.drain(t)
	now, _, report := w.signed(t, in.RequestID)
	if report.Err() != nil || len(report.Signatures) != 3 ||
		!now.Signed.Until.After(r.Signed.Until) {
		t.Errorf(
			"%d signatures, good until %s: %v", len(report.Signatures), now.Signed.Until,
			report.Err(),
		)
	}
}
