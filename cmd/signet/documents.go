package main

import (
	"github.com/signet-sign/signet/internal/maintenance"
)

// documentsCmd is the commands for stored documents.
type documentsCmd struct {
	Rotate rotateCmd `cmd:"" help:"Make a new key under which the keys of documents are wrapped."`
}

// rotateCmd makes a new wrapping key, also while the service runs.
type rotateCmd struct{ deployed }

// Run prints the name of the new key.
func (c *rotateCmd) Run(env *environment) error {
	name, err := maintenance.RotateDocumentKey(env.ctx, c.Config)
	if err != nil {
		return err
	}
	return c.print(env.out, map[string]string{"key": name}, name)
}
