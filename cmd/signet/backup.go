package main

import (
	"io"

	"github.com/signet-sign/signet/internal/maintenance"
)

// backupCmd writes an encrypted backup.
type backupCmd struct {
	To        newFile     `help:"New file for the backup."                  required:"" placeholder:"FILE"`
	Recipient []recipient `help:"age recipient that can read it (age1...)." required:"" placeholder:"AGE1"`

	deployed
}

// Run writes the backup.
func (c *backupCmd) Run(env *environment) error {
	recipients := make([]string, len(c.Recipient))
	for i, r := range c.Recipient {
		recipients[i] = string(r)
	}
	err := writeNew(nil, c.To, func(w io.Writer) error {
		return maintenance.Backup(env.ctx, c.Config, recipients, w)
	})
	if err != nil {
		return err
	}
	return c.print(env.out, map[string]newFile{"file": c.To}, "")
}
