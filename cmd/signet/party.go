package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/console"
)

// partyCmd is the commands for relying parties of a running service.
type partyCmd struct {
	Add     partyAddCmd     `cmd:"" help:"Register a relying party."`
	List    partyListCmd    `cmd:"" help:"List the relying parties."`
	Show    partyShowCmd    `cmd:"" help:"Show a relying party and its newest changes."`
	Change  partyChangeCmd  `cmd:"" help:"Change the name, URLs or settings of a relying party."`
	Disable partyDisableCmd `cmd:"" help:"Refuse the calls of a relying party."`
	Enable  partyEnableCmd  `cmd:"" help:"Accept the calls of a relying party again."`
	Rotate  partyRotateCmd  `cmd:"" help:"Discard the keys of a relying party on all nodes, and fetch them."`
	Export  partyExportCmd  `cmd:"" help:"Print the relying parties as YAML, without queries of URLs."`
	Import  partyImportCmd  `cmd:"" help:"Register and change relying parties as a file says."`
}

// operatorCaller says which service is called, and by which operator.
type operatorCaller struct {
	output
	credential

	Console httpURL `help:"Base URL of the control listener." required:"" placeholder:"URL" example:"https://127.0.0.1:8081"`
}

// credential is that of the operator.
type credential struct {
	TokenFile    string `help:"File with a token from the console's page Sessions."     placeholder:"FILE" type:"existingfile" xor:"credential"`
	PasswordFile string `help:"File with the console's password; needs --by."           placeholder:"FILE" type:"existingfile" xor:"credential"`
	By           string `help:"Your name with the password, which the trail records."   placeholder:"NAME"`
	CAFile       string `help:"PEM file of the authority of the console's certificate." placeholder:"FILE" type:"existingfile"                  name:"ca-file"`
}

// callTimeout bounds one call, in which the service may test the URLs of a party, or look for a
// person in all requests.
const callTimeout = 5 * time.Minute

// call makes one call of the console's API for relying parties and decodes its answer.
func (c *operatorCaller) call(ctx context.Context, method, path string, in, out any) error {
	return c.callAPI(ctx, c.Console, method, "parties"+path, in, out)
}

// callAPI makes one call of the API of a console and decodes its answer.
func (c *credential) callAPI(
	ctx context.Context, at httpURL, method, path string, in, out any,
) error {
	base, err := url.Parse(strings.TrimSuffix(string(at), "/"))
	if err != nil {
		return usageError{err}
	}
	secret, err := c.authorization(base)
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(
		ctx, method, base.String()+console.Base+"api/"+path, bytes.NewReader(body),
	)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if secret != nil {
		secret(r)
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		refusal := new(api.Error)
		if json.Unmarshal(text, refusal) != nil || refusal.Code == "" {
			return fmt.Errorf("%s answers %s", at, resp.Status)
		}
		return refusal
	}
	return json.Unmarshal(text, out)
}

// authorization returns what adds the operator's credential to a call, or nil if there is none.
func (c *credential) authorization(base *url.URL) (func(*http.Request), error) {
	file := cmp.Or(c.TokenFile, c.PasswordFile)
	if file == "" {
		return nil, nil
	}
	host := base.Hostname()
	if base.Scheme == "http" && host != "localhost" && !net.ParseIP(host).IsLoopback() {
		return nil, usageError{errors.New(
			"--console: the credential is sent over https, or over http to this machine only",
		)}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if c.TokenFile != "" {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) }, nil
	}
	if c.By == "" {
		return nil, usageError{errors.New("--password-file needs --by with your name")}
	}
	return func(r *http.Request) { r.SetBasicAuth(c.By, secret) }, nil
}

// client returns an HTTP client that trusts the authorities of CAFile, and follows no redirect.
func (c *credential) client() (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if c.CAFile != "" {
		text, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: no certificate", c.CAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return &http.Client{
		Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}, nil
}

// about returns one party.
func (c *operatorCaller) about(ctx context.Context, id string) (a console.PartyAbout, err error) {
	return a, c.call(ctx, http.MethodGet, partyPath(id), nil, &a)
}

func partyPath(id string) string { return "/" + url.PathEscape(id) }

// partySave says what to do with a party whose URLs do not work.
type partySave struct {
	Anyway bool `help:"Save also if the test of the URLs fails."`
}

func (s partySave) query() string {
	if s.Anyway {
		return "?anyway"
	}
	return ""
}

// printResult prints what was done to a party.
func (c *operatorCaller) printResult(w io.Writer, r console.PartyResult) error {
	return c.print(w, r, resultText(r))
}

// resultText is a result as text: one line, and one for each edit.
func resultText(r console.PartyResult) string {
	text := r.ClientID + ": " + r.Change
	if r.Change == "proposed" {
		text += "; another admin has to approve it in the console"
	}
	for _, e := range r.Edits {
		text += fmt.Sprintf("\n  %s: %q -> %q", e.Field, e.From, e.To)
	}
	return text
}

type partyAddCmd struct {
	operatorCaller
	partySave

	ClientID        string  `arg:"" help:"Client id. Default: a random one."                      optional:""`
	Name            string  `       help:"Name, which signers see."                                           required:""`
	JWKSURL         httpURL `       help:"URL of the party's keys."                                           required:"" name:"jwks-url"      placeholder:"URL" example:"https://shop.example.com/jwks"`
	RedirectURL     httpURL `       help:"URL where signers return to."                                       required:""                      placeholder:"URL" example:"https://shop.example.com/signed"`
	WebhookURL      httpURL `       help:"URL that gets the signed document."                                                                  placeholder:"URL" example:"https://shop.example.com/webhook"`
	AllowDownload   bool    `       help:"Signers may save the document before they sign it."`
	RequireAllPages bool    `       help:"Signers sign only when they have seen every page."`
	WebhookLadder   bool    `       help:"Failed webhooks are tried for two days."`
	AllowPrivate    bool    `       help:"Its JWKS and webhook URLs may be http and private."`
	PartyCAFile     string  `       help:"PEM file of the authorities of its URLs' certificates."                         name:"party-ca-file" placeholder:"FILE" type:"existingfile"`
}

func (c *partyAddCmd) Run(env *environment) error {
	ca, err := readCA(c.PartyCAFile)
	if err != nil {
		return err
	}
	var done console.PartyResult
	err = c.call(env.ctx, http.MethodPost, c.query(), console.PartyData{
		ClientID: c.ClientID, Name: c.Name, JWKSURL: string(c.JWKSURL),
		RedirectURL: string(c.RedirectURL), WebhookURL: string(c.WebhookURL),
		AllowDownload: c.AllowDownload, RequireAllPages: c.RequireAllPages,
		WebhookLadder: c.WebhookLadder, AllowPrivate: c.AllowPrivate, CA: ca,
	}, &done)
	if err != nil {
		return err
	}
	return c.printResult(env.out, done)
}

type partyListCmd struct{ operatorCaller }

func (c *partyListCmd) Run(env *environment) error {
	var list console.PartyList
	if err := c.call(env.ctx, http.MethodGet, "", nil, &list); err != nil {
		return err
	}
	lines := []string{}
	for _, p := range list.Parties {
		line := p.ClientID + "  " + p.Name
		if p.Configured {
			line += "  (configuration)"
		}
		if p.Disabled {
			line += "  (disabled)"
		}
		lines = append(lines, line)
	}
	return c.print(env.out, list, strings.Join(lines, "\n"))
}

type partyShowCmd struct {
	operatorCaller

	ClientID string `arg:"" help:"Client id."`
}

func (c *partyShowCmd) Run(env *environment) error {
	a, err := c.about(env.ctx, c.ClientID)
	if err != nil {
		return err
	}
	text, err := yamlText(a.PartyData)
	if err != nil {
		return err
	}
	if a.Configured {
		text += "# It is in the configuration of the service.\n"
	}
	if a.ProposedBy != "" {
		text += "# " + a.ProposedBy + " has proposed a change: see the console.\n"
	}
	for _, change := range a.Changes {
		text += fmt.Sprintf(
			"# %s %s by %s\n", change.At.Format(time.RFC3339), change.Kind, change.By,
		)
	}
	return c.print(env.out, a, strings.TrimSuffix(text, "\n"))
}

// partyChangeCmd changes what its flags name.
type partyChangeCmd struct {
	operatorCaller
	partySave

	ClientID        string   `arg:"" help:"Client id."`
	Name            *string  `       help:"Name, which signers see."`
	JWKSURL         *httpURL `       help:"URL of the party's keys."                                                placeholder:"URL"  name:"jwks-url" example:"https://shop.example.com/jwks"`
	RedirectURL     *httpURL `       help:"URL where signers return to."                                            placeholder:"URL" example:"https://shop.example.com/signed"`
	WebhookURL      *httpURL `       help:"URL that gets the signed document; '' removes it."                       placeholder:"URL" example:"https://shop.example.com/webhook"`
	AllowDownload   *bool    `       help:"Signers may save the document before they sign it."                                                              negatable:""`
	RequireAllPages *bool    `       help:"Signers sign only when they have seen every page."                                                               negatable:""`
	WebhookLadder   *bool    `       help:"Failed webhooks are tried for two days."                                                                         negatable:""`
	AllowPrivate    *bool    `       help:"Its JWKS and webhook URLs may be http and private."                                                              negatable:""`
	PartyCAFile     *string  `       help:"PEM file of the authorities of its URLs' certificates; '' removes them." placeholder:"FILE" name:"party-ca-file"`
}

func (c *partyChangeCmd) Run(env *environment) error {
	a, err := c.about(env.ctx, c.ClientID)
	if err != nil {
		return err
	}
	p := console.PartyPut{PartyData: a.PartyData, Version: a.Version}
	set(&p.Name, c.Name)
	set(&p.JWKSURL, (*string)(c.JWKSURL))
	set(&p.RedirectURL, (*string)(c.RedirectURL))
	set(&p.WebhookURL, (*string)(c.WebhookURL))
	set(&p.AllowDownload, c.AllowDownload)
	set(&p.RequireAllPages, c.RequireAllPages)
	set(&p.WebhookLadder, c.WebhookLadder)
	set(&p.AllowPrivate, c.AllowPrivate)
	if c.PartyCAFile != nil {
		if p.CA, err = readCA(*c.PartyCAFile); err != nil {
			return err
		}
	}
	var done console.PartyResult
	err = c.call(env.ctx, http.MethodPut, partyPath(c.ClientID)+c.query(), p, &done)
	if err != nil {
		return err
	}
	return c.printResult(env.out, done)
}

// readCA returns the text of a file of certificates; "" for no file.
func readCA(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	return string(text), err
}

// set sets a value unless its flag is absent.
func set[T any](to, flag *T) {
	if flag != nil {
		*to = *flag
	}
}

type partyDisableCmd struct {
	operatorCaller

	ClientID string `arg:"" help:"Client id."`
}

func (c *partyDisableCmd) Run(env *environment) error {
	return c.setDisabled(env, c.ClientID, "disable")
}

type partyEnableCmd struct {
	operatorCaller

	ClientID string `arg:"" help:"Client id."`
}

func (c *partyEnableCmd) Run(env *environment) error {
	return c.setDisabled(env, c.ClientID, "enable")
}

func (c *operatorCaller) setDisabled(env *environment, id, what string) error {
	a, err := c.about(env.ctx, id)
	if err != nil {
		return err
	}
	var done console.PartyResult
	err = c.call(
		env.ctx, http.MethodPost, partyPath(id)+"/"+what, console.PartyVersion{Version: a.Version},
		&done,
	)
	if err != nil {
		return err
	}
	return c.printResult(env.out, done)
}

type partyRotateCmd struct {
	operatorCaller

	ClientID string `arg:"" help:"Client id."`
}

func (c *partyRotateCmd) Run(env *environment) error {
	var done console.KeysResult
	err := c.call(env.ctx, http.MethodPost, partyPath(c.ClientID)+"/keys", nil, &done)
	if err != nil {
		return err
	}
	lines := []string{fmt.Sprintf("%s: %d keys", c.ClientID, len(done.Keys))}
	for _, k := range done.Keys {
		lines = append(lines, strings.TrimSpace("  "+k.Kid+" "+k.Curve+" "+k.Alg))
	}
	for _, why := range done.Ignored {
		lines = append(lines, "  not usable: "+why)
	}
	if err := c.print(env.out, done, strings.Join(lines, "\n")); err != nil {
		return err
	}
	if done.Error != "" {
		return fmt.Errorf(
			"the fetch failed, and the calls of %s are refused until one succeeds: %s",
			c.ClientID, done.Error,
		)
	}
	return nil
}
