package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/signet-sign/signet/internal/operator"
)

const operatorSessionColumns = `id, subject, name, role, begun_at, seen_at, address, browser`

// AddOperatorSession implements operator.Store.
func (s *Store) AddOperatorSession(ctx context.Context, o operator.Session) error {
	err := s.writers.do(ctx, target{key: "session " + o.ID}, func(_ context.Context, tx *tx) error {
		tx.deferOne(
			`INSERT INTO operator_sessions (`+operatorSessionColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			o.ID, text(o.Subject), text(o.Name), o.Role, micros(o.Begun), micros(o.Seen),
			text(o.Address), text(o.Browser),
		)
		return nil
	})
	if err != nil {
		return fmt.Errorf("storing an operator's session: %w", err)
	}
	return nil
}

// OperatorSession implements operator.Store.
func (s *Store) OperatorSession(ctx context.Context, id string) (operator.Session, error) {
	list, err := s.operatorSessions(ctx, `WHERE id = $1`, id)
	if err == nil && len(list) == 0 {
		err = operator.ErrNoSession
	}
	if err != nil {
		return operator.Session{}, err
	}
	return list[0], nil
}

// OperatorSessions implements operator.Store.
func (s *Store) OperatorSessions(ctx context.Context) ([]operator.Session, error) {
	return s.operatorSessions(ctx, `ORDER BY seen_at DESC, id`)
}

func (s *Store) operatorSessions(
	ctx context.Context, where string, args ...any,
) ([]operator.Session, error) {
	const query = `SELECT ` + operatorSessionColumns + ` FROM operator_sessions `
	scan := func(rows *sql.Rows, o *operator.Session) error {
		var begun, seen int64
		err := rows.Scan(&o.ID, &o.Subject, &o.Name, &o.Role, &begun, &seen, &o.Address, &o.Browser)
		o.Begun, o.Seen = instant(begun), instant(seen)
		return err
	}
	return readAll(ctx, s.readers, "reading operators' sessions", query+where, args, scan)
}

// SeeOperatorSession implements operator.Store.
func (s *Store) SeeOperatorSession(ctx context.Context, id string, seen time.Time) error {
	err := s.writers.do(ctx, target{key: "session " + id}, func(_ context.Context, tx *tx) error {
		tx.deferAny(`UPDATE operator_sessions SET seen_at = $2 WHERE id = $1`, id, micros(seen))
		return nil
	})
	if err != nil {
		return fmt.Errorf("storing the use of an operator's session: %w", err)
	}
	return nil
}

// EndOperatorSessions implements operator.Store.
func (s *Store) EndOperatorSessions(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	err := s.writers.do(
		ctx, target{key: "session " + ids[0]}, func(_ context.Context, tx *tx) error {
			for _, id := range ids {
				tx.deferAny(`DELETE FROM operator_sessions WHERE id = $1`, id)
			}
			return nil
		},
	)
	if err != nil {
		return fmt.Errorf("ending operators' sessions: %w", err)
	}
	return nil
}
