package pdf

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestLockCovers compares Covers with what ISO 32000-2 says of a list of fields, name by name.
func TestLockCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	name := func() string {
		var b strings.Builder
		for range rng.IntN(6) {
			b.WriteByte("ab.-\x00"[rng.IntN(5)])
		}
		return b.String()
	}
	covered := 0
	for range 20000 {
		names := make([]string, rng.IntN(5))
		for i := range names {
			names[i] = name()
		}
		field := name()
		want := slices.ContainsFunc(names, func(n string) bool {
			return n == field || strings.HasPrefix(field, n+".")
		})
		if want {
			covered++
		}
		for action, want := range map[string]bool{
			"All": true, "Include": want, "Exclude": !want, "Other": false,
		} {
			l := Lock{Action: action, Fields: names}
			if got := l.Covers(field); got != want {
				t.Fatalf("%s of %q covers %q: %v", action, names, field, got)
			}
		}
	}
	if covered < 1000 {
		t.Errorf("%d of the names are covered", covered)
	}
}
