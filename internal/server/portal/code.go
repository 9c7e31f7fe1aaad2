package portal

import (
	"context"
	"net/http"
	"net/url"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/login"
	"github.com/signet-sign/signet/internal/signer"
)

// Code is the QR code as it is now; the page asks for the next one when it is no longer fresh.
type Code struct {
	URL     string `json:"url"`
	SVG     string `json:"svg"`
	FreshMS int64  `json:"fresh_ms"` // until there is a newer one
}

// drawCode makes the present QR code for the signer: the phone's page of the request, with a value
// that is soon worth nothing.
func (p *Portal) drawCode(ctx context.Context, id string, person signer.Person) (Code, error) {
	value, fresh, err := p.Requests.Code(ctx, id, person)
	if err != nil {
		return Code{}, err
	}
	link := p.PublicURL + login.PhonePath(id) + "?c=" + url.QueryEscape(value)
	svg, err := qrSVG(link)
	return Code{URL: link, SVG: svg, FreshMS: fresh.Milliseconds()}, err
}

// code is GET /sign/{request_id}/code.
func (p *Portal) code(w http.ResponseWriter, r *http.Request) error {
	person, ok := p.person(r)
	if !ok {
		return api.ErrLoginRequired
	}
	c, err := p.drawCode(r.Context(), r.PathValue("request_id"), person)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, c)
	return nil
}

// here is POST /sign/{request_id}/here: the signer's phone is the device that shows the portal, and
// there is nothing to scan.
func (p *Portal) here(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("request_id")
	person, ok := p.person(r)
	if !ok {
		http.Redirect(w, r, path(id), http.StatusSeeOther)
		return nil
	}
	req, err := p.Requests.OpenHere(r.Context(), id, person)
	if err != nil {
		return err
	}
	p.Login.SetGrant(w, login.Grant{Request: id, Session: req.Session.ID, Here: true})
	http.Redirect(w, r, login.PhonePath(id), http.StatusSeeOther)
	return nil
}
