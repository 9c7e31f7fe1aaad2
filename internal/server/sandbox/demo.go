package sandbox

import (
	"bytes"
	"crypto"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/ui"
)

// Demo is a demo relying party. It knows about its sign requests only what package client gets over
// HTTP. Its pages show each call with the exact answer. It keeps the newest requests in memory.
type Demo struct {
	config   DemoConfig
	client   *client.Client
	calls    *http.Client // records calls of the API
	jwks     []byte
	requests demoRequests
}

// DemoConfig is the configuration of a [Demo].
type DemoConfig struct {
	PublicURL string // where browsers find this server, without a slash at the end
	// URL of the API as this process reaches it, such as "http://127.0.0.1:5156/api/v3"
	BaseURL    string
	ClientID   string
	Key        crypto.Signer // P-256, P-384 or P-521
	Kit        *ui.Kit
	Now        func() time.Time
	Rand       io.Reader
	Log        *slog.Logger
	HTTPClient *http.Client // nil means one with a timeout of 30 s
	Personas   []Persona    // that its first page names
	ConsoleURL string       // URL of the console's first page; if empty, pages do not link to it
}

// Paths below PublicURL that the demo must be registered with.
const (
	DemoName         = "Demo Relying Party"
	DemoJWKSPath     = "/demo/jwks.json"
	DemoRedirectPath = "/demo/return"
	DemoWebhookPath  = "/demo/webhook"

	// DemoRequestsPath takes a form with a file.
	DemoRequestsPath = "/demo/requests"
)

const (
	demoHome = "/demo/"
	// the sample document, for first calls from a terminal
	demoSamplePath = "/demo/sample.pdf"
	demoKeyID      = "demo-1"
	// size of a form; larger than the API's limit, so that the demo can show the refusal
	demoUpload = 12 << 20
)

// NewDemo returns a demo. It does not call the service.
func NewDemo(config DemoConfig) (*Demo, error) {
	if config.HTTPClient == nil {
		config.HTTPClient = &http.Client{Timeout: 30 * time.Second}
	}
	calls := *config.HTTPClient
	calls.Transport = &demoTransport{
		next: calls.Transport, public: config.PublicURL, base: config.BaseURL, now: config.Now,
	}
	c, err := client.New(client.Config{
		BaseURL: config.BaseURL, ClientID: config.ClientID, Key: config.Key, KeyID: demoKeyID,
		HTTPClient: &calls, Now: config.Now, Rand: config.Rand,
	})
	if err != nil {
		return nil, err
	}
	jwks, err := client.JWKS(client.Key{Signer: config.Key, ID: demoKeyID})
	if err != nil {
		return nil, err
	}
	return &Demo{config: config, client: c, calls: &calls, jwks: jwks}, nil
}

// Routes adds the demo below /demo, and the reference of the API. Their forms rely on the server's
// cross-origin protection.
func (d *Demo) Routes(mux *http.ServeMux) {
	mux.Handle("GET /demo", http.RedirectHandler(demoHome, http.StatusFound))
	mux.HandleFunc("GET /demo/{$}", d.home)
	mux.HandleFunc("GET /demo/place", d.place)
	mux.HandleFunc("POST "+DemoRequestsPath, d.create)
	mux.HandleFunc("GET /demo/requests/{id}", d.with(d.show))
	mux.HandleFunc("GET /demo/requests/{id}/state", d.with(d.state))
	mux.HandleFunc("POST /demo/requests/{id}/cancel", d.with(d.cancel))
	mux.HandleFunc("POST /demo/requests/{id}/result", d.with(d.result))
	mux.HandleFunc("GET /demo/requests/{id}/signed.pdf", d.with(d.signed))
	mux.HandleFunc("GET "+demoSamplePath, d.sample)
	mux.HandleFunc("GET "+ReferencePath, d.reference)
	mux.HandleFunc("POST "+ReferencePath+"/{operation}", d.try)
	// for a page with an answer that is loaded again
	mux.Handle(
		"GET "+ReferencePath+"/{operation}", http.RedirectHandler(ReferencePath, http.StatusFound),
	)
	mux.HandleFunc("GET /demo/token", d.token)
	mux.HandleFunc("GET "+DemoRedirectPath, d.back)
	mux.HandleFunc("GET "+DemoJWKSPath, d.keys)
	mux.HandleFunc("POST "+DemoWebhookPath, d.webhook)
}

// with returns a handler that looks up the request of the path for h.
func (d *Demo) with(h func(http.ResponseWriter, *http.Request, *demoRequest)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		req := d.requests.find(r.PathValue("id"))
		if req == nil {
			d.config.Kit.Error(w, r, http.StatusNotFound, "")
			return
		}
		h(w, r, req)
	}
}

// place shows the page on which boxes are placed by hand.
func (d *Demo) place(w http.ResponseWriter, r *http.Request) {
	d.config.Kit.Show(w, r, d.config.Log, http.StatusOK, DemoPlace{
		Action: DemoRequestsPath, SampleURL: demoSamplePath, Personas: choices(d.config.Personas),
	})
}

// placesOf returns the places that the form asks for: by hand, or one of the placings.
func placesOf(r *http.Request, document []byte) (places []api.Location, err error) {
	choice := r.PostFormValue("places")
	if choice != "hand" {
		return placeSignatures(choice, document)
	}
	if err := json.Unmarshal([]byte(r.PostFormValue("locations")), &places); err != nil {
		return nil, errors.New("the places are not a list of page, x and y")
	}
	return places, nil
}

// sample hands out the sample document.
func (d *Demo) sample(w http.ResponseWriter, r *http.Request) {
	httpx.ServePDF(w, r, bytes.NewReader(sampleDocument()), httpx.PDF{Name: sampleName})
}

func (d *Demo) home(w http.ResponseWriter, r *http.Request) {
	d.renderHome(w, r, http.StatusOK, nil)
}

func (d *Demo) renderHome(w http.ResponseWriter, r *http.Request, status int, refused *Exchange) {
	page := DemoHome{
		Action: DemoRequestsPath, Party: ui.Party{Name: DemoName}, Error: refused,
		Personas: choices(d.config.Personas),
	}
	page.Chosen.Source, page.Chosen.Places = r.PostFormValue("source"), r.PostFormValue("places")
	page.Chosen.Signer = r.PostFormValue("signer")
	for _, p := range demoPlacings {
		page.Placings = append(page.Placings, ui.Choice{Value: p.value, Label: p.label})
	}
	now := d.config.Now()
	for _, req := range d.requests.newest() {
		page.Requests = append(page.Requests, req.row(now))
	}
	d.config.Kit.Show(w, r, d.config.Log, status, page)
}

// create initiates a sign request with the form's values.
func (d *Demo) create(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, demoUpload)
	if err := r.ParseMultipartForm(demoUpload); err != nil &&
		!errors.Is(err, http.ErrNotMultipart) {
		status := http.StatusBadRequest
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			status = http.StatusRequestEntityTooLarge
		}
		d.config.Kit.Error(w, r, status, "")
		return
	}
	name, document, err := demoDocument(r)
	if err != nil {
		d.renderHome(w, r, http.StatusBadRequest, d.notSent(err))
		return
	}
	locations, err := placesOf(r, document)
	if err != nil {
		d.renderHome(w, r, http.StatusBadRequest, d.notSent(err))
		return
	}
	ask := client.Request{DocName: name, Locations: locations}
	if signer := r.PostFormValue("signer"); signer != "" {
		ask.SignerUINHash = client.HashUIN(signer)
	}
	started := d.config.Now()
	ctx, record := withRecord(r.Context())
	initiated, err := d.client.Initiate(ctx, ask, bytes.NewReader(document))
	calls := record.take()
	if err != nil {
		refused := d.notSent(err)
		if len(calls) > 0 {
			refused = &calls[0]
		}
		d.renderHome(w, r, http.StatusBadRequest, refused)
		return
	}
	d.requests.add(&demoRequest{
		id: initiated.RequestID, exchangeCode: initiated.ExchangeCode,
		signingURL: initiated.SigningURL, document: name,
		created: started, expires: started.Add(api.RequestLifetime * time.Second), exchanges: calls,
	})
	http.Redirect(w, r, demoRequestURL(initiated.RequestID, ""), http.StatusSeeOther)
}

// demoDocument returns the chosen document and its name.
func demoDocument(r *http.Request) (name string, document []byte, err error) {
	if r.PostFormValue("source") != "upload" {
		return sampleName, sampleDocument(), nil
	}
	file, header, err := r.FormFile("document")
	if err != nil {
		return "", nil, errors.New("choose a file first")
	}
	defer file.Close()
	if document, err = io.ReadAll(file); err != nil {
		return "", nil, err
	}
	name = header.Filename
	if strings.TrimSpace(name) == "" {
		name = "Document.pdf"
	}
	return name, document, nil
}

// notSent returns an exchange that explains why a call was not sent.
func (d *Demo) notSent(err error) *Exchange {
	return &Exchange{
		Call: "POST " + api.PathRequest, Body: "not sent: " + err.Error(), At: d.config.Now(),
	}
}

func (d *Demo) show(w http.ResponseWriter, r *http.Request, req *demoRequest) {
	d.renderRequest(w, r, http.StatusOK, req)
}

func (d *Demo) renderRequest(w http.ResponseWriter, r *http.Request, status int, req *demoRequest) {
	page := req.page(d.config.Now())
	page.Party = ui.Party{Name: DemoName}
	page.Returned = r.URL.Query().Get("returned")
	if d.config.ConsoleURL != "" {
		page.ConsoleURL = d.config.ConsoleURL + "requests/" + url.PathEscape(req.id)
	}
	d.config.Kit.Show(w, r, d.config.Log, status, page)
}

// state tells the page whether to reload. It does not ask the service, which sends webhooks.
func (d *Demo) state(w http.ResponseWriter, _ *http.Request, req *demoRequest) {
	page := req.page(d.config.Now())
	httpx.WriteJSON(w, http.StatusOK, map[string]any{"state": page.State, "seq": page.Seq})
}

func (d *Demo) cancel(w http.ResponseWriter, r *http.Request, req *demoRequest) {
	ctx, record := withRecord(r.Context())
	err := d.client.Cancel(ctx, req.id)
	req.learn(record.take(), err, stateCancelled, d.config.Now())
	http.Redirect(w, r, demoRequestURL(req.id, ""), http.StatusSeeOther)
}

func (d *Demo) result(w http.ResponseWriter, r *http.Request, req *demoRequest) {
	ctx, record := withRecord(r.Context())
	_, err := d.client.Result(ctx, req.id, req.exchangeCode)
	req.learn(record.take(), err, stateSigned, d.config.Now())
	http.Redirect(w, r, demoRequestURL(req.id, ""), http.StatusSeeOther)
}

// demoRequestURL returns the URL of a request's page if action is "", and of an action on it
// otherwise.
func demoRequestURL(id, action string) string {
	u := DemoRequestsPath + "/" + url.PathEscape(id)
	if action != "" {
		u += "/" + action
	}
	return u
}
