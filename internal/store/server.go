package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
)

// Server describes the server of the database, as this program's connections find it.
type Server struct {
	Version string        // "PostgreSQL 15.14"
	Latency time.Duration // of one query
	Flaws   []Flaw        // in the order of their kinds
}

// Flaw is something about a server with which this program does not work, or not for long.
type Flaw struct {
	Kind FlawKind
	Text string // such as "synchronous_commit is off"
}

// FlawKind says what a flaw leads to.
type FlawKind string

// The kinds of flaws, and what each text says.
const (
	FlawReadOnly    FlawKind = "read-only"   // the server refuses changes, as a standby does
	FlawLosing      FlawKind = "losing"      // settings with which a crash loses changes
	FlawStandby     FlawKind = "standby"     // commits wait for a standby that is not there
	FlawEncoding    FlawKind = "encoding"    // texts in the database lack characters
	FlawHasty       FlawKind = "hasty"       // settings that end statements or connections
	FlawVacuum      FlawKind = "vacuum"      // dead rows are not removed
	FlawConnections FlawKind = "connections" // fewer are allowed than the nodes use
)

// pgFlaws are queries for the text of each kind of flaw; it is NULL or empty if there is none. A
// role without further rights sees neither the state of standbys nor what other roles do.
var pgFlaws = []struct {
	kind  FlawKind
	query string
}{
	{FlawReadOnly, `CASE current_setting('transaction_read_only')
		WHEN 'on' THEN 'it takes no changes' END`},
	{FlawLosing, `SELECT string_agg(name || ' is off', ', ' ORDER BY name) FROM (
			SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes')
			UNION ALL SELECT 'synchronous_commit', @commit@
		) AS settings WHERE setting = 'off'`},
	{FlawStandby, `SELECT 'no standby of synchronous_standby_names (' || names || ') is connected'
		FROM current_setting('synchronous_standby_names') AS names
		WHERE names <> '' AND @commit@ NOT IN ('off', 'local')
		AND NOT EXISTS (SELECT 1 FROM pg_stat_replication
			WHERE coalesce(sync_state IN ('sync', 'quorum'), true))`},
	{FlawStandby, `SELECT 'a commit has waited for a standby for ' ||
			extract(epoch FROM clock_timestamp() - min(query_start))::integer || ' s'
		FROM pg_stat_activity
		WHERE wait_event = 'SyncRep' AND query_start < clock_timestamp() - interval '2 seconds'
		HAVING count(*) > 0`},
	{FlawEncoding, `SELECT 'the database has the encoding ' || encoding
		FROM current_setting('server_encoding') AS encoding WHERE encoding <> 'UTF8'`},
	{FlawHasty, `SELECT string_agg(name || ' is ' || setting || ' ms', ', ' ORDER BY name)
		FROM pg_settings WHERE CASE
			WHEN name = 'idle_session_timeout' THEN setting <> '0'
			WHEN name IN ('statement_timeout', 'lock_timeout', 'transaction_timeout')
				THEN setting::bigint BETWEEN 1 AND 9999
			ELSE false END`},
	{FlawVacuum, `SELECT string_agg(name || ' is off', ', ' ORDER BY name) FROM pg_settings
		WHERE name IN ('autovacuum', 'track_counts') AND setting = 'off'`},
	{FlawVacuum, `SELECT 'autovacuum_enabled is off for ' ||
			string_agg(relname, ', ' ORDER BY relname)
		FROM pg_class WHERE relnamespace = to_regnamespace(current_schema()) AND EXISTS (
			SELECT 1 FROM pg_options_to_table(reloptions)
			WHERE option_name = 'autovacuum_enabled' AND NOT option_value::boolean)`},
	{FlawConnections, `SELECT format('%s connections are allowed, and %s up to %s', n,
			CASE nodes WHEN 1 THEN '1 node uses' ELSE nodes || ' nodes use' END,
			nodes * @connections@)
		FROM (SELECT min(n) FROM (
				SELECT current_setting('max_connections')::bigint -
					current_setting('superuser_reserved_connections')::bigint
				UNION SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user
				UNION SELECT datconnlimit FROM pg_database WHERE datname = current_database()
			) AS limits (n) WHERE n >= 0) AS allowed (n),
			(SELECT greatest(count(*), 1) FROM pg_stat_activity
				WHERE datname = current_database() AND query = '` + listenSignet + `'
			) AS used (nodes)
		WHERE n < nodes * @connections@`},
}

// pgServer returns the query for the version, and for the kind and the text of each flaw. pooled
// says that the connections are a pooler's: synchronous_commit is then that of the server, of the
// role or of another client, and each transaction of this program sets it on (pgSettings).
func pgServer(pooled bool) string {
	commit := "current_setting('synchronous_commit')"
	if pooled {
		commit = "'on'"
	}
	query := `SELECT '', current_setting('server_version')`
	for _, f := range pgFlaws {
		query += fmt.Sprintf(` UNION ALL SELECT '%s', (%s)`, f.kind, f.query)
	}
	return strings.NewReplacer(
		"@connections@", fmt.Sprint(Connections), "@commit@", commit,
	).Replace(query)
}

// Server asks the server for its version and its settings.
func (s *Store) Server(ctx context.Context) (Server, error) {
	return describe(s.dialect, func(scan func(*sql.Rows) error) error {
		return s.readers.rows(ctx, s.dialect.server, nil, scan)
	})
}

// ReadServer is [Store.Server] for the PostgreSQL database of o, which may be empty.
func ReadServer(ctx context.Context, o Options) (found Server, err error) {
	config, err := postgresConfig(o.Database)
	if err != nil {
		return found, err
	}
	d := postgres()
	if o.Session != "" {
		throughPooler(config)
		d.server = pgServer(true)
	}
	db := stdlib.OpenDB(*config)
	defer func() { _ = db.Close() }() // it was only read
	return describe(d, func(scan func(*sql.Rows) error) error {
		rows, err := db.QueryContext(ctx, d.server)
		if err != nil {
			return err
		}
		return each(rows, scan)
	})
}

func describe(d dialect, query func(scan func(*sql.Rows) error) error) (found Server, err error) {
	for range 2 { // the first query may open a connection, which takes longer
		found.Flaws = nil
		begin := time.Now()
		err := query(func(rows *sql.Rows) error {
			var f Flaw
			var text sql.NullString
			err := rows.Scan(&f.Kind, &text)
			switch f.Text = text.String; {
			case f.Kind == "":
				found.Version = d.title + " " + f.Text
			case f.Text != "":
				found.Flaws = append(found.Flaws, f)
			}
			return err
		})
		if err != nil {
			return found, fmt.Errorf("reading the database's settings: %w", err)
		}
		found.Latency = time.Since(begin)
	}
	return found, nil
}
