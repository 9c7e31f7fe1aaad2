package portal

import (
	"errors"
	"net/http"

	"golang.org/x/time/rate"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/ui"
)

// What the page for checking documents takes of the service, by all its users together: it has no
// login, and behind a proxy all of them have one address.
const (
	checksPerSecond = 2
	checksAtOnce    = 10
	checksInMemory  = 2
)

// checks bounds the documents that are checked.
type checks struct {
	rate *rate.Limiter
	held chan struct{}
}

func newChecks() *checks {
	return &checks{
		rate.NewLimiter(checksPerSecond, checksAtOnce), make(chan struct{}, checksInMemory),
	}
}

// verifyRoutes adds the page on which anyone can check a signed document.
func (p *Portal) verifyRoutes(mux *http.ServeMux) {
	c := newChecks()
	mux.HandleFunc("GET /verify", p.handle(func(w http.ResponseWriter, r *http.Request) error {
		p.Kit.Show(w, r, p.Log, http.StatusOK, Verify{})
		return nil
	}))
	mux.HandleFunc("POST /verify", p.handle(func(w http.ResponseWriter, r *http.Request) error {
		return p.verify(w, r, c)
	}))
}

// verify is POST /verify: a form with a file. The file is read from the body as it comes and is
// not stored.
func (p *Portal) verify(w http.ResponseWriter, r *http.Request, c *checks) error {
	busy := func() error {
		w.Header().Set("Retry-After", "5")
		p.Kit.Show(w, r, p.Log, http.StatusTooManyRequests, Verify{Failure: "verify.busy"})
		return nil
	}
	if !c.rate.Allow() {
		return busy()
	}
	select {
	case c.held <- struct{}{}:
		defer func() { <-c.held }()
	default:
		return busy()
	}
	const form = 4 << 10 // what surrounds the file
	r.Body = http.MaxBytesReader(w, r.Body, api.MaxDocumentBytes+form)
	parts, err := r.MultipartReader()
	if err != nil {
		p.Kit.Show(w, r, p.Log, http.StatusBadRequest, Verify{Failure: "verify.none"})
		return nil
	}
	part, err := parts.NextPart()
	if err != nil || part.FormName() != "document" || part.FileName() == "" {
		p.Kit.Show(w, r, p.Log, http.StatusBadRequest, Verify{Failure: "verify.none"})
		return nil
	}
	report, err := p.Requests.Check(r.Context(), part)
	var refusal *api.Error
	if errors.As(err, &refusal) {
		page := Verify{
			File: part.FileName(), Failure: "verify.unreadable", Reason: refusal.Description,
		}
		p.Kit.Show(w, r, p.Log, http.StatusUnprocessableEntity, page)
		return nil
	} else if err != nil {
		return err
	}
	p.Kit.Show(
		w, r, p.Log, http.StatusOK, Verify{File: part.FileName(), Verdict: ui.NewVerdict(report)},
	)
	return nil
}

// Verify is the page on which anyone can check a signed document.
type Verify struct {
	// File is the name of the file that was checked, "" before.
	File string
	// Failure is the message key of why there is no verdict, or "". Reason is the same in more
	// words, in English.
	Failure, Reason string
	Verdict         *ui.Verdict
}

func (p Verify) Meta() ui.Meta {
	return ui.Meta{
		Template: "verify", Title: "verify.title", Shell: ui.ShellPortal, Script: "portal",
		Viewer: true,
	}
}
