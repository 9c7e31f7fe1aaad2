package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/internal/disk"
)

// requestCmd are the calls of a relying party.
type requestCmd struct {
	Initiate initiateCmd `cmd:"" help:"Upload a PDF to be signed."`
	Status   statusCmd   `cmd:"" help:"Tell whether a request is signed."`
	Watch    watchCmd    `cmd:"" help:"Wait until a request is signed, cancelled or expired."`
	Result   resultCmd   `cmd:"" help:"Print the download URL of a signed document."`
	Download downloadCmd `cmd:"" help:"Download a signed document."`
	Cancel   cancelCmd   `cmd:"" help:"Cancel a request."`
}

// caller says which service is called, and as whom.
type caller struct {
	BaseURL  httpURL `help:"Base of the API."                                                   name:"base-url"  env:"SIGNET_BASE_URL"  default:"http://127.0.0.1:5156/api/v3" placeholder:"URL"`
	ClientID string  `help:"Client id of the relying party."                                    name:"client-id" env:"SIGNET_CLIENT_ID"                                                           required:""`
	Key      string  `help:"Private key: PEM, JWK or JWKS with one."                            name:"key"       env:"SIGNET_KEY"                                              placeholder:"FILE" required:"" type:"existingfile"`
	KeyID    string  `help:"kid of the key in the JWKS. Default: the JWK's, or the thumbprint." name:"key-id"    env:"SIGNET_KEY_ID"`
}

// output is what commands print, as text or as JSON.
type output struct {
	JSON bool `help:"Print JSON." name:"json"`
}

// print writes v as JSON, or else the text, if there is one.
func (o output) print(w io.Writer, v any, text string) error {
	if !o.JSON {
		if text == "" {
			return nil
		}
		_, err := fmt.Fprintln(w, printableLines(text))
		return err
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// readKey reads a private key. id replaces the kid that it has, unless it is empty.
func readKey(file, id string) (client.Key, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return client.Key{}, err
	}
	key, err := client.ParseKey(text)
	if err != nil {
		return client.Key{}, usageError{
			fmt.Errorf("%s: %w; signet keys new -o FILE makes one", file, err),
		}
	}
	if id != "" {
		key.ID = id
	}
	return key, nil
}

func (c caller) client() (*client.Client, error) {
	key, err := readKey(c.Key, c.KeyID)
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{
		BaseURL: string(c.BaseURL), ClientID: c.ClientID, Key: key.Signer, KeyID: key.ID,
	})
}

type initiateCmd struct {
	caller
	output
	File   string  `arg:"" help:"PDF."                                                                                                               type:"existingfile"`
	Place  []place `       help:"Place of a signature: PAGE,X,Y, with X and Y of the lower left corner as fractions of the page. See signet locate."                     required:"" placeholder:"PAGE,X,Y" sep:"none"`
	Name   string  `       help:"Name of the document. Default: the file's."`
	Signer uin     `       help:"NRIC or FIN of the only person who may sign. Default: the first who opens it."                                                                                                        env:"SIGNET_SIGNER"`
}

// place is a signature's place on the command line.
type place api.Location

// UnmarshalText reads "PAGE,X,Y".
func (p *place) UnmarshalText(text []byte) error {
	part := strings.Split(string(text), ",")
	if len(part) != 3 {
		return fmt.Errorf("place %q: write PAGE,X,Y, such as 1,0.1,0.25", text)
	}
	page, err := strconv.Atoi(part[0])
	x, errX := strconv.ParseFloat(part[1], 64)
	y, errY := strconv.ParseFloat(part[2], 64)
	if err != nil || errX != nil || errY != nil {
		return fmt.Errorf("place %q: write PAGE,X,Y, such as 1,0.1,0.25", text)
	}
	if page < 1 || !(x >= 0 && x < 1 && y >= 0 && y < 1) { // NaN is in no range
		return fmt.Errorf(
			"place %q: pages count from 1, and X and Y are fractions of the page, at least 0 and less "+
				"than 1, such as 1,0.1,0.25", text,
		)
	}
	*p = place{Page: page, X: x, Y: y}
	return nil
}

func locations(places []place) (all []api.Location) {
	for _, p := range places {
		all = append(all, api.Location(p))
	}
	return all
}

func (c *initiateCmd) Run(env *environment) error {
	sdk, err := c.client()
	if err != nil {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	ask := client.Request{DocName: c.Name, Locations: locations(c.Place)}
	if ask.DocName == "" {
		ask.DocName = filepath.Base(c.File)
	}
	if c.Signer != "" {
		ask.SignerUINHash = client.HashUIN(string(c.Signer))
	}
	made, err := sdk.Initiate(env.ctx, ask, f)
	if err != nil {
		return err
	}
	return c.print(env.out, made, "request_id     "+made.RequestID+
		"\nexchange_code  "+made.ExchangeCode+"\nsigning_url    "+made.SigningURL)
}

// about names a request, and its secret.
type about struct {
	ID           requestID `arg:"" help:"Request id."`
	ExchangeCode string    `       help:"Exchange code from initiate." env:"SIGNET_EXCHANGE_CODE" required:""`
}

// status is a request's state as far as the calls of the API show it.
type status struct {
	RequestID string `json:"request_id"`
	Status    string `json:"status"` // waiting, signed, expired or cancelled
}

// ask finds out the state from the answer to a result call.
func ask(ctx context.Context, sdk *client.Client, a about) (status, error) {
	_, err := sdk.Result(ctx, string(a.ID), a.ExchangeCode)
	s := status{RequestID: string(a.ID)}
	switch {
	case err == nil, errors.Is(err, api.ErrSignedAccessExpired):
		s.Status = "signed"
	case errors.Is(err, api.ErrNotSigned):
		s.Status = "waiting"
	case errors.Is(err, api.ErrExpired):
		s.Status = "expired"
	case errors.Is(err, api.ErrCancelled):
		s.Status = "cancelled"
	default:
		return s, err
	}
	return s, nil
}

type statusCmd struct {
	caller
	output
	about
}

func (c *statusCmd) Run(env *environment) error {
	sdk, err := c.client()
	if err != nil {
		return err
	}
	s, err := ask(env.ctx, sdk, c.about)
	if err != nil {
		return err
	}
	return c.print(env.out, s, s.Status)
}

type watchCmd struct {
	caller
	output
	about
	Every time.Duration `help:"Time between two calls." default:"3s"`
}

func (c *watchCmd) Run(env *environment) error {
	if c.Every <= 0 {
		return usageError{errors.New("--every: it must be more than 0, such as 3s")}
	}
	sdk, err := c.client()
	if err != nil {
		return err
	}
	for {
		s, err := ask(env.ctx, sdk, c.about)
		if e, ok := errors.AsType[*client.Error](err); ok && e.Temporary() {
			err = nil // a service that is busy or restarts
			s.Status = "waiting"
		}
		if err != nil {
			return err
		}
		if s.Status != "waiting" {
			return c.print(env.out, s, s.Status)
		}
		select {
		case <-env.ctx.Done():
			return context.Cause(env.ctx)
		case <-time.After(c.Every):
		}
	}
}

type resultCmd struct {
	caller
	output
	about
}

func (c *resultCmd) Run(env *environment) error {
	sdk, err := c.client()
	if err != nil {
		return err
	}
	r, err := sdk.Result(env.ctx, string(c.ID), c.ExchangeCode)
	if err != nil {
		return err
	}
	return c.print(env.out, r, r.SignedDocURL)
}

type downloadCmd struct {
	caller
	output
	about
	Out newFile `help:"File to write." short:"o" required:"" placeholder:"FILE"`
}

func (c *downloadCmd) Run(env *environment) (err error) {
	sdk, err := c.client()
	if err != nil {
		return err
	}
	r, err := sdk.Result(env.ctx, string(c.ID), c.ExchangeCode)
	if err != nil {
		return err
	}
	stream, err := sdk.Download(env.ctx, r.SignedDocURL)
	if err != nil {
		return err
	}
	defer stream.Close()
	var n int64
	err = disk.Replace(string(c.Out), 0o600, func(f *os.File) (err error) {
		n, err = io.Copy(f, stream)
		return err
	})
	if err != nil {
		return err
	}
	return c.print(env.out, struct {
		File  newFile `json:"file"`
		Bytes int64   `json:"bytes"`
	}{c.Out, n}, fmt.Sprintf("%s: %d bytes", c.Out, n))
}

type cancelCmd struct {
	caller
	output
	ID   requestID     `arg:"" help:"Request id."`
	Wait time.Duration `       help:"Wait so long for a sign session to end." placeholder:"TIME"`
}

func (c *cancelCmd) Run(env *environment) error {
	if c.Wait < 0 {
		return usageError{errors.New("--wait: it must not be negative, but for example 3m")}
	}
	sdk, err := c.client()
	if err != nil {
		return err
	}
	if c.Wait > 0 {
		ctx, stop := context.WithTimeout(env.ctx, c.Wait)
		defer stop()
		err = sdk.CancelWhenIdle(ctx, string(c.ID))
	} else {
		err = sdk.Cancel(env.ctx, string(c.ID))
	}
	if err != nil {
		return err
	}
	return c.print(env.out, status{string(c.ID), "cancelled"}, "cancelled")
}
