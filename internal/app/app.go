// Package app wires the program: it builds a service or a sandbox from a [config.Config] and runs
// it. Start at [Open], which lists the parts and their dependencies. The package contains no rules
// of signing; packages request, party, token and signer do. cmd/signet has the command line.
package app

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/crypto/acme/autocert"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/fault"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/obs"
	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/control"
	"github.com/signet-sign/signet/internal/server/limit"
	"github.com/signet-sign/signet/internal/server/login"
	"github.com/signet-sign/signet/internal/server/portal"
	"github.com/signet-sign/signet/internal/server/rpapi"
	"github.com/signet-sign/signet/internal/server/sandbox"
	"github.com/signet-sign/signet/internal/server/security"
	"github.com/signet-sign/signet/internal/server/ui"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/internal/vault"
	"github.com/signet-sign/signet/internal/webhook"
	"github.com/signet-sign/signet/pades"
)

// App is a program that is ready to run: its parts are open, and its addresses are bound.
type App struct {
	Config  config.Config
	Addr    net.Addr // of the public listener
	Control net.Addr // of the control listener; nil if there is none
	HTTP    net.Addr // of the listener that leads to https; nil if there is none

	now func() time.Time
	// the machine's clock, in a sandbox, whose own clock can be moved; nil in the service
	wall    func() time.Time
	log     *slog.Logger
	metrics *obs.Metrics
	tracer  *obs.Tracer // nil if there is no collector
	health  *obs.Health
	stop    chan struct{} // closed when a stop begins

	keys        *keydir.Dir
	webhookKeys *keydir.KeyRing // that sign webhooks

	store      *store.Store
	deployment string          // its identity
	clock      *parts.Clock    // nil in the sandbox
	files      documents.Store // where documents are stored
	documents  *vault.Vault    // over files
	authority  *ca.Authority
	parties    *party.Registry
	configured []party.Party
	loaded     config.Config // configuration as it was last read
	partyKeys  *party.Keys
	kit        *ui.Kit
	login      *login.Login
	clientKeys *login.Keys
	security   *security.Log
	audit      *audit.Log

	turns       int // of one client address at a time, of each listener
	people      *limit.People
	openStreams *limit.Counts
	sign        *request.Service
	signers     *signer.Service
	worker      *request.Worker
	calls       *calllog.Recorder
	rpapi       *rpapi.API
	automatic   *control.Signers // of a sandbox; else nil
	changes     func() []string  // of a sandbox: control.API.Changes
	clocks      *control.Clocks  // of a sandbox; else nil
	faults      *fault.Set       // of a sandbox; else nil
	apiBases    []string         // base paths of the calls
	ownHost     string           // host that requests to the public listener must name; "" for any
	root        *sandbox.Root    // of a sandbox with Config.TLS; else nil
	portal      *portal.Portal

	refusals func(calllog.Record) // see ShowRefusals; may be nil

	listener, controlListener net.Listener
	handler, controlHandler   http.Handler
	tls                       *tls.Config       // nil if a proxy ends TLS
	acme                      *autocert.Manager // obtains the certificate, or nil
	httpListener              net.Listener      // leads to https, or nil
	httpHandler               http.Handler
	localListener             net.Listener // without TLS, for a sandbox's own calls, or nil
	closers                   []func() error
}

// Open builds the service that `signet serve` runs. now is time.Now, except in tests.
func Open(
	ctx context.Context, c config.Config, now func() time.Time, log *slog.Logger,
) (*App, error) {
	if err := c.CompleteService(log); err != nil {
		return nil, err
	}
	if err := parts.CheckRegistered(&c); err != nil {
		return nil, err
	}
	a := &App{Config: c, loaded: c, now: now, log: quiet(log)}
	if err := a.open(ctx, store.Service); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	if c.OIDCIssuer == "" {
		log.Warn("oidc_issuer is not set: relying parties can call, but no signer can log in")
	}
	mux := http.NewServeMux()
	a.routes(mux)
	mux.HandleFunc("GET /{$}", a.portal.Home)
	a.handler = mux
	control, err := a.healthRoutes()
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	a.controlHandler = control
	return a, nil
}

// open builds everything that service and sandbox share. Close closes it, also after an error.
func (a *App) open(ctx context.Context, kind store.Kind) (err error) {
	c := &a.Config
	a.stop = make(chan struct{})
	a.metrics = obs.NewMetrics()
	if kind == store.Service { // a sandbox's clock is moved on purpose
		a.clock = parts.NewClock(a.now, a.log, a.metrics.ClockOffset)
		a.now = a.clock.Now
	}

	if a.listener, err = listen("listen", c.Listen); err != nil {
		return err
	}
	a.Addr = a.listener.Addr()
	if c.Control != "" {
		if a.controlListener, err = listen("control", c.Control); err != nil {
			return err
		}
		a.Control = a.controlListener.Addr()
	}
	if c.PublicURL == "" {
		c.PublicURL = a.listenURL()
	}
	if err := c.Check(); err != nil {
		return err
	}
	if err := a.openTLS(); err != nil {
		return err
	}

	if c.OTLPEndpoint != "" {
		a.tracer = obs.NewTracer(strings.TrimRight(c.OTLPEndpoint, "/"), a.log)
	}

	if err := parts.MakeData(c); err != nil {
		return err
	}
	p, err := parts.Open(ctx, c, store.Options{Kind: kind, Now: a.now, Log: a.log})
	if err != nil {
		return err
	}
	a.store, a.files, a.documents, a.keys = p.Store, p.Files, p.Vault, p.Keys
	a.closers = append(a.closers, p.Close)
	mark, err := a.store.Mark(ctx)
	if err != nil {
		return err
	}
	a.deployment = mark.ID
	if a.clock != nil {
		a.clock.Database = a.store.ClockOffset
		if err := a.clock.Begin(ctx); err != nil {
			return err
		}
	}
	if a.audit, err = parts.OpenAudit(ctx, c, a.store, a.keys, a.log); err != nil {
		return err
	}
	sandbox := kind == store.Sandbox
	a.authority, err = parts.OpenCA(c, a.store, a.keys, parts.AuthorityOptions(c, sandbox, a.now))
	if err != nil {
		return parts.ExplainAuthority(err)
	}
	a.sweepUnfinished()
	if sandbox {
		a.webhookKeys, err = parts.WebhookKeys(a.keys)
	} else if err = parts.RecordFacts(ctx, c, a.authority.Root(), a.store, a.log); err == nil {
		a.webhookKeys, err = parts.OpenWebhookKeys(ctx, c, a.store, a.keys, a.log)
	}
	if err != nil {
		return err
	}
	if err := a.openParties(ctx); err != nil {
		return err
	}
	a.recordCalls(sandbox)
	if err := a.domain(sandbox); err != nil {
		return err
	}
	return a.edges(sandbox)
}

// openParties reads the relying parties of the configuration and of the store.
func (a *App) openParties(ctx context.Context) error {
	c := &a.Config
	configured, logos, err := c.Registered()
	if err != nil {
		return err
	}
	if a.parties, err = party.NewRegistry(c.Policy(0), configured...); err != nil {
		return err
	}
	for _, l := range logos {
		a.parties.AddLogo(l)
	}
	a.configured = configured
	keys := party.KeysConfig{
		Clients: &party.Clients{Policy: c.Policy(0), Wrap: a.tracedTransport}, Now: a.now,
		RefetchUnknownKid: c.RefetchUnknownKid,
		OnFetch:           func(f party.Fetch) { a.metrics.Fetched(f.Err) }, Store: a.store,
		Log: a.log,
	}
	switch {
	case a.wall == nil: // the service
	case c.Strictness == config.StrictnessReal:
		keys.RequireUse = true
	default: // a relying party that is being developed is restarted with new keys
		keys.RefetchUnknownKid, keys.RefetchFailed = true, true
		keys.RefetchGap, keys.Penalty = 100*time.Millisecond, 100*time.Millisecond
		keys.RefetchWaits, keys.Wall = true, a.wall
	}
	a.partyKeys = party.NewKeys(keys)
	a.logProblems()
	return a.parties.Open(ctx, a.store)
}

// logProblems logs the configured parties that cannot call.
func (a *App) logProblems() {
	for _, p := range a.parties.All() {
		if p.Problem != nil {
			a.log.Error(
				"the calls of a relying party are refused: its registration is not valid",
				"client_id", p.ClientID, "err", p.Problem,
			)
		}
	}
}

// recordCalls builds the recorder of calls. Close writes its queued records before it closes the
// store.
func (a *App) recordCalls(sandbox bool) {
	a.calls = calllog.NewRecorder(calllog.Config{
		Store: a.store, Mode: calllog.Mode(a.Config.RecordCalls), Limits: calllog.DefaultLimits,
		Now: a.now, Log: a.log, Unmetered: sandbox,
		Counted: a.metrics.Recorded, Refused: a.refused,
		Registered: func(ctx context.Context, clientID string) bool {
			_, err := a.parties.Party(ctx, clientID)
			return err == nil
		},
	})
	a.closers = append(a.closers, func() error { return a.calls.Flush(context.Background()) })
}

// verifier returns nil if phones do not verify their owners.
func (a *App) verifier() (*signer.Verifier, error) {
	c := &a.Config
	mode := signer.Verification(c.UserVerification)
	if mode == "" || mode == signer.VerificationOff {
		return nil, nil
	}
	v, err := signer.NewVerifier(c.PublicURL)
	switch {
	case err == nil:
		return v, nil
	case mode == signer.VerificationRequired:
		return nil, fmt.Errorf("user_verification: public_url needs a host name: %w", err)
	}
	level := slog.LevelInfo
	if u, err := url.Parse(c.PublicURL); err == nil && config.IsLoopback(u.Hostname()) {
		level = slog.LevelDebug // as in each sandbox without a configuration
	}
	a.log.Log(
		context.Background(), level,
		"phones do not verify their owners: public_url has no host name", "err", err,
	)
	return nil, nil
}

// domain builds signers, requests, webhooks and the calls of relying parties.
func (a *App) domain(sandbox bool) error {
	c := &a.Config
	enrolment, err := a.keys.Ring("enrolment", parts.SecretOverlap)
	if err != nil {
		return err
	}
	verifier, err := a.verifier()
	if err != nil {
		return err
	}
	verification := signer.VerificationOff
	if verifier != nil {
		verification = signer.Verification(c.UserVerification)
	}
	a.signers = &signer.Service{
		Store: a.store, Authority: a.authority, Verifier: verifier, Verification: verification,
		Replay: a.store, ChallengeSecrets: enrolment.Secrets,
		Delay: *c.PhoneDelay, Limit: *c.PhoneLimit,
		Now: a.now, Rand: rand.Reader, Log: a.log,
	}
	if err := a.requests(sandbox); err != nil {
		return err
	}
	keys := a.webhookKeys
	sender := &webhook.Sender{
		Requests: a.sign, Parties: a.parties, Receivers: a.store,
		Clients: &party.Clients{Policy: c.Policy(webhook.Timeout), Wrap: a.tracedTransport},
		Key:     func() crypto.Signer { return keys.Keys()[0] },
		Ladder:  c.WebhookLadder, Calls: a.calls, Accepted: a.metrics.Announced,
		Now: a.now, Log: a.log,
	}
	if a.faults != nil {
		a.misbehave(sender)
	}
	a.metrics.Watch(a.reading)
	a.worker = request.NewWorker(a.sign, a.counted(sender.Deliver))

	a.apiBases = []string{api.BasePath}
	a.rpapi = &rpapi.API{
		Requests: a.sign,
		Verifier: token.NewVerifier(token.VerifierConfig{
			Parties: a.parties, Keys: a.partyKeys, Replay: a.store, PublicURL: c.PublicURL,
			Local: sandbox, Lenient: c.LenientTokens, Explain: sandbox,
			Now: a.now, Wall: a.wall,
		}),
		Keys:         func() ([]byte, error) { return webhookJWKS(keys.Keys()) },
		Unauthorized: c.UnauthorizedStatus, Explain: sandbox,
		Tolerant: sandbox && c.Strictness != config.StrictnessReal,
		Calls:    a.calls, Answered: a.answered, Log: a.log,
		Limits: rpapi.Limits{
			Rate: c.RatePerParty, PartyUploads: c.UploadsPerParty, Uploads: c.Uploads,
			PartyBytes: int64(c.UploadMiBPerParty) << 20, Bytes: int64(c.UploadMiB) << 20,
		},
	}
	return nil
}

// requests builds the operations on sign requests, and the checks of the health.
func (a *App) requests(sandbox bool) error {
	c := &a.Config
	links, err := a.keys.Ring("links", parts.SecretOverlap)
	if err != nil {
		return err
	}
	stamps, err := parts.NewStamps(c, a.authority, a.signers, a.now)
	if err != nil {
		return err
	}
	refused, warned, err := c.Content()
	if err != nil {
		return err
	}
	used := &usedStamps{Timestamper: stamps.Source}
	checked := a.Doctor()
	checked.Stamps = used.check
	a.health = obs.NewHealth(checked.Health()...)
	service := request.Config{
		Store: a.store, Outbox: a.store, Watcher: a.store, Documents: a.documents,
		Timestamper: used, Revocation: stamps.Evidence, Level: c.Level(),
		Chain: a.chainOf, Roots: a.authority.Roots(), TSARoots: stamps.Roots, Known: stamps.Known,
		Now: a.now, Rand: rand.Reader, Log: a.log,
		PublicURL: c.PublicURL, LinkSecrets: links.Secrets,
		SessionLifetime: c.SessionLifetime, SealTimeout: c.SealTimeout, RenewBefore: c.RenewBefore,
		StaticCode: c.StaticQR, Sandbox: sandbox, Background: c.SignatureBackground,
		Certify: c.Certify, HanForms: pades.HanForms(c.HanForms),
		RefuseContent: refused, WarnContent: warned,
		Initiated: a.initiated, Stalled: a.metrics.Stalled, Strays: a.metrics.Strays,
		Sealed: a.metrics.Sealed,
	}
	if a.clock != nil {
		service.ClockOffset = a.clock.Offset
	}
	if sandbox {
		service.Clocks = a.clocks
		if c.Strictness == config.StrictnessReal {
			service.MaxDocument = 10_000_000 // docs/contract.md, 14.13
		}
	}
	a.sign = request.New(service)
	return nil
}

// webhookJWKS returns the public parts of keys as a JWKS.
func webhookJWKS(keys []crypto.Signer) ([]byte, error) {
	var set jose.JSONWebKeySet
	for _, key := range keys {
		public, err := parts.WebhookJWK(key)
		if err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, public)
	}
	return json.Marshal(set)
}

// edges builds the pages.
func (a *App) edges(sandbox bool) error {
	c := &a.Config
	var err error
	if sandbox {
		c.OIDCIssuer = c.PublicURL + "/idp" // the sandbox's own provider
	}
	targets := []string{c.PublicURL}
	if c.OIDCIssuer != "" {
		targets = append(targets, c.OIDCIssuer)
	}
	if a.kit, err = ui.New(ui.Options{
		Now: a.now, Location: request.Singapore(), Sandbox: sandbox, PublicURL: c.PublicURL,
		LoginURLs: targets, Templates: templates(),
	}); err != nil {
		return err
	}
	persons, err := a.keys.Secret("cookies")
	if err != nil {
		return err
	}
	cookies, err := a.keys.Ring("cookies", parts.CookieOverlap)
	if err != nil {
		return err
	}
	a.turns = turnsPerProcessor * runtime.GOMAXPROCS(0)
	a.people = &limit.People{PerMinute: *c.RatePerPerson}
	a.openStreams = &limit.Counts{Each: c.StreamsPerAddress}
	a.portal = &portal.Portal{
		People:   a.people,
		Requests: a.sign, Signers: a.signers, Parties: a.parties, Kit: a.kit, Streams: a.streams(),
		PublicURL: c.PublicURL, Log: a.log,
	}
	if a.clientKeys, err = parts.ClientKeys(a.keys.KeyRing); err != nil {
		return err
	}
	transport, err := config.Transport("oidc_roots", c.OIDCRoots)
	if err != nil {
		return err
	}
	signers := parts.SignerLogin(c, a.clientKeys)
	signers.People = a.people
	signers.Failures = &limit.Failures{PerMinute: *c.FailedLoginsPerAddress}
	signers.Secrets, signers.Ended = cookies.Secrets, a.store
	signers.Transport = a.tracedTransport(a.toProvider(transport))
	signers.Failed, signers.Now, signers.Log = a.portal.LoginFailed, a.now, a.log
	a.login, err = login.New(signers)
	a.portal.Login = a.login
	a.security = &security.Log{Log: a.log, Secret: persons, Now: time.Now}
	a.closers = append(a.closers, func() error {
		a.security.Flush(context.Background())
		return nil
	})
	return err
}

// traced makes a client pass traces on, if there is a collector.
func (a *App) tracedTransport(next http.RoundTripper) http.RoundTripper {
	if a.tracer == nil {
		return next
	}
	return a.tracer.Client(next)
}

// listen opens the listener whose address a key of the configuration has.
func listen(key, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf(
			"%s: %w: another program has this port, such as MockPass or another sandbox; stop it, or choose another address with --%s",
			key, err, key,
		)
	case errors.As(err, new(*net.DNSError)), errors.As(err, new(*net.AddrError)):
		return nil, config.Mistake(fmt.Errorf("%s %w", key, config.AddressError(addr)))
	case err != nil:
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return l, nil
}
