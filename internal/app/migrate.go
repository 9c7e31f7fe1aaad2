package app

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/signet-sign/signet/internal/store"
)

// Migrate migrates the service's database, which other nodes may use at the same time.
func Migrate(ctx context.Context, c Config, log *slog.Logger) error {
	if err := c.findDatabase(); err != nil {
		return err
	}
	if err := c.makeData(); err != nil {
		return err
	}
	p, err := c.openParts(ctx, store.Options{Kind: store.Service, Now: time.Now, Log: log})
	if err != nil {
		return err
	}
	return p.Close()
}

// ReadSchema returns the version of the schema of the service's database, and changes nothing.
func ReadSchema(ctx context.Context, c Config) (store.Schema, error) {
	if err := c.findDatabase(); err != nil {
		return store.Schema{}, err
	}
	return store.ReadSchema(ctx, cmp.Or(c.sessionURL(), c.databasePath()))
}

// findDatabase reads the secrets and checks what names the database.
func (c *Config) findDatabase() error {
	if err := c.readSecrets(); err != nil {
		return err
	}
	return c.checkData()
}
