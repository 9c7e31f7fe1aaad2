package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/token"
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
			return usageError{fmt.Errorf("a token for %s needs --%s", c.Call, flag)}
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
	made, err := sdk.Token(claims)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(env.out, made)
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

// argument returns an argument, or the standard input if the argument is "-".
func argument(arg string) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	in, err := io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
	return string(in), err
}

func (c *tokenExplainCmd) Run(env *environment) error {
	text, err := argument(c.Token)
	if err != nil {
		return err
	}
	sent := strings.TrimSpace(text)
	parts := strings.Split(strings.TrimPrefix(sent, "Bearer "), ".")
	var claims map[string]any
	for i, name := range []string{"header", "claims"} {
		if len(parts) != 3 {
			break // Judge says so
		}
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil && json.Valid(raw) {
			fmt.Fprintf(env.out, "%s %s\n", name, httpx.Pretty(string(raw)))
			_ = json.Unmarshal(raw, &claims) // the claims come last
		}
	}
	call := callOf(claims)
	wrong := func(err error) error {
		fmt.Fprintf(env.out, "wrong, as a token for %s: %v\n", call, err)
		if remedy := token.Advise(sent, call, token.FailedCheck(err), err.Error()); remedy != "" {
			fmt.Fprintln(env.out, remedy)
		}
		return exitStatus(1)
	}
	if err := token.Judge(sent, call, time.Now()); err != nil {
		return wrong(err)
	}
	if c.JWKS != "" {
		jwks, err := c.readJWKS(env)
		if err != nil {
			return err
		}
		if err := token.JudgeSignature(env.ctx, sent, jwks); err != nil {
			return wrong(err)
		}
		fmt.Fprintln(env.out, "The signature is that of the JWKS's key.")
	}
	_, err = fmt.Fprintf(env.out, "Nothing is wrong with it, as a token for %s.\n", call)
	return err
}

// callOf returns the call that a token is for, by the claims that only this call has.
func callOf(claims map[string]any) token.Call {
	if _, ok := claims["exchange_code"]; ok {
		return token.Result
	}
	if _, ok := claims["request_id"]; ok {
		return token.Cancel
	}
	return token.Initiate
}

// readJWKS reads the file or URL.
func (c *tokenExplainCmd) readJWKS(env *environment) ([]byte, error) {
	if !strings.HasPrefix(c.JWKS, "http://") && !strings.HasPrefix(c.JWKS, "https://") {
		return os.ReadFile(c.JWKS)
	}
	r, err := http.NewRequestWithContext(env.ctx, http.MethodGet, c.JWKS, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the JWKS was answered with status %d", resp.StatusCode)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}
