package config

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

// A risk is a setting that a start of the service refuses unless [Config.Unsafe] names its key.
type risk struct {
	key    string                     // of Config, or "config" for the configuration file itself
	found  func(*Config) (why string) // "": the setting is safe
	remedy string
}

// Risk is an unsafe setting of a configuration.
type Risk struct{ Key, Why, Remedy string }

// Risks returns the unsafe settings of c, also those that Unsafe allows.
func (c *Config) Risks() (list []Risk) {
	for _, r := range risks() {
		if why := r.found(c); why != "" {
			list = append(list, Risk{r.key, why, r.remedy})
		}
	}
	return list
}

// risks lists the settings that are refused.
func risks() []risk {
	const (
		random   = "set a random one, as by openssl rand -base64 24"
		fromThem = "let the provider make a random one"
		inURL    = "set a random password, as by openssl rand -hex 24"
		proxy    = "set an https:// URL, and let a proxy end TLS"
		issuer   = "set the https:// URL of the issuer"
	)
	// unless makes a risk of a reason that holds unless the setting is safe.
	unless := func(safe func(*Config) bool, why string) func(*Config) string {
		return func(c *Config) string {
			if safe(c) {
				return ""
			}
			return why
		}
	}
	list := []risk{
		{"control", unless(
			func(c *Config) bool {
				return !c.HasConsole() || c.Control == "" || c.ControlTLS ||
					IsLoopback(HostOf(c.Control))
			},
			"operators' passwords and sessions would cross the network in clear text",
		), "set a loopback address, and let a proxy that ends TLS lead there, or set control_tls"},
		{"public_url", unless(
			func(c *Config) bool { return !crossesPlainly(c.PublicURL) },
			"documents and logins would cross the network in clear text",
		), proxy},
		{"oidc_issuer", unless(
			func(c *Config) bool { return !crossesPlainly(c.OIDCIssuer) },
			"who can change the network's traffic could log in as any signer",
		), issuer},
		{"console_oidc_issuer", unless(
			func(c *Config) bool { return !crossesPlainly(c.ConsoleOIDCIssuer) },
			"who can change the network's traffic could log in as any operator",
		), issuer},
		{"console_url", unless(
			func(c *Config) bool { return !crossesPlainly(c.ConsoleURL) },
			"operators' sessions would cross the network in clear text",
		), proxy},
		{"documents", unless(
			func(c *Config) bool {
				at, err := documents.ParseLocation(c.Documents)
				return err != nil || !crossesPlainly(at.Endpoint.String())
			},
			"documents would cross the network in clear text",
		), "set an https:// endpoint"},
		{"static_qr", unless(
			func(c *Config) bool { return !c.StaticQR },
			"a picture of the QR code could be sent on to a victim",
		), "remove the key: it is for automated tests"},
		{"lenient_tokens", unless(
			func(c *Config) bool { return !c.LenientTokens },
			"a token that was seen once could be used again for ever",
		), "remove the key, and let the relying parties send exp and a jti that is used once"},
		{"console_oidc_client_secret", func(c *Config) string { return weak(c.ConsoleOIDCClientSecret) }, fromThem},
		{"oidc_client_secret", func(c *Config) string { return weak(c.OIDCClientSecret) }, fromThem},
		{"metrics_token", func(c *Config) string { return weak(c.MetricsToken) }, random},
		{"console_password", func(c *Config) string { return weak(c.ConsolePassword) }, random},
		{"database", func(c *Config) string { return weak(passwordIn(c.Database)) }, inURL},
		{"database_listen", func(c *Config) string { return weak(passwordIn(c.DatabaseListen)) }, inURL},
		{"database_password", func(c *Config) string { return weak(c.DatabasePassword) }, inURL},
		{"keys_password", func(c *Config) string {
			if strings.HasPrefix(c.Keys, "pkcs11:") {
				return "" // a PIN, whose guesses the token counts
			}
			return weak(c.KeysPassword)
		}, random},
		{"documents_credentials", func(c *Config) string {
			_, secret, _ := strings.Cut(c.DocumentsCredentials, ":")
			return weak(secret)
		}, "let the object store make a random one"},
		{"tls_key", func(c *Config) string { return worldReadable(c.TLSKey) }, "chmod 600"},
		{"config", func(c *Config) string {
			if !holdsSecret(c.File) {
				return ""
			}
			return worldReadable(c.File)
		}, "chmod 640, or move the secrets to files of their own"},
	}
	for i, f := range new(Config).secretFiles() {
		list = append(list, risk{
			f.key, func(c *Config) string { return worldReadable(*c.secretFiles()[i].path) },
			"chmod 600",
		})
	}
	return list
}

// crossesPlainly reports whether what is exchanged with a URL can be read on a network.
func crossesPlainly(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "http" && !IsLoopback(u.Hostname())
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

// holdsSecret reports whether a configuration file has a secret. The URL of a database is one if it
// has a password.
func holdsSecret(path string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	keys := map[string]any{}
	if err := yaml.Unmarshal(text, &keys); err != nil {
		return false
	}
	return slices.ContainsFunc(new(Config).secretFiles(), func(f secretFile) bool {
		value, ok := keys[f.secret]
		database, _ := value.(string)
		if u, err := url.Parse(database); err == nil && isPostgres(database) {
			return passwordIn(database) != "" || u.Query().Has("sslpassword")
		}
		return ok
	})
}

// HostOf returns the host of an address to listen on; "" for all addresses.
func HostOf(addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	return host
}

// IsLoopback reports whether only this machine can reach a host.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
