// Package rpapi is the HTTP API of relying parties: initiate, cancel, result, Signet's keys, and
// the download links.
//
// Start at [API.Handler]; [API.cancel] is the shortest complete call.
//
// A handler contains no rules of its own. Package token verifies tokens, package request operates
// on requests, package calllog records calls, and package api maps errors to bodies. Package
// webhook makes the calls in the other direction.
package rpapi

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/limit"
	"github.com/signet-sign/signet/internal/token"
)

// API serves relying parties.
type API struct {
	Requests *request.Service
	Verifier *token.Verifier
	Keys     func() ([]byte, error) // Signet's own JWKS, as served
	// second path of the keys, for compatibility with MockPass; "" for none
	KeysAlias    string
	Unauthorized int // status of UNAUTHORIZED (docs/contract.md, 14.2); 0: 400
	// add a header that says why a token was refused; only for the sandbox
	Explain bool
	Calls   *calllog.Recorder // of calls and their answers; nil records none

	// Answered, if not nil, is called after each call.
	Answered func(ctx context.Context, a Answer)
	Log      *slog.Logger

	// Tolerant accepts, with a warning in a header, what the real service may refuse
	// (docs/contract.md, 14.13 and 14.23). Only the sandbox sets it.
	Tolerant bool

	Limits Limits // of calls and uploads

	// SlowestUpload is the minimum rate of an upload in bytes per second; slower uploads are
	// aborted. 0 means 8 KiB.
	SlowestUpload int64

	// UploadWindow is the time over which SlowestUpload is measured. 0 means 10 s.
	UploadWindow time.Duration

	limiter         limiter
	unauthenticated atomic.Int32 // unauthenticated callers whose bodies are being read
}

func (a *API) status(code string) int {
	if code == api.CodeUnauthorized && a.Unauthorized != 0 {
		return a.Unauthorized
	}
	return api.Status(code)
}

// defaultTypes are what HTTP clients send on a cancel unless they are told otherwise, some of them,
// such as aiohttp, also without a body.
var defaultTypes = []string{
	"text/plain", "application/x-www-form-urlencoded", "application/octet-stream",
}

// cancel serves POST /sign-requests/cancel. The token contains all arguments; the body is ignored
// (docs/contract.md, 14.23).
func (a *API) cancel(w http.ResponseWriter, r *http.Request, c *call) error {
	claims, _, err := a.Verifier.Verify(r.Context(), authorization(r), token.Cancel)
	c.judged(err)
	if err != nil {
		return err
	}
	c.party, c.requestID = claims.ClientID, claims.RequestID
	c.check = calllog.CheckRate
	if err := a.admit(w, claims.ClientID); err != nil {
		return err
	}
	c.check = calllog.CheckContent
	if ct := r.Header.Get("Content-Type"); ct != "" && !isMediaType(ct, "application/json") {
		isDefault := func(kind string) bool { return isMediaType(ct, kind) }
		if !a.Tolerant || !slices.ContainsFunc(defaultTypes, isDefault) {
			return api.ErrClientSide("Content-Type must be application/json, or absent")
		}
		warn(w, "send Content-Type application/json on cancel, or none")
	}
	c.check = calllog.CheckState
	err = a.Requests.Cancel(r.Context(), claims.ClientID, claims.RequestID)
	var active *request.ActiveSessionError
	if errors.As(err, &active) {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(active.RetryAfter.Seconds()))))
	}
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK) // without a body (docs/contract.md, 14.3)
	return nil
}

// initiate serves POST /sign-requests. The claims contain the arguments, and the body is the PDF.
func (a *API) initiate(w http.ResponseWriter, r *http.Request, c *call) (err error) {
	body := a.paced(w, r)
	defer func() {
		if err != nil && !body.failed {
			a.drainBody(w, r, c.authentic && !errors.Is(err, api.ErrTooManyRequests))
		}
	}()
	claims, rp, err := a.Verifier.Verify(r.Context(), authorization(r), token.Initiate)
	c.judged(err)
	if err != nil {
		return err
	}
	c.party = rp.ClientID
	c.check = calllog.CheckRate
	if err := a.admit(w, rp.ClientID); err != nil {
		return err
	}
	var ticket request.Ticket
	if !claims.KeepUntil.IsZero() {
		ticket = request.Ticket{
			ClientID: claims.ClientID, JTI: claims.JTI, KeepUntil: claims.KeepUntil,
		}
	}
	end, err := a.beginUpload(w, rp.ClientID, ticket, r.ContentLength)
	if err != nil {
		return err
	}
	defer end()
	defer func() {
		if err == nil {
			return // creating the request has used the token
		}
		// The caller's context may be cancelled, because the call may have failed by the caller
		// closing the connection.
		spend, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
		defer cancel()
		if spent := a.Verifier.Spend(spend, claims); spent != nil {
			a.Log.ErrorContext(
				r.Context(), "the token of a call that failed may be used again", "err", spent,
			)
		}
	}()
	c.check = calllog.CheckContent
	if !isMediaType(r.Header.Get("Content-Type"), "application/octet-stream") {
		return api.ErrClientSide(
			"Content-Type must be application/octet-stream, and the body the PDF's bytes",
		)
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" &&
		!strings.EqualFold(encoding, "identity") {
		return api.ErrClientSide(
			"Content-Encoding is not supported: the body must be the PDF's bytes as they are",
		)
	}
	c.check = calllog.CheckDocument
	if r.ContentLength >= a.Requests.MaxDocument {
		return request.ErrTooLarge
	}
	limit.EndTurn(w) // the body takes its time, and what parses it has turns of its own
	// Once the body is read the call is whole, and goes on as in withoutBody. Until then a client
	// that has gone ends it, because reading the body fails.
	ctx := context.WithoutCancel(r.Context())
	answer, err := a.Requests.Initiate(ctx, request.Application{
		ClientID:   rp.ClientID,
		DocName:    claims.DocName,
		Locations:  claims.Locations,
		SignerHash: claims.SignerUINHash,
		Ticket:     ticket,
	}, body)
	if err != nil {
		return err
	}
	c.requestID = answer.RequestID
	if a.Tolerant && r.ContentLength >= decimalLimit {
		warn(w, "keep documents below 10,000,000 bytes")
	}
	httpx.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// result serves GET /sign-requests/{request_id}/signed-doc. Its token does not name the party, so
// the request does (docs/contract.md, 5.1.2). An unknown request has the answer of an invalid
// token, so that the answer does not reveal which ids exist (docs/contract.md, 5.1.4).
func (a *API) result(w http.ResponseWriter, r *http.Request, c *call) error {
	c.check = calllog.CheckRequest
	id := r.PathValue("request_id")
	req, err := a.Requests.Get(r.Context(), id)
	switch {
	case errors.Is(err, api.ErrNoRecord):
		if _, _, err := a.Verifier.VerifyResult(r.Context(), authorization(r), "", id); err == nil {
			return errors.New("the token of a request that does not exist is accepted")
		}
		return api.ErrUnauthorized.Because("the request is unknown")
	case err != nil:
		return err
	}
	c.party = req.ClientID
	claims, _, err := a.Verifier.VerifyResult(r.Context(), authorization(r), req.ClientID, id)
	c.judged(err)
	if err != nil {
		return err
	}
	c.check = calllog.CheckRate
	if err := a.admit(w, req.ClientID); err != nil {
		return err
	}
	c.check = calllog.CheckState
	answer, err := a.Requests.Result(r.Context(), id, claims.ExchangeCode, claims.FirstUsed)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// serveKeys serves GET /.well-known/keys.json.
func (a *API) serveKeys(w http.ResponseWriter, r *http.Request) {
	keys, err := a.Keys()
	if err != nil {
		a.Log.ErrorContext(r.Context(), "the webhook keys cannot be published", "err", err)
		http.Error(w, "the keys cannot be read", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Write(keys)
}

// serveOpenAPI serves GET /openapi.yaml.
func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml") // RFC 9512
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Write(api.OpenAPI())
}

// download serves GET and HEAD of a signed_doc_url, with ranges. An expired link is answered 403,
// as object stores do. The trail and the record of calls have a line for the first use of a link by
// a class of client; see request.Downloaded.
func (a *API) download(w http.ResponseWriter, r *http.Request, c *call) error {
	q := r.URL.Query()
	req, doc, err := a.Requests.Follow(
		r.Context(), r.PathValue("request_id"), q.Get("expires"), q.Get("signature"),
	)
	if err != nil {
		return err
	}
	defer doc.Close()
	c.party, c.authentic = req.ClientID, true
	first, err := a.Requests.Downloaded(r.Context(), req.ID, q.Get("expires"), r.UserAgent())
	if err != nil {
		return err
	}
	c.aside = !first
	httpx.ServePDF(w, r, doc, httpx.PDF{
		Name: req.SignedName(), ModTime: req.Signed.At, SHA256: req.Signed.SHA256,
		Attachment: true,
	})
	return nil
}

// linkStatus returns the status of a refused link. A link is the URL of a file, not a call of the
// contract.
func linkStatus(code string) int {
	switch code {
	case api.CodeUnauthorized:
		return http.StatusForbidden
	case api.CodeServerSide, api.CodeUnavailable:
		return api.Status(code)
	default:
		return http.StatusNotFound
	}
}

// authorization returns the Authorization header if there is exactly one. Of two headers, a proxy
// may read the other one.
func authorization(r *http.Request) string {
	if values := r.Header.Values("Authorization"); len(values) == 1 {
		return values[0]
	}
	return ""
}

// isMediaType reports whether a Content-Type is the media type want, with any parameters.
func isMediaType(header, want string) bool {
	got, _, err := mime.ParseMediaType(header)
	return err == nil && got == want
}
