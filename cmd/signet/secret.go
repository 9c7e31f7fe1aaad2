package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/signet-sign/signet/internal/app"
)

// secretCmd is the commands for the service's secrets and keys.
type secretCmd struct {
	Rotate   secretRotateCmd   `cmd:"" help:"Create the next secret of cookies, links, enrolment or console, or the keys for OpenID Connect (oidc)."`
	Encrypt  secretEncryptCmd  `cmd:"" help:"Encrypt the keys and secrets of a stopped service that are in plain files."`
	Password secretPasswordCmd `cmd:"" help:"Change the password of encrypted keys and secrets."`
}

type secretRotateCmd struct {
	Name string `arg:"" help:"cookies, links, enrolment, console or oidc."`

	configured
}

func (c *secretRotateCmd) Run(env *environment) error {
	after, err := app.RotateSecret(c.Config, c.Name)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.out, "the nodes use the next secret of %s after %s\n", c.Name, after)
	return err
}

type secretEncryptCmd struct{ configured }

// Help implements kong.HelpProvider.
func (*secretEncryptCmd) Help() string {
	return "keys and keys_password say how. Stop all nodes first, and back up the data folder."
}

func (c *secretEncryptCmd) Run(env *environment) error {
	files, err := app.EncryptKeys(c.Config)
	for _, f := range files {
		fmt.Fprintln(env.out, "encrypted", f)
	}
	if err == nil && len(files) == 0 {
		_, err = fmt.Fprintln(env.out, "no key and no secret is in a plain file")
	}
	return err
}

type secretPasswordCmd struct {
	NewFile string `help:"File with the new password." required:"" placeholder:"FILE"`

	configured
}

func (c *secretPasswordCmd) Run(env *environment) error {
	text, err := os.ReadFile(c.NewFile)
	if err != nil {
		return err
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if err := app.ChangeKeysPassword(c.Config, password); err != nil {
		return err
	}
	_, err = fmt.Fprintln(
		env.out, "the password is changed: name it in keys_password before the next start",
	)
	return err
}
