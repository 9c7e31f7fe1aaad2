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
	maxDemoDownload = 64 << 20 // a signed document is little larger than what the API takes
)

// keys is the demo's JWKS, which the service fetches.
func (d *Demo) keys(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(d.jwks)
}

// back is where the signer's browser returns to. What it says proves nothing and is only shown.
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

// webhook keeps what the service sends: the genuine to act upon, the rest to look at.
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
		w.WriteHeader(http.StatusServiceUnavailable) // comes again
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

// readDemoWebhook decodes a webhook without believing it.
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
	var indented bytes.Buffer
	if json.Unmarshal(text, &claims) != nil || json.Indent(&indented, text, "", "  ") != nil {
		return "", ""
	}
	return claims.RequestID, indented.String()
}

// signed hands out the signed document: from the webhook's link while it lives, else from a fresh
// one.
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
	const margin = 5 * time.Second // a link that ends during the download is no good
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

// download reads the document to its end, so that nobody gets half of it.
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
