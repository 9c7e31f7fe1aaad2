package sandbox

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/ui"
)

// fakeAPI replaces the service: it creates requests, and answers cancel and result as it is
// told.
type fakeAPI struct {
	t      *testing.T
	server *httptest.Server
	key    *ecdsa.PrivateKey

	mu                             sync.Mutex
	initiates                      int
	document                       []byte
	claims                         map[string]any // of the last token
	refuse, cancel, result         *api.Error     // nil: success
	retryAfter                     string
	keysStatus, downloads, results int
	hosts                          []string // of downloads
}

// publicURL is what the outside world calls the fake; nothing is there.
const publicURL = "http://public.invalid:8080"

func newFakeAPI(t *testing.T) *fakeAPI {
	f := &fakeAPI{t: t, key: newKey(t), keysStatus: 200}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, refusal *api.Error, success any) {
		switch {
		case refusal != nil:
			if f.retryAfter != "" {
				w.Header().Set("Retry-After", f.retryAfter)
			}
			w.Header().Set(httpx.HeaderExplanation, "because <so>")
			httpx.WriteJSON(w, 400, refusal)
		case success != nil:
			httpx.WriteJSON(w, 200, success)
		}
	}
	mux.HandleFunc("POST /api/v3/sign-requests", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.read(r)
		f.document, _ = io.ReadAll(r.Body)
		f.initiates++
		id := fmt.Sprintf("signv3-%d", f.initiates)
		answer(w, f.refuse, api.Initiated{
			SigningURL: publicURL + "/sign/" + id, RequestID: id, ExchangeCode: "code-" + id,
		})
	})
	mux.HandleFunc(
		"POST /api/v3/sign-requests/cancel",
		func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.read(r)
			answer(w, f.cancel, nil)
		},
	)
	mux.HandleFunc(
		"GET /api/v3/sign-requests/{id}/signed-doc",
		func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.read(r)
			f.results++
			if f.claims["exchange_code"] != "code-"+r.PathValue("id") {
				t.Errorf("exchange code %v", f.claims["exchange_code"])
			}
			answer(w, f.result, api.Result{
				SignedDocURL: publicURL + "/documents/fresh", Exp: time.Now().Unix() + 120,
			})
		},
	)
	mux.HandleFunc("GET /documents/{name}", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.downloads++
		f.hosts = append(f.hosts, r.Host)
		if r.PathValue("name") == "broken" {
			w.Header().Set("Content-Length", "100")
		}
		_, _ = io.WriteString(w, "%PDF "+r.PathValue("name"))
	})
	mux.HandleFunc("GET "+api.PathKeys, func(w http.ResponseWriter, _ *http.Request) {
		httpx.WriteJSON(w, f.keysStatus, jose.JSONWebKeySet{
			Keys: []jose.JSONWebKey{
				{Key: f.key.Public(), KeyID: "sign-1", Use: "sig", Algorithm: "ES256"},
			},
		})
	})
	f.server = httptest.NewServer(mux)
	t.Cleanup(f.server.Close)
	return f
}

func (f *fakeAPI) read(r *http.Request) {
	parts := strings.Split(r.Header.Get("Authorization"), ".")
	if len(parts) != 3 {
		f.t.Errorf("Authorization %q", r.Header.Get("Authorization"))
		return
	}
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	f.claims = nil
	if err := json.Unmarshal(payload, &f.claims); err != nil {
		f.t.Error(err)
	}
}

// webhook makes the body of a webhook, signed by k.
func (f *fakeAPI) webhook(k *ecdsa.PrivateKey, id, link string, now time.Time) string {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: k, KeyID: "sign-1"}}, nil,
	)
	if err != nil {
		f.t.Fatal(err)
	}
	claims, _ := json.Marshal(api.WebhookClaims{
		RequestType: api.RequestTypeSignedDocURL, SignedDocURL: link, RequestID: id,
		Iat: now.Unix(), Exp: now.Unix() + 120,
		SignerInfo: api.SignerInfo{
			SignerName: "TAN XIAO HUI", SignerPartialUINFIN: "373D", SignedAt: now.UnixMilli(),
		},
	})
	jws, err := signer.Sign(claims)
	if err != nil {
		f.t.Fatal(err)
	}
	token, _ := jws.CompactSerialize()
	body, _ := json.Marshal(api.Webhook{Token: token})
	return string(body)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// bench is a demo and its service.
type bench struct {
	*fakeAPI
	mux *http.ServeMux
	key *ecdsa.PrivateKey // the demo's

	clock sync.Mutex
	now   time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{
		fakeAPI: newFakeAPI(t), mux: http.NewServeMux(), key: newKey(t),
		now: time.Now().Truncate(time.Second),
	}
	kit, err := ui.New(ui.Options{Now: b.at, Sandbox: true, Templates: []ui.Templates{Templates()}})
	if err != nil {
		t.Fatal(err)
	}
	demo, err := NewDemo(DemoConfig{
		PublicURL: publicURL, BaseURL: b.server.URL + api.BasePath, ClientID: "demo-client",
		Key: b.key, Kit: kit,
		Now: b.at, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
		Personas: Personas(),
	})
	if err != nil {
		t.Fatal(err)
	}
	demo.Routes(b.mux)
	return b
}

func (b *bench) at() time.Time {
	b.clock.Lock()
	defer b.clock.Unlock()
	return b.now
}

func (b *bench) later(d time.Duration) {
	b.clock.Lock()
	defer b.clock.Unlock()
	b.now = b.now.Add(d)
}

// call makes a request of the demo and returns its answer, with HTML entities resolved.
func (b *bench) call(
	method, path, contentType, body string,
) (status int, text string, header http.Header) {
	b.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	b.mux.ServeHTTP(w, r)
	return w.Code, html.UnescapeString(w.Body.String()), w.Header()
}

// page gets a page and looks for all of the texts, and none of those with "!" before them.
func (b *bench) page(path string, texts ...string) {
	b.t.Helper()
	status, got, _ := b.call("GET", path, "", "")
	if status != 200 {
		b.t.Fatalf("GET %s: %d", path, status)
	}
	b.look(path, got, texts...)
}

func (b *bench) look(where, got string, texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		absent, not := strings.CutPrefix(text, "!")
		if not == strings.Contains(got, absent) {
			b.t.Errorf("%s: %q", where, text)
		}
	}
}

// post sends a form and wants to be redirected.
func (b *bench) post(path string, form url.Values, to string) {
	b.t.Helper()
	status, text, header := b.call("POST", path, "application/x-www-form-urlencoded", form.Encode())
	if status != http.StatusSeeOther || header.Get("Location") != to {
		b.t.Fatalf("POST %s: %d to %q, want %q\n%s", path, status, header.Get("Location"), to, text)
	}
}

func (b *bench) state(id, want string) {
	b.t.Helper()
	_, text, _ := b.call("GET", "/demo/requests/"+id+"/state", "", "")
	var got struct {
		State string `json:"state"`
		Seq   *int64 `json:"seq"`
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || got.State != want ||
		got.Seq == nil {
		b.t.Errorf("state %s, want %s", text, want)
	}
}

// create makes a request with the sample document.
func (b *bench) create() (id string) {
	b.t.Helper()
	id = fmt.Sprintf("signv3-%d", b.initiates+1)
	b.post(
		"/demo/requests", url.Values{"source": {"sample"}, "places": {"three"}},
		"/demo/requests/"+id,
	)
	return id
}

func (b *bench) upload(
	name string, document []byte, places string,
) (status int, text string, header http.Header) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	_ = w.WriteField("source", "upload")
	_ = w.WriteField("places", places)
	file, _ := w.CreateFormFile("document", name)
	_, _ = file.Write(document)
	_ = w.Close()
	return b.call("POST", "/demo/requests", w.FormDataContentType(), form.String())
}
