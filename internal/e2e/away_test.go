package e2e_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/store/pgtest"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestDatabaseAway stops PostgreSQL under a running service. Calls and pages are answered 503 with
// Retry-After, the log has a line or two, and everything works when the database is back.
func TestDatabaseAway(t *testing.T) {
	var cluster pgtest.Cluster
	t.Cleanup(cluster.Stop)
	party := partytest.Start(t)
	c := configOf(party)
	c.Data, c.PublicURL, c.AllowPrivate = t.TempDir(), "https://sign.test", true
	c.Database, c.Unsafe = cluster.Database(t), config.List{"database"}
	var log lockedBuffer
	a, err := app.Open(t.Context(), c, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	base := "http://" + a.Addr.String()
	initiate := func() answer {
		return do(
			t, "POST", base+"/api/v3/sign-requests", party.Token(token.Initiate),
			"application/octet-stream", bytes.NewReader(pdftest.Minimal()),
		)
	}
	first := initiate()
	if first.status != http.StatusOK {
		t.Fatalf("%d %s", first.status, first.body)
	}
	cluster.Away(t, func() {
		log.reset()
		for _, path := range []string{
			"/sign/signv3-01959a3c-0000-7000-8000-000000000001", "/pki/issuing.crl",
		} {
			if got := do(t, "GET", base+path, "", "", nil); got.status != 503 ||
				got.header.Get("Retry-After") == "" {
				t.Errorf("%s: %d, Retry-After %q", path, got.status, got.header.Get("Retry-After"))
			}
		}
		if got := initiate(); got.status != 503 || got.header.Get("Retry-After") == "" ||
			!strings.Contains(got.body, "SERVICE_UNAVAILABLE") {
			t.Errorf("initiate: %d, %v: %s", got.status, got.header, got.body)
		}
		time.Sleep(time.Second) // passes of the worker
		text := log.String()
		if n := strings.Count(text, "level=ERROR"); n != 1 {
			t.Errorf("%d errors are logged:\n%s", n, text)
		}
		if n := strings.Count(text, "\n"); n > 3 {
			t.Errorf("%d lines are logged:\n%s", n, text)
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		got := initiate()
		if got.status == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the database is back, and initiate is answered %d %s", got.status, got.body)
		}
	}
}

// lockedBuffer is a buffer for a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}
