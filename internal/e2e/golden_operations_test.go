package e2e_test

import (
	"archive/zip"
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
	phoneapi "github.com/signet-sign/signet/internal/server/phone"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// goldenSandbox is today's program on a copy of a golden database. Its clock stands at golden.At
// until a test moves it.
type goldenSandbox struct {
	*sandbox
	golden
	clinic *sandbox // the same program, for the clinic
}

// run starts the program with the shop in its configuration, and edits the clinic's URLs in the
// console.
func (c *goldenCopy) run(t *testing.T, edit func(*config.Config), at time.Time) *goldenSandbox {
	t.Helper()
	shop, clinic := partytest.Start(t), partytest.Start(t)
	shop.ClientID, clinic.ClientID = c.Shop, c.Clinic
	conf := configOf(shop)
	conf.Data, conf.Database = c.data, c.database
	if edit != nil {
		edit(&conf)
	}
	log := slog.New(
		slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelError}),
	)
	s := new(goldenSandbox)
	s.sandbox = runAt(t, shop, conf, func() time.Time { return at }, nil, log)
	form := registration(clinic)
	form.Set("version", fmt.Sprint(c.Version))
	s.saved(t, s.submit(t, "/console/party/"+c.Clinic+"/edit", form))
	c.Version++
	s.golden, s.clinic = c.golden, s.as(clinic)
	return s
}

// of is the program for the party that made a request.
func (s *goldenSandbox) of(r goldenRequest) *sandbox {
	if r.Party == s.Clinic {
		return s.clinic
	}
	return s.sandbox
}

// other is the program for the other party.
func (s *goldenSandbox) other(r goldenRequest) *sandbox {
	if r.Party == s.Clinic {
		return s.sandbox
	}
	return s.clinic
}

// each calls do with every request, by name.
func (s *goldenSandbox) each(t *testing.T, do func(t *testing.T, name string, r goldenRequest)) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(s.Requests)) {
		t.Run(name, func(t *testing.T) { do(t, name, s.Requests[name]) })
	}
}

// signer is the NRIC of the request's signer; alice's if the request has not been opened.
func (s *goldenSandbox) signer(t *testing.T, r goldenRequest) string {
	t.Helper()
	if p := s.trail(t, r.RequestID).Signer; p != nil {
		return *p
	}
	return alice
}

// answers is a row of the table of states: the code of the refusal in each state, or "" where the
// operation is done.
type answers map[string]string

// steps are the rows of the signers' operations.
var steps = map[string]answers{
	"open": {
		"signed": "DOCUMENT_ALREADY_SIGNED", "expired": "REQUEST_EXPIRED",
		"cancelled": "REQUEST_CANCELLED",
	},
	"proceed": {
		"created": "NOT_OPENED", "sealing": "SIGNING_IN_PROGRESS",
		"signed":  "DOCUMENT_ALREADY_SIGNED",
		"expired": "REQUEST_EXPIRED", "cancelled": "REQUEST_CANCELLED",
	},
	"approve": endsSession, "reject": endsSession, "leave": endsSession,
}

var endsSession = answers{
	"created": "NO_ACTIVE_SESSION", "locked": "NO_ACTIVE_SESSION", "sealing": "SIGNING_IN_PROGRESS",
	"signed": "DOCUMENT_ALREADY_SIGNED", "expired": "REQUEST_EXPIRED",
	"cancelled": "REQUEST_CANCELLED",
}

// stepTo is the state to which a step leads.
var stepTo = map[string]map[string]string{
	"open": {
		"created": "locked",
		"locked":  "locked",
		"session": "session",
		"sealing": "sealing",
	},
	"proceed": {"locked": "session", "session": "session"},
	"approve": {"session": "signed"},
	"reject":  {"session": "locked"},
	"leave":   {"session": "locked"},
}

var cancels = answers{
	"session": "ACTIVE_SESSION_ONGOING", "sealing": "ACTIVE_SESSION_ONGOING",
	"signed": "DOCUMENT_ALREADY_SIGNED", "cancelled": "REQUEST_ALREADY_CANCELLED",
}

var results = answers{
	"created": "DOCUMENT_NOT_SIGNED", "locked": "DOCUMENT_NOT_SIGNED",
	"session": "DOCUMENT_NOT_SIGNED", "sealing": "DOCUMENT_NOT_SIGNED",
	"expired": "REQUEST_EXPIRED", "cancelled": "REQUEST_CANCELLED",
}

// longSigned are the requests that were signed more than an hour ago.
var longSigned = []string{"renewed", "renew-failed", "signed-past"}

// goldenOperations are the operations on requests. Each runs on a copy of its own.
var goldenOperations = map[string]func(t *testing.T, s *goldenSandbox){
	"status": func(t *testing.T, s *goldenSandbox) {
		lists := map[string]string{}
		s.each(t, func(t *testing.T, name string, r goldenRequest) {
			v := s.trail(t, r.RequestID)
			if v.State != r.State || len(v.Events) == 0 || len(s.calls(t, r.RequestID)) == 0 {
				t.Errorf("it is %s with %d events, want %s", v.State, len(v.Events), r.State)
			}
			if lists[r.State] == "" {
				lists[r.State] = browse(t, "GET", s.control+"/console/requests?state="+r.State).body
			}
			if !strings.Contains(lists[r.State], r.RequestID) {
				t.Errorf("the console's list of those that are %s lacks it", r.State)
			}
			page := browse(t, "GET", s.control+"/console/requests/"+r.RequestID)
			if page.status != 200 || !strings.Contains(page.body, name+".pdf") {
				t.Errorf("the console's page: %d", page.status)
			}
			s.visitor(t).get(t, "/sign/"+r.RequestID).shows(t, 200, "")
		})
	},
	"open, other": func(t *testing.T, s *goldenSandbox) {
		s.each(t, func(t *testing.T, name string, r goldenRequest) {
			other := bob
			if s.signer(t, r) == bob {
				other = alice
			}
			want := "NO_ACCESS"
			switch {
			case r.State == "expired" || r.State == "cancelled":
				want = steps["open"][r.State]
			case r.State == "created" && name != "created-intended":
				want = ""
			}
			s.answered(t, s.act(t, r.RequestID, other, "open"), want)
		})
	},
	"cancel": func(t *testing.T, s *goldenSandbox) {
		s.each(t, func(t *testing.T, _ string, r goldenRequest) {
			if a := s.other(r).cancel(t, r.RequestID); !a.is(
				400, "CLIENT_SIDE_ERROR", "No record found",
			) {
				t.Errorf("another party: %d %s", a.status, a.body)
			}
			s.answered(t, s.of(r).cancel(t, r.RequestID), cancels[r.State])
			if cancels[r.State] == "" {
				s.answered(t, s.of(r).cancel(t, r.RequestID), "REQUEST_ALREADY_CANCELLED")
			}
		})
	},
	"cancel, operator": func(t *testing.T, s *goldenSandbox) {
		s.each(t, func(t *testing.T, _ string, r goldenRequest) {
			a := s.submit(t, "/console/requests/"+r.RequestID+"/cancel", nil)
			want := cancels[r.State]
			done := a.status == http.StatusSeeOther
			if done != (want == "") || !done && !strings.Contains(a.body, want) {
				t.Errorf("%d, want %q", a.status, want)
			}
		})
	},
	"result": func(t *testing.T, s *goldenSandbox) {
		s.each(t, func(t *testing.T, name string, r goldenRequest) {
			wrong := r.Initiated
			wrong.ExchangeCode = s.Requests["created"].ExchangeCode + "0"
			s.answered(t, s.of(r).result(t, wrong), "UNAUTHORIZED")
			want := results[r.State]
			if slices.Contains(longSigned, name) {
				want = "SIGNED_ACCESS_EXPIRED"
			}
			a := s.of(r).result(t, r.Initiated)
			if s.answered(t, a, want); want != "" {
				return
			}
			var result api.Result
			if err := json.Unmarshal([]byte(a.body), &result); err != nil {
				t.Fatal(err)
			}
			signed := do(t, "GET", result.SignedDocURL, "", "", nil)
			fields := 1
			if name == "signed" {
				fields = 2
			}
			pdfsig(t, []byte(signed.body), fields)
		})
	},
	"resend": func(t *testing.T, s *goldenSandbox) {
		s.advance(t, "0s") // the deliveries that are due at the start are over
		before := len(s.party.Webhooks())
		s.each(t, func(t *testing.T, name string, r goldenRequest) {
			a := s.submit(t, "/console/requests/"+r.RequestID+"/resend", nil)
			switch {
			case r.State == "signed" && a.status == http.StatusSeeOther:
			case name == "signed-bt" && strings.Contains(a.body, "WEBHOOK_UNDER_WAY"):
				// PostgreSQL honours the lease of the program that stopped.
			case r.State == "signed" || !strings.Contains(a.body, "NO_WEBHOOK"):
				t.Errorf("%d", a.status)
			}
		})
		s.advance(t, "60s")
		arrived := map[string]int{}
		for _, hook := range slices.Concat(s.party.Webhooks()[before:], s.clinic.party.Webhooks()) {
			arrived[payloadOf(t, hook.Token).RequestID]++
		}
		for name, r := range s.Requests {
			if got := arrived[r.RequestID]; (got > 0) != (r.State == "signed" || name == "sealing") {
				t.Errorf("%s: %d webhooks", name, got)
			}
		}
	},
	"evidence": func(t *testing.T, s *goldenSandbox) {
		s.each(t, func(t *testing.T, name string, r goldenRequest) {
			a := browse(t, "GET", s.control+"/console/requests/"+r.RequestID+"/evidence.zip")
			z, err := zip.NewReader(strings.NewReader(a.body), int64(len(a.body)))
			if err != nil || a.status != 200 {
				t.Fatalf("%d, %v", a.status, err)
			}
			has := func(file string) bool {
				return slices.ContainsFunc(z.File, func(f *zip.File) bool { return f.Name == file })
			}
			open := slices.Contains([]string{"created", "locked", "session", "sealing"}, r.State)
			if has("uploaded.pdf") != open || has("signed.pdf") != (r.State == "signed") {
				t.Errorf("uploaded %v, signed %v", has("uploaded.pdf"), has("signed.pdf"))
			}
			if r.State != "signed" {
				return
			}
			f, err := z.Open("verification.json")
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(f)
			if err != nil {
				t.Fatal(err)
			}
			level := map[string]string{"signed-bt": "B-T", "signed-blt": "B-LT"}[name]
			if level == "" {
				level = "B-LTA"
			}
			for _, member := range []string{`"valid": true`, `"level": "` + level + `"`} {
				if !bytes.Contains(text, []byte(member)) {
					t.Errorf("the verification lacks %s: %s", member, text)
				}
			}
		})
	},
	"phones": func(t *testing.T, s *goldenSandbox) {
		p := s.phone(t)
		home := p.get(t, "/phone/")
		home.shows(t, 200, "Alice’s phone")
		home.shows(t, 200, "Software phone")

		in := s.Requests["scanned"].Initiated
		if state := s.approve(t, p, in); state != "signed" {
			t.Fatalf("the request is %s", state)
		}
		for _, e := range s.trail(t, in.RequestID).Events[4:] {
			if e.Kind == "scanned" {
				t.Error("the document was prepared again")
			}
		}
		pdfsig(t, []byte(do(t, "GET", s.signedResult(t, in).SignedDocURL, "", "", nil).body), 1)

		p.post(t, "/phone/rename", url.Values{"phone_id": {p.id}, "name": {"Old phone"}}).follow(t)
		p.get(t, "/phone/").shows(t, 200, "Old phone")
		p.post(t, "/phone/revoke", url.Values{"phone_id": {p.id}}).follow(t)
		p.call(t, "sign/"+s.Requests["session"].RequestID+"/challenge", nil, nil).
			refusedAs(t, "a revoked phone", 401, "PHONE_NOT_ENROLLED")
	},
	"parties": func(t *testing.T, s *goldenSandbox) {
		own := "/console/party/" + s.Clinic
		form := registration(s.clinic.party)
		form.Set("version", fmt.Sprint(s.Version-1))
		if a := s.submit(t, own+"/edit", form); a.status != http.StatusConflict {
			t.Errorf("a change of an old version: %d", a.status)
		}
		page := browse(t, "GET", s.control+own)
		for _, text := range []string{"Clinic by the Sea", "/logos/", ">console<", "clinic.invalid"} {
			if !strings.Contains(page.body, text) {
				t.Errorf("the clinic's page lacks %q", text)
			}
		}
		version := url.Values{"version": {fmt.Sprint(s.Version)}}
		s.saved(t, s.submit(t, own+"/disable", version))
		s.answered(t, s.clinic.cancel(t, s.Requests["clinic-created"].RequestID), "UNAUTHORIZED")
		version.Set("version", fmt.Sprint(s.Version+1))
		if a := s.submit(t, own+"/remove", version); a.status != http.StatusConflict {
			t.Errorf("a party with requests was removed: %d", a.status)
		}
		closed := s.party.Token(token.Initiate, partytest.Claim("client_id", "closed-for-good"))
		a := s.upload(t, closed, pdftest.Minimal())
		if !strings.Contains(a.header.Get("Signet-Explanation"), "an operator has disabled") {
			t.Errorf("a disabled party: %s", a.header.Get("Signet-Explanation"))
		}
		s.saved(
			t, s.submit(t, "/console/party/closed-for-good/remove", url.Values{"version": {"2"}}),
		)
	},
	"calls": func(t *testing.T, s *goldenSandbox) {
		for filter, text := range map[string]string{
			"":                 s.Requests["sealing"].RequestID,
			"?party=" + s.Shop: s.Requests["sealing"].RequestID,
			"?refused=1":       "UNAUTHORIZED", "?call=webhook": "NOT_DELIVERED",
		} {
			page := browse(t, "GET", s.control+"/console/calls"+filter)
			if page.status != 200 || !strings.Contains(page.body, text) {
				t.Errorf("calls %s: %d without %q", filter, page.status, text)
			}
		}
		s.each(t, func(t *testing.T, _ string, r goldenRequest) {
			for _, c := range s.calls(t, r.RequestID) {
				page := browse(t, "GET", fmt.Sprintf("%s/console/calls/%d", s.control, c.ID))
				if page.status != 200 {
					t.Errorf("call %d: %d", c.ID, page.status)
				}
			}
		})
	},
	"tokens": func(t *testing.T, s *goldenSandbox) {
		for _, p := range []*sandbox{s.sandbox, s.clinic} {
			for _, jti := range s.JTIs[p.party.ClientID] {
				used := p.party.Token(token.Initiate, partytest.Claim("jti", jti))
				s.answered(t, p.upload(t, used, pdftest.Minimal()), "UNAUTHORIZED")
			}
		}
		s.initiate(t)
	},
	"time": func(t *testing.T, s *goldenSandbox) {
		// The purge that waits is done.
		s.advance(t, "0s")
		if left := s.files(t, s.Requests["cancelled-stored"].RequestID); len(left) > 0 {
			t.Errorf("still stored: %q", left)
		}
		s.advance(t, "61s") // leases end, and the document that waits for a timestamp is sealed
		again := func(h partytest.Webhook) bool { return h.Token == s.Token }
		if !slices.ContainsFunc(s.party.Webhooks(), again) {
			t.Error("a webhook's further attempt has another token")
		}
		s.advance(t, "10m")
		announced := map[string]bool{}
		for _, hook := range s.party.Webhooks() {
			announced[payloadOf(t, hook.Token).RequestID] = true
		}
		for _, name := range []string{"signed-bt", "signed-unannounced", "sealing"} {
			if !announced[s.Requests[name].RequestID] {
				t.Errorf("%s is not announced", name)
			}
		}
		// Open requests expire, and only signed documents are still stored.
		s.advance(t, "1h")
		s.each(t, func(t *testing.T, _ string, r goldenRequest) {
			want := r.State
			switch r.State {
			case "created", "locked", "session":
				want = "expired"
			case "sealing":
				want = "signed"
			}
			v := s.trail(t, r.RequestID)
			documents := 0
			if want == "signed" {
				documents = 1
			}
			if left := s.files(t, r.RequestID); v.State != want || len(left) != documents {
				t.Errorf("it is %s, want %s, and stored are %q", v.State, want, left)
			}
			for _, j := range v.Jobs {
				if j.Status == "pending" && j.Kind != "renew" {
					t.Errorf("a job is left: %+v", j)
				}
			}
		})
	},
}

// answered checks the code of an answer; "" is a success.
func (s *goldenSandbox) answered(t *testing.T, a answer, code string) {
	t.Helper()
	if code == "" && a.status == http.StatusOK {
		return
	}
	if code == "" || a.status == http.StatusOK || refusalOf(t, a).Code != code {
		t.Errorf("%d %s, want %q", a.status, a.body, code)
	}
}

// phone is alice's phone with its key and its cookie.
func (s *goldenSandbox) phone(t *testing.T) *phone {
	t.Helper()
	key, err := x509.ParsePKCS8PrivateKey(s.Phone.Key)
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{visitor: s.visitor(t), key: key.(*ecdsa.PrivateKey), id: s.Phone.ID}
	if d := s.Phone.Device; d != nil {
		key, err := x509.ParsePKCS8PrivateKey(d.Key)
		if err != nil {
			t.Fatal(err)
		}
		p.device, p.counter = s.device(t), d.Counter
		p.device.ID, p.device.Key, p.device.Backup = d.ID, key.(*ecdsa.PrivateKey), true
	}
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	cookie := &http.Cookie{Name: phoneCookie, Value: s.Phone.Cookie, Path: "/phone"}
	p.client.Jar.SetCookies(u, []*http.Cookie{cookie})
	p.phoneLogin(t, alice)
	return p
}

// approve scans the request's code with a phone and approves, and returns the request's state when
// all jobs that are due have run.
func (s *goldenSandbox) approve(t *testing.T, p *phone, in api.Initiated) (state string) {
	t.Helper()
	desk := s.visitor(t)
	desk.login(t, in, alice)
	session := p.scan(t, desk, in)
	var c phoneapi.SignChallenge
	if a := p.call(t, session+"/challenge", nil, &c); a.status == http.StatusOK {
		if c.Pages != 2 || c.Places != 1 {
			t.Errorf("the phone shows %+v", c)
		}
		p.call(t, session+"/approve", p.approval(t, c), nil)
	}
	s.advance(t, "0s")
	return s.view(t, in.RequestID).State
}

// TestGoldenNoticesPreparedChanges renames each member of the file that holds a prepared signature,
// which is the only JSON that is stored outside the database. The test checks that
// TestGoldenOperations would fail each time, because the request does not become signed.
func TestGoldenNoticesPreparedChanges(t *testing.T) {
	eachGoldenOf(t, ofSandbox, func(t *testing.T, open func(testing.TB) *goldenCopy) {
		c := open(t)
		if c.kind() == onPostgres {
			t.Skip("the file is the same")
		}
		id := c.Requests["scanned"].RequestID
		files, err := filepath.Glob(filepath.Join(c.data, "documents", "*", id, "prepared-*"))
		if err != nil || len(files) != 1 {
			t.Fatalf("prepared documents %q, %v", files, err)
		}
		inside := strings.TrimPrefix(files[0], c.data)
		members := map[string]json.RawMessage{}
		readJSON(t, files[0], &members)
		members["nothing"] = nil // a run without a change
		for name, value := range members {
			t.Run(name, func(t *testing.T) {
				c := open(t)
				changed := maps.Clone(members)
				delete(changed, "nothing")
				if value != nil {
					delete(changed, name)
					changed[name+"_"] = value
				}
				writeJSON(t, c.data+inside, changed)
				s := c.run(t, nil, c.At)
				state := s.approve(t, s.phone(t), c.Requests["scanned"].Initiated)
				if (state == "signed") != (value == nil) {
					t.Errorf("the request is %s", state)
				}
			})
		}
	})
}

// TestGoldenOperations runs every operation on every request of every golden database, and compares
// the outcome with the table of states.
func TestGoldenOperations(t *testing.T) {
	operations := maps.Clone(goldenOperations)
	for step, refusals := range steps {
		operations[step] = func(t *testing.T, s *goldenSandbox) {
			s.each(t, func(t *testing.T, _ string, r goldenRequest) {
				a := s.act(t, r.RequestID, s.signer(t, r), step)
				if s.answered(t, a, refusals[r.State]); refusals[r.State] == "" {
					s.settled(t, r.RequestID, stepTo[step][r.State])
				}
			})
		}
	}
	eachGoldenOf(t, ofSandbox, func(t *testing.T, open func(testing.TB) *goldenCopy) {
		for _, name := range slices.Sorted(maps.Keys(operations)) {
			t.Run(name, func(t *testing.T) {
				c := open(t)
				operations[name](t, c.run(t, nil, c.At))
			})
		}
		t.Run("renew", func(t *testing.T) { testGoldenRenewal(t, open(t)) })
	})
}

// testGoldenRenewal runs the renewal that failed again. Then it opens the copy years later, when
// the certificates of the newest timestamps end soon, and checks that all documents are renewed.
func testGoldenRenewal(t *testing.T, c *goldenCopy) {
	years := func(c *config.Config) { c.RenewBefore = 2 * 365 * 24 * time.Hour }
	s := c.run(t, years, c.At)
	s.advance(t, "10m")
	s.stop()
	s = c.run(t, years, c.At.Add((8*365+2)*24*time.Hour))
	s.advance(t, "0s")
	s.each(t, func(t *testing.T, name string, r goldenRequest) {
		if r.State != "signed" || name == "signed-bt" || name == "signed-blt" {
			return
		}
		renewed := 0
		for _, e := range s.trail(t, r.RequestID).Events {
			if e.Kind == "renewed" {
				renewed++
			}
		}
		want := 1
		if name == "renewed" || name == "renew-failed" {
			want = 2
		}
		if left := s.files(t, r.RequestID); renewed != want || len(left) != 1 {
			t.Errorf(
				"renewed %d times, stored are %q: %+v", renewed, left, s.trail(t, r.RequestID).Jobs,
			)
		}
	})
}
