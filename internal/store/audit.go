package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
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
		size, err := tx.lockLog(ctx, s.dialect)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // another process integrates
		}
		if err != nil {
			return err
		}
		events, err := tx.pending(ctx, limit)
		if err != nil || len(events) == 0 {
			return err
		}
		tree, err := tx.grow(ctx, s.dialect, size, events)
		if err != nil {
			return err
		}
		checkpoint, err := sign(tree)
		if err != nil {
			return err
		}
		tx.deferOne(`INSERT INTO audit_checkpoints (size, note) VALUES ($1, $2)`, tree.N, checkpoint)
		tx.deferOne(
			`UPDATE meta SET value = $1 WHERE key = 'audit_size' AND value = $2`,
			strconv.FormatInt(tree.N, 10), strconv.FormatInt(size, 10),
		)
		n = len(events)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("integrating events: %w", err)
	}
	return n, nil
}

// ReplaceCheckpoints replaces all checkpoints by one of the whole log, for a log with another key.
func (s *Store) ReplaceCheckpoints(
	ctx context.Context, sign func(tlog.Tree) (checkpoint string, err error),
) error {
	err := s.writers.do(ctx, target{key: "audit log"}, func(ctx context.Context, tx *tx) error {
		size, err := tx.lockLog(ctx, s.dialect)
		if err != nil {
			return err
		}
		reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			return tx.hashes(ctx, s.dialect, map[int64]tlog.Hash{}, indexes)
		})
		root, err := tlog.TreeHash(size, reader)
		if err != nil {
			return err
		}
		checkpoint, err := sign(tlog.Tree{N: size, Hash: root})
		if err != nil {
			return err
		}
		tx.deferAny(`DELETE FROM audit_checkpoints`)
		tx.deferOne(`INSERT INTO audit_checkpoints (size, note) VALUES ($1, $2)`, size, checkpoint)
		return nil
	})
	if err != nil {
		return fmt.Errorf("replacing the checkpoints of the audit log: %w", err)
	}
	return nil
}

// lockLog locks the log until the end of the transaction and returns its size. The error is
// sql.ErrNoRows if another process has locked it.
func (t *tx) lockLog(ctx context.Context, d dialect) (size int64, err error) {
	err = t.row(
		ctx, `SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'audit_size'`+d.skipLocked, nil,
		&size,
	)
	return size, err
}

// pending reads events without a place in the log, in the order in which they get one.
func (t *tx) pending(ctx context.Context, limit int) (events []pendingEvent, err error) {
	err = t.read(
		ctx,
		`SELECT request_id, seq, at, kind, detail, (
				SELECT coalesce(max(nth), 0) FROM events AS before
				WHERE before.request_id = e.request_id AND before.seq < e.seq)
			FROM events AS e WHERE leaf IS NULL ORDER BY request_id, seq LIMIT $1`,
		[]any{limit},
		func(rows *sql.Rows) error {
			var e pendingEvent
			var at int64
			err := rows.Scan(&e.RequestID, &e.seq, &at, &e.Kind, &e.Detail, &e.Seq)
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
			e.Seq, e.order = events[i-1].Seq, events[i-1].order
		}
		e.Seq++
		if e.At.After(e.order) {
			e.order = e.At
		}
	}
	slices.SortStableFunc(events, func(a, b pendingEvent) int {
		return cmp.Or(a.order.Compare(b.order), cmp.Compare(a.RequestID, b.RequestID))
	})
	return events, nil
}

// grow defers the writes that append events to a tree with size leaves, and returns the new tree.
func (t *tx) grow(
	ctx context.Context, d dialect, size int64, events []pendingEvent,
) (tlog.Tree, error) {
	known := map[int64]tlog.Hash{}
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		return t.hashes(ctx, d, known, indexes)
	})
	// The root depends on all hashes that new leaves will need, so that they are read at once.
	if _, err := tlog.TreeHash(size, reader); err != nil {
		return tlog.Tree{}, err
	}
	for _, e := range events {
		e.Index = size
		hash, err := e.Hash()
		if err != nil {
			return tlog.Tree{}, err
		}
		more, err := tlog.StoredHashesForRecordHash(size, hash, reader)
		if err != nil {
			return tlog.Tree{}, err
		}
		for i, h := range more {
			index := tlog.StoredHashIndex(0, size) + int64(i)
			known[index] = h
			t.deferOne(insertHash, index, h.String())
		}
		t.deferOne(setLeaf, e.RequestID, e.seq, e.Index, e.Seq)
		size++
	}
	root, err := tlog.TreeHash(size, reader)
	return tlog.Tree{N: size, Hash: root}, err
}

// hashes returns hashes of the log's tree, and adds those that it reads to known.
func (t *tx) hashes(
	ctx context.Context, d dialect, known map[int64]tlog.Hash, indexes []int64,
) ([]tlog.Hash, error) {
	var unknown []int64
	for _, i := range indexes {
		if _, ok := known[i]; !ok {
			unknown = append(unknown, i)
		}
	}
	if len(unknown) > 0 {
		ids, err := json.Marshal(unknown)
		if err != nil {
			return nil, err
		}
		err = t.read(
			ctx,
			`SELECT id, hash FROM audit_hashes WHERE id `+fmt.Sprintf(d.among, "BIGINT"),
			[]any{string(ids)},
			func(rows *sql.Rows) error {
				var i int64
				var text string
				if err := rows.Scan(&i, &text); err != nil {
					return err
				}
				h, err := tlog.ParseHash(text)
				known[i] = h
				return err
			},
		)
		if err != nil {
			return nil, fmt.Errorf("reading hashes of the audit log: %w", err)
		}
	}
	list := make([]tlog.Hash, len(indexes))
	for n, i := range indexes {
		h, ok := known[i]
		if !ok {
			return nil, fmt.Errorf("the audit log lacks hash %d", i)
		}
		list[n] = h
	}
	return list, nil
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
