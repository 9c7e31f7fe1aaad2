package store

import (
	"errors"
	"fmt"
	"strings"

	"modernc.org/sqlite"
	sqlite3codes "modernc.org/sqlite/lib"

	"github.com/signet-sign/signet/internal/request"
)

// away marks the errors of a database that does not answer, or has no room, as [request.ErrAway].
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
	var full *sqlite.Error
	if errors.As(err, &full) {
		return full.Code()&0xff == sqlite3codes.SQLITE_FULL
	}
	if strings.HasPrefix(ErrorCode(err), "53") {
		return true // no disk, memory or connections left
	}
	return errors.Is(err, ErrUncertain) || pgTransient(err)
}
