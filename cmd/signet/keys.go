package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"

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
	output
	Out newFile `help:"File of the private key, which must not exist." short:"o" required:"" placeholder:"FILE"`
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
	made := map[string]string{"kid": key.ID, "file": string(c.Out)}
	return c.print(env.out, made, "kid "+key.ID)
}

// publicKeys are the keys whose public halves are published.
type publicKeys struct {
	output
	Keys []string `arg:"" name:"key" help:"Private key: PEM, JWK or JWKS with one." type:"existingfile"`
}

func (c publicKeys) read() (keys []client.Key, err error) {
	for _, file := range c.Keys {
		key, err := readKey(file, "")
		if err != nil {
			return nil, err
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
	Listen address `help:"Address to listen on." env:"-" default:"127.0.0.1:4000" placeholder:"ADDR"`
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
	l, err := c.Listen.listen("--listen")
	if err != nil {
		return err
	}
	at := "http://" + l.Addr().String() + "/jwks"
	if err := c.print(env.out, map[string]string{"jwks_url": at}, "JWKS at "+at); err != nil {
		return err
	}
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
