package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/request"
)

// erasedPrefix is before the names of partitions that were detached to be dropped. A run that was
// interrupted leaves them to the next one.
const erasedPrefix = "erased_"

const (
	monthPage   = 500    // requests that are read, or accounted for in one transaction
	leavesAtOne = 20_000 // that one event of an erasure names
)

// EraseMonths implements retention.Store.
//
// It reads a month's partitions and writes the events that name the erased leaves first, and then
// detaches the partitions, so that an export of the audit log can be verified at any time. What has
// changed between reading and detaching is found by comparing totals.
func (s *Store) EraseMonths(
	ctx context.Context, before, now time.Time, may func(*request.Request) bool,
	done func(n int, took time.Duration) error,
) error {
	if s.partitions == nil {
		return nil
	}
	run := monthErasure{s, now, may, done}
	for _, prefix := range []string{erasedPrefix, ""} { // first those of an interrupted run
		months, err := s.partitions.months(ctx, prefix)
		if err != nil {
			return fmt.Errorf("reading the partitions: %w", err)
		}
		for _, m := range months {
			switch {
			case prefix != "":
				err = run.end(ctx, m)
			case m.next().After(before):
				return nil
			default:
				err = run.erase(ctx, m)
			}
			if err != nil {
				return fmt.Errorf("erasing %s: %w", m.Format("January 2006"), err)
			}
		}
	}
	return nil
}

// monthErasure is a run of EraseMonths, with its arguments.
type monthErasure struct {
	*Store
	now  time.Time
	may  func(*request.Request) bool
	done func(n int, took time.Duration) error
}

// erase erases a month, unless one of its requests has to be kept.
func (s *monthErasure) erase(ctx context.Context, m month) error {
	var one int
	err := s.readers.row(
		ctx, `SELECT 1 FROM outbox WHERE request_id >= $1 AND request_id < $2
			AND status = 'pending' AND (kind <> 'renew' OR lease <> 0) LIMIT 1`,
		[]any{request.FirstID(m.Time), request.FirstID(m.next().Time)}, &one,
	)
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	counted, ok, err := s.account(ctx, m, "")
	if err != nil || !ok {
		return err
	}
	if err := s.partitions.detach(ctx, m); err != nil {
		return err
	}
	detached, err := s.partitions.total(ctx, m)
	switch {
	case err != nil:
		return err
	case detached != counted:
		return s.end(ctx, m)
	}
	return s.drop(ctx, m)
}

// end accounts for a detached month and drops it, or attaches it again.
func (s *monthErasure) end(ctx context.Context, m month) error {
	_, ok, err := s.account(ctx, m, erasedPrefix)
	switch {
	case err != nil:
		return err
	case !ok:
		return s.partitions.attach(ctx, m)
	}
	return s.drop(ctx, m)
}

// totals change with every change of a month's requests and trails.
type totals struct{ requests, versions, events, leaves int64 }

// account reads a month's partitions, whose names have a prefix, and writes the events that name
// the leaves of their trails. It is not ok, and nothing is written, if a request has to be kept, or
// an event is not in the audit log yet.
func (s *monthErasure) account(
	ctx context.Context, m month, prefix string,
) (t totals, ok bool, err error) {
	ok, err = s.eachOf(ctx, prefix+m.of("requests"), func(page []*request.Request) (bool, error) {
		for _, r := range page {
			t.requests++
			t.versions += r.Version
			if !s.may(r) {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil || !ok {
		return t, false, err
	}
	events := prefix + m.of("events")
	var unread int64
	err = s.readers.row(ctx, `SELECT count(*) FROM `+events+` WHERE leaf IS NULL`, nil, &unread)
	if err != nil || unread > 0 {
		return t, false, err
	}
	query := `SELECT leaf FROM ` + events + ` WHERE leaf > $1 ORDER BY leaf LIMIT $2`
	scan := func(rows *sql.Rows, leaf *int64) error { return rows.Scan(leaf) }
	for last := int64(-1); ; {
		args := []any{last, leavesAtOne}
		leaves, err := readAll(ctx, s.readers, "reading leaves", query, args, scan)
		if err != nil || len(leaves) == 0 {
			return t, err == nil, err
		}
		last = leaves[len(leaves)-1]
		t.events, t.leaves = t.events+int64(len(leaves)), t.leaves+int64(len(leaves))
		target := target{key: audit.ErasureTrail}
		err = s.writers.do(ctx, target, func(ctx context.Context, tx *tx) error {
			return s.noteErasure(ctx, tx, s.now, leaves)
		})
		if err != nil {
			return t, false, err
		}
	}
}

// eachOf calls f for the requests of a partition, page by page, until it returns false.
func (s *Store) eachOf(
	ctx context.Context, table string, f func(page []*request.Request) (bool, error),
) (all bool, err error) {
	query := `SELECT id, version, created_at, data FROM ` + table +
		` WHERE id > $1 ORDER BY id LIMIT $2`
	for last := ""; ; {
		page, err := s.listed(ctx, query, []any{last, monthPage})
		if err != nil || len(page) == 0 {
			return err == nil, err
		}
		last = page[len(page)-1].ID
		if more, err := f(page); err != nil || !more {
			return false, err
		}
	}
}

// drop erases the jobs and calls of a detached month's requests, adds purge jobs for their
// documents, and drops the partitions. It may run again.
func (s *monthErasure) drop(ctx context.Context, m month) error {
	table := erasedPrefix + m.of("requests")
	_, err := s.eachOf(ctx, table, func(page []*request.Request) (bool, error) {
		ids := make([]string, len(page))
		for i, r := range page {
			ids[i] = r.ID
		}
		list, err := json.Marshal(ids)
		if err != nil {
			return false, err
		}
		began := time.Now()
		target := target{key: audit.ErasureTrail}
		err = s.writers.do(ctx, target, func(_ context.Context, tx *tx) error {
			among := fmt.Sprintf(s.dialect.among, "TEXT")
			tx.deferAny(`DELETE FROM outbox WHERE request_id `+among, string(list))
			tx.deferAny(`DELETE FROM calls WHERE request_id `+among, string(list))
			for _, r := range page {
				var e request.Effects
				e.Enqueue(request.JobPurge, s.now)
				if err := tx.deferEffects(r.ID, r.ClientID, 0, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			err = s.done(len(page), time.Since(began))
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	return s.partitions.run(ctx, `DROP TABLE `+table+`, `+erasedPrefix+m.of("events"))
}

// months returns the months whose partition of requests has a prefix before its name, in order.
func (p partitions) months(ctx context.Context, prefix string) (list []month, err error) {
	rows, err := p.db.QueryContext(
		ctx, `SELECT relname FROM pg_class WHERE relkind = 'r' AND oid = to_regclass(relname::text)`+
			` AND relname ~ $1 ORDER BY relname`,
		`^`+prefix+`requests_\d{4}_\d{2}$`,
	)
	if err != nil {
		return nil, err
	}
	err = each(rows, func(rows *sql.Rows) error {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		t, err := time.Parse(prefix+"requests_2006_01", name)
		list = append(list, month{t})
		return err
	})
	return list, err
}

// total returns the totals of a detached month.
func (p partitions) total(ctx context.Context, m month) (t totals, err error) {
	query := fmt.Sprintf(
		`SELECT r.n, r.versions, e.n, e.leaves
		FROM (SELECT count(*) AS n, coalesce(sum(version), 0) AS versions FROM %s) AS r,
			(SELECT count(*) AS n, count(leaf) AS leaves FROM %s) AS e`,
		erasedPrefix+m.of("requests"), erasedPrefix+m.of("events"),
	)
	err = p.db.QueryRowContext(ctx, query).Scan(&t.requests, &t.versions, &t.events, &t.leaves)
	return t, err
}

// detach takes a month out of the tables. It retries while another transaction, such as that of a
// backup, uses them.
func (p partitions) detach(ctx context.Context, m month) error {
	return p.exclusively(ctx, m.of, func(table string) []string {
		return []string{
			fmt.Sprintf(`ALTER TABLE %s DETACH PARTITION %s`, table, m.of(table)),
			fmt.Sprintf(`ALTER TABLE %s RENAME TO %s`, m.of(table), erasedPrefix+m.of(table)),
		}
	})
}

// attach is the inverse of detach. A constraint, which it checks before it locks the tables, lets
// the server skip the check of all rows under the lock.
func (p partitions) attach(ctx context.Context, m month) error {
	for _, t := range partitioned {
		alter := `ALTER TABLE ` + erasedPrefix + m.of(t.name)
		err := p.run(
			ctx, alter+` DROP CONSTRAINT IF EXISTS within_month`,
			fmt.Sprintf(
				`%s ADD CONSTRAINT within_month CHECK (%s >= '%s' AND %[2]s < '%[4]s')`, alter, t.id,
				request.FirstID(m.Time), request.FirstID(m.next().Time),
			),
		)
		if err != nil {
			return err
		}
	}
	erased := func(table string) string { return erasedPrefix + m.of(table) }
	return p.exclusively(ctx, erased, func(table string) []string {
		return []string{
			fmt.Sprintf(`ALTER TABLE %s RENAME TO %s`, erasedPrefix+m.of(table), m.of(table)),
			m.attachment(table),
			fmt.Sprintf(`ALTER TABLE %s DROP CONSTRAINT within_month`, m.of(table)),
		}
	})
}

// exclusively executes statements for each table, of which they change one partition, in one
// transaction that locks all tables. First it locks the partitions as a vacuum does, for which
// calls do not wait: the server stops its own vacuum of a partition when another transaction has
// waited for it for a second (deadlock_timeout).
func (p partitions) exclusively(
	ctx context.Context, partition func(table string) string,
	statements func(table string) []string,
) error {
	var tables, vacuumed, changes []string
	for _, t := range partitioned {
		tables = append(tables, "ONLY "+t.name)
		vacuumed = append(vacuumed, partition(t.name), t.name+"_default")
		changes = append(changes, statements(t.name)...)
	}
	all := append([]string{
		`SET LOCAL lock_timeout = '5s'`,
		`LOCK TABLE ` + strings.Join(vacuumed, ", ") + ` IN SHARE UPDATE EXCLUSIVE MODE`,
		`SET LOCAL lock_timeout = '300ms'`,
		`LOCK TABLE ` + strings.Join(tables, ", ") + ` IN ACCESS EXCLUSIVE MODE`,
	}, changes...)
	for try := 1; ; try++ {
		err := p.run(ctx, all...)
		if !lockedOut(err) {
			return err
		}
		if try < cmp.Or(p.tries, 20) {
			select {
			case <-ctx.Done():
			case <-time.After(2 * time.Second):
				continue
			}
		}
		var users sql.NullString
		_ = p.db.QueryRowContext(ctx, usersOfTables).Scan(&users) // without it the error says less
		return fmt.Errorf("the tables are used by %s: %w", cmp.Or(users.String, "others"), err)
	}
}

// usersOfTables reads which other processes of the server have used the partitioned tables for
// longer than a call does. A role sees the times of its own processes only.
const usersOfTables = `SELECT string_agg(who, ', ' ORDER BY who) FROM (
	SELECT DISTINCT 'process ' || a.pid || ' (' || concat_ws(', ',
		coalesce(nullif(a.application_name, ''), a.backend_type, 'of the server'),
		'for ' || extract(epoch FROM clock_timestamp() - a.xact_start)::bigint || ' s') || ')'
	FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
		JOIN pg_stat_activity AS a USING (pid)
	WHERE l.granted AND l.pid <> pg_backend_pid()
		AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND c.relname ~ '^(erased_)?(requests|events)(_first|_default|_[0-9]{4}_[0-9]{2})?$'
		AND coalesce(clock_timestamp() - a.xact_start > interval '300 ms', true)) AS users (who)`

// lockedOut reports whether a transaction has not got a lock.
func lockedOut(err error) bool {
	code := ErrorCode(err)
	return code == "55P03" || code == "40P01" // a time-out of a lock, a deadlock
}
