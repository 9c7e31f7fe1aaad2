package relyingparty

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
)

// Mistake is a mistake that [Planted] makes, and the rule that finds it.
type Mistake struct {
	Name string
	Rule string
	Also []string // further rules that find it
}

// Mistakes are all mistakes of [Planted].
var Mistakes = []Mistake{
	{"JWKS behind a redirect", "K1", []string{"C1", "T2"}},
	{"slow JWKS", "K1", []string{"C1", "T2"}},
	{"JWKS without use", "K2", nil},
	{"private key in the JWKS", "K3", nil},
	{"one kid for two keys", "K4", []string{"C1", "T2"}},
	{"key replaced without overlap", "K5", nil},
	{"key never rotated", "K5", nil},
	{"Bearer before the token", "T1", []string{"C1"}},
	{"signature in DER", "T2", []string{"C1"}},
	{"kid that is not published", "T2", []string{"C1"}},
	{"milliseconds for seconds", "T3", []string{"C1"}},
	{"exp too far ahead", "T4", []string{"C1"}},
	{"clock ahead", "T5", []string{"C1"}},
	{"jti is a number", "T6", []string{"C1"}},
	{"jti used for every call", "T7", nil},
	{"token used again on a retry", "T7", nil},
	{"exchange code in every token", "T8", nil},
	{"document sent as a form", "C1", nil},
	{"failed initiate taken for done", "C2", nil},
	{"cancel without a request id", "C3", nil},
	{"second answer of cancel taken for a failure", "C4", nil},
	{"cancel in a session taken for done", "C5", nil},
	{"polling too fast", "C6", nil},
	{"Retry-After ignored", "C7", nil},
	{"refused cancel taken for done", "C8", nil},
	{"failed cancel taken for done", "C9", nil},
	{"slow answer to webhooks", "W1", []string{"W11"}},
	{"no signature check", "W2", []string{"W3", "W5", "W6", "W7"}},
	{"expiry not checked", "W4", nil},
	{"alg none accepted", "W5", nil},
	{"public key taken for a secret", "W6", nil},
	{"key of the header trusted", "W7", nil},
	{"audience not checked", "W8", nil},
	{"webhooks not de-duplicated", "W9", nil},
	{"lost webhook not noticed", "W10", nil},
	{"service's keys never fetched again", "W11", nil},
	{"redirect trusted", "B1", []string{"W10"}},
	{"late download", "D1", nil},
	{"failed download taken for done", "D2", nil},
	{"document not checked", "D3", nil},
}

// Planted is a relying party that follows every rule, except for one mistake. It keeps everything
// in memory.
type Planted struct {
	// URLs to register.
	JWKSURL, WebhookURL, RedirectURL string

	mistake string
	late    time.Duration // of a download that is late
	base    string        // of the API
	keysURL string
	id      string // client id
	pdf     []byte // the document that it uploads
	http    *http.Client
	server  *http.Server

	mu       sync.Mutex
	keys     []*ecdsa.PrivateKey // published; the first one signs
	jti      string              // that is used again
	requests map[string]*plantedRequest
	service  *jose.JSONWebKeySet // nil before it is fetched
	working  sync.WaitGroup
}

type plantedRequest struct {
	exchangeCode string
	begun        bool // a download is under way or done
	handled      int
}

// Plant returns a relying party with the client id and the mistake of a name; "" is none. late is
// how long its late download waits. [Planted.Use] tells it the service.
func Plant(mistake, clientID string, late time.Duration) (*Planted, error) {
	if mistake != "" &&
		!slices.ContainsFunc(Mistakes, func(m Mistake) bool { return m.Name == mistake }) {
		return nil, fmt.Errorf("there is no mistake %q", mistake)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Planted{
		mistake: mistake, late: late, id: clientID, http: &http.Client{Timeout: 10 * time.Second},
		requests: map[string]*plantedRequest{}, jti: uuid.NewString(),
	}
	for range 2 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		p.keys = append(p.keys, key)
	}
	url := "http://" + l.Addr().String()
	p.JWKSURL, p.WebhookURL, p.RedirectURL = url+"/jwks", url+"/webhook", url+"/back"
	mux := http.NewServeMux()
	mux.HandleFunc("GET /jwks", p.jwks)
	mux.HandleFunc("GET /moved", p.jwks)
	mux.HandleFunc("POST /webhook", p.webhook)
	mux.HandleFunc("GET /back", p.back)
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	p.working.Go(func() { _ = p.server.Serve(l) }) // until Close
	return p, nil
}

// Use sets the base of the API, the URL of its keys, and the document to upload, before the first
// call.
func (p *Planted) Use(base, keysURL string, pdf []byte) {
	p.base, p.keysURL, p.pdf = base, keysURL, pdf
}

// Close ends the server and waits for what is under way.
func (p *Planted) Close() error {
	err := p.server.Close()
	p.working.Wait()
	return err
}

func (p *Planted) makes(mistakes ...string) bool { return slices.Contains(mistakes, p.mistake) }

// kid is that of a key of ours.
func kid(key *ecdsa.PrivateKey) string {
	public, err := key.PublicKey.Bytes()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(public)
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

func (p *Planted) jwks(w http.ResponseWriter, r *http.Request) {
	if p.makes("JWKS behind a redirect") && r.URL.Path != "/moved" {
		http.Redirect(w, r, "/moved", http.StatusFound)
		return
	}
	if p.makes("slow JWKS") {
		time.Sleep(fetchTime + 500*time.Millisecond)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var set jose.JSONWebKeySet
	for i, key := range p.keys {
		k := jose.JSONWebKey{Key: key.Public(), KeyID: kid(key), Use: "sig"}
		switch {
		case p.makes("JWKS without use"):
			k.Use = ""
		case p.makes("private key in the JWKS") && i > 0: // the service does not use such a key
			k.Key = key
		case p.makes("one kid for two keys"):
			k.KeyID = kid(p.keys[0])
		}
		set.Keys = append(set.Keys, k)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(set)
}

// Rotate is the action.
func (p *Planted) Rotate(context.Context, string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.makes("key never rotated") {
		return "", nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	p.keys = append(p.keys, key)
	if p.makes("key replaced without overlap") {
		p.keys = p.keys[len(p.keys)-1:]
	}
	return kid(key), nil
}

// token returns a token with the claims of a call.
func (p *Planted) token(call map[string]any) (string, error) {
	p.mu.Lock()
	key := p.keys[0]
	p.mu.Unlock()
	now := time.Now().Unix()
	claims := map[string]any{
		"client_id": p.id, "jti": uuid.NewString(), "iat": now, "exp": now + 110,
	}
	maps.Copy(claims, call)
	id := kid(key)
	switch p.mistake {
	case "kid that is not published":
		id = "another"
	case "milliseconds for seconds":
		claims["iat"], claims["exp"] = now*1000, (now+110)*1000
	case "exp too far ahead":
		claims["exp"] = now + 600
	case "clock ahead":
		claims["iat"], claims["exp"] = now+300, now+410
	case "jti is a number":
		claims["jti"] = strconv.FormatInt(time.Now().UnixNano(), 10)
	case "jti used for every call":
		claims["jti"] = p.jti
	case "exchange code in every token":
		claims["exchange_code"] = "of-another-request"
		maps.Copy(claims, call)
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil,
	)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(text)
	if err != nil {
		return "", err
	}
	compact, err := jws.CompactSerialize()
	if err != nil || !p.makes("signature in DER") {
		return compact, err
	}
	signed := compact[:strings.LastIndexByte(compact, '.')]
	digest := sha256.Sum256([]byte(signed))
	der, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(der), err
}

// answer is an answer of the API; status 0 is none.
type answer struct {
	status int
	wait   time.Duration // of Retry-After; 0 without one
	body   []byte
	code   string // of a refusal
}

func (p *Planted) call(
	ctx context.Context, method, path, contentType, token string, body []byte,
) answer {
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, bytes.NewReader(body))
	if err != nil {
		return answer{}
	}
	if p.makes("Bearer before the token") {
		token = "Bearer " + token
	}
	req.Header.Set("Authorization", token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Close = true // the transport must not repeat a call by itself
	resp, err := p.http.Do(req)
	if err != nil {
		return answer{}
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		return answer{}
	}
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // 0 without one
	a.wait = time.Duration(seconds) * time.Second
	var refusal api.Error
	if a.status >= 400 && json.Unmarshal(a.body, &refusal) == nil {
		a.code = refusal.Code
	}
	return a
}

// Initiate is the action.
func (p *Planted) Initiate(ctx context.Context, _ string) (string, error) {
	claims := map[string]any{
		"doc_name": "Lease.pdf", "sign_locations": []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
	}
	contentType := "application/octet-stream"
	if p.makes("document sent as a form") {
		contentType = "multipart/form-data"
	}
	var a answer
	token := ""
	for range 2 { // a second time if the first one was not executed
		if token == "" || !p.makes("token used again on a retry") {
			var err error
			if token, err = p.token(claims); err != nil {
				return "", err
			}
		}
		a = p.call(ctx, http.MethodPost, api.PathRequest, contentType, token, p.pdf)
		if p.makes("failed initiate taken for done") && a.status >= 500 {
			return "done", nil
		}
		if a.status != 0 && a.status < 500 {
			break
		}
	}
	var made api.Initiated
	if a.status != http.StatusOK || json.Unmarshal(a.body, &made) != nil {
		return "", fmt.Errorf("initiate: %d %s", a.status, a.code)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests[made.RequestID] = &plantedRequest{exchangeCode: made.ExchangeCode}
	return made.RequestID, nil
}

// Cancel is the action.
func (p *Planted) Cancel(ctx context.Context, id string) (string, error) {
	claims := map[string]any{"request_id": id, "client_request": p.id}
	if p.makes("cancel without a request id") {
		delete(claims, "request_id")
	}
	var a answer
	for range 8 {
		token, err := p.token(claims)
		if err != nil {
			return "", err
		}
		a = p.call(ctx, http.MethodPost, api.PathCancel, "application/json", token, nil)
		wait := time.Second
		switch {
		case a.status == http.StatusOK,
			a.code == api.CodeAlreadyCancelled &&
				!p.makes("second answer of cancel taken for a failure"),
			a.code == api.CodeActiveSession && p.makes("cancel in a session taken for done"),
			a.code == api.CodeAlreadySigned && p.makes("refused cancel taken for done"),
			a.code == api.CodeServerSide && p.makes("failed cancel taken for done"):
			return "cancelled", nil
		case a.code == api.CodeActiveSession, a.status == 0:
		case a.status >= 500:
			wait = max(wait, a.wait)
			if p.makes("Retry-After ignored") {
				wait = time.Second
			}
		default:
			return "", fmt.Errorf("cancel: %d %s", a.status, a.code)
		}
		if p.makes("polling too fast") {
			wait = max(a.wait*btoi(a.status >= 500), 600*time.Millisecond)
		}
		if err := rest(ctx, wait); err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("cancel: given up after %d %s", a.status, a.code)
}

// btoi is 1 for true.
func btoi(b bool) time.Duration {
	if b {
		return 1
	}
	return 0
}

// Handled is the action.
func (p *Planted) Handled(_ context.Context, id string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.requests[id]; r != nil {
		return strconv.Itoa(r.handled), nil
	}
	return "0", nil
}

// webhook receives a webhook, answers, and downloads afterwards.
func (p *Planted) webhook(w http.ResponseWriter, r *http.Request) {
	var body api.Webhook
	if json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&body) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	claims, err := p.verify(r.Context(), body.Token)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if p.makes("slow answer to webhooks") {
		time.Sleep(answerTime + 300*time.Millisecond)
	}
	begun := p.begin(claims.RequestID)
	w.WriteHeader(http.StatusNoContent)
	if begun {
		p.working.Go(func() { p.fetch(claims.RequestID, claims.SignedDocURL) })
	}
}

// begin reports whether the caller is to download the document of a request.
func (p *Planted) begin(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.requests[id]
	if r == nil || r.begun && !p.makes("webhooks not de-duplicated") {
		return false
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
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, err
	}
	expired := time.Now().Unix() > claims.Exp+10
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
	for i, into := range []any{&header, nil} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return nil, err
		}
		if into == nil && (p.makes("no signature check") ||
			header.Alg == "none" && p.makes("alg none accepted")) {
			return text, nil
		}
		if into != nil {
			if err := json.Unmarshal(text, into); err != nil {
				return nil, err
			}
		}
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
	if len(keys) == 0 {
		if set, err = p.serviceKeys(ctx, true); err != nil {
			return nil, err
		}
		if keys = set.Key(header.Kid); len(keys) == 0 {
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
	p.mu.Lock()
	known := p.requests[id] != nil && !p.requests[id].begun
	p.mu.Unlock()
	if known {
		p.working.Go(func() {
			if link := p.result(id); link != "" && p.begin(id) {
				p.fetch(id, link)
			}
		})
	}
}

// result returns the link of a signed document, or "".
func (p *Planted) result(id string) string {
	p.mu.Lock()
	claims := map[string]any{"exchange_code": p.requests[id].exchangeCode}
	p.mu.Unlock()
	token, err := p.token(claims)
	if err != nil {
		return ""
	}
	path := strings.Replace(api.PathResult, "{request_id}", id, 1)
	a := p.call(context.Background(), http.MethodGet, path, "", token, nil)
	var signed api.Result
	if a.status != http.StatusOK || json.Unmarshal(a.body, &signed) != nil {
		return ""
	}
	return signed.SignedDocURL
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
		if err == nil && (bytes.HasPrefix(doc, p.pdf) || p.makes("document not checked")) {
			p.count(id)
			return
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
	doc, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		err = cmp.Or(err, errors.New(resp.Status))
	}
	return doc, err
}

// count counts a request as handled.
func (p *Planted) count(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.requests[id]; r != nil {
		r.handled++
	}
}
