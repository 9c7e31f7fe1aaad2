package conform

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
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"
	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
)

// call is a call of the API before it is made. Edits change it.
type call struct {
	name         string // for reasons
	v30          bool   // the claims are those of V3.0
	method, path string // below the base
	header       http.Header
	body         []byte

	jose    map[jose.HeaderKey]any // further members of the token's header
	claims  map[string]any
	key     client.Key
	noKeyID bool
	chunked bool                        // the length of the body is not announced
	payload func([]byte) []byte         // changes the claims as JSON
	finish  func(string) string         // changes the token
	send    func(token string) []string // the values of Authorization
}

// edit changes a call.
type edit func(*call)

func claim(name string, value any) edit { return func(c *call) { c.claims[name] = value } }
func without(name string) edit          { return func(c *call) { delete(c.claims, name) } }
func member(name string, value any) edit {
	return func(c *call) { c.jose[jose.HeaderKey(name)] = value }
}
func header(name, value string) edit     { return func(c *call) { c.header.Set(name, value) } }
func noHeader(name string) edit          { return func(c *call) { c.header.Del(name) } }
func body(b []byte) edit                 { return func(c *call) { c.body = b } }
func path(p string) edit                 { return func(c *call) { c.path = p } }
func key(k client.Key) edit              { return func(c *call) { c.key = k } }
func chunked(c *call)                    { c.chunked = true }
func payload(f func([]byte) []byte) edit { return func(c *call) { c.payload = f } }
func finish(f func(string) string) edit  { return func(c *call) { c.finish = f } }

// authorization replaces what the token is sent as.
func authorization(f func(token string) []string) edit { return func(c *call) { c.send = f } }

// token sends a token that was made before.
func token(compact string) edit {
	return authorization(func(string) []string { return []string{compact} })
}

// times sets iat and exp to seconds from now.
func times(iat, exp int64) edit {
	return func(c *call) {
		now := time.Now().Unix()
		c.claims["iat"], c.claims["exp"] = now+iat, now+exp
	}
}

func (j *judge) newCall(name, method, path string, claims map[string]any) *call {
	now := time.Now().Unix()
	c := &call{
		name: name, method: method, path: path, claims: claims, key: j.Party.Key,
		header: http.Header{}, jose: map[jose.HeaderKey]any{jose.HeaderType: "JWT"},
	}
	claims["iat"], claims["exp"], claims["jti"] = now, now+api.TokenLifetime, uuid.NewString()
	return c
}

func (c *call) edited(edits []edit) *call {
	for _, f := range edits {
		f(c)
	}
	return c
}

// maker makes a call of one kind.
type maker func(edits ...edit) *call

// box is where the documents of this package are signed.
var box = map[string]any{"page": 1, "x": 0.1, "y": 0.1}

// initiate is an ordinary call of initiate.
func (j *judge) initiate(edits ...edit) *call {
	claims := map[string]any{"client_id": j.Party.ClientID, "doc_name": "Conformance.pdf"}
	if j.v30 {
		claims["page"], claims["x"], claims["y"] = box["page"], box["x"], box["y"]
	} else {
		claims["sign_locations"] = []any{box}
	}
	c := j.newCall("initiate", http.MethodPost, api.PathRequest, claims)
	c.v30 = j.v30
	c.header.Set("Content-Type", "application/octet-stream")
	c.body = document{}.bytes()
	return c.edited(edits)
}

// resultOf makes calls of result for a request.
func (j *judge) resultOf(r *request) maker {
	return func(edits ...edit) *call {
		path := api.PathResult
		if j.v30 {
			path = api.PathResult0
		}
		return j.newCall(
			"result", http.MethodGet,
			strings.Replace(path, "{request_id}", url.PathEscape(r.RequestID), 1),
			map[string]any{"exchange_code": r.ExchangeCode},
		).edited(edits)
	}
}

// cancelOf makes calls of cancel for an id.
func (j *judge) cancelOf(id string) maker {
	return func(edits ...edit) *call {
		c := j.newCall("cancel", http.MethodPost, api.PathCancel, map[string]any{
			"client_id": j.Party.ClientID, "client_request": j.Party.ClientID, "request_id": id,
		})
		c.header.Set("Content-Type", "application/json")
		return c.edited(edits)
	}
}

// unknownID is the id of no request.
func unknownID() string { return api.RequestIDPrefix + uuid.Must(uuid.NewV7()).String() }

// compact makes the token of a call.
func (c *call) compact() (string, error) {
	text, err := json.Marshal(c.claims)
	if err != nil {
		return "", err
	}
	if c.payload != nil {
		text = c.payload(text)
	}
	jwk := jose.JSONWebKey{Key: cryptosigner.Opaque(c.key.Signer), KeyID: c.key.ID}
	if c.noKeyID {
		jwk.KeyID = ""
	}
	algorithms := cryptosigner.Opaque(c.key.Signer).Algs()
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: algorithms[0], Key: jwk},
		&jose.SignerOptions{ExtraHeaders: c.jose},
	)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(text)
	if err != nil {
		return "", err
	}
	compact, err := jws.CompactSerialize()
	if err == nil && c.finish != nil {
		compact = c.finish(compact)
	}
	return compact, err
}

// answer is the answer to a call.
type answer struct {
	call   string
	status int
	header http.Header
	body   []byte
}

// String says in a reason what the answer is.
func (a *answer) String() string {
	switch code := a.code(); {
	case code != "":
		return fmt.Sprintf("%d %s / %s", a.status, code, a.member("error_description"))
	case a.status < 300 && len(a.body) == 0:
		return fmt.Sprintf("%d without a body", a.status)
	case a.status < 300:
		return fmt.Sprintf("%d with a body of %d bytes", a.status, len(a.body))
	}
	return fmt.Sprintf("%d without an error of the API", a.status)
}

// members are the members of the JSON object that the body is. Their names are compared to the
// letter.
func (a *answer) members() map[string]json.RawMessage {
	var object map[string]json.RawMessage
	_ = json.Unmarshal(a.body, &object) // nil if it is no object
	return object
}

// member is a member that is a string, or "".
func (a *answer) member(name string) string { return text(a.members()[name]) }

func (a *answer) code() string { return a.member("error") }

// succeeded reports whether the status says so.
func (a *answer) succeeded() bool { return a.status >= 200 && a.status < 300 }

// makeToken makes the token of a call.
func (j *judge) makeToken(c *call) string {
	compact, err := c.compact()
	if err != nil {
		j.failf("%s: make a token: %w", c.name, err)
	}
	return compact
}

// do makes a call.
func (j *judge) do(ctx context.Context, c *call) *answer {
	compact := j.makeToken(c)
	r, err := http.NewRequestWithContext(ctx, c.method, j.BaseURL+c.path, bytes.NewReader(c.body))
	if err != nil {
		j.fail(err)
		return new(answer)
	}
	if c.chunked {
		r.ContentLength = -1
	}
	r.Header = c.header
	r.Header["Authorization"] = []string{compact}
	if c.send != nil {
		r.Header["Authorization"] = c.send(compact)
	}
	return j.roundTrip(c.name, r)
}

// maxAnswer bounds an answer in bytes. Signed documents have less.
const maxAnswer = 64 << 20

func (j *judge) roundTrip(name string, r *http.Request) *answer {
	if j.failed() {
		return new(answer)
	}
	resp, err := j.http.Do(r)
	if err != nil {
		j.failf("%s: no answer: %w", name, err)
		return new(answer)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		j.failf("%s: no answer: %w", name, err)
	case len(text) > maxAnswer:
		j.failf("%s: the answer has more than %d bytes", name, maxAnswer)
	}
	return &answer{name, resp.StatusCode, resp.Header, text}
}

// together makes n calls at once.
func together(n int, do func() *answer) []*answer {
	answers := make([]*answer, n)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = do() })
	}
	wg.Wait()
	return answers
}

// variant is one way to make a call.
type variant struct {
	name  string
	edits []edit
}

func with(name string, edits ...edit) variant { return variant{name, edits} }

// check is what the answer must be; its error says what it is instead.
type check func(*answer) error

// errNoCancel is why the rules of cancel fail for a server of V3.0.
var errNoCancel = errors.New("the server has no call cancel")

// each makes a call in several ways and checks each answer.
func (j *judge) each(ctx context.Context, what maker, is check, variants ...variant) {
	for _, v := range variants {
		if j.failed() {
			return
		}
		a := j.do(ctx, what(v.edits...))
		err := is(a)
		if err != nil && a.call == "cancel" && !j.cancels {
			err = errNoCancel
		}
		if err != nil {
			j.failf("%s: %w", v.name, err)
		}
	}
}

// refusedAs wants a refusal with a code; the status and the form are rules of their own.
func refusedAs(code string) check {
	return func(a *answer) error {
		if a.code() != code {
			return fmt.Errorf("%s is answered %s, not %s", a.call, a, code)
		}
		return nil
	}
}

// refusedWith wants a refusal whose text is fixed too.
func refusedWith(want *api.Error) check {
	return func(a *answer) error {
		if a.status != http.StatusBadRequest || a.code() != want.Code ||
			a.member("error_description") != want.Description {
			return fmt.Errorf(
				"%s is answered %s, not 400 %s / %s", a.call, a, want.Code, want.Description,
			)
		}
		return nil
	}
}

// accepted wants the status 200.
func accepted(a *answer) error {
	if a.status != http.StatusOK {
		return fmt.Errorf("%s is answered %s, not 200", a.call, a)
	}
	return nil
}

// refused wants any refusal, for rules whose code is a rule of its own (docs/contract.md, 3.7.1).
func refused(a *answer) error {
	if a.status < 400 || a.status > 499 {
		return fmt.Errorf("%s is answered %s, not refused", a.call, a)
	}
	return nil
}

// authentic wants what result is answered if its token is authentic. That an unsigned request has
// no result is a rule of its own (docs/contract.md, 5.3.1).
func authentic(a *answer) error {
	if a.status != http.StatusOK && a.code() != api.CodeNotSigned {
		return fmt.Errorf("%s is answered %s, not 200 or %s", a.call, a, api.CodeNotSigned)
	}
	return nil
}

// noRecord wants what an authentic cancel of an unknown id is answered.
var noRecord = refusedWith(api.ErrNoRecord)

// refusesTokens wants each call to take each token for not authentic.
func (j *judge) refusesTokens(ctx context.Context, variants ...variant) {
	unauthorized := refusedAs(api.CodeUnauthorized)
	j.each(ctx, j.initiate, unauthorized, variants...)
	j.each(ctx, j.resultOf(j.openRequest(ctx)), unauthorized, variants...)
	if j.cancels {
		j.each(ctx, j.cancelOf(unknownID()), unauthorized, variants...)
	}
}

// acceptsTokens wants each call to take each token for authentic.
func (j *judge) acceptsTokens(ctx context.Context, variants ...variant) {
	j.each(ctx, j.initiate, accepted, variants...)
	j.each(ctx, j.resultOf(j.openRequest(ctx)), authentic, variants...)
	if j.cancels {
		j.each(ctx, j.cancelOf(unknownID()), noRecord, variants...)
	}
}

func segment(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// claimsOfText decodes claims.
func claimsOfText(text []byte) map[string]json.RawMessage {
	var claims map[string]json.RawMessage
	_ = json.Unmarshal(text, &claims) // nil if it is no object
	return claims
}

// claimsOf decodes the claims of a token that is not verified here.
func claimsOf(compact string) map[string]json.RawMessage {
	if parts := strings.Split(compact, "."); len(parts) == 3 {
		text, _ := base64.RawURLEncoding.DecodeString(parts[1])
		return claimsOfText(text)
	}
	return nil
}

// text is a JSON value that is a string, or "".
func text(v json.RawMessage) (s string) {
	_ = json.Unmarshal(v, &s)
	return s
}
