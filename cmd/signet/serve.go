package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/doctor"
	"github.com/signet-sign/signet/internal/obs"
)

type serveCmd struct {
	configured
	Check  bool     `help:"Look at what a start would use, and do not start. It may run beside the running service."`
	Change []string `help:"Record these facts of the deployment again: public_url, signature_level, authority, audit_key, webhook_key." placeholder:"FACT,..."`
}

// Run runs the service until SIGINT or SIGTERM. It reads the configuration again after each SIGHUP.
func (c *serveCmd) Run(env *environment) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	level := new(slog.LevelVar)
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return err
	}
	log := obs.NewLogger(env.errs, level, c.LogFormat)
	if c.Check {
		c.File = string(c.ConfigFile)
		if err := printFindings(env.out, doctor.Examine(env.ctx, c.Config, log)); err != nil {
			return fmt.Errorf("the service is not fit to start: %w", err)
		}
		return nil
	}
	c.File, c.Config.Change = string(c.ConfigFile), c.Change
	a, err := app.Open(env.ctx, c.Config, time.Now, log)
	if err != nil {
		return err
	}
	log.Info("listening", "addr", a.Addr.String(), "public_url", a.Config.PublicURL)
	ctx, stop := context.WithCancel(env.ctx)
	var reloads sync.WaitGroup
	reloads.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
			}
			if err := reload(env.args, a, level); err != nil {
				log.Error(
					"reloading the configuration failed: the old one stays in force", "err", err,
				)
			}
		}
	})
	err = a.Run(ctx)
	stop()
	reloads.Wait()
	return err
}

// reload reads the configuration again and applies what may change while the service runs.
func reload(args []string, a *app.App, level *slog.LevelVar) error {
	var c cli
	parser, err := newParser(&c)
	if err != nil {
		return err
	}
	if _, err := parser.Parse(args); err != nil {
		return err
	}
	if err := a.Reload(c.Serve.Config); err != nil {
		return err
	}
	return level.UnmarshalText([]byte(c.Serve.LogLevel))
}
