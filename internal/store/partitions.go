package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/request"
)

// monthsAhead is for how many months after the current one there are partitions.
const monthsAhead = 3

// partitioned are the PostgreSQL tables with a partition for each month of the requests' ids, whose
// names are those of the table and the month, such as requests_2026_11. The migration
// 0027_partitions.postgres.sql says what the first and the default partition are.
var partitioned = []struct {
	name, id string
	// statement for an index that is not one of the whole table; %s is the partition
	own string
}{
	{"requests", "id", ""},
	{"events", "request_id", `CREATE UNIQUE INDEX %[1]s_by_leaf ON %[1]s (leaf) WHERE leaf IS NOT NULL`},
}

// month is a month in UTC: its first instant.
type month struct{ time.Time }

func monthOf(t time.Time) month {
	t = t.UTC()
	return month{time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)}
}

func (m month) next() month { return monthOf(m.AddDate(0, 1, 0)) }

// of returns the name of a table's partition.
func (m month) of(table string) string { return table + m.Format("_2006_01") }

// attachment returns the statement that makes a table the partition of the month.
func (m month) attachment(table string) string {
	return fmt.Sprintf(
		`ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')`,
		table, m.of(table), request.FirstID(m.Time), request.FirstID(m.next().Time),
	)
}

// recent narrows statements to the months of the ids that they name. The server then plans them for
// these months' partitions alone, and keeps the plan: 0.1 ms less for each statement. It does so
// for the last, the current and the next month only, because each text of a statement is prepared.
// now is nil if there are no partitions.
type recent struct{ now func() time.Time }

// narrow returns a query whose first condition is that a column is within the months of ids. The
// query's WHERE begins with another condition for this column.
func (r recent) narrow(query, column string, ids ...string) string {
	if r.now == nil {
		return query
	}
	lowest, highest := slices.Min(ids), slices.Max(ids)
	var from, to string
	m := monthOf(monthOf(r.now()).AddDate(0, -1, 0))
	for range 3 {
		begin, end := request.FirstID(m.Time), request.FirstID(m.next().Time)
		if begin <= lowest && lowest < end {
			from = begin
		}
		if begin <= highest && highest < end {
			to = end
		}
		m = m.next()
	}
	if from == "" || to == "" {
		return query
	}
	return strings.Replace(
		query, "WHERE ", fmt.Sprintf("WHERE %[1]s >= '%s' AND %[1]s < '%[3]s' AND ", column, from, to), 1,
	)
}

// partitions makes and drops the partitions of a PostgreSQL database.
type partitions struct {
	db    *sql.DB
	tries int // to lock the tables, two seconds apart; 0 is 20
}

// missing returns the current and next months of which a table has no partition.
func (p partitions) missing(
	ctx context.Context, table string, now time.Time,
) (list []month, err error) {
	const query = `SELECT c.relname, coalesce(substring(pg_get_expr(c.relpartbound, c.oid)
			FROM 'MINVALUE\) TO \(''([^'']*)'), '')
		FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
		WHERE i.inhparent = to_regclass($1)`
	rows, err := p.db.QueryContext(ctx, query, table)
	if err != nil {
		return nil, err
	}
	var have []string
	first := "" // the end of the first partition
	err = each(rows, func(rows *sql.Rows) error {
		var name, end string
		err := rows.Scan(&name, &end)
		have, first = append(have, name), cmp.Or(end, first)
		return err
	})
	if err != nil || len(have) == 0 { // the schema of an older release
		return nil, err
	}
	m := monthOf(now)
	for range monthsAhead + 1 {
		if !slices.Contains(have, m.of(table)) && request.FirstID(m.Time) >= first {
			list = append(list, m)
		}
		m = m.next()
	}
	return list, nil
}

// make makes the partitions of the current month and of the next ones that are missing, and returns
// how many. It moves the rows of a month that are in the default partition, for which calls wait,
// and fails if that takes longer than two seconds.
func (p partitions) make(ctx context.Context, now time.Time) (n int, err error) {
	var errs []error
	for _, t := range partitioned {
		missing, err := p.missing(ctx, t.name, now)
		errs = append(errs, err)
		for _, m := range missing {
			name, from, to := m.of(t.name), request.FirstID(m.Time), request.FirstID(m.next().Time)
			fallen := fmt.Sprintf(
				` FROM %s_default WHERE %s >= '%s' AND %[2]s < '%[4]s'`, t.name, t.id, from, to,
			)
			statements := []string{
				`SET LOCAL statement_timeout = '2s'`,
				fmt.Sprintf(`CREATE TABLE %s (LIKE %s INCLUDING ALL)`, name, t.name),
				fmt.Sprintf(`LOCK TABLE %s_default IN ACCESS EXCLUSIVE MODE`, t.name),
				fmt.Sprintf(`INSERT INTO %s SELECT *%s`, name, fallen),
				`DELETE` + fallen,
				m.attachment(t.name),
			}
			if t.own != "" {
				statements = slices.Insert(statements, 2, fmt.Sprintf(t.own, name))
			}
			if err := p.run(ctx, statements...); err != nil {
				errs = append(errs, fmt.Errorf("making the partition %s: %w", name, err))
				continue
			}
			n++
		}
	}
	return n, errors.Join(errs...)
}

// run executes statements in one transaction. If another transaction has locked one of the tables
// it ends with an error after 300 ms, because calls queue behind it.
func (p partitions) run(ctx context.Context, statements ...string) error {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, s := range append([]string{`SET LOCAL lock_timeout = '300ms'`}, statements...) {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Partitioned reports whether the tables have partitions, as in PostgreSQL.
func (s *Store) Partitioned() bool { return s.partitions != nil }

// MakePartitions makes the partitions of the current month and of the next ones that are missing,
// and returns how many. A SQLite database has none.
func (s *Store) MakePartitions(ctx context.Context, now time.Time) (int, error) {
	if s.partitions == nil {
		return 0, nil
	}
	return s.partitions.make(ctx, now)
}

// CheckPartitions returns an error if the partition of the current or of the next month is missing,
// or a default partition has rows, as after months in which none could be made.
func (s *Store) CheckPartitions(ctx context.Context, now time.Time) error {
	if s.partitions == nil {
		return nil
	}
	var wrong []string
	for _, t := range partitioned {
		missing, err := s.partitions.missing(ctx, t.name, now)
		if err != nil {
			return fmt.Errorf("reading the partitions: %w", err)
		}
		for _, m := range missing {
			if !m.After(monthOf(now).next().Time) {
				wrong = append(wrong, "there is no partition "+m.of(t.name))
			}
		}
		var fallen bool
		err = s.readers.row(ctx, `SELECT EXISTS (SELECT 1 FROM `+t.name+`_default)`, nil, &fallen)
		if err != nil {
			return fmt.Errorf("reading the partitions: %w", err)
		}
		if fallen {
			wrong = append(wrong, "there are rows in "+t.name+"_default")
		}
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, ", "))
	}
	return nil
}
