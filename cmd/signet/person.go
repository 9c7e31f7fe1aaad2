package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/obs"
)

// personCmd is the commands for what is stored about a person.
type personCmd struct {
	Forget personForgetCmd `cmd:"" help:"Remove the identifiers of a person from the database."`
}

// personForgetCmd reads the NRIC or FIN from the standard input, because the shell keeps the
// arguments of commands, and other users of the machine see them.
type personForgetCmd struct {
	By string `help:"Your name, which the trails record." required:"" placeholder:"NAME"`

	configured
}

func (c *personForgetCmd) Run(env *environment) error {
	if isTerminal(env.errs) {
		fmt.Fprint(env.errs, "NRIC or FIN: ")
	}
	uin, err := bufio.NewReader(io.LimitReader(os.Stdin, 1<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	log := obs.NewLogger(env.errs, slog.LevelWarn, c.LogFormat)
	done, err := app.ForgetPerson(env.ctx, c.Config, uin, c.By, log)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(
		env.out,
		"forgotten: %d requests, %d phones, %d other records of calls\n"+
			"signed documents, backups and logs may still name the person: see docs/operating.md\n",
		done.Requests, done.Phones, done.Calls,
	)
	return err
}
