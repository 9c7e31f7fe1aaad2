package store

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3codes "modernc.org/sqlite/lib"

	"github.com/signet-sign/signet/internal/request"
)

// away marks the errors of a database that does not answer, or has no room, as [request.ErrAway].
func away(err error) error {
	if err == nil || errors.Is(err, request.ErrAway) || !isAway(err) {
		return err
	}
	return fmt.Errorf("%w: %w", request.ErrAway, err)
}

func isAway(err error) bool {
	var full *sqlite.Error
	if errors.As(err, &full) {
		return full.Code()&0xff == sqlite3codes.SQLITE_FULL
	}
	var answer *pgconn.PgError
	if errors.As(err, &answer) && len(answer.Code) == 5 && answer.Code[:2] == "53" {
		return true // class 53: no disk, memory or connections left
	}
	return errors.Is(err, ErrUncertain) || pgTransient(err)
}
