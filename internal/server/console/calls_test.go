package console_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/operator"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/token"
)

// TestTimelineWithCalls checks that an accepted call is shown with the event that it added, and
// that a refused call is an entry of its own with its token and the reason.
func TestTimelineWithCalls(t *testing.T) {
	w := newWorld(t)
	w.shop.Now = w.Now
	id := w.in(t, request.StateCreated)
	w.Recorder.Record(
		calllog.Record{
			Kind: calllog.Initiate, Authentic: true, Took: time.Millisecond, RequestID: id,
			Status: 200,
		},
		w.shop.Token(token.Initiate),
	)
	w.advance(10 * time.Second)
	if _, err := w.Requests.Open(t.Context(), id, alice); err != nil {
		t.Fatal(err)
	}
	w.advance(10 * time.Second)
	w.Recorder.Record(calllog.Record{
		Kind: calllog.Cancel, Took: 30 * time.Microsecond, Status: 400, Error: "UNAUTHORIZED",
		Description: "Unauthorized.",
		Reason:      "cancel: claim exp: the token expired 3 s ago",
	}, w.shop.Token(token.Cancel, partytest.Claim("request_id", id), partytest.Claim("password", "hush-hush"), partytest.Claim("note", "<script>")))
	w.advance(10 * time.Second)
	w.post(t, "/console/requests/"+id+"/cancel", nil)

	page := w.get(t, "/console/requests/"+id)
	page.has(
		t, 200, "cancel: claim exp: the token expired 3 s ago",
		"Not verified: any client may have sent this", "&#34;request_id&#34;: &#34;"+id+"&#34;",
		"&#34;password&#34;: &#34;(a string of 9 characters)&#34;", "&lt;0.1 ms",
		"0 ms after the call",
	)
	if strings.Contains(page.body, "hush-hush") || strings.Contains(page.body, "<script>") {
		t.Error("the page shows a claim that is not in the token")
	}
	var heads []string
	for _, m := range regexp.MustCompile(`(?s)<p class="timeline-head"><strong>([^<]+)`).FindAllStringSubmatch(page.body, -1) {
		heads = append(heads, m[1])
	}
	want := "Initiated by the relying party, Opened by the signer, Cancel refused, Cancelled"
	if got := strings.Join(heads, ", "); got != want {
		t.Errorf("the timeline is %s, want %s", got, want)
	}
	if n := strings.Count(page.body, `<details id="call-`); n != 3 {
		t.Errorf("%d calls can be opened, want 3", n)
	}
}

var callLink = regexp.MustCompile(`href="(/console/calls/\d+)"`)

func TestCallsPages(t *testing.T) {
	w := newWorld(t)
	w.shop.Now = w.Now
	w.get(t, "/console/calls").has(t, 200, "No call has been recorded yet", "record_calls: all")
	add := func(i int, edit func(*calllog.Record), jws string) {
		w.advance(time.Minute)
		r := calllog.Record{
			Kind: calllog.Cancel, Authentic: true, Took: time.Millisecond, Status: 400,
			Error: "CLIENT_SIDE_ERROR", Description: fmt.Sprintf("number %d.", i),
		}
		edit(&r)
		w.Recorder.Record(r, jws)
	}
	for i := range 60 {
		add(i, func(*calllog.Record) {}, w.shop.Token(token.Cancel))
	}
	add(
		60,
		func(r *calllog.Record) { r.Kind, r.Error, r.Description, r.Status = calllog.Initiate, "", "", 200 },
		w.shop.Token(token.Initiate),
	)
	add(
		61,
		func(r *calllog.Record) { r.Kind, r.Authentic, r.Reason = calllog.Initiate, false, "a reason" },
		"junk",
	)
	add(
		62, func(r *calllog.Record) { r.Authentic = false },
		w.shop.Token(token.Cancel, partytest.Claim("client_id", "who-is-this")),
	)

	first := w.get(t, "/console/calls")
	first.has(
		t, 200, "data-follow", "who-is-this", "Unknown", "a reason", "number 62.", "number 13.",
		"None known",
	)
	older := regexp.MustCompile(`href="([^"]+)" rel="next"`).FindStringSubmatch(first.body)
	if older == nil || strings.Contains(first.body, "number 12.") {
		t.Fatal("there is no second page, or the first has no end")
	}
	second := w.get(t, strings.ReplaceAll(older[1], "&amp;", "&"))
	second.has(t, 200, "number 12.", "number 0.", "Newest")
	newer := regexp.MustCompile(`href="([^"]+)" rel="prev"`).FindStringSubmatch(second.body)
	if newer == nil {
		t.Fatal("the second page leads to none before it")
	}
	again := w.get(t, strings.ReplaceAll(newer[1], "&amp;", "&"))
	again.has(t, 200, "number 62.", "number 13.", `rel="next"`)
	if a, b := callLink.FindAllString(first.body, -1), callLink.FindAllString(again.body, -1); !slices.Equal(
		a, b,
	) ||
		strings.Contains(again.body, `rel="prev"`) {
		t.Errorf("the page before the second one is not the first one: %v, want %v", b, a)
	}
	for query, want := range map[string]int{
		"call=initiate":                           2,
		"call=initiate&refused=1":                 1,
		"call=initiate&party=" + w.shop.ClientID:  1,
		"refused=1&party=" + w.shop.ClientID:      50,
		"party=who-is-this":                       0,
		"code=client_side_error":                  50,
		"code=UNAUTHORIZED":                       0,
		"code=CLIENT_SIDE_ERROR&call=initiate":    1,
		"party=" + url.QueryEscape("' OR 1=1 --"): 0,
		"call=nonsense&before=junk":               50,
	} {
		if rows := strings.Count(w.get(t, "/console/calls?"+query).body, `class="cell-answer"`); rows != want {
			t.Errorf("%s: %d rows, want %d", query, rows, want)
		}
	}

	links := callLink.FindAllStringSubmatch(first.body, -1)
	w.get(t, links[0][1]).has(
		t, 200, "Cancel", "number 62.", "claims to be", "who-is-this",
		"&#34;alg&#34;: &#34;ES256&#34;",
	)
	w.get(t, links[1][1]).has(t, 200, "A compact JWS has 3 parts, this has 1.", "a reason")
	for _, wrong := range []string{"/console/calls/0", "/console/calls/x", "/console/calls/999999"} {
		w.get(t, wrong).has(t, 404)
	}
}

// TestCallsNotRecorded checks that the page says that no calls are recorded.
func TestCallsNotRecorded(t *testing.T) {
	w := newWorld(t, func(c *console.Console) { c.Recorder = nil })
	w.get(t, "/console/calls").has(t, 200, "Calls are not recorded")
	id := w.in(t, request.StateCreated)
	w.post(t, "/console/requests/"+id+"/cancel", nil).has(t, 303)
	w.get(t, "/console/requests/"+id).has(t, 200, "Cancelled")
}

// TestFollow checks that the stream of a request's page announces changes, and calls that changed
// nothing.
func TestFollow(t *testing.T) {
	w := newWorld(t)
	w.shop.Now = w.Now
	w.Streams = httpx.Streams{Watcher: w.store, Stopping: make(chan struct{})}
	id := w.in(t, request.StateCreated)
	server := httptest.NewServer(w.handler)
	defer server.Close()
	r, err := http.NewRequestWithContext(
		t.Context(), "GET", server.URL+"/console/requests/"+id+"/events", nil,
	)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	next := func() string {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return data
			}
		}
		t.Fatal("the stream has ended")
		return ""
	}
	if first := next(); !strings.Contains(first, `"state":"created"`) {
		t.Errorf("first %s", first)
	}
	w.Recorder.Record(
		calllog.Record{Kind: calllog.Cancel, Error: "UNAUTHORIZED"},
		w.shop.Token(token.Cancel, partytest.Claim("request_id", id)),
	)
	if err := w.Recorder.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if second := next(); !strings.Contains(second, `"state":"created"`) {
		t.Errorf("after a refused call %s", second)
	}
	w.post(t, "/console/requests/"+id+"/cancel", nil)
	if third := next(); !strings.Contains(third, `"state":"cancelled"`) {
		t.Errorf("after a cancel %s", third)
	}
	w.get(t, "/console/requests/signv3-unknown/events").has(t, 404)
}

// TestFollowEndsWithSession checks that the stream of a request's page tells nothing after the
// operator's session has ended.
func TestFollowEndsWithSession(t *testing.T) {
	w := newWorld(t, func(c *console.Console) { c.Login = noLogin{} })
	w.Streams = httpx.Streams{Watcher: w.store, Stopping: make(chan struct{})}
	id := w.in(t, request.StateCreated)
	server := httptest.NewServer(w.handler)
	defer server.Close()
	secret, err := w.Sessions.Begin(t.Context(), operator.Session{Subject: "1", Name: "ann", Role: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	follow := func() *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(
			t.Context(), "GET", server.URL+"/console/requests/"+id+"/events", nil,
		)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+secret)
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	resp := follow()
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "data: ") {
	}
	if !strings.Contains(lines.Text(), `"state":"created"`) {
		t.Fatalf("first %s", lines.Text())
	}
	if err := w.Sessions.Leave(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if err := w.Requests.Cancel(t.Context(), w.shop.ClientID, id); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		if strings.Contains(lines.Text(), "data: ") {
			t.Errorf("after the end of the session %s", lines.Text())
		}
	}
	again := follow()
	defer again.Body.Close()
	if again.StatusCode != http.StatusUnauthorized {
		t.Errorf("a new stream: %s", again.Status)
	}
}

// noLogin is an identity provider that logs no operator in.
type noLogin struct{}

func (noLogin) Begin(http.ResponseWriter, *http.Request, string, string) {}

func (noLogin) Routes(*http.ServeMux) {}
