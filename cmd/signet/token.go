package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
)

// tokenCmd makes and reads the tokens that authorise calls.
type tokenCmd struct {
	Make    tokenMakeCmd    `cmd:"" help:"Make a token for one call."`
	Explain tokenExplainCmd `cmd:"" help:"Decode a token and say what is wrong with it."`
}

type tokenMakeCmd struct {
	caller
	Call         string  `arg:"" help:"Call: initiate, cancel or result."            enum:"initiate,cancel,result"`
	RequestID    string  `       help:"Request to cancel."`
	ExchangeCode string  `       help:"Exchange code of the request, for result."                                  env:"SIGNET_EXCHANGE_CODE"`
	Name         string  `       help:"Name of the document, for initiate."                                                                   default:"document.pdf"`
	Place        []place `       help:"Place of a signature, for initiate."                                                                                          placeholder:"PAGE,X,Y" sep:"none"`
	Signer       string  `       help:"NRIC or FIN of the only person who may sign."                               env:"SIGNET_SIGNER"`
}

func (c *tokenMakeCmd) Run(env *environment) error {
	claims := map[string]any{}
	need := func(flag string, missing bool) error {
		if missing {
			return fmt.Errorf("a token for %s needs --%s", c.Call, flag)
		}
		return nil
	}
	var err error
	switch c.Call {
	case "initiate":
		err = need("place", len(c.Place) == 0)
		claims["doc_name"], claims["sign_locations"] = c.Name, locations(c.Place)
		if c.Signer != "" {
			claims["signer_uin_hash"] = client.HashUIN(c.Signer)
		}
	case "cancel":
		err = need("request-id", c.RequestID == "")
		claims["request_id"] = c.RequestID
	case "result":
		err = need("exchange-code", c.ExchangeCode == "")
		claims["exchange_code"] = c.ExchangeCode
	}
	if err != nil {
		return err
	}
	sdk, err := c.client()
	if err != nil {
		return err
	}
	token, err := sdk.Token(claims)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(env.out, token)
	return err
}

type tokenExplainCmd struct {
	Token string `arg:"" help:"Token, or - for standard input."`
	JWKS  string `       help:"JWKS that the signature is checked with: a file or a URL." name:"jwks" placeholder:"FILE|URL"`
}

// Help says what the exit status means.
func (*tokenExplainCmd) Help() string {
	return "The exit status is 0 if nothing is wrong with the token, and 1 if something is."
}

func (c *tokenExplainCmd) Run(env *environment) error {
	text := c.Token
	if text == "-" {
		in, err := io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
		if err != nil {
			return err
		}
		text = string(in)
	}
	text = strings.TrimSpace(text)
	if bare, ok := strings.CutPrefix(text, "Bearer "); ok {
		fmt.Fprintln(env.out, "The Authorization header holds the token alone, without Bearer.")
		text = bare
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return fmt.Errorf("a token has 3 parts with points between, this has %d", len(parts))
	}
	var header, claims map[string]any
	for i, into := range []*map[string]any{&header, &claims} {
		name := []string{"header", "claims"}[i]
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return fmt.Errorf("the %s is not base64url without padding", name)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			return fmt.Errorf("the %s is not a JSON object", name)
		}
		pretty, err := json.MarshalIndent(*into, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(env.out, "%s %s\n", name, pretty)
	}
	faults := judge(header, claims, parts[2], time.Now())
	if c.JWKS != "" {
		if err := c.verify(env, text); err != nil {
			faults = append(faults, err.Error())
		} else {
			fmt.Fprintln(env.out, "The signature is that of the JWKS's key.")
		}
	}
	for _, fault := range faults {
		fmt.Fprintln(env.out, "wrong:", fault)
	}
	if len(faults) > 0 {
		return exitStatus(1)
	}
	_, err := fmt.Fprintln(env.out, "Nothing is wrong with its form and its times.")
	return err
}

// judge says what is wrong with a token as such, whatever the call (docs/contract.md, 2.2 and 2.3).
func judge(header, claims map[string]any, signature string, now time.Time) (faults []string) {
	sizes := map[string]int{"ES256": 64, "ES384": 96, "ES512": 132}
	alg, _ := header["alg"].(string)
	size, ok := sizes[alg]
	if !ok {
		faults = append(faults, fmt.Sprintf("alg is %q, not ES256, ES384 or ES512", alg))
	}
	if kid, _ := header["kid"].(string); kid == "" {
		faults = append(faults, "the header has no kid, by which the key is found in the JWKS")
	}
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	switch {
	case err != nil:
		faults = append(faults, "the signature is not base64url without padding")
	case ok && len(raw) != size && len(raw) > 0 && raw[0] == 0x30:
		faults = append(
			faults, fmt.Sprintf("the signature is DER; %s wants r and s in %d bytes", alg, size),
		)
	case ok && len(raw) != size:
		faults = append(faults, fmt.Sprintf("the signature has %d bytes, not %d", len(raw), size))
	}
	if id, _ := claims["client_id"].(string); id == "" {
		faults = append(faults, "client_id is missing")
	}
	iat, hasIat := claims["iat"].(float64)
	exp, hasExp := claims["exp"].(float64)
	const millis = 1e11 // later than the year 5000 in seconds
	switch {
	case !hasIat || !hasExp:
		return append(faults, "iat or exp is missing or not a number")
	case iat > millis || exp > millis:
		return append(faults, "iat and exp are seconds, these are milliseconds")
	}
	issued, ends := time.Unix(int64(iat), 0), time.Unix(int64(exp), 0)
	if exp-iat > api.TokenLifetime {
		faults = append(
			faults,
			fmt.Sprintf("exp is %.0f s after iat, more than %d", exp-iat, api.TokenLifetime),
		)
	}
	if now.After(ends) {
		faults = append(faults, fmt.Sprintf("it expired %s ago", now.Sub(ends).Round(time.Second)))
	}
	if ahead := issued.Sub(now); ahead > time.Second {
		faults = append(
			faults,
			fmt.Sprintf("it was issued %s ahead of this machine's clock", ahead.Round(time.Second)),
		)
	}
	return faults
}

// verify checks the signature with the key that the token names.
func (c *tokenExplainCmd) verify(env *environment, text string) error {
	var raw []byte
	var err error
	if strings.HasPrefix(c.JWKS, "http://") || strings.HasPrefix(c.JWKS, "https://") {
		r, err := http.NewRequestWithContext(env.ctx, http.MethodGet, c.JWKS, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("the JWKS was answered with status %d", resp.StatusCode)
		}
		if raw, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20)); err != nil {
			return err
		}
	} else if raw, err = os.ReadFile(c.JWKS); err != nil {
		return err
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(raw, &set); err != nil {
		return errors.New("the JWKS is not understood")
	}
	jws, err := jose.ParseSignedCompact(
		text, []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512},
	)
	if err != nil {
		return errors.New("the token is not a JWS with ES256, ES384 or ES512")
	}
	kid := jws.Signatures[0].Header.KeyID
	keys := set.Key(kid)
	if len(keys) == 0 {
		var known []string
		for _, k := range set.Keys {
			known = append(known, k.KeyID)
		}
		return fmt.Errorf("the JWKS has no key %q; it has %q", kid, known)
	}
	for _, k := range keys {
		if _, err := jws.Verify(k.Public()); err == nil {
			return nil
		}
	}
	return fmt.Errorf("the signature is not that of the key %q", kid)
}
