package app

import (
	"net/http"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/keydir"
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
func signerLogin(c *config.Config, keys *login.Keys) login.Config {
	return login.Config{
		Issuer: c.OIDCIssuer, ClientID: c.OIDCClientID, ClientSecret: c.OIDCClientSecret,
		Scopes: c.OIDCScopes, Profile: login.Profile(c.OIDCProfile), Keys: keys,
		Encrypted: c.OIDCEncrypted, UINClaim: c.OIDCUINClaim, NameClaim: c.OIDCNameClaim,
		ACRValues: c.OIDCACRValues, MaxAge: c.OIDCMaxAge, PublicURL: c.PublicURL,
		Callback: "/login/callback",
	}
}

// consoleLogin is signerLogin for operators.
func consoleLogin(c *config.Config, keys *login.Keys) login.Config {
	return login.Config{
		Issuer: c.ConsoleOIDCIssuer, ClientID: c.ConsoleOIDCClientID,
		ClientSecret: c.ConsoleOIDCClientSecret,
		Scopes:       c.ConsoleOIDCScopes, Profile: login.Profile(c.ConsoleOIDCProfile), Keys: keys,
		Encrypted: c.ConsoleOIDCEncrypted,
		PublicURL: c.ConsoleURL, Callback: "/console/login/callback",
	}
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
