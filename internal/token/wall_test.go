package token_test

import (
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/token"
)

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
