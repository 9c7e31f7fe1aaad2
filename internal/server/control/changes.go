package control

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/server/httpx"
)

// Changes says, a sentence each, in what the sandbox differs from one that was just made: its
// clocks, its faults and its queue of signers.
func (c *API) Changes() []string {
	list := []string{}
	now, frozen := c.Clock.State()
	if ahead := now.Sub(c.Clock.base()); frozen || ahead.Abs() >= time.Second {
		text := "The sandbox's clock shows " + now.UTC().Format(time.RFC3339)
		if frozen {
			text += " and is stopped"
		}
		list = append(list, fmt.Sprintf(
			"%s: the machine's is at %s", text, c.Clock.base().UTC().Format(time.RFC3339),
		))
	}
	requests, parties := c.Clocks.number()
	var own []string
	if requests > 0 {
		own = append(own, count(requests, "request"))
	}
	if parties > 0 {
		own = append(own, count(parties, "party"))
	}
	if len(own) > 0 {
		list = append(list, "Clocks of their own: "+strings.Join(own, ", "))
	}
	if n := c.Faults.Added(); n > 0 {
		list = append(list, "Faults beside the configuration's: "+count(n, "rule"))
	}
	if n := len(c.Signers.queued()); n > 0 {
		list = append(list, "Planned for the next signers: "+count(n, "visit"))
	}
	return list
}

// count returns a number of things: "1 party", "2 parties".
func count(n int, thing string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(thing, "y"):
		thing = strings.TrimSuffix(thing, "y") + "ies"
	default:
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// changes answers GET /changes.
func (c *API) changes(w http.ResponseWriter, _ *http.Request) error {
	httpx.WriteJSON(w, http.StatusOK, map[string]any{"changes": c.Changes()})
	return nil
}
