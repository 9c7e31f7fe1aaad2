package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"

	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/internal/server"
)

// keysCmd makes and serves the keys of a relying party.
type keysCmd struct {
	New   keysNewCmd   `cmd:"" help:"Make a key."`
	JWKS  keysJWKSCmd  `cmd:"" help:"Print the JWKS with the public halves of keys." name:"jwks"`
	Serve keysServeCmd `cmd:"" help:"Serve the JWKS, for a sandbox on this machine."`
}

type keysNewCmd struct {
	Out string `help:"File of the private key, which must not exist." short:"o" required:"" placeholder:"FILE"`
}

func (c *keysNewCmd) Run(env *environment) error {
	key, err := client.GenerateKey()
	if err != nil {
		return err
	}
	text, err := key.PEM()
	if err != nil {
		return err
	}
	if err := writeNew(nil, c.Out, whole(text)); err != nil {
		return err
	}
	_, err = fmt.Fprintln(env.out, "kid", key.ID)
	return err
}

// publicKeys are the keys whose public halves are published.
type publicKeys struct {
	Keys []string `arg:"" name:"key" help:"Private key: PEM, JWK or JWKS with one." type:"existingfile"`
}

func (c publicKeys) read() (keys []client.Key, err error) {
	for _, file := range c.Keys {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		key, err := client.ParseKey(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

type keysJWKSCmd struct{ publicKeys }

func (c *keysJWKSCmd) Run(env *environment) error {
	keys, err := c.read()
	if err != nil {
		return err
	}
	text, err := client.JWKS(keys...)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.out, "%s\n", text)
	return err
}

type keysServeCmd struct {
	publicKeys
	Listen string `help:"Address to listen on." default:"127.0.0.1:4000" placeholder:"ADDR"`
}

func (c *keysServeCmd) Run(env *environment) error {
	keys, err := c.read()
	if err != nil {
		return err
	}
	handler, err := client.JWKSHandler(keys...)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.out, "JWKS at http://%s/jwks\n", l.Addr())
	return serveUntil(env.ctx, l, handler)
}

// serveUntil answers on l until ctx ends.
func serveUntil(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &server.Server{
		Handler: h, Limits: server.Limits{Connections: 1024},
		Log: slog.New(slog.DiscardHandler),
	}
	err := s.Serve(ctx, l)
	if ctx.Err() != nil {
		return nil // no grace for the calls in progress
	}
	return err
}
