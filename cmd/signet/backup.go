package main

import (
	"errors"
	"os"

	"github.com/signet-sign/signet/internal/app"
)

// backupCmd writes an encrypted backup.
type backupCmd struct {
	To        string   `help:"New file for the backup."                  required:"" placeholder:"FILE"`
	Recipient []string `help:"age recipient that can read it (age1...)." required:"" placeholder:"AGE1"`

	configured
}

// Run writes the backup. A file that is not complete is removed.
func (c *backupCmd) Run(env *environment) (err error) {
	f, err := createNew(c.To)
	if err != nil {
		return err
	}
	err = app.Backup(env.ctx, c.Config, c.Recipient, f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(c.To))
	}
	return nil
}
