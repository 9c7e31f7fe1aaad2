package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/signet-sign/signet/internal/maintenance"
	"github.com/signet-sign/signet/internal/obs"
)

// migrateCmd migrates the database without starting the service.
type migrateCmd struct {
	Check  bool `help:"Only say what is pending; end with status 1 if something is." xor:"how"`
	DryRun bool `help:"Only print the SQL of what is pending."                       xor:"how"`

	configured
}

var errPending = errors.New("migrations are pending")

func (c *migrateCmd) Run(env *environment) error {
	if !c.Check && !c.DryRun {
		log := obs.NewLogger(env.errs, slog.LevelInfo, c.LogFormat)
		if err := maintenance.Migrate(env.ctx, c.Config, log); err != nil {
			return err
		}
	}
	s, err := maintenance.ReadSchema(env.ctx, c.Config)
	if err != nil {
		return err
	}
	if c.DryRun {
		for _, m := range s.Pending {
			fmt.Fprintf(env.out, "-- migration %d\n%s\n", m.Version, m.SQL)
		}
		return nil
	}
	fmt.Fprintf(
		env.out, "the schema is %d, this program has %d: %d pending\n",
		s.Have, s.Want, len(s.Pending),
	)
	if len(s.Pending) > 0 {
		return errPending
	}
	return nil
}
