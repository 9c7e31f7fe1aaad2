package sandbox

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/internal/server/httpx"
)

const (
	maxDemoWebhook  = 64 << 10
	maxDemoDownload = 64 << 20 // a signed document is slightly larger than the API's limit
)

// keys serves the demo's JWKS.
func (d *Demo) keys(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(d.jwks)
}

// back is the page that the signer's browser returns to. Its query proves nothing, so it is only
// shown.
func (d *Demo) back(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	req := d.requests.find(q.Get(api.ParamRequestID))
	if req == nil {
		http.Redirect(w, r, demoHome, http.StatusSeeOther)
		return
	}
	target := demoRequestURL(req.id, "")
	if status := q.Get(api.ParamStatus); status != "" {
		target += "?" + url.Values{"returned": {status[:min(len(status), 40)]}}.Encode()
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// webhook keeps the webhooks that the service sends. It shows those that are not genuine but
// ignores their claims.
func (d *Demo) webhook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDemoWebhook))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	claims, err := d.client.VerifyWebhook(r.Context(), r)
	if err != nil && !errors.Is(err, client.ErrInvalidWebhook) {
		d.config.Log.WarnContext(r.Context(), "demo: a webhook could not be checked", "err", err)
		w.WriteHeader(http.StatusServiceUnavailable) // the service will retry
		return
	}
	requestID, payload := readDemoWebhook(body)
	if req := d.requests.find(requestID); req != nil {
		req.deliver(
			WebhookDelivery{At: d.config.Now(), Verified: claims != nil, Claims: payload}, claims,
		)
	}
	if claims == nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// readDemoWebhook decodes a webhook without verifying it.
func readDemoWebhook(body []byte) (requestID, payload string) {
	var hook api.Webhook
	_ = json.Unmarshal(body, &hook)
	parts := strings.Split(hook.Token, ".")
	if len(parts) != 3 {
		return "", ""
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", ""
	}
	var claims struct {
		RequestID string `json:"request_id"`
	}
	if json.Unmarshal(text, &claims) != nil {
		return "", ""
	}
	return claims.RequestID, httpx.Pretty(string(text))
}

// signed serves the signed document: from the webhook's link if that is still valid, and from a new
// link otherwise.
func (d *Demo) signed(w http.ResponseWriter, r *http.Request, req *demoRequest) {
	document, err := d.fetch(r.Context(), req)
	if err != nil {
		d.config.Log.InfoContext(
			r.Context(), "demo: no signed document", "request_id", req.id, "err", err,
		)
		d.renderRequest(w, r, http.StatusBadGateway, req)
		return
	}
	httpx.ServePDF(
		w, r, bytes.NewReader(document),
		httpx.PDF{Name: signedName(req.document), Attachment: true},
	)
}

func (d *Demo) fetch(ctx context.Context, req *demoRequest) ([]byte, error) {
	const margin = 5 * time.Second // avoids a link that expires during the download
	if link, ends := req.link(); link != "" && d.config.Now().Add(margin).Before(ends) {
		if document, err := d.download(ctx, link); err == nil {
			return document, nil
		}
	}
	ctx, record := withRecord(ctx)
	result, err := d.client.Result(ctx, req.id, req.exchangeCode)
	req.learn(record.take(), err, stateSigned, d.config.Now())
	if err != nil {
		return nil, err
	}
	return d.download(ctx, result.SignedDocURL)
}

// download reads the whole document before it is served, so that no browser gets a part of it.
func (d *Demo) download(ctx context.Context, link string) ([]byte, error) {
	stream, err := d.client.Download(ctx, link)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	document, err := io.ReadAll(io.LimitReader(stream, maxDemoDownload+1))
	if err == nil && len(document) > maxDemoDownload {
		err = fmt.Errorf("the document has more than %d bytes", maxDemoDownload)
	}
	return document, err
}

func signedName(document string) string {
	stem := document
	if n := len(stem) - len(".pdf"); n > 0 && strings.EqualFold(stem[n:], ".pdf") {
		stem = stem[:n]
	}
	return stem + " (signed).pdf"
}
