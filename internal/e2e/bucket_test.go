package e2e_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/doctor"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/documents/s3test"
	"github.com/signet-sign/signet/internal/maintenance"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/control"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestBucket runs two nodes on PostgreSQL behind PgBouncer and a bucket, and stops the object store
// under them. Uploads are answered 503 with Retry-After, the nodes are not ready and say why, the
// log has a line or two, and everything works when the store is back. The data folder never has
// documents.
func TestBucket(t *testing.T) {
	server := s3test.Start(t)
	party := partytest.Start(t)
	c := configOf(party)
	c.Data, c.PublicURL, c.AllowPrivate = t.TempDir(), "https://sign.test", true
	c.DatabaseListen, c.Unsafe = cluster.Database(t), config.List{"database"}
	c.Database, c.DatabasePassword = cluster.Pooler(t, c.DatabaseListen), rand.Text()
	c.Documents, c.DocumentsCredentials = server.Bucket(t), server.Credentials
	c.Control = "127.0.0.1:0"
	var log lockedBuffer
	var bases, controls []string
	for range 2 {
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
		bases = append(bases, "http://"+a.Addr.String())
		controls = append(controls, "http://"+a.Control.String())
	}
	initiate := func(base string) answer {
		return do(
			t, "POST", base+api.BasePath+api.PathRequest, party.Token(token.Initiate),
			"application/octet-stream", bytes.NewReader(pdftest.Minimal()),
		)
	}
	ready := func(base string, status int, want string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
			got := do(t, "GET", base+"/readyz", "", "", nil)
			if got.status == status && strings.Contains(got.body, want) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("/readyz: %d %s; want %d %s", got.status, got.body, status, want)
			}
		}
	}
	got := initiate(bases[0])
	var in struct {
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(got.body), &in); err != nil || in.RequestID == "" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	ready(controls[0], http.StatusOK, `"documents":{"ok":true}`)
	cancel := do(
		t, "POST", bases[1]+api.BasePath+api.PathCancel,
		party.Token(token.Cancel, partytest.Claim("request_id", in.RequestID)), "", nil,
	)
	if cancel.status != http.StatusOK {
		t.Errorf("cancel on the other node: %d %s", cancel.status, cancel.body)
	}
	server.Stop()
	log.reset()
	if got := initiate(bases[0]); got.status != http.StatusServiceUnavailable ||
		got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "SERVICE_UNAVAILABLE") {
		t.Errorf("initiate: %d, %v: %s", got.status, got.header, got.body)
	}
	ready(controls[1], http.StatusServiceUnavailable, "The server refuses the connection")
	text := log.String()
	if n := strings.Count(text, "connection refused"); n < 1 || n > 3 {
		t.Errorf("%d lines tell of it:\n%s", n, text)
	}
	_, secret, _ := strings.Cut(server.Credentials, ":")
	if strings.Contains(text, secret) {
		t.Errorf("the log has the secret:\n%s", text)
	}
	server.Resume(t)
	ready(controls[1], http.StatusOK, "documents")
	if got := initiate(bases[1]); got.status != http.StatusOK {
		t.Errorf("the store is back, and initiate is answered %d %s", got.status, got.body)
	}
	if left, err := os.ReadDir(filepath.Join(c.Data, "documents")); err == nil {
		t.Errorf("the data folder has documents: %v", left)
	}
}

// TestBucketRefuses has the object store refuse everything for a while, as when its keys are
// withdrawn under a running service, and then work again. Uploads are answered 503 with
// Retry-After, cancels go on, and the node names the cause and is ready again by itself.
func TestBucketRefuses(t *testing.T) {
	server, party := s3test.Start(t), partytest.Start(t)
	var refusal atomic.Value // status and code
	c := configOf(party)
	c.Data, c.PublicURL, c.AllowPrivate = t.TempDir(), "https://sign.test", true
	c.DocumentsCredentials, c.Unsafe = server.Credentials, config.List{"documents"}
	c.Documents = server.Via(t, server.Bucket(t), func(
		w http.ResponseWriter, r *http.Request, next http.Handler,
	) {
		code, _ := refusal.Load().(string)
		switch code {
		case "":
			next.ServeHTTP(w, r)
			return
		case "NoSuchBucket":
			w.WriteHeader(http.StatusNotFound)
		default:
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
	})
	a, err := app.Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	runApp(t, a)
	base, control := "http://"+a.Addr.String(), "http://"+a.Control.String()
	initiate := func() (in api.Initiated, got answer) {
		got = do(
			t, "POST", base+api.BasePath+api.PathRequest, party.Token(token.Initiate),
			"application/octet-stream", bytes.NewReader(pdftest.Minimal()),
		)
		_ = json.Unmarshal([]byte(got.body), &in)
		return in, got
	}
	for _, code := range []string{"RequestTimeTooSkewed", "InvalidAccessKeyId", "NoSuchBucket"} {
		in, got := initiate()
		if got.status != http.StatusOK {
			t.Fatalf("before %s: %d %s", code, got.status, got.body)
		}
		refusal.Store(code)
		if _, got := initiate(); got.status != http.StatusServiceUnavailable ||
			got.header.Get("Retry-After") == "" {
			t.Errorf("%s: initiate: %d, %v: %s", code, got.status, got.header, got.body)
		}
		cancel := do(
			t, "POST", base+api.BasePath+api.PathCancel,
			party.Token(token.Cancel, partytest.Claim("request_id", in.RequestID)), "", nil,
		)
		if cancel.status != http.StatusOK {
			t.Errorf("%s: cancel: %d %s", code, cancel.status, cancel.body)
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
			got := do(t, "GET", control+"/readyz", "", "", nil)
			if got.status == http.StatusServiceUnavailable && strings.Contains(got.body, code) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: /readyz: %d %s", code, got.status, got.body)
			}
		}
		refusal.Store("")
	}
	if _, got := initiate(); got.status != http.StatusOK {
		t.Errorf("the store is back, and initiate is answered %d %s", got.status, got.body)
	}
}

// TestBucketOfAnother starts nodes with a bucket, or without one, that is not the deployment's.
// Each is refused, and signet serve --check says the same.
func TestBucketOfAnother(t *testing.T) {
	server := s3test.Start(t)
	base := config.Config{
		Listen: "127.0.0.1:0", PublicURL: "https://sign.test", Data: t.TempDir(),
		SessionLifetime: 3 * time.Minute, UnauthorizedStatus: 400, AuthorityName: "Signet",
		Documents: server.Bucket(t), DocumentsCredentials: server.Credentials,
	}
	open := func(c config.Config) error {
		a, err := app.Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
		if err == nil {
			err = a.Close()
		}
		return err
	}
	for range 2 {
		if err := open(base); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range doctor.Examine(t.Context(), base, slog.New(slog.DiscardHandler)) {
		if f.Level == doctor.Fault {
			t.Errorf("%s: %s", f.Check, f.Text)
		}
	}
	for name, test := range map[string]struct {
		edit func(*config.Config)
		want string
	}{
		"no documents line": {
			func(c *config.Config) { c.Documents, c.DocumentsCredentials = "", "" }, "the documents folder",
		},
		"credentials without the documents line": {
			func(c *config.Config) { c.Documents = "" }, "they belong to a bucket in documents",
		},
		"empty bucket":       {func(c *config.Config) { c.Documents = server.Bucket(t) }, "has no identity"},
		"another deployment": {func(c *config.Config) { c.Data = t.TempDir() }, "is new, and the documents bucket"},
		"missing bucket": {
			func(c *config.Config) { c.Documents = strings.Replace(c.Documents, "s3://", "s3://x", 1) },
			"bucket does not exist",
		},
		"wrong secret": {func(c *config.Config) { c.DocumentsCredentials += "x" }, "signature"},
	} {
		t.Run(name, func(t *testing.T) {
			c := base
			test.edit(&c)
			if err := open(c); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			found := ""
			for _, f := range doctor.Examine(t.Context(), c, slog.New(slog.DiscardHandler)) {
				if f.Level == doctor.Fault {
					found += f.Text
				}
			}
			if !strings.Contains(found, test.want) {
				t.Errorf("the check finds %q, want %q", found, test.want)
			}
		})
	}
}

// TestBucketBackup backs up a deployment whose documents are in a bucket, restores it, and has it
// checked with the bucket, from which a document is missing then.
func TestBucketBackup(t *testing.T) {
	ctx := t.Context()
	server := s3test.Start(t)
	c := config.Config{
		Data: t.TempDir(), Documents: server.Bucket(t), DocumentsCredentials: server.Credentials,
		Listen: "127.0.0.1:0", PublicURL: "https://sign.test", SessionLifetime: 3 * time.Minute,
		UnauthorizedStatus: 400, AuthorityName: "Signet", AllowPrivate: true,
	}
	party := partytest.Start(t)
	c.Parties = configOf(party).Parties
	a, err := app.Open(ctx, c, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- a.Run(running) }()
	got := do(
		t, "POST", "http://"+a.Addr.String()+api.BasePath+api.PathRequest,
		party.Token(token.Initiate), "application/octet-stream", bytes.NewReader(pdftest.Minimal()),
	)
	stop()
	if err := <-done; err != nil || got.status != http.StatusOK {
		t.Fatalf("%v, %d %s", err, got.status, got.body)
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var backup bytes.Buffer
	if err := maintenance.Backup(ctx, c, []string{identity.Recipient().String()}, &backup); err != nil {
		t.Fatal(err)
	}
	restored := c
	restored.Data = filepath.Join(t.TempDir(), "data")
	if err := maintenance.Restore(t.Context(), restored, strings.NewReader(identity.String()), &backup); err != nil {
		t.Fatal(err)
	}
	check := func(want maintenance.Checked) {
		t.Helper()
		found := ""
		n, err := maintenance.CheckRestored(
			ctx, restored, slog.New(slog.DiscardHandler),
			func(id, finding string) { found += finding },
		)
		n.Remedies = nil
		if err != nil || !reflect.DeepEqual(n, want) {
			t.Errorf("%+v, %v, %q; want %+v", n, err, found, want)
		}
	}
	check(maintenance.Checked{Requests: 1, Documents: 1})
	bucket := openBucket(t, c.Documents, server.Credentials)
	ids, err := bucket.Requests(ctx, time.Now().Add(time.Hour))
	if err != nil || len(ids) != 1 {
		t.Fatalf("%q, %v", ids, err)
	}
	keys, err := bucket.Keys(ctx, ids[0])
	if err := cmp.Or(err, bucket.Delete(ctx, keys...)); err != nil {
		t.Fatal(err)
	}
	check(maintenance.Checked{Requests: 1, Documents: 1, Findings: 1})
}

func openBucket(t *testing.T, location, credentials string) *documents.S3 {
	t.Helper()
	at, err := documents.ParseLocation(location)
	if err != nil {
		t.Fatal(err)
	}
	s, err := documents.OpenS3(
		t.Context(), documents.S3Options{Location: at, Credentials: credentials},
	)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBucketStrays checks that stray documents in a bucket go to its trash by the rules of the
// folder, one in a sweep of few, and are deleted after a week. A whole journey works in a bucket,
// too.
func TestBucketStrays(t *testing.T) {
	ctx := t.Context()
	server := s3test.Start(t)
	clock := new(control.Clock)
	bucket := openBucket(t, server.Bucket(t), server.Credentials)
	w, err := openWorld(ctx, worldOptions{dir: t.TempDir(), bucket: bucket, now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.close() }()
	in, err := w.Initiate(ctx, request.Application{
		ClientID: shop, DocName: "a.pdf", Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
	}, bytes.NewReader(pdftest.Minimal()))
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Open(ctx, in.RequestID, signerAlice)
	if err == nil {
		_, err = w.Proceed(ctx, in.RequestID, signerAlice, request.SeenUnasked)
	}
	err = cmp.Or(err, w.phones.Approve(ctx, in.RequestID, signerAlice), w.worker.Drain(ctx))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		key := fmt.Sprintf("signv3-%s/document", idAt(clock.Now().Add(time.Minute), i))
		if _, err := bucket.Put(ctx, key, strings.NewReader("%PDF")); err != nil {
			t.Fatal(err)
		}
	}
	sweep := func(after time.Duration, stored, discarded int) {
		t.Helper()
		clock.Advance(after)
		if err := w.PurgeStrays(ctx); err != nil {
			t.Fatal(err)
		}
		ids, err := bucket.Requests(ctx, clock.Now())
		if err != nil || len(ids) != stored {
			t.Errorf("%d requests are stored, want %d: %v", len(ids), stored, err)
		}
		keys, err := bucket.Discarded(ctx, clock.Now())
		if err != nil || len(keys) != discarded {
			t.Errorf("%d documents are in the trash, want %d: %v", len(keys), discarded, err)
		}
	}
	sweep(2*time.Hour, 4, 0) // the database is not a day old
	sweep(23*time.Hour, 3, 1)
	sweep(time.Hour, 2, 2)
	sweep(8*24*time.Hour, 1, 0)
	if report, err := w.CheckSigned(ctx, in.RequestID); err != nil || report.Err() != nil {
		t.Errorf("the signed document: %v, %+v", err, report)
	}
}
