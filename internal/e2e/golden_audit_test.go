package e2e_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/maintenance"
)

// TestGoldenAudit checks that all events of an old database come into the audit log, which is the
// same at the next export.
func TestGoldenAudit(t *testing.T) {
	eachGolden(t, func(t *testing.T, open func(testing.TB) *goldenCopy) {
		g := open(t)
		var events int
		if err := g.db.QueryRow(`SELECT count(*) FROM events`).Scan(&events); err != nil {
			t.Fatal(err)
		}
		export := func() (out bytes.Buffer) {
			c := config.Config{Data: g.data, Database: g.database, PublicURL: "https://sign.test"}
			g.configure(&c)
			if err := maintenance.ExportAudit(t.Context(), c, slog.New(slog.DiscardHandler), &out); err != nil {
				t.Fatal(err)
			}
			return out
		}
		first, second := export(), export()
		r, err := audit.Verify(&first, audit.Trust{})
		if err != nil || r.Problem != nil || r.Events != events || events == 0 {
			t.Fatalf("%+v, %v; want %d events", r, err, events)
		}
		again, err := audit.Verify(&second, audit.Trust{Key: r.Key})
		if err != nil || again.Problem != nil || again.Events != events {
			t.Errorf("the second export: %+v, %v", again, err)
		}

		check := func() (found string) {
			c := config.Config{Data: g.data, Database: g.database}
			g.configure(&c)
			_, err := maintenance.CheckRestored(
				t.Context(), c, slog.New(slog.DiscardHandler), func(_, finding string) {
					if strings.Contains(finding, "audit log") {
						found += finding
					}
				},
			)
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
		if found := check(); found != "" {
			t.Errorf("restore --check: %s", found)
		}
		if _, err := g.db.Exec(`UPDATE events SET at = at + 1000000 WHERE leaf = 2`); err != nil {
			t.Fatal(err)
		}
		if found := check(); !strings.Contains(found, "line 4: the event differs from its hash") {
			t.Errorf("restore --check of a changed trail: %s", found)
		}
	})
}
