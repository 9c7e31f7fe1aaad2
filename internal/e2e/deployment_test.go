package e2e_test

import (
	"bytes"
	"cmp"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/maintenance"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/control"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestDeployment starts nodes whose parts or configurations are not those of one deployment. Each
// is refused and leaves everything as it was.
func TestDeployment(t *testing.T) {
	database, other := cluster.Database(t), cluster.Database(t)
	data := t.TempDir()
	base := config.Config{
		Listen: "127.0.0.1:0", PublicURL: "https://sign.test", Data: data, Database: database,
		SessionLifetime: 3 * time.Minute, UnauthorizedStatus: 400, AuthorityName: "Signet",
		Unsafe: config.List{"database"},
	}
	open := func(edit func(*config.Config)) error {
		t.Helper()
		c := base
		edit(&c)
		a, err := app.Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
		if err == nil {
			err = a.Close()
		}
		return err
	}
	same := func(*config.Config) {}
	if err := errors.Join(open(same), open(same)); err != nil {
		t.Fatal(err)
	}
	second := t.TempDir()
	if err := open(func(c *config.Config) { c.Data, c.Database = second, other }); err != nil {
		t.Fatal(err)
	}
	moved := data + "-not-mounted"
	for _, test := range []struct {
		name    string
		edit    func(*config.Config)
		without string // folder of the data folder
		want    string
	}{
		{
			"wrong database", func(c *config.Config) { c.Database = other }, "",
			"the PostgreSQL database is of deployment",
		},
		{"new database", func(c *config.Config) { c.Database = cluster.Database(t) }, "", "is new"},
		{"no database line", func(c *config.Config) { c.Database = "" }, "", "is new"},
		{"own empty data folder", func(c *config.Config) { c.Data = t.TempDir() }, "", "the documents folder"},
		{"documents not mounted", same, "documents", "the documents folder"},
		{"keys lost", same, "keys", "the keys folder"},
		{"authority lost", same, "authority", "the authority folder"},
		{
			"another public_url", func(c *config.Config) { c.PublicURL = "https://other.test" }, "",
			"public_url: it is https://other.test on this node, and https://sign.test",
		},
		{
			"another level", func(c *config.Config) { c.SignatureLevel = "B-T" }, "",
			"signature_level: it is B-T on this node, and B-LTA",
		},
		{
			"unknown fact", func(c *config.Config) { c.Change = []string{"listen"} }, "",
			"--change listen",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := filepath.Join(data, test.without)
			if test.without != "" {
				if err := errors.Join(os.Rename(folder, moved), os.Mkdir(folder, 0o700)); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // what the first start left must not let the second one in
				if err := open(test.edit); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want %q", err, test.want)
				}
			}
			if test.without != "" {
				if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
					t.Errorf("the empty folder has %v, %v", left, err)
				}
				if err := errors.Join(os.Remove(folder), os.Rename(moved, folder)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := os.Stat(filepath.Join(data, "signet.db")); err == nil {
				t.Error("there is a SQLite database")
			}
		})
	}
	t.Run("another authority", func(t *testing.T) {
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(data)); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(copied, "*", "*.*"))
		for _, f := range files {
			err = errors.Join(err, os.Chmod(f, 0o600))
			if filepath.Base(filepath.Dir(f)) == "authority" {
				err = errors.Join(err, os.Remove(f))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		err = open(func(c *config.Config) { c.Data = copied })
		if err == nil || !strings.Contains(err.Error(), "authority: it is the one with the root") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("changed for all", func(t *testing.T) {
		change := func(c *config.Config) { c.PublicURL = "https://new.test" }
		if err := open(func(c *config.Config) { change(c); c.Change = []string{"public_url"} }); err != nil {
			t.Fatal(err)
		}
		if err := open(change); err != nil {
			t.Error(err)
		}
		if err := open(same); err == nil {
			t.Error("the old public_url is accepted")
		}
	})
}

// TestDeploymentOfGolden checks that a deployment of a release without identities gets one, but not
// with the folders of another one, or with folders that are gone.
func TestDeploymentOfGolden(t *testing.T) {
	eachGolden(t, func(t *testing.T, open func(testing.TB) *goldenCopy) {
		check := func(c *goldenCopy, data string) error {
			settings := config.Config{Data: data, Database: c.database}
			c.configure(&settings)
			_, err := maintenance.CheckRestored(
				t.Context(), settings, slog.New(slog.DiscardHandler), func(string, string) {},
			)
			return err
		}
		c := open(t)
		_, err := os.Stat(filepath.Join(c.data, "documents", deployment.File))
		hasIdentity := err == nil
		if err := errors.Join(c.db.Close(), check(c, c.data), check(c, c.data)); err != nil {
			t.Errorf("its own folders: %v", err)
		}
		folders := []string{"documents", "keys", "authority"}
		if c.KeysPassword != "" { // the others are in the database
			folders = folders[:1]
		}
		for _, name := range folders {
			if _, err := os.Stat(filepath.Join(c.data, name, deployment.File)); err != nil {
				t.Error(err)
			}
		}

		c = open(t)
		documents := filepath.Join(c.data, "documents")
		files, err := filepath.Glob(filepath.Join(documents, "*", "*", "signed-*"))
		for _, f := range files {
			err = errors.Join(err, os.Remove(f))
		}
		if err != nil || len(files) == 0 {
			t.Fatalf("%d signed documents, %v", len(files), err)
		}
		if err := check(c, c.data); !hasIdentity && !errors.Is(err, deployment.ErrMixed) {
			t.Errorf("folder of another deployment: %v", err)
		}
		if err := os.RemoveAll(documents); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := check(c, c.data); !errors.Is(err, deployment.ErrMixed) {
				t.Errorf("no folder: %v", err)
			}
		}
	})
}

// TestRestoreOlderDatabase puts the database of yesterday under the documents of today. What was
// signed in between stays, also of a request that the old database lets expire, and is listed.
func TestRestoreOlderDatabase(t *testing.T) {
	ctx := t.Context()
	clock := new(control.Clock)
	o := worldOptions{dir: t.TempDir(), now: clock.Now}
	database := filepath.Join(o.dir, "signet.db")
	var w *world
	reopen := func() {
		t.Helper()
		if w != nil {
			if err := w.close(); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if w, err = openWorld(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	initiate := func() string {
		t.Helper()
		in, err := w.Initiate(ctx, request.Application{
			ClientID: shop, DocName: "a.pdf", Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
		}, bytes.NewReader(pdftest.Minimal()))
		if err != nil {
			t.Fatal(err)
		}
		return in.RequestID
	}
	sign := func(id string) {
		t.Helper()
		_, err := w.Open(ctx, id, signerAlice)
		if err == nil {
			_, err = w.Proceed(ctx, id, signerAlice, request.SeenUnasked)
		}
		if err = cmp.Or(err, w.phones.Approve(ctx, id, signerAlice), w.worker.Drain(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	reopen()
	_, err := w.store.Adopt(ctx, "ours")
	for _, name := range []string{"documents", "keys", "authority"} {
		f := deployment.Folder{Name: name, Path: filepath.Join(o.dir, name)}
		_, adoptErr := f.Adopt(ctx, "ours")
		err = errors.Join(err, adoptErr)
	}
	if err != nil {
		t.Fatal(err)
	}
	before, open := initiate(), initiate()
	sign(before)
	reopen()
	old, err := os.ReadFile(database)
	if err != nil {
		t.Fatal(err)
	}
	after := initiate()
	sign(open)
	sign(after)
	lost := initiate()
	if err := errors.Join(w.close(), os.WriteFile(database, old, 0o600)); err != nil {
		t.Fatal(err)
	}
	w = nil
	reopen()
	clock.Advance(25 * time.Hour)
	var log bytes.Buffer
	w.Log = slog.New(slog.NewTextHandler(&log, nil))
	for range 3 {
		if err := errors.Join(w.worker.Drain(ctx), w.PurgeStrays(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{before, open, after} {
		keys, err := w.docs.Keys(ctx, id)
		if err != nil || !slices.ContainsFunc(keys, request.IsSigned) {
			t.Errorf("of %s are left %q, %v", id, keys, err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	n, err := maintenance.CheckRestored(
		ctx, config.Config{Data: o.dir}, slog.New(slog.DiscardHandler),
		func(id, finding string) { found[id] += finding },
	)
	if err != nil || n.Requests != 2 || n.Documents != 1 {
		t.Errorf("%+v, %v", n, err)
	}
	if len(n.Remedies) != 1 || !strings.Contains(n.Remedies[0], "signet restore --adopt") {
		t.Errorf("remedies: %q", n.Remedies)
	}
	for id, want := range map[string]string{
		open:  "by the database the request is expired",
		after: "the database does not know the request",
		"":    lost + "/original: in the trash",
	} {
		if !strings.Contains(found[id], want) {
			t.Errorf("of %q is found %q, want %q", id, found[id], want)
		}
		delete(found, id)
	}
	if len(found) > 0 {
		t.Errorf("found are also %q", found)
	}
}
