package console_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/console"
)

func TestOverview(t *testing.T) {
	w := newWorld(t)
	w.get(t, "/console/").has(
		t, 200, "Nothing has been signed yet.", "75 %", "GET /sign/{request_id}",
		`<rect class="bar-refused" x="75.00" width="25.00"`,
	)
	for _, route := range []string{"GET /static/", "/events"} {
		if strings.Contains(w.get(t, "/console/").body, route) {
			t.Errorf("the overview counts %s", route)
		}
	}
	w.in(t, request.StateSigned)
	w.in(t, request.StateCreated)
	w.get(t, "/console/").has(
		t, 200, `href="/console/requests?state=signed"`, "median", "up to 100 ms",
		"<strong>2</strong>",
	)
	w.Metrics = func() (console.Metrics, error) {
		return console.Metrics{
			Sealing: []console.Sealing{{UpTo: 250 * time.Millisecond, N: 31}, {N: 62}},
		}, nil
	}
	w.get(t, "/console/").has(
		t, 200, "up to 250 ms", "longer", `class="bar-fill" width="50.00"`,
		"Counted since the program started",
	)
	w.Metrics = func() (console.Metrics, error) { return console.Metrics{}, errors.New("broken") }
	w.get(t, "/console/").has(t, 500)
}
