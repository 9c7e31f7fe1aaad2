package parts

import (
	"time"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/server/login"
)

// The keys with which the service is a client of OpenID Connect providers, in the folder of keys.
const (
	ClientKey     = "oidc"            // signs client assertions
	EncryptionKey = "oidc-encryption" // ID tokens are encrypted for it
)

// ClientKeysPath is the path of the client's JWKS below the public URL.
const ClientKeysPath = "/login/keys.json"

// ClientKeyDelay is how long a new key of the client is published before it is used. Providers keep
// a JWKS for an hour at most, as a rule.
const ClientKeyDelay = 2 * time.Hour

// ClientKeys opens the keys of the client with [keydir.Dir.KeyRing] or
// [keydir.Dir.ExistingKeyRing].
func ClientKeys(
	open func(name string, delay, keep time.Duration) (*keydir.KeyRing, error),
) (*login.Keys, error) {
	signing, err := open(ClientKey, ClientKeyDelay, SecretOverlap)
	if err != nil {
		return nil, err
	}
	encryption, err := open(EncryptionKey, ClientKeyDelay, SecretOverlap)
	if err != nil {
		return nil, err
	}
	return &login.Keys{Signing: signing.Keys, Encryption: encryption.Keys}, nil
}

// SignerLogin returns the configuration of the login of signers that does not depend on a running
// service.
func SignerLogin(c *config.Config, keys *login.Keys) login.Config {
	return login.Config{
		Issuer: c.OIDCIssuer, ClientID: c.OIDCClientID, ClientSecret: c.OIDCClientSecret,
		Scopes: c.OIDCScopes, Profile: login.Profile(c.OIDCProfile), Keys: keys,
		Encrypted: c.OIDCEncrypted, UINClaim: c.OIDCUINClaim, NameClaim: c.OIDCNameClaim,
		ACRValues: c.OIDCACRValues, MaxAge: c.OIDCMaxAge, PublicURL: c.PublicURL,
		Callback: "/login/callback",
	}
}

// ConsoleLogin is [SignerLogin] for operators.
func ConsoleLogin(c *config.Config, keys *login.Keys) login.Config {
	return login.Config{
		Issuer: c.ConsoleOIDCIssuer, ClientID: c.ConsoleOIDCClientID,
		ClientSecret: c.ConsoleOIDCClientSecret,
		Scopes:       c.ConsoleOIDCScopes, Profile: login.Profile(c.ConsoleOIDCProfile), Keys: keys,
		Encrypted: c.ConsoleOIDCEncrypted,
		PublicURL: c.ConsoleURL, Callback: "/console/login/callback",
	}
}
