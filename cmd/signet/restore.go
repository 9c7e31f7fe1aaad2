package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/maintenance"
	"github.com/signet-sign/signet/internal/obs"
)

// restoreCmd restores a backup, and checks that what was restored is complete.
type restoreCmd struct {
	Check    bool     `help:"Only compare the database with the documents, and list missing and unknown documents."                    xor:"what" required:""`
	From     string   `help:"Restore this backup into the data folder, and check it."                                                  xor:"what" required:"" placeholder:"FILE"`
	Adopt    []string `help:"Bring back documents that were signed after the backup: audit logs, evidence (ZIP) and signed documents." xor:"what" required:"" placeholder:"FILE"`
	Identity string   `help:"File with the age identity that can read the backup."                                                                            placeholder:"FILE"`

	configured
}

// errIncomplete makes the program exit with status 1 after the findings were printed.
var errIncomplete = errors.New("database and documents do not agree")

func (c *restoreCmd) Run(env *environment) error {
	if len(c.Adopt) > 0 {
		return c.adopt(env)
	}
	if c.From != "" {
		if err := c.restore(env.ctx); err != nil {
			return err
		}
		if c.Database != "" {
			fmt.Fprintln(
				env.out,
				"the folders are restored: restore the PostgreSQL database, then signet restore --check",
			)
			return nil
		}
	}
	n, err := maintenance.CheckRestored(
		env.ctx, c.Config, obs.NewLogger(env.errs, slog.LevelWarn, c.LogFormat),
		func(requestID, finding string) {
			fmt.Fprintln(env.out, printableLines(strings.TrimSpace(requestID+" "+finding)))
		},
	)
	if err != nil {
		return err
	}
	fmt.Fprintf(
		env.out, "%d requests, %d documents, %d findings\n", n.Requests, n.Documents, n.Findings,
	)
	for _, remedy := range n.Remedies {
		fmt.Fprintln(env.out, "remedy for", remedy)
	}
	if n.Findings > 0 {
		return errIncomplete
	}
	return nil
}

// errNotAdopted makes the program exit with status 1 after the reasons were printed.
var errNotAdopted = errors.New("some documents could not be adopted")

// adopt brings back what the files prove.
func (c *restoreCmd) adopt(env *environment) error {
	n, err := app.Adopt(
		env.ctx, c.Config, obs.NewLogger(env.errs, slog.LevelWarn, c.LogFormat), c.Adopt,
		func(requestID, outcome string) {
			fmt.Fprintln(env.out, printableLines(requestID+" "+outcome))
		},
	)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.out, "%d adopted, %d not adopted\n", n.Adopted, n.Refused)
	if n.Refused > 0 {
		return errNotAdopted
	}
	return nil
}

// restore reads the backup into the data folder.
func (c *restoreCmd) restore(ctx context.Context) error {
	identity, err := os.Open(c.Identity)
	if err != nil {
		return fmt.Errorf("--identity: %w", err)
	}
	defer identity.Close()
	in, err := os.Open(c.From)
	if err != nil {
		return err
	}
	defer in.Close()
	return maintenance.Restore(ctx, c.Config, identity, in)
}
