package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestDocumentsAreEncrypted checks that no file has a part of a document, downloads are as without
// encryption, and a cancelled request's document cannot be read from a copy of its file.
func TestDocumentsAreEncrypted(t *testing.T) {
	s := start(t)
	in := s.initiate(t)
	copied := map[string][]byte{} // by path
	keep := func(id string) {
		t.Helper()
		for _, path := range s.files(t, id) {
			text, err := os.ReadFile(path)
			if err != nil {
				continue // deleted by now
			}
			copied[path] = text
			for _, part := range []string{"%PDF", "endobj", "/Type", `"byte_range"`} {
				if bytes.Contains(text, []byte(part)) {
					t.Errorf("%s has %s", path, part)
				}
			}
		}
	}
	keep(in.RequestID)
	s.must(t, in.RequestID, alice, "open", "proceed")
	keep(in.RequestID)
	s.must(t, in.RequestID, alice, "approve")
	s.settled(t, in.RequestID, "signed")
	keep(in.RequestID)
	if len(copied) < 2 {
		t.Fatalf("%d files were seen", len(copied))
	}
	url := s.signedResult(t, in).SignedDocURL
	whole := do(t, "GET", url, "", "", nil)
	ask, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	ask.Header.Set("Range", "bytes=5-1999")
	resp, err := http.DefaultClient.Do(ask)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	part, err := io.ReadAll(resp.Body)
	if err != nil || whole.status != http.StatusOK ||
		resp.StatusCode != http.StatusPartialContent || whole.body[5:2000] != string(part) {
		t.Errorf("download: %d, %d bytes; range: %d, %d bytes, %v",
			whole.status, len(whole.body), resp.StatusCode, len(part), err)
	}

	cancelled := s.initiate(t)
	files := s.files(t, cancelled.RequestID)
	if len(files) != 1 {
		t.Fatalf("files %q", files)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if a := s.cancel(t, cancelled.RequestID); a.status != http.StatusOK {
		t.Fatalf("cancel: %d %s", a.status, a.body)
	}
	for end := time.Now().Add(time.Minute); len(s.files(t, cancelled.RequestID)) > 0; {
		if time.Now().After(end) {
			t.Fatal("the document is not deleted")
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.stop()
	if err := os.MkdirAll(filepath.Dir(files[0]), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"signet.db", "signet.db-wal"} {
		database, err := os.ReadFile(filepath.Join(s.app.Config.Data, name))
		if err != nil {
			continue // the log is deleted when the database is closed
		}
		id, _, _ := strings.Cut(
			string(text[bytes.Index(text, []byte("signet-document "))+16:]), "\n",
		)
		if bytes.Contains(database, []byte(id)) {
			t.Errorf("%s still has the row of the deleted key", name)
		}
	}
}

// TestDamagedDocument checks that a download of a document whose file or key is not what it was
// gives an error of the table and no byte of a document.
func TestDamagedDocument(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, s *sandbox, file, other string){
		"changed": func(t *testing.T, _ *sandbox, file, _ string) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text[len(text)-1] ^= 1
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"of another request": func(t *testing.T, _ *sandbox, file, other string) {
			text, err := os.ReadFile(other)
			if err == nil {
				err = os.WriteFile(file, text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"without encryption": func(t *testing.T, _ *sandbox, file, _ string) {
			if err := os.WriteFile(file, []byte("%PDF-1.7 another"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"without key": func(t *testing.T, s *sandbox, _, _ string) {
			database := filepath.Join(s.app.Config.Data, "signet.db")
			if err := execute(t.Context(), database, `DELETE FROM document_keys`); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			signed := func() (api.Initiated, string) {
				in := s.sign(t)
				found, err := filepath.Glob(filepath.Join(
					s.app.Config.Data, "documents", "*", in.RequestID, "signed-*",
				))
				if err != nil || len(found) != 1 {
					t.Fatalf("%q, %v", found, err)
				}
				return in, found[0]
			}
			in, file := signed()
			_, other := signed()
			url := s.signedResult(t, in).SignedDocURL
			damage(t, s, file, other)
			a := do(t, "GET", url, "", "", nil)
			var e api.Error
			if err := json.Unmarshal([]byte(a.body), &e); a.status != http.StatusInternalServerError ||
				err != nil ||
				e.Code == "" ||
				strings.Contains(a.body, "%PDF") {
				t.Errorf("download: %d %.200s", a.status, a.body)
			}
		})
	}
}

// TestPlainDocuments checks that encrypt_documents: false stores documents as they are.
func TestPlainDocuments(t *testing.T) {
	s := start(t, func(c *config.Config) { c.EncryptDocuments = new(false) })
	in := s.initiate(t)
	files := s.files(t, in.RequestID)
	if len(files) != 1 {
		t.Fatalf("files %q", files)
	}
	if text, err := os.ReadFile(files[0]); err != nil || !bytes.HasPrefix(text, []byte("%PDF")) {
		t.Errorf("%.20q, %v", text, err)
	}
	s.signedPDF(t, in)
}

// BenchmarkEncryption compares uploads and downloads of 1 MB on a sandbox that encrypts documents
// with those on one that does not, in turn.
func BenchmarkEncryption(b *testing.B) {
	var pdf bytes.Buffer
	if err := pdftest.Large(&pdf, 1_000_000, 3); err != nil {
		b.Fatal(err)
	}
	exchange := func(method, url, jws string, body io.Reader, v any) time.Duration {
		start := time.Now()
		r, err := http.NewRequestWithContext(b.Context(), method, url, body)
		if err != nil {
			b.Fatal(err)
		}
		if jws != "" {
			r.Header.Set("Authorization", jws)
			r.Header.Set("Content-Type", "application/octet-stream")
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err == nil && v != nil {
			err = json.Unmarshal(text, v)
		}
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatalf("%s: %d, %v", url, resp.StatusCode, err)
		}
		return time.Since(start)
	}
	upload := func(s *sandbox) (in api.Initiated, took time.Duration) {
		jws := s.party.Token(token.Initiate)
		took = exchange(
			"POST", s.url+"/api/v3/sign-requests", jws, bytes.NewReader(pdf.Bytes()), &in,
		)
		return in, took
	}
	var sandboxes [2]*sandbox
	var signed [2]api.Initiated
	for i := range sandboxes {
		s := start(b, func(c *config.Config) { c.EncryptDocuments, c.RatePerParty = new(i == 1), 0 })
		sandboxes[i] = s
		signed[i], _ = upload(s)
		s.must(b, signed[i].RequestID, alice, "open", "proceed", "approve")
		s.settled(b, signed[i].RequestID, "signed")
	}
	var up, down [2]time.Duration
	for b.Loop() {
		for i, s := range sandboxes {
			_, took := upload(s)
			up[i] += took
			down[i] += exchange("GET", s.signedResult(b, signed[i]).SignedDocURL, "", nil, nil)
		}
	}
	for name, sum := range map[string][2]time.Duration{"upload": up, "download": down} {
		b.ReportMetric(float64(sum[1])/float64(sum[0]), name+"-ratio")
		b.ReportMetric(float64(sum[0].Microseconds())/float64(b.N), name+"-plain-µs")
	}
}
