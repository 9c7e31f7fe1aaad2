package maintenance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/parts"
)

// ExportAudit writes the audit log of a deployment, with all events that its database holds. It
// needs the SQLite database for itself.
func ExportAudit(ctx context.Context, c config.Config, log *slog.Logger, w io.Writer) (err error) {
	p, l, err := parts.OpenLog(ctx, &c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := l.Export(ctx, w); err != nil {
		return fmt.Errorf("exporting the audit log: %w", err)
	}
	return nil
}
