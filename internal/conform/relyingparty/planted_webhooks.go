package relyingparty

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/api"
)

// webhook receives a webhook, answers, and downloads afterwards.
func (p *Planted) webhook(w http.ResponseWriter, r *http.Request) {
	var body api.Webhook
	if json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&body) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if p.makes("link followed before the check") {
		if claims := unverified(body.Token); claims.SignedDocURL != "" {
			_, _ = p.get(claims.SignedDocURL)
		}
	}
	claims, err := p.verify(r.Context(), body.Token)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if p.makes("slow answer to webhooks") {
		time.Sleep(answerTime + 300*time.Millisecond)
	}
	if p.makes("webhooks behind a login") {
		http.Redirect(w, r, "/login", http.StatusFound)
		return
	}
	begun := p.begin(claims.RequestID)
	if p.makes("webhooks de-duplicated by their token") {
		begun = p.isNew(claims.RequestID, body.Token)
	}
	if !begun && p.makes("doubled webhook refused") {
		w.WriteHeader(http.StatusConflict)
		return
	}
	if begun && p.makes("download before the answer") {
		p.fetch(claims.RequestID, claims.SignedDocURL)
		begun = false
	}
	w.WriteHeader(http.StatusNoContent)
	if begun {
		p.working.Go(func() {
			if p.makes("webhooks de-duplicated after the download") {
				time.Sleep(300 * time.Millisecond) // for so long it downloads
			}
			p.fetch(claims.RequestID, claims.SignedDocURL)
		})
	}
}

// isNew reports whether the token of a webhook is the first of its text, for a request that is not
// over.
func (p *Planted) isNew(id, token string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.requests[id]
	seen := p.tokens[token]
	p.tokens[token] = true
	return r != nil && !r.over && !seen
}

// begin reports whether the caller is to download the document of a request.
func (p *Planted) begin(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.requests[id]
	late := p.makes("webhooks de-duplicated after the download")
	if r == nil && p.makes("request of webhooks not looked up") {
		return true
	}
	if r == nil || r.over || r.begun && !late && !p.makes("webhooks not de-duplicated") {
		return false
	}
	if late {
		return r.handled == 0
	}
	r.begun = true
	return true
}

// serviceKeys returns the service's keys; again fetches them in any case.
func (p *Planted) serviceKeys(ctx context.Context, again bool) (*jose.JSONWebKeySet, error) {
	p.mu.Lock()
	set := p.service
	p.mu.Unlock()
	if set != nil && (!again || p.makes("service's keys never fetched again")) {
		return set, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.keysURL, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	set = new(jose.JSONWebKeySet)
	if err := json.NewDecoder(resp.Body).Decode(set); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.service = set
	return set, nil
}

// verify returns the claims of a webhook's token.
func (p *Planted) verify(ctx context.Context, compact string) (*api.WebhookClaims, error) {
	payload, err := p.payload(ctx, compact)
	if err != nil {
		return nil, err
	}
	var claims struct {
		api.WebhookClaims
		Audience any `json:"aud"`
	}
	read := json.NewDecoder(bytes.NewReader(payload))
	if p.makes("webhooks with further claims refused") {
		read.DisallowUnknownFields()
	}
	if err := read.Decode(&claims); err != nil {
		return nil, err
	}
	leeway := int64(10)
	if p.makes("minutes of leeway for the expiry") {
		leeway = 600
	}
	expired := time.Now().Unix() > claims.Exp+leeway
	if expired && !p.makes("expiry not checked") {
		return nil, errors.New("it has expired")
	}
	if claims.Audience != nil && claims.Audience != p.id && !p.makes("audience not checked") {
		return nil, errors.New("it is for another audience")
	}
	return &claims.WebhookClaims, nil
}

// payload returns the verified payload of a token.
func (p *Planted) payload(ctx context.Context, compact string) ([]byte, error) {
	var header struct {
		Alg, Kid string
		JWK      *jose.JSONWebKey
	}
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return nil, errors.New("it is no compact JWS")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &header); err != nil {
		return nil, err
	}
	if p.makes("no signature check") || header.Alg == "none" && p.makes("alg none accepted") {
		return base64.RawURLEncoding.DecodeString(parts[1])
	}
	if strings.EqualFold(header.Alg, "none") && header.Alg != "none" &&
		p.makes("alg nOnE accepted") || p.makes("signature of zeros accepted") &&
		parts[2] == strings.Repeat("A", 86) {
		return base64.RawURLEncoding.DecodeString(parts[1])
	}
	alg := jose.ES256
	if header.Alg == "HS256" && p.makes("public key taken for a secret") {
		alg = jose.HS256
	}
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{alg})
	if err != nil {
		return nil, err
	}
	if header.JWK != nil && p.makes("key of the header trusted") {
		return jws.Verify(header.JWK)
	}
	set, err := p.serviceKeys(ctx, false)
	if err != nil {
		return nil, err
	}
	keys := set.Key(header.Kid)
	if p.makes("first key of the service taken") {
		keys = set.Keys[:min(1, len(set.Keys))]
	}
	if len(keys) == 0 {
		if set, err = p.serviceKeys(ctx, true); err != nil {
			return nil, err
		}
		if keys = set.Key(header.Kid); len(keys) == 0 && p.makes("unknown kid accepted") {
			return base64.RawURLEncoding.DecodeString(parts[1])
		}
		if len(keys) == 0 {
			return nil, errors.New("the kid is unknown")
		}
	}
	if alg == jose.HS256 {
		der, err := x509.MarshalPKIXPublicKey(keys[0].Key)
		if err != nil {
			return nil, err
		}
		return jws.Verify(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	return jws.Verify(keys[0].Key)
}

// unverified returns the claims of a token.
func unverified(compact string) (claims api.WebhookClaims) {
	if parts := strings.Split(compact, "."); len(parts) == 3 {
		text, _ := base64.RawURLEncoding.DecodeString(parts[1])
		_ = json.Unmarshal(text, &claims) // empty if it is none
	}
	return claims
}

// back is the page at the redirect URL.
func (p *Planted) back(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("request_id")
	_, _ = io.WriteString(w, "Thank you.")
	if p.makes("lost webhook not noticed") {
		return
	}
	if p.makes("redirect trusted") {
		p.count(id)
		return
	}
	if p.makes("cancelled return taken for the end") &&
		r.URL.Query().Get("status") == api.StatusCancelled {
		p.end(id)
	}
	p.mu.Lock()
	known := p.requests[id] != nil && !p.requests[id].begun && !p.requests[id].over
	p.mu.Unlock()
	if known {
		p.working.Go(func() {
			link := p.result(id)
			if link != "" && (p.makes("result and webhook both handled") || p.begin(id)) {
				p.fetch(id, link)
			}
		})
	}
}

// end marks a request as one that no document will come of.
func (p *Planted) end(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.requests[id]; r != nil {
		r.over = true
	}
}

// fetch downloads the document of a request, by the link of the webhook, and by that of the result
// if the first one does not work.
func (p *Planted) fetch(id, link string) {
	if p.makes("late download") {
		time.Sleep(p.late)
	}
	if p.makes("failed download taken for done") {
		_, _ = p.get(link)
		p.count(id)
		return
	}
	for range 2 {
		doc, err := p.get(link)
		stored := err == nil || p.makes("document in part stored")
		if stored && (bytes.HasPrefix(doc, p.pdf) || p.makes("document not checked") ||
			len(doc) > len(p.pdf) && p.makes("document checked by its length")) {
			p.count(id)
			return
		}
		if p.makes("failed download not made again") {
			return
		}
		if p.makes("link that is over tried again") {
			continue
		}
		if link = p.result(id); link == "" {
			return
		}
	}
}

func (p *Planted) get(link string) ([]byte, error) {
	resp, err := p.http.Get(link)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// count counts a request as handled.
func (p *Planted) count(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.requests[id]; r != nil {
		r.handled++
	}
}
