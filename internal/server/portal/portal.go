// Package portal serves the signer's browser below /sign/{request_id}: landing page, document, QR
// code, result, and a page for each refusal (docs/contract.md, 4).
//
// Start at [Portal.page]: every GET of a signing URL shows the page of the request's state, so
// reloading, a second tab and the back button always show the present state. Scripts only make the
// browser reload.
//
// The portal does not decide who may sign or when: package request does. Package login logs people
// in, package phone serves the phone that scans the code, and package ui renders pages.
package portal

import (
	"context"
	"crypto/x509"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/limit"
	"github.com/signet-sign/signet/internal/server/login"
	"github.com/signet-sign/signet/internal/server/security"
	"github.com/signet-sign/signet/internal/server/ui"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/pades"
)

// Portal serves the signer's pages.
type Portal struct {
	Requests  *request.Service
	Signers   *signer.Service
	Parties   party.Parties
	Kit       *ui.Kit
	People    *limit.People // limits of what one person starts; nil: none
	Streams   httpx.Streams
	Login     *login.Login
	PublicURL string
	Log       *slog.Logger

	// SoftPhone, if not nil, adds forms that answer as the persona's software phone. Only the
	// sandbox sets it.
	SoftPhone SoftPhone
}

// SoftPhone answers for a persona's phone.
type SoftPhone interface {
	Approve(ctx context.Context, requestID string, p signer.Person) error
	Reject(ctx context.Context, requestID string, p signer.Person) error
}

// Home is the first page of a service, for a person who comes without the link of a request.
func (p *Portal) Home(w http.ResponseWriter, r *http.Request) {
	p.Kit.Show(w, r, p.Log, http.StatusOK, Home{})
}

// Routes adds the portal's pages.
func (p *Portal) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /sign/{request_id}", p.handle(p.page))
	mux.HandleFunc("POST /sign/{request_id}/login", p.handle(p.login))
	mux.HandleFunc("POST /sign/{request_id}/proceed", p.handle(p.proceed))
	mux.HandleFunc("POST /sign/{request_id}/here", p.handle(p.here))
	mux.HandleFunc("POST /sign/{request_id}/leave-session", p.handle(p.leaveSession))
	mux.HandleFunc("POST /sign/{request_id}/leave", p.handle(p.leave))
	mux.HandleFunc("POST /sign/{request_id}/switch", p.handle(p.switchPerson))
	mux.Handle(
		"POST /sign/{request_id}/stop-phone",
		security.Acts(security.Removal, p.handle(p.stopPhone)),
	)
	mux.HandleFunc("GET /sign/{request_id}/document.pdf", p.handle(p.document))
	mux.HandleFunc("GET /sign/{request_id}/signed.pdf", p.handle(p.signedDocument))

	j := httpx.JSON{Status: liveStatus, Log: p.Log}
	mux.Handle("GET /sign/{request_id}/state", j.Handle(p.state))
	mux.Handle("GET /sign/{request_id}/events", j.Handle(p.events))
	mux.Handle("GET /sign/{request_id}/code", j.Handle(p.code))

	p.verifyRoutes(mux)
	if p.SoftPhone != nil {
		mux.HandleFunc(
			"POST /sign/{request_id}/sandbox/approve", p.handle(p.softPhone(p.SoftPhone.Approve)),
		)
		mux.HandleFunc(
			"POST /sign/{request_id}/sandbox/reject", p.handle(p.softPhone(p.SoftPhone.Reject)),
		)
	}
}

// liveStatus is the status of a refusal in the calls of a page that follows its request.
func liveStatus(code string) int {
	if code == api.CodeTooManyRequests {
		return http.StatusTooManyRequests
	}
	return http.StatusNotFound
}

// handle returns a handler that shows h's error. After a refused POST it redirects to the page of
// the request's state; an error that is not a refusal is status 500.
func (p *Portal) handle(h func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		var refusal *api.Error
		switch {
		case errors.Is(err, api.ErrNoRecord):
			p.Kit.Show(w, r, p.Log, http.StatusNotFound, LinkInvalid{})
		case errors.Is(err, errUnread):
			http.Redirect(w, r, path(r.PathValue("request_id"))+"?review", http.StatusSeeOther)
		case errors.Is(err, api.ErrTooManyRequests):
			p.Kit.Error(w, r, http.StatusTooManyRequests, "")
		case errors.As(err, &refusal) && r.Method == http.MethodPost:
			// The state changed before this call: by another tab, the clock or the relying party.
			// The page of the new state explains it.
			http.Redirect(w, r, path(r.PathValue("request_id")), http.StatusSeeOther)
		case errors.As(err, &refusal):
			p.Kit.Error(w, r, http.StatusForbidden, "")
		default:
			p.Kit.Error(w, r, httpx.Fault(w, r, p.Log, "page failed", err), "")
		}
	}
}

// page serves GET /sign/{request_id}: the page of the state for the person who is logged in, if
// any.
func (p *Portal) page(w http.ResponseWriter, r *http.Request) error {
	req, err := p.Requests.Get(r.Context(), r.PathValue("request_id"))
	if err != nil {
		return err
	}
	s, err := p.summary(r.Context(), req)
	if err != nil {
		return err
	}
	person, loggedIn := p.person(r)
	if loggedIn {
		// Open makes the first person the signer. A GET may do so, because the person decided by
		// logging in.
		opened, err := p.Requests.Open(r.Context(), req.ID, person)
		switch {
		case errors.Is(err, api.ErrNoAccess):
			s.Document = ""
			p.Kit.Show(w, r, p.Log, http.StatusForbidden, NoAccess{
				Summary: s, Signer: p.account(r.Context(), person, req.ID),
				Intended: req.SignerHash != "",
			})
			return nil
		case err == nil:
			req = opened
		case !httpx.Refused(err):
			return err
		default: // signed, expired or cancelled, possibly since the read above
			if req, err = p.Requests.Get(r.Context(), req.ID); err != nil {
				return err
			}
		}
	}
	page, err := p.pageOf(r, req, s, person, loggedIn)
	if err != nil {
		return err
	}
	p.Kit.Show(w, r, p.Log, http.StatusOK, page)
	return nil
}

// pageOf returns the page of a state.
func (p *Portal) pageOf(
	r *http.Request, req *request.Request, s ui.Summary, person signer.Person, loggedIn bool,
) (ui.Page, error) {
	live := p.live(req)
	var account *ui.Person
	if loggedIn {
		account = new(p.account(r.Context(), person, req.ID))
	}
	switch req.State.Refusal(request.ActOpen) {
	case api.ErrCancelled:
		return Cancelled{Summary: s, At: req.CancelledAt, Signer: account}, nil
	case api.ErrExpired:
		return Expired{Summary: s, Live: live, Signer: account}, nil
	case api.ErrAlreadySigned:
		if !loggedIn {
			return AlreadySigned{Summary: s, SignedAt: req.Signed.At, CanLogin: true}, nil
		}
		return p.signedPage(r.Context(), req, s, live, person), nil
	}
	if !loggedIn {
		return Landing{
			Summary: s, Live: live, Intended: req.SignerHash != "", Places: len(req.Locations),
		}, nil
	}
	switch {
	case req.State.InSession():
		return p.codePage(r.Context(), req, s, live, person), nil
	case req.State.Approved():
		sealing := Sealing{
			Summary: s, Live: live, Signer: p.account(r.Context(), person, req.ID),
			ApprovedAt: req.Approval.At, Delayed: req.Approval.Tries > 0,
		}
		if next := req.Approval.NextTry; req.State.Sealing() &&
			next.After(p.Requests.NowOf(req.ID)) {
			sealing.NextTry = next
		}
		return sealing, nil
	}
	rp, err := p.Parties.Party(r.Context(), req.ClientID)
	if err != nil {
		return nil, err
	}
	// A signer who must see every page declares so on the document's page, before each session.
	if req.Outcome != "" && !rp.RequireAllPages && req.Outcome != request.OutcomeLeft &&
		!r.URL.Query().Has("review") {
		return SessionEnded{
			Summary: s, Live: live, Signer: p.account(r.Context(), person, req.ID),
			Outcome: string(req.Outcome),
		}, nil
	}
	sketch, err := pades.SketchName(person.Name, p.Requests.HanForms)
	if err != nil { // the places then show no name until they are signed
		p.Log.ErrorContext(r.Context(), "drawing the name", "request_id", req.ID, "err", err)
	}
	return Document{
		Summary: s, Live: live, Signer: p.account(r.Context(), person, req.ID),
		Places: placesOf(req),
		Sketch: sketch, Background: p.Requests.Background, Warnings: req.Warnings,
		Size: req.Document.Size, Ended: string(req.Outcome),
		Download: rp.AllowDownload, AllPages: rp.RequireAllPages,
	}, nil
}

func placesOf(req *request.Request) []Place {
	places := make([]Place, len(req.Locations))
	for i, l := range req.Locations {
		places[i] = Place{Page: l.Page, X: l.X, Y: l.Y}
	}
	return places
}

func (p *Portal) codePage(
	ctx context.Context, req *request.Request, s ui.Summary, live httpx.Live, person signer.Person,
) ui.Page {
	page := SigningCode{
		Summary: s, Live: live, Signer: p.account(ctx, person, req.ID),
		MatchCode: req.Session.MatchCode, Places: len(req.Locations),
	}
	// Without a code (the session just ended, or the URL is too long to draw) the page still
	// follows the state and can open the session on this device.
	if c, err := p.drawCode(ctx, req.ID, person); err != nil && !httpx.Refused(err) {
		p.Log.ErrorContext(ctx, "drawing the QR code", "request_id", req.ID, "err", err)
	} else {
		page.QR = template.HTML(c.SVG)
	}
	if p.SoftPhone != nil {
		page.Sandbox = &SandboxPhone{Persona: person.Name}
	}
	return page
}

func (p *Portal) signedPage(
	ctx context.Context, req *request.Request, s ui.Summary, live httpx.Live, person signer.Person,
) ui.Page {
	page := Signed{
		Summary: s, Live: live, Signer: p.account(ctx, person, req.ID),
		SignedAt: req.Signed.At, Level: req.Signed.Level, Places: placesOf(req),
		Available: p.Requests.Available(req),
	}
	if cert, err := x509.ParseCertificate(req.Approval.Certificate); err == nil {
		page.Certificate = ui.CertificateOf(cert)
	}
	return page
}

// login serves POST /sign/{request_id}/login. A link that is unknown or no longer valid starts no
// login (docs/contract.md, 4.2.2).
func (p *Portal) login(w http.ResponseWriter, r *http.Request) error {
	req, err := p.Requests.Get(r.Context(), r.PathValue("request_id"))
	if err != nil {
		return err
	}
	scope := path(req.ID)
	if !req.State.MayLogin() {
		http.Redirect(w, r, scope, http.StatusSeeOther)
		return nil
	}
	p.Login.Begin(w, r, scope, scope)
	return nil
}

// proceed serves POST /sign/{request_id}/proceed: the button Proceed to Sign.
func (p *Portal) proceed(w http.ResponseWriter, r *http.Request) error {
	return p.act(w, r, func(ctx context.Context, id string, person signer.Person) error {
		if err := p.People.Admit(w, limit.Sessions, person.UIN); err != nil {
			return err
		}
		seen, err := p.seen(ctx, r, id)
		if err != nil {
			return err
		}
		_, err = p.Requests.Proceed(ctx, id, person, seen)
		return err
	})
}

// seen returns where the signer saw every page. If the relying party requires it and the form does
// not say so, it returns errUnread.
func (p *Portal) seen(ctx context.Context, r *http.Request, id string) (request.Seen, error) {
	req, err := p.Requests.Get(ctx, id)
	if err != nil {
		return "", err
	}
	rp, err := p.Parties.Party(ctx, req.ClientID)
	if err != nil || !rp.RequireAllPages {
		return request.SeenUnasked, err
	}
	switch seen := request.Seen(r.PostFormValue("seen")); seen {
	case request.SeenViewer, request.SeenElsewhere:
		return seen, nil
	}
	return "", errUnread
}

// errUnread is the refusal of a signer who has not seen every page.
var errUnread = errors.New("the signer has not seen every page")

// leaveSession serves POST /sign/{request_id}/leave-session, which returns from the QR code to the
// document.
func (p *Portal) leaveSession(w http.ResponseWriter, r *http.Request) error {
	return p.act(w, r, p.Requests.Leave)
}

func (p *Portal) softPhone(
	do func(context.Context, string, signer.Person) error,
) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error { return p.act(w, r, do) }
}

// stopPhone serves POST /sign/{request_id}/stop-phone: the signer did not set up the phone that
// waits, or keeps the one that is being removed.
func (p *Portal) stopPhone(w http.ResponseWriter, r *http.Request) error {
	return p.act(w, r, func(ctx context.Context, _ string, person signer.Person) error {
		phoneID := r.PostFormValue("phone_id")
		security.Note(ctx, security.Event{Person: person.UIN, Method: "oidc"})
		err := p.Signers.StopOrKeep(ctx, person, phoneID)
		switch {
		case err == nil:
			security.Note(ctx, security.Event{Actor: phoneID})
		case errors.Is(err, signer.ErrNoPhone):
			security.Note(ctx, security.NoPhone)
			return nil // it is stopped already, or can sign: the page says which
		}
		return err
	})
}

// act calls do for the person who is logged in, and redirects to the page of the new state.
func (p *Portal) act(
	w http.ResponseWriter, r *http.Request, do func(context.Context, string, signer.Person) error,
) error {
	id := r.PathValue("request_id")
	if person, ok := p.person(r); ok {
		if err := do(r.Context(), id, person); err != nil {
			return err
		}
	}
	// shows the landing page if no person is logged in
	http.Redirect(w, r, path(id), http.StatusSeeOther)
	return nil
}

// switchPerson serves POST /sign/{request_id}/switch: it ends the login and starts another one, for
// the person whom the link is meant for. If the first person has a sign session, it ends too.
func (p *Portal) switchPerson(w http.ResponseWriter, r *http.Request) error {
	req, err := p.Requests.Get(r.Context(), r.PathValue("request_id"))
	if err != nil {
		return err
	}
	if person, ok := p.person(r); ok {
		if err := p.Requests.Leave(r.Context(), req.ID, person); err != nil && !httpx.Refused(err) {
			return err
		}
	}
	scope := path(req.ID)
	if !req.State.MayLogin() {
		if err := p.Login.End(w, r, scope); err != nil {
			return err
		}
		http.Redirect(w, r, scope, http.StatusSeeOther)
		return nil
	}
	return p.Login.Switch(w, r, scope, scope)
}

// leave serves POST /sign/{request_id}/leave, which returns to the relying party. It ends the
// person's sign session and login, so the same browser must log in again to see the document.
func (p *Portal) leave(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("request_id")
	person, loggedIn := p.person(r)
	if loggedIn {
		if err := p.Requests.Leave(r.Context(), id, person); err != nil && !httpx.Refused(err) {
			return err
		}
	}
	req, err := p.Requests.Get(r.Context(), id)
	if err != nil {
		return err
	}
	rp, err := p.Parties.Party(r.Context(), req.ClientID)
	if err != nil {
		return err
	}
	status := api.StatusCancelled
	// A person without access gets no status parameter (docs/contract.md, 4.2.1).
	if req.State.Signed() &&
		(!loggedIn || req.Signer != nil && person.UIN == req.Signer.UIN) {
		status = api.StatusSuccess
	}
	if err := p.Login.End(w, r, path(id)); err != nil {
		return err
	}
	http.Redirect(w, r, ReturnURL(rp, id, status), http.StatusSeeOther)
	return nil
}

// ReturnURL returns the party's redirect URL with the parameters of docs/contract.md, 4.4. It keeps
// the URL's own query byte for byte, except parameters with the names of these two.
func ReturnURL(rp *party.Party, id, status string) string {
	base, query, _ := strings.Cut(rp.RedirectURL, "?")
	kept := []string{}
	for _, pair := range strings.Split(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if pair != "" && name != api.ParamRequestID && name != api.ParamStatus {
			kept = append(kept, pair)
		}
	}
	added := api.ParamRequestID + "=" + url.QueryEscape(id) +
		"&" + api.ParamStatus + "=" + url.QueryEscape(status)
	return base + "?" + strings.Join(append(kept, added), "&")
}

func (p *Portal) document(w http.ResponseWriter, r *http.Request) error {
	person, ok := p.person(r)
	if !ok {
		return api.ErrLoginRequired
	}
	req, doc, err := p.Requests.Document(r.Context(), r.PathValue("request_id"), person)
	if err != nil {
		return err
	}
	defer doc.Close()
	save := r.URL.Query().Has("download")
	if save {
		rp, err := p.Parties.Party(r.Context(), req.ClientID)
		if err != nil {
			return err
		}
		if !rp.AllowDownload {
			return api.ErrNoAccess
		}
	}
	httpx.ServePDF(w, r, doc, httpx.PDF{
		Name: req.DocName, ModTime: req.CreatedAt, SHA256: req.Document.SHA256, Attachment: save,
	})
	return nil
}

func (p *Portal) signedDocument(w http.ResponseWriter, r *http.Request) error {
	person, ok := p.person(r)
	if !ok {
		return api.ErrLoginRequired
	}
	req, doc, err := p.Requests.SignedDocument(r.Context(), r.PathValue("request_id"), person)
	if err != nil {
		return err
	}
	defer doc.Close()
	httpx.ServePDF(w, r, doc, httpx.PDF{
		Name: req.SignedName(), ModTime: req.Signed.At, SHA256: req.Signed.SHA256,
		Attachment: r.URL.Query().Has("download"),
	})
	return nil
}

func (p *Portal) state(w http.ResponseWriter, r *http.Request) error {
	req, err := p.Requests.Get(r.Context(), r.PathValue("request_id"))
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, p.live(req))
	return nil
}

func (p *Portal) events(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("request_id")
	return p.Streams.Serve(w, r, id, func(ctx context.Context) (httpx.Live, error) {
		req, err := p.Requests.Get(ctx, id)
		if err != nil {
			return httpx.Live{}, err
		}
		return p.live(req), nil
	})
}

// live returns the live state of a request, with the step of its sealing.
func (p *Portal) live(req *request.Request) httpx.Live {
	live := httpx.LiveOf(req)
	if req.State.Sealing() {
		live.Phase = string(p.Requests.SealPhase(req.ID))
	}
	return live
}

// LoginFailed shows the page for a failed login. returnTo is the page on which the login began.
func (p *Portal) LoginFailed(
	w http.ResponseWriter, r *http.Request, returnTo string, why login.Failure,
) {
	if why == login.TooMany {
		p.Kit.Error(w, r, http.StatusTooManyRequests, "")
		return
	}
	page := LoginFailed{Denied: why == login.Denied, Unavailable: why == login.Unavailable}
	status := http.StatusForbidden
	if page.Unavailable {
		status = http.StatusServiceUnavailable
	}
	if id, ok := strings.CutPrefix(returnTo, "/sign/"); ok {
		if req, err := p.Requests.Get(r.Context(), id); err == nil {
			if s, err := p.summary(r.Context(), req); err == nil {
				page.Summary = s
			}
		}
	} else {
		page.RetryURL = returnTo
	}
	p.Kit.Show(w, r, p.Log, status, page)
}

// person returns the person who is logged in for this request.
func (p *Portal) person(r *http.Request) (signer.Person, bool) {
	return p.Login.Person(r, path(r.PathValue("request_id")))
}

func (p *Portal) summary(ctx context.Context, req *request.Request) (ui.Summary, error) {
	rp, err := p.Parties.Party(ctx, req.ClientID)
	if err != nil {
		return ui.Summary{}, err
	}
	return ui.Summary{
		ID: req.ID, Party: ui.Party{Name: rp.Name, LogoURL: ui.LogoURL(rp.Logo)},
		Document:  req.DocName,
		ExpiresAt: req.ExpiresAt.Truncate(time.Second), ReturnURL: rp.RedirectURL,
	}, nil
}

// account is what a page of a request says of the person who is logged in, with the phones that
// wait.
func (p *Portal) account(ctx context.Context, person signer.Person, id string) ui.Person {
	a := ui.Person{Name: person.Name, Hint: person.Hint()}
	phones, err := p.Signers.Announced(ctx, person)
	if err != nil {
		p.Log.ErrorContext(ctx, "reading the phones that wait", "request_id", id, "err", err)
	}
	if len(phones) == 0 {
		return a
	}
	a.Waiting = &ui.Waiting{StopURL: path(id) + "/stop-phone"}
	for _, ph := range phones {
		a.Waiting.Phones = append(a.Waiting.Phones, ui.WaitingPhone{
			ID: ph.ID, Name: ph.Name, EnrolledAt: ph.EnrolledAt, ActiveAt: ph.ActiveAt,
			RemovedAt: ph.RevokedAt,
		})
	}
	return a
}

func path(id string) string { return "/sign/" + id }
