package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/signet-sign/signet/internal/calllog"
)

var _ calllog.Store = (*Store)(nil)

// AddCalls implements calllog.Store. A reader looks for the records beyond the limits, so that
// other changes do not wait for that.
func (s *Store) AddCalls(
	ctx context.Context, records []calllog.Record, limits calllog.Limits,
) error {
	texts := make([]string, len(records))
	var over []shelf
	for i := range records {
		r := &records[i]
		var err error
		if texts[i], err = encodeCall(r); err != nil {
			return err
		}
		over = append(over, shelf{"party", r.Party, r.Authentic, limits.Party})
		if !r.Authentic {
			over[len(over)-1].most = limits.PartyUnauthenticated
		}
		if r.RequestID == "" {
			continue
		}
		over = append(over, shelf{"request_id", r.RequestID, r.Authentic, limits.Request})
		if !r.Authentic {
			over[len(over)-1].most = limits.RequestUnauthenticated
		}
	}
	err := s.writers.do(ctx, target{}, func(ctx context.Context, tx *tx) error {
		for i := range records {
			r := &records[i]
			tx.deferAny(
				`INSERT INTO calls (at, party, authentic, request_id, kind, refused, code, data)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
				micros(r.At), r.Party, bit(r.Authentic), r.RequestID, string(r.Kind),
				bit(r.Refused()), r.Error, texts[i],
			)
			if r.RequestID != "" && !slices.Contains(tx.told.requests, r.RequestID) {
				tx.told.requests = append(tx.told.requests, r.RequestID)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(over, shelf.compare)
	for _, sh := range slices.Compact(over) {
		if s.clear(ctx, sh) != nil {
			break // the records are written; the next call for these shelves removes the rest
		}
	}
	return nil
}

// shelf is a set of records with a limit.
type shelf struct {
	column, value string
	authentic     bool
	most          int
}

func (a shelf) compare(b shelf) int {
	return slices.Compare(
		[]string{a.column, a.value, strconv.FormatBool(a.authentic)},
		[]string{b.column, b.value, strconv.FormatBool(b.authentic)},
	)
}

// clear removes the oldest records of a shelf beyond its limit.
func (s *Store) clear(ctx context.Context, sh shelf) error {
	where := ` FROM calls WHERE ` + sh.column + ` = $1 AND authentic = $2`
	var last int64
	err := s.readers.row(
		ctx,
		`SELECT id`+where+` ORDER BY id DESC LIMIT 1 OFFSET $3`,
		[]any{sh.value, bit(sh.authentic), sh.most},
		&last,
	)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	return s.writers.do(ctx, target{}, func(ctx context.Context, tx *tx) error {
		tx.deferAny(`DELETE`+where+` AND id <= $3`, sh.value, bit(sh.authentic), last)
		return nil
	})
}

// Calls implements calllog.Store.
func (s *Store) Calls(ctx context.Context, f calllog.Filter) (list []calllog.Record, err error) {
	if !isText(f.RequestID) || !isText(f.Party) || !isText(string(f.Kind)) || !isText(f.Code) ||
		f.Limit < 1 {
		return nil, nil
	}
	before := int64(math.MaxInt64)
	if f.Before > 0 {
		before = f.Before
	}
	q := search{}
	q.where = `id < ` + q.bind(before)
	order := "DESC"
	if f.After > 0 {
		q.where += ` AND id > ` + q.bind(f.After)
		order = "ASC"
	}
	if f.ID != 0 {
		q.where += ` AND id = ` + q.bind(f.ID)
	}
	if f.RequestID != "" {
		q.where += ` AND request_id = ` + q.bind(f.RequestID)
	}
	if f.Party != "" {
		q.where += ` AND party = ` + q.bind(f.Party)
	}
	if f.Kind != "" {
		q.where += ` AND kind = ` + q.bind(string(f.Kind))
	}
	if f.Code != "" { // the second condition lets the database use the index
		q.where += ` AND code = ` + q.bind(f.Code) + ` AND code <> ''`
	}
	if f.Refused {
		q.where += ` AND refused = 1`
	}
	query := `SELECT id, data FROM calls WHERE ` + q.where + ` ORDER BY id ` + order + ` LIMIT ` +
		q.bind(f.Limit)
	scan := func(rows *sql.Rows, r *calllog.Record) error {
		var id int64
		var data []byte
		err := rows.Scan(&id, &data)
		if err == nil {
			*r, err = decodeCall(id, data)
		}
		return err
	}
	return readAll(ctx, s.readers, "reading calls", query, q.args, scan)
}

// ForgetCalls implements calllog.Store. It removes the records in parts.
func (s *Store) ForgetCalls(ctx context.Context, before time.Time, keep int) (n int64, err error) {
	var last int64
	err = s.readers.row(
		ctx,
		`SELECT id FROM calls ORDER BY id DESC LIMIT 1 OFFSET $1`,
		[]any{keep},
		&last,
	)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("counting calls: %w", err)
	}
	for _, where := range []struct {
		condition string
		bound     int64
	}{{`at < $1`, micros(before)}, {`id <= $1`, last}} {
		for {
			var some int64
			err := s.writers.do(ctx, target{}, func(ctx context.Context, tx *tx) (err error) {
				some, err = tx.write(
					ctx,
					`DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE `+where.condition+` LIMIT $2)`,
					where.bound,
					forgetCallsAtOnce,
				)
				return err
			})
			if err != nil {
				return n, fmt.Errorf("forgetting calls: %w", err)
			}
			if n += some; some < forgetCallsAtOnce {
				break
			}
		}
	}
	return n, nil
}

// forgetCallsAtOnce bounds how long one transaction of ForgetCalls delays other changes.
const forgetCallsAtOnce = 1000
