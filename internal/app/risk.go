package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/trustelem/zxcvbn"
	"go.yaml.in/yaml/v4"

	"github.com/signet-sign/signet/internal/documents"
)

// A risk is a setting that [Open] refuses unless [Config.Unsafe] names its key.
type risk struct {
	key    string                     // of Config, or "config" for the configuration file itself
	found  func(*Config) (why string) // "": the setting is safe
	remedy string
}

// risks lists the settings that are refused.
func risks() []risk {
	list := []risk{
		{
			"control",
			func(c *Config) string {
				if !c.console() || c.Control == "" || c.ControlTLS ||
					isLoopback(hostOf(c.Control)) {
					return ""
				}
				return "operators' passwords and sessions would cross the network in clear text"
			},
			"set a loopback address, and let a proxy that ends TLS lead there, or set control_tls",
		},
		{
			"public_url",
			func(c *Config) string {
				u, err := url.Parse(c.PublicURL)
				if err != nil || u.Scheme != "http" || isLoopback(u.Hostname()) {
					return ""
				}
				return "documents and logins would cross the network in clear text"
			},
			"set an https:// URL, and let a proxy end TLS",
		},
		{
			"oidc_issuer",
			func(c *Config) string {
				u, err := url.Parse(c.OIDCIssuer)
				if err != nil || u.Scheme != "http" || isLoopback(u.Hostname()) {
					return ""
				}
				return "who can change the network's traffic could log in as any signer"
			},
			"set the https:// URL of the issuer",
		},
		{
			"console_oidc_issuer",
			func(c *Config) string {
				u, err := url.Parse(c.ConsoleOIDCIssuer)
				if err != nil || u.Scheme != "http" || isLoopback(u.Hostname()) {
					return ""
				}
				return "who can change the network's traffic could log in as any operator"
			},
			"set the https:// URL of the issuer",
		},
		{
			"console_url",
			func(c *Config) string {
				u, err := url.Parse(c.ConsoleURL)
				if err != nil || u.Scheme != "http" || isLoopback(u.Hostname()) {
					return ""
				}
				return "operators' sessions would cross the network in clear text"
			},
			"set an https:// URL, and let a proxy end TLS",
		},
		{
			"console_oidc_client_secret",
			func(c *Config) string { return weak(c.ConsoleOIDCClientSecret) },
			"let the provider make a random one",
		},
		{
			"metrics_token",
			func(c *Config) string { return weak(c.MetricsToken) },
			"set a random one, as by openssl rand -base64 24",
		},
		{
			"console_password",
			func(c *Config) string { return weak(c.ConsolePassword) },
			"set a random one, as by openssl rand -base64 24",
		},
		{
			"oidc_client_secret",
			func(c *Config) string { return weak(c.OIDCClientSecret) },
			"let the provider make a random one",
		},
		{
			"database",
			func(c *Config) string { return weak(passwordIn(c.Database)) },
			"set a random password, as by openssl rand -hex 24",
		},
		{
			"database_listen",
			func(c *Config) string { return weak(passwordIn(c.DatabaseListen)) },
			"set a random password, as by openssl rand -hex 24",
		},
		{
			"database_password",
			func(c *Config) string { return weak(c.DatabasePassword) },
			"set a random one, as by openssl rand -hex 24",
		},
		{
			"keys_password",
			func(c *Config) string {
				if strings.HasPrefix(c.Keys, "pkcs11:") {
					return "" // a PIN, whose guesses the token counts
				}
				return weak(c.KeysPassword)
			},
			"set a random one, as by openssl rand -base64 24",
		},
		{
			"documents",
			func(c *Config) string {
				at, err := documents.ParseLocation(c.Documents)
				if err != nil || at.Endpoint.Scheme != "http" ||
					isLoopback(at.Endpoint.Hostname()) {
					return ""
				}
				return "documents would cross the network in clear text"
			},
			"set an https:// endpoint",
		},
		{
			"documents_credentials",
			func(c *Config) string {
				_, secret, _ := strings.Cut(c.DocumentsCredentials, ":")
				return weak(secret)
			},
			"let the object store make a random one",
		},
		{
			"static_qr",
			func(c *Config) string {
				if !c.StaticQR {
					return ""
				}
				return "a picture of the QR code could be sent on to a victim"
			},
			"remove the key: it is for automated tests",
		},
		{
			"lenient_tokens",
			func(c *Config) string {
				if !c.LenientTokens {
					return ""
				}
				return "a token that was seen once could be used again for ever"
			},
			"remove the key, and let the relying parties send exp and a jti that is used once",
		},
		{"tls_key", func(c *Config) string { return worldReadable(c.TLSKey) }, "chmod 600"},
		{
			"config",
			func(c *Config) string {
				if !holdsSecret(c.File) {
					return ""
				}
				return worldReadable(c.File)
			},
			"chmod 640, or move the secrets to files of their own",
		},
	}
	for i, f := range new(Config).secretFiles() {
		list = append(list, risk{
			f.key, func(c *Config) string { return worldReadable(*c.secretFiles()[i].path) },
			"chmod 600",
		})
	}
	return list
}

// refuseRisks returns an error that names each risk of the configuration with its remedy. It logs
// the risks that Unsafe allows instead.
func (c *Config) refuseRisks(log *slog.Logger) error {
	var errs []error
	var keys []string
	for _, r := range risks() {
		keys = append(keys, r.key)
		why := r.found(c)
		switch {
		case why == "":
		case slices.Contains(c.Unsafe, r.key):
			log.Warn("an unsafe setting is allowed", "key", r.key, "why", why)
		default:
			errs = append(errs, fmt.Errorf(
				"%s: %s: %s; --unsafe %s allows it", r.key, why, r.remedy, r.key,
			))
		}
	}
	for _, key := range c.Unsafe {
		if !slices.Contains(keys, key) {
			errs = append(errs, fmt.Errorf(
				"unsafe: %q is not among the keys that it can name: %s",
				key, strings.Join(keys, ", "),
			))
		}
	}
	return errors.Join(errs...)
}

// weak returns why a password is refused. It refuses one that can be guessed offline in less than a
// century by the estimate of zxcvbn, whose highest score is 4.
func weak(password string) string {
	const judged = 64 // bytes; the estimate of a longer text is slow
	if password == "" ||
		zxcvbn.PasswordStrength(password[:min(len(password), judged)], nil).Score >= 4 {
		return ""
	}
	return "it is easy to guess"
}

// worldReadable returns why a file is refused that every user of the machine can read. For a path
// that cannot be read it returns "", because reading the file returns the error.
func worldReadable(path string) string {
	if path == "" {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o004 == 0 {
		return ""
	}
	return path + " holds secrets and is readable by every user of the machine"
}

// holdsSecret reports whether a configuration file sets the key of a secret.
func holdsSecret(path string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	keys := map[string]yaml.Node{}
	if err := yaml.Unmarshal(text, &keys); err != nil {
		return false
	}
	return slices.ContainsFunc(new(Config).secretFiles(), func(f secretFile) bool {
		_, ok := keys[f.secret]
		return ok
	})
}

// hostOf returns the host of an address to listen on; "" for all addresses.
func hostOf(addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	return host
}

// isLoopback reports whether only this machine can reach a host.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
