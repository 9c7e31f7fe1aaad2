package store

import (
	"errors"
	"fmt"
	"slices"

	"modernc.org/sqlite"
	sqlite3codes "modernc.org/sqlite/lib"

	"github.com/signet-sign/signet/internal/request"
)

// away marks the errors of a database that does not answer, or cannot write, as [request.ErrAway].
func away(err error) error {
	if err == nil || errors.Is(err, request.ErrAway) || !isAway(err) {
		return err
	}
	if errors.Is(err, ErrUncertain) {
		return fmt.Errorf("%w: %w: %v", request.ErrAway, ErrUncertain, err)
	}
	// The cause is not wrapped: the socket of a server that is stopped does not exist, and a caller
	// must not take that fs.ErrNotExist for a missing document.
	return fmt.Errorf("%w: %v", request.ErrAway, err)
}

func isAway(err error) bool {
	if code := ErrorCode(err); code != "" && slices.Contains(pgAway, code[:2]) {
		return true
	}
	return errors.Is(err, ErrUncertain) || isDisk(err) || isReadOnly(err) || pgTransient(err)
}

// pgAway are the classes of PostgreSQL's codes of a server that cannot work: it has no disk, memory
// or connections left (53), or its own system refuses something (58).
var pgAway = []string{"53", "58"}

// isReadOnly reports whether a PostgreSQL server takes no changes, as a standby does, or a server
// whose operator has stopped them because its disk is nearly full.
func isReadOnly(err error) bool { return ErrorCode(err) == "25006" }

// isDisk reports whether SQLite cannot use its files at present: the disk is full, fails, is
// read-only or not mounted, or another program has locked the database for longer than
// busy_timeout.
func isDisk(err error) bool {
	var failed *sqlite.Error
	if !errors.As(err, &failed) {
		return errors.Is(err, errMoved)
	}
	switch failed.Code() & 0xff {
	case sqlite3codes.SQLITE_FULL, sqlite3codes.SQLITE_IOERR, sqlite3codes.SQLITE_READONLY,
		sqlite3codes.SQLITE_CANTOPEN, sqlite3codes.SQLITE_BUSY, sqlite3codes.SQLITE_PROTOCOL,
		sqlite3codes.SQLITE_NOMEM:
		return true
	}
	return false
}
