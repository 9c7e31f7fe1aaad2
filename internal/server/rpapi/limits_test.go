package rpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/server/rpapi"
	"github.com/signet-sign/signet/internal/token"
)

// answer is an answer of the service.
type answer struct {
	*http.Response
	body string
}

func (a answer) is(code string) bool { return strings.Contains(a.body, `"`+code+`"`) }

// upload is an upload that the test sends piece by piece.
type upload struct {
	net.Conn
	in *bufio.Reader
}

// begin sends the header of an upload that announces length bytes.
func begin(t *testing.T, addr, jws string, length int, header string) *upload {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(
		conn,
		"POST /sign-requests HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"+
			"Authorization: %s\r\nContent-Length: %d\r\n%s\r\n",
		jws,
		length,
		header,
	)
	return &upload{conn, bufio.NewReader(conn)}
}

// hold begins an upload and returns when the service reads its body.
func hold(t *testing.T, addr, jws string, length int) *upload {
	t.Helper()
	u := begin(t, addr, jws, length, "Expect: 100-continue\r\n")
	if line, err := u.in.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v; want 100 Continue", line, err)
	}
	_, _ = u.in.ReadString('\n')
	return u
}

func (u *upload) answer(t *testing.T) answer {
	t.Helper()
	resp, err := http.ReadResponse(u.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp, string(body)}
}

// post sends a whole upload of a few bytes, which are not a PDF.
func post(t *testing.T, addr, jws string) answer {
	t.Helper()
	u := begin(t, addr, jws, 5, "")
	fmt.Fprint(u, "hello")
	return u.answer(t)
}

// TestStalledUpload checks that an upload that was fast and stalls is cut off after one window,
// however much it has announced.
func TestStalledUpload(t *testing.T) {
	addr, rp, _ := server(
		t, func(a *rpapi.API) { a.SlowestUpload, a.UploadWindow = 1000, 300*time.Millisecond },
	)
	u := begin(t, addr, rp.Token(token.Initiate), 9_000_000, "")
	if _, err := u.Write(make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	if a := u.answer(t); !a.is(api.CodeClientSide) { // before the connection's deadline
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// TestSteadyUpload checks that an upload that keeps up the rate may take many windows.
func TestSteadyUpload(t *testing.T) {
	addr, rp, _ := server(
		t, func(a *rpapi.API) { a.SlowestUpload, a.UploadWindow = 10, time.Second },
	)
	u := begin(t, addr, rp.Token(token.Initiate), 1000, "")
	for range 20 {
		fmt.Fprint(u, strings.Repeat("x", 50))
		time.Sleep(150 * time.Millisecond)
	}
	if a := u.answer(t); strings.Contains(a.body, "broke off") ||
		strings.Contains(a.body, "interrupted") ||
		!a.is(api.CodeClientSide) {
		t.Errorf("%d %s, want the refusal of what is not a PDF", a.StatusCode, a.body)
	}
}

// TestTokenOpensOneUpload checks that while an upload is in progress its token opens no other, and
// the refusal does not harm the first.
func TestTokenOpensOneUpload(t *testing.T) {
	addr, rp, _ := server(t, nil)
	jws := rp.Token(token.Initiate)
	first := hold(t, addr, jws, 5)
	for range 3 {
		if a := post(t, addr, jws); !a.is(api.CodeUnauthorized) {
			t.Errorf("a second upload: %d %s", a.StatusCode, a.body)
		}
	}
	fmt.Fprint(first, "hello")
	if a := first.answer(t); !a.is(api.CodeClientSide) {
		t.Errorf(
			"the first upload: %d %s, want the refusal of what is not a PDF", a.StatusCode, a.body,
		)
	}
	if a := post(t, addr, jws); !a.is(api.CodeUnauthorized) {
		t.Errorf("after it: %d %s", a.StatusCode, a.body)
	}
}

// TestUploadLimits checks that a party has so many uploads and bytes in progress, and all parties
// together.
func TestUploadLimits(t *testing.T) {
	for name, test := range map[string]struct {
		limits rpapi.Limits
		other  bool // another party may still upload
	}{
		"uploads of a party": {rpapi.Limits{PartyUploads: 2}, true},
		"bytes of a party":   {rpapi.Limits{PartyBytes: 2_000_004}, true},
		"uploads of all":     {rpapi.Limits{Uploads: 2}, false},
		"bytes of all":       {rpapi.Limits{Bytes: 2_000_004}, false},
	} {
		t.Run(name, func(t *testing.T) {
			other := partytest.Start(t)
			addr, rp, _ := server(
				t, func(a *rpapi.API) { a.Limits = test.limits }, other.Registration(),
			)
			first := hold(t, addr, rp.Token(token.Initiate), 1_000_000)
			hold(t, addr, rp.Token(token.Initiate), 1_000_000)
			jws := rp.Token(token.Initiate)
			a := post(t, addr, jws)
			if a.StatusCode != http.StatusTooManyRequests || !a.is(api.CodeTooManyRequests) ||
				a.Header.Get("Retry-After") != "1" {
				t.Errorf(
					"a third upload: %d %s, Retry-After %q", a.StatusCode, a.body,
					a.Header.Get("Retry-After"),
				)
			}
			if a := post(t, addr, other.Token(token.Initiate)); a.is(
				api.CodeClientSide,
			) != test.other {
				t.Errorf("another party: %d %s", a.StatusCode, a.body)
			}
			first.Close()
			deadline := time.Now().Add(time.Minute)
			for a = post(t, addr, jws); a.is(api.CodeTooManyRequests) && time.Now().Before(deadline); a = post(t, addr, jws) {
				time.Sleep(10 * time.Millisecond)
			}
			if !a.is(api.CodeClientSide) { // so the refusal has not used the token up
				t.Errorf("after an upload has ended: %d %s", a.StatusCode, a.body)
			}
		})
	}
}

// TestRate checks that a party has its calls per second; calls that are not authentic do not count
// as its own.
func TestRate(t *testing.T) {
	other := partytest.Start(t)
	addr, rp, _ := server(t, func(a *rpapi.API) { a.Limits.Rate = 1 }, other.Registration())
	for range 20 {
		forged := other.Key("ES256").Sign(
			[]byte(`{"alg":"ES256","kid":"`+rp.Key("ES256").Kid+`"}`),
			claims(rp),
		)
		if a := post(t, addr, forged); !a.is(api.CodeUnauthorized) {
			t.Fatalf("a forged call: %d %s", a.StatusCode, a.body)
		}
	}
	refused := 0
	for range 13 {
		a := post(t, addr, rp.Token(token.Initiate))
		if !a.is(api.CodeTooManyRequests) {
			continue
		}
		refused++
		h := a.Header
		if a.StatusCode != 429 || h.Get("Retry-After") != "1" || h.Get("RateLimit-Limit") != "1" ||
			h.Get("RateLimit-Remaining") != "0" ||
			h.Get("RateLimit-Reset") != "1" {
			t.Errorf("%d %v", a.StatusCode, h)
		}
	}
	if refused == 0 || refused > 3 {
		t.Errorf("%d of 13 calls were refused, want those beyond 10", refused)
	}
	if a := post(t, addr, other.Token(token.Initiate)); !a.is(api.CodeClientSide) {
		t.Errorf("another party: %d %s", a.StatusCode, a.body)
	}
}

// claims are those of an initiate token of the party.
func claims(rp *partytest.Party) []byte {
	now := time.Now().Unix()
	return fmt.Appendf(
		nil,
		`{"client_id":%q,"iat":%d,"exp":%d,"jti":"8c2f3a52-7a7b-4f0e-9d58-0d8d7a2f5c11"}`,
		rp.ClientID,
		now,
		now+60,
	)
}

// TestUnauthenticatedBody checks that the service does not wait for the body of a call whose token
// it refuses, while it reads those of others. A single one is read, so that the caller gets its
// answer: e2e.TestRefusedUploadIsHeard.
func TestUnauthenticatedBody(t *testing.T) {
	addr, _, _ := server(t, nil)
	for try := 0; ; try++ { // on a slow machine some of the 16 are over
		for range 16 {
			fmt.Fprint(begin(t, addr, "junk", 9_000_000, ""), "%PDF-")
		}
		time.Sleep(200 * time.Millisecond) // until they are refused
		u := begin(t, addr, "junk", 9_000_000, "")
		fmt.Fprint(u, "%PDF-")
		if a := u.answer(t); !a.is(api.CodeUnauthorized) {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		n, err := 0, error(nil)
		// the connection is closed, so this ends early
		for piece := make([]byte, 64<<10); err == nil && n < 8_000_000; {
			var some int
			some, err = u.Write(piece)
			n += some
			time.Sleep(time.Millisecond)
		}
		if err != nil {
			return
		}
		if try == 5 {
			t.Fatalf("each time the service takes %d bytes after the refusal", n)
		}
	}
}
