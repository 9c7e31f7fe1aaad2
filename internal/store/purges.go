package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/signet-sign/signet/internal/request"
)

// Two changes of one request may ask at the same microsecond. One purge is enough then.
const insertPurge = `INSERT INTO purges (due_at, request_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`

// PurgesDue implements request.Store.
func (s *Store) PurgesDue(ctx context.Context, now time.Time, limit int) (due []request.Purge, err error) {
	const query = `SELECT p.due_at, p.request_id, r.state FROM purges AS p JOIN requests AS r ON r.id = p.request_id
		WHERE p.due_at <= $1 ORDER BY p.due_at, p.request_id LIMIT $2`
	err = s.readers.rows(ctx, query, []any{now.UnixMicro(), max(limit, 0)}, func(rows *sql.Rows) error {
		var p request.Purge
		var at int64
		err := rows.Scan(&at, &p.RequestID, &p.State)
		p.DueAt = instant(at)
		due = append(due, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for purges: %w", err)
	}
	return due, nil
}

// Purged implements request.Store.
func (s *Store) Purged(ctx context.Context, purges []request.Purge) error {
	var t target
	behind := make([]deferred, len(purges))
	for i, p := range purges {
		t.requests = append(t.requests, p.RequestID) // the trail's numbers belong to whoever holds the row
		var err error
		if behind[i], err = effects(p.RequestID, request.Effects{Events: p.Events, Purge: p.Again}); err != nil {
			return err
		}
	}
	return s.writer.do(ctx, t, func(tx *session, out *news) error {
		ended, err := tx.endPurges(purges)
		if err != nil {
			return fmt.Errorf("ending purges: %w", err)
		}
		for i, p := range purges {
			if ended[purgeRow{micros(p.DueAt), p.RequestID}] {
				tx.leave(p.RequestID, 0, behind[i], out)
			}
		}
		return nil
	})
}

// endPurges deletes purges and tells which were there.
func (s *session) endPurges(purges []request.Purge) (ended map[purgeRow]bool, err error) {
	ended = make(map[purgeRow]bool, len(purges))
	if !s.dialect.arrays {
		for _, p := range purges {
			n, err := s.write(`DELETE FROM purges WHERE due_at = $1 AND request_id = $2`, micros(p.DueAt), p.RequestID)
			if err != nil {
				return nil, err
			}
			ended[purgeRow{micros(p.DueAt), p.RequestID}] = n > 0
		}
		return ended, nil
	}
	due, ids := make([]int64, len(purges)), make([]string, len(purges))
	for i, p := range purges {
		due[i], ids[i] = micros(p.DueAt), p.RequestID
	}
	err = s.writeRows(`DELETE FROM purges AS p USING unnest($1::bigint[], $2::text[]) AS n (due, id)
		WHERE p.due_at = n.due AND p.request_id = n.id RETURNING p.due_at, p.request_id`, []any{due, ids}, func(rows *sql.Rows) error {
		var r purgeRow
		err := rows.Scan(&r.due, &r.id)
		ended[r] = true
		return err
	})
	return ended, err
}
