package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
)

// Create implements request.Store.
func (s *Store) Create(ctx context.Context, r *request.Request, e request.Effects) error {
	copied := r.Clone()
	fresh, err := encode(copied)
	if err != nil {
		return err
	}
	err = s.writers.do(ctx, aRequest(r.ID), func(ctx context.Context, tx *tx) error {
		switch _, err := tx.load(copied.ID); {
		case err == nil:
			return fmt.Errorf("creating a request: %s exists already", copied.ID)
		case !errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("creating a request: %w", err)
		}
		if err := tx.spend(ctx, e.Ticket); err != nil {
			return err
		}
		tx.insert(copied, fresh)
		return tx.deferEffects(copied.ID, copied.ClientID, 1, e)
	})
	if err != nil {
		return err
	}
	r.Version = 1
	return nil
}

// Get implements request.Store.
func (s *Store) Get(ctx context.Context, id string) (*request.Request, error) {
	if !isText(id) {
		return nil, api.ErrNoRecord
	}
	var version int64
	var data []byte
	err := s.readers.row(
		ctx, s.recent.narrow(`SELECT version, data FROM requests WHERE id = $1`, "id", id),
		[]any{id}, &version, &data,
	)
	return decode(version, data, err)
}

// GetAll implements request.Store.
func (s *Store) GetAll(ctx context.Context, ids []string) (map[string]*request.Request, error) {
	texts := []string{}
	for _, id := range ids {
		if isText(id) {
			texts = append(texts, id)
		}
	}
	list, err := json.Marshal(texts)
	if err != nil {
		return nil, fmt.Errorf("reading requests: %w", err)
	}
	all := map[string]*request.Request{}
	err = s.readers.rows(
		ctx,
		s.dialect.byIDs,
		[]any{string(list)},
		func(rows *sql.Rows) error {
			var id string
			var version int64
			var data []byte
			if err := rows.Scan(&id, &version, &data); err != nil {
				return err
			}
			r, err := decode(version, data, nil)
			all[id] = r
			return err
		},
	)
	if err != nil {
		return nil, fmt.Errorf("reading requests: %w", err)
	}
	return all, nil
}

// Update implements request.Store.
func (s *Store) Update(
	ctx context.Context, id string, change func(*request.Request) (request.Effects, error),
) error {
	if !isText(id) {
		return api.ErrNoRecord
	}
	return s.writers.do(ctx, aRequest(id), func(ctx context.Context, tx *tx) error {
		before, err := tx.load(id)
		stored, err := decode(before.version, []byte(before.data), err)
		if err != nil {
			return err
		}
		r := stored.Clone()
		e, err := change(r)
		if err != nil {
			return err
		}
		after, err := encode(r)
		switch {
		case err != nil:
			return err
		case r.ID != id:
			return errors.New("updating a request: its id may not change")
		case e.None() && reflect.DeepEqual(stored, r):
			return nil
		}
		if err := tx.spend(ctx, e.Ticket); err != nil {
			return err
		}
		return tx.deferEffects(id, r.ClientID, tx.update(id, before, after), e)
	})
}

// dueRequests hides the time from the planner of PostgreSQL, and has its limit in its text.
// Otherwise the server would make a new plan for each time, several times a second, for all
// partitions. With 91 of them that takes 12 ms of a processor, and a plan that is kept 3 ms.
const dueRequests = `SELECT id FROM requests WHERE due_at <= (SELECT CAST($1 AS BIGINT))
	ORDER BY due_at, id LIMIT %d`

// Due implements request.Store.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) (ids []string, err error) {
	err = s.readers.rows(
		ctx, fmt.Sprintf(dueRequests, max(limit, 0)), []any{now.UnixMicro()},
		func(rows *sql.Rows) error {
			var id string
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		},
	)
	if err != nil {
		return nil, fmt.Errorf("looking for due requests: %w", err)
	}
	return ids, nil
}

// CreatedAt implements request.Store.
func (s *Store) CreatedAt(ctx context.Context) (time.Time, error) {
	var value string
	if err := s.readers.row(ctx, `SELECT value FROM meta WHERE key = 'created_at'`, nil, &value); err != nil {
		return time.Time{}, fmt.Errorf("reading when the database was created: %w", err)
	}
	us, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading when the database was created: %w", err)
	}
	return instant(us), nil
}

const eventsOf = `SELECT at, kind, detail FROM events WHERE request_id = $1 ORDER BY seq`

// Events implements request.Store.
func (s *Store) Events(ctx context.Context, id string) (events []request.Event, err error) {
	if !isText(id) {
		return nil, nil
	}
	err = s.readers.rows(
		ctx, s.recent.narrow(eventsOf, "request_id", id), []any{id},
		func(rows *sql.Rows) error {
			e := request.Event{Seq: len(events) + 1}
			var at int64
			var detail []byte
			if err := rows.Scan(&at, &e.Kind, &detail); err != nil {
				return err
			}
			e.At = instant(at)
			var err error
			e.Detail, err = decodeDetail(detail)
			events = append(events, e)
			return err
		},
	)
	if err != nil {
		return nil, fmt.Errorf("reading events: %w", err)
	}
	return events, nil
}

// isText reports whether PostgreSQL accepts s as TEXT. Ids come from callers, and no row has an id
// that is not text.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// text makes s acceptable to PostgreSQL. Errors may quote bytes of other systems.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// encode returns the row of r except the columns that never change.
func encode(r *request.Request) (row, error) {
	data, err := encodeRequest(r)
	if err != nil {
		return row{}, err
	}
	return row{state: string(r.State), due: optional(r.DueAt()), data: data}, nil
}

// optional returns a time for a column that may be NULL.
func optional(at time.Time, ok bool) sql.NullInt64 {
	if !ok {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: at.UnixMicro(), Valid: true}
}

// decode decodes the result of a query for version and data.
func decode(version int64, data []byte, err error) (*request.Request, error) {
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, api.ErrNoRecord
	case err != nil:
		return nil, fmt.Errorf("reading a request: %w", err)
	}
	r, err := decodeRequest(data)
	if err != nil {
		return nil, err
	}
	r.Version = version
	return r, nil
}
