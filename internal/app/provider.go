package app

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/server/login"
)

// The keys with which the service is a client of OpenID Connect providers, in the folder of keys.
const (
	clientKey     = "oidc"            // signs client assertions
	encryptionKey = "oidc-encryption" // ID tokens are encrypted for it
)

// clientKeysPath is the path of the client's JWKS below the public URL.
const clientKeysPath = "/login/keys.json"

// clientKeyDelay is how long a new key of the client is published before it is used. Providers keep
// a JWKS for an hour at most, as a rule.
const clientKeyDelay = 2 * time.Hour

// clientKeys opens the keys of the client with [keydir.Dir.KeyRing] or
// [keydir.Dir.ExistingKeyRing].
func clientKeys(
	open func(name string, delay, keep time.Duration) (*keydir.KeyRing, error),
) (*login.Keys, error) {
	signing, err := open(clientKey, clientKeyDelay, secretOverlap)
	if err != nil {
		return nil, err
	}
	encryption, err := open(encryptionKey, clientKeyDelay, secretOverlap)
	if err != nil {
		return nil, err
	}
	return &login.Keys{Signing: signing.Keys, Encryption: encryption.Keys}, nil
}

// signerLogin returns the configuration of the login of signers that does not depend on a running
// service.
func (c *Config) signerLogin(keys *login.Keys) login.Config {
	return login.Config{
		Issuer: c.OIDCIssuer, ClientID: c.OIDCClientID, ClientSecret: c.OIDCClientSecret,
		Scopes: c.OIDCScopes, Profile: login.Profile(c.OIDCProfile), Keys: keys,
		Encrypted: c.OIDCEncrypted, UINClaim: c.OIDCUINClaim, NameClaim: c.OIDCNameClaim,
		ACRValues: c.OIDCACRValues, MaxAge: c.OIDCMaxAge, PublicURL: c.PublicURL,
		Callback: "/login/callback",
	}
}

// consoleLogin is signerLogin for operators.
func (c *Config) consoleLogin(keys *login.Keys) login.Config {
	return login.Config{
		Issuer: c.ConsoleOIDCIssuer, ClientID: c.ConsoleOIDCClientID,
		ClientSecret: c.ConsoleOIDCClientSecret,
		Scopes:       c.ConsoleOIDCScopes, Profile: login.Profile(c.ConsoleOIDCProfile), Keys: keys,
		Encrypted: c.ConsoleOIDCEncrypted,
		PublicURL: c.ConsoleURL, Callback: "/console/login/callback",
	}
}

// transport reaches servers whose certificates the CA certificates in a PEM file vouch for, which
// key names; without a file, those that the system trusts.
func transport(key, file string) (http.RoundTripper, error) {
	if file == "" {
		return http.DefaultTransport, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: %s has no certificate in PEM", key, file)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return t, nil
}

// toProvider reaches the identity provider. In a sandbox its calls go directly to the handler, so
// that they work whatever the public URL is.
func (a *App) toProvider(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasPrefix(r.URL.String(), a.Config.PublicURL+"/") {
			return serveLocally(a.handler, r)
		}
		return next.RoundTrip(r)
	})
}

// checkProfiles finds a client secret beside a profile that takes none.
func (c *Config) checkProfiles() error {
	for _, at := range []struct{ prefix, profile, secret string }{
		{"oidc", c.OIDCProfile, c.OIDCClientSecret},
		{"console_oidc", c.ConsoleOIDCProfile, c.ConsoleOIDCClientSecret},
	} {
		if at.profile == string(login.ProfileFAPI2) && at.secret != "" {
			return fmt.Errorf(
				"%[1]s_profile fapi2: the client authenticates by its key; remove %[1]s_client_secret",
				at.prefix,
			)
		}
	}
	return nil
}

// checkConsoleLogin finds what the login of operators lacks.
func (c *Config) checkConsoleLogin() error {
	switch {
	case !isIssuer(c.ConsoleOIDCIssuer):
		return fmt.Errorf(
			"console_oidc_issuer %q: it must be an https URL without user, query and fragment",
			c.ConsoleOIDCIssuer,
		)
	case c.Control == "":
		return errors.New(
			"console_oidc_issuer: the console is on the control listener, and there is none (control)",
		)
	case c.ConsoleOIDCClientID == "":
		return errors.New("console_oidc_client_id: it is needed with console_oidc_issuer")
	case !isBase(c.ConsoleURL):
		return fmt.Errorf(
			"console_url %q: it must be a scheme, a host and perhaps a port, such as https://console.example.com",
			c.ConsoleURL,
		)
	}
	_, err := c.consoleRoles()
	return err
}

// consoleRoles is the role that each value of the claim gives.
func (c *Config) consoleRoles() (map[string]console.Role, error) {
	roles := map[string]console.Role{}
	for _, text := range c.ConsoleRoles {
		i := strings.LastIndexByte(text, '=')
		if i < 1 || console.ParseRole(text[i+1:]) == console.NoRole {
			return nil, fmt.Errorf(
				"console_roles %q: it must be a value of the claim, = and viewer, operator or admin",
				text,
			)
		}
		roles[text[:i]] = console.ParseRole(text[i+1:])
	}
	if len(roles) == 0 {
		return nil, errors.New(
			"console_roles: it is needed with console_oidc_issuer: without it no operator has a role",
		)
	}
	return roles, nil
}
