package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/signet-sign/signet/internal/audit"
)

var _ audit.Store = (*Store)(nil)

// pendingEvent is an event without a place in the log.
type pendingEvent struct {
	audit.Entry
	seq   int64     // as it is stored, with gaps
	order time.Time // its time, or that of an earlier event of its trail if that is later
}

// Integrate implements audit.Store.
func (s *Store) Integrate(
	ctx context.Context, limit int, sign func(tlog.Tree) (checkpoint string, err error),
) (n int, err error) {
	err = s.writers.do(ctx, target{key: "audit log"}, func(ctx context.Context, tx *tx) error {
		n = 0
		var value string
		err := tx.row(
			ctx, `SELECT value FROM meta WHERE key = 'audit_size'`+s.dialect.skipLocked, nil,
			&value,
		)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // another process integrates
		}
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return err
		}
		events, err := tx.pending(ctx, limit)
		if err != nil || len(events) == 0 {
			return err
		}
		tree, err := tx.grow(ctx, size, events)
		if err != nil {
			return err
		}
		checkpoint, err := sign(tree)
		if err != nil {
			return err
		}
		tx.must(`INSERT INTO audit_checkpoints (size, note) VALUES ($1, $2)`, tree.N, checkpoint)
		tx.must(
			`UPDATE meta SET value = $1 WHERE key = 'audit_size' AND value = $2`,
			strconv.FormatInt(tree.N, 10), value,
		)
		n = len(events)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("integrating events: %w", err)
	}
	return n, nil
}

// pending reads events without a place in the log, in the order in which they get one.
func (t *tx) pending(ctx context.Context, limit int) (events []pendingEvent, err error) {
	err = t.conn.rows(
		ctx,
		`SELECT request_id, seq, at, kind, detail FROM events WHERE leaf IS NULL
			ORDER BY request_id, seq LIMIT $1`,
		[]any{limit},
		func(rows *sql.Rows) error {
			var e pendingEvent
			var at int64
			err := rows.Scan(&e.RequestID, &e.seq, &at, &e.Kind, &e.Detail)
			e.At = instant(at)
			events = append(events, e)
			return err
		},
	)
	if err != nil {
		return nil, err
	}
	for i := range events {
		e := &events[i]
		if i > 0 && events[i-1].RequestID == e.RequestID {
			before := events[i-1]
			e.Seq, e.order = before.Seq+1, before.order
		} else {
			var last sql.NullInt64
			err := t.row(
				ctx,
				`SELECT nth FROM events WHERE request_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT 1`,
				[]any{e.RequestID, e.seq}, &last,
			)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return nil, err
			}
			e.Seq = last.Int64 + 1
		}
		if e.At.After(e.order) {
			e.order = e.At
		}
	}
	slices.SortStableFunc(events, func(a, b pendingEvent) int {
		return cmp.Or(a.order.Compare(b.order), cmp.Compare(a.RequestID, b.RequestID))
	})
	return events, nil
}

// grow puts off the writes that append events to a tree with size leaves, and returns the new tree.
func (t *tx) grow(ctx context.Context, size int64, events []pendingEvent) (tlog.Tree, error) {
	fresh := map[int64]tlog.Hash{}
	hashes := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		list := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			h, ok := fresh[index]
			if !ok {
				var text string
				err := t.row(
					ctx, `SELECT hash FROM audit_hashes WHERE id = $1`, []any{index}, &text,
				)
				if err == nil {
					h, err = tlog.ParseHash(text)
				}
				if err != nil {
					return nil, fmt.Errorf("reading hash %d of the audit log: %w", index, err)
				}
				fresh[index] = h
			}
			list[i] = h
		}
		return list, nil
	})
	for _, e := range events {
		e.Index = size
		hash, err := e.Hash()
		if err != nil {
			return tlog.Tree{}, err
		}
		more, err := tlog.StoredHashesForRecordHash(size, hash, hashes)
		if err != nil {
			return tlog.Tree{}, err
		}
		for i, h := range more {
			index := tlog.StoredHashIndex(0, size) + int64(i)
			fresh[index] = h
			t.must(`INSERT INTO audit_hashes (id, hash) VALUES ($1, $2)`, index, h.String())
		}
		t.must(
			`UPDATE events SET leaf = $3, nth = $4 WHERE request_id = $1 AND seq = $2 AND leaf IS NULL`,
			e.RequestID,
			e.seq,
			e.Index,
			e.Seq,
		)
		size++
	}
	root, err := tlog.TreeHash(size, hashes)
	return tlog.Tree{N: size, Hash: root}, err
}

// Pending implements audit.Store.
func (s *Store) Pending(ctx context.Context, requestID string) (bool, error) {
	query, args := `SELECT 1 FROM events WHERE leaf IS NULL LIMIT 1`, []any{}
	if requestID != "" {
		query = `SELECT 1 FROM events WHERE leaf IS NULL AND request_id = $1 LIMIT 1`
		args = append(args, requestID)
	}
	var one int
	err := s.readers.row(ctx, query, args, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for events that are not in the audit log: %w", err)
	}
	return true, nil
}

const entryColumns = `SELECT leaf, request_id, nth, at, kind, detail FROM events `

// Entries implements audit.Store.
func (s *Store) Entries(ctx context.Context, from int64, limit int) ([]audit.Entry, error) {
	return s.entries(
		ctx, entryColumns+`WHERE leaf IS NOT NULL AND leaf >= $1 ORDER BY leaf LIMIT $2`, from,
		limit,
	)
}

// EntriesOf implements audit.Store.
func (s *Store) EntriesOf(ctx context.Context, requestID string) ([]audit.Entry, error) {
	return s.entries(
		ctx, entryColumns+`WHERE request_id = $1 AND leaf IS NOT NULL ORDER BY seq`, requestID,
	)
}

func (s *Store) entries(
	ctx context.Context, query string, args ...any,
) (list []audit.Entry, err error) {
	err = s.readers.rows(ctx, query, args, func(rows *sql.Rows) error {
		var e audit.Entry
		var at int64
		err := rows.Scan(&e.Index, &e.RequestID, &e.Seq, &at, &e.Kind, &e.Detail)
		e.At = instant(at)
		list = append(list, e)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	return list, nil
}

// Hashes implements audit.Store.
func (s *Store) Hashes(ctx context.Context, from, to int64) (list []tlog.Hash, err error) {
	err = s.readers.rows(
		ctx, `SELECT hash FROM audit_hashes WHERE id >= $1 AND id < $2 ORDER BY id`,
		[]any{from, to},
		func(rows *sql.Rows) error {
			var text string
			if err := rows.Scan(&text); err != nil {
				return err
			}
			h, err := tlog.ParseHash(text)
			list = append(list, h)
			return err
		},
	)
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	return list, nil
}

// Checkpoints implements audit.Store.
func (s *Store) Checkpoints(
	ctx context.Context, n int64, limit int,
) (list []audit.Checkpoint, err error) {
	err = s.readers.rows(
		ctx, `SELECT size, note FROM audit_checkpoints WHERE size > $1 ORDER BY size LIMIT $2`,
		[]any{n, limit},
		func(rows *sql.Rows) error {
			var c audit.Checkpoint
			err := rows.Scan(&c.Size, &c.Note)
			list = append(list, c)
			return err
		},
	)
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	return list, nil
}

// Newest implements audit.Store.
func (s *Store) Newest(ctx context.Context) (c audit.Checkpoint, err error) {
	err = s.readers.row(
		ctx, `SELECT size, note FROM audit_checkpoints ORDER BY size DESC LIMIT 1`, nil, &c.Size,
		&c.Note,
	)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("reading the audit log: %w", err)
	}
	return c, nil
}
