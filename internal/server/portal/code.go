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

// Code is the present QR code. The page fetches the next one when this one is no longer fresh.
type Code struct {
	URL     string `json:"url"`
	SVG     string `json:"svg"`
	FreshMS int64  `json:"fresh_ms"` // until the next code
}

// drawCode makes the present QR code for the signer. It links to the phone's page of the request,
// with a value that expires within seconds.
func (p *Portal) drawCode(ctx context.Context, id string, person signer.Person) (Code, error) {
	value, fresh, err := p.Requests.Code(ctx, id, person)
	if err != nil {
		return Code{}, err
	}
	link := p.PublicURL + login.PhonePath(id) + "?c=" + url.QueryEscape(value)
	svg, err := qrSVG(link)
	return Code{URL: link, SVG: svg, FreshMS: fresh.Milliseconds()}, err
}

// code serves GET /sign/{request_id}/code.
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

// here serves POST /sign/{request_id}/here: the device that shows the portal is the signer's phone,
// so there is no code to scan.
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
	p.Login.SetGrant(w, r, login.Grant{Request: id, Session: req.Session.ID, Here: true})
	http.Redirect(w, r, login.PhonePath(id), http.StatusSeeOther)
	return nil
}
