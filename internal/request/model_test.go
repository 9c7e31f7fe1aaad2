package request_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
)

// model is a sign request as the documents tell it, in plain conditions instead of a table: the
// reference that the service is held against. Its state is what has happened; where it stands at a
// time follows from that.
type model struct {
	id        string
	exchange  string
	expires   time.Time
	intended  string // UIN
	signer    string // UIN
	session   int    // number of the latest session, 0: none yet
	open      bool   // the session has neither ended nor been approved
	ends      time.Time
	approved  bool
	sealBy    time.Time
	tries     int // to seal, that failed
	nextTry   time.Time
	stalled   bool
	sealed    bool
	signedAt  time.Time
	cancelled bool
	answer    *approval // of the latest session, if it was scanned
	stale     *approval // of some earlier one
}

func (m *model) inSession(now time.Time) bool { return m.open && now.Before(m.ends) }
func (m *model) over(now time.Time) bool {
	if m.approved || m.cancelled || m.inSession(now) {
		return false
	}
	return !now.Before(m.expires)
}

func (m *model) state(now time.Time) request.State {
	switch {
	case m.cancelled:
		return request.StateCancelled
	case m.sealed:
		return request.StateSigned
	case m.stalled:
		return request.StateStalled
	case m.approved:
		return request.StateSealing
	case m.inSession(now):
		return request.StateSession
	case m.over(now):
		return request.StateExpired
	case m.signer != "":
		return request.StateLocked
	}
	return request.StateCreated
}

func (m *model) admits(uin string) bool {
	return (m.intended == "" || m.intended == uin) && (m.signer == "" || m.signer == uin)
}

// gone is what everybody on the signer's side hears of a request that is over.
func (m *model) gone(now time.Time) string {
	switch {
	case m.cancelled:
		return api.CodeCancelled
	case m.over(now):
		return api.CodeExpired
	}
	return ""
}

// act is the order in which a signer's step is judged.
func (m *model) act(now time.Time, uin string) string {
	switch gone := m.gone(now); {
	case gone != "":
		return gone
	case !m.admits(uin):
		return api.CodeNoAccess
	case m.sealed:
		return api.CodeAlreadySigned
	case m.approved:
		return api.CodeSigning
	}
	return ""
}

// TestModel runs random interleavings of everything that people and time can do to a few requests
// on the real store, and compares every answer and every state with the model.
func TestModel(t *testing.T) {
	w := newWorld(t)
	w.SealTimeout = 2 * time.Hour
	stamps := w.Timestamper
	rapid.Check(t, func(rt *rapid.T) {
		var all []*model
		pick := func(rt *rapid.T) *model {
			if len(all) == 0 {
				rt.Skip("no request yet")
			}
			return rapid.SampledFrom(all).Draw(rt, "request")
		}
		person := func(rt *rapid.T) signer.Person {
			return rapid.SampledFrom([]signer.Person{alice, alice, bob}).Draw(rt, "person")
		}
		check := func(rt *rapid.T, what string, err error, want string) {
			if got := code(err); got != want {
				rt.Fatalf("%s: answer %q, want %q", what, got, want)
			}
		}
		now := w.clock.Now
		w.Timestamper = stamps
		rt.Repeat(map[string]func(*rapid.T){
			"initiate": func(rt *rapid.T) {
				if len(all) == 3 {
					rt.Skip("enough")
				}
				m := &model{expires: now().Add(30 * time.Minute)}
				var edits []func(*request.Application)
				if rapid.Bool().Draw(rt, "intended") {
					m.intended = alice.UIN
					edits = append(
						edits, func(a *request.Application) { a.SignerHash = alice.Hash() },
					)
				}
				r := w.initiate(t, edits...)
				m.id, m.exchange = r.RequestID, r.ExchangeCode
				all = append(all, m)
			},
			"open": func(rt *rapid.T) {
				m, p := pick(rt), person(rt)
				_, err := w.Open(t.Context(), m.id, p)
				want := m.gone(now())
				switch {
				case want != "":
				case !m.admits(p.UIN):
					want = api.CodeNoAccess
				case m.sealed:
					want = api.CodeAlreadySigned
				default:
					m.signer = p.UIN
				}
				check(rt, "open", err, want)
			},
			"proceed": func(rt *rapid.T) {
				m, p := pick(rt), person(rt)
				_, err := w.Proceed(t.Context(), m.id, p)
				want := m.act(now(), p.UIN)
				if want == "" && m.signer == "" {
					want = api.CodeNotOpened
				}
				if want == "" {
					m.session++
					if m.open = true; now().Before(m.expires) {
						// else as long as the session that it replaces
						m.ends = now().Add(w.SessionLifetime)
					}
					if m.answer != nil {
						m.stale, m.answer = m.answer, nil
					}
				}
				check(rt, "proceed", err, want)
			},
			"scan": func(rt *rapid.T) {
				m, p := pick(rt), person(rt)
				a, err := w.scan(t.Context(), m.id, p)
				want := m.act(now(), p.UIN)
				if want == "" && !m.inSession(now()) {
					want = api.CodeNoActiveSession
				}
				if want == "" {
					m.answer = a
				}
				check(rt, "scan", err, want)
			},
			"approve": func(rt *rapid.T) {
				m := pick(rt)
				if m.answer == nil {
					rt.Skip("not scanned")
				}
				err := w.send(t.Context(), m.answer)
				want := ""
				if !m.approved { // else the same again
					want = m.act(now(), m.answer.phone.UIN)
					if want == "" && !m.inSession(now()) {
						want = api.CodeNoActiveSession
					}
				}
				if want == "" {
					if !m.approved {
						m.sealBy, m.tries, m.nextTry = now().Add(w.SealTimeout), 0, now()
					}
					m.approved, m.open = true, false
				}
				check(rt, "approve", err, want)
			},
			"approve an old session": func(rt *rapid.T) {
				m := pick(rt)
				if m.stale == nil {
					rt.Skip("there is no old session")
				}
				want := m.act(now(), m.stale.phone.UIN)
				if want == "" {
					want = api.CodeNoActiveSession
				}
				check(rt, "approve an old session", w.send(t.Context(), m.stale), want)
			},
			"reject": func(rt *rapid.T) {
				m, p := pick(rt), person(rt)
				err := w.reject(t.Context(), m.id, p)
				check(rt, "reject", err, m.end(now(), p.UIN))
			},
			"leave": func(rt *rapid.T) {
				m, p := pick(rt), person(rt)
				err := w.Leave(t.Context(), m.id, p)
				check(rt, "leave", err, m.end(now(), p.UIN))
			},
			"cancel": func(rt *rapid.T) {
				m := pick(rt)
				err := w.Cancel(t.Context(), shop, m.id)
				want := ""
				switch {
				case m.sealed:
					want = api.CodeAlreadySigned
				case m.cancelled:
					want = api.CodeAlreadyCancelled
				case m.approved && !m.stalled || m.inSession(now()):
					want = api.CodeActiveSession
				default:
					m.cancelled, m.approved, m.stalled = true, false, false
				}
				check(rt, "cancel", err, want)
			},
			"cancel by another relying party": func(rt *rapid.T) {
				check(
					rt, "foreign cancel", w.Cancel(t.Context(), rival, pick(rt).id),
					api.CodeClientSide,
				)
			},
			"result": func(rt *rapid.T) {
				m := pick(rt)
				_, err := w.Result(t.Context(), m.id, m.exchange)
				want := m.gone(now())
				switch {
				case want != "":
				case !m.sealed:
					want = api.CodeNotSigned
				case now().Sub(m.signedAt) > time.Hour:
					want = api.CodeSignedAccessExpired
				}
				check(rt, "result", err, want)
			},
			"time passes": func(rt *rapid.T) {
				w.clock.advance(rapid.SampledFrom([]time.Duration{
					time.Second, time.Minute, 3 * time.Minute, 10 * time.Minute, 31 * time.Minute,
					61 * time.Minute,
				}).Draw(rt, "by"))
			},
			"the worker runs": func(rt *rapid.T) {
				if err := w.worker.Drain(t.Context()); err != nil {
					rt.Fatal(err)
				}
				for _, m := range all {
					m.seal(now(), w.Timestamper == stamps)
				}
			},
			"the timestamp authority goes away or comes back": func(*rapid.T) {
				if w.Timestamper == stamps {
					w.Timestamper = silent{}
				} else {
					w.Timestamper = stamps
				}
			},
			"an operator has it sealed again": func(rt *rapid.T) {
				m := pick(rt)
				want := request.ErrNotSealing.Code
				if m.approved && !m.sealed {
					want = ""
					m.stalled, m.sealBy, m.tries, m.nextTry = false, now().Add(
						w.SealTimeout,
					), 0, now()
				}
				check(rt, "seal again", w.SealAgain(t.Context(), m.id, "operator"), want)
				if err := w.worker.Drain(t.Context()); err != nil { // so that one job at most waits
					rt.Fatal(err)
				}
				for _, m := range all {
					m.seal(now(), w.Timestamper == stamps)
				}
			},
			"an operator aborts": func(rt *rapid.T) {
				m := pick(rt)
				want := request.ErrNotSealing.Code
				if m.approved && !m.sealed {
					want = ""
					m.approved, m.stalled = false, false
					m.stale, m.answer = m.answer, nil
				}
				check(rt, "abort", w.Abort(t.Context(), m.id, "operator"), want)
			},
			"": func(rt *rapid.T) { // after every step
				for _, m := range all {
					if got, want := w.state(t, m.id), m.state(now()); got != want {
						rt.Fatalf("the request is %s, want %s", got, want)
					}
				}
			},
		})
		w.Timestamper = stamps
		w.clock.advance(time.Hour) // every attempt is due
		if err := w.worker.Drain(t.Context()); err != nil {
			rt.Fatal(err)
		}
		for _, m := range all {
			m.seal(now(), true)
			w.checkEnd(rt, m)
		}
	})
}

// seal is what the worker does for an approved request.
func (m *model) seal(now time.Time, stamps bool) {
	switch {
	case !m.approved || m.sealed || m.stalled || now.Before(m.nextTry):
	case stamps:
		m.sealed, m.signedAt = true, now
	case m.sealBy.Sub(now) < time.Second:
		m.stalled = true
	default:
		wait := min(time.Second<<m.tries, time.Hour)
		m.tries++
		m.nextTry = now.Add(min(wait, m.sealBy.Sub(now)))
	}
}

// end is what ending a session answers, and does.
func (m *model) end(now time.Time, uin string) string {
	want := m.act(now, uin)
	if want == "" && !m.inSession(now) {
		want = api.CodeNoActiveSession
	}
	if want == "" {
		m.open = false
	}
	return want
}

// checkEnd holds what is stored against what happened: no document of a request that is over, one
// webhook for a signed one, none for any other.
func (w *world) checkEnd(rt *rapid.T, m *model) {
	keys, err := w.docs.Keys(rt.Context(), m.id)
	if err != nil {
		rt.Fatal(err)
	}
	sent := 0
	if n, ok := w.sent.Load(m.id); ok {
		sent = n.(int)
	}
	switch state := m.state(w.clock.Now()); {
	case state == request.StateStalled:
		if len(keys) != 2 || sent != 0 {
			rt.Fatalf(
				"stalled: documents %v and %d webhooks, want the upload and the prepared one", keys,
				sent,
			)
		}
	case m.approved:
		if len(keys) != 1 || sent != 1 {
			rt.Fatalf("signed: %d documents and %d webhooks, want one of each", len(keys), sent)
		}
	case state == request.StateCancelled || state == request.StateExpired:
		if len(keys) != 0 || sent != 0 {
			rt.Fatalf("%s: documents %v and %d webhooks are left", state, keys, sent)
		}
	}
}
