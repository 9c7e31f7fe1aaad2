package main

import (
	"io"

	"github.com/signet-sign/signet/internal/maintenance"
)

// backupCmd writes an encrypted backup.
type backupCmd struct {
	To        string   `help:"New file for the backup."                  required:"" placeholder:"FILE"`
	Recipient []string `help:"age recipient that can read it (age1...)." required:"" placeholder:"AGE1"`

	configured
}

// Run writes the backup.
func (c *backupCmd) Run(env *environment) error {
	return writeNew(nil, c.To, func(w io.Writer) error {
		return maintenance.Backup(env.ctx, c.Config, c.Recipient, w)
	})
}
