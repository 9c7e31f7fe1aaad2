package e2e_test

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/maintenance"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestBackup backs up a deployment that is in use, restores it, and has the restored one checked.
// Then it damages what was restored, and the check finds each damage.
func TestBackup(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	w, err := openWorld(ctx, worldOptions{dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.close() }()
	_, err = w.store.Adopt(ctx, "ours")
	for _, name := range []string{"documents", "keys", "authority"} {
		_, adoptErr := deployment.Folder{Name: name, Path: filepath.Join(dir, name)}.Adopt(
			ctx, "ours",
		)
		err = errors.Join(err, adoptErr)
	}
	if err != nil {
		t.Fatal(err)
	}
	var ids []string // of a signed request, and of an open one
	for range 2 {
		in, err := w.Initiate(ctx, request.Application{
			ClientID: shop, DocName: "a.pdf", Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
		}, bytes.NewReader(pdftest.Minimal()))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, in.RequestID)
	}
	_, err = w.Open(ctx, ids[0], signerAlice)
	if err == nil {
		_, err = w.Proceed(ctx, ids[0], signerAlice, request.SeenUnasked)
	}
	if err = cmp.Or(err, w.phones.Approve(ctx, ids[0], signerAlice), w.worker.Drain(ctx)); err != nil {
		t.Fatal(err)
	}

	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var backup bytes.Buffer
	c := config.Config{Data: dir}
	if err := maintenance.Backup(ctx, c, []string{identity.Recipient().String()}, &backup); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(backup.Bytes(), []byte("%PDF")) ||
		bytes.Contains(backup.Bytes(), []byte("PRIVATE KEY")) {
		t.Error("the backup is not encrypted")
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".backup-*")); err != nil || len(left) > 0 {
		t.Errorf("the backup has left %q, %v", left, err)
	}
	restore := func(data, identity string, backup []byte) error {
		return maintenance.Restore(
			ctx, config.Config{Data: data}, strings.NewReader(identity), bytes.NewReader(backup),
		)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	data := filepath.Join(base, "data")
	for name, err := range map[string]error{
		"another identity": restore(data, other.String(), backup.Bytes()),
		"a part":           restore(data, identity.String(), backup.Bytes()[:backup.Len()-1]),
		"a folder in use":  restore(dir, identity.String(), backup.Bytes()),
	} {
		if err == nil {
			t.Errorf("%s: restored", name)
		}
	}
	if left, err := os.ReadDir(base); err != nil || len(left) > 0 {
		t.Errorf("a restore that failed has left %v, %v", left, err)
	}
	if err := restore(data, identity.String(), backup.Bytes()); err != nil {
		t.Fatal(err)
	}

	check := func() (maintenance.Checked, map[string]string) {
		t.Helper()
		found := map[string]string{}
		n, err := maintenance.CheckRestored(
			ctx, config.Config{Data: data}, slog.New(slog.DiscardHandler),
			func(id, finding string) { found[id] += finding },
		)
		if err != nil {
			t.Fatal(err)
		}
		return n, found
	}
	if n, found := check(); n.Requests != 2 || n.Documents != 2 || n.Findings != 0 {
		t.Errorf("%+v, %q", n, found)
	}
	files, err := filepath.Glob(filepath.Join(data, "documents", "*", ids[0], "signed-*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	original := filepath.Join(data, "documents", "*", ids[1], "original")
	gone, err := filepath.Glob(original)
	if err != nil || len(gone) != 1 {
		t.Fatalf("%q, %v", gone, err)
	}
	err = errors.Join(
		os.WriteFile(files[0], text, 0o600), os.Remove(gone[0]),
		execute(ctx, filepath.Join(data, "signet.db"), `DELETE FROM events WHERE kind = 'signed'`),
	)
	if err != nil {
		t.Fatal(err)
	}
	n, found := check()
	if len(n.Remedies) != 2 || !strings.Contains(n.Remedies[0], "copy it from a backup") ||
		!strings.Contains(n.Remedies[1], "a trail:") {
		t.Errorf("remedies: %q", n.Remedies)
	}
	for id, wants := range map[string][]string{
		ids[0]: {"decrypt", "the request is signed, and no line says so"},
		ids[1]: {"no such file"},
	} {
		for _, want := range wants {
			if !strings.Contains(found[id], want) {
				t.Errorf("of %s is found %q, want %q", id, found[id], want)
			}
		}
	}
}

// execute runs a statement on a SQLite file.
func execute(ctx context.Context, file, statement string) error {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1) // so that the wait for a service that is writing is for the statement
	if _, err = db.ExecContext(ctx, `PRAGMA busy_timeout = 10000`); err == nil {
		_, err = db.ExecContext(ctx, statement)
	}
	return errors.Join(err, db.Close())
}
