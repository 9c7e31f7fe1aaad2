// Package phone serves the signer's phone below /phone: its pages, and the JSON protocol that they
// use (enrol, challenge, approve, reject). The phone creates the private key and never sends it.
//
// Start at [Phone.Routes]. A call is authenticated by two things: the cookie that names the
// enrolled phone, and a signature by the phone's key. A browser takes part in a sign session if it
// holds a grant ([login.Grant]), which it gets for a fresh QR code; no URL and no page contains the
// session's id.
//
// Package signer keeps phones and their certificates, package request keeps sessions and decides
// when a phone may sign, and package portal shows the code.
package phone

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/limit"
	"github.com/signet-sign/signet/internal/server/login"
	"github.com/signet-sign/signet/internal/server/security"
	"github.com/signet-sign/signet/internal/server/ui"
	"github.com/signet-sign/signet/internal/signer"
)

// Phone serves phones.
type Phone struct {
	Requests  *request.Service
	Signers   *signer.Service
	Parties   party.Parties
	Kit       *ui.Kit
	Streams   httpx.Streams
	People    *limit.People // limits of what one person starts; nil: none
	Login     *login.Login
	PublicURL string
	Log       *slog.Logger
}

// scope is the scope of the login and the path of the cookie.
const scope = "/phone"

// cookieName is the cookie that identifies the enrolled phone. It lives much longer than a login,
// as an app's data does. It gives no access without the phone's key.
const (
	cookieName = "signet_phone_id"
	cookieAge  = 365 * 24 * time.Hour
)

// Routes adds the pages and the protocol.
func (p *Phone) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /phone/{$}", p.home)
	mux.HandleFunc("GET /phone/login", p.login)
	mux.HandleFunc("POST /phone/switch", p.switchPerson)
	mux.HandleFunc("GET /phone/enrol", p.enrolPage)
	mux.HandleFunc("GET /phone/sign/{request_id}", p.approvePage)
	mux.HandleFunc("GET /phone/scan", p.scanPage)
	mux.HandleFunc("GET /phone/offline", p.page(Offline{}))
	mux.Handle("GET /phone/worker.js", p.Kit.ServiceWorker())
	mux.HandleFunc("POST /phone/rename", p.rename)
	mux.Handle("POST /phone/revoke", security.Acts(security.Removal, http.HandlerFunc(p.revoke)))
	mux.Handle("POST /phone/stop", security.Acts(security.Removal, http.HandlerFunc(p.stop)))

	j := httpx.JSON{Status: Status, Log: p.Log}
	mux.Handle("POST /phone/api/enrol/start", j.Handle(p.startEnrolment))
	mux.Handle("POST /phone/api/enrol", security.Acts(security.Enrolment, j.Handle(p.enrol)))
	mux.Handle(
		"POST /phone/api/approve-phone/start", j.Handle(p.startConfirming(signer.ActApprove)),
	)
	mux.Handle(
		"POST /phone/api/approve-phone",
		security.Acts(security.PhoneApproval, j.Handle(p.confirm(p.Signers.Approve))),
	)
	mux.Handle("POST /phone/api/remove-phone/start", j.Handle(p.startConfirming(signer.ActRemove)))
	mux.Handle(
		"POST /phone/api/remove-phone",
		security.Acts(security.Removal, j.Handle(p.confirm(p.Signers.Remove))),
	)
	mux.Handle("POST /phone/sign/{request_id}/challenge", j.Handle(p.challenge))
	mux.Handle(
		"POST /phone/sign/{request_id}/approve",
		security.Acts(security.Approval, j.Handle(p.approve)),
	)
	mux.Handle(
		"POST /phone/sign/{request_id}/reject",
		security.Acts(security.Rejection, j.Handle(p.reject)),
	)
	mux.Handle("GET /phone/sign/{request_id}/events", j.Handle(p.events))
	mux.Handle("GET /phone/sign/{request_id}/state", j.Handle(p.state))
	mux.Handle("GET /phone/sign/{request_id}/prepared", j.Handle(p.prepared))
}

// Status returns the HTTP status of an error code in the phone's protocol and in other calls by
// signers.
func Status(code string) int {
	switch code {
	case api.CodeLoginRequired, api.CodePhoneNotEnrolled:
		return http.StatusUnauthorized
	case api.CodeNoAccess, api.CodePhoneWaiting:
		return http.StatusForbidden
	case api.CodeClientSide, api.CodeSignatureInvalid, api.CodeUserVerification:
		return http.StatusBadRequest
	case api.CodeServerSide, api.CodeUnavailable, api.CodeTooManyRequests:
		return api.Status(code)
	}
	return http.StatusConflict
}

// Messages of the protocol that enrols a phone. All bytes are base64url without padding.
type (
	// ChallengeAnswer answers enrol/start.
	ChallengeAnswer struct {
		Challenge string `json:"challenge"`
		// required, preferred or off
		UserVerification signer.Verification `json:"user_verification"`
	}
	// EnrolRequest is the body of enrol.
	EnrolRequest struct {
		Challenge string          `json:"challenge"`
		PublicKey json.RawMessage `json:"public_key"` // JWK, EC P-256
		Name      string          `json:"name"`
		// ECDSA/SHA-256 over the challenge's bytes, raw r||s
		Proof string `json:"proof"`
		// The RegistrationResponseJSON of WebAuthn, whose challenge and user handle are the SHA-256
		// of the challenge's bytes; absent if the device cannot verify its owner.
		Credential json.RawMessage `json:"credential,omitempty"`
	}
	// EnrolAnswer answers enrol.
	EnrolAnswer struct {
		PhoneID     string `json:"phone_id"`
		ActiveAt    int64  `json:"active_at,omitempty"` // Unix milliseconds, if the phone waits
		Certificate string `json:"certificate"`         // PEM; empty while the phone waits
		Subject     string `json:"subject"`             // common names, as the person reads them
		Issuer      string `json:"issuer"`
		Serial      string `json:"serial"`    // hexadecimal
		NotAfter    int64  `json:"not_after"` // Unix milliseconds
	}
	// ConfirmationStart is the body of approve-phone/start and of remove-phone/start: one phone is
	// to approve another, or to remove another or itself.
	ConfirmationStart struct {
		PhoneID string `json:"phone_id"` // that waits, or is removed
		By      string `json:"by"`       // the phone that confirms
	}
	// ConfirmationChallenge answers them.
	ConfirmationChallenge struct {
		ToBeSigned string `json:"to_be_signed"` // see [signer.Service.AskConfirmation]

		// the id of the WebAuthn credential by which the phone verifies its owner; empty: it does
		// not
		CredentialID string `json:"credential_id,omitempty"`
	}
	// Confirmation is the body of approve-phone and of remove-phone.
	Confirmation struct {
		ConfirmationStart
		ToBeSigned string `json:"to_be_signed"`
		// ECDSA/SHA-256 over the bytes of to_be_signed, raw r||s
		Proof string `json:"proof"`
		// The AuthenticationResponseJSON of WebAuthn, whose challenge is the SHA-256 of
		// to_be_signed, if the answer to start names a credential.
		Assertion json.RawMessage `json:"assertion,omitempty"`
	}
)

// Messages of the protocol for a sign session.
type (
	// SignChallenge answers challenge: the data to show and the data to sign.
	SignChallenge struct {
		RelyingParty   string `json:"relying_party"`
		DocumentName   string `json:"document_name"`
		DocumentDigest string `json:"document_digest"` // SHA-256 of the uploaded document, hex
		// size of the uploaded document, which is the beginning of the prepared document
		DocumentSize  int64  `json:"document_size"`
		MatchCode     string `json:"match_code"`
		Pages         int    `json:"pages"`
		Places        int    `json:"places"`
		SessionEndsAt int64  `json:"session_ends_at"` // Unix milliseconds

		// byte range of the prepared document that is signed: offset and length, twice
		ByteRange [4]int64 `json:"byte_range"`
		// DER of the signed attributes, which contain the digest of the byte range
		ToBeSigned string `json:"to_be_signed"`

		// the id of the WebAuthn credential by which the phone verifies its owner; empty: it does
		// not
		CredentialID string `json:"credential_id,omitempty"`
	}
	// Approval is the body of approve.
	Approval struct {
		// ECDSA/SHA-256 over the bytes of to_be_signed, raw r||s
		Signature string `json:"signature"`
		// The AuthenticationResponseJSON of WebAuthn, whose challenge is the SHA-256 of
		// to_be_signed, if the challenge names a credential.
		Assertion json.RawMessage `json:"assertion,omitempty"`
	}
)

func (p *Phone) startEnrolment(w http.ResponseWriter, r *http.Request) error {
	person, err := p.person(r)
	if err != nil {
		return err
	}
	challenge, err := p.Signers.Challenge(person)
	if err != nil {
		return err
	}
	httpx.WriteJSON(
		w, http.StatusOK,
		ChallengeAnswer{base64.RawURLEncoding.EncodeToString(challenge), p.Signers.Verification},
	)
	return nil
}

func (p *Phone) enrol(w http.ResponseWriter, r *http.Request) error {
	person, err := p.person(r)
	if err != nil {
		return err
	}
	security.Note(r.Context(), security.Event{Person: person.UIN, Method: "oidc"})
	if err := p.People.Admit(w, limit.Enrolments, person.UIN); err != nil {
		return err
	}
	var in EnrolRequest
	if err := httpx.ReadJSON(w, r, &in); err != nil {
		return err
	}
	pub, err := publicKey(in.PublicKey)
	if err != nil {
		return api.ErrClientSide("public_key must be a JWK of an EC key on P-256").Because(
			"%w", err,
		)
	}
	challenge, err1 := base64.RawURLEncoding.DecodeString(in.Challenge)
	proof, err2 := base64.RawURLEncoding.DecodeString(in.Proof)
	if err := errors.Join(err1, err2); err != nil {
		return api.ErrClientSide("challenge and proof must be base64url").Because("%w", err)
	}
	if in.Credential == nil && p.Signers.Verification == signer.VerificationRequired {
		return api.ErrUserVerification.Because("the device has no credential")
	}
	enrolment := signer.Enrolment{Name: in.Name, Key: pub, Challenge: challenge, Proof: proof}
	if p.Signers.Verification != signer.VerificationOff {
		enrolment.Credential = in.Credential
	}
	phone, err := p.Signers.Enrol(r.Context(), person, enrolment)
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(phone.Certificate)
	if err != nil {
		return err
	}
	security.Note(r.Context(), security.Event{Actor: phone.ID})
	shown := ui.CertificateOf(cert)
	value := p.Login.Seal("phone", phone.ID)
	http.SetCookie(w, httpx.NewCookie(cookieName, value, scope, p.PublicURL, cookieAge))
	answer := EnrolAnswer{
		PhoneID: phone.ID,
		Subject: shown.Subject, Issuer: shown.Issuer, Serial: shown.Serial,
		NotAfter: shown.NotAfter.UnixMilli(),
	}
	if phone.Waiting(p.Signers.Now()) {
		// With the certificate the key could sign outside of the service.
		answer.ActiveAt = phone.ActiveAt.UnixMilli()
	} else {
		block := &pem.Block{Type: "CERTIFICATE", Bytes: phone.Certificate}
		answer.Certificate = string(pem.EncodeToMemory(block))
	}
	httpx.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// person returns the person who is logged in.
func (p *Phone) person(r *http.Request) (signer.Person, error) {
	person, ok := p.Login.Person(r, scope)
	if !ok {
		return person, api.ErrLoginRequired
	}
	return person, nil
}

// startConfirming returns the handler that gives a phone what it signs to do something for a phone.
func (p *Phone) startConfirming(act signer.Act) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		person, err := p.person(r)
		if err != nil {
			return err
		}
		var in ConfirmationStart
		if err := httpx.ReadJSON(w, r, &in); err != nil {
			return err
		}
		message, credential, err := p.Signers.AskConfirmation(
			r.Context(), person, act, in.PhoneID, in.By,
		)
		if err != nil {
			return phoneError(err)
		}
		httpx.WriteJSON(w, http.StatusOK, ConfirmationChallenge{
			ToBeSigned:   base64.RawURLEncoding.EncodeToString(message),
			CredentialID: base64.RawURLEncoding.EncodeToString(credential),
		})
		return nil
	}
}

// confirm returns the handler of a change of a phone that takes the login and the key of a phone
// that can sign.
func (p *Phone) confirm(
	change func(ctx context.Context, p signer.Person, in signer.Confirmation) error,
) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		person, err := p.person(r)
		if err != nil {
			return err
		}
		var in Confirmation
		if err := httpx.ReadJSON(w, r, &in); err != nil {
			return err
		}
		security.Note(r.Context(), security.Event{Person: person.UIN, Method: "oidc"})
		message, err1 := base64.RawURLEncoding.DecodeString(in.ToBeSigned)
		proof, err2 := base64.RawURLEncoding.DecodeString(in.Proof)
		if err := errors.Join(err1, err2); err != nil {
			return api.ErrSignatureInvalid.Because("%w", err)
		}
		err = change(r.Context(), person, signer.Confirmation{
			PhoneID: in.PhoneID, By: in.By, Challenge: message, Proof: proof,
			Assertion: in.Assertion,
		})
		if err != nil {
			return phoneError(err)
		}
		security.Note(r.Context(), security.Event{Actor: in.By}) // until now a client's text
		httpx.WriteJSON(w, http.StatusOK, struct{}{})
		return nil
	}
}

// phoneError returns the error for the page of the phone of an error of package signer.
func phoneError(err error) error {
	if errors.Is(err, signer.ErrNoPhone) {
		return api.ErrPhoneNotEnrolled
	}
	return err
}

// publicKey parses a JWK that contains a P-256 public key and nothing else.
func publicKey(raw json.RawMessage) (*ecdsa.PublicKey, error) {
	var key jose.JSONWebKey
	if err := json.Unmarshal(raw, &key); err != nil {
		return nil, err
	}
	pub, ok := key.Key.(*ecdsa.PublicKey)
	if !ok || pub.Curve.Params().BitSize != 256 {
		return nil, fmt.Errorf("the key is a %T", key.Key)
	}
	return pub, nil
}

func (p *Phone) challenge(w http.ResponseWriter, r *http.Request) error {
	phone, session, err := p.session(r)
	if err != nil {
		return err
	}
	c, err := p.Requests.Challenge(r.Context(), r.PathValue("request_id"), session, phone)
	if err != nil {
		return err
	}
	rp, err := p.Parties.Party(r.Context(), c.Request.ClientID)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, SignChallenge{
		RelyingParty:   rp.Name,
		DocumentName:   c.Request.DocName,
		DocumentDigest: hex.EncodeToString(c.Request.Document.SHA256),
		DocumentSize:   c.Request.Document.Size,
		MatchCode:      c.Request.Session.MatchCode,
		Pages:          c.Request.Document.Pages,
		Places:         len(c.Request.Locations),
		SessionEndsAt:  c.Request.Session.EndsAt.UnixMilli(),
		ByteRange:      c.ByteRange,
		CredentialID:   p.credentialID(phone),
		ToBeSigned:     base64.RawURLEncoding.EncodeToString(c.ToBeSigned),
	})
	return nil
}

// prepared streams the document of the challenge, for the phone to check and show.
func (p *Phone) prepared(w http.ResponseWriter, r *http.Request) error {
	phone, session, err := p.session(r)
	if err != nil {
		return err
	}
	d, err := p.Requests.PreparedDocument(r.Context(), r.PathValue("request_id"), session, phone)
	if err != nil {
		return err
	}
	defer d.Close()
	h := w.Header()
	h.Set("Content-Type", "application/pdf")
	h.Set("Content-Length", strconv.FormatInt(d.Size, 10))
	h.Set("Cache-Control", "no-store")
	// As for every document, because a stricter policy would break browsers' own viewers.
	h.Set("Content-Security-Policy", "frame-ancestors 'none'")
	_, _ = io.Copy(w, d) // the status is sent; the phone detects a truncated document
	return nil
}

func (p *Phone) approve(w http.ResponseWriter, r *http.Request) error {
	phone, session, err := p.session(r)
	if err != nil {
		return err
	}
	var in Approval
	if err := httpx.ReadJSON(w, r, &in); err != nil {
		return err
	}
	signature, err := base64.RawURLEncoding.DecodeString(in.Signature)
	if err != nil {
		return api.ErrSignatureInvalid.Because("%w", err)
	}
	var verify request.VerifyUser
	if p.Signers.Verifies(phone) {
		verify = func(message []byte) (signer.Assertion, error) {
			a, err := p.Signers.Verifier.Verify(phone, message, in.Assertion)
			if err == nil {
				err = phoneError(p.Signers.Counted(r.Context(), phone, a))
			}
			return a, err
		}
	}
	err = p.Requests.Approve(
		r.Context(), r.PathValue("request_id"), session, phone, signature, verify,
	)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, struct{}{})
	return nil
}

func (p *Phone) reject(w http.ResponseWriter, r *http.Request) error {
	phone, session, err := p.session(r)
	if err != nil {
		return err
	}
	err = p.Requests.Reject(r.Context(), r.PathValue("request_id"), session, phone)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, struct{}{})
	return nil
}

// live returns the state of the session's request that this phone may see.
func (p *Phone) live(ctx context.Context, phone signer.Phone, id string) (httpx.Live, error) {
	req, err := p.Requests.Get(ctx, id)
	if err != nil {
		return httpx.Live{}, err
	}
	if req.Signer == nil || req.Signer.UIN != phone.UIN {
		return httpx.Live{}, api.ErrNoAccess
	}
	return httpx.LiveOf(req), nil
}

func (p *Phone) state(w http.ResponseWriter, r *http.Request) error {
	phone, err := p.phone(r)
	if err != nil {
		return err
	}
	live, err := p.live(r.Context(), phone, r.PathValue("request_id"))
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, live)
	return nil
}

func (p *Phone) events(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("request_id")
	return p.Streams.Serve(w, r, id, func(ctx context.Context) (httpx.Live, error) {
		phone, err := p.phone(r) // which may be revoked while the stream is open
		if err != nil {
			return httpx.Live{}, err
		}
		return p.live(ctx, phone, id)
	})
}

// session returns the phone that makes the call and the id of the session that its browser has a
// grant for.
func (p *Phone) session(r *http.Request) (signer.Phone, string, error) {
	phone, err := p.signing(r)
	if err != nil {
		return signer.Phone{}, "", err
	}
	g, ok := p.Login.GrantOf(r, r.PathValue("request_id"))
	if !ok {
		return signer.Phone{}, "", api.ErrNoActiveSession.Because(
			"this browser has not scanned the code",
		)
	}
	return phone, g.Session, nil
}

// phone returns the phone that makes the call. It can sign.
func (p *Phone) phone(r *http.Request) (signer.Phone, error) {
	c, err := r.Cookie(httpx.CookieName(cookieName, scope, p.PublicURL))
	for _, prefix := range []string{"__Secure-", ""} { // of phones that earlier programs enrolled
		if err != nil {
			c, err = r.Cookie(prefix + cookieName)
		}
	}
	var id string
	if err != nil || !p.Login.Open(c.Value, "phone", &id) {
		return signer.Phone{}, api.ErrPhoneNotEnrolled
	}
	phone, err := p.Signers.Store.Phone(r.Context(), id)
	if errors.Is(err, signer.ErrNoPhone) {
		return signer.Phone{}, api.ErrPhoneNotEnrolled
	}
	if err != nil {
		return signer.Phone{}, err
	}
	if phone.Revoked(p.Signers.Now()) {
		return signer.Phone{}, api.ErrPhoneNotEnrolled.Because("the phone was revoked")
	}
	security.Note(r.Context(), security.Event{Actor: phone.ID, Person: phone.UIN, Method: "phone"})
	if !phone.Active(p.Signers.Now()) {
		return signer.Phone{}, api.ErrPhoneWaiting
	}
	return phone, nil
}

// signing returns the phone that makes the call, if it can sign and verifies its owner as far as it
// has to.
func (p *Phone) signing(r *http.Request) (signer.Phone, error) {
	phone, err := p.phone(r)
	required := p.Signers.Verification == signer.VerificationRequired
	if err == nil && required && phone.Credential == nil {
		return signer.Phone{}, api.ErrPhoneNotEnrolled.Because("it cannot verify its owner")
	}
	return phone, err
}

// credentialID names the credential of which the phone needs an assertion; "" is none.
func (p *Phone) credentialID(phone signer.Phone) string {
	if !p.Signers.Verifies(phone) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(phone.Credential.ID)
}
