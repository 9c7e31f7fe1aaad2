package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// The clock of a sandbox goes on by itself while a test moves it, so a border is shown from both
// sides, this far away from it.
const beside = 2 * time.Second

// reach moves the clock to a time, which has to be ahead.
func (s *sandbox) reach(t testing.TB, at time.Time) {
	t.Helper()
	d := at.Sub(s.now())
	if d < 0 {
		t.Fatalf("the machine is too slow for this test: it is %s late", -d)
	}
	s.advance(t, d.String())
}

// sign lets alice sign a new request.
func (s *sandbox) sign(t testing.TB, edits ...partytest.Edit) api.Initiated {
	t.Helper()
	in := s.initiate(t, edits...)
	s.must(t, in.RequestID, alice, "open", "proceed", "approve")
	s.settled(t, in.RequestID, "signed")
	return in
}

// TestResultByState is docs/contract.md, 5.3 along the life of a request.
func TestResultByState(t *testing.T) {
	s := start(t)
	expect := func(t *testing.T, in api.Initiated, code, description string) {
		t.Helper()
		if a := s.result(t, in); !a.is(400, code, description) {
			t.Errorf("result: %d %s, want %s", a.status, a.body, code)
		}
	}
	t.Run("not signed, then expired", func(t *testing.T) {
		made := s.now()
		in := s.initiate(t)
		expect(t, in, "DOCUMENT_NOT_SIGNED", "Document has not been signed")
		s.must(t, in.RequestID, alice, "open")
		expect(t, in, "DOCUMENT_NOT_SIGNED", "Document has not been signed")
		s.must(t, in.RequestID, alice, "proceed")
		expect(t, in, "DOCUMENT_NOT_SIGNED", "Document has not been signed")
		s.must(t, in.RequestID, alice, "leave")
		s.reach(t, made.Add(30*time.Minute-beside))
		expect(t, in, "DOCUMENT_NOT_SIGNED", "Document has not been signed")
		s.advance(t, (2 * beside).String())
		expect(t, in, "REQUEST_EXPIRED", "Sign request has expired")
	})
	t.Run("a session may outlive the request", func(t *testing.T) {
		made := s.now()
		in := s.initiate(t)
		s.must(t, in.RequestID, alice, "open")
		s.reach(t, made.Add(30*time.Minute-beside))
		s.must(t, in.RequestID, alice, "proceed")
		s.advance(t, (2 * beside).String())
		expect(t, in, "DOCUMENT_NOT_SIGNED", "Document has not been signed")
		s.must(t, in.RequestID, alice, "approve")
		s.settled(t, in.RequestID, "signed")
		s.signedResult(t, in)
	})
	t.Run("cancelled", func(t *testing.T) {
		in := s.initiate(t)
		s.cancel(t, in.RequestID)
		expect(t, in, "REQUEST_CANCELLED", "Sign request has been cancelled")
		s.advance(t, "24h")
		expect(t, in, "REQUEST_CANCELLED", "Sign request has been cancelled")
	})
	t.Run("signed, then the hour is over", func(t *testing.T) {
		in := s.initiate(t)
		s.advance(t, "20m") // the hour begins with the signature
		s.must(t, in.RequestID, alice, "open", "proceed", "approve")
		s.settled(t, in.RequestID, "signed")
		at := time.UnixMilli(s.signedResult(t, in).SignerInfo.SignedAt)
		s.reach(t, at.Add(time.Hour-beside))
		last := s.signedResult(t, in)
		s.advance(t, (2 * beside).String())
		expect(t, in, "SIGNED_ACCESS_EXPIRED", "Access to the signed document has expired")
		// The link that was given in time keeps its two minutes.
		if a := do(t, "GET", last.SignedDocURL, "", "", nil); a.status != 200 {
			t.Errorf("the last link: %d", a.status)
		}
		if a := s.act(t, in.RequestID, alice, "open"); !strings.Contains(
			a.body, "DOCUMENT_ALREADY_SIGNED",
		) {
			t.Errorf("open: %d %s", a.status, a.body)
		}
	})
}

// TestResultAuthentication checks who may ask.
func TestResultAuthentication(t *testing.T) {
	s, other := startTwo(t)
	in := s.sign(t)
	code := partytest.Claim("exchange_code", in.ExchangeCode)
	get := func(id, jws string) answer {
		return do(t, "GET", s.url+"/api/v3/sign-requests/"+id+"/signed-doc", jws, "", nil)
	}
	for name, jws := range map[string]string{
		"no token":                  "",
		"Bearer":                    "Bearer " + s.party.Token(token.Result, code),
		"another exchange code":     s.party.Token(token.Result, partytest.Claim("exchange_code", uuid.NewString())),
		"no exchange code":          s.party.Token(token.Result, partytest.NoClaim("exchange_code")),
		"exchange code empty":       s.party.Token(token.Result, partytest.Claim("exchange_code", "")),
		"exchange code in capitals": s.party.Token(token.Result, partytest.Claim("exchange_code", strings.ToUpper(in.ExchangeCode))),
		"another party's key":       other.Token(token.Result, code),
		"another party's id":        s.party.Token(token.Result, code, partytest.Claim("client_id", other.ClientID)),
		"an old token":              s.party.Token(token.Result, code, partytest.Claim("iat", s.now().Unix()-200), partytest.Claim("exp", s.now().Unix()-100)),
	} {
		if a := get(in.RequestID, jws); !a.is(400, "UNAUTHORIZED", "Unauthorized.") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for _, id := range []string{"signv3-0199cc9c-8b7c-70df-b29b-39843a10c332", "x", strings.ToUpper(in.RequestID), "%00", "..%2f.."} {
		refused := get(in.RequestID, "") // what a stranger hears of an id that exists
		for _, jws := range []string{"", s.party.Token(token.Result, code), other.Token(token.Result, code)} {
			if a := get(id, jws); a.status != refused.status || a.body != refused.body {
				t.Errorf(
					"id %s: %d %s, want %d %s", id, a.status, a.body, refused.status, refused.body,
				)
			}
		}
	}
	// Content-Type is not looked at, and the client's id is tolerated; a second Authorization
	// header is not.
	for _, kind := range []string{"", "application/json", "text/plain", ";;"} {
		if a := do(t, "GET", s.url+"/api/v3/sign-requests/"+in.RequestID+"/signed-doc", s.party.Token(token.Result, code, partytest.Claim("client_id", s.party.ClientID)), kind, nil); a.status != 200 {
			t.Errorf("Content-Type %q: %d %s", kind, a.status, a.body)
		}
	}
	req, _ := http.NewRequest("GET", s.url+"/api/v3/sign-requests/"+in.RequestID+"/signed-doc", nil)
	req.Header["Authorization"] = []string{
		s.party.Token(token.Result, code), s.party.Token(token.Result, code),
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 400 {
		t.Errorf("two Authorization headers: %d", resp.StatusCode)
	}
}

// TestResult is the answer for a signed request, member by member, and by both paths.
func TestResult(t *testing.T) {
	s := start(t)
	before := s.now()
	in := s.sign(t)
	after := s.now()
	for _, path := range []string{"signed-doc", "signed_doc"} {
		a := do(
			t, "GET", s.url+"/api/v3/sign-requests/"+in.RequestID+"/"+path,
			s.party.Token(token.Result, partytest.Claim("exchange_code", in.ExchangeCode)), "", nil,
		)
		if a.status != 200 || a.header.Get("Content-Type") != "application/json" ||
			a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
		var r api.Result
		d := json.NewDecoder(strings.NewReader(a.body))
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if r.SignerInfo.SignerName != "TAN XIAO HUI" || r.SignerInfo.SignerPartialUINFIN != "373D" {
			t.Errorf("signer_info %+v", r.SignerInfo)
		}
		if at := time.UnixMilli(r.SignerInfo.SignedAt); at.Before(
			before.Truncate(time.Millisecond),
		) ||
			at.After(after) {
			t.Errorf("signed_at %s is not between %s and %s", at, before, after)
		}
		if left := time.Unix(r.Exp, 0).Sub(s.now()); left <= 110*time.Second ||
			left > 120*time.Second {
			t.Errorf("exp is in %s", left)
		}
		if u, err := url.Parse(r.SignedDocURL); err != nil ||
			!strings.HasPrefix(r.SignedDocURL, s.url+"/") ||
			u.Query().Get("expires") != fmt.Sprint(r.Exp) {
			t.Errorf("signed_doc_url %s, exp %d", r.SignedDocURL, r.Exp)
		}
	}
	// Every call gives a link of its own time.
	first := s.signedResult(t, in)
	s.advance(t, "10s")
	if second := s.signedResult(t, in); second.SignedDocURL == first.SignedDocURL ||
		second.Exp < first.Exp+10 {
		t.Errorf("the same link again: %d, %d", first.Exp, second.Exp)
	}
}

// TestResultRepeated checks that the GET that a proxy sends again gets the same bytes, also 60
// seconds later.
func TestResultRepeated(t *testing.T) {
	s := start(t)
	in, other := s.sign(t), s.sign(t)
	jws := s.party.Token(token.Result, partytest.Claim("exchange_code", in.ExchangeCode))
	get := func(id string) answer {
		return do(t, "GET", s.url+"/api/v3/sign-requests/"+id+"/signed-doc", jws, "", nil)
	}
	first := get(in.RequestID)
	for _, later := range []string{"1s", "59s"} {
		s.advance(t, later)
		if again := get(in.RequestID); first.status != 200 || again.status != 200 ||
			again.body != first.body {
			t.Errorf(
				"%s later: %d %s, want %d %s", later, again.status, again.body, first.status,
				first.body,
			)
		}
	}
	if a := get(other.RequestID); !a.is(400, "UNAUTHORIZED", "Unauthorized.") {
		t.Errorf("of another request: %d %s", a.status, a.body)
	}
}

// TestDownload is signed_doc_url as a file server, and as a secret that ends.
func TestDownload(t *testing.T) {
	s := start(t)
	in := s.sign(t, places(1, 0.1, 0.1, 1, 0.5, 0.5))
	r := s.signedResult(t, in)
	whole := do(t, "GET", r.SignedDocURL, "", "", nil)
	if whole.status != 200 || whole.header.Get("Content-Type") != "application/pdf" ||
		whole.header.Get("Content-Length") != fmt.Sprint(len(whole.body)) {
		t.Fatalf("download: %d %v", whole.status, whole.header)
	}
	if !strings.HasPrefix(whole.body, string(pdftest.Minimal())) {
		t.Error("the document does not begin with the uploaded bytes")
	}
	pdfsig(t, []byte(whole.body), 2)
	sum := sha256.Sum256([]byte(whole.body))
	if tag := whole.header.Get("ETag"); tag != `"`+hex.EncodeToString(sum[:])+`"` {
		t.Errorf("ETag %s", tag)
	}
	for name, want := range map[string]string{"Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer"} {
		if got := whole.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}

	t.Run("HEAD", func(t *testing.T) {
		a := do(t, "HEAD", r.SignedDocURL, "", "", nil)
		if a.status != 200 || a.body != "" ||
			a.header.Get("Content-Length") != fmt.Sprint(len(whole.body)) {
			t.Errorf(
				"HEAD: %d, %d bytes, Content-Length %s", a.status, len(a.body),
				a.header.Get("Content-Length"),
			)
		}
	})
	t.Run("ranges", func(t *testing.T) {
		for header, want := range map[string]string{
			"bytes=0-99":  whole.body[:100],
			"bytes=-7":    whole.body[len(whole.body)-7:],
			"bytes=1000-": whole.body[1000:],
		} {
			status, body, got := ranged(t, r.SignedDocURL, header)
			if status != http.StatusPartialContent || body != want ||
				got.Get("Content-Range") == "" {
				t.Errorf("%s: %d, %d bytes", header, status, len(body))
			}
		}
		if status, _, got := ranged(t, r.SignedDocURL, "bytes=99999999-"); status != http.StatusRequestedRangeNotSatisfiable ||
			got.Get("Content-Range") != fmt.Sprintf("bytes */%d", len(whole.body)) {
			t.Errorf("beyond the end: %d %s", status, got.Get("Content-Range"))
		}
	})
	t.Run("tampered", func(t *testing.T) {
		other := s.sign(t)
		replace := func(old, new string) string { return strings.Replace(r.SignedDocURL, old, new, 1) }
		u, err := url.Parse(r.SignedDocURL)
		if err != nil {
			t.Fatal(err)
		}
		mac := u.Query().Get("signature")
		for name, link := range map[string]string{
			"a later end":       replace(fmt.Sprint(r.Exp), fmt.Sprint(r.Exp+60)),
			"another document":  replace(in.RequestID, other.RequestID),
			"another signature": replace(mac, strings.Repeat("A", len(mac))),
			"a longer one":      r.SignedDocURL + "A",
			"no signature":      replace("&signature="+mac, ""),
			"no end":            replace(fmt.Sprintf("expires=%d&", r.Exp), ""),
			"nothing":           s.url + "/documents/" + in.RequestID,
			"an unknown id":     replace(in.RequestID, "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332"),
		} {
			a := do(t, "GET", link, "", "", nil)
			why := a.header.Get("Signet-Explanation")
			if !a.is(403, "UNAUTHORIZED", "Unauthorized.") ||
				!strings.Contains(why, "not a link of ours. Follow signed_doc_url as it was given") {
				t.Errorf("%s: %d %q, because %q", name, a.status, a.body, why)
			}
		}
	})
	t.Run("a line for a link and class of client", func(t *testing.T) {
		in := s.sign(t)
		lines := func() (first, again []string) {
			for _, e := range s.view(t, in.RequestID).Events {
				switch e.Kind {
				case "downloaded":
					first = append(first, e.Detail.Client)
				case "downloaded_again":
					again = append(again, e.Detail.Client+" "+e.Detail.Count)
				}
			}
			return first, again
		}
		link := s.signedResult(t, in)
		if status, body, _ := ranged(t, link.SignedDocURL, "bytes=0-"); status != 206 ||
			!strings.HasPrefix(body, "%PDF-") {
			t.Fatalf("bytes=0-: %d", status)
		}
		if first, _ := lines(); !slices.Equal(first, []string{"program"}) {
			t.Errorf("after a range of the whole file the trail has downloads by %q", first)
		}
		for i := range 30 {
			do(t, []string{"GET", "HEAD"}[i%2], link.SignedDocURL, "", "", nil)
		}
		for range 3 {
			follow(t, link.SignedDocURL, "Mozilla/5.0 (X11; Linux x86_64)")
		}
		second := s.signedResult(t, in)
		if second.Exp == link.Exp { // one link for calls within a second
			s.advance(t, "1s")
			second = s.signedResult(t, in)
		}
		do(t, "HEAD", second.SignedDocURL, "", "", nil)
		if first, again := lines(); !slices.Equal(
			first, []string{"program", "browser", "program"},
		) || again != nil {
			t.Errorf("downloads by %q, and again by %q", first, again)
		}
		s.advance(t, "3m")
		first, again := lines()
		slices.Sort(again)
		if len(first) != 3 || !slices.Equal(again, []string{"browser 2", "program 30"}) {
			t.Errorf("after the links ended: downloads by %q, and again by %q", first, again)
		}
	})
	t.Run("over after two minutes", func(t *testing.T) {
		r := s.signedResult(t, in)
		s.reach(t, time.Unix(r.Exp, 0).Add(-beside))
		if a := do(t, "GET", r.SignedDocURL, "", "", nil); a.status != 200 {
			t.Errorf("before exp: %d", a.status)
		}
		s.advance(t, (2 * beside).String())
		for _, method := range []string{"GET", "HEAD"} {
			if a := do(t, method, r.SignedDocURL, "", "", nil); a.status != 403 {
				t.Errorf("%s after exp: %d", method, a.status)
			}
		}
	})
	t.Run("in the trail", func(t *testing.T) {
		counts := map[string]int{}
		for _, e := range s.view(t, in.RequestID).Events {
			counts[e.Kind]++
		}
		if counts["result"] != 2 || counts["downloaded"] != 2 { // one for each link
			t.Errorf(
				"%d results and %d downloads in the trail", counts["result"], counts["downloaded"],
			)
		}
	})
}

// follow follows a link with a User-Agent.
func follow(t *testing.T, url, userAgent string) {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", userAgent)
	resp, err := checked(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("%s: %d", userAgent, resp.StatusCode)
	}
}

func ranged(t *testing.T, url, header string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", header)
	resp, err := checked(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode, readAll(t, resp), resp.Header
}

// TestDownloadNames checks that for every name of a document, the header is one line, and the
// file name is not a path.
func TestDownloadNames(t *testing.T) {
	s := start(t)
	for name, want := range map[string]string{
		"lease.pdf":            `attachment; filename=lease-signed.pdf`,
		"Lease 1.PDF":          `attachment; filename="Lease 1-signed.pdf"`,
		`a"b\c.pdf`:            `attachment; filename=a_b_c-signed.pdf`,
		"../../etc/passwd":     `attachment; filename=_.._etc_passwd-signed.pdf`,
		"租约 é.pdf":             `attachment; filename="__ _-signed.pdf"; filename*=utf-8''%E7%A7%9F%E7%BA%A6%20%C3%A9-signed.pdf`,
		"a;b=c.pdf":            `attachment; filename="a_b=c-signed.pdf"`,
		".htaccess":            `attachment; filename=htaccess-signed.pdf`,
		"<script>alert(1)":     `attachment; filename="_script_alert(1)-signed.pdf"`,
		"percent %0d%0a X.pdf": `attachment; filename="percent _0d_0a X-signed.pdf"`,
	} {
		in := s.sign(t, partytest.Claim("doc_name", name))
		a := do(t, "HEAD", s.signedResult(t, in).SignedDocURL, "", "", nil)
		if got := a.header.Get("Content-Disposition"); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}
