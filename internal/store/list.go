package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/request"
)

var _ request.Lister = (*Store)(nil)

// List implements request.Lister. A list without relying party and state is merged from the
// beginnings of the states' lists. So every list uses an existing index, and writing needs no
// further one. A list that is grouped by one column and restricted by the other is sorted.
//
// In partitioned tables a page of the newest requests is looked for within a month first, because
// planning a query for the partitions of seven years takes longer than reading the page.
func (s *Store) List(ctx context.Context, f request.Filter) (page []*request.Request, err error) {
	if s.Partitioned() && f.Sort == "" && !f.OldestFirst && f.From.IsZero() && !f.ByID() {
		near, newest := f, f.Before.CreatedAt
		if newest.IsZero() {
			newest = s.recent.now()
		}
		if !f.To.IsZero() && f.To.Before(newest) {
			newest = f.To
		}
		near.From = newest.AddDate(0, -1, 0)
		if page, err := s.list(ctx, near); err != nil || len(page) == f.Limit {
			return page, err
		}
	}
	return s.list(ctx, f)
}

func (s *Store) list(ctx context.Context, f request.Filter) (page []*request.Request, err error) {
	q, ok := s.dialect.search(f)
	if !ok || f.Limit < 1 {
		return nil, nil
	}
	limit := q.bind(f.Limit)
	order, follows, edge := "DESC", "<", int64(math.MaxInt64)
	if f.OldestFirst {
		order, follows, edge = "ASC", ">", 0
	}
	if f.Sort != "" {
		return s.grouped(ctx, f, q, limit, order, follows)
	}
	head := func(where string) string {
		return `SELECT id, version, created_at, data FROM requests WHERE ` + where +
			` ORDER BY created_at ` + order + `, id ` + order + ` LIMIT ` + limit
	}
	if !f.Before.IsZero() {
		edge = micros(f.Before.CreatedAt)
	}
	at, id := q.bind(edge), q.bind(f.Before.ID)
	// The first condition makes the database use the index.
	q.where += fmt.Sprintf(
		` AND created_at %[1]s= %[2]s AND (created_at %[1]s %[2]s OR id %[1]s %[3]s)`,
		follows, at, id,
	)
	query := head(q.where)
	if f.ClientID == "" && f.State == "" {
		var heads []string
		for i, state := range request.States() {
			where := `state = '` + string(state) + `' AND ` + q.where
			heads = append(heads, fmt.Sprintf(`SELECT * FROM (%s) AS s%d`, head(where), i))
		}
		query = strings.Join(heads, " UNION ALL ") +
			` ORDER BY created_at ` + order + `, id ` + order + ` LIMIT ` + limit
	}
	return s.listed(ctx, query, q.args)
}

// grouped returns a page of a list that is grouped by a column.
func (s *Store) grouped(
	ctx context.Context, f request.Filter, q search, limit, order, follows string,
) ([]*request.Request, error) {
	columns := []string{string(f.Sort), "created_at", "id"}
	if !f.Before.IsZero() {
		q.where += fmt.Sprintf(
			" AND (%s) %s (%s, %s, %s)", strings.Join(columns, ", "), follows,
			q.bind(f.Before.Group), q.bind(micros(f.Before.CreatedAt)), q.bind(f.Before.ID),
		)
	}
	query := `SELECT id, version, created_at, data FROM requests WHERE ` + q.where + ` ORDER BY ` +
		strings.Join(columns, " "+order+", ") + ` ` + order + ` LIMIT ` + limit
	return s.listed(ctx, query, q.args)
}

// listed reads the requests of a query.
func (s *Store) listed(
	ctx context.Context, query string, args []any,
) (page []*request.Request, err error) {
	err = s.readers.rows(ctx, query, args, func(rows *sql.Rows) error {
		var id string
		var version, created int64
		var data []byte
		if err := rows.Scan(&id, &version, &created, &data); err != nil {
			return err
		}
		r, err := decode(version, data, nil)
		page = append(page, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing requests: %w", err)
	}
	return page, nil
}

// Count implements request.Lister. A bounded count of all requests has no argument, so that
// PostgreSQL keeps its plan: with 91 partitions it takes 140 ms of a processor with a new plan, and
// 2 ms with one that is kept.
func (s *Store) Count(ctx context.Context, f request.Filter) (map[request.State]int, error) {
	counts := map[request.State]int{}
	q, ok := s.dialect.search(f)
	if !ok {
		return counts, nil
	}
	query := `SELECT state, count(*) FROM requests WHERE ` + q.where + ` GROUP BY state`
	if f.Limit > 0 {
		limit := strconv.Itoa(f.Limit)
		var heads []string
		for i, state := range request.States() {
			heads = append(heads, fmt.Sprintf(
				`SELECT '%[1]s', count(*) FROM (
				SELECT 1 FROM requests WHERE state = '%[1]s' AND %[2]s LIMIT %[3]s) AS s%[4]d
				HAVING count(*) > 0`,
				state, q.where, limit, i,
			))
		}
		query = strings.Join(heads, " UNION ALL ")
	}
	err := s.readers.rows(ctx, query, q.args, func(rows *sql.Rows) error {
		var state request.State
		var n int
		err := rows.Scan(&state, &n)
		counts[state] = n
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("counting requests: %w", err)
	}
	return counts, nil
}

// Timeline implements request.Lister. It reads the index by state and time.
func (s *Store) Timeline(
	ctx context.Context, from time.Time, step time.Duration, n int,
) ([]map[request.State]int, error) {
	counts := make([]map[request.State]int, n)
	for i := range counts {
		counts[i] = map[request.State]int{}
	}
	to := from.Add(time.Duration(n) * step)
	q := search{args: []any{micros(from), micros(to), step.Microseconds()}}
	s.dialect.within(&q, from, to)
	var parts []string
	for _, state := range request.States() {
		parts = append(parts, `SELECT state, (created_at - $1) / $3 AS step, count(*) FROM requests
			WHERE state = '`+string(state)+`' AND created_at >= $1 AND created_at < $2`+q.where+
			` GROUP BY state, step`)
	}
	err := s.readers.rows(
		ctx,
		strings.Join(parts, " UNION ALL "),
		q.args,
		func(rows *sql.Rows) error {
			var state request.State
			var i, count int
			err := rows.Scan(&state, &i, &count)
			if err == nil {
				counts[i][state] = count
			}
			return err
		},
	)
	if err != nil {
		return nil, fmt.Errorf("counting requests by time: %w", err)
	}
	return counts, nil
}

// search is a WHERE clause with its arguments.
type search struct {
	where string
	args  []any
}

// bind adds an argument and returns its name.
func (q *search) bind(v any) string {
	q.args = append(q.args, v)
	return "$" + strconv.Itoa(len(q.args))
}

// search returns the part of f that selects requests, without the order. ok is false if no request
// can match.
func (d dialect) search(f request.Filter) (q search, ok bool) {
	for _, s := range []string{f.ClientID, string(f.State), f.Text, f.Before.ID, f.Before.Group} {
		if !isText(s) {
			return q, false
		}
	}
	q.where = `true`
	if !f.From.IsZero() {
		q.where += ` AND created_at >= ` + q.bind(micros(f.From))
	}
	if !f.To.IsZero() {
		q.where += ` AND created_at < ` + q.bind(micros(f.To))
	}
	oldest, newest := f.From, f.To
	if !f.Before.IsZero() && f.Sort == "" {
		if at := f.Before.CreatedAt; f.OldestFirst && at.After(oldest) {
			oldest = at
		} else if !f.OldestFirst && (newest.IsZero() || at.Before(newest)) {
			newest = at
		}
	}
	d.within(&q, oldest, newest)
	if f.ClientID != "" {
		q.where += ` AND client_id = ` + q.bind(f.ClientID)
	}
	if f.State != "" {
		q.where += ` AND state = ` + q.bind(string(f.State))
	}
	switch {
	case f.Text == "":
	case f.ByID():
		q.where += ` AND id = ` + q.bind(f.Text)
	default:
		like := ` LIKE ` + q.bind(pattern(f.Text)) + ` ESCAPE '\'`
		q.where += ` AND (` + strings.Join(d.searched, like+` OR `) + like + `)`
	}
	return q, true
}

// idMargin is more than a request's time of creation can differ from the one in its id.
const idMargin = 24 * time.Hour

// within bounds the ids of requests by the times between which they were created, so that
// PostgreSQL reads the partitions of these months only. A zero time is no bound.
func (d dialect) within(q *search, oldest, newest time.Time) {
	if !d.partitioned {
		return
	}
	if !oldest.IsZero() {
		q.where += ` AND id >= ` + q.bind(request.FirstID(oldest.Add(-idMargin)))
	}
	if !newest.IsZero() {
		q.where += ` AND id < ` + q.bind(request.FirstID(newest.Add(idMargin)))
	}
}

// pattern returns a LIKE pattern for "contains text", in lower case for ASCII letters, which both
// databases fold alike.
func pattern(text string) string {
	lower := strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(lower) + "%"
}
