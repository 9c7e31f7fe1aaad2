package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"
)

// ErrClient is the error of a provider that does not accept the client's id or secret.
var ErrClient = errors.New("the identity provider does not accept the client")

// Check discovers the provider, fetches its keys, and redeems a code that the provider has not
// issued, to learn whether it accepts the client. No person logs in.
func (l *Login) Check(ctx context.Context) error {
	conf, provider, err := l.oauth(ctx)
	if err != nil {
		return err
	}
	var discovered struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&discovered); err != nil {
		return fmt.Errorf("reading what the identity provider says of itself: %w", err)
	}
	if err := l.checkKeys(ctx, discovered.Keys); err != nil {
		return fmt.Errorf("fetching the keys of the identity provider: %w", err)
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, l.provider.client)
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
		conf.Endpoint.AuthStyle = style
		_, err := conf.Exchange(
			ctx, "signet-check", oauth2.VerifierOption(oauth2.GenerateVerifier()),
		)
		var refused *oauth2.RetrieveError
		switch {
		case err == nil:
			return errors.New(
				"the identity provider gives a token for a code that it has not issued",
			)
		case !errors.As(err, &refused):
			return fmt.Errorf("asking the identity provider for a token: %w", err)
		case refused.ErrorCode != "invalid_client" && refused.ErrorCode != "unauthorized_client" &&
			refused.Response.StatusCode != http.StatusUnauthorized:
			return nil // the code is refused, and not the client
		}
	}
	return ErrClient
}

// checkKeys checks that a provider's key set has a key.
func (l *Login) checkKeys(ctx context.Context, address string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := l.provider.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close() // its transport has read the body, and bounded it
	var set struct{ Keys []json.RawMessage }
	switch err := json.NewDecoder(resp.Body).Decode(&set); {
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("the answer is %s", resp.Status)
	case err != nil:
		return err
	case len(set.Keys) == 0:
		return errors.New("there is none")
	}
	return nil
}
