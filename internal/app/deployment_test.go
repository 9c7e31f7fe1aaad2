package app

import (
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/request"
)

// TestUnrelatedDocuments upgrades a deployment without an identity whose documents are those of
// another one. Each start is refused: the first one writes no identity, by which the next one would
// take all for one deployment.
func TestUnrelatedDocuments(t *testing.T) {
	c := serviceConfig(t, "")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a, err := Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
	must(err)
	const id = "signv3-01959a3c-0000-7000-8000-000000000001"
	at := time.Now()
	signed := request.SignedDocument{Document: request.Document{Key: id + "/signed-x"}, At: at}
	must(errors.Join(a.store.Create(t.Context(), &request.Request{
		ID: id, State: request.StateSigned, CreatedAt: at, ExpiresAt: at, Signed: &signed,
	}, request.Effects{}), a.Close()))
	db, err := sql.Open("sqlite", filepath.Join(c.Data, "signet.db"))
	must(err)
	_, err = db.ExecContext(t.Context(), `DELETE FROM meta WHERE key = 'deployment'`)
	must(errors.Join(err, db.Close()))
	for _, folder := range []string{"documents", "keys", "authority"} {
		must(os.Remove(filepath.Join(c.Data, folder, deployment.File)))
	}
	for range 2 {
		a, err := Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
		if err == nil {
			t.Fatal("the service starts", a.Close())
		}
		if !errors.Is(err, deployment.ErrMixed) {
			t.Error(err)
		}
	}
}
