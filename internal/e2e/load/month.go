package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

// How often each call is made on each database. Rounds of the databases alternate, so that what
// else the machine does meets all of them.
const (
	monthRounds = 20
	monthCalls  = 25 // in each round
)

// consolePassword is that of the nodes' consoles.
const consolePassword = "juniper-otter-parsec-43"

// stocked is a node on a database with so many requests of the last month.
type stocked struct {
	n        int
	database string
	node     *server
	control  string
	ids      []string // of requests that can be cancelled
	took     map[string][]time.Duration
}

// measureMonth compares databases with different numbers of requests.
func measureMonth(ctx context.Context, o options, dir string) (err error) {
	if o.database == "" {
		return errors.New("-month needs -database")
	}
	p, err := partytest.New()
	if err != nil {
		return err
	}
	defer p.Close()
	var all []*stocked
	defer func() {
		for _, s := range all {
			err = errors.Join(err, s.close(o.database))
		}
	}()
	for text := range strings.SplitSeq(o.month, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("-month: %w", err)
		}
		s := &stocked{n: n, took: map[string][]time.Duration{}}
		all = append(all, s)
		if err := s.open(ctx, o, dir, p); err != nil {
			return fmt.Errorf("%d requests: %w", n, err)
		}
	}
	for round := range monthRounds + 1 {
		for _, s := range all {
			if err := s.round(ctx, p, round > 0); err != nil {
				return err
			}
		}
	}
	return printMonth(all)
}

// open makes a database, fills it, and starts a node on it.
func (s *stocked) open(ctx context.Context, o options, dir string, p *partytest.Party) error {
	u, err := url.Parse(o.database)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("signet_month_%d", s.n)
	if err := execute(ctx, o.database, `CREATE DATABASE `+name); err != nil {
		return err
	}
	u.Path = "/" + name
	s.database = u.String()
	set := settings{
		Dir: dir + "/" + name, Database: s.database, Party: registered(p),
		ConsolePassword: consolePassword,
	}
	if set.Control, err = freeAddress(); err != nil {
		return err
	}
	s.control = set.Control
	begin := time.Now()
	s.ids, err = storeRequests(ctx, set, (monthRounds+1)*monthCalls)
	if err != nil {
		return err
	}
	if err := execute(ctx, s.database, fillMonth, s.n); err != nil {
		return err
	}
	for _, statement := range []string{monthEvents, monthJobs, `VACUUM (ANALYZE)`} {
		if err := execute(ctx, s.database, statement); err != nil {
			return err
		}
	}
	fmt.Printf("%d requests stored in %s\n", s.n, time.Since(begin).Round(time.Second))
	s.node, err = startServer("signet", set)
	return err
}

func execute(ctx context.Context, database, statement string, args ...any) error {
	db, err := sql.Open("pgx", database)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statement, args...)
	return errors.Join(err, db.Close())
}

// close removes the database, too.
func (s *stocked) close(admin string) (err error) {
	if s.node != nil {
		err = s.node.stop()
	}
	drop := fmt.Sprintf(`DROP DATABASE IF EXISTS signet_month_%d WITH (FORCE)`, s.n)
	return errors.Join(err, execute(context.Background(), admin, drop))
}

// fillMonth copies a stored request, as cancelled or expired ones of the 30 days before yesterday.
// Their ids are UUIDs of version 7 of these times.
const fillMonth = `
INSERT INTO requests (id, client_id, state, version, created_at, due_at, data)
SELECT n.id, t.client_id, n.state, 2, n.at, NULL,
	replace(replace(t.data, t.id, n.id), '"state":"created"', '"state":"' || n.state || '"')
FROM (SELECT id, client_id, data FROM requests LIMIT 1) t, (
	SELECT m.at, CASE WHEN i % 5 = 0 THEN 'expired' ELSE 'cancelled' END AS state,
		'signv3-' || substr(m.hex, 1, 8) || '-' || substr(m.hex, 9, 4) || '-7' || substr(m.random, 1, 3) ||
		'-a' || substr(m.random, 4, 3) || '-' || substr(m.random, 7, 12) AS id
	FROM generate_series(1, $1::bigint) i, LATERAL (
		SELECT r.at, lpad(to_hex(r.at / 1000), 12, '0') AS hex, md5(i::text) AS random FROM (
			SELECT (extract(epoch FROM now() - interval '31 days') * 1000000)::bigint +
				i * (30::bigint * 86400 * 1000000 / $1::bigint) AS at
		) r
	) m
) n`

// monthEvents gives each request two events, and monthJobs a webhook that was sent.
const (
	monthEvents = `
INSERT INTO events (request_id, seq, at, kind, detail, leaf, nth)
SELECT id, s, created_at + s, CASE s WHEN 1 THEN 'created' ELSE 'cancelled' END, '{"v":1}',
	1000000000000 + 2 * row_number() OVER (), 1
FROM requests, generate_series(1, 2) s WHERE state <> 'created'`
	monthJobs = `
INSERT INTO outbox (request_id, kind, status, attempts, due_at, ready_at, lease, payload, last_error, client_id)
SELECT id, 'webhook', 'done', 1, created_at, created_at, 0, '{"v":1}', '', client_id
FROM requests WHERE state <> 'created'`
)

// round makes the calls of one round, and records how long they took unless they are for the
// caches.
func (s *stocked) round(ctx context.Context, p *partytest.Party, record bool) error {
	ids := s.ids[:monthCalls]
	s.ids = s.ids[monthCalls:]
	console := func(path string) func(string) []byte {
		return func(string) []byte {
			r, err := http.NewRequest(http.MethodGet, "http://"+s.control+path, nil)
			if err != nil {
				panic(err) // the path is a constant
			}
			r.SetBasicAuth("load", consolePassword)
			return fmt.Appendf(
				nil, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\n\r\n", path, s.control,
				r.Header.Get("Authorization"),
			)
		}
	}
	public, control := s.node, &server{addr: s.control}
	for _, m := range []struct {
		name, want string
		at         *server
		message    func(id string) []byte
	}{
		{"result", "400 DOCUMENT_NOT_SIGNED", public, func(id string) []byte {
			jws := p.Token(token.Result, partytest.Claim("exchange_code", storedExchangeCode))
			return httpRequest(
				s.node.addr, "GET", api.BasePath+"/sign-requests/"+id+"/signed-doc", jws, "", nil,
			)
		}},
		{"cancel", "200", public, func(id string) []byte {
			jws := p.Token(token.Cancel, partytest.Claim("request_id", id))
			return httpRequest(s.node.addr, "POST", cancelPath, jws, "application/json", nil)
		}},
		{"console: a request", "200", control, func(id string) []byte {
			return console("/console/requests/" + id)(id)
		}},
		{"console: all requests", "200", control, console("/console/requests")},
		{"console: cancelled ones", "200", control, console("/console/requests?state=cancelled")},
		{"console: overview", "200", control, console("/console/")},
	} {
		for _, id := range ids {
			took, code, err := once(ctx, m.at.addr, m.message(id))
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			if code != m.want {
				return fmt.Errorf("%s: answered %s, want %s", m.name, code, m.want)
			}
			if record {
				s.took[m.name] = append(s.took[m.name], took)
			}
		}
	}
	return nil
}

// printMonth prints each quantile on the first database, and those on the others in relation to it.
func printMonth(all []*stocked) error {
	fmt.Printf(
		"\nlatencies of %d calls, one at a time, in turn on each database\n\n",
		monthRounds*monthCalls,
	)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "call\trequests\tp50\tp99\tp50, ratio\tp99, ratio\n")
	for _, name := range slices.Sorted(maps.Keys(all[0].took)) {
		var first outcome
		for i, s := range all {
			slices.Sort(s.took[name])
			o := outcome{latency: s.took[name]}
			if i == 0 {
				first = o
			}
			fmt.Fprintf(
				w, "%s\t%d\t%s\t%s\t%.2f\t%.2f\n", name, s.n, o.at(0.5).Round(10*time.Microsecond),
				o.at(0.99).Round(10*time.Microsecond), o.at(0.5).Seconds()/first.at(0.5).Seconds(),
				o.at(0.99).Seconds()/first.at(0.99).Seconds(),
			)
		}
	}
	return w.Flush()
}
