package e2e_test

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/person"
	"github.com/signet-sign/signet/internal/server/control"
	phoneapi "github.com/signet-sign/signet/internal/server/phone"
	personas "github.com/signet-sign/signet/internal/server/sandbox"
	"github.com/signet-sign/signet/internal/server/ui"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// goldenOperator is the user information with which the console of a golden service is used.
const goldenOperator = "MeiLin:juniper-otter-parsec-43"

// service is `signet serve` with an identity provider beside it. Its clock is the test's. Of the
// sandbox it has what does not use the sandbox's control listener.
type service struct {
	*sandbox
	clock *control.Clock
}

// stopped returns a clock that stands still.
func stopped(at time.Time) func() time.Time { return func() time.Time { return at } }

// startService runs the service without a relying party in its configuration.
func startService(
	t *testing.T, data, database string, now func() time.Time, edit func(*config.Config),
) *service {
	t.Helper()
	s := &service{clock: &control.Clock{Base: now}}
	log := slog.New(
		slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelError + 1}),
	)
	_, password, _ := strings.Cut(goldenOperator, ":")
	c := config.Config{
		Listen: freeAddr(t), Control: "127.0.0.1:0", Data: data, Database: database,
		AllowPrivate: true, ConsolePassword: password, AuthorityName: "Signet", LogLevel: "warn",
		SessionLifetime: 30 * time.Minute, UnauthorizedStatus: 400,
		OIDCClientID: providerClient, OIDCClientSecret: providerSecret,
	}
	_, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		t.Fatal(err)
	}
	c.PublicURL = "http://localhost:" + port // browsers have no credentials for addresses
	c.UserVerification = "preferred"
	c.Change = []string{"public_url"} // the last run was at another port
	if edit != nil {
		edit(&c)
	}
	if c.OIDCIssuer == "" {
		c.OIDCIssuer = startProvider(t, c.PublicURL, s.clock.Now, log)
	}
	a, err := app.Open(t.Context(), c, s.clock.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	s.sandbox = &sandbox{
		url: c.PublicURL, control: "http://" + goldenOperator + "@" + a.Control.String(),
		issuer: c.OIDCIssuer, app: a, stop: runApp(t, a),
	}
	return s
}

// What a service is at the provider of [startProvider].
const (
	providerClient = "signet"
	providerSecret = "quartz-heron-lantern-77"
)

// startProvider runs an identity provider with the sandbox's personas for the service at a URL, and
// returns its issuer.
func startProvider(
	t *testing.T, publicURL string, now func() time.Time, log *slog.Logger,
) (issuer string) {
	t.Helper()
	idp := http.NewServeMux()
	server := httptest.NewServer(idp)
	t.Cleanup(server.Close)
	key, keyErr := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	kit, kitErr := ui.New(ui.Options{
		Now: now, PublicURL: server.URL, LoginURLs: []string{publicURL},
		Templates: []ui.Templates{personas.Templates()},
	})
	if err := errors.Join(keyErr, kitErr); err != nil {
		t.Fatal(err)
	}
	issuer = server.URL + "/idp"
	(&personas.Provider{
		Issuer: issuer, ClientID: providerClient, ClientSecret: providerSecret,
		RedirectURL: publicURL + "/login/callback", Key: key, Kit: kit, Now: now,
		Log: log, Personas: personas.Personas(),
	}).Routes(idp)
	return issuer
}

// of is the service before a relying party.
func (s *service) of(p *partytest.Party) *sandbox {
	p.Now = s.clock.Now
	c := *s.sandbox
	c.party = p
	return &c
}

// waitFor waits until the worker has done something.
func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// page is the console's page of a request.
func (s *service) page(t *testing.T, id string) string {
	t.Helper()
	return browse(t, "GET", s.control+"/console/requests/"+id).body
}

// servePhase runs the service and calls live while it runs.
func (w *goldenWriter) servePhase(edit func(*config.Config), live func(s *service)) {
	w.Helper()
	s := startService(w.T, w.dir, w.database, stopped(w.now), func(c *config.Config) {
		w.golden.configure(c)
		if edit != nil {
			edit(c)
		}
	})
	w.s = s.of(w.shop)
	if w.phone != nil {
		w.phone.s, w.phone.device.Origin = w.s, w.s.url
		w.phone.phoneLogin(w.T, alice)
	}
	live(s)
	w.now = s.clock.Now()
	s.stop()
}

// serve makes the content of a database of the service, from the oldest request to golden.At. All
// relying parties are registered in the console, and signers use pages and phones only.
func (w *goldenWriter) serve() {
	if w.database != "" {
		w.KeysPassword = "Heron-Lantern-Quartz-31"
	}
	key := w.shop.Key("ES256")
	der, err := x509.MarshalPKCS8PrivateKey(key.Private)
	w.must(err)
	w.ShopKey = &goldenKey{Kid: key.Kid, Key: der}
	twoPages := pdftest.New(pdftest.Pages(2))
	intended := partytest.Claim("signer_uin_hash", signer.Person{UIN: alice}.Hash())
	junk := func() { w.s.upload(w.T, "junk", pdftest.Minimal()) }
	signed := func(name string) (document string) {
		w.request(name, "signed", w.s, twoPages, places(2, 0.2, 0.2))
		w.approve(w.scanned(name), name)
		waitFor(w.T, name+" is signed", func() bool {
			return w.s.result(w.T, w.in(name)).status == http.StatusOK
		})
		return do(w.T, "GET", w.s.signedResult(w.T, w.in(name)).SignedDocURL, "", "", nil).body
	}
	w.servePhase(nil, func(s *service) {
		w.console("parties", registration(w.shop))
		w.register()
		w.phone = newPhone(w.T, w.s, alice)
		w.phone.device = w.s.device(w.T)
		w.phone.device.Backup = true
		w.phone.enrol(w.T)
		name := url.Values{"phone_id": {w.phone.id}, "name": {"Alice’s phone"}}
		w.phone.post(w.T, "/phone/rename", name).follow(w.T)
		lost := enrolled(w.T, w.s, bob)
		lost.post(w.T, "/phone/revoke", url.Values{"phone_id": {lost.id}}).follow(w.T)
		next := furtherPhone(w.T, w.s, bob)
		w.console("people/lift", url.Values{"phone_id": {next.id}, "reason": {"ticket 12"}})
		w.shop.AnswerWebhooks(func(int) int { return 503 })
		signed("signed-past")
		waitFor(w.T, "a webhook fails", func() bool { return len(w.shop.Webhooks()) > 0 })
		past := w.in("signed-past").RequestID
		w.s.result(w.T, api.Initiated{RequestID: past, ExchangeCode: w.phone.id})
		if a := browse(w.T, "GET", w.s.control+"/console/requests/"+past+"/evidence.zip"); a.status != 200 {
			w.Fatalf("evidence: %d", a.status)
		}
		w.request("expired", "expired", w.s, pdftest.Minimal())
		w.s.cancel(w.T, w.request("cancelled", "cancelled", w.s, pdftest.Minimal()))
		junk()
		w.shop.AnswerWebhooks(func(int) int { return 200 })
		s.clock.Advance(2 * time.Hour)
	})
	w.servePhase(nil, func(s *service) {
		once := signed("signed")
		w.request("created-signed-before", "created", w.s, []byte(once), places(1, 0.5, 0.5))
		w.console("requests/"+w.in("signed").RequestID+"/resend", nil)
		waitFor(w.T, "both webhooks arrive", func() bool {
			sent := w.shop.Webhooks()
			return len(sent) > 1 &&
				payloadOf(w.T, sent[len(sent)-2].Token).RequestID == w.in("signed").RequestID
		})
		w.request("clinic-created", "created", s.of(w.clinic), withFiles(), intended)
		w.request("created", "created", w.s, twoPages, places(1, 0.25, 0.75, 2, 0, 0.9))
		w.request("locked", "locked", w.s, pdftest.Minimal())
		w.s.visitor(w.T).login(w.T, w.in("locked"), bob)
		w.request("session", "session", w.s, pdftest.Minimal())
		desk := w.s.visitor(w.T)
		desk.login(w.T, w.in("session"), alice)
		desk.proceed(w.T, w.in("session"))
		w.request("scanned", "session", w.s, twoPages, places(2, 0.2, 0.2))
		w.scanned("scanned")
		w.console(
			"requests/"+w.request(
				"cancelled-operator", "cancelled", w.s, pdftest.Minimal(),
			)+"/cancel",
			nil,
		)
		s.clock.Advance(5 * time.Minute)
	})
	away := httptest.NewServer(http.NotFoundHandler())
	defer away.Close()
	unstamped := func(c *config.Config) {
		c.TSAURLs, c.TSARoots = config.List{away.URL}, w.root()
	}
	approved := func(s *service, name, state string) {
		w.request(name, state, w.s, pdftest.Minimal())
		w.approve(w.scanned(name), name)
		waitFor(w.T, name+" was tried", func() bool {
			return strings.Contains(
				s.page(w.T, w.in(name).RequestID), "Sealing failed, tried again",
			)
		})
	}
	w.servePhase(
		func(c *config.Config) { unstamped(c); c.SealTimeout = time.Minute },
		func(s *service) {
			approved(s, "stalled", "stalled")
			s.clock.Advance(2 * time.Minute)
			waitFor(w.T, "it stalls", func() bool {
				return strings.Contains(
					s.page(w.T, w.in("stalled").RequestID), "the signature is kept",
				)
			})
		},
	)
	// The next attempt to seal is not due at golden.At, because the clock does not move.
	w.servePhase(unstamped, func(s *service) {
		approved(s, "sealing", "sealing")
		junk()
		moved := registration(w.shop)
		moved.Set("webhook_url", "https://shop.invalid/webhook") // that no other program has
		moved.Set("anyway", "1")
		moved.Set("version", "1")
		w.console("party/"+w.Shop+"/edit", moved)
	})
	w.fourEyes()
	w.failing()
	w.At, w.Version = w.now, 7
	w.snapshot = w.TempDir()
	w.dump()
	w.must(copyTree(w.dir, filepath.Join(w.snapshot, "data")))
}

// fourEyes has an operator propose acts, of which one is being carried out.
func (w *goldenWriter) fourEyes() {
	w.Helper()
	provider := newOperatorProvider(w.T)
	provider.now = func() time.Time { return w.now }
	provider.claims = map[string]any{"sub": "17", "email": "ann@example.test", "groups": "it"}
	c := provider.config(w.T, w.shop, "it=admin")
	c.ConsoleFourEyes = true
	operators := func(own *config.Config) {
		own.Control, own.ConsolePassword, own.ConsoleFourEyes = c.Control, "", true
		own.ConsoleURL, own.ConsoleOIDCIssuer = c.ConsoleURL, c.ConsoleOIDCIssuer
		own.ConsoleOIDCClientID = c.ConsoleOIDCClientID
		own.ConsoleRoleClaim, own.ConsoleRoles = c.ConsoleRoleClaim, c.ConsoleRoles
	}
	w.servePhase(operators, func(s *service) {
		waits := furtherPhone(w.T, w.s, bob)
		ann := newOperator(w.T, c)
		propose := func(path string, form url.Values) {
			w.Helper()
			if a := ann.do("POST", "/console/"+path, form); a.status != http.StatusOK ||
				!strings.Contains(a.body, "Another admin has to approve") {
				w.Fatalf("%s: %d %s", path, a.status, a.body)
			}
		}
		ann.do("GET", "/console/", nil)
		propose("party/"+w.Clinic+"/edit", w.moved())
		propose("people/lift", url.Values{"phone_id": {waits.id}, "reason": {"ticket 13"}})
		propose("people/forget", url.Values{"uin": {"T0066846F"}, "reason": {"ticket 14"}})
	})
	// The process that carries one out has stopped.
	w.opened(func(s *store.Store) {
		all, err := s.PersonProposals(w.Context(), time.Time{})
		w.must(err)
		for _, p := range all {
			if p.Kind == person.Forget {
				w.must(s.ClaimProposal(w.Context(), p.ID, w.now, w.now.Add(10*time.Minute)))
			}
		}
	})
}

// opened calls do with the store of the database.
func (w *goldenWriter) opened(do func(s *store.Store)) {
	w.Helper()
	s, err := store.Open(w.Context(), store.Options{
		Database: cmp.Or(w.database, filepath.Join(w.dir, "signet.db")), Kind: store.Service,
	})
	w.must(err)
	do(s)
	w.must(s.Close())
}

// failing makes the webhooks of one party fail until they are held, and those of another until they
// are paused.
func (w *goldenWriter) failing() {
	w.Helper()
	fails := func(s *store.Store, client string, every time.Duration) {
		w.must(s.ChangeReceiver(
			w.Context(), client, func(r *party.Receiver) (*party.Change, error) {
				for ago := 5 * every; ago >= 0; ago -= every {
					r.Fail(w.now.Add(-ago))
				}
				return nil, nil
			},
		))
	}
	w.opened(func(s *store.Store) {
		fails(s, w.Clinic, time.Minute)
		fails(s, "closed-for-good", 25*time.Hour)
	})
}

// root is a file with the certificate of the root.
func (w *goldenWriter) root() string {
	w.Helper()
	path := filepath.Join(w.dir, "authority", "root.crt")
	if w.KeysPassword == "" {
		return path
	}
	path = filepath.Join(w.TempDir(), "root.crt")
	w.opened(func(s *store.Store) {
		b, err := s.KeyFiles("authority").Read("root.crt")
		w.must(errors.Join(err, os.WriteFile(path, b, 0o600)))
	})
	return path
}

// dump copies a PostgreSQL database.
func (w *goldenWriter) dump() {
	w.Helper()
	if w.database == "" {
		return
	}
	program := tool(w.T, "pg_dump", "postgresql-client")
	arguments := []string{"--inserts", "--no-owner", "--no-privileges", w.database}
	dump, err := exec.Command(program, arguments...).Output()
	w.must(err)
	commands := func(line string) bool { return strings.HasPrefix(line, `\`) } // for psql
	text := strings.Join(slices.DeleteFunc(strings.SplitAfter(string(dump), "\n"), commands), "")
	w.must(os.WriteFile(filepath.Join(w.snapshot, "dump.sql"), []byte(text), 0o600))
}

// startGolden runs today's service on a copy of a golden database. The shop signs with the key that
// is in the database; the URL of its keys does not answer.
func startGolden(t *testing.T, c *goldenCopy, at time.Time) (*service, *sandbox) {
	t.Helper()
	s := startService(t, c.data, c.database, stopped(at), c.configure)
	shop := partytest.Start(t)
	shop.ClientID = c.Shop
	key, err := x509.ParsePKCS8PrivateKey(c.ShopKey.Key)
	if err != nil {
		t.Fatal(err)
	}
	shop.UseKey(partytest.Key{Alg: "ES256", Kid: c.ShopKey.Kid, Private: key.(*ecdsa.PrivateKey)})
	return s, s.of(shop)
}

// TestGoldenService runs today's service on every golden database of the service. Relying parties
// and the keys that were fetched of them are in the database only.
func TestGoldenService(t *testing.T) {
	operations := map[string]func(t *testing.T, c *goldenCopy){
		"cancel": func(t *testing.T, c *goldenCopy) {
			_, shop := startGolden(t, c, c.At)
			for name, r := range c.Requests {
				want := cancels[r.State]
				if r.Party != c.Shop {
					want = "CLIENT_SIDE_ERROR"
				}
				if got := codeOf(t, shop.cancel(t, r.RequestID)); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		},
		"result": func(t *testing.T, c *goldenCopy) {
			_, shop := startGolden(t, c, c.At)
			for name, r := range c.Requests {
				want := results[r.State]
				switch {
				case r.Party != c.Shop:
					want = "UNAUTHORIZED"
				case name == "signed-past":
					want = "SIGNED_ACCESS_EXPIRED"
				case r.State == "stalled":
					want = "DOCUMENT_NOT_SIGNED"
				}
				if got := codeOf(t, shop.result(t, r.Initiated)); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		},
		"sign": func(t *testing.T, c *goldenCopy) {
			s, shop := startGolden(t, c, c.At)
			p := (&goldenSandbox{sandbox: shop, golden: c.golden}).phone(t)
			p.get(t, "/phone/").shows(t, 200, "Alice’s phone")
			desk := s.visitor(t)
			places := map[string]int{"scanned": 1, "session": 1, "created": 2}
			for _, name := range slices.Sorted(maps.Keys(places)) {
				in := c.Requests[name].Initiated
				in.SigningURL = s.url + "/sign/" + in.RequestID // it was at another port
				desk.login(t, in, alice)
				if name == "created" {
					desk.proceed(t, in)
				}
				session := p.scan(t, desk, in)
				var challenge phoneapi.SignChallenge
				p.call(t, session+"/challenge", nil, &challenge)
				if (challenge.CredentialID != "") != (p.device != nil) {
					t.Errorf("%s: the credential is %q", name, challenge.CredentialID)
				}
				approval := p.approval(t, challenge)
				if a := p.call(t, session+"/approve", approval, nil); a.status != 200 {
					t.Fatalf("%s: %d %s", name, a.status, a.body)
				}
				waitFor(t, name+" is signed", func() bool {
					return shop.result(t, in).status == http.StatusOK
				})
				signed := do(t, "GET", shop.signedResult(t, in).SignedDocURL, "", "", nil)
				pdfsig(t, []byte(signed.body), places[name])
			}
		},
		"seal": func(t *testing.T, c *goldenCopy) {
			s, shop := startGolden(t, c, c.At)
			in := c.Requests["stalled"].Initiated
			s.submit(t, "/console/requests/"+in.RequestID+"/seal", nil).follow(t)
			s.clock.Advance(time.Minute)
			for _, in := range []api.Initiated{in, c.Requests["sealing"].Initiated} {
				waitFor(t, "it is sealed", func() bool {
					return shop.result(t, in).status == http.StatusOK
				})
			}
		},
		"console": func(t *testing.T, c *goldenCopy) {
			s, _ := startGolden(t, c, c.At)
			without := strings.Replace(s.control, goldenOperator+"@", "", 1)
			if a := browse(t, "GET", without+"/console/"); a.status != http.StatusUnauthorized {
				t.Errorf("the console without a password: %d", a.status)
			}
			for path, text := range map[string]string{
				"party/" + c.Shop: "shop.invalid", "party/" + c.Clinic: "Clinic by the Sea",
				"party/closed-for-good": "MeiLin", "calls?refused=1": "UNAUTHORIZED",
				"requests": c.Requests["stalled"].RequestID,
			} {
				if a := browse(t, "GET", s.control+"/console/"+path); a.status != 200 ||
					!strings.Contains(a.body, text) {
					t.Errorf("%s: %d without %q", path, a.status, text)
				}
			}
			for name, r := range c.Requests {
				if !strings.Contains(s.page(t, r.RequestID), name+".pdf") {
					t.Errorf("%s has no page", name)
				}
				a := browse(t, "GET", s.control+"/console/requests/"+r.RequestID+"/evidence.zip")
				if a.status != 200 {
					t.Errorf("the evidence of %s: %d", name, a.status)
				}
			}
		},
		"time": func(t *testing.T, c *goldenCopy) {
			s, _ := startGolden(t, c, c.At.Add(2*time.Hour))
			for name, r := range c.Requests {
				want := r.State
				switch r.State {
				case "created", "locked", "session":
					want = "expired"
				case "sealing":
					want = "signed"
				}
				waitFor(t, name+" is "+want, func() bool {
					list := browse(t, "GET", s.control+"/console/requests?state="+want).body
					return strings.Contains(list, r.RequestID)
				})
			}
		},
	}
	eachGoldenOf(t, ofService, func(t *testing.T, open func(testing.TB) *goldenCopy) {
		for name, operation := range operations {
			t.Run(name, func(t *testing.T) { operation(t, open(t)) })
		}
	})
}

// codeOf is the code of a refusal; empty: the call succeeded.
func codeOf(t *testing.T, a answer) string {
	t.Helper()
	if a.status == http.StatusOK {
		return ""
	}
	return refusalOf(t, a).Code
}
