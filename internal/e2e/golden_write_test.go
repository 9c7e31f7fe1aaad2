package e2e_test

import (
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
	phoneapi "github.com/signet-sign/signet/internal/server/phone"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestGoldenWrite writes the golden databases of a release, if the flag names one, and otherwise
// those on SQLite into a folder of its own. It uses the program through its listeners. The
// program's clock stands still until the test moves it. The test checks that each field of each
// record has a value in one of the databases on SQLite, and in one of those on PostgreSQL.
func TestGoldenWrite(t *testing.T) {
	kinds, release := []string{onSQLite, servePrefix + onSQLite}, t.TempDir()
	if *goldenWrite != "" {
		kinds = append(kinds, onPostgres, servePrefix+onPostgres)
		release = filepath.Join(goldenDir, *goldenWrite)
	}
	sandboxLacks := map[string][]string{} // by kind
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			w := &goldenWriter{
				T: t, dir: t.TempDir(), now: time.Date(2018, 7, 2, 1, 0, 0, 0, time.UTC),
				shop: partytest.Start(t), clinic: partytest.Start(t),
				golden: golden{JTIs: map[string][]string{}, Requests: map[string]goldenRequest{}},
			}
			if strings.HasSuffix(kind, onPostgres) {
				w.database = cluster.Database(t)
			}
			w.Shop, w.Clinic, w.Gone = w.shop.ClientID, w.clinic.ClientID, "gone-out-of-business"
			ofService := strings.HasPrefix(kind, servePrefix)
			if ofService {
				w.serve()
			} else {
				w.live()
			}
			folder := filepath.Join(release, kind)
			w.write(folder)
			c := openGolden(t, folder)
			opened := c.store(t)
			lacks := c.notStored(t, opened)
			if ofService {
				missing := slices.DeleteFunc(lacks, func(path string) bool {
					return !slices.Contains(sandboxLacks[c.kind()], path)
				})
				if len(missing) > 0 {
					t.Errorf("no record has the fields %q: the test has to do more", missing)
				}
			} else {
				sandboxLacks[c.kind()] = lacks
			}
			text, err := c.listing(t, opened)
			w.must(err)
			w.must(os.WriteFile(filepath.Join(folder, "listing.json"), []byte(text), 0o600))
		})
	}
}

// goldenWriter uses the program.
type goldenWriter struct {
	*testing.T
	golden
	dir, database string
	now           time.Time
	shop, clinic  *partytest.Party
	phone         *phone

	s        *sandbox // that runs
	snapshot string   // copy of dir
}

// phase runs the program and calls live while it runs. edit may change the configuration.
func (w *goldenWriter) phase(edit func(*config.Config), live func()) {
	w.Helper()
	c := configOf(w.shop)
	c.Data, c.Database = w.dir, w.database
	if edit != nil {
		edit(&c)
	}
	begin := w.now
	log := slog.New(
		slog.NewTextHandler(testWriter{w.T}, &slog.HandlerOptions{Level: slog.LevelError}),
	)
	w.s = runAt(w.T, w.shop, c, func() time.Time { return begin }, nil, log)
	w.clinic.Now = w.s.now
	if w.phone != nil {
		w.phone.s = w.s
		w.phone.phoneLogin(w.T, alice)
	}
	live()
	w.s.stop() // the next phase goes on by its clock
}

// request initiates a request. state is the request's state at golden.At.
func (w *goldenWriter) request(
	name, state string, s *sandbox, pdf []byte, edits ...partytest.Edit,
) string {
	w.Helper()
	jti := uuid.NewString()
	edits = append(edits, partytest.Claim("doc_name", name+".pdf"), partytest.Claim("jti", jti))
	a := s.upload(w.T, s.party.Token(token.Initiate, edits...), pdf)
	var in api.Initiated
	if err := json.Unmarshal([]byte(a.body), &in); err != nil || a.status != http.StatusOK {
		w.Fatalf("%s: %d %s", name, a.status, a.body)
	}
	w.JTIs[s.party.ClientID] = append(w.JTIs[s.party.ClientID], jti)
	w.Requests[name] = goldenRequest{Initiated: in, Party: s.party.ClientID, State: state}
	return in.RequestID
}

// minimal initiates a request of the shop for the smallest document and runs a person's steps.
func (w *goldenWriter) minimal(name, state, as string, steps ...string) string {
	w.Helper()
	id := w.request(name, state, w.s, pdftest.Minimal())
	w.s.must(w.T, id, as, steps...)
	return id
}

// signed is minimal for a request that becomes signed. It returns after the first attempt of the
// webhook.
func (w *goldenWriter) signed(name string) string {
	w.Helper()
	id := w.minimal(name, "signed", alice, "open", "proceed", "approve")
	w.s.settled(w.T, id, "signed")
	w.s.advance(w.T, "0s")
	return id
}

func (w *goldenWriter) in(name string) api.Initiated { return w.Requests[name].Initiated }

// console posts a form of the console.
func (w *goldenWriter) console(path string, form url.Values) {
	w.Helper()
	if a := w.s.submit(w.T, "/console/"+path, form); a.status != http.StatusSeeOther {
		w.Fatalf("%s: %d %s", path, a.status, a.text())
	}
}

// live makes the content of the database, from the oldest request to golden.At.
func (w *goldenWriter) live() {
	const day = 24 * time.Hour
	years := func(c *config.Config) { c.RenewBefore = 2 * 365 * day }
	w.phase(years, func() { w.signed("renewed") })
	dueToday := func(c *config.Config) { c.RenewBefore = 729*day - 105*time.Minute }
	w.phase(dueToday, func() { w.signed("renew-failed") })
	// The certificate of the time stamping unit ends in less than two years, so the next start
	// makes a new unit.
	w.now = w.now.Add((8*365 + 1) * day)
	w.phase(years, func() {
		w.s.advance(w.T, "0s")
		w.register()
		w.over()
	})
	w.phase(func(c *config.Config) { c.SignatureLevel = "B-T" }, func() {
		w.shop.AnswerWebhooks(func(int) int { return 503 })
		w.signed("signed-bt")
		w.s.advance(w.T, "2s")
		w.s.advance(w.T, "2s") // that was the last attempt
		w.shop.AnswerWebhooks(func(int) int { return 200 })
	})
	w.phase(func(c *config.Config) { c.SignatureLevel = "B-LT" }, func() {
		w.console("requests/"+w.signed("signed-blt")+"/resend", nil)
		w.s.advance(w.T, "0s")
	})
	w.phase(func(c *config.Config) { years(c); c.SessionLifetime = 30 * time.Minute }, w.today)
	away := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer away.Close()
	w.phase(func(c *config.Config) {
		years(c)
		c.SessionLifetime, c.WebhookLadder = 10*time.Second, true
		c.TSAURLs, c.TSARoots = config.List{away.URL}, filepath.Join(w.dir, "authority", "root.crt")
	}, w.lastMinutes)
}

// register makes every change to parties that the console offers.
func (w *goldenWriter) register() {
	own := "party/" + w.Clinic
	w.console("parties", registration(w.clinic))
	edited := registration(w.clinic)
	edited.Set("name", "Clinic by the Sea")
	edited.Set("redirect_url", edited.Get("redirect_url")+"?from=signet")
	edited.Set("version", "1")
	w.console(own+"/edit", edited)
	if a := w.s.uploadLogo(w.T, "/console/"+own+"/logo", "2"); a.status != http.StatusSeeOther {
		w.Fatalf("logo: %d %s", a.status, a.text())
	}
	w.console(own+"/disable", url.Values{"version": {"3"}})
	w.console(own+"/enable", url.Values{"version": {"4"}})
	w.console(own+"/disable", url.Values{"version": {"5"}})
	w.console(own+"/enable", url.Values{"version": {"6"}})
	w.console("party/"+w.Shop+"/keys", nil)
	w.console(own+"/keys", nil)
	closed := registration(w.clinic)
	closed.Set("client_id", "closed-for-good")
	w.console("parties", closed)
	w.console("party/closed-for-good/disable", url.Values{"version": {"1"}})
	gone := registration(w.clinic)
	gone.Set("client_id", w.Gone)
	w.console("parties", gone)
	w.console("party/"+w.Gone+"/disable", url.Values{"version": {"1"}})
	w.console("party/"+w.Gone+"/remove", url.Values{"version": {"2"}})
}

// over makes requests that end hours before golden.At.
func (w *goldenWriter) over() {
	past := w.signed("signed-past")
	link := w.s.signedResult(w.T, w.in("signed-past")).SignedDocURL
	do(w.T, "GET", link, "", "", nil)
	w.s.result(w.T, api.Initiated{RequestID: past, ExchangeCode: uuid.NewString()})
	stranger := w.s.party.Token(token.Initiate, partytest.Claim("client_id", "a-stranger"))
	w.s.upload(w.T, stranger, pdftest.Minimal())
	w.s.upload(w.T, "junk", pdftest.Minimal())
	w.s.upload(
		w.T, w.s.party.Token(token.Initiate, partytest.NoClaim("doc_name")), pdftest.Minimal(),
	)
	evidence := browse(w.T, "GET", w.s.control+"/console/requests/"+past+"/evidence.zip")
	if evidence.status != http.StatusOK {
		w.Fatalf("evidence: %d", evidence.status)
	}
	w.minimal("expired-created", "expired", alice)
	w.minimal("expired-locked", "expired", alice, "open")
	w.minimal("cancelled-expired", "cancelled", alice, "open")
	w.s.cancel(w.T, w.minimal("cancelled-created", "cancelled", alice))
	w.s.cancel(w.T, w.minimal("cancelled-locked", "cancelled", bob, "open", "proceed", "reject"))
	w.console("requests/"+w.minimal("cancelled-operator", "cancelled", alice)+"/cancel", nil)
	portfolio := pdftest.New(pdftest.Catalog("/Collection << >>"))
	session := w.request("expired-session", "expired", w.s, portfolio)
	w.s.must(w.T, session, alice, "open")
	w.s.advance(w.T, "29m")
	w.s.must(w.T, session, alice, "proceed")
	w.s.advance(w.T, "4m")
	w.s.cancel(w.T, w.in("cancelled-expired").RequestID)
	w.s.advance(w.T, "1h")
}

// today makes the requests of the last half hour.
func (w *goldenWriter) today() {
	w.minimal("overdue", "expired", bob, "open")         // it expires while the program is down
	incoming := filepath.Join(w.dir, "documents", "tmp") // the renewed document cannot be stored
	w.must(errors.Join(os.Rename(incoming, incoming+".away"), os.WriteFile(incoming, nil, 0o600)))
	w.s.advance(w.T, "25m30s")
	w.must(errors.Join(os.Remove(incoming), os.Rename(incoming+".away", incoming)))

	w.phone = enrolled(w.T, w.s, alice)
	name := url.Values{"phone_id": {w.phone.id}, "name": {"Alice’s phone"}}
	w.phone.post(w.T, "/phone/rename", name).follow(w.T)
	lost := enrolled(w.T, w.s, alice)
	lost.post(w.T, "/phone/revoke", url.Values{"phone_id": {lost.id}}).follow(w.T)

	intended := func(uin string) partytest.Edit {
		return partytest.Claim("signer_uin_hash", signer.Person{UIN: uin}.Hash())
	}
	twoPages, threePages := pdftest.New(pdftest.Pages(2)), pdftest.New(pdftest.Pages(3))
	w.request("signed", "signed", w.s, twoPages, places(1, 0.1, 0.1, 2, 0.5, 0.625))
	w.approve(w.scanned("signed"), "signed")
	w.s.settled(w.T, w.in("signed").RequestID, "signed")
	result := w.s.signedResult(w.T, w.in("signed"))
	do(w.T, "GET", result.SignedDocURL, "", "", nil)

	clinic := w.s.as(w.clinic)
	id := w.request("clinic-signed", "signed", clinic, pdftest.Minimal(), intended(bob))
	w.s.must(w.T, id, bob, "open", "proceed", "approve")
	w.s.settled(w.T, id, "signed")
	w.request("clinic-created", "created", clinic, withFiles())

	w.minimal("created", "created", alice)
	w.request("created-intended", "created", w.s, pdftest.Minimal(), intended(alice))
	w.request("created-places", "created", w.s, threePages,
		places(3, 0.25, 0.75, 1, 0, 0.9, 2, 0.333, 0.667))
	once := do(w.T, "GET", w.s.signedResult(w.T, w.in("signed-bt")).SignedDocURL, "", "", nil)
	w.request("created-signed-before", "created", w.s, []byte(once.body), places(1, 0.5, 0.5))
	w.minimal("locked", "locked", bob, "open")
	w.minimal("locked-rejected", "locked", alice, "open", "proceed", "reject")
	w.request("locked-left", "locked", w.s, pdftest.Minimal())
	late := w.scanned("locked-left")
	w.s.must(w.T, w.in("locked-left").RequestID, alice, "leave")
	w.approve(late, "locked-left")
	w.minimal("session", "session", alice, "open", "proceed")
	w.request("scanned", "session", w.s, twoPages, places(2, 0.2, 0.2))
	w.scanned("scanned")

	w.shop.AnswerWebhooks(func(int) int { return 500 }) // until the end
	w.signed("signed-unannounced")
}

// withFiles is a document with content that the trail of its request names.
func withFiles() []byte {
	return pdftest.New(pdftest.Catalog("/Names << /EmbeddedFiles << /Names [] >> >>"))
}

// scanned opens a request, proceeds, scans the code with alice's phone and returns its challenge.
func (w *goldenWriter) scanned(name string) phoneapi.SignChallenge {
	w.Helper()
	desk := w.s.visitor(w.T)
	desk.login(w.T, w.in(name), alice)
	desk.proceed(w.T, w.in(name))
	session := w.phone.scan(w.T, desk, w.in(name))
	var c phoneapi.SignChallenge
	if a := w.phone.call(w.T, session+"/challenge", nil, &c); a.status != 200 {
		w.Fatalf("challenge: %d %s", a.status, a.body)
	}
	return c
}

// approve sends the approval of alice's phone, which may be refused.
func (w *goldenWriter) approve(c phoneapi.SignChallenge, name string) {
	w.Helper()
	approval := w.phone.approval(w.T, c)
	w.phone.call(w.T, "sign/"+w.in(name).RequestID+"/approve", approval, nil)
}

// lastMinutes makes the requests of the last minutes, in which the timestamp authority does not
// answer.
func (w *goldenWriter) lastMinutes() {
	w.s.advance(w.T, "1m")
	w.minimal("locked-failed", "locked", alice, "open", "proceed", "approve")
	w.minimal("locked-timed-out", "locked", alice, "open", "proceed")
	tries := []string{"0s", "1s", "2s", "5s", "10s", "20s", "30s", "60s"}
	for _, d := range tries {
		w.s.advance(w.T, d)
	}
	w.minimal("sealing", "sealing", bob, "open", "proceed", "approve")
	for _, d := range tries[:7] {
		w.s.advance(w.T, d)
	}

	// The purge of a document that cannot be deleted stays pending.
	stuck := w.minimal("cancelled-stored", "cancelled", alice)
	file := w.s.files(w.T, stuck)[0]
	w.must(errors.Join(os.Rename(file, file+".away"), os.MkdirAll(file+"/full", 0o700)))
	w.s.cancel(w.T, stuck)
	w.s.advance(w.T, "0s")
	w.must(errors.Join(os.RemoveAll(file), os.Rename(file+".away", file)))

	w.minimal("overdue-session", "locked", alice, "open", "proceed")

	// The clinic's URLs reach no other program when a test opens the database.
	w.console("party/"+w.Clinic+"/edit", w.moved())
	w.Version = 8
	w.At = w.s.now().Add(30 * time.Second)

	// The second attempt of a webhook fails. The third is due when a test opens the database.
	w.console("requests/"+w.in("signed").RequestID+"/resend", nil)
	w.s.advance(w.T, "0s")
	sent := w.shop.Webhooks()
	w.Token = sent[len(sent)-1].Token

	// The copy is made while a webhook is being delivered: its job has a lease.
	asked, release := make(chan struct{}), make(chan struct{})
	w.shop.AnswerWebhooks(func(int) int { close(asked); <-release; return 200 })
	w.s.view(w.T, stuck) // which writes the records of calls
	w.console("requests/"+w.in("signed-bt").RequestID+"/resend", nil)
	<-asked
	w.snapshot = w.TempDir()
	w.dump()
	w.must(copyTree(w.dir, filepath.Join(w.snapshot, "data")))
	close(release)
}

// moved is the form in which the clinic has other URLs, and every option.
func (w *goldenWriter) moved() url.Values {
	w.Helper()
	moved := registration(w.clinic)
	moved.Set("name", "Clinic by the Sea")
	for _, name := range []string{"jwks_url", "redirect_url", "webhook_url"} {
		moved.Set(name, "https://clinic.invalid/"+name)
	}
	for _, option := range []string{
		"allow_download", "require_all_pages", "webhook_ladder", "allow_private",
	} {
		moved.Set(option, "yes")
	}
	ca, err := os.ReadFile(w.root())
	w.must(err)
	moved.Set("ca", string(ca))
	moved.Set("anyway", "1") // the URLs do not answer
	moved.Set("version", "7")
	return moved
}

func (w *goldenWriter) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// copyTree copies a folder with modes and times. What the program writes during the copy may be
// missing, as after a power failure.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if d.IsDir() {
			return os.MkdirAll(target, info.Mode())
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		err = os.WriteFile(target, b, info.Mode())
		return errors.Join(err, os.Chtimes(target, info.ModTime(), info.ModTime()))
	})
}

// write writes the files of the golden database.
func (w *goldenWriter) write(folder string) {
	data := filepath.Join(w.snapshot, "data")
	w.must(os.MkdirAll(folder, 0o755))
	w.Phone.ID = w.phone.id
	var err error
	w.Phone.Key, err = x509.MarshalPKCS8PrivateKey(w.phone.key)
	w.must(err)
	w.Phone.Cookie = w.phone.cookie(w.T)
	if d := w.phone.device; d != nil {
		key, err := x509.MarshalPKCS8PrivateKey(d.Key)
		w.must(err)
		w.Phone.Device = &goldenDevice{ID: d.ID, Key: key, Counter: w.phone.counter}
	}
	if w.database == "" {
		db, err := sql.Open("sqlite", filepath.Join(data, "signet.db"))
		w.must(err)
		_, err = db.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
		w.must(errors.Join(err, db.Close()))
	} else {
		b, err := os.ReadFile(filepath.Join(w.snapshot, "dump.sql"))
		w.must(err)
		w.must(os.WriteFile(filepath.Join(folder, "dump.sql"), b, 0o600))
	}
	pack(w.T, filepath.Join(folder, "data.tar.gz"), data, func(path string) bool {
		beside := strings.HasPrefix(path, "signet.db.") || strings.HasPrefix(path, "signet.db-")
		clock := path == "clocks.json" // tests open the database at golden.At
		return !beside && !clock && !emptyFolder(data, path)
	})
	writeJSON(w.T, filepath.Join(folder, "golden.json"), w.golden)
}

// emptyFolder reports whether path is an empty folder. The program makes missing folders.
func emptyFolder(data, path string) bool {
	entries, err := os.ReadDir(filepath.Join(data, path))
	return err == nil && len(entries) == 0
}

// cookie is the value of the cookie that identifies the phone.
func (p *phone) cookie(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(p.s.url + "/phone/")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range p.client.Jar.Cookies(u) {
		if c.Name == phoneCookie {
			return c.Value
		}
	}
	t.Fatal("the phone has no cookie")
	return ""
}

// phoneCookie is the name of the cookie that identifies a phone.
const phoneCookie = "signet_phone_id"
