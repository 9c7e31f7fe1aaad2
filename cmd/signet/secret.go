package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/signet-sign/signet/internal/maintenance"
)

// secretCmd is the commands for the service's secrets and keys.
type secretCmd struct {
	Rotate   secretRotateCmd   `cmd:"" help:"Create the next secret of cookies, links, enrolment, console or signers, or the keys for OpenID Connect (oidc) or webhooks (webhook)."`
	Encrypt  secretEncryptCmd  `cmd:"" help:"Encrypt the keys and secrets of a stopped service that are in plain files."`
	Import   secretImportCmd   `cmd:"" help:"Bring existing keys and secrets into the token that keys names, or into the database, while nodes run."`
	Password secretPasswordCmd `cmd:"" help:"Change the password of encrypted keys and secrets."`
}

type secretRotateCmd struct {
	Name string `arg:"" help:"cookies, links, enrolment, console, signers, oidc or webhook."`

	configured
}

func (c *secretRotateCmd) Run(env *environment) error {
	after, err := maintenance.RotateSecret(env.ctx, c.Config, c.Name)
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
	files, err := maintenance.EncryptKeys(env.ctx, c.Config)
	for _, f := range files {
		fmt.Fprintln(env.out, "encrypted", f)
	}
	if err == nil && len(files) == 0 {
		_, err = fmt.Fprintln(env.out, "no key and no secret is in a plain file")
	}
	return err
}

type secretImportCmd struct {
	FromPasswordFile string `help:"File with the password of the present files, if they are encrypted." placeholder:"FILE"`
	Finish           bool   `help:"Remove the files from which keys were imported."`

	configured
}

// Help implements kong.HelpProvider.
func (*secretImportCmd) Help() string {
	return "keys and keys_password name the token. Back up the data folder first. Nodes with the earlier configuration go on; start each with the new one, and then finish the import."
}

func (c *secretImportCmd) Run(env *environment) error {
	verb, do := "imported", func() ([]string, error) {
		password, err := readPassword(c.FromPasswordFile)
		if err != nil {
			return nil, err
		}
		return maintenance.ImportKeys(env.ctx, c.Config, password)
	}
	if c.Finish {
		verb = "replaced"
		do = func() ([]string, error) { return maintenance.FinishImport(env.ctx, c.Config) }
	}
	files, err := do()
	for _, f := range files {
		fmt.Fprintln(env.out, verb, f)
	}
	if err == nil && len(files) == 0 {
		_, err = fmt.Fprintln(env.out, "there is nothing to import")
	}
	return err
}

// readPassword returns the text of a file without one line break at its end; the name may be empty.
func readPassword(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), err
}

type secretPasswordCmd struct {
	NewFile string `help:"File with the new password." required:"" placeholder:"FILE"`

	configured
}

func (c *secretPasswordCmd) Run(env *environment) error {
	password, err := readPassword(c.NewFile)
	if err != nil {
		return err
	}
	if err := maintenance.ChangeKeysPassword(env.ctx, c.Config, password); err != nil {
		return err
	}
	_, err = fmt.Fprintln(
		env.out, "the password is changed: name it in keys_password before the next start",
	)
	return err
}
