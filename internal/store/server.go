package store

import (
	"context"
	"fmt"
	"time"
)

// Server describes the server of the database, as this program's connections find it.
type Server struct {
	Version string        // "PostgreSQL 15.14"
	Latency time.Duration // of one query

	// Losing names the settings with which a crash can lose acknowledged changes, such as
	// "synchronous_commit is off"; "" if there is none.
	Losing string

	// ReadOnly reports whether the server refuses changes, as a standby does.
	ReadOnly bool
}

// Server asks the server for its version and its settings.
func (s *Store) Server(ctx context.Context) (found Server, err error) {
	for range 2 { // the first query may open a connection, which takes longer
		begin := time.Now()
		err := s.readers.row(
			ctx, s.dialect.server, nil, &found.Version, &found.Losing, &found.ReadOnly,
		)
		if err != nil {
			return found, fmt.Errorf("reading the database's settings: %w", err)
		}
		found.Latency = time.Since(begin)
	}
	found.Version = s.dialect.title + " " + found.Version
	return found, nil
}
