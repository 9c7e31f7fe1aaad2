package portal

import (
	"context"
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
	return p.showCheck(w, r, c, func() (int, Verify, error) {
		const form = 4 << 10 // what surrounds the file
		r.Body = http.MaxBytesReader(w, r.Body, api.MaxDocumentBytes+form)
		parts, err := r.MultipartReader()
		if err != nil {
			return http.StatusBadRequest, Verify{Failure: "verify.none"}, nil
		}
		part, err := parts.NextPart()
		if err != nil || part.FormName() != "document" || part.FileName() == "" {
			return http.StatusBadRequest, Verify{Failure: "verify.none"}, nil
		}
		return p.verdict(r.Context(), part.FileName(), part)
	})
}

// check is GET /sign/{request_id}/check: the verdict on the signed document, for its signer.
func (p *Portal) check(w http.ResponseWriter, r *http.Request, c *checks) error {
	person, ok := p.person(r)
	if !ok {
		return api.ErrLoginRequired
	}
	return p.showCheck(w, r, c, func() (int, Verify, error) {
		req, doc, err := p.Requests.SignedDocument(r.Context(), r.PathValue("request_id"), person)
		if err != nil {
			return 0, Verify{}, err
		}
		defer doc.Close()
		content := io.NewSectionReader(doc, 0, doc.Size())
		return p.verdict(r.Context(), req.SignedName(), content)
	})
}

// showCheck answers with the status and page of a check, or that there are too many. What the check
// holds is free before the page is written: the next one of a client that has the page is not
// refused for it.
func (p *Portal) showCheck(
	w http.ResponseWriter, r *http.Request, c *checks, check func() (int, Verify, error),
) error {
	done, ok := c.begin(r)
	if !ok {
		w.Header().Set("Retry-After", "5")
		p.Kit.Show(w, r, p.Log, http.StatusTooManyRequests, Verify{Failure: "verify.busy"})
		return nil
	}
	status, page, err := func() (int, Verify, error) {
		defer done()
		return check()
	}()
	if err != nil {
		return err
	}
	p.Kit.Show(w, r, p.Log, status, page)
	return nil
}

// begin reports whether a client's document may be checked now; done ends the check.
func (c *checks) begin(r *http.Request) (done func(), ok bool) {
	address := limit.Network(r.RemoteAddr)
	if !c.each.Allow(address, checksPerSecond/2, checksAtOnce) || !c.all.Allow() {
		return nil, false
	}
	return c.held.Begin(address)
}

// verdict checks a document, and returns the status and the page that say what it found.
func (p *Portal) verdict(
	ctx context.Context, name string, document io.Reader,
) (int, Verify, error) {
	report, err := p.Requests.Check(ctx, document)
	var refusal *api.Error
	if errors.As(err, &refusal) {
		page := Verify{File: name, Failure: "verify.unreadable", Reason: refusal.Description}
		return http.StatusUnprocessableEntity, page, nil
	} else if err != nil {
		return 0, Verify{}, err
	}
	return http.StatusOK, Verify{File: name, Verdict: ui.NewVerdict(report)}, nil
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
