package e2e_test

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cmpdiff "github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/store"
)

// goldenDir has a folder for each release, and in it one for each kind of database: what the
// program of that release stored. The folders "unreleased" and "schema-29" are of programs on the
// way from 0.1.0 to 0.2.0, with the migrations to 10 and to 29. "sqlite" and "postgres" are of
// `signet sandbox`, those with "serve-" before their names of `signet serve`.
//
//	golden.json   what its users know: ids, exchange codes, a phone's key (type golden)
//	listing.json  what the release read from its own database (golden_listing_test.go)
//	data.tar.gz   the data folder: documents, keys, authority, and the SQLite file
//	dump.sql      the PostgreSQL database, as pg_dump writes it
//
// The files of a release never change. The keys in them are used nowhere else.
const goldenDir = "testdata/golden"

var goldenWrite = flag.String("golden.write", "",
	"write the golden databases of this `release`, such as v0.2.0 (TestGoldenWrite)")

// The kinds of databases.
const (
	onSQLite   = "sqlite"
	onPostgres = "postgres"
)

// golden is what relying parties, a phone and an operator know of a golden database.
type golden struct {
	At       time.Time                // time at which tests open the database
	Shop     string                   // client id of the party in the configuration
	Clinic   string                   // client id of the party that an operator registered
	Gone     string                   // client id of a party that was registered and removed
	Version  int64                    // of the clinic's registration
	JTIs     map[string][]string      // of tokens that were used, by client id
	Token    string                   // of the webhook of "signed", whose next attempt is due
	Phone    goldenPhone              // of alice
	Requests map[string]goldenRequest // by the name of their document, without ".pdf"
	ShopKey  *goldenKey               `json:",omitempty"` // of a golden database of the service

	// password of the keys, which are in the database; empty: they are files
	KeysPassword string `json:",omitempty"`
}

// configure is what a service on the golden database has in its configuration.
func (g *golden) configure(c *config.Config) {
	if g.KeysPassword != "" {
		c.KeyFiles, c.KeysPassword = config.InDatabase, g.KeysPassword
	}
}

// goldenPhone is what a phone keeps.
type goldenPhone struct {
	ID     string
	Key    []byte // PKCS #8
	Cookie string // that tells which phone it is

	Device *goldenDevice `json:",omitempty"` // that verifies its owner
}

// goldenDevice is an authenticator.
type goldenDevice struct {
	ID, Key []byte // of its credential; PKCS #8
	Counter uint32
}

// goldenKey is the key with which a relying party signs its tokens.
type goldenKey struct {
	Kid string
	Key []byte // PKCS #8
}

// goldenRequest is what a relying party keeps of a request, and where the request stands at
// golden.At.
type goldenRequest struct {
	api.Initiated
	Party string // client id
	State string
}

// goldenCopy is a copy of a golden database that a test may change.
type goldenCopy struct {
	golden
	folder   string // of the golden database itself
	data     string // data folder
	database string // URL; empty: SQLite in the data folder
	db       *sql.DB
}

// eachGolden runs a test for every golden database.
func eachGolden(t *testing.T, test func(t *testing.T, open func(testing.TB) *goldenCopy)) {
	t.Helper()
	eachGoldenOf(t, "*", test)
}

// The golden databases of the two commands, as patterns.
const (
	ofSandbox = "[ps][oq]*" // postgres, sqlite
	ofService = servePrefix + "*"
)

const servePrefix = "serve-"

// eachGoldenOf runs a test for the golden databases whose folders match a pattern.
func eachGoldenOf(
	t *testing.T, pattern string, test func(t *testing.T, open func(testing.TB) *goldenCopy),
) {
	t.Helper()
	folders, err := filepath.Glob(goldenDir + "/*/" + pattern + "/golden.json")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no golden database in %s: %v", goldenDir, err)
	}
	for _, file := range folders {
		folder := filepath.Dir(file)
		t.Run(strings.TrimPrefix(filepath.ToSlash(folder), goldenDir+"/"), func(t *testing.T) {
			test(t, func(t testing.TB) *goldenCopy { return openGolden(t, folder) })
		})
	}
}

// openGolden makes a copy of the golden database in a folder.
func openGolden(t testing.TB, folder string) *goldenCopy {
	t.Helper()
	c := &goldenCopy{folder: folder, data: t.TempDir()}
	readJSON(t, filepath.Join(folder, "golden.json"), &c.golden)
	unpack(t, filepath.Join(folder, "data.tar.gz"), c.data)
	const quick = "?_pragma=synchronous(0)&_pragma=busy_timeout(10000)"
	driver, source := "sqlite", "file:"+filepath.Join(c.data, "signet.db")+quick
	if strings.HasSuffix(folder, onPostgres) {
		c.database = cluster.Database(t)
		driver, source = "pgx", c.database
		restore(t, c.database, filepath.Join(folder, "dump.sql"))
	}
	var err error
	if c.db, err = sql.Open(driver, source); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.db.Close() })
	return c
}

// store opens the copy's store until the test ends.
func (c *goldenCopy) store(t testing.TB) *store.Store {
	t.Helper()
	database := cmp.Or(c.database, filepath.Join(c.data, "signet.db"))
	s, err := store.Open(t.Context(), store.Options{Database: database, Kind: c.storeKind()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// storeKind is whose the database is.
func (c *goldenCopy) storeKind() store.Kind {
	if strings.HasPrefix(filepath.Base(c.folder), servePrefix) {
		return store.Service
	}
	return store.Sandbox
}

// listing is what today's program reads from a copy, as text.
func (c *goldenCopy) listing(t testing.TB, s *store.Store) (string, error) {
	t.Helper()
	all, err := listGolden(t.Context(), s, &c.golden)
	if err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(all, "", "  ")
	return string(text) + "\n", err
}

// TestGolden compares each field of each record of every golden database with what the program that
// wrote it read.
func TestGolden(t *testing.T) {
	eachGolden(t, func(t *testing.T, open func(testing.TB) *goldenCopy) {
		c := open(t)
		got, err := c.listing(t, c.store(t))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(c.folder, "listing.json"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmpdiff.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("the program does not read what the release read (-release +now):\n%s", diff)
		}
	})
}

func readJSON(t testing.TB, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func writeJSON(t testing.TB, file string, v any) {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = os.WriteFile(file, append(text, '\n'), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// restore loads a dump into an empty database.
func restore(t testing.TB, database, dump string) {
	t.Helper()
	text, err := os.ReadFile(dump)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", database) // a connection of its own: the dump changes its settings
	if err == nil {
		_, err = db.ExecContext(t.Context(), string(text))
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		t.Fatalf("restoring %s: %v", dump, err)
	}
}

// pack writes the files of a folder that keep accepts into an archive, with their modes and times.
func pack(t testing.TB, file, folder string, keep func(path string) bool) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	compressed, _ := gzip.NewWriterLevel(f, gzip.BestCompression)
	out := tar.NewWriter(compressed)
	root := os.DirFS(folder)
	err = fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." || !keep(path) {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		h := &tar.Header{
			Name: path, Mode: int64(info.Mode().Perm()),
			ModTime: info.ModTime().Truncate(time.Second),
		}
		if d.IsDir() {
			h.Typeflag, h.Name = tar.TypeDir, path+"/"
			return out.WriteHeader(h)
		}
		b, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		h.Size = int64(len(b))
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		_, err = out.Write(b)
		return err
	})
	if err = errors.Join(err, out.Close(), compressed.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// unpack reads what pack wrote. It sets the files' times, by which sweeps judge documents.
func unpack(t testing.TB, file, folder string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	compressed, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	in := tar.NewReader(compressed)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.Mkdir(path, fs.FileMode(h.Mode))
		} else {
			var b []byte
			if b, err = io.ReadAll(in); err == nil {
				err = os.WriteFile(path, b, fs.FileMode(h.Mode))
			}
			err = errors.Join(err, os.Chtimes(path, h.ModTime, h.ModTime))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
