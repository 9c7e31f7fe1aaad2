package request_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
)

// TestCodeRotates checks that a code is honoured while it is the present one or one of the two
// before it.
func TestCodeRotates(t *testing.T) {
	w := newWorld(t)
	id := w.in(t, request.StateSession).RequestID
	w.clock.advance(250 * time.Millisecond)
	value, fresh, err := w.Code(t.Context(), id, alice)
	if err != nil || fresh != 750*time.Millisecond {
		t.Fatalf("code: fresh for %s, %v", fresh, err)
	}
	r, err := w.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{value: true, r.Session.ID: true}
	for _, test := range []struct {
		after time.Duration
		same  bool // the newest code is still this one
		err   error
	}{
		{0, true, nil},
		{700 * time.Millisecond, true, nil},
		{50 * time.Millisecond, false, nil}, // a second on
		{time.Second, false, nil},
		{999 * time.Millisecond, false, nil},
		{time.Millisecond, false, request.ErrStaleCode},
		{time.Minute, false, request.ErrStaleCode},
	} {
		w.clock.advance(test.after)
		now, _, err := w.Code(t.Context(), id, alice)
		if err != nil {
			t.Fatal(err)
		}
		if (now == value) != test.same || (!test.same && now != value && len(now) != len(value)) {
			t.Errorf("after %s more: the code is %q, it was %q", test.after, now, value)
		}
		seen[now] = true
		got, err := w.Scan(t.Context(), id, value)
		if !errors.Is(err, test.err) {
			t.Errorf("after %s more: %v, want %v", test.after, err, test.err)
		}
		if err == nil && got.Session.ID != r.Session.ID {
			t.Error("the scan leads to another session")
		}
		if _, err := w.Scan(t.Context(), id, now); err != nil {
			t.Errorf("the newest code: %v", err)
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d different values, want 6", len(seen))
	}
}

// TestCodeOfAnotherClock checks that a code is scanned on another node, at once and two seconds
// later. A node that knows its offset honours the code as long as the one that has shown it; one
// that does not know it takes codes of the next two seconds.
func TestCodeOfAnotherClock(t *testing.T) {
	for _, test := range []struct {
		ahead    time.Duration // of the node that scans
		measured bool
		delay    time.Duration // until the scan
		want     error
	}{
		{-2 * time.Second, false, 0, nil},
		{-2 * time.Second, false, 2 * time.Second, nil},
		{2 * time.Second, false, 0, nil},
		{-3 * time.Second, false, 0, request.ErrStaleCode},
		{2 * time.Second, true, 0, nil},
		{2 * time.Second, true, 2 * time.Second, nil},
		{2 * time.Second, true, 3 * time.Second, request.ErrStaleCode},
		{-4 * time.Second, true, 0, nil},
		{-4 * time.Second, true, 2 * time.Second, nil},
		{-4 * time.Second, true, 3 * time.Second, request.ErrStaleCode},
	} {
		t.Run(fmt.Sprintf("%+v", test), func(t *testing.T) {
			w := newWorld(t)
			id := w.in(t, request.StateSession).RequestID
			value, _, err := w.Code(t.Context(), id, alice)
			if err != nil {
				t.Fatal(err)
			}
			other := w.Config
			other.Now = func() time.Time { return w.clock.Now().Add(test.ahead) }
			if test.measured {
				other.ClockOffset = func() time.Duration { return test.ahead }
			}
			w.clock.advance(test.delay)
			if _, err := request.New(other).Scan(t.Context(), id, value); !errors.Is(
				err, test.want,
			) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

// TestCodeIsNotTheSession checks that what a code carries opens nothing but the scan.
func TestCodeIsNotTheSession(t *testing.T) {
	w := newWorld(t)
	id := w.in(t, request.StateSession).RequestID
	value, _, err := w.Code(t.Context(), id, alice)
	if err != nil {
		t.Fatal(err)
	}
	ph, err := w.phoneOf(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Challenge(t.Context(), id, value, ph.Phone); code(
		err,
	) != api.CodeNoActiveSession {
		t.Errorf("challenge with a code in place of the session: %v", err)
	}
	if err := w.Approve(t.Context(), id, value, ph.Phone, bytes.Repeat([]byte{1}, 64), nil); code(
		err,
	) != api.CodeNoActiveSession {
		t.Errorf("approve with a code in place of the session: %v", err)
	}
	if _, _, err := w.Code(t.Context(), id, bob); code(err) != api.CodeNoAccess {
		t.Errorf("another person's look at the code: %v", err)
	}
	if _, err := w.OpenHere(t.Context(), id, bob); code(err) != api.CodeNoAccess {
		t.Errorf("another person's device: %v", err)
	}
	other := w.in(t, request.StateSession).RequestID
	if _, err := w.Scan(t.Context(), other, value); !errors.Is(err, request.ErrStaleCode) {
		t.Errorf("the code of another request: %v", err)
	}
	for _, guess := range []string{"", "A", value[:8], value + "A"} {
		if _, err := w.Scan(t.Context(), id, guess); !errors.Is(err, request.ErrStaleCode) {
			t.Errorf("%q: %v", guess, err)
		}
	}
	// A session that starts over has other codes.
	if _, err := w.Proceed(t.Context(), id, alice, request.SeenUnasked); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Scan(t.Context(), id, value); !errors.Is(err, request.ErrStaleCode) {
		t.Errorf("the code of a session that was replaced: %v", err)
	}
}

// TestScanWithoutSession checks that each state has its own answer.
func TestScanWithoutSession(t *testing.T) {
	for state, want := range map[request.State]string{
		request.StateCreated: api.CodeNoActiveSession, request.StateLocked: api.CodeNoActiveSession,
		request.StateSealing: api.CodeSigning,
		request.StateSigned:  api.CodeAlreadySigned, request.StateExpired: api.CodeExpired,
		request.StateCancelled: api.CodeCancelled,
	} {
		w := newWorld(t)
		id := w.in(t, state).RequestID
		if _, err := w.Scan(t.Context(), id, "x"); code(err) != want {
			t.Errorf("%s: %v, want %s", state, err, want)
		}
		if state == request.StateCreated || state == request.StateCancelled {
			continue // it was not opened: there is no signer to show anything to
		}
		if _, err := w.OpenHere(t.Context(), id, alice); code(err) != want {
			t.Errorf("%s, open here: %v, want %s", state, err, want)
		}
	}
}

// TestStaticCode checks the option of one code for a whole session.
func TestStaticCode(t *testing.T) {
	w := newWorld(t)
	w.StaticCode = true
	id := w.in(t, request.StateSession).RequestID
	value, _, err := w.Code(t.Context(), id, alice)
	if err != nil {
		t.Fatal(err)
	}
	w.clock.advance(2 * time.Minute)
	if _, err := w.Scan(t.Context(), id, value); err != nil {
		t.Errorf("after two minutes: %v", err)
	}
}

// TestPreparedDocument checks that a phone can hash what it is asked to sign, and finds the
// uploaded document at its beginning.
func TestPreparedDocument(t *testing.T) {
	w := newWorld(t)
	id := w.in(t, request.StateSession).RequestID
	r, err := w.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	ph, err := w.phoneOf(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.PreparedDocument(t.Context(), id, r.Session.ID, ph.Phone); code(
		err,
	) != api.CodeNoActiveSession {
		t.Errorf("before the challenge: %v", err)
	}
	c, err := w.Challenge(t.Context(), id, r.Session.ID, ph.Phone)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		session, uin, want string
	}{
		"another session": {"x", alice.UIN, api.CodeNoActiveSession},
		"another person":  {r.Session.ID, bob.UIN, api.CodeNoAccess},
	} {
		if _, err := w.PreparedDocument(t.Context(), id, test.session, signer.Phone{UIN: test.uin}); code(
			err,
		) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	d, err := w.PreparedDocument(t.Context(), id, r.Session.ID, ph.Phone)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	file, err := io.ReadAll(d)
	if err != nil {
		t.Fatal(err)
	}
	b := c.ByteRange
	if int64(len(file)) != d.Size || b[0] != 0 || b[2]+b[3] != d.Size || file[b[1]] != '<' ||
		file[b[2]-1] != '>' {
		t.Fatalf("%d bytes of %d, byte range %v", len(file), d.Size, b)
	}
	if !bytes.HasPrefix(file, minimal()) {
		t.Error("it does not begin with the uploaded document")
	}
	h := sha256.New()
	h.Write(file[:b[1]])
	h.Write(file[b[2]:])
	if digest := h.Sum(nil); !bytes.Contains(c.ToBeSigned, digest) {
		t.Error("its digest is not the one that the phone is asked to sign")
	}
}
