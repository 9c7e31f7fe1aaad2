package api_test

import (
	"testing"

	"github.com/signet-sign/signet/api"
)

// TestStatus checks that every refusal has status 400, except faults of the service and too many
// calls.
func TestStatus(t *testing.T) {
	for _, e := range []*api.Error{
		api.ErrUnauthorized, api.ErrNoRecord, api.ErrClientSide("x"), api.ErrActiveSession,
		api.ErrAlreadySigned, api.ErrAlreadyCancelled,
		api.ErrNotSigned, api.ErrExpired, api.ErrCancelled, api.ErrSignedAccessExpired,
	} {
		if got := api.Status(e.Code); got != 400 {
			t.Errorf("%s: %d", e.Code, got)
		}
	}
	for code, want := range map[string]int{api.CodeServerSide: 500, api.CodeTooManyRequests: 429} {
		if got := api.Status(code); got != want {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
	}
}
