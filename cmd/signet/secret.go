package main

import (
	"cmp"
	"errors"
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
	Name string `arg:"" help:"cookies, links, enrolment, console, signers, oidc or webhook." enum:"cookies,links,enrolment,console,signers,oidc,webhook"`

	deployed
}

func (c *secretRotateCmd) Run(env *environment) error {
	after, err := maintenance.RotateSecret(env.ctx, c.Config, c.Name)
	if err != nil {
		return err
	}
	return c.print(
		env.out, map[string]string{"secret": c.Name, "used_after": after.String()},
		fmt.Sprintf("the nodes use the next secret of %s after %s", c.Name, after),
	)
}

// printFiles prints what was done to files, also before a failure, which it returns. none is the
// text if there was nothing to do.
func (d *deployed) printFiles(
	env *environment, verb string, files []string, none string, err error,
) error {
	var lines []string
	for _, f := range files {
		lines = append(lines, verb+" "+f)
	}
	if err != nil {
		none = ""
	}
	return errors.Join(d.print(
		env.out, map[string][]string{verb: append([]string{}, files...)},
		cmp.Or(strings.Join(lines, "\n"), none),
	), err)
}

type secretEncryptCmd struct{ deployed }

// Help implements kong.HelpProvider.
func (*secretEncryptCmd) Help() string {
	return "keys and keys_password say how. Stop all nodes first, and back up the data folder."
}

func (c *secretEncryptCmd) Run(env *environment) error {
	files, err := maintenance.EncryptKeys(env.ctx, c.Config)
	return c.printFiles(env, "encrypted", files, "no key and no secret is in a plain file", err)
}

type secretImportCmd struct {
	FromPasswordFile oldFile `help:"File with the password of the present files, if they are encrypted." placeholder:"FILE"`
	Finish           bool    `help:"Remove the files from which keys were imported."`

	deployed
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
	return c.printFiles(env, verb, files, "there is nothing to import", err)
}

// readPassword returns the text of a file without one line break at its end; the name may be empty.
func readPassword(file oldFile) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(string(file))
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), err
}

type secretPasswordCmd struct {
	NewFile oldFile `help:"File with the new password." required:"" placeholder:"FILE"`

	deployed
}

func (c *secretPasswordCmd) Run(env *environment) error {
	password, err := readPassword(c.NewFile)
	if err != nil {
		return err
	}
	if err := maintenance.ChangeKeysPassword(env.ctx, c.Config, password); err != nil {
		return err
	}
	const next = "name it in keys_password before the next start"
	return c.print(
		env.out, map[string]string{"next": next}, "the password is changed: "+next,
	)
}
