package app

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/errgroup"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/safehttp"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/server/login"
	"github.com/signet-sign/signet/internal/server/pki"
	"github.com/signet-sign/signet/pades"
)

const (
	lowSpace    = 1 << 30 // bytes; below it checkDisk warns
	slowQuery   = 50 * time.Millisecond
	endingSoon  = 90 * 24 * time.Hour // of a certificate of the authority
	renewedSoon = 14 * 24 * time.Hour // of a TLS certificate
	callTimeout = 10 * time.Second    // of a call to another server
)

func checkServer(ctx context.Context, s *subject) Finding {
	server, err := s.store.Server(ctx)
	text := fmt.Sprintf(
		"%s, %s for a query", server.Version, server.Latency.Round(time.Microsecond),
	)
	switch {
	case err != nil:
		return faulty(err, databaseRemedy(err), "")
	case server.ReadOnly:
		return faulty(
			fmt.Errorf("%s takes no changes", server.Version),
			"name the primary server in database, or several hosts with target_session_attrs=read-write",
			"",
		)
	case server.Losing != "":
		return faulty(
			fmt.Errorf("%s: a crash can lose changes that were acknowledged", server.Losing),
			"set it to on for the server, and remove it from the URL in database", "",
		)
	case server.Latency > slowQuery:
		return warning("run the database in the same data centre as the nodes", "%s", text)
	}
	return ok("%s", text)
}

func checkDisk(_ context.Context, s *subject) Finding {
	path := s.config.Data
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		path = filepath.Dir(filepath.Clean(path))
	}
	free, err := s.free(path)
	switch text := fmt.Sprintf("%.1f GiB are free for %s", float64(free)/(1<<30), path); {
	case err != nil:
		return faulty(err, "make the folder in data, or correct data", "")
	case free < lowSpace:
		return warning(
			"free space, or enlarge the disk: below 64 MiB uploads are refused", "%s", text,
		)
	default:
		return ok("%s", text)
	}
}

// checkOwner looks for files of the data folder that another user owns, as after a command of root.
// The service, which is the user that owns the folder, cannot read them.
func checkOwner(_ context.Context, s *subject) Finding {
	data := s.config.Data
	info, err := os.Stat(data)
	if err != nil {
		return faulty(err, "make the folder in data, or correct data", "")
	}
	want, known := owner(info)
	var others []string
	for _, folder := range []string{"", "keys", "authority", "documents"} {
		entries, err := os.ReadDir(filepath.Join(data, folder))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return faulty(err, "give the folder to the service's user", "")
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				continue // it was removed in the meantime
			}
			if uid, ok := owner(info); known && ok && uid != want {
				others = append(others, filepath.Join(folder, e.Name()))
			}
		}
	}
	if len(others) == 0 {
		return ok("all files in %s have the owner of the folder", data)
	}
	return faulty(
		fmt.Errorf(
			"%d files in %s have another owner than the folder, such as %s", len(others), data,
			others[0],
		),
		"chown -R the folder to the service's user",
		"",
	)
}

// checkCertificates looks when the certificates of the authority end.
func checkCertificates(_ context.Context, s *subject) (list []Finding) {
	dir := filepath.Join(s.config.Data, "authority")
	files, err := filepath.Glob(filepath.Join(dir, "*.crt"))
	if err != nil {
		return []Finding{faulty(err, "", "")}
	}
	ends := map[string]*x509.Certificate{} // of each role the last to end
	for _, file := range files {
		role, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".crt"), "-")
		cert, err := readCertificate(file)
		if err != nil {
			list = append(list, faulty(err, "restore the file from a backup", ""))
			continue
		}
		if known := ends[role]; known == nil || cert.NotAfter.After(known.NotAfter) {
			ends[role] = cert
		}
	}
	for _, role := range []string{"root", "issuing", "ocsp", "tsa"} {
		cert := ends[role]
		if cert == nil && role == "tsa" && len(s.config.TSAURLs) > 0 && ca.Offline(dir) {
			continue
		}
		if cert == nil {
			list = append(list, faulty(
				fmt.Errorf("there is no certificate of %s in %s", role, dir),
				"restore the folder authority from a backup", "",
			))
			continue
		}
		remedy := "give the authority a successor (docs/operating.md)"
		if role != "root" {
			remedy = "signet ca rotate --part " + role
		}
		text := fmt.Sprintf("%s until %s", role, cert.NotAfter.UTC().Format(time.DateOnly))
		switch left := cert.NotAfter.Sub(s.now()); {
		case left <= 0:
			list = append(list, faulty(fmt.Errorf("%s: it has ended", text), remedy, ""))
		case left < endingSoon:
			list = append(list, warning(remedy, "%s: it ends soon", text))
		default:
			list = append(list, ok("%s", text))
		}
	}
	return list
}

// authority opens the authority of the data folder, and creates nothing.
func (s *subject) authority() (*ca.Authority, error) {
	c := s.config
	o := c.authorityOptions(false, s.now)
	o.Keep = true
	return ca.Open(c.authorityFolder(), o)
}

const stampRemedy = "check tsa_urls and the firewall; tsa_roots needs the root of the authority's certificate, and tsa_policy a policy that it has"

// checkAuthorities takes a timestamp from each external authority.
func checkAuthorities(ctx context.Context, s *subject) (list []Finding) {
	if len(s.config.TSAURLs) == 0 {
		return []Finding{ok("the built-in authority")}
	}
	authority, err := s.authority()
	if err != nil {
		return nil // checkSignature reports it
	}
	all, err := newStamps(s.config, authority, serviceEvidence{authority}, s.now)
	if err != nil {
		return []Finding{faulty(err, stampRemedy, "")}
	}
	digest := sha256.Sum256(testDocument)
	failed := 0
	for _, client := range all.external {
		begin := time.Now()
		_, err := client.Timestamp(ctx, digest[:])
		f := faulty(shown(err), stampRemedy, fmt.Sprintf("answered in %s", since(begin)))
		f.Text = host(client.URL) + ": " + f.Text
		if err != nil {
			failed++
		}
		list = append(list, f)
	}
	if failed < len(list) { // another one answers
		for i := range list {
			if list[i].Level == Fault {
				list[i].Level = Warning
			}
		}
	}
	return list
}

// testDocument is what checkSignature signs.
//
//go:embed test.pdf
var testDocument []byte

// checkSignature signs, timestamps and verifies a document at the level of the configuration. The
// signer's certificate is of an authority that exists for this check only, because the deployment's
// authority certifies persons.
func checkSignature(ctx context.Context, s *subject) Finding {
	begin := time.Now()
	level, err := s.sign(ctx)
	return faulty(
		shown(err),
		"the findings on keys, certificates and timestamps say what is wrong",
		fmt.Sprintf(
			"signed, timestamped and verified a test document of level %s in %s", level,
			since(begin),
		),
	)
}

func (s *subject) sign(ctx context.Context) (level pades.Level, err error) {
	authority, err := s.authority()
	if err != nil {
		return level, err
	}
	dir, err := os.MkdirTemp("", "signet-doctor-*")
	if err != nil {
		return level, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	other, err := ca.Open(dir, ca.Options{
		Name: "Signet doctor", BaseURL: s.config.PublicURL + pki.Base, Now: s.now,
		Rand: rand.Reader,
	})
	if err != nil {
		return level, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return level, err
	}
	cert, err := other.IssueSigner(
		ca.Subject{UIN: "S0000001I", Name: "Signet doctor"}, &key.PublicKey,
	)
	if err != nil {
		return level, err
	}
	all, err := newStamps(
		s.config, authority, sources{serviceEvidence{authority}, valid{other}}, s.now,
		other.Chain()...,
	)
	if err != nil {
		return level, err
	}
	original := bytes.NewReader(testDocument)
	p, err := pades.Prepare(original, original.Size(), pades.Options{
		Locations: []pades.Location{{Page: 1, X: 0.1, Y: 0.5}}, FieldName: "doctor",
		SignerName: cert.Subject.CommonName, SignedAt: s.now(), Rand: rand.Reader,
	})
	if err != nil {
		return level, err
	}
	digest := sha256.Sum256(p.SignedAttributes(cert))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		return level, err
	}
	o := pades.SealOptions{
		Chain: append([]*x509.Certificate{cert}, other.Chain()...), Timestamper: all.source,
		Known: all.known, NoDocumentTimestamp: s.config.level() < pades.LevelLTA,
		TimestampField: "doctor-timestamp", Rand: rand.Reader,
	}
	if s.config.level() > pades.LevelT {
		o.Evidence = all.evidence
	}
	appended, level, err := pades.Seal(ctx, original, p, signature, o)
	if err != nil {
		return level, err
	}
	signed := bytes.NewReader(slices.Concat(testDocument, appended))
	report, err := pades.Verify(signed, signed.Size(), pades.VerifyOptions{
		Roots: other.Roots(), TSARoots: all.roots, Now: s.now(),
	})
	if err != nil {
		return level, err
	}
	return level, report.Meets(pades.Expectation{
		Prepared: p, Certificate: cert, Level: s.config.level(),
	})
}

// valid is the evidence about the certificates of an authority that has revoked none.
type valid struct{ *ca.Authority }

func (v valid) Evidence(
	ctx context.Context, certs []*x509.Certificate,
) (responses, crls [][]byte, err error) {
	return v.Authority.Evidence(ctx, certs, noneRevoked{})
}

type noneRevoked struct{}

func (noneRevoked) Status(context.Context, *big.Int) (ca.Status, error) {
	return ca.Status{Known: true}, nil
}
func (noneRevoked) Revoked(context.Context) ([]ca.Revoked, error) { return nil, nil }

// checkLogin asks the OpenID providers of signers and of operators.
func checkLogin(ctx context.Context, s *subject) (list []Finding) {
	c := s.config
	if c.OIDCIssuer == "" {
		list = append(list, warning("set oidc_issuer", "no signer can log in"))
	} else {
		list = append(list, s.checkProvider(ctx, "oidc", login.Config{
			Issuer: c.OIDCIssuer, ClientID: c.OIDCClientID, ClientSecret: c.OIDCClientSecret,
			PublicURL: c.PublicURL,
		}))
	}
	if c.ConsoleOIDCIssuer != "" {
		f := s.checkProvider(ctx, "console_oidc", login.Config{
			Issuer: c.ConsoleOIDCIssuer, ClientID: c.ConsoleOIDCClientID,
			ClientSecret: c.ConsoleOIDCClientSecret, PublicURL: c.ConsoleURL,
			Callback: "/console/login/callback",
		})
		f.Check = "console login"
		list = append(list, f)
	}
	return list
}

func (s *subject) checkProvider(ctx context.Context, key string, c login.Config) Finding {
	if c.ClientID == "" {
		return faulty(
			errors.New("the provider knows no client"), fmt.Sprintf("set %s_client_id", key), "",
		)
	}
	// no cookie is made
	c.Secrets, c.Now = func() [][]byte { return [][]byte{make([]byte, 32)} }, s.now
	l, err := login.New(c)
	if err != nil {
		return faulty(err, "", "")
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err = l.Check(ctx)
	remedy := fmt.Sprintf(
		"set %s_issuer to the issuer as the provider writes it, and let this machine reach it", key,
	)
	if errors.Is(err, login.ErrClient) {
		remedy = fmt.Sprintf(
			"set %[1]s_client_id, and %[1]s_client_secret or its file, to those of the provider",
			key,
		)
	}
	return faulty(shown(err), remedy, host(c.Issuer)+" answers, and accepts the client")
}

// checkExposure finds what is open to others.
func checkExposure(_ context.Context, s *subject) (list []Finding) {
	c := s.config
	if c.Control != "" && !isLoopback(hostOf(c.Control)) && !c.console() && c.MetricsToken == "" {
		list = append(list, warning(
			"set metrics_token, or a loopback address as control",
			"/metrics on %s is open to every machine of the network", c.Control,
		))
	}
	if c.Control == "" {
		list = append(list, warning(
			"set control to a loopback address, such as 127.0.0.1:8081",
			"there is no control listener, and so no /readyz, no metrics and no console",
		))
	}
	if strings.HasPrefix(c.PublicURL, "https://") && len(c.TrustedProxies) == 0 {
		list = append(list, warning(
			"set trusted_proxies to the addresses of the proxy that ends TLS",
			"limits and security events take the proxy's address for that of every client",
		))
	}
	for _, r := range risks() {
		if why := r.found(c); why != "" { // a start would refuse it without unsafe
			list = append(list, warning(r.remedy, "%s is unsafe: %s", r.key, why))
		}
	}
	if c.AllowPrivate {
		list = append(list, warning(
			"remove allow_private unless all relying parties are on this network",
			"JWKS and webhooks of relying parties may lead to private addresses",
		))
	}
	return list
}

// checkProxy looks what answers at the listener's address and at the public URL.
func checkProxy(ctx context.Context, s *subject) (list []Finding) {
	key, err := s.config.existingKey(s.config.serviceKeys()[0])
	if err != nil {
		return nil // checkKeys reports it
	}
	public, err := webhookJWK(key)
	if err != nil {
		return nil
	}
	client := &http.Client{
		Timeout:       callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives: true, Proxy: nil, ExpectContinueTimeout: callTimeout,
		},
	}
	find := func(check string, f Finding) {
		f.Check = check
		list = append(list, f)
	}
	ours, err := s.serves(ctx, client, "http://"+dialable(s.listen), public.KeyID)
	switch {
	case !ours && err == nil:
		find("listen", faulty(
			fmt.Errorf("another program answers on %s", s.listen),
			"stop that program, or set listen to another address", "",
		))
		return list
	case !ours:
		find("listen", ok("no program has %s: the service does not run", s.listen))
		if _, err := s.serves(ctx, client, "http://"+dialable(s.config.Control), ""); err == nil &&
			s.config.Control != "" {
			find("control", faulty(
				fmt.Errorf("another program answers on %s", s.config.Control),
				"stop that program, or set control to another address", "",
			))
		}
		return list
	}
	find("listen", ok("the service runs"))

	ours, err = s.serves(ctx, client, s.config.PublicURL, public.KeyID)
	switch {
	case err != nil:
		find("public_url", faulty(
			shown(err), "check DNS, the proxy and its certificate, and let this machine reach it",
			"",
		))
		return list
	case !ours:
		find("public_url", faulty(
			errors.New("another program, or another deployment, answers there"),
			"let the proxy lead to listen, and DNS to the proxy", "",
		))
		return list
	}
	find("public_url", ok("the service answers there"))
	if f := checkUploads(ctx, client, s.config.PublicURL); f.Level != "" {
		find("public_url", f)
	}
	if f := s.checkEnd(ctx); f.Level != "" {
		find("public_url", f)
	}
	return list
}

// dialable is the address at which this machine reaches a listener.
func dialable(listen string) string {
	host, port, _ := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// serves reports whether the service with this webhook key answers at a base URL.
func (s *subject) serves(
	ctx context.Context, client *http.Client, base, keyID string,
) (bool, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+api.PathKeys, nil)
	if err != nil {
		return false, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	var set jose.JSONWebKeySet
	err = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&set)
	return err == nil && len(set.Key(keyID)) > 0, nil
}

// checkUploads announces an upload that nginx refuses by default.
func checkUploads(ctx context.Context, client *http.Client, base string) (f Finding) {
	const size = 9 << 20
	r, err := http.NewRequestWithContext(
		ctx, http.MethodPost, base+api.BasePath+api.PathRequest, io.LimitReader(zeros{}, size),
	)
	if err != nil {
		return f
	}
	r.ContentLength = size
	r.Header.Set("Expect", "100-continue") // the body is sent if the proxy wants it
	resp, err := client.Do(r)
	if err != nil {
		return f // the service does not want the body, because there is no token
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusRequestEntityTooLarge {
		return faulty(
			errors.New("the proxy refuses an upload of 9 MiB (413)"),
			"let it pass bodies of 10 MiB (nginx: client_max_body_size 10m)", "",
		)
	}
	return f
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// checkEnd looks when the certificate of the public URL ends.
func (s *subject) checkEnd(ctx context.Context) (f Finding) {
	policy := s.config.policy(callTimeout)
	policy.AllowPrivate = true // the operator chose the URL
	found, err := policy.Reach(ctx, s.config.PublicURL)
	if err != nil || found.TLS == "" || found.NotAfter.Sub(s.now()) > renewedSoon {
		return f
	}
	return warning(
		"renew it", "its certificate ends on %s", found.NotAfter.UTC().Format(time.DateOnly),
	)
}

// checkParties fetches the keys of each relying party, and connects to its webhook's host.
func checkParties(ctx context.Context, s *subject) []Finding {
	configured, _, err := s.config.registered()
	if err != nil {
		return nil // as the configuration's check says
	}
	registry, err := party.NewRegistry(s.config.policy(0), configured...)
	if err == nil && s.store != nil {
		err = registry.Open(ctx, s.store)
	}
	if err != nil {
		return []Finding{faulty(err, databaseRemedy(err), "")}
	}
	parties := registry.All()
	found := make([][]Finding, len(parties))
	var all errgroup.Group
	all.SetLimit(8)
	for i, p := range parties {
		all.Go(func() error {
			found[i] = s.checkParty(ctx, p)
			return nil
		})
	}
	_ = all.Wait()
	if len(parties) == 0 {
		return []Finding{warning("register one in the console or in parties", "there is none")}
	}
	return slices.Concat(found...)
}

func (s *subject) checkParty(ctx context.Context, p *party.Party) (list []Finding) {
	find := func(f Finding) {
		f.Check = "relying party " + p.ClientID
		list = append(list, f)
	}
	if p.Problem != nil {
		find(faulty(shown(p.Problem), "correct its registration: its calls are refused", ""))
		return list
	}
	if p.Disabled {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	d := party.Diagnoser{Policy: s.config.policy(callTimeout)}.Diagnose(ctx, p)
	if err := cmp.Or(d.KeysErr, noKey(d)); err != nil {
		find(faulty(
			fmt.Errorf("its JWKS: %w", shown(err)), orPrivate(
				err,
				"correct jwks_url, or let the relying party publish its keys there: its calls are refused",
			), "",
		))
	}
	switch {
	case d.WebhookErr != nil:
		find(faulty(
			fmt.Errorf("its webhook: %w", shown(d.WebhookErr)), orPrivate(d.WebhookErr,
				"correct webhook_url, or let the relying party start its receiver"), "",
		))
	case d.Webhook.TLS != "" && d.Webhook.NotAfter.Sub(s.now()) < renewedSoon:
		find(warning(
			"let the relying party renew it", "the certificate of its webhook ends on %s",
			d.Webhook.NotAfter.UTC().Format(time.DateOnly),
		))
	}
	if len(list) == 0 {
		find(ok("%d usable keys, and its webhook's host answers", len(d.Keys)))
	}
	return list
}

// orPrivate returns the remedy for a URL of a relying party.
func orPrivate(err error, remedy string) string {
	if errors.Is(err, safehttp.ErrAddress) || errors.Is(err, safehttp.ErrURL) {
		return "correct the URL, or set allow_private if the relying party is on this network"
	}
	return remedy
}

// noKey returns an error if a JWKS that was fetched has no key to verify a token with.
func noKey(d party.Diagnosis) error {
	if slices.ContainsFunc(d.Keys, func(k party.KeyInfo) bool { return !k.Twice }) {
		return nil
	}
	return errors.New("it has no usable key")
}

// shown returns an error with the text that the console shows for it; nil for nil.
func shown(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(console.PlainError(err))
}

// host returns the host of a URL, whose path and query may be secret.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(not a URL)"
	}
	return u.Host
}

func since(begin time.Time) time.Duration { return time.Since(begin).Round(time.Millisecond) }
