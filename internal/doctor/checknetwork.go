package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/server/login"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
)

const (
	renewedSoon = 14 * 24 * time.Hour // before the end of a TLS certificate
	callTimeout = 10 * time.Second    // of a call to another server
)

// checkLogin asks the OpenID providers of signers and of operators.
func checkLogin(ctx context.Context, s *Service) (list []Finding) {
	c := s.Config
	if c.OIDCIssuer == "" {
		list = append(list, warning("set oidc_issuer", "no signer can log in"))
	} else {
		list = append(list, s.checkProvider(ctx, "oidc", c.OIDCRoots, parts.SignerLogin))
	}
	if c.ConsoleOIDCIssuer != "" {
		f := s.checkProvider(ctx, "console_oidc", c.ConsoleOIDCRoots, parts.ConsoleLogin)
		f.Check = "console login"
		list = append(list, f)
	}
	return list
}

func (s *Service) checkProvider(
	ctx context.Context, key, caFile string,
	configured func(*config.Config, *login.Keys) login.Config,
) Finding {
	var keys *login.Keys
	dir, err := parts.ExistingKeys(s.Config, s.Store)
	fresh := s.ID == "" && errors.Is(err, fs.ErrNotExist) // before the first start
	if err != nil && !fresh {
		return faulty(err, "restore the folder of keys from a backup", "")
	}
	if !fresh {
		defer dir.Protection().Close()
		keys, err = parts.ClientKeys(dir.ExistingKeyRing)
		if errors.Is(err, fs.ErrNotExist) {
			return faulty(err, "start the service, which makes its keys for OpenID Connect", "")
		}
		if err != nil {
			return faulty(err, "the finding on this key says what to do", "")
		}
	}
	c := configured(s.Config, keys)
	if fresh && c.ClientSecret == "" {
		return warning(
			"start the service, which makes them, register the JWKS at the provider, and run signet doctor again",
			"the client of %s has no keys yet", host(c.Issuer),
		)
	}
	if c.ClientID == "" {
		return faulty(
			errors.New("the provider knows no client"), fmt.Sprintf("set %s_client_id", key), "",
		)
	}
	if c.Transport, err = config.Transport(key+"_roots", caFile); err != nil {
		return faulty(err, fmt.Sprintf("set %s_roots to a readable PEM file", key), "")
	}
	var ahead time.Duration // of this machine's clock
	next := c.Transport
	c.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		answer, err := next.RoundTrip(r)
		if err == nil {
			ahead = s.ahead(answer.Header)
		}
		return answer, err
	})
	// no cookie is made
	c.Secrets, c.Now = func() [][]byte { return [][]byte{make([]byte, 32)} }, s.Now
	l, err := login.New(c)
	if err != nil {
		return faulty(err, fmt.Sprintf("correct the keys that begin with %s", key), "")
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err = l.Check(ctx)
	remedy := fmt.Sprintf(
		"set %s_issuer to the issuer as the provider writes it, and let this machine reach it", key,
	)
	switch {
	case errors.Is(err, login.ErrClient) && c.ClientSecret == "":
		remedy = fmt.Sprintf(
			"set %[1]s_client_id to that of the provider, and register there the JWKS %[2]s, or set %[1]s_client_secret",
			key,
			s.Config.PublicURL+parts.ClientKeysPath,
		)
	case errors.Is(err, login.ErrClient):
		remedy = fmt.Sprintf(
			"set %[1]s_client_id, and %[1]s_client_secret or its file, to those of the provider",
			key,
		)
	case errors.Is(err, login.ErrRequest):
		remedy = fmt.Sprintf(
			"register the redirect URI %s at the provider, and set %s_scopes to scopes of the client",
			c.PublicURL+c.Callback,
			key,
		)
	case errors.Is(err, login.ErrNoDecryption):
		remedy = "run signet secret rotate oidc, which makes a key that does, and let the provider fetch " +
			"the JWKS again"
	case errors.Is(err, login.ErrProfile):
		remedy = fmt.Sprintf(
			"set %[1]s_profile and %[1]s_encrypted to what the provider offers (without "+
				"%[1]s_client_secret the client authenticates by its key), or let it offer this", key,
		)
	case errors.As(err, new(x509.UnknownAuthorityError)):
		remedy = fmt.Sprintf(
			"set %s_roots to a PEM file with the authority of the provider's certificate, if that is "+
				"not a public one", key,
		)
	}
	if errors.Is(err, login.ErrOffer) { // its list may not be complete
		return warning(
			fmt.Sprintf(
				"set %[1]s_scopes, %[1]s_acr_values and the names of claims to what the "+
					"provider offers, or let it offer them",
				key,
			), "%v", shown(err),
		)
	}
	if err == nil && ahead != 0 {
		return warning(
			"synchronise the clock of this machine, as by chrony, or the provider's",
			"the clock of this machine is ahead of that of %s by %s: ID tokens are refused",
			host(c.Issuer), ahead,
		)
	}
	return faulty(shown(err), remedy, host(c.Issuer)+" answers, and accepts the client")
}

// checkExposure finds what is open to others.
func checkExposure(_ context.Context, s *Service) (list []Finding) {
	c := s.Config
	if c.Control != "" && !config.IsLoopback(config.HostOf(c.Control)) && !c.HasConsole() && c.MetricsToken == "" {
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
	if strings.HasPrefix(c.PublicURL, "https://") && !c.EndsTLS() && len(c.TrustedProxies) == 0 {
		list = append(list, warning(
			"set trusted_proxies to the addresses of the proxy that ends TLS",
			"limits and security events take the proxy's address for that of every client",
		))
	}
	for _, p := range c.Proxies() {
		if p.Bits() == 0 {
			list = append(list, warning(
				"set trusted_proxies to the addresses of the proxies",
				"%s trusts every client to say what its address is: limits and security events go by that", p,
			))
		}
	}
	if u, err := url.Parse(c.PublicURL); err == nil && u.Scheme == "https" &&
		config.IsLoopback(u.Hostname()) {
		list = append(list, warning(
			"set public_url before the first start to the name at which signers' phones reach the service",
			"public_url is an address of this machine, which no phone can reach",
		))
	}
	if u, err := url.Parse(c.PublicURL); err == nil && net.ParseIP(u.Hostname()) != nil &&
		!config.IsLoopback(u.Hostname()) && c.UserVerification != string(signer.VerificationOff) {
		list = append(list, warning(
			"set public_url before the first start to a host name, or user_verification to off",
			"public_url has an address, for which browsers have no credentials: no phone verifies its owner",
		))
	}
	if c.Data != "" && !filepath.IsAbs(c.Data) {
		list = append(list, warning(
			"set data to a path that begins with /",
			"data %q is another folder for a program that is started elsewhere", c.Data,
		))
	}
	isAdmin := func(role string) bool { return strings.HasSuffix(role, "=admin") }
	if c.ConsoleOIDCIssuer != "" && c.ConsolePassword == "" &&
		!slices.ContainsFunc(c.ConsoleRoles, isAdmin) {
		list = append(list, warning(
			"give a value of console_role_claim the role admin in console_roles",
			"no operator can be an admin, who registers relying parties",
		))
	}
	if hosts := store.PlainHosts(c.Database); len(hosts) > 0 {
		list = append(list, warning(
			"add sslmode=verify-full to the URL in database, and sslrootcert if needed",
			"the connection to the database at %s may be in clear text", strings.Join(hosts, ", "),
		))
	}
	for _, r := range c.Risks() { // a start would refuse them without unsafe
		list = append(list, warning(r.Remedy, "%s is unsafe: %s", r.Key, r.Why))
	}
	if c.AllowPrivate {
		list = append(list, warning(
			"remove allow_private, and set it for the relying parties that are on this network",
			"JWKS and webhooks of relying parties may lead to private addresses",
		))
	}
	return list
}

// otherFiles is how many files and sockets a node has open beside the connections of one listener.
const otherFiles = 512

// checkLimits finds limits that the service cannot keep, or that refuse what it is for.
func checkLimits(_ context.Context, s *Service) (list []Finding) {
	c := s.Config
	for _, limit := range []struct {
		key string
		mib int
	}{{"upload_mib_per_party", c.UploadMiBPerParty}, {"upload_mib", c.UploadMiB}} {
		if limit.mib > 0 && limit.mib<<20 < api.MaxDocumentBytes {
			list = append(list, warning(
				fmt.Sprintf("set %s to %d or more", limit.key, (api.MaxDocumentBytes+1<<20-1)>>20),
				"%s is %d: larger documents are always refused (429)", limit.key, limit.mib,
			))
		}
	}
	if files := s.OpenFiles(); c.Connections > 0 && files < uint64(c.Connections)+otherFiles {
		list = append(list, warning(
			"raise it (LimitNOFILE of the unit, ulimit -n), or set connections to less",
			"%d files and connections can be open, and connections allows %d: beyond the limit the "+
				"service cannot open its database or documents", files, c.Connections,
		))
	}
	return list
}

// checkProxy looks what answers at the listener's address and at the public URL.
func checkProxy(ctx context.Context, s *Service) (list []Finding) {
	key, err := s.existingKey(webhookService)
	if err != nil {
		return nil // checkKeys reports it
	}
	public, err := parts.WebhookJWK(key)
	if err != nil {
		return nil
	}
	client := &http.Client{
		Timeout: callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &http.Transport{
			DisableKeepAlives: true, Proxy: nil, ExpectContinueTimeout: callTimeout,
		},
	}
	find := func(check string, f Finding) {
		f.Check = check
		list = append(list, f)
	}
	// Whose listener this is, its key says; its certificate is for another name.
	local := *client
	local.Transport = &http.Transport{
		DisableKeepAlives: true, Proxy: nil, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	if u, err := url.Parse(s.Config.PublicURL); err == nil { // for which an ACME certificate is
		local.Transport.(*http.Transport).TLSClientConfig.ServerName = u.Hostname()
	}
	err = s.serves(ctx, &local, scheme(s.Config.EndsTLS())+dialable(s.Listen), public.KeyID)
	switch {
	case errors.Is(err, errOtherKeys):
		find("listen", faulty(err, keysRemedy, ""))
		return list
	case err != nil && answers(err):
		find("listen", faulty(
			fmt.Errorf("another program answers on %s", s.Listen),
			"stop that program, or set listen to another address", "",
		))
		return list
	case err != nil:
		find("listen", ok("no program has %s: the service does not run", s.Listen))
		if s.Config.Control == "" {
			return list
		}
		err = s.serves(ctx, &local, scheme(s.Config.ControlTLS)+dialable(s.Config.Control), "")
		if answers(err) {
			find("control", faulty(
				fmt.Errorf("another program answers on %s", s.Config.Control),
				"stop that program, or set control to another address", "",
			))
		}
		return list
	}
	find("listen", ok("the service runs"))

	err = s.serves(ctx, client, s.Config.PublicURL, public.KeyID)
	remedy := "check DNS, the proxy and its certificate, and let this machine reach it"
	switch {
	case errors.Is(err, errOtherProgram):
		err = errors.New("another program, or another deployment, answers there")
		remedy = "let the proxy lead to listen, and DNS to the proxy"
	case errors.Is(err, errOtherKeys):
		remedy = keysRemedy
	case errors.Is(err, errNoNode):
		remedy = "let the proxy reach listen, and /readyz on control; with tls_certificate by TLS, and " +
			"control with control_tls"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		remedy = "let the proxy send the certificates of the authorities between, too; if the " +
			"authority is your own, add it to those of the system (update-ca-certificates), or " +
			"name a file with it in the environment, SSL_CERT_FILE"
	}
	if err != nil {
		find("public_url", faulty(shown(err), remedy, ""))
		return list
	}
	find("public_url", ok("the service answers there"))
	for _, f := range s.probe(ctx, *client) {
		find("public_url", f)
	}
	if f := checkUploads(ctx, client, s.Config.PublicURL); f.Level != "" {
		find("public_url", f)
	}
	if f := s.checkEnd(ctx); f.Level != "" {
		find("public_url", f)
	}
	return list
}

// checkAddresses looks whether this machine has the addresses of the listeners.
func checkAddresses(ctx context.Context, s *Service) (list []Finding) {
	for _, a := range s.Config.Addresses() {
		if err := ownAddress(ctx, a.Addr); err != nil {
			f := faulty(err, "set "+a.Key+" to an address of this machine, or :PORT for all", "")
			f.Check = a.Key
			list = append(list, f)
		}
	}
	return list
}

// ownAddress returns an error unless this machine has the address of a listener.
func ownAddress(ctx context.Context, addr string) error {
	host := config.HostOf(addr)
	if host == "" {
		return nil
	}
	resolved, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return shown(err)
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	for _, text := range resolved {
		ip := net.ParseIP(text)
		if ip.IsUnspecified() || ip.IsLoopback() || slices.ContainsFunc(own, func(a net.Addr) bool {
			network, ok := a.(*net.IPNet)
			return ok && network.IP.Equal(ip)
		}) {
			return nil
		}
	}
	return fmt.Errorf("this machine does not have the address %s", host)
}

// checkCollector looks whether the collector of traces answers.
func checkCollector(ctx context.Context, s *Service) []Finding {
	if s.Config.OTLPEndpoint == "" {
		return nil
	}
	policy := s.Config.Policy(callTimeout)
	policy.AllowPrivate = true // the operator chose the URL
	if _, err := policy.Reach(ctx, s.Config.OTLPEndpoint); err != nil {
		return []Finding{warning(
			"start the collector, or correct otlp_endpoint", "%s: %v", host(s.Config.OTLPEndpoint),
			shown(err),
		)}
	}
	return []Finding{ok("the collector of traces answers")}
}

func scheme(tls bool) string {
	if tls {
		return "https://"
	}
	return "http://"
}

// dialable is the address at which this machine reaches a listener.
func dialable(listen string) string {
	host, port, _ := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// The errors of serves for a server that answers, and is not the service.
var (
	errOtherProgram = errors.New("another program answers")
	errOtherKeys    = errors.New(
		"a service answers that does not have the webhook key of this node's folder of keys",
	)
	errNoNode = errors.New("the proxy has no node")
)

const keysRemedy = "give all nodes of the deployment the same folder of keys, as a backup has it, and " +
	"restart them; if the service there is of another deployment, set listen, or let the proxy and " +
	"DNS lead to this one"

// answers reports whether an error of serves is about a server that answers.
func answers(err error) bool {
	return err == nil || errors.Is(err, errOtherProgram) || errors.Is(err, errOtherKeys) ||
		errors.Is(err, errNoNode)
}

// serves returns nil if the service with this webhook key answers at a base URL.
func (s *Service) serves(ctx context.Context, client *http.Client, base, keyID string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+api.PathKeys, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var set jose.JSONWebKeySet
	err = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&set)
	switch status := resp.StatusCode; {
	case err == nil && len(set.Key(keyID)) > 0:
		return nil
	case err == nil && len(set.Keys) > 0:
		return errOtherKeys
	case status >= http.StatusBadGateway && status <= http.StatusGatewayTimeout:
		return fmt.Errorf("%w that it takes for ready: it answers %d", errNoNode, status)
	}
	return errOtherProgram
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
func (s *Service) checkEnd(ctx context.Context) (f Finding) {
	policy := s.Config.Policy(callTimeout)
	policy.AllowPrivate = true // the operator chose the URL
	found, err := policy.Reach(ctx, s.Config.PublicURL)
	if err != nil || found.TLS == "" || found.NotAfter.Sub(s.Now()) > renewedSoon {
		return f
	}
	return warning(
		"renew it", "its certificate ends on %s", found.NotAfter.UTC().Format(time.DateOnly),
	)
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

// roundTripper is a function as an [http.RoundTripper].
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
