package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
)

// script is a transport that gives one answer after the other, and the last one for ever.
type script struct {
	answers []scripted
	start   time.Time
	at      []time.Duration // when the calls came
}

type scripted struct {
	status     int // 0: no answer at all
	body       string
	retryAfter string
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	a := s.answers[min(len(s.at), len(s.answers)-1)]
	s.at = append(s.at, time.Since(s.start))
	if a.status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	h := http.Header{}
	if a.retryAfter != "" {
		h.Set("Retry-After", a.retryAfter)
	}
	return &http.Response{
		StatusCode: a.status, Header: h, Body: io.NopCloser(strings.NewReader(a.body)), Request: r,
	}, nil
}

func TestCancelWhenIdle(t *testing.T) {
	const (
		active    = `{"error":"ACTIVE_SESSION_ONGOING","error_description":"Request cannot be cancelled due to an active sign session"}`
		signed    = `{"error":"DOCUMENT_ALREADY_SIGNED","error_description":"Document has already been signed"}`
		cancelled = `{"error":"REQUEST_ALREADY_CANCELLED","error_description":"Document has already been cancelled"}`
		busy      = `{"error":"TOO_MANY_REQUESTS","error_description":"Too many requests."}`
		sec       = time.Second
	)
	for _, c := range []struct {
		name    string
		answers []scripted
		at      []time.Duration
		want    []error // all of them; none: success
	}{
		{"at once", []scripted{{status: 200}}, []time.Duration{0}, nil},
		{"any 2xx", []scripted{{status: 204}}, []time.Duration{0}, nil},
		{"after a session", []scripted{{400, active, "150"}, {400, active, "30"}, {status: 200}}, []time.Duration{0, 2 * sec, 6 * sec}, nil},
		{"the signer finishes", []scripted{{400, active, "150"}, {400, signed, ""}}, []time.Duration{0, 2 * sec}, []error{api.ErrAlreadySigned}},
		{"the answer was lost", []scripted{{}, {400, cancelled, ""}}, []time.Duration{0, sec / 5}, nil},
		{"pauses grow", []scripted{{502, "<html>", ""}, {}, {429, busy, "7"}, {503, "", ""}, {status: 200}}, []time.Duration{0, 2 * sec, 2200 * sec / 1000, 9200 * sec / 1000, 13200 * sec / 1000}, nil},
		{"a session without Retry-After", []scripted{{400, active, ""}, {status: 200}}, []time.Duration{0, 2 * sec}, nil},
		{"the session ends soon", []scripted{{400, active, "1"}, {status: 200}}, []time.Duration{0, sec}, nil},
		{"final", []scripted{{400, `{"error":"UNAUTHORIZED","error_description":"Unauthorized."}`, ""}}, []time.Duration{0}, []error{api.ErrUnauthorized}},
		{"final without a code", []scripted{{404, "<html>", ""}}, []time.Duration{0}, []error{}},
		{"never idle", []scripted{{400, active, "400"}}, []time.Duration{0, 2 * sec, 6 * sec, 14 * sec, 30 * sec, 60 * sec}, []error{api.ErrActiveSession, context.DeadlineExceeded}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: c.answers, start: time.Now()}
				sdk := newClient(
					t,
					"http://sign.example",
					func(config *client.Config) { config.HTTPClient = &http.Client{Transport: s} },
				)
				ctx, cancel := context.WithTimeout(t.Context(), 80*time.Second)
				defer cancel()
				err := sdk.CancelWhenIdle(ctx, "signv3-1")
				if (err == nil) != (c.want == nil) {
					t.Errorf("%v", err)
				}
				for _, want := range c.want {
					if !errors.Is(err, want) {
						t.Errorf("%v is not %v", err, want)
					}
				}
				if len(s.at) != len(c.at) {
					t.Fatalf("calls at %v, want %v", s.at, c.at)
				}
				for i := range c.at {
					if s.at[i] != c.at[i] {
						t.Errorf("calls at %v, want %v", s.at, c.at)
					}
				}
			})
		})
	}
}

// A key that cannot sign is no reason to try again.
func TestCancelWhenIdleWithoutToken(t *testing.T) {
	sdk := newClient(
		t,
		"http://127.0.0.1:1",
		func(c *client.Config) { c.Rand = failing{io.ErrNoProgress} },
	)
	if err := sdk.CancelWhenIdle(t.Context(), "r"); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

// TestMovedClock checks that a pause is over when the client's own clock says so, as in a sandbox
// whose clock a test moves, and also when that clock stands still.
func TestMovedClock(t *testing.T) {
	const active = `{"error":"ACTIVE_SESSION_ONGOING","error_description":"x"}`
	for name, advance := range map[string]time.Duration{"moved": 3 * time.Minute, "still": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{
					answers: []scripted{{400, active, "150"}, {status: 200}}, start: time.Now(),
				}
				clock := time.Now()
				sdk := newClient(t, "http://sign.example", func(config *client.Config) {
					config.HTTPClient = &http.Client{Transport: s}
					config.Now = func() time.Time {
						if len(s.at) == 1 && time.Since(s.start) > 300*time.Millisecond {
							return clock.Add(advance)
						}
						return clock
					}
				})
				if err := sdk.CancelWhenIdle(t.Context(), "signv3-1"); err != nil {
					t.Fatal(err)
				}
				early := s.at[1] < time.Second
				if early != (advance > 0) {
					t.Errorf("called again after %s", s.at[1])
				}
			})
		})
	}
}

// TestLostAnswers checks that cancel and result ask again when an answer is lost, and initiate does
// not.
func TestLostAnswers(t *testing.T) {
	const cancelled = `{"error":"REQUEST_ALREADY_CANCELLED","error_description":"x"}`
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		sdk := newClient(t, "http://sign.example", func(config *client.Config) {
			config.HTTPClient = &http.Client{Transport: s}
		})
		s.answers, s.at = []scripted{{}, {}, {400, cancelled, ""}}, nil
		if err := sdk.Cancel(t.Context(), "r"); err != nil || len(s.at) != 3 {
			t.Errorf("cancel: %v after %d calls", err, len(s.at))
		}
		s.answers, s.at = []scripted{{400, cancelled, ""}}, nil
		if err := sdk.Cancel(t.Context(), "r"); !client.IsCancelled(err) || len(s.at) != 1 {
			t.Errorf("cancelled by another: %v after %d calls", err, len(s.at))
		}
		s.answers, s.at = []scripted{{}}, nil
		if _, err := sdk.Result(t.Context(), "r", "code"); err == nil || len(s.at) != 3 {
			t.Errorf("result: %v after %d calls", err, len(s.at))
		}
		s.answers, s.at = []scripted{{}}, nil
		_, err := sdk.Initiate(t.Context(), client.Request{DocName: "a"}, strings.NewReader("%PDF"))
		if err == nil || len(s.at) != 1 {
			t.Errorf("initiate: %v after %d calls", err, len(s.at))
		}
	})
}
