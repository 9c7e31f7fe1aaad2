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
)

// restoreCmd restores a backup, and checks that what was restored is complete.
type restoreCmd struct {
	Check    bool      `help:"Only compare the database with the documents, and list missing and unknown documents."                    xor:"what" required:""`
	From     oldFile   `help:"Restore this backup into the data folder, and check it."                                                  xor:"what" required:"" placeholder:"FILE"`
	Adopt    []oldFile `help:"Bring back documents that were signed after the backup: audit logs, evidence (ZIP) and signed documents." xor:"what" required:"" placeholder:"FILE"`
	Identity oldFile   `help:"File with the age identity that can read the backup."                                                                            placeholder:"FILE"`

	deployed
}

// errIncomplete makes the program exit with status 1 after the findings were printed.
var errIncomplete = errors.New("database and documents do not agree")

// restored is what was found, as JSON.
type restored struct {
	Requests  int            `json:"requests"`
	Documents int            `json:"documents"`
	Findings  int            `json:"findings"`
	Found     []aboutRequest `json:"found"` // also documents in the trash, which are no findings
	Remedies  []string       `json:"remedies"`
}

// aboutRequest is what a command says of a request, whose id may be empty.
type aboutRequest struct {
	RequestID string `json:"request_id"`
	Text      string `json:"text"`
}

func (c *restoreCmd) Run(env *environment) error {
	if len(c.Adopt) > 0 {
		return c.adopt(env)
	}
	if c.From != "" {
		if err := c.restore(env.ctx); err != nil {
			return err
		}
		if c.Database != "" {
			const next = "restore the PostgreSQL database, then signet restore --check"
			return c.print(
				env.out, map[string]string{"next": next}, "the folders are restored: "+next,
			)
		}
	}
	found := []aboutRequest{}
	n, err := maintenance.CheckRestored(
		env.ctx, c.Config, c.log(env, slog.LevelWarn),
		func(requestID, finding string) {
			found = append(found, aboutRequest{requestID, finding})
			if !c.JSON {
				fmt.Fprintln(env.out, printableLines(strings.TrimSpace(requestID+" "+finding)))
			}
		},
	)
	if err != nil {
		return err
	}
	text := fmt.Sprintf(
		"%d requests, %d documents, %d findings", n.Requests, n.Documents, n.Findings,
	)
	for _, remedy := range n.Remedies {
		text += "\nremedy for " + remedy
	}
	result := restored{
		n.Requests, n.Documents, n.Findings, found, append([]string{}, n.Remedies...),
	}
	if err := c.print(env.out, result, text); err != nil {
		return err
	}
	if n.Findings > 0 {
		return errIncomplete
	}
	return nil
}

// errNotAdopted makes the program exit with status 1 after the reasons were printed.
var errNotAdopted = errors.New("some documents could not be adopted")

// adopted is what was brought back, as JSON.
type adopted struct {
	Adopted  int            `json:"adopted"`
	Refused  int            `json:"not_adopted"`
	Outcomes []aboutRequest `json:"outcomes"`
}

// adopt brings back what the files prove.
func (c *restoreCmd) adopt(env *environment) error {
	outcomes := []aboutRequest{}
	files := make([]string, len(c.Adopt))
	for i, f := range c.Adopt {
		files[i] = string(f)
	}
	n, err := app.Adopt(
		env.ctx, c.Config, c.log(env, slog.LevelWarn), files,
		func(requestID, outcome string) {
			outcomes = append(outcomes, aboutRequest{requestID, outcome})
			if !c.JSON {
				fmt.Fprintln(env.out, printableLines(requestID+" "+outcome))
			}
		},
	)
	if err != nil {
		return err
	}
	err = c.print(
		env.out, adopted{n.Adopted, n.Refused, outcomes},
		fmt.Sprintf("%d adopted, %d not adopted", n.Adopted, n.Refused),
	)
	if err == nil && n.Refused > 0 {
		err = errNotAdopted
	}
	return err
}

// restore reads the backup into the data folder.
func (c *restoreCmd) restore(ctx context.Context) error {
	identity, err := os.Open(string(c.Identity))
	if err != nil {
		return fmt.Errorf("--identity: %w", err)
	}
	defer identity.Close()
	in, err := os.Open(string(c.From))
	if err != nil {
		return err
	}
	defer in.Close()
	return maintenance.Restore(ctx, c.Config, identity, in)
}
