package main

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// meter stands between the nodes and PostgreSQL, and counts what they say: messages of the
// frontend (PostgreSQL's documentation, chapter "Frontend/Backend Protocol").
type meter struct {
	url        string // of the database, through the meter
	network    string // and address of the server
	address    string
	statements atomic.Int64
	trips      atomic.Int64 // round trips: what makes the server answer
	db         *sql.DB      // past the meter
	listener   net.Listener
}

// reading is what a meter shows. WAL is in bytes, and of the whole server.
type reading struct{ statements, trips, wal float64 }

func newMeter(database string) (*meter, error) {
	u, err := url.Parse(database)
	if err != nil {
		return nil, err
	}
	q := u.Query()
	host, port := u.Hostname(), u.Port()
	if h := q.Get("host"); h != "" {
		host = h
	}
	if p := q.Get("port"); p != "" {
		port = p
	}
	if port == "" {
		port = "5432"
	}
	m := &meter{network: "tcp", address: net.JoinHostPort(host, port)}
	if strings.HasPrefix(host, "/") {
		m.network, m.address = "unix", host+"/.s.PGSQL."+port
	}
	if m.db, err = sql.Open("pgx", database); err != nil {
		return nil, err
	}
	if m.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, m.db.Close())
	}
	q.Del("host")
	q.Del("port")
	q.Set("sslmode", "disable") // or the meter could not read it
	u.Host, u.RawQuery = m.listener.Addr().String(), q.Encode()
	m.url = u.String()
	go m.accept()
	return m, nil
}

func (m *meter) accept() {
	for {
		c, err := m.listener.Accept()
		if err != nil {
			return // it was closed
		}
		server, err := net.Dial(m.network, m.address)
		if err != nil {
			_ = c.Close()
			continue
		}
		go func() { _, _ = io.Copy(c, server); _ = c.Close() }()
		go func() { m.count(c, server); _ = server.Close() }()
	}
}

// count copies the messages of a node to the server. The first ones, of the start, have no type.
func (m *meter) count(from io.Reader, to io.Writer) {
	started := false
	var head [5]byte
	for {
		prefix := head[:]
		if !started {
			prefix = head[1:]
		}
		if _, err := io.ReadFull(from, prefix); err != nil {
			return
		}
		length := int64(binary.BigEndian.Uint32(head[1:])) - 4
		if length < 0 {
			return
		}
		if started {
			switch head[0] {
			case 'Q': // a query with its answer
				m.statements.Add(1)
				m.trips.Add(1)
			case 'E': // execute
				m.statements.Add(1)
			case 'S', 'H': // sync, flush
				m.trips.Add(1)
			}
		}
		if _, err := to.Write(prefix); err != nil {
			return
		}
		if _, err := io.CopyN(to, from, length); err != nil {
			return
		}
		started = true
	}
}

func (m *meter) read(ctx context.Context) (r reading, err error) {
	r = reading{statements: float64(m.statements.Load()), trips: float64(m.trips.Load())}
	err = m.db.QueryRowContext(ctx, `SELECT pg_current_wal_lsn() - '0/0'`).Scan(&r.wal)
	if err != nil {
		return r, fmt.Errorf("reading the position in the write-ahead log: %w", err)
	}
	return r, nil
}

func (m *meter) close() { _ = errors.Join(m.listener.Close(), m.db.Close()) }
