package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestCancel is the seed document, sentence by sentence, over HTTP.
func TestCancel(t *testing.T) {
	s := start(t)

	t.Run("active request", func(t *testing.T) {
		in := s.initiate(t)
		a := s.cancel(t, in.RequestID)
		if !a.is(200, "", "") || a.header.Get("Content-Length") != "0" {
			t.Errorf(
				"cancel: %d %q, Content-Length %q; want 200 and an empty body", a.status, a.body,
				a.header.Get("Content-Length"),
			)
		}
		if a := s.cancel(t, in.RequestID); !a.is(
			400, "REQUEST_ALREADY_CANCELLED", "Document has already been cancelled",
		) {
			t.Errorf("again: %d %s", a.status, a.body)
		}
		if a := s.result(t, in); a.status != 400 ||
			!strings.Contains(a.body, `"REQUEST_CANCELLED"`) {
			t.Errorf("result: %d %s", a.status, a.body)
		}
		for _, step := range []string{"open", "proceed", "approve", "reject", "leave"} {
			if a := s.act(t, in.RequestID, alice, step); a.status != 409 ||
				!strings.Contains(a.body, `"REQUEST_CANCELLED"`) {
				t.Errorf("%s: %d %s", step, a.status, a.body)
			}
		}
	})
	t.Run("opened request", func(t *testing.T) {
		in := s.initiate(t)
		s.must(t, in.RequestID, alice, "open")
		if a := s.cancel(t, in.RequestID); !a.is(200, "", "") {
			t.Errorf("cancel: %d %s", a.status, a.body)
		}
	})
	t.Run("active session", func(t *testing.T) {
		in := s.initiate(t)
		s.must(t, in.RequestID, alice, "open", "proceed")
		a := s.cancel(t, in.RequestID)
		if !a.is(
			400, "ACTIVE_SESSION_ONGOING",
			"Request cannot be cancelled due to an active sign session",
		) {
			t.Errorf("cancel: %d %s", a.status, a.body)
		}
		if n, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || n < 170 || n > 180 {
			t.Errorf("Retry-After %q, want nearly 180", a.header.Get("Retry-After"))
		}
		s.advance(t, a.header.Get("Retry-After")+"s")
		if a := s.cancel(t, in.RequestID); !a.is(200, "", "") {
			t.Errorf("after Retry-After: %d %s", a.status, a.body)
		}
	})
	for _, end := range []string{"reject", "leave"} {
		t.Run("session ended by "+end, func(t *testing.T) {
			in := s.initiate(t)
			s.must(t, in.RequestID, alice, "open", "proceed", end)
			if a := s.cancel(t, in.RequestID); !a.is(200, "", "") {
				t.Errorf("cancel: %d %s", a.status, a.body)
			}
		})
	}
	t.Run("signed", func(t *testing.T) {
		in := s.initiate(t)
		s.must(t, in.RequestID, alice, "open", "proceed", "approve")
		s.settled(t, in.RequestID, "signed")
		for range 2 {
			if a := s.cancel(t, in.RequestID); !a.is(
				400, "DOCUMENT_ALREADY_SIGNED", "Document has already been signed",
			) {
				t.Errorf("cancel: %d %s", a.status, a.body)
			}
			s.advance(t, "2h")
		}
	})
	t.Run("expired", func(t *testing.T) {
		in := s.initiate(t)
		s.advance(t, "30m")
		if v := s.view(t, in.RequestID); v.State != "expired" {
			t.Fatalf("it is %s", v.State)
		}
		if a := s.cancel(t, in.RequestID); !a.is(200, "", "") {
			t.Errorf("cancel: %d %s", a.status, a.body)
		}
		if a := s.cancel(t, in.RequestID); !a.is(
			400, "REQUEST_ALREADY_CANCELLED", "Document has already been cancelled",
		) {
			t.Errorf("again: %d %s", a.status, a.body)
		}
	})
	t.Run("unknown and foreign ids look the same", func(t *testing.T) {
		in := s.initiate(t)
		unknown := s.cancel(t, "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332")
		if !unknown.is(400, "CLIENT_SIDE_ERROR", "No record found") {
			t.Errorf("unknown: %d %s", unknown.status, unknown.body)
		}
		for _, id := range []string{"", "x", strings.ToUpper(in.RequestID), in.RequestID + " ", strings.TrimPrefix(in.RequestID, "signv3-")} {
			if a := s.cancel(t, id); a.status != unknown.status || a.body != unknown.body {
				t.Errorf("id %q: %d %s", id, a.status, a.body)
			}
		}
	})
}

// TestCancelAtOnce checks that of many concurrent cancels, also with one token and its jti, one is
// answered 200, in each state that a cancel is possible in, and none while the signer signs.
func TestCancelAtOnce(t *testing.T) {
	s := start(t)
	for name, prepare := range map[string]func(id string){
		"created": func(string) {},
		"locked":  func(id string) { s.must(t, id, alice, "open") },
		"left":    func(id string) { s.must(t, id, alice, "open", "proceed", "leave") },
		"session": func(id string) { s.must(t, id, alice, "open", "proceed") },
		"expired": func(id string) { s.moved(t, `{"advance": "31m", "request_id": "`+id+`"}`) },
	} {
		in := s.initiate(t)
		prepare(in.RequestID)
		jws := s.party.Token(
			token.Cancel, partytest.Claim("request_id", in.RequestID),
			partytest.Claim("jti", uuid.NewString()),
		)
		answers := make([]answer, 16)
		var callers sync.WaitGroup
		for i := range answers {
			callers.Go(func() {
				answers[i] = do(
					t, "POST", s.url+"/api/v3/sign-requests/cancel", jws, "application/json", nil,
				)
			})
		}
		callers.Wait()
		cancelled, want := 0, 1
		for _, a := range answers {
			switch {
			case a.is(200, "", ""):
				cancelled++
			case name == "session" && a.is(
				400, "ACTIVE_SESSION_ONGOING",
				"Request cannot be cancelled due to an active sign session",
			) && a.header.Get("Retry-After") != "":
				want = 0
			case name == "session" || !a.is(
				400, "REQUEST_ALREADY_CANCELLED", "Document has already been cancelled",
			):
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		if cancelled != want {
			t.Errorf("%s: %d answers are 200, want %d", name, cancelled, want)
		}
	}
}

// TestCancelOfAnotherParty needs two registered parties.
func TestCancelOfAnotherParty(t *testing.T) {
	s, other := startTwo(t)
	in := s.initiate(t)
	foreign := do(
		t, "POST", s.url+"/api/v3/sign-requests/cancel",
		other.Token(token.Cancel, partytest.Claim("request_id", in.RequestID)), "application/json",
		nil,
	)
	unknown := s.cancel(t, "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332")
	for _, a := range []*answer{&foreign, &unknown} {
		a.header.Del("Date")
		// the sandbox tells its developer more than the service would
		a.header.Del("Signet-Explanation")
		a.header.Del("Signet-Diagnostics")
	}
	if foreign.status != unknown.status || foreign.body != unknown.body {
		t.Errorf(
			"foreign: %d %q, unknown: %d %q", foreign.status, foreign.body, unknown.status,
			unknown.body,
		)
	}
	for name := range unknown.header {
		if foreign.header.Get(name) != unknown.header.Get(name) {
			t.Errorf(
				"header %s tells them apart: %q and %q", name, foreign.header.Get(name),
				unknown.header.Get(name),
			)
		}
	}
	if a := s.cancel(t, in.RequestID); a.status != 200 {
		t.Errorf("the owner's cancel: %d %s", a.status, a.body)
	}
}

// TestCancelLeavesNothing checks that a cancel deletes the bytes, keeps the trail, and notifies
// only watchers.
func TestCancelLeavesNothing(t *testing.T) {
	s := start(t)
	in := s.initiate(t)
	s.must(t, in.RequestID, alice, "open", "proceed", "reject")
	if a := s.cancel(t, in.RequestID); a.status != 200 {
		t.Fatalf("cancel: %d %s", a.status, a.body)
	}
	s.advance(t, "1s")
	if files := s.files(t, in.RequestID); len(files) != 0 {
		t.Errorf("documents %v are left", files)
	}
	var kinds []string
	for _, e := range s.view(t, in.RequestID).Events {
		kinds = append(kinds, e.Kind)
	}
	if got, want := strings.Join(kinds, " "), "initiated opened proceeded session_ended cancelled purged"; got != want {
		t.Errorf("trail %q, want %q", got, want)
	}
	s.advance(t, "24h")
	if n := len(s.party.Webhooks()); n != 0 {
		t.Errorf("%d webhooks", n)
	}
}

// TestCancelIsSeen checks that an open portal page and a waiting phone show a cancel within a
// second.
func TestCancelIsSeen(t *testing.T) { seesCancel(t, start(t)) }

// seesCancel follows requests until they are cancelled, and one of them within a second of each
// change: a machine under load may be slower, but not each time.
func seesCancel(t *testing.T, s *sandbox) {
	t.Helper()
	for try := 0; followCancel(t, s) > time.Second; try++ {
		if try == 5 {
			t.Fatal("each time the page hears of a change after more than a second")
		}
	}
}

// followCancel follows a request by its event stream until it is cancelled, and returns the longest
// time that a change took to be heard.
func followCancel(t *testing.T, s *sandbox) (longest time.Duration) {
	t.Helper()
	in := s.initiate(t)
	states := make(chan string, 16)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", s.url+"/sign/"+in.RequestID+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	go func() {
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				_, rest, _ := strings.Cut(data, `"state":"`)
				state, _, _ := strings.Cut(rest, `"`)
				states <- state
			}
		}
	}()
	next := func(want string) {
		t.Helper()
		begin := time.Now()
		select {
		case got := <-states:
			if got != want {
				t.Errorf("the page hears %q, want %q", got, want)
			}
		case <-time.After(time.Minute):
			t.Errorf("the page has not heard %q", want)
		}
		longest = max(longest, time.Since(begin))
	}
	next("created")
	s.must(t, in.RequestID, alice, "open")
	next("locked")
	if a := s.cancel(t, in.RequestID); a.status != 200 {
		t.Fatalf("cancel: %d %s", a.status, a.body)
	}
	next("cancelled")
	return longest
}

// TestCancelTokens checks the requirements of the call's token.
func TestCancelTokens(t *testing.T) {
	s := start(t)
	in := s.initiate(t)
	claim := partytest.Claim("request_id", in.RequestID)
	post := func(jws string) answer {
		t.Helper()
		return do(t, "POST", s.url+"/api/v3/sign-requests/cancel", jws, "application/json", nil)
	}
	for name, jws := range map[string]string{
		"none":              "",
		"with Bearer":       "Bearer " + s.party.Token(token.Cancel, claim),
		"no client":         s.party.Token(token.Cancel, claim, partytest.NoClaim("client_id")),
		"two clients":       s.party.Token(token.Cancel, claim, partytest.Claim("client_request", "another-client")),
		"no exp":            s.party.Token(token.Cancel, claim, partytest.NoClaim("exp")),
		"121 seconds":       s.party.Token(token.Cancel, claim, partytest.Claim("exp", s.now().Unix()+121)),
		"old":               s.party.Token(token.Cancel, claim, partytest.Claim("iat", s.now().Unix()-200), partytest.Claim("exp", s.now().Unix()-100)),
		"of the future":     s.party.Token(token.Cancel, claim, partytest.Claim("iat", s.now().Unix()+60), partytest.Claim("exp", s.now().Unix()+120)),
		"a key we know not": s.party.Token(token.Cancel, claim, partytest.Header("kid", "other")),
		"another signature": s.party.Token(token.Cancel, claim) + "A",
		"an embedded key":   s.party.Token(token.Cancel, claim, partytest.Header("jwk", s.party.Key("ES256").JWK())),
		"alg none":          s.party.Token(token.Cancel, claim, partytest.Header("alg", "none")),
		"an unknown crit":   s.party.Token(token.Cancel, claim, partytest.Header("crit", []string{"x"}), partytest.Header("x", 1)),
	} {
		if a := post(jws); !a.is(400, "UNAUTHORIZED", "Unauthorized.") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := post(s.party.Token(token.Cancel, partytest.NoClaim("request_id"))); !a.is(
		400, "CLIENT_SIDE_ERROR", "No record found",
	) {
		t.Errorf("no request: %d %s", a.status, a.body)
	}
	if v := s.view(t, in.RequestID); v.State != "created" {
		t.Fatalf("after refused tokens it is %s", v.State)
	}
	if a := post(s.party.Token(token.Cancel, claim, s.party.Alg("ES384"), partytest.NoClaim("client_id"), partytest.Claim("client_request", s.party.ClientID))); a.status != 200 {
		t.Errorf("client_request alone, ES384: %d %s", a.status, a.body)
	}
	if a := post(s.party.Token(token.Cancel, claim, s.party.Alg("ES512"), partytest.Claim("client_request", s.party.ClientID))); !strings.Contains(
		a.body, "REQUEST_ALREADY_CANCELLED",
	) {
		t.Errorf("both names, ES512: %d %s", a.status, a.body)
	}
}

// cancelRaw cancels a new request over a connection of its own: it writes more headers, and the body
// in parts with pauses, and with half closes its direction after that. The cancel must be answered
// 200 without a body, and have its effect.
func cancelRaw(t *testing.T, s *sandbox, headers string, parts []string, half bool) {
	t.Helper()
	in := s.initiate(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = fmt.Fprintf(
		conn, "POST /api/v3/sign-requests/cancel HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\n%s\r\n",
		conn.RemoteAddr(), s.party.Token(token.Cancel, partytest.Claim("request_id", in.RequestID)),
		headers,
	)
	for _, part := range parts {
		time.Sleep(50 * time.Millisecond)
		if err == nil {
			_, err = io.WriteString(conn, part)
		}
	}
	if err == nil && half {
		err = conn.(*net.TCPConn).CloseWrite()
	}
	if err != nil {
		t.Errorf("%q, %q: writing: %v", headers, parts, err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Errorf("%q, %q: %v", headers, parts, err)
		return
	}
	if resp.StatusCode != 200 || resp.ContentLength != 0 {
		t.Errorf("%q, %q: %d, %d bytes", headers, parts, resp.StatusCode, resp.ContentLength)
	}
	if state := s.view(t, in.RequestID).State; state != "cancelled" {
		t.Errorf("%q, %q: the request is %s", headers, parts, state)
	}
}

// TestCancelWithBody checks that a cancel whose body comes late, or not at all, is made, also if the
// connection ends with it.
func TestCancelWithBody(t *testing.T) {
	s := start(t)
	const headers = "Content-Type: application/json\r\nContent-Length: 2\r\nConnection: "
	for _, connection := range []string{"keep-alive\r\n", "close\r\n"} {
		for _, parts := range [][]string{{"{", "}"}, {"{"}, nil} {
			cancelRaw(t, s, headers+connection, parts, false)
		}
	}
}

// TestCancelHalfClosed checks that a cancel is made although its caller closes its direction of the
// connection, which the HTTP server takes for the end of the caller.
func TestCancelHalfClosed(t *testing.T) {
	s := start(t)
	for range 40 {
		cancelRaw(t, s, "", nil, true)
	}
}

// TestInitiateHalfClosed checks that a request is made although its caller closes its direction of
// the connection after the document, and that a caller who closes it earlier gets none.
func TestInitiateHalfClosed(t *testing.T) {
	s := start(t)
	doc := pdftest.Minimal()
	post := func(body []byte) (status int, text string) {
		t.Helper()
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, err = fmt.Fprintf(
			conn, "POST /api/v3/sign-requests HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\n"+
				"Content-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n%s",
			conn.RemoteAddr(), s.party.Token(token.Initiate), len(doc), body,
		)
		if err == nil {
			err = conn.(*net.TCPConn).CloseWrite()
		}
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		return resp.StatusCode, string(answer)
	}
	for range 20 {
		status, text := post(doc)
		var in api.Initiated
		if err := json.Unmarshal([]byte(text), &in); err != nil || status != 200 {
			t.Fatalf("%d %s", status, text)
		}
		if state := s.view(t, in.RequestID).State; state != "created" {
			t.Errorf("the request is %s", state)
		}
	}
	if status, text := post(doc[:len(doc)/2]); status != 400 {
		t.Errorf("half of the document: %d %s", status, text)
	}
}
