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
	output
	Call         string  `arg:"" help:"Call: initiate, cancel or result."            enum:"initiate,cancel,result"`
	RequestID    string  `       help:"Request to cancel."`
	ExchangeCode string  `       help:"Exchange code of the request, for result."                                  env:"SIGNET_EXCHANGE_CODE"`
	Name         string  `       help:"Name of the document, for initiate."                                                                   default:"document.pdf"`
	Place        []place `       help:"Place of a signature, for initiate."                                                                                          placeholder:"PAGE,X,Y" sep:"none"`
	Signer       uin     `       help:"NRIC or FIN of the only person who may sign."                               env:"SIGNET_SIGNER"`
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
			claims["signer_uin_hash"] = client.HashUIN(string(c.Signer))
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
	return c.print(env.out, map[string]string{"token": made}, made)
}

type tokenExplainCmd struct {
	output
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

// explained is what is said about a token.
type explained struct {
	Call     string          `json:"call"`
	Header   json.RawMessage `json:"header,omitempty"`
	Claims   json.RawMessage `json:"claims,omitempty"`
	Right    bool            `json:"right"`
	Wrong    string          `json:"wrong,omitempty"`
	Remedy   string          `json:"remedy,omitempty"`
	Verified bool            `json:"verified"` // the signature, with --jwks
}

func (c *tokenExplainCmd) Run(env *environment) error {
	text, err := argument(c.Token)
	if err != nil {
		return err
	}
	e, err := c.explain(env, strings.TrimSpace(text))
	if err != nil {
		return err
	}
	if err := c.print(env.out, e, e.text()); err != nil {
		return err
	}
	if !e.Right {
		return exitStatus(1)
	}
	return nil
}

// text is e for people.
func (e *explained) text() string {
	var lines []string
	if e.Header != nil {
		lines = append(lines, "header "+httpx.Pretty(string(e.Header)))
	}
	if e.Claims != nil {
		lines = append(lines, "claims "+httpx.Pretty(string(e.Claims)))
	}
	if e.Verified {
		lines = append(lines, "The signature is that of the JWKS's key.")
	}
	if e.Right {
		lines = append(lines, "Nothing is wrong with it, as a token for "+e.Call+".")
	} else {
		lines = append(lines, "wrong, as a token for "+e.Call+": "+e.Wrong)
	}
	if e.Remedy != "" {
		lines = append(lines, e.Remedy)
	}
	return strings.Join(lines, "\n")
}

// explain decodes and judges a token.
func (c *tokenExplainCmd) explain(env *environment, sent string) (*explained, error) {
	e := new(explained)
	var claims map[string]any
	parts := strings.Split(strings.TrimPrefix(sent, "Bearer "), ".")
	for i, part := range []*json.RawMessage{&e.Header, &e.Claims} {
		if len(parts) != 3 {
			break // Judge says so
		}
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil && json.Valid(raw) {
			*part = raw
			_ = json.Unmarshal(raw, &claims) // the claims come last
		}
	}
	call := callOf(claims)
	e.Call = call.String()
	if err := token.Judge(sent, call, time.Now()); err != nil {
		return e.wrong(err, sent, call), nil
	}
	if c.JWKS != "" {
		jwks, err := c.readJWKS(env)
		if err != nil {
			return nil, err
		}
		if err := token.JudgeSignature(env.ctx, sent, jwks); err != nil {
			return e.wrong(err, sent, call), nil
		}
		e.Verified = true
	}
	e.Right = true
	return e, nil
}

// wrong notes what is wrong with the token that was sent.
func (e *explained) wrong(err error, sent string, call token.Call) *explained {
	e.Wrong = err.Error()
	e.Remedy = token.Advise(sent, call, token.FailedCheck(err), e.Wrong)
	return e
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
		text, err := os.ReadFile(c.JWKS)
		if err != nil {
			return nil, usageError{fmt.Errorf(
				"--jwks: %w; it is a file, or a URL such as http://localhost:4000/jwks", err,
			)}
		}
		return text, nil
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
