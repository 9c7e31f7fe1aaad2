package e2e_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/documents/s3test"
	"github.com/signet-sign/signet/internal/maintenance"
	"github.com/signet-sign/signet/internal/party/partytest"
	phoneapi "github.com/signet-sign/signet/internal/server/phone"
	"github.com/signet-sign/signet/internal/store/pgtest"
)

// TestAdopt restores a database from before two documents were signed: it has the record of one and
// not of the other. Both are restored with what the audit log and the documents prove, and nothing
// else is.
func TestAdopt(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		var backup []byte
		testAdopt(t, func(*config.Config) {}, adoptBackup{
			make: func(t *testing.T, c *config.Config) {
				var err error
				if backup, err = os.ReadFile(filepath.Join(c.Data, "signet.db")); err != nil {
					t.Fatal(err)
				}
			},
			restore: func(t *testing.T, c *config.Config) {
				database := filepath.Join(c.Data, "signet.db")
				for _, side := range []string{"-wal", "-shm"} {
					_ = os.Remove(database + side)
				}
				if err := os.WriteFile(database, backup, 0o600); err != nil {
					t.Fatal(err)
				}
			},
		})
	})
	t.Run("PostgreSQL and a bucket", func(t *testing.T) {
		var cluster pgtest.Cluster
		t.Cleanup(cluster.Stop)
		database := cluster.Database(t)
		server := s3test.Start(t)
		bucket := server.Bucket(t)
		dump := filepath.Join(t.TempDir(), "signet.dump")
		run := func(t *testing.T, program string, args ...string) {
			t.Helper()
			out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", program, err, out)
			}
		}
		testAdopt(t, func(c *config.Config) {
			c.Database, c.Documents, c.DocumentsCredentials = database, bucket, server.Credentials
		}, adoptBackup{
			make: func(t *testing.T, _ *config.Config) {
				run(t, tool(t, "pg_dump", "postgresql-client"), "--format=custom", "--file="+dump, "--dbname="+database)
			},
			restore: func(t *testing.T, _ *config.Config) {
				// --clean alone cannot drop the keys of partitions
				server, err := url.Parse(database)
				if err != nil {
					t.Fatal(err)
				}
				server.Path = "/postgres"
				run(
					t, tool(t, "pg_restore", "postgresql-client"), "--clean", "--create",
					"--dbname="+server.String(), dump,
				)
			},
		})
	})
}

// adoptBackup backs the database up and restores it, while no service runs.
type adoptBackup struct {
	make, restore func(*testing.T, *config.Config)
}

func testAdopt(t *testing.T, edit func(*config.Config), database adoptBackup) {
	dir, files := filepath.Join(t.TempDir(), "data"), t.TempDir()
	shop := partytest.Start(t)
	r := shop.Registration()
	var settings config.Config
	listen := freeAddr(t)
	run := func(live func(s *sandbox)) {
		t.Helper()
		s := startService(t, dir, "", time.Now, func(c *config.Config) {
			c.Listen, c.PublicURL = listen, "http://"+listen
			c.Parties = config.PartyList{{
				ClientID: r.ClientID, Name: r.Name, JWKSURL: r.JWKSURL, RedirectURL: r.RedirectURL,
				WebhookURL: r.WebhookURL,
			}}
			edit(c)
			settings = *c
		})
		live(s.of(shop))
		s.stop()
	}
	save := func(name, text string) string {
		t.Helper()
		path := filepath.Join(files, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}

	var early, late api.Initiated
	run(func(s *sandbox) { early = s.initiate(t) })
	database.make(t, &settings)
	var pdfs, signed []string
	var log, evidence string
	run(func(s *sandbox) {
		late = s.initiate(t)
		phone := enrolled(t, s, alice)
		for i, in := range []api.Initiated{early, late} {
			desk := s.visitor(t)
			desk.login(t, in, alice)
			desk.proceed(t, in)
			session := phone.scan(t, desk, in)
			var c phoneapi.SignChallenge
			phone.call(t, session+"/challenge", nil, &c)
			approval := phone.approval(t, c)
			phone.call(t, "sign/"+in.RequestID+"/approve", approval, nil)
			waitFor(
				t, "it is signed", func() bool { return s.result(t, in).status == http.StatusOK },
			)
			pdf := do(t, "GET", s.signedResult(t, in).SignedDocURL, "", "", nil).body
			signed = append(signed, pdf)
			pdfs = append(pdfs, save([]string{"early.pdf", "late.pdf"}[i], pdf))
		}
		evidence = save("late.zip", browse(
			t, "GET", s.control+"/console/requests/"+late.RequestID+"/evidence.zip",
		).body)
		log = save("audit.jsonl", browse(t, "GET", s.control+"/console/audit.jsonl").body)
	})
	restore := func() {
		t.Helper()
		database.restore(t, &settings)
	}
	adopt := func(files ...string) (app.Adopted, string) {
		t.Helper()
		var outcomes strings.Builder
		n, err := app.Adopt(
			t.Context(), settings, slog.New(slog.DiscardHandler), files,
			func(id, outcome string) { outcomes.WriteString(id + " " + outcome + "\n") },
		)
		if err != nil {
			outcomes.WriteString(err.Error())
		}
		return n, outcomes.String()
	}

	restore()
	other := save("other.pdf", strings.Replace(signed[1], "%PDF-", "%PDF-1.7 %PDF-", 1))
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	forged := save("forged.jsonl", strings.Replace(
		string(text), late.RequestID, strings.Replace(late.RequestID, "0", "1", 1), 1,
	))
	const encrypted = "its key was in the lost database; give the signed document"
	for _, test := range []struct {
		files   []string
		refused int
		why     string
	}{
		{[]string{log}, 2, encrypted},
		{[]string{log, other}, 2, encrypted},
		{pdfs, 2, "no audit log among the files tells of its signature"},
		{[]string{forged}, 0, "line "},
		{[]string{save("text", "nothing")}, 0, "not a line of an audit log"},
	} {
		n, outcomes := adopt(test.files...)
		if n != (app.Adopted{Refused: test.refused}) || !strings.Contains(outcomes, test.why) {
			t.Errorf("%q: %+v %s, want %q", test.files, n, outcomes, test.why)
		}
	}
	// The evidence proves one of them, and has its document.
	if n, outcomes := adopt(evidence); n != (app.Adopted{Adopted: 1, Refused: 1}) {
		t.Errorf("evidence: %+v %s", n, outcomes)
	}
	restore()
	if n, outcomes := adopt(append(pdfs, log)...); n != (app.Adopted{Adopted: 2}) {
		t.Errorf("%+v %s", n, outcomes)
	}
	if n, outcomes := adopt(append(pdfs, log)...); n != (app.Adopted{}) {
		t.Errorf("again: %+v %s", n, outcomes)
	}
	checked, err := maintenance.CheckRestored(
		t.Context(), settings, slog.New(slog.DiscardHandler),
		func(id, finding string) { t.Errorf("%s: %s", id, finding) },
	)
	if err != nil || checked.Requests != 2 || checked.Documents != 2 {
		t.Errorf("after the adoption: %+v, %v", checked, err)
	}

	run(func(s *sandbox) {
		// What the backup knew of a request is complete: its exchange code is valid.
		link := s.signedResult(t, early).SignedDocURL
		if got := do(t, "GET", link, "", "", nil); got.body != signed[0] {
			t.Errorf("the document of the known request: %d, %d bytes", got.status, len(got.body))
		}
		if got := s.result(t, late); got.status == http.StatusOK {
			t.Error("an exchange code that no record has is accepted")
		}
		before := len(shop.Webhooks())
		post := s.submit(t, "/console/requests/"+late.RequestID+"/resend", nil)
		waitFor(t, "its webhook", func() bool { return len(shop.Webhooks()) > before })
		sent := shop.Webhooks()
		claims := payloadOf(t, sent[len(sent)-1].Token)
		got := do(t, "GET", claims.SignedDocURL, "", "", nil)
		if claims.RequestID != late.RequestID || got.body != signed[1] {
			t.Errorf("%d: webhook %+v, %d bytes", post.status, claims, len(got.body))
		}
		page := browse(t, "GET", s.control+"/console/requests/"+late.RequestID).body
		for _, want := range []string{
			"Adopted after a restore", "signet restore", "Approved on the phone", "document.pdf",
		} {
			if !strings.Contains(page, want) {
				t.Errorf("its page lacks %q", want)
			}
		}
		export := browse(t, "GET", s.control+"/console/audit.jsonl").body
		report, err := audit.Verify(bytes.NewReader([]byte(export)), audit.Trust{})
		if err != nil || report.Problem != nil {
			t.Errorf("the audit log: %+v, %v", report, err)
		}
	})
}
