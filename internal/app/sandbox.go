package app

import (
	"bytes"
	"cmp"
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/disk"
	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/server/control"
	"github.com/signet-sign/signet/internal/server/phone"
	"github.com/signet-sign/signet/internal/server/portal"
	"github.com/signet-sign/signet/internal/server/sandbox"
	"github.com/signet-sign/signet/internal/server/ui"
	"github.com/signet-sign/signet/internal/store"
)

// demoClientID is the demo's client id.
const demoClientID = "signet-demo"

// mockBase is MockPass's base path of the Sign V3 API.
const mockBase = "/sign-v3"

// OpenSandbox builds the sandbox: the service with its own identity provider and personas, a demo
// relying party, a clock that can be moved, and the control listener. Empty fields of c get the
// sandbox's defaults. now is time.Now, from which the clock starts, and getenv is os.Getenv.
func OpenSandbox(
	ctx context.Context, c config.Config, now func() time.Time, getenv func(string) string,
	log *slog.Logger,
) (*App, error) {
	clock := &control.Clock{Base: now}
	a := &App{
		Config: c, now: clock.Now, wall: now, log: log, clocks: &control.Clocks{Sandbox: clock},
	}
	if err := a.openSandbox(ctx, clock, getenv); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *App) openSandbox(
	ctx context.Context, clock *control.Clock, getenv func(string) string,
) error {
	c := &a.Config
	if err := c.CompleteSandbox(getenv); err != nil {
		return err
	}
	early := *c // before anything is made; the URL of the listener is judged when it is open
	if c.PublicURL == "" {
		early.PublicURL = "http://localhost"
		if c.EndsTLS() {
			early.PublicURL = "https://localhost"
		}
	}
	if err := early.Check(); err != nil {
		return err
	}
	if err := parts.CheckRegistered(c); err != nil {
		return err
	}
	people, played, err := personas(c)
	if err != nil {
		return config.Mistake(err)
	}
	if err := a.sandboxData(); err != nil {
		return err
	}
	if err := a.openClocks(); err != nil {
		return err
	}
	if err := a.openFaults(); err != nil {
		return err
	}
	if err := a.open(ctx, store.Sandbox); err != nil {
		return err
	}
	local, err := a.sandboxListeners()
	if err != nil {
		return err
	}

	phones := &control.SoftPhones{Requests: a.sign, Signers: a.signers, Rand: rand.Reader}
	a.automatic = control.NewSigners(played, phones, c.AutoSign, a.log)
	if err := a.openSigners(phones); err != nil {
		return err
	}
	a.portal.SoftPhone = phones
	if err := a.sandboxParties(local, getenv); err != nil {
		return err
	}
	start := sandbox.StartConfig{
		PublicURL: c.PublicURL, ControlURL: a.ControlURL(), MockBase: mockBase, Root: a.root,
		Environment: mockEnvironment(getenv), Personas: people,
		Changes: func() []string { return a.changes() },
	}.Handler(a.kit, a.log)
	if err := a.sandboxPages(people, local, start); err != nil {
		return err
	}
	return a.sandboxControl(clock, phones, start)
}

// sandboxData makes the data folder, which is a temporary one unless the configuration names it.
func (a *App) sandboxData() error {
	c := &a.Config
	const remedy = "name another one with --data"
	if c.Data != "" {
		if err := os.MkdirAll(c.Data, 0o700); err != nil {
			return fmt.Errorf("data folder: %w; %s", err, remedy)
		}
		return nil
	}
	removeAbandoned(os.TempDir(), a.log)
	dir, err := os.MkdirTemp("", dataPrefix)
	if err != nil {
		return fmt.Errorf("data folder: %w; %s", err, remedy)
	}
	c.Data = dir
	a.closers = append(a.closers, func() error { return os.RemoveAll(dir) })
	return nil
}

// sandboxListeners opens what a sandbox listens on beside the service, and returns the URL at which
// this process reaches its own public listener.
func (a *App) sandboxListeners() (local string, err error) {
	local = "http://" + reachable(a.Addr)
	if a.tls != nil { // whose certificate may be for another name, or of an unknown authority
		if a.localListener, err = listen("listen", "127.0.0.1:0"); err != nil {
			return "", err
		}
		local = "http://" + a.localListener.Addr().String()
	}
	if a.Config.TLS {
		err = a.openLocalTLS()
	}
	return local, err
}

// sandboxPages builds the public listener's handler: the routes of the service, the identity
// provider, the demo and the start page.
func (a *App) sandboxPages(people []sandbox.Persona, local string, start http.Handler) error {
	c := &a.Config
	public, err := url.Parse(c.PublicURL)
	if err != nil {
		return err
	}
	idpKey, err := a.keys.Signer("sandbox-idp", elliptic.P256())
	if err != nil {
		return err
	}
	provider := &sandbox.Provider{
		Issuer: c.OIDCIssuer, ClientID: c.OIDCClientID, ClientSecret: c.OIDCClientSecret,
		RedirectURL: c.PublicURL + "/login/callback", Key: idpKey, Personas: people,
		Kit: a.kit, Now: a.now, Log: a.log,
	}
	demoKey, err := a.keys.Signer("sandbox-demo", elliptic.P256())
	if err != nil {
		return err
	}
	demo, err := sandbox.NewDemo(sandbox.DemoConfig{
		PublicURL: c.PublicURL, BaseURL: local + "/api/v3",
		ConsoleURL: a.ControlURL() + console.Base,
		ClientID:   demoClientID, Key: demoKey, Personas: people,
		Kit: a.kit, Now: a.now, Rand: rand.Reader, Log: a.log,
	})
	if err != nil {
		return err
	}

	mux := http.NewServeMux()
	a.routes(mux)
	a.apiBases = append(a.apiBases, mockBase)
	a.rpapi.KeysAlias = mockBase + "/jwks"
	provider.Routes(mux)
	demo.Routes(mux)
	mux.Handle("GET /{$}", start)
	if a.root != nil {
		mux.HandleFunc("GET "+localRootPath, a.downloadRoot)
	}
	a.handler = mux
	if c.AutoSignOnGet || c.AutoSign > 0 {
		a.handler = a.signOnGet(mux)
	}
	a.ownHost = public.Hostname()
	return nil
}

// sandboxParties registers the relying parties of the configuration, the demo, and the one that
// MockPass's environment variables describe. local is the URL at which this process reaches itself.
func (a *App) sandboxParties(local string, getenv func(string) string) error {
	c := &a.Config
	parties := append(a.configured, party.Party{
		ClientID: demoClientID, Name: sandbox.DemoName, JWKSURL: local + sandbox.DemoJWKSPath,
		RedirectURL: c.PublicURL + sandbox.DemoRedirectPath,
		WebhookURL:  local + sandbox.DemoWebhookPath,
	})
	mock := mockParty(getenv)
	isMock := func(p party.Party) bool { return p.ClientID == mock.ClientID }
	if !slices.ContainsFunc(parties, isMock) {
		parties = append(parties, mock)
	}
	return a.parties.Replace(c.Policy(0), parties...)
}

// sandboxControl builds the control listener's handler.
func (a *App) sandboxControl(
	clock *control.Clock, phones *control.SoftPhones, start http.Handler,
) error {
	mux := http.NewServeMux()
	api := &control.API{
		Requests: a.sign, Lister: a.store, Phones: phones, Signers: a.automatic, Faults: a.faults,
		Clock: clock, Clocks: a.clocks, Worker: a.worker, Recorder: a.calls,
		CallStore: a.store, Parties: a.parties, Keys: a.partyKeys, Log: a.log,
	}
	a.changes = api.Changes
	calls := api.Handler()
	mux.Handle("/", calls)
	if err := a.consoleRoutes(mux, start, calls); err != nil {
		return err
	}
	if token := a.Config.ControlToken; token != "" {
		// No page of another site has the token, whatever name it makes this host have.
		a.controlHandler = control.Guard(token, mux)
	} else {
		a.controlHandler = server.LocalHost(mux)
	}
	return nil
}

// Files of a sandbox's data folder that have what was done to it, for the next start.
const (
	clocksFile  = "clocks.json"
	faultsFile  = "faults.json"
	signersFile = "signers.json" // the queue
	phonesFile  = "phones.json"  // of personas, with their private keys
)

// restore has load read a file of the data folder, if the sandbox before has left one, and returns
// what writes the file again.
func (a *App) restore(name string, load func([]byte) error) (save func([]byte) error, err error) {
	file := filepath.Join(a.Config.Data, name)
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		if err := load(text); err != nil {
			return nil, fmt.Errorf(
				"%s: %w; without this file they are as in a new sandbox", file, err,
			)
		}
	}
	return func(text []byte) error {
		return disk.Replace(file, 0o600, func(f *os.File) error {
			_, err := f.Write(text)
			return err
		})
	}, nil
}

// logged is a save whose failure is logged: what was to be saved is in force, until the sandbox
// stops.
func (a *App) logged(name string, save func([]byte) error) func([]byte) {
	return func(text []byte) {
		if err := save(text); err != nil {
			a.log.Error(
				"a change of the sandbox lasts until it stops only", "file", name, "err", err,
			)
		}
	}
}

// openClocks sets the clocks as the sandbox before on the same data folder has left them, and has
// their changes saved.
func (a *App) openClocks() (err error) {
	a.clocks.Save, err = a.restore(clocksFile, a.clocks.Load)
	return err
}

// openSigners does so for the signers' phones and queue.
func (a *App) openSigners(phones *control.SoftPhones) error {
	save, err := a.restore(phonesFile, phones.Load)
	if err != nil {
		return err
	}
	phones.Save = a.logged(phonesFile, save)
	if save, err = a.restore(signersFile, a.automatic.Load); err != nil {
		return err
	}
	a.automatic.Save = a.logged(signersFile, save)
	return nil
}

// mockVariables are MockPass's environment variables of a relying party, each with MockPass's
// default.
var mockVariables = []struct{ name, alias, fallback string }{
	{"SIGNV3_CLIENT_ID", "", "mockpass-sign-v3-client"},
	{"SIGNV3_CLIENT_JWKS_URL", "", "http://localhost:4000/jwks"},
	// MockPass's documentation and code use different names for this one.
	{"SIGNV3_CLIENT_REDIRECT_URI", "SIGNV3_CLIENT_REDIRECT_URL", "http://localhost:4000/redirect"},
	{"SIGNV3_CLIENT_WEBHOOK_URL", "", "http://localhost:4000/webhook"},
}

// mockValues returns the variables' values, in their order.
func mockValues(getenv func(string) string) (values [4]string) {
	for i, v := range mockVariables {
		values[i] = cmp.Or(getenv(v.name), getenv(v.alias), v.fallback)
	}
	return values
}

// mockEnvironment returns the variables and their values in shell syntax.
func mockEnvironment(getenv func(string) string) (lines []string) {
	for i, value := range mockValues(getenv) {
		lines = append(lines, mockVariables[i].name+"="+value)
	}
	return lines
}

// mockParty returns the relying party that MockPass's environment variables describe.
func mockParty(getenv func(string) string) party.Party {
	v := mockValues(getenv)
	return party.Party{
		ClientID: v[0], Name: v[0], JWKSURL: v[1], RedirectURL: v[2], WebhookURL: v[3],
	}
}

// ShowRefusals has the refused calls of relying parties written to w, for the developer at a
// terminal. It is to be called before Run.
func (a *App) ShowRefusals(w io.Writer, colour bool) {
	a.refusals = control.NewRefusals(w, a.ControlURL(), colour, time.Now).Show
}

// initiated notifies the clocks and the automatic signers of a sandbox of a new request.
func (a *App) initiated(r *request.Request) {
	if a.automatic != nil {
		if err := a.clocks.Arrived(r); err != nil {
			a.log.Error("a new request has its party's clock until the sandbox stops", "err", err)
		}
		a.automatic.Arrived(r)
	}
}

// refused passes on the record of a refused call.
func (a *App) refused(r calllog.Record) {
	if a.refusals != nil {
		a.refusals(r)
	}
}

// ControlURL returns the URL at which this machine reaches the control listener.
func (a *App) ControlURL() string {
	scheme := "http://"
	if a.Config.ControlTLS {
		scheme = "https://"
	}
	return scheme + reachable(a.Control)
}

// Changes says, a sentence each, in what the sandbox differs from a new one: a start goes on with
// the clocks, faults and queue of signers of the sandbox before on the same data folder.
func (a *App) Changes() []string { return a.changes() }

// Root returns the root certificate that phones are to trust; nil without Config.TLS.
func (a *App) Root() *sandbox.Root { return a.root }

// reachable returns the URL at which this machine reaches its own listener.
func reachable(addr net.Addr) string {
	tcp := addr.(*net.TCPAddr)
	if tcp.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	return tcp.String()
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// serveLocally answers a client's request with a handler of this process.
func serveLocally(h http.Handler, r *http.Request) (*http.Response, error) {
	w := &localWriter{header: http.Header{}, status: http.StatusOK}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.Host = r.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	h.ServeHTTP(w, in)
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()),
		Request: r,
	}, nil
}

// localWriter collects an answer.
type localWriter struct {
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

func (w *localWriter) Header() http.Header { return w.header }

func (w *localWriter) WriteHeader(status int) {
	if !w.wrote {
		w.status, w.wrote = status, true
	}
}

func (w *localWriter) Write(p []byte) (int, error) {
	w.wrote = true
	return w.body.Write(p)
}

// templates returns the templates of all edges that have pages.
func templates() []ui.Templates {
	return []ui.Templates{
		portal.Templates(), phone.Templates(), console.Templates(), sandbox.Templates(),
	}
}
