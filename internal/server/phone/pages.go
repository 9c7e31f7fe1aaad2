package phone

import (
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/security"
	"github.com/signet-sign/signet/internal/server/ui"
	"github.com/signet-sign/signet/internal/signer"
)

// home serves GET /phone/: the phones of the person who is logged in.
func (p *Phone) home(w http.ResponseWriter, r *http.Request) {
	page := Home{
		LoginURL: "/phone/login?next=/phone/", Waiting: p.waitingHere(r),
		Delayed: p.Signers.Delay > 0,
	}
	if person, ok := p.Login.Person(r, scope); ok {
		page.Account = &ui.Person{Name: person.Name, Hint: person.Hint()}
		page.Waiting = p.waiting(r, person.UIN)
		phones, err := p.Signers.Store.Phones(r.Context(), person.UIN)
		if err != nil {
			p.fail(w, r, err)
			return
		}
		now := p.Signers.Now()
		for _, ph := range phones {
			page.Phones = append(page.Phones, view(ph, now))
			if ph.ID == r.URL.Query().Get("removed") && ph.Revoked(now) {
				page.Removed = ph.Name
			}
			if ph.ID == r.URL.Query().Get("renamed") && !ph.Revoked(now) {
				page.Renamed = ph.Name
			}
			if ph.ID == r.URL.Query().Get("stopped") && ph.Revoked(now) {
				page.Stopped = ph.Name
			}
			if ph.ID == r.URL.Query().Get("stopped") && ph.RevokedAt.IsZero() {
				page.Kept = ph.Name
			}
			if ph.ID == r.URL.Query().Get("approved") && ph.Active(now) {
				page.Approved = ph.Name
			}
		}
	}
	p.Kit.Show(w, r, p.Log, http.StatusOK, page)
}

// account returns the person who is logged in, or nil.
func (p *Phone) account(r *http.Request) *ui.Person {
	person, ok := p.Login.Person(r, scope)
	if !ok {
		return nil
	}
	return &ui.Person{Name: person.Name, Hint: person.Hint()}
}

// waiting announces the phones of a person that wait or are being removed.
func (p *Phone) waiting(r *http.Request, uin string) *ui.Waiting {
	phones, err := p.Signers.Announced(r.Context(), signer.Person{UIN: uin})
	if err != nil {
		p.Log.ErrorContext(r.Context(), "reading the phones that wait", "err", err)
	}
	if len(phones) == 0 {
		return nil
	}
	w := &ui.Waiting{StopURL: "/phone/stop"}
	for _, ph := range phones {
		w.Phones = append(w.Phones, ui.WaitingPhone{
			ID: ph.ID, Name: ph.Name, EnrolledAt: ph.EnrolledAt, ActiveAt: ph.ActiveAt,
			RemovedAt: ph.RevokedAt,
		})
	}
	return w
}

// waitingHere announces the phones that wait on a phone that can sign, also without a login.
func (p *Phone) waitingHere(r *http.Request) *ui.Waiting {
	phone, err := p.phone(r)
	if err != nil {
		if !httpx.Refused(err) {
			p.Log.ErrorContext(r.Context(), "reading the phone", "err", err)
		}
		return nil
	}
	return p.waiting(r, phone.UIN)
}

func view(ph signer.Phone, now time.Time) Device {
	v := Device{
		ID: ph.ID, Name: ph.Name, EnrolledAt: ph.EnrolledAt, Revoked: ph.Revoked(now),
		Waiting: ph.Waiting(now), Leaving: ph.Leaving(now),
	}
	if cert, err := x509.ParseCertificate(ph.Certificate); err == nil {
		v.Certificate = ui.CertificateOf(cert)
	}
	return v
}

// login serves GET /phone/login?next=…, which logs in and returns to a page of the phone.
func (p *Phone) login(w http.ResponseWriter, r *http.Request) {
	p.Login.Begin(w, r, scope, ownPath(r.URL.Query().Get("next")))
}

// switchPerson serves POST /phone/switch: it ends the login and starts another one.
func (p *Phone) switchPerson(w http.ResponseWriter, r *http.Request) {
	if err := p.Login.Switch(w, r, scope, ownPath("")); err != nil {
		p.fail(w, r, err)
	}
}

// enrolPage serves GET /phone/enrol?next=…, which requires a login.
func (p *Phone) enrolPage(w http.ResponseWriter, r *http.Request) {
	person, ok := p.Login.Person(r, scope)
	if !ok {
		p.Login.Begin(w, r, scope, r.URL.RequestURI())
		return
	}
	page := Enrol{
		Account: ui.Person{
			Name: person.Name, Hint: person.Hint(), Waiting: p.waiting(r, person.UIN),
		},
		Next: ownPath(r.URL.Query().Get("next")),
	}
	if id, ok := strings.CutPrefix(page.Next, "/phone/sign/"); ok {
		if req, err := p.Requests.Get(r.Context(), id); err == nil {
			// If there is no session, 1 makes the page show that it is over.
			page.Session = max(1, httpx.LiveOf(req).SessionEndsMillis())
		}
	}
	p.Kit.Show(w, r, p.Log, http.StatusOK, page)
}

// scanPage serves GET /phone/scan.
func (p *Phone) scanPage(w http.ResponseWriter, r *http.Request) {
	p.Kit.Show(w, r, p.Log, http.StatusOK, Scan{Waiting: p.waitingHere(r), Account: p.account(r)})
}

// page returns the handler of a page that does not depend on the request.
func (p *Phone) page(page ui.Page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.Kit.Show(w, r, p.Log, http.StatusOK, page)
	}
}

// rename serves POST /phone/rename: the form of "Rename".
func (p *Phone) rename(w http.ResponseWriter, r *http.Request) {
	p.change(w, r, "renamed", func(person signer.Person, id string) error {
		return p.Signers.Rename(r.Context(), person, id, r.PostFormValue("name"))
	})
}

// revoke serves POST /phone/revoke: the form of "Remove".
func (p *Phone) revoke(w http.ResponseWriter, r *http.Request) {
	p.change(w, r, "removed", func(person signer.Person, id string) error {
		return p.Signers.Revoke(r.Context(), person, id)
	})
}

// stop serves POST /phone/stop: the form of a phone that waits, or is being removed. A phone that
// can sign may stop another one without a login, and not a removal: it may be stolen.
func (p *Phone) stop(w http.ResponseWriter, r *http.Request) {
	id := r.PostFormValue("phone_id")
	var err error
	if person, ok := p.Login.Person(r, scope); ok {
		security.Note(r.Context(), security.Event{Person: person.UIN, Method: "oidc"})
		if err = p.Signers.StopOrKeep(r.Context(), person, id); err == nil {
			security.Note(r.Context(), security.Event{Actor: id})
		}
	} else if phone, none := p.phone(r); none == nil { // which is the actor
		err = p.Signers.Stop(r.Context(), signer.Person{UIN: phone.UIN}, id)
	} else {
		security.Note(r.Context(), security.Event{Failed: true, Reason: "no login"})
	}
	if errors.Is(err, signer.ErrNoPhone) {
		security.Note(r.Context(), security.NoPhone)
	} else if err != nil {
		p.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/phone/?stopped="+url.QueryEscape(id), http.StatusSeeOther)
}

// change calls do for the phone that a form names, and redirects to the home page, which shows what
// was done. An unknown phone or another person's phone is not changed.
func (p *Phone) change(
	w http.ResponseWriter, r *http.Request, what string,
	do func(person signer.Person, id string) error,
) {
	if person, ok := p.Login.Person(r, scope); ok {
		id := r.PostFormValue("phone_id")
		security.Note(r.Context(), security.Event{Person: person.UIN, Method: "oidc"})
		var refused *api.Error
		switch err := do(person, id); {
		case err == nil:
			security.Note(r.Context(), security.Event{Actor: id})
			http.Redirect(w, r, "/phone/?"+what+"="+url.QueryEscape(id), http.StatusSeeOther)
			return
		case errors.As(err, &refused):
			p.Kit.Error(w, r, Status(refused.Code), "")
			return
		case !errors.Is(err, signer.ErrNoPhone):
			p.fail(w, r, err)
			return
		}
		security.Note(r.Context(), security.NoPhone)
	}
	http.Redirect(w, r, "/phone/", http.StatusSeeOther)
}

func (p *Phone) fail(w http.ResponseWriter, r *http.Request, err error) {
	p.Kit.Error(w, r, httpx.Fault(w, r, p.Log, "page failed", err), "")
}

// ownPath returns next if it is the path of a phone page, and the phone's home page otherwise, so
// that a login redirects nowhere else. It resolves dot segments as browsers do, also
// percent-encoded ones.
func ownPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" ||
		!strings.HasPrefix(path.Clean(u.Path)+"/", "/phone/") ||
		!strings.HasPrefix(u.Path, "/phone/") {
		return "/phone/"
	}
	return u.RequestURI()
}
