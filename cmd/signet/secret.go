package main

import (
	"fmt"

	"github.com/signet-sign/signet/internal/app"
)

// secretCmd is the commands for the service's symmetric secrets.
type secretCmd struct {
	Rotate secretRotateCmd `cmd:"" help:"Create the next secret of cookies, links, enrolment or console."`
}

type secretRotateCmd struct {
	Name string `arg:"" help:"cookies, links, enrolment or console."`

	configured
}

func (c *secretRotateCmd) Run(env *environment) error {
	if err := app.RotateSecret(c.Config, c.Name); err != nil {
		return err
	}
	_, err := fmt.Fprintf(env.out, "the nodes use the next secret of %s in a minute\n", c.Name)
	return err
}
