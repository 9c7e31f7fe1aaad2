package store_test

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
)

// TestNextRelease opens a database with a later release, and then with this one: for a roll-back,
// and on PostgreSQL beside the later one, as while nodes are replaced. This release works on a
// schema that was expanded, and refuses one of which a part that it needs is gone.
func TestNextRelease(t *testing.T) {
	for _, kind := range []string{"SQLite", "PostgreSQL"} {
		t.Run(kind, func(t *testing.T) {
			o := store.Options{Kind: store.Sandbox}
			if o.Database = filepath.Join(t.TempDir(), "a.db"); kind == "PostgreSQL" {
				o.Database = cluster.Database(t)
			}
			open := func(o store.Options) *store.Store {
				t.Helper()
				s, err := store.Open(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			work := func(s *store.Store, i int) {
				t.Helper()
				r := plainRequest(i)
				err := s.Create(t.Context(), r, request.Effects{})
				if err == nil {
					err = s.Update(
						t.Context(),
						r.ID,
						func(r *request.Request) (request.Effects, error) {
							r.DocName = fmt.Sprint(i)
							return request.Effects{}, nil
						},
					)
				}
				if err == nil {
					r, err = s.Get(t.Context(), r.ID)
				}
				if err == nil && r.DocName != fmt.Sprint(i) {
					err = fmt.Errorf("the name is %q", r.DocName)
				}
				if err != nil {
					t.Errorf("request %d: %v", i, err)
				}
			}
			closed := func(s *store.Store) {
				t.Helper()
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			this := open(o)
			work(this, 1)
			if kind == "SQLite" { // has one process at a time
				closed(this)
			}
			schema, err := store.ReadSchema(t.Context(), o.Database)
			if err != nil || schema.Have != schema.Want || len(schema.Pending) > 0 {
				t.Fatalf("%+v, %v", schema, err)
			}
			expanded := store.NextRelease(o, `ALTER TABLE requests ADD COLUMN colour TEXT;
				CREATE TABLE colours (name TEXT PRIMARY KEY);`, schema.Want)
			var log strings.Builder
			expanded.Log = slog.New(slog.NewTextHandler(&log, nil))
			later := open(expanded)
			lines := fmt.Sprintf("from=%d to=%d\n", schema.Want, schema.Want+1)
			if text := log.String(); strings.Count(text, lines) != 2 ||
				!strings.Contains(text, "migrating the schema") ||
				!strings.Contains(text, "migrated the schema") {
				t.Errorf("the log is %s", text)
			}
			work(later, 2)
			if kind == "PostgreSQL" {
				work(this, 3)
				closed(this)
			}
			closed(later)
			this = open(o)
			work(this, 4)
			if err := this.CheckSchema(t.Context()); err != nil {
				t.Error(err)
			}
			closed(this)
			after, err := store.ReadSchema(t.Context(), o.Database)
			if err != nil || after.Have != schema.Have+1 || after.Want != schema.Want {
				t.Errorf("%+v, %v", after, err)
			}
			later = open(expanded) // the roll-back has lost nothing of the later release's
			work(later, 5)
			closed(later)

			if kind == "PostgreSQL" {
				o.Database = cluster.Database(t)
			} else {
				o.Database = filepath.Join(t.TempDir(), "b.db")
			}
			closed(open(store.NextRelease(o, `DROP TABLE party_jwks`, schema.Want+1)))
			if _, err := store.Open(t.Context(), o); !errors.Is(err, store.ErrNewerSchema) {
				t.Errorf("a schema without a table: %v", err)
			}
			if _, err := store.ReadSchema(t.Context(), o.Database); !errors.Is(
				err, store.ErrNewerSchema,
			) {
				t.Errorf("a schema without a table: %v", err)
			}
		})
	}
}

// TestReadSchema checks that a new database has everything pending, and reading leaves it as it is.
func TestReadSchema(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.db")
	for _, database := range []string{file, cluster.Database(t)} {
		for range 2 {
			s, err := store.ReadSchema(t.Context(), database)
			if err != nil || s.Have != 0 || len(s.Pending) == 0 ||
				s.Pending[len(s.Pending)-1].Version != s.Want {
				t.Errorf("%+v, %v", s, err)
			}
		}
	}
	if found, err := filepath.Glob(file + "*"); err != nil || len(found) > 0 {
		t.Errorf("there are %q, %v", found, err)
	}
}
