package client

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"
	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
)

// algorithms are those of docs/contract.md, 2.2.2: one for each curve.
var algorithms = []struct {
	curve elliptic.Curve
	name  jose.SignatureAlgorithm
}{
	{elliptic.P256(), jose.ES256},
	{elliptic.P384(), jose.ES384},
	{elliptic.P521(), jose.ES512},
}

// algorithmOf returns the algorithm of a public key, or "" if it has none.
func algorithmOf(key crypto.PublicKey) jose.SignatureAlgorithm {
	if k, ok := key.(*ecdsa.PublicKey); ok {
		for _, a := range algorithms {
			if k.Curve == a.curve {
				return a.name
			}
		}
	}
	return ""
}

// tokens makes the tokens that authorise calls.
type tokens struct {
	signer jose.Signer
	key    Key
	now    func() time.Time
	rand   io.Reader
}

func newTokens(config Config) (*tokens, error) {
	if config.Key == nil {
		return nil, errors.New("client: Key is nil")
	}
	if config.KeyID == "" {
		return nil, errors.New("client: KeyID is empty, and the service chooses the key by it")
	}
	alg := algorithmOf(config.Key.Public())
	if alg == "" {
		return nil, errors.New("client: Key must be an ECDSA key on P-256, P-384 or P-521")
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{
			Key:   cryptosigner.Opaque(withRand{config.Key, config.Rand}),
			KeyID: config.KeyID,
		}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("client: Key: %w", err)
	}
	return &tokens{
		signer: signer,
		key:    Key{Signer: config.Key, ID: config.KeyID},
		now:    config.Now,
		rand:   config.Rand,
	}, nil
}

// sign makes a token for one call from its claims and those that every call has. Cancel has a jti
// too, although the service does not require one, because other claims than the listed ones are
// ignored (docs/contract.md, 2.3.7).
func (t *tokens) sign(claims map[string]any) (string, error) {
	jti, err := uuid.NewRandomFromReader(t.rand)
	if err != nil {
		return "", fmt.Errorf("make a token id: %w", err)
	}
	iat := t.now().Unix()
	all := map[string]any{"jti": jti.String(), "iat": iat, "exp": iat + api.TokenLifetime}
	maps.Copy(all, claims)
	payload, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("write the token: %w", err)
	}
	jws, err := t.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign the token: %w", err)
	}
	return jws.CompactSerialize()
}

// Token makes a token with these claims beside client_id, iat, exp and jti, of which it may replace
// any: for calls that another program makes, such as curl.
func (c *Client) Token(claims map[string]any) (string, error) {
	all := map[string]any{"client_id": c.clientID}
	maps.Copy(all, claims)
	token, err := c.tokens.sign(all)
	if err != nil {
		return "", fmt.Errorf("client: %w", err)
	}
	return token, nil
}

// withRand signs with the configured source of randomness instead of the library's.
type withRand struct {
	crypto.Signer
	rand io.Reader
}

func (s withRand) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.Signer.Sign(s.rand, digest, opts)
}
