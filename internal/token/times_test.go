package token_test

import (
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

// TestNotBefore checks that a token is refused more than 10 s before its nbf.
func TestNotBefore(t *testing.T) {
	b := newBench(t)
	for _, call := range callsOf {
		jws := b.party.Token(call, partytest.Claim("nbf", epoch.Unix()+60))
		b.now = time.Unix(epoch.Unix()+50, -1)
		_, _, err := b.verify(jws, call)
		wantRefusal(t, err, "claim nbf: 10s ahead", jws)
		b.now = time.Unix(epoch.Unix()+50, 0)
		if _, _, err := b.verify(jws, call); err != nil {
			t.Errorf("%s, 10 s ahead: %v", call, err)
		}
		for _, malformed := range []any{"1760000000", nil, -1, true, 1760000000000} {
			jws := b.party.Token(call, partytest.Claim("nbf", malformed))
			_, _, err := b.verify(jws, call)
			wantRefusal(t, err, "claim nbf: ", jws)
		}
		b.now = epoch
	}
}

func TestTimesAtTheEdge(t *testing.T) {
	b := newBench(t)
	jws := b.party.Token(token.Cancel) // exp = the full second + 120
	for _, c := range []struct {
		at time.Time
		ok bool
	}{
		{time.Unix(epoch.Unix()-10, 0), true},
		{time.Unix(epoch.Unix()-10, -1), false},
		{time.Unix(epoch.Unix()+120, 0), true},
		{time.Unix(epoch.Unix()+120, 1), false},
	} {
		b.now = c.at
		if _, _, err := b.verify(jws, token.Cancel); (err == nil) != c.ok {
			t.Errorf("at %v: %v", c.at.Sub(epoch), err)
		}
	}
}

// TestWallClock checks that with a second clock a token is in time if it is in time by either.
func TestWallClock(t *testing.T) {
	wall := epoch
	two := newBench(t, func(c *token.VerifierConfig) { c.Wall = func() time.Time { return wall } })
	one := newBench(t)
	for _, c := range []struct {
		name           string
		now, made      time.Duration // after epoch: of the first clock, and of the token
		byTwo, byFirst bool
	}{
		{"neither clock was moved", 0, 0, true, true},
		{"made by the wall clock", 31 * time.Minute, 0, true, false},
		{"made by the first clock", 31 * time.Minute, 31 * time.Minute, true, true},
		{"made by a third clock", 31 * time.Minute, 10 * time.Minute, false, false},
		{"made before both", 31 * time.Minute, -3 * time.Minute, false, false},
	} {
		for _, b := range []*bench{one, two} {
			b.now = epoch.Add(c.made)
			jws := b.party.Token(token.Initiate)
			b.now = epoch.Add(c.now)
			_, _, err := b.verify(jws, token.Initiate)
			want := c.byFirst
			if b == two {
				want = c.byTwo
			}
			if (err == nil) != want {
				t.Errorf("%s: two clocks %v: %v", c.name, b == two, err)
			}
		}
	}
}
