package portal

import (
	"errors"
	"io"
	"net/http"

	"golang.org/x/time/rate"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/limit"
	"github.com/signet-sign/signet/internal/server/ui"
)

// What the page for checking documents takes of the service, by all its users together: it has no
// login. One address has half of the rate, and one document in memory, so that a client whose body
// does not end refuses the page to no other.
const (
	checksPerSecond = 2
	checksAtOnce    = 10
	checksInMemory  = 4
)

// checks bounds the documents that are checked.
type checks struct {
	all  *rate.Limiter
	each limit.Rates
	held limit.Counts
}

func newChecks() *checks {
	return &checks{
		all:  rate.NewLimiter(checksPerSecond, checksAtOnce),
		held: limit.Counts{Each: 1, All: checksInMemory},
	}
}

// VerifyPath is the path of the page on which anyone can check a signed document. Its form has a
// file.
const VerifyPath = "/verify"

// verifyRoutes adds the page on which anyone can check a signed document.
func (p *Portal) verifyRoutes(mux *http.ServeMux) {
	c := newChecks()
	mux.HandleFunc("GET "+VerifyPath, p.handle(func(w http.ResponseWriter, r *http.Request) error {
		p.Kit.Show(w, r, p.Log, http.StatusOK, Verify{})
		return nil
	}))
	mux.HandleFunc("POST "+VerifyPath, p.handle(func(w http.ResponseWriter, r *http.Request) error {
		return p.verify(w, r, c)
	}))
	mux.HandleFunc("GET /sign/{request_id}/check", p.handle(
		func(w http.ResponseWriter, r *http.Request) error { return p.check(w, r, c) },
	))
}

// verify is POST /verify: a form with a file. The file is read from the body as it comes and is
// not stored.
func (p *Portal) verify(w http.ResponseWriter, r *http.Request, c *checks) error {
	done, ok := c.begin(r)
	if !ok {
		return p.checksBusy(w, r)
	}
	defer done()
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
	return p.showVerdict(w, r, part.FileName(), part)
}

// check is GET /sign/{request_id}/check: the verdict on the signed document, for its signer.
func (p *Portal) check(w http.ResponseWriter, r *http.Request, c *checks) error {
	person, ok := p.person(r)
	if !ok {
		return api.ErrLoginRequired
	}
	done, ok := c.begin(r)
	if !ok {
		return p.checksBusy(w, r)
	}
	defer done()
	req, doc, err := p.Requests.SignedDocument(r.Context(), r.PathValue("request_id"), person)
	if err != nil {
		return err
	}
	defer doc.Close()
	return p.showVerdict(w, r, req.SignedName(), io.NewSectionReader(doc, 0, doc.Size()))
}

// begin reports whether a client's document may be checked now; done ends the check.
func (c *checks) begin(r *http.Request) (done func(), ok bool) {
	address := limit.Network(r.RemoteAddr)
	if !c.each.Allow(address, checksPerSecond/2, checksAtOnce) || !c.all.Allow() {
		return nil, false
	}
	return c.held.Begin(address)
}

func (p *Portal) checksBusy(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Retry-After", "5")
	p.Kit.Show(w, r, p.Log, http.StatusTooManyRequests, Verify{Failure: "verify.busy"})
	return nil
}

// showVerdict checks a document and shows the verdict.
func (p *Portal) showVerdict(
	w http.ResponseWriter, r *http.Request, name string, document io.Reader,
) error {
	report, err := p.Requests.Check(r.Context(), document)
	var refusal *api.Error
	if errors.As(err, &refusal) {
		page := Verify{File: name, Failure: "verify.unreadable", Reason: refusal.Description}
		p.Kit.Show(w, r, p.Log, http.StatusUnprocessableEntity, page)
		return nil
	} else if err != nil {
		return err
	}
	p.Kit.Show(w, r, p.Log, http.StatusOK, Verify{File: name, Verdict: ui.NewVerdict(report)})
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
	}
}
