package deployment

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/keydir"
)

// part is a part in memory.
type part struct {
	name string
	mark Mark
}

func (p *part) String() string { return p.name }

func (p *part) Mark(context.Context) (Mark, error) { return p.mark, nil }

func (p *part) Adopt(_ context.Context, id string) (string, error) {
	if p.mark.ID == "" {
		p.mark.ID = id
	}
	return p.mark.ID, nil
}

// TestCheck checks that parts of one deployment are accepted, others are refused with the part and
// what to do.
func TestCheck(t *testing.T) {
	const a, b = "A", "B"
	in, used := func(id string) Mark { return Mark{ID: id, Used: true} }, Mark{Used: true}
	for _, test := range []struct {
		name            string
		database        Mark
		documents, keys Mark
		wantID          string
		wantOld         bool
		refused         string // part of the error; "": none
	}{
		{name: "birth"},
		{name: "rest of an interrupted birth", keys: Mark{ID: a}, wantID: a},
		{name: "all of one", database: in(a), documents: in(a), keys: in(a), wantID: a},
		{name: "of a release without identities", database: used, documents: used, keys: used, wantOld: true},
		{
			name: "rest of an interrupted upgrade", database: used, documents: used, keys: in(a),
			wantID: a, wantOld: true,
		},
		{
			name: "another database", database: in(b), documents: in(a), keys: in(a),
			refused: "the database is of deployment B, and the documents of A",
		},
		{
			name: "another folder", database: in(a), documents: in(a), keys: in(b),
			refused: "the database is of deployment A, and the keys of B: correct data, documents or database",
		},
		{
			name: "folders of two, and a new database", documents: in(a), keys: in(b),
			refused: "the database is new, and the documents has been in use",
		},
		{
			name: "new database", documents: in(a), keys: in(a),
			refused: "the database is new, and the documents has been in use: set database",
		},
		{
			name: "new database, without identities", documents: used, keys: used,
			refused: "the database is new, and the documents has been in use: set database",
		},
		{
			name: "empty folder", database: in(a), documents: Mark{}, keys: in(a),
			refused: "and the documents has no identity: mount the folder",
		},
		{
			name: "folder without identity", database: in(a), documents: in(a), keys: used,
			refused: "and the keys has no identity: mount the folder",
		},
		{
			name: "empty folder, without identities", database: used, documents: used, keys: Mark{},
			refused: "and the keys is empty: mount the folder",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			database := &part{"the database", test.database}
			folders := []Part{&part{"the documents", test.documents}, &part{"the keys", test.keys}}
			got, err := Check(t.Context(), database, folders...)
			if test.refused != "" {
				if !errors.Is(err, ErrMixed) || !strings.Contains(err.Error(), test.refused) {
					t.Errorf("error %v, want one with %q", err, test.refused)
				}
				return
			}
			if err != nil || got.ID != test.wantID || got.Old != test.wantOld {
				t.Fatalf("%+v, %v; want %q, old %t", got, err, test.wantID, test.wantOld)
			}
			if err := got.Adopt(t.Context()); err != nil || got.ID == "" {
				t.Fatalf("identity %q, %v", got.ID, err)
			}
			again, err := Check(t.Context(), database, folders...)
			if err != nil || again.ID != got.ID || again.Old {
				t.Errorf("afterwards %+v, %v; want %s", again, err, got.ID)
			}
		})
	}
}

// TestCheckDuringABirth checks that another node writes all identities while this one looks at the
// parts.
func TestCheckDuringABirth(t *testing.T) {
	database := &part{name: "the database"}
	keys := &part{"the keys", Mark{ID: "A", Used: true}}
	born := bornLater{database}
	got, err := Check(t.Context(), born, keys)
	if err != nil || got.ID != "A" {
		t.Errorf("%+v, %v; want A", got, err)
	}
}

// bornLater is a database that has no identity when it is first read.
type bornLater struct{ *part }

func (b bornLater) Mark(context.Context) (Mark, error) {
	m := b.mark
	b.mark.ID = "A"
	return m, nil
}

// TestAdoptAtOnce checks that two starts adopt one identity, or one of them is refused.
func TestAdoptAtOnce(t *testing.T) {
	ctx := t.Context()
	shared := Folder{"keys", filepath.Join(t.TempDir(), "keys")}
	database := &part{name: "the database"}
	first, err1 := Check(ctx, database, shared)
	second, err2 := Check(ctx, database, shared)
	other, err3 := Check(ctx, database, Folder{"keys", t.TempDir()})
	if err := errors.Join(err1, err2, err3, first.Adopt(ctx), second.Adopt(ctx)); err != nil {
		t.Fatal(err)
	}
	if first.ID != second.ID {
		t.Errorf("identities %s and %s", first.ID, second.ID)
	}
	if err := other.Adopt(ctx); !errors.Is(err, ErrMixed) {
		t.Errorf("another folder with the same database: %v", err)
	}
}

func TestFolder(t *testing.T) {
	ctx := t.Context()
	f := Folder{"keys", filepath.Join(t.TempDir(), "keys")}
	mark := func(want Mark) {
		t.Helper()
		if got, err := f.Mark(ctx); err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	mark(Mark{})
	if err := os.MkdirAll(filepath.Join(f.Path, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	mark(Mark{}) // an empty file system
	if err := os.WriteFile(filepath.Join(f.Path, "links.secret"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mark(Mark{Used: true})
	for _, id := range []string{"A", "B"} {
		if got, err := f.Adopt(ctx, id); err != nil || got != "A" {
			t.Errorf("Adopt(%s) = %s, %v; want A", id, got, err)
		}
	}
	mark(Mark{ID: "A", Used: true})
	if err := os.WriteFile(filepath.Join(f.Path, File), []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Mark(ctx); err == nil {
		t.Errorf("an empty file gives %+v", got)
	}
}

// TestDirectory checks a part in the database: it has an identity before the parts outside, so that
// a start accepts those that another start has given an identity, and no others.
func TestDirectory(t *testing.T) {
	ctx := t.Context()
	files, err := keydir.Open(t.TempDir(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := Directory{"keys", files}
	if m, err := keys.Mark(ctx); err != nil || m != (Mark{}) {
		t.Errorf("unused: %+v, %v", m, err)
	}
	if id, err := keys.Adopt(ctx, "A"); err != nil || id != "A" {
		t.Errorf("%q, %v; want A", id, err)
	}
	if id, err := keys.Adopt(ctx, "B"); err != nil || id != "A" {
		t.Errorf("%q, %v; want A again", id, err)
	}
	if m, err := keys.Mark(ctx); err != nil || m != (Mark{ID: "A"}) {
		t.Errorf("adopted: %+v, %v", m, err)
	}
	database := &part{name: "the database"}
	c, err := Check(ctx, database, keys, &part{"the bucket", Mark{ID: "A", Used: true}})
	if err != nil || c.ID != "A" {
		t.Errorf("a first start that has not been completed: %+v, %v", c, err)
	}
	_, err = Check(ctx, database, keys, &part{"the bucket", Mark{ID: "B", Used: true}})
	if !errors.Is(err, ErrMixed) {
		t.Errorf("the bucket of another deployment: %v", err)
	}
	if _, err := files.Create("webhook.key", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if m, err := keys.Mark(ctx); err != nil || m != (Mark{"A", true}) {
		t.Errorf("used: %+v, %v", m, err)
	}
}
