package relyingparty

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
)

// token returns a token with the claims of a call.
func (p *Planted) token(call map[string]any) (string, error) {
	p.mu.Lock()
	key := p.keys[0]
	if p.coming != nil {
		key = p.coming
	}
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
	case "clock behind":
		claims["iat"], claims["exp"] = now-300, now-190
	case "times in strings":
		claims["iat"], claims["exp"] = strconv.FormatInt(now, 10), strconv.FormatInt(now+110, 10)
	case "jti in braces":
		claims["jti"] = "{" + uuid.NewString() + "}"
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
	status    int
	wait      time.Duration // of Retry-After; 0 without one
	body      []byte
	api.Error // of a refusal
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
	if p.makes("bearer in lower case") {
		token = "bearer " + token
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
	if a.status >= 400 {
		_ = json.Unmarshal(a.body, &a.Error) // empty if it is none
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
		again := p.makes("token used again on a retry") ||
			p.makes("token used again after a lost answer") && a.status == 0
		if token == "" || !again {
			var err error
			if token, err = p.token(claims); err != nil {
				return "", err
			}
		}
		a = p.call(ctx, http.MethodPost, api.PathRequest, contentType, token, p.pdf)
		if p.makes("failed initiate taken for done") && a.status >= 500 ||
			p.makes("unavailable initiate taken for done") && a.Code == api.CodeUnavailable {
			return "done", nil
		}
		if p.makes("lost initiate taken for done") && a.status == 0 {
			return "done", nil
		}
		if a.status != 0 && a.status < 500 {
			break
		}
		if !p.makes("Retry-After of initiate ignored") {
			if err := rest(ctx, a.wait); err != nil {
				return "", err
			}
		}
	}
	var made api.Initiated
	read := json.NewDecoder(bytes.NewReader(a.body))
	if p.makes("answers with further members refused") {
		read.DisallowUnknownFields()
	}
	if a.status != http.StatusOK || read.Decode(&made) != nil {
		return "", fmt.Errorf("initiate: %d %s", a.status, a.Code)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests[made.RequestID] = &plantedRequest{exchangeCode: made.ExchangeCode}
	p.code = made.ExchangeCode
	return made.RequestID, nil
}

// Cancel is the action.
func (p *Planted) Cancel(ctx context.Context, id string) (string, error) {
	claims := map[string]any{"request_id": id, "client_request": p.id}
	if p.makes("cancel without a request id") {
		delete(claims, "request_id")
	}
	var a answer
	for try := range 8 {
		token, err := p.token(claims)
		if err != nil {
			return "", err
		}
		a = p.call(ctx, http.MethodPost, api.PathCancel, "application/json", token, nil)
		wait := time.Second
		switch {
		case a.status == http.StatusOK,
			p.cancelledBefore(a),
			a.Code == api.CodeClientSide && p.makes("unknown request taken for cancelled"),
			a.Code == api.CodeActiveSession && p.makes("cancel in a session taken for done"),
			a.Code == api.CodeAlreadySigned && p.makes("refused cancel taken for done"),
			a.Code == api.CodeServerSide && p.makes("failed cancel taken for done"),
			a.Code == api.CodeUnavailable && p.makes("unavailable cancel taken for done"),
			a.status == 0 && p.makes("lost cancel taken for done"),
			a.Code == api.CodeActiveSession && try > 0 &&
				p.makes("cancel given up taken for done"):
			return "cancelled", nil
		case a.Code == api.CodeActiveSession, a.status == 0:
			if p.makes("polling too fast") {
				wait = 600 * time.Millisecond
			}
		case a.status >= 500:
			if !p.makes("Retry-After ignored") {
				wait = max(wait, a.wait)
			}
		default:
			return "", fmt.Errorf("cancel: %d %s", a.status, a.Code)
		}
		if err := rest(ctx, wait); err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("cancel: given up after %d %s", a.status, a.Code)
}

// cancelledBefore reports whether an answer says that the request is cancelled already.
func (p *Planted) cancelledBefore(a answer) bool {
	switch {
	case p.makes("second answer of cancel taken for a failure"):
		return false
	case p.makes("description of a refusal read"):
		return a.Description == api.ErrAlreadyCancelled.Description
	}
	return a.Code == api.CodeAlreadyCancelled
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

// result returns the link of a signed document, or "".
func (p *Planted) result(id string) string {
	p.mu.Lock()
	r, newest := p.requests[id], p.code
	p.mu.Unlock()
	if r == nil {
		return ""
	}
	claims := map[string]any{"exchange_code": r.exchangeCode}
	if p.makes("exchange code of the newest request") {
		claims["exchange_code"] = newest
	}
	var a answer
	for range 2 { // a second time if the service cannot work at present
		token, err := p.token(claims)
		if err != nil {
			return ""
		}
		path := strings.Replace(api.PathResult, "{request_id}", id, 1)
		a = p.call(context.Background(), http.MethodGet, path, "", token, nil)
		if a.Code != api.CodeUnavailable {
			break
		}
		if !p.makes("Retry-After of the result ignored") {
			time.Sleep(a.wait)
		}
	}
	over := a.Code == api.CodeNotSigned && p.makes("unsigned result taken for the end") ||
		a.status >= 500 && p.makes("failed result taken for the end")
	if over {
		p.end(id)
	}
	var signed api.Result
	if a.status != http.StatusOK || json.Unmarshal(a.body, &signed) != nil {
		return ""
	}
	return signed.SignedDocURL
}
