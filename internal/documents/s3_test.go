package documents_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/documents/documentstest"
	"github.com/signet-sign/signet/internal/documents/s3test"
	"github.com/signet-sign/signet/internal/request"
)

func openS3(t *testing.T, location string, o documents.S3Options) *documents.S3 {
	t.Helper()
	var err error
	if o.Location, err = documents.ParseLocation(location); err != nil {
		t.Fatal(err)
	}
	s, err := documents.OpenS3(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestS3(t *testing.T) {
	server := s3test.Start(t)
	documentstest.Run(t, func(t *testing.T) request.Documents {
		return openS3(t, server.Bucket(t), documents.S3Options{Credentials: server.Credentials})
	})
}

// TestS3Crash kills a process at each point of a Put in parts and of a Delete. The key must hold
// all of the old or all of the new. What was uploaded of a document that is not complete is deleted
// after an hour.
func TestS3Crash(t *testing.T) {
	text := strings.Repeat("new", 4<<20)
	if location := os.Getenv("BLOB_CRASH_LOCATION"); location != "" {
		s := openS3(t, location, documents.S3Options{
			Credentials: os.Getenv("BLOB_CRASH_CREDENTIALS"),
			Fault:       killAt(t, os.Getenv("BLOB_CRASH_POINT")),
		})
		_, err := s.Put(t.Context(), "r/a", strings.NewReader(text))
		t.Fatal("still alive", errors.Join(err, s.Delete(t.Context(), "r/a")))
	}
	server := s3test.Start(t)
	for point, want := range map[string]string{
		documents.FaultReceived: "old", documents.FaultFlushed: text, documents.FaultDeleted: "",
	} {
		t.Run(point, func(t *testing.T) {
			location := server.Bucket(t)
			now := time.Now()
			s := openS3(t, location, documents.S3Options{
				Credentials: server.Credentials, Now: func() time.Time { return now },
			})
			if _, err := s.Put(t.Context(), "r/a", strings.NewReader("old")); err != nil {
				t.Fatal(err)
			}
			runKilled(
				t, "BLOB_CRASH_LOCATION="+location, "BLOB_CRASH_POINT="+point,
				"BLOB_CRASH_CREDENTIALS="+server.Credentials,
			)
			if got := read(t, s, "r/a"); got != want {
				t.Errorf("after the crash the document has %d bytes, want %d", len(got), len(want))
			}
			interrupted := 0
			if point == documents.FaultReceived {
				interrupted = 1
			}
			for _, at := range []struct {
				after time.Duration
				want  int
			}{{0, interrupted}, {59 * time.Minute, interrupted}, {2 * time.Minute, 0}} {
				now = now.Add(at.after)
				if _, err := s.Requests(t.Context(), now); err != nil {
					t.Error(err)
				}
				if got := server.Uploads(t, location); got != at.want {
					t.Errorf("%d interrupted uploads are stored, want %d", got, at.want)
				}
			}
		})
	}
}

// A misbehaviour answers a request wrongly.
type misbehaviour func(w http.ResponseWriter, r *http.Request, next http.Handler)

// hangUp closes the connection without an answer.
func hangUp() { panic(http.ErrAbortHandler) }

var misbehaviours = map[string]misbehaviour{
	"500": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(http.StatusInternalServerError)
	},
	"503": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `<Error><Code>SlowDown</Code><Message>less</Message></Error>`)
	},
	"slow": func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body) // else the end of the connection is not noticed
		<-r.Context().Done()
	},
	"lost request": func(http.ResponseWriter, *http.Request, http.Handler) { hangUp() },
	"lost answer": func(_ http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(httptest.NewRecorder(), r)
		hangUp()
	},
	"cut body": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.Header().Set("Content-Length", fmt.Sprint(answer.Body.Len()))
		w.WriteHeader(answer.Code)
		if answer.Body.Len() == 0 {
			return // nothing can be cut off
		}
		_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
		hangUp()
	},
}

// TestS3Misbehaves has the store answer each request wrongly once, and then always. The first is
// repeated and has the effect that it should have; the second ends, after a bounded number of
// requests, with an error that says that the storage is away.
func TestS3Misbehaves(t *testing.T) {
	server := s3test.Start(t)
	large := bytes.Repeat([]byte("large"), 6<<20/5)
	for name, wrong := range misbehaviours {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bucket := server.Bucket(t)
			var always, once atomic.Bool
			var requests atomic.Int32
			seen := map[string]bool{} // requests that were answered wrongly
			var mu sync.Mutex
			via := server.Via(
				t,
				bucket,
				func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					requests.Add(1)
					q := r.URL.Query()
					request := fmt.Sprint(
						r.Method, r.URL.Path, q.Has("uploads"), q.Has("delete"),
						q.Get("partNumber"), q.Has("uploadId"), r.Header.Get("Range"),
						q.Get("prefix"),
					)
					mu.Lock()
					first := !seen[request]
					seen[request] = true
					mu.Unlock()
					if always.Load() || once.Load() && first {
						wrong(w, r, next)
						return
					}
					next.ServeHTTP(w, r)
				},
			)
			o := documents.S3Options{Credentials: server.Credentials, Timeout: 2 * time.Second}
			right, s := openS3(t, bucket, o), openS3(t, via, o)
			ctx := t.Context()
			put := func(key string, text []byte) error {
				n, err := s.Put(ctx, key, bytes.NewReader(text))
				if err == nil && n != int64(len(text)) {
					t.Errorf("Put(%s) = %d", key, n)
				}
				return err
			}
			operations := []struct {
				name string
				do   func() error
				has  []string // the keys afterwards
			}{
				{
					"put",
					func() error { return put("r/small", []byte("small")) },
					[]string{"r/small"},
				},
				{
					"put in parts",
					func() error { return put("r/large", large) },
					[]string{"r/large", "r/small"},
				},
				{"open and read", func() error {
					b, err := s.Open(ctx, "r/large")
					if err != nil {
						return err
					}
					got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
					if err == nil && !bytes.Equal(got, large) {
						t.Error("other bytes were read")
					}
					return err
				}, []string{"r/large", "r/small"}},
				{"keys", func() error {
					keys, err := s.Keys(ctx, "r")
					if err == nil && !slices.Equal(keys, []string{"r/large", "r/small"}) {
						t.Errorf("Keys = %q", keys)
					}
					return err
				}, []string{"r/large", "r/small"}},
				{"discard", func() error { return s.Discard(ctx, "r/small") }, []string{"r/large"}},
				{"discarded", func() error {
					keys, err := s.Discarded(ctx, time.Now().Add(time.Hour))
					if err == nil && !slices.Equal(keys, []string{"r/small"}) {
						t.Errorf("Discarded = %q", keys)
					}
					return err
				}, []string{"r/large"}},
				{"delete", func() error { return s.Delete(ctx, "r/large", "r/missing") }, nil},
				{
					"requests",
					func() error { _, err := s.Requests(ctx, time.Now()); return err },
					nil,
				},
				{"mark", func() error { _, err := s.Mark(ctx); return err }, nil},
				{"adopt", func() error {
					id, err := s.Adopt(ctx, "ours")
					if err == nil && id != "ours" {
						t.Errorf("Adopt = %q", id)
					}
					return err
				}, nil},
				{"check", func() error { return s.Check(ctx) }, nil},
			}
			for i, op := range operations {
				always.Store(name != "slow" || i == 0) // each of these takes four timeouts
				requests.Store(0)
				// What only lost its answer has happened; a cut body may be of no importance.
				err := op.do()
				if err != nil && !errors.Is(err, request.ErrAway) ||
					err == nil && always.Load() && name != "cut body" {
					t.Errorf("%s, always: %v", op.name, err)
				}
				// A Put in parts also aborts; discard and check are several requests.
				if n := requests.Load(); n > 3*4+1 {
					t.Errorf("%s, always: %d requests", op.name, n)
				}
				always.Store(false)
				once.Store(true)
				if err := op.do(); err != nil {
					t.Errorf("%s, once: %v", op.name, err)
				}
				once.Store(false)
				keys, err := right.Keys(ctx, "r")
				if err != nil || !slices.Equal(keys, op.has) {
					t.Errorf("%s: stored are %q, %v; want %q", op.name, keys, err, op.has)
				}
			}
		})
	}
}

// TestS3Refuses checks that what the store refuses says which kind of failure it is. Only what may
// succeed later is tried again.
func TestS3Refuses(t *testing.T) {
	server := s3test.Start(t)
	for _, test := range []struct {
		status   int
		code     string
		want     error
		requests int32
	}{
		{http.StatusForbidden, "AccessDenied", request.ErrAway, 1},
		{http.StatusForbidden, "RequestTimeTooSkewed", request.ErrAway, 1},
		{http.StatusForbidden, "InvalidAccessKeyId", request.ErrAway, 1},
		{http.StatusNotFound, "NoSuchBucket", request.ErrAway, 1},
		{http.StatusBadRequest, "InvalidArgument", request.ErrAway, 1},
		{http.StatusForbidden, "QuotaExceeded", request.ErrNoRoom, 1},
		{http.StatusInsufficientStorage, "XMinioStorageFull", request.ErrNoRoom, 4},
		{http.StatusConflict, "OperationAborted", request.ErrAway, 4},
		{http.StatusTooManyRequests, "SlowDown", request.ErrAway, 4},
	} {
		var requests atomic.Int32
		location := server.Via(
			t,
			server.Bucket(t),
			func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				requests.Add(1)
				w.WriteHeader(test.status)
				_, _ = fmt.Fprintf(
					w, "<Error><Code>%s</Code><Message>no</Message></Error>", test.code,
				)
			},
		)
		s := openS3(t, location, documents.S3Options{Credentials: server.Credentials})
		_, err := s.Put(t.Context(), "r/a", strings.NewReader("x"))
		named := test.want != request.ErrAway || strings.Contains(err.Error(), test.code)
		if !errors.Is(err, test.want) || !named {
			t.Errorf("%d %s: %v, want %v", test.status, test.code, err, test.want)
		}
		if n := requests.Load(); n != test.requests {
			t.Errorf("%d %s: %d requests, want %d", test.status, test.code, n, test.requests)
		}
		if _, err := s.Open(t.Context(), "r/a"); errors.Is(err, fs.ErrNotExist) {
			t.Errorf(
				"%d %s: Open says that the document does not exist: %v", test.status, test.code,
				err,
			)
		}
	}
}

// TestS3NotFresh checks that a store that answers with what an object was before is not ready.
func TestS3NotFresh(t *testing.T) {
	server := s3test.Start(t)
	location := server.Via(
		t,
		server.Bucket(t),
		func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method != http.MethodGet {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Range", "bytes 0-2/3")
			w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = io.WriteString(w, "old")
		},
	)
	s := openS3(t, location, documents.S3Options{Credentials: server.Credentials})
	if err := s.Check(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "does not come back") {
		t.Errorf("Check: %v", err)
	}
}

// TestS3Memory streams a document that is much larger than what is held of it, and in the end holds
// little of it: many clients may read many documents slowly.
func TestS3Memory(t *testing.T) {
	const size = 200 << 20
	server := s3test.Start(t)
	s := openS3(t, server.Bucket(t), documents.S3Options{Credentials: server.Credentials})
	var most uint64
	measure := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}
	sent, got := sha256.New(), sha256.New()
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	in := &counted{left: size, each: measure}
	n, err := s.Put(t.Context(), "r/a", io.TeeReader(in, sent))
	if err != nil || n != size {
		t.Fatalf("Put = %d, %v", n, err)
	}
	b, err := s.Open(t.Context(), "r/a")
	if err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(buffer)) {
		if _, err := b.ReadAt(buffer, at); err != nil {
			t.Fatal(err)
		}
		_, _ = got.Write(buffer)
		measure()
	}
	if !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
		t.Error("other bytes came back")
	}
	// Twice what is alive may be on the heap: 10 MiB of a part's buffer, 16 MiB of blocks.
	if used := int64(most) - int64(before.HeapAlloc); used > 64<<20 {
		t.Errorf("%d MiB of memory for a document of %d MiB", used>>20, size>>20)
	} else {
		t.Logf("%d MiB of memory for a document of %d MiB", used>>20, size>>20)
	}
	buffer = nil
	runtime.GC()
	most = 0
	measure()
	if held := int64(most) - int64(before.HeapAlloc); held > 8<<20 {
		t.Errorf("%d MiB are held of a document that was read from one end to the other", held>>20)
	}
	runtime.KeepAlive(b)
}

// counted is a reader of many bytes, which repeat after a prime number.
type counted struct {
	left int
	each func()
	n    int
}

func (c *counted) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(len(p), c.left, 64<<10)]
	for i := range p {
		p[i] = byte((c.n + i) % 251)
	}
	if c.n>>20 != (c.n+len(p))>>20 {
		c.each()
	}
	c.n, c.left = c.n+len(p), c.left-len(p)
	return len(p), nil
}

// TestS3Requests counts the requests of operations.
func TestS3Requests(t *testing.T) {
	server := s3test.Start(t)
	var mu sync.Mutex
	var made []string
	location := server.Via(
		t,
		server.Bucket(t),
		func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			mu.Lock()
			made = append(made, strings.TrimSpace(r.Method+" "+r.Header.Get("Range")))
			mu.Unlock()
			next.ServeHTTP(w, r)
		},
	)
	s := openS3(t, location, documents.S3Options{Credentials: server.Credentials})
	ctx := t.Context()
	var b request.Blob
	count := func(name string, do func() error, want ...string) {
		t.Helper()
		made = nil
		if err := do(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !slices.Equal(made, want) {
			t.Errorf("%s: the requests %q, want %q", name, made, want)
		}
	}
	put := func(key string, size int) func() error {
		return func() error {
			_, err := s.Put(ctx, key, bytes.NewReader(make([]byte, size)))
			return err
		}
	}
	count("put", put("r/a", 1<<20), "PUT")
	count("put of a part and a byte", put("r/b", 5<<20+1), "POST", "PUT", "PUT", "POST")
	openKey := func(key string) func() error {
		return func() (err error) {
			b, err = s.Open(ctx, key)
			return err
		}
	}
	readAt := func(n, at int64) func() error {
		return func() error {
			_, err := b.ReadAt(make([]byte, n), at)
			return err
		}
	}
	count("open", openKey("r/a"), "GET bytes=0-1048575")
	count("read of the whole", readAt(1<<20, 0))
	count("open", openKey("r/b"), "GET bytes=0-1048575")
	count(
		"read at the end", readAt(51, 5<<20-50), "GET bytes=4194304-5242879",
		"GET bytes=5242880-5242880",
	)
	count("the same again", readAt(51, 5<<20-50))
	var keys []string
	for i := range 2001 {
		keys = append(keys, fmt.Sprintf("r/%d", i))
	}
	count("delete of 2001", func() error { return s.Delete(ctx, keys...) }, "POST", "POST", "POST")
	count("check", func() error { return s.Check(ctx) }, "PUT", "GET bytes=0-25", "POST")
	count("check again", func() error { return s.Check(ctx) })
}

// TestS3Encryption checks that the store is told to encrypt each object that is written.
func TestS3Encryption(t *testing.T) {
	server := s3test.Start(t)
	for parameters, want := range map[string]string{
		"":                                      " ",
		"&sse=AES256":                           "AES256 ",
		"&sse=aws:kms&kms_key_id=arn:aws:kms:x": "aws:kms arn:aws:kms:x",
	} {
		var mu sync.Mutex
		written := map[string]string{} // encryption, by request
		location := server.Via(
			t,
			server.Bucket(t),
			func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if q := r.URL.Query(); r.Method == http.MethodPut && !q.Has("partNumber") ||
					q.Has("uploads") {
					mu.Lock()
					written[r.Method+" "+r.URL.Path[strings.Index(r.URL.Path, "/test/"):]] =
						r.Header.Get("X-Amz-Server-Side-Encryption") + " " +
							r.Header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id")
					mu.Unlock()
					for name := range r.Header { // versitygw has no encryption
						if strings.HasPrefix(name, "X-Amz-Server-Side") && want != " " {
							w.WriteHeader(http.StatusNotImplemented)
							return
						}
					}
				}
				next.ServeHTTP(w, r)
			},
		)
		s := openS3(t, location+parameters, documents.S3Options{Credentials: server.Credentials})
		for key, size := range map[string]int{"r/small": 1, "r/large": 6 << 20} {
			_, _ = s.Put(t.Context(), key, bytes.NewReader(make([]byte, size)))
		}
		_ = s.Discard(t.Context(), "r/small")
		_, _ = s.Adopt(t.Context(), "ours")
		for _, request := range []string{
			"PUT /test/documents/r/small", "POST /test/documents/r/large",
			"PUT /test/trash/r/small",
			"PUT /test/deployment",
		} {
			if got, ok := written[request]; !ok || got != want {
				t.Errorf("%q: %s has the encryption %q", parameters, request, got)
			}
		}
	}
}

// TestS3Credentials takes credentials from each place. Wrong ones are refused, and no error has a
// secret.
func TestS3Credentials(t *testing.T) {
	server := s3test.Start(t)
	location := server.Bucket(t)
	id, secret, _ := strings.Cut(server.Credentials, ":")
	file := filepath.Join(t.TempDir(), "credentials")
	text := fmt.Sprintf(
		"[signet]\naws_access_key_id = %s\naws_secret_access_key = %s\n", id, secret,
	)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const wrong = "not-the-secret"
	for _, test := range []struct {
		name        string
		environment map[string]string
		credentials string
		want        string // part of the error; "": none
	}{
		{name: "option", credentials: server.Credentials},
		{
			name:        "environment",
			environment: map[string]string{"AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret},
		},
		{
			name:        "shared file",
			environment: map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_PROFILE": "signet"},
		},
		{
			name:        "none",
			environment: map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file + "-none"},
			want:        "set documents_credentials_file or AWS_ACCESS_KEY_ID",
		},
		{name: "no id", credentials: wrong, want: "a colon and the secret access key"},
		{name: "wrong secret", credentials: id + ":" + wrong, want: "signature"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, name := range []string{
				"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SHARED_CREDENTIALS_FILE",
				"AWS_PROFILE",
			} {
				t.Setenv(name, test.environment[name])
			}
			at, err := documents.ParseLocation(location)
			if err != nil {
				t.Fatal(err)
			}
			s, err := documents.OpenS3(t.Context(), documents.S3Options{
				Location: at, Credentials: test.credentials,
			})
			if err == nil {
				err = s.Check(t.Context())
			}
			if (err == nil) != (test.want == "") ||
				err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if err != nil &&
				(strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), wrong)) {
				t.Errorf("the error has a secret: %v", err)
			}
		})
	}
}
