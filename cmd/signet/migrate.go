package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/signet-sign/signet/internal/maintenance"
)

// migrateCmd migrates the database without starting the service.
type migrateCmd struct {
	Check  bool `help:"Only say what is pending; end with status 1 if something is." xor:"how"`
	DryRun bool `help:"Only print the SQL of what is pending."                       xor:"how"`

	deployed
}

var errPending = errors.New("migrations are pending")

// schema is how far the database is, as JSON.
type schema struct {
	Schema  int64       `json:"schema"`
	Program int64       `json:"program"`
	Pending []migration `json:"pending"`
}

// migration is one that is pending. SQL is that of --dry-run.
type migration struct {
	Version int64  `json:"version"`
	SQL     string `json:"sql,omitempty"`
}

func (c *migrateCmd) Run(env *environment) error {
	if !c.Check && !c.DryRun {
		if err := maintenance.Migrate(env.ctx, c.Config, c.log(env, slog.LevelInfo)); err != nil {
			return err
		}
	}
	s, err := maintenance.ReadSchema(env.ctx, c.Config)
	if err != nil {
		return err
	}
	result := schema{s.Have, s.Want, []migration{}}
	var lines []string
	for _, m := range s.Pending {
		if !c.DryRun {
			m.SQL = ""
		}
		result.Pending = append(result.Pending, migration{m.Version, m.SQL})
		lines = append(lines, fmt.Sprintf("-- migration %d\n%s", m.Version, m.SQL))
	}
	if c.DryRun {
		return c.print(env.out, result, strings.Join(lines, "\n"))
	}
	text := fmt.Sprintf(
		"the schema is %d, this program has %d: %d pending", s.Have, s.Want, len(s.Pending),
	)
	if err := c.print(env.out, result, text); err != nil {
		return err
	}
	if len(s.Pending) > 0 {
		return errPending
	}
	return nil
}
