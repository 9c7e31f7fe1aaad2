package maintenance

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/internal/store"
)

// Migrate migrates the service's database, which other nodes may use at the same time.
func Migrate(ctx context.Context, c config.Config, log *slog.Logger) error {
	if err := c.CompleteCommand(); err != nil {
		return err
	}
	if err := parts.MakeData(&c); err != nil {
		return err
	}
	p, err := parts.Open(ctx, &c, store.Options{Kind: store.Service, Now: time.Now, Log: log})
	if err != nil {
		return err
	}
	return p.Close()
}

// ReadSchema returns the version of the schema of the service's database, and changes nothing.
func ReadSchema(ctx context.Context, c config.Config) (store.Schema, error) {
	if err := c.CompleteCommand(); err != nil {
		return store.Schema{}, err
	}
	return store.ReadSchema(ctx, cmp.Or(c.SessionURL(), c.DatabasePath()))
}
