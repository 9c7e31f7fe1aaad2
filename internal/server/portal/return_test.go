package portal_test

import (
	"testing"

	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/server/portal"
)

// TestReturnURL checks that what the registered URL says stays as it is, and the two parameters
// follow it once.
func TestReturnURL(t *testing.T) {
	const added = "request_id=signv3-1&status=success"
	for registered, want := range map[string]string{
		"https://rp.example":                     "https://rp.example?" + added,
		"https://rp.example/back":                "https://rp.example/back?" + added,
		"https://rp.example/back?":               "https://rp.example/back?" + added,
		"https://rp.example/back?a=b":            "https://rp.example/back?a=b&" + added,
		"https://rp.example/b?z=1&a=1;b=2&p=%zz": "https://rp.example/b?z=1&a=1;b=2&p=%zz&" + added,
		"https://rp.example/b?flag&x=%2B+%3d&y=": "https://rp.example/b?flag&x=%2B+%3d&y=&" + added,
		"https://rp.example/b?to=/a?b=c":         "https://rp.example/b?to=/a?b=c&" + added,
		"https://rp.example/b%2Fc/d?a=b":         "https://rp.example/b%2Fc/d?a=b&" + added,

		"https://rp.example/b?status=theirs&a=1&request_id=2&status=3": "https://rp.example/b?a=1&" + added,
		"https://rp.example/b?%73tatus=theirs&statuses=1":              "https://rp.example/b?statuses=1&" + added,
	} {
		if got := portal.ReturnURL(&party.Party{RedirectURL: registered}, "signv3-1", "success"); got != want {
			t.Errorf("%s:\n got %s\nwant %s", registered, got, want)
		}
	}
}
