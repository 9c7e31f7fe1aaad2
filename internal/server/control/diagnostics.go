package control

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/server/httpx"
)

// DiagnosticsView is a refused call as the control listener shows it.
type DiagnosticsView struct {
	calllog.Record
	Checks []calllog.Checked `json:"checks"` // in their order
}

// newestRefusals is among how many refused calls a diagnosis is looked for.
const newestRefusals = 1000

// diagnostics answers with the refused call whose diagnosis has the id of the path.
func (c *API) diagnostics(w http.ResponseWriter, r *http.Request) error {
	if err := c.Recorder.Flush(r.Context()); err != nil {
		return err
	}
	list, err := c.CallStore.Calls(
		r.Context(), calllog.Filter{Refused: true, Limit: newestRefusals},
	)
	if err != nil {
		return err
	}
	for _, rec := range list {
		if rec.Diagnosis != nil && rec.Diagnosis.ID == r.PathValue("id") {
			httpx.WriteJSON(w, http.StatusOK, DiagnosticsView{rec, rec.Checks()})
			return nil
		}
	}
	return &api.Error{
		Code:        codeNotFound,
		Description: fmt.Sprintf("None of the newest %d refused calls has this id", newestRefusals),
	}
}

// Colours of a terminal (ECMA-48, SGR).
const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	faint  = "\x1b[2m"
	normal = "\x1b[0m"
)

// Of calls without a valid token, which anyone can make, a terminal shows shownAtOnce, and then one
// for each showEvery.
const (
	shownAtOnce = 50
	showEvery   = 10 * time.Second
)

// Refusals shows refused calls to a person at a terminal. Its methods may be called concurrently.
type Refusals struct {
	w      io.Writer
	base   string
	colour bool
	now    func() time.Time

	mu      sync.Mutex
	limiter *rate.Limiter
	hidden  int // calls that were not shown
}

// NewRefusals returns what shows refused calls at w. base is the URL of the control listener, and
// now must not stand.
func NewRefusals(w io.Writer, base string, colour bool, now func() time.Time) *Refusals {
	return &Refusals{
		w: w, base: base, colour: colour, now: now,
		limiter: rate.NewLimiter(rate.Every(showEvery), shownAtOnce),
	}
}

// Show shows a refused call: what was called, why it was refused and how to mend it.
func (s *Refusals) Show(r calllog.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.Authentic && !s.limiter.AllowN(s.now(), 1) {
		if s.hidden++; s.hidden == 1 {
			s.write("Many calls have no valid token; not all are shown. " + s.base + "/calls has them.\n")
		}
		return
	}
	if s.hidden > 0 {
		s.write(fmt.Sprintf("%d calls without a valid token were not shown.\n", s.hidden))
		s.hidden = 0
	}
	paint := func(code, text string) string {
		if !s.colour {
			return text
		}
		return code + text + normal
	}
	reason := r.Reason
	if reason == "" {
		reason = r.Description
	}
	text := fmt.Sprintf(
		"%s %s %s %s\n    %s\n", paint(faint, r.At.Local().Format("15:04:05")), r.Kind,
		paint(red, fmt.Sprintf("%d %s", r.Status, r.Error)), r.Party, reason,
	)
	if d := r.Diagnosis; d != nil {
		if d.Remedy != "" {
			text += "    " + paint(green, d.Remedy) + "\n"
		}
		text += "    " + paint(faint, s.base+"/diagnostics/"+d.ID) + "\n"
	}
	s.write(text)
}

func (s *Refusals) write(text string) { _, _ = io.WriteString(s.w, text) }
