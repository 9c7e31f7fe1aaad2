package store_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/store/pgtest"
	"github.com/signet-sign/signet/internal/store/storetest"
)

// cluster is the PostgreSQL of these tests.
var cluster pgtest.Cluster

func TestMain(m *testing.M) {
	code := m.Run()
	cluster.Stop()
	os.Exit(code)
}

func openPostgres(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{Database: url, Kind: store.Sandbox})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestPostgres(t *testing.T) {
	url := cluster.Database(t)
	openPostgres(t, url) // makes the tables
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		ask(t, url, `TRUNCATE requests, events, outbox, phones, used_tokens`)
		return storetest.Harness{
			Open:    func(t *testing.T) storetest.Store { return openPostgres(t, url) },
			Durable: true,
			Shared:  true,
		}
	})
}

// ask runs a statement on a connection of its own.
func ask(t testing.TB, url, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err == nil {
		_, err = conn.Exec(t.Context(), statement)
		err = errors.Join(err, conn.Close(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestPostgresCrash(t *testing.T) { testCrash(t, cluster.Database(t)) }
