// Package rpapi is the HTTP face that relying parties see: initiate, cancel, result, Signet's keys,
// and the download links. It is a thin edge: a token is judged by internal/token, a request by
// internal/request, and an error finds its body in package api.
//
// Start at [API.Handler]; follow [API.cancel] for the shortest whole path.
package rpapi

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/token"
)

// API answers relying parties.
type API struct {
	Requests     *request.Service
	Verifier     *token.Verifier
	Keys         []byte            // Signet's own JWKS, as served
	KeysAlias    string            // a second path of the keys, which MockPass has; "": none
	Unauthorized int               // status of UNAUTHORIZED (docs/contract.md, 14.2); 0: 400
	Explain      bool              // say in a header why a token was refused: only for the sandbox
	Calls        *calllog.Recorder // of calls and their answers; nil: none is recorded
	Log          *slog.Logger

	Limits Limits // of calls and uploads

	// SlowestUpload is the fewest bytes per second that an upload must bring; slower ones are cut
	// off. 0: 8 KiB.
	SlowestUpload int64

	// UploadWindow is the time over which SlowestUpload is measured. 0: 10 s.
	UploadWindow time.Duration

	limiter   limiter
	strangers atomic.Int32 // refused callers whose bodies are being read
}

func (a *API) status(code string) int {
	if code == api.CodeUnauthorized && a.Unauthorized != 0 {
		return a.Unauthorized
	}
	return api.Status(code)
}

// cancel is POST /sign-requests/cancel: everything is in the token; a body is not looked at
// (docs/contract.md, 14.23).
func (a *API) cancel(w http.ResponseWriter, r *http.Request, c *call) error {
	claims, _, err := a.Verifier.Verify(r.Context(), authorization(r), token.Cancel)
	c.judged(err)
	if err != nil {
		return err
	}
	if err := a.admit(w, claims.ClientID); err != nil {
		return err
	}
	if ct := r.Header.Get("Content-Type"); ct != "" && !isMediaType(ct, "application/json") {
		return api.ErrClientSide("Content-Type must be application/json, or absent")
	}
	err = a.Requests.Cancel(r.Context(), claims.ClientID, claims.RequestID)
	var active *request.ActiveSessionError
	if errors.As(err, &active) {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(active.RetryAfter.Seconds()))))
	}
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK) // and no body (docs/contract.md, 14.3)
	return nil
}

// initiate is POST /sign-requests: the claims say what, the body is the PDF.
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
			return // the request has used it up
		}
		// Not the caller's context: the call may have failed because the caller closed the
		// connection.
		spend, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
		defer cancel()
		if spent := a.Verifier.Spend(spend, claims); spent != nil {
			a.Log.ErrorContext(
				r.Context(), "the token of a call that failed may be used again", "err", spent,
			)
		}
	}()
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
	if r.ContentLength >= api.MaxDocumentBytes {
		return request.ErrTooLarge
	}
	answer, err := a.Requests.Initiate(r.Context(), request.Application{
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
	httpx.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// result is GET /sign-requests/{request_id}/signed-doc. Its token does not name the party, so the
// request does (docs/contract.md, 5.1.2). For an unknown request the answer is that of an invalid
// token, so that it does not tell which ids exist (docs/contract.md, 5.1.4).
func (a *API) result(w http.ResponseWriter, r *http.Request, c *call) error {
	id := r.PathValue("request_id")
	req, err := a.Requests.Get(r.Context(), id)
	switch {
	case errors.Is(err, api.ErrNoRecord):
		return api.ErrUnauthorized.Because("the request is unknown")
	case err != nil:
		return err
	}
	c.party = req.ClientID
	claims, _, err := a.Verifier.VerifyResult(r.Context(), authorization(r), req.ClientID)
	c.judged(err)
	if err != nil {
		return err
	}
	if err := a.admit(w, req.ClientID); err != nil {
		return err
	}
	answer, err := a.Requests.Result(r.Context(), id, claims.ExchangeCode)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// serveKeys is GET /.well-known/keys.json.
func (a *API) serveKeys(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Write(a.Keys)
}

// serveOpenAPI is GET /openapi.yaml.
func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml") // RFC 9512
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Write(api.OpenAPI())
}

// download is GET and HEAD of a signed_doc_url, with ranges. A link that is over answers 403, as
// object stores do.
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
	if c.aside = r.Method != http.MethodGet || r.Header.Get("Range") != ""; !c.aside {
		if err := a.Requests.Downloaded(r.Context(), req.ID); err != nil {
			return err
		}
	}
	httpx.ServePDF(
		w,
		r,
		doc,
		httpx.PDF{
			Name: req.SignedName(), ModTime: req.Signed.At, SHA256: req.Signed.SHA256,
			Attachment: true,
		},
	)
	return nil
}

// linkStatus is the status of a link's refusals: it is a file's URL, not a call of the contract.
func linkStatus(code string) int {
	switch code {
	case api.CodeUnauthorized:
		return http.StatusForbidden
	case api.CodeServerSide:
		return http.StatusInternalServerError
	default:
		return http.StatusNotFound
	}
}

// authorization is the one Authorization header; two are as good as none, because software in
// between may look at the other.
func authorization(r *http.Request) string {
	if values := r.Header.Values("Authorization"); len(values) == 1 {
		return values[0]
	}
	return ""
}

// isMediaType compares a Content-Type and leaves its parameters aside.
func isMediaType(header, want string) bool {
	got, _, err := mime.ParseMediaType(header)
	return err == nil && got == want
}
