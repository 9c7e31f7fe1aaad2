package phone

import (
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/login"
	"github.com/signet-sign/signet/internal/server/ui"
	"github.com/signet-sign/signet/internal/signer"
)

// approvePage serves GET /phone/sign/{request_id}, the link in the QR code, which has the code's
// value in c. After the browser has its grant it is redirected to the URL without the value, so
// that reload and history work. A phone that is not enrolled is sent to enrol first.
func (p *Phone) approvePage(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("request_id")
	page := Approve{RequestID: id}
	if value := r.URL.Query().Get("c"); value != "" {
		p.scan(w, r, page, value)
		return
	}
	grant, ok := p.Login.GrantOf(r, id)
	if !ok {
		p.Kit.Show(
			w, r, p.Log, http.StatusForbidden,
			Scan{Why: StepNotScanned, Waiting: p.waitingHere(r), Account: p.account(r)},
		)
		return
	}
	phone, err := p.signing(r)
	if err != nil {
		switch {
		case errors.Is(err, api.ErrPhoneWaiting):
			p.Kit.Show(w, r, p.Log, http.StatusForbidden, Problem{
				Code: api.CodePhoneWaiting, Account: p.account(r),
			})
			return
		case !httpx.Refused(err):
			p.fail(w, r, err)
			return
		}
		http.Redirect(w, r, "/phone/enrol?next="+url.QueryEscape(page.Path()), http.StatusSeeOther)
		return
	}
	req, err := p.Requests.Get(r.Context(), id)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	page.Here, page.Step = grant.Here, stepOf(req, grant.Session, phone)
	if page.Step != StepNoAccess {
		party, err := p.Parties.Party(r.Context(), req.ClientID)
		if err != nil {
			p.fail(w, r, err)
			return
		}
		page.Party = ui.Party{Name: party.Name, LogoURL: ui.LogoURL(party.Logo)}
		page.Warnings = req.Warnings
	}
	if cert, err := x509.ParseCertificate(phone.Certificate); err == nil {
		page.Account = ui.Person{
			Name: cert.Subject.CommonName, Hint: signer.Person{UIN: phone.UIN}.Hint(),
			Waiting: p.waiting(r, phone.UIN),
		}
	}
	p.Kit.Show(w, r, p.Log, http.StatusOK, page)
}

// scan gives the browser a grant for a fresh code. A browser that has a grant is not refused for an
// old code: it came back through its history, and the page shows the session's outcome.
func (p *Phone) scan(w http.ResponseWriter, r *http.Request, page Approve, value string) {
	req, err := p.Requests.Scan(r.Context(), page.RequestID, value)
	_, known := p.Login.GrantOf(r, page.RequestID)
	var refusal *api.Error
	switch {
	case err == nil:
		grant := login.Grant{Request: req.ID, Session: req.Session.ID}
		p.Login.SetGrant(w, r, grant)
		http.Redirect(w, r, page.Path(), http.StatusSeeOther)
	case known:
		http.Redirect(w, r, page.Path(), http.StatusSeeOther)
	case errors.Is(err, request.ErrStaleCode):
		p.Kit.Show(
			w, r, p.Log, http.StatusForbidden,
			Scan{Why: StepStaleCode, Waiting: p.waitingHere(r), Account: p.account(r)},
		)
	case errors.As(err, &refusal):
		p.Kit.Show(w, r, p.Log, http.StatusConflict, Problem{
			Code: problemOf(refusal.Code), Account: p.account(r),
		})
	default:
		p.fail(w, r, err)
	}
}

// problemOf returns the page for a refusal. An unknown request has the page of an old code, so that
// guessing an id reveals nothing.
func problemOf(code string) string {
	switch code {
	case api.CodeSigning:
		return string(StepOtherPhone)
	case api.CodeClientSide:
		return string(StepNoActiveSession)
	}
	return code
}

// stepOf returns the step of the approval page for this phone; "" if it can still answer.
func stepOf(req *request.Request, session string, phone signer.Phone) Step {
	if req.Signer == nil || req.Signer.UIN != phone.UIN {
		return StepNoAccess
	}
	switch {
	case req.State.InSession():
		if req.Session.ID != session {
			return StepReplaced
		}
		return ""
	case req.State.Approved():
		switch {
		case req.Approval == nil, req.Approval.PhoneID != phone.ID,
			req.Approval.SessionID != session:
			return StepOtherPhone
		case req.State.Signed():
			return StepSigned
		}
		return StepApproved
	}
	if refusal := req.State.Refusal(request.ActOpen); refusal != nil {
		return Step(refusal.Code)
	}
	switch req.Outcome {
	case request.OutcomeRejected:
		return StepRejected
	case request.OutcomeTimedOut:
		return StepTimedOut
	case request.OutcomeLeft:
		return StepLeft
	case request.OutcomeFailed:
		return StepFailed
	}
	return StepNoActiveSession
}
