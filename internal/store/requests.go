package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/sign"
)

// Create implements sign.Store. It sets the request's Version and takes its effects when it succeeds.
func (s *Store) Create(ctx context.Context, r *sign.Request) error {
	row := r.Clone()
	events, jobs := row.Effects()
	data, due, err := encode(row)
	if err != nil {
		return err
	}
	const insert = `INSERT INTO requests (id, client_id, state, version, created_at, due_at, data)
		VALUES ($1, $2, $3, 1, $4, $5, $6) ON CONFLICT (id) DO NOTHING`
	err = s.writer.do(ctx, target{key: r.ID}, func(tx *session, out *news) error {
		n, err := tx.write(insert, r.ID, row.ClientID, string(row.State), micros(row.CreatedAt), due, data)
		if err != nil {
			return fmt.Errorf("creating a request: %w", err)
		}
		if n == 0 {
			return fmt.Errorf("creating a request: %s exists already", r.ID)
		}
		return tx.effects(r.ID, events, jobs, out)
	})
	if err != nil {
		return err
	}
	r.Effects()
	r.Version = 1
	return nil
}

// Get implements sign.Store.
func (s *Store) Get(ctx context.Context, id string) (*sign.Request, error) {
	if !isText(id) {
		return nil, api.ErrNoRecord
	}
	var version int64
	var data []byte
	err := s.readers.row(ctx, `SELECT version, data FROM requests WHERE id = $1`, []any{id}, &version, &data)
	return decode(version, data, err)
}

// Update implements sign.Store. A change that leaves the request as it was, without events and jobs, writes nothing.
func (s *Store) Update(ctx context.Context, id string, change func(*sign.Request) error) error {
	if !isText(id) {
		return api.ErrNoRecord
	}
	return s.writer.do(ctx, target{key: id, request: true}, func(tx *session, out *news) error {
		before, err := tx.load(id)
		r, err := decode(before.version, []byte(before.data), err)
		if err != nil {
			return err
		}
		if err := change(r); err != nil {
			return err
		}
		events, jobs := r.Effects()
		after, due, err := encode(r)
		switch {
		case err != nil:
			return err
		case r.ID != id:
			return errors.New("updating a request: its id may not change")
		case after == before.data && len(events) == 0 && len(jobs) == 0:
			return nil
		}
		if err := tx.replace(id, before, string(r.State), due, after); err != nil {
			return fmt.Errorf("updating a request: %w", err)
		}
		return tx.effects(id, events, jobs, out)
	})
}

// Due implements sign.Store.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) (ids []string, err error) {
	err = s.readers.rows(ctx, `SELECT id FROM requests WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2`,
		[]any{now.UnixMicro(), max(limit, 0)}, func(rows *sql.Rows) error {
			var id string
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("looking for due requests: %w", err)
	}
	return ids, nil
}

// Events implements sign.Store.
func (s *Store) Events(ctx context.Context, id string) (events []sign.Event, err error) {
	if !isText(id) {
		return nil, nil
	}
	err = s.readers.rows(ctx, `SELECT seq, at, kind, detail FROM events WHERE request_id = $1 ORDER BY seq`,
		[]any{id}, func(rows *sql.Rows) error {
			var e sign.Event
			var at int64
			var detail []byte
			if err := rows.Scan(&e.Seq, &at, &e.Kind, &detail); err != nil {
				return err
			}
			e.At = instant(at)
			events = append(events, e)
			if len(detail) == 0 {
				return nil
			}
			return json.Unmarshal(detail, &events[len(events)-1].Detail)
		})
	if err != nil {
		return nil, fmt.Errorf("reading events: %w", err)
	}
	return events, nil
}

// effects writes what a change to a request left behind, and who must hear of it.
func (s *session) effects(id string, events []sign.Event, jobs []sign.Job, out *news) error {
	out.requests = append(out.requests, id)
	for _, e := range events {
		detail := ""
		if len(e.Detail) > 0 {
			b, err := json.Marshal(e.Detail)
			if err != nil {
				return err
			}
			detail = string(b)
		}
		err := s.later(false, `INSERT INTO events (request_id, seq, at, kind, detail)
			VALUES ($1, (SELECT coalesce(max(seq), 0) + 1 FROM events WHERE request_id = $1), $2, $3, $4)`,
			id, micros(e.At), string(e.Kind), detail)
		if err != nil {
			return fmt.Errorf("writing an event: %w", err)
		}
	}
	for _, j := range jobs {
		out.jobs = true
		err := s.later(false, `INSERT INTO outbox (request_id, kind, status, attempts, due_at, ready_at, lease, payload, last_error)
			VALUES ($1, $2, $3, $4, $5, $5, 0, $6, $7)`,
			id, string(j.Kind), string(j.Status), j.Attempts, micros(j.DueAt), text(j.Payload), text(j.LastError))
		if err != nil {
			return fmt.Errorf("writing a job: %w", err)
		}
	}
	return nil
}

// isText reports whether PostgreSQL takes s as TEXT. What is not text names nothing, and ids come from strangers.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// text makes of s what [isText]: the words of an error may come from afar.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func encode(r *sign.Request) (data string, due sql.NullInt64, err error) {
	b, err := json.Marshal(r)
	if err != nil {
		return "", due, fmt.Errorf("encoding request %s: %w", r.ID, err)
	}
	if at, ok := r.DueAt(); ok {
		due = sql.NullInt64{Int64: at.UnixMicro(), Valid: true}
	}
	return string(b), due, nil
}

// decode takes the answer of a query for version and data.
func decode(version int64, data []byte, err error) (*sign.Request, error) {
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, api.ErrNoRecord
	case err != nil:
		return nil, fmt.Errorf("reading a request: %w", err)
	}
	r := new(sign.Request)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("decoding a request: %w", err)
	}
	r.Version = version
	return r, nil
}
