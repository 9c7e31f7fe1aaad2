package rpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/safehttp"
	"github.com/signet-sign/signet/internal/server/rpapi"
	"github.com/signet-sign/signet/internal/token"
)

// server is the API without a database: uploads that break off never reach one.
func server(
	t *testing.T, change func(*rpapi.API), more ...party.Party,
) (addr string, rp *partytest.Party, folder string) {
	t.Helper()
	rp = partytest.Start(t)
	policy := safehttp.Policy{AllowPrivate: true}
	parties, err := party.NewRegistry(policy, append(more, rp.Registration())...)
	if err != nil {
		t.Fatal(err)
	}
	folder = t.TempDir()
	dir, err := documents.OpenDir(documents.Options{Path: folder})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	log := slog.New(slog.DiscardHandler)
	a := &rpapi.API{
		Requests: request.New(
			request.Config{Documents: dir, Now: time.Now, Rand: rand.Reader, Log: log},
		),
		Verifier: token.NewVerifier(token.VerifierConfig{
			Parties: parties,
			Keys:    party.NewKeys(party.KeysConfig{Clients: &party.Clients{Policy: policy}}),
			Replay:  new(partytest.Replay),
		}),
		Log: log,
	}
	if change != nil {
		change(a)
	}
	s := httptest.NewServer(a.Handler(http.NotFoundHandler(), ""))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), rp, folder
}

// TestSlowUpload checks that a client below the minimum rate is cut off, is told so, and leaves
// nothing on the disk.
func TestSlowUpload(t *testing.T) {
	for name, length := range map[string]string{"announced": "Content-Length: 1000", "chunked": "Transfer-Encoding: chunked"} {
		t.Run(name, func(t *testing.T) {
			addr, rp, documents := server(
				t,
				func(a *rpapi.API) { a.SlowestUpload, a.UploadWindow = 1<<30, 50*time.Millisecond },
			)
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			fmt.Fprintf(
				conn,
				"POST /sign-requests HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nAuthorization: %s\r\n%s\r\n\r\n",
				rp.Token(token.Initiate), length,
			)
			if name == "chunked" {
				fmt.Fprintf(conn, "5\r\n%%PDF-\r\n")
			} else {
				fmt.Fprintf(conn, "%%PDF-")
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != 400 ||
				!strings.Contains(string(body), "The upload was interrupted") {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			err = filepath.WalkDir(documents, func(path string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() && !strings.HasPrefix(d.Name(), ".") {
					t.Errorf("%s is left", path)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestExpectContinue checks that a client that asks before sending is refused at once, and sends
// nothing.
func TestExpectContinue(t *testing.T) {
	addr, _, _ := server(t, nil)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(
		conn,
		"POST /sign-requests HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5000000\r\n\r\n",
	)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 400 {
		t.Errorf("status %d, want the refusal instead of 100 Continue", resp.StatusCode)
	}
}

// TestUnauthorizedStatus is the switch of docs/contract.md, 14.2.
func TestUnauthorizedStatus(t *testing.T) {
	for configured, want := range map[int]int{0: 400, 400: 400, 401: 401} {
		h := (&rpapi.API{Verifier: token.NewVerifier(token.VerifierConfig{}), Unauthorized: configured, Log: slog.New(slog.DiscardHandler)}).Handler(
			http.NotFoundHandler(), "/api",
		)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/api/sign-requests/cancel", nil))
		if w.Code != want ||
			w.Body.String() != `{"error":"UNAUTHORIZED","error_description":"Unauthorized."}`+"\n" {
			t.Errorf("configured %d: %d %s", configured, w.Code, w.Body)
		}
		if w.Header().Get("Signet-Explanation") != "" {
			t.Error("the service explains itself")
		}
	}
}

// brokenReplay fails every call that asks about a jti.
type brokenReplay struct{ token.Replay }

func (brokenReplay) Used(context.Context, string, string) (bool, error) {
	return false, errors.New("the disk is full")
}

// TestServerSideError checks that a fault of the service has one answer, which does not tell the
// cause, and the log has the cause.
func TestServerSideError(t *testing.T) {
	rp := partytest.Start(t)
	policy := safehttp.Policy{AllowPrivate: true}
	parties, err := party.NewRegistry(policy, rp.Registration())
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	h := (&rpapi.API{
		Verifier: token.NewVerifier(token.VerifierConfig{
			Parties: parties,
			Keys:    party.NewKeys(party.KeysConfig{Clients: &party.Clients{Policy: policy}}),
			Replay:  brokenReplay{},
		}),
		Explain: true, Log: slog.New(slog.NewTextHandler(&log, nil)),
	}).Handler(http.NotFoundHandler(), "")
	r := httptest.NewRequest("POST", "/sign-requests", strings.NewReader("%PDF-"))
	r.Header.Set("Authorization", rp.Token(token.Initiate))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 500 ||
		w.Body.String() != `{"error":"SERVER_SIDE_ERROR","error_description":"An unexpected error occurred."}`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w.Header().Get("Signet-Explanation") != "" ||
		strings.Count(log.String(), "the disk is full") != 1 {
		t.Errorf("explanation %q, log %q", w.Header().Get("Signet-Explanation"), log.String())
	}
}

// TestUnavailable checks that while the database or the disk is away a call is refused with 503,
// and the caller is told when to try again.
func TestUnavailable(t *testing.T) {
	full, err := documents.OpenDir(documents.Options{
		Path: t.TempDir(), Free: func(string) (uint64, error) { return 1 << 20, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for name, docs := range map[string]request.Documents{
		"the database": awayDocuments{}, "the disk": full,
	} {
		t.Run(name, func(t *testing.T) {
			addr, rp, _ := server(t, func(a *rpapi.API) { a.Requests.Documents = docs })
			r, err := http.NewRequest(
				"POST", "http://"+addr+"/sign-requests", strings.NewReader("%PDF-"),
			)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", rp.Token(token.Initiate))
			r.Header.Set("Content-Type", "application/octet-stream")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			const want = `{"error":"SERVICE_UNAVAILABLE","error_description":"The service cannot work at present."}`
			if err != nil || resp.StatusCode != 503 || strings.TrimSpace(string(text)) != want {
				t.Errorf("%d %s, %v", resp.StatusCode, text, err)
			}
			if got := resp.Header.Get("Retry-After"); got != "10" {
				t.Errorf("Retry-After: %q", got)
			}
		})
	}
}

// awayDocuments fails as what needs the database fails while that does not answer.
type awayDocuments struct{ request.Documents }

func (awayDocuments) Room(context.Context) error {
	return fmt.Errorf("looking: %w", request.ErrAway)
}
