package e2e_test

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/party/partytest"
)

// hugeForm is a form with a file that is larger than what net/http keeps in memory of a form.
type hugeForm struct {
	io.Reader
	read int
}

const hugeFormSize = 48 << 20

func newHugeForm() *hugeForm {
	return &hugeForm{Reader: io.MultiReader(
		strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"phone_id\"; filename=\"a\"\r\n\r\n"),
		io.LimitReader(endless{}, hugeFormSize), strings.NewReader("\r\n--x--\r\n"),
	)}
}

func (f *hugeForm) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	f.read += n
	return n, err
}

// TestFormsAreBounded sends a form with a large file to every route, without a login, as the signer
// and as an operator: none reads it, and none leaves a file on the disk.
func TestFormsAreBounded(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	s := start(t)
	service := serve(t, partytest.Start(t), "a password of some length")
	in := s.initiate(t)
	own := enrolled(t, s, alice)
	own.login(t, in, alice)
	own.client.Transport = nil // the calls are not as documented
	for _, path := range paths(t, in.RequestID) {
		for base, client := range map[string]*http.Client{
			s.url: own.client, s.control: http.DefaultClient,
			"http://" + service.Addr.String(): http.DefaultClient,
		} {
			body := newHugeForm()
			r, err := http.NewRequestWithContext(t.Context(), "POST", base+path, body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
			resp, err := client.Do(r)
			if err == nil { // else the connection was closed
				resp.Body.Close()
			}
			if body.read >= hugeFormSize {
				t.Errorf("POST %s of %s reads %d bytes: %v", path, base, body.read, err)
			}
		}
	}
	s.stop()
	left, err := filepath.Glob(filepath.Join(temporary, "multipart-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left on the disk: %v, %v", left, err)
	}
}
