package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/obs"
)

// restoreCmd checks that a restored backup is complete.
type restoreCmd struct {
	Check bool `help:"Compare the database with the documents, and list missing and unknown documents." required:""`

	configured
}

// errIncomplete makes the program exit with status 1 after the findings were printed.
var errIncomplete = errors.New("database and documents do not agree")

func (c *restoreCmd) Run(env *environment) error {
	n, err := app.CheckRestored(
		env.ctx, c.Config, obs.NewLogger(env.errs, slog.LevelWarn),
		func(requestID, finding string) {
			fmt.Fprintln(env.out, strings.TrimSpace(requestID+" "+finding))
		},
	)
	if err != nil {
		return err
	}
	fmt.Fprintf(
		env.out, "%d requests, %d documents, %d findings\n", n.Requests, n.Documents, n.Findings,
	)
	if n.Findings > 0 {
		return errIncomplete
	}
	return nil
}
