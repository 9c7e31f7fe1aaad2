package ui_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/signet-sign/signet/internal/server/phone"
	"github.com/signet-sign/signet/internal/server/ui"
)

// site serves the gallery's pages with what their scripts call: documents, the
// live state, the phone's API.
type site struct {
	*httptest.Server
	kit   *ui.Kit
	pages map[string]Sample // below /gallery/

	missing string // path of a file of the bundle that is not served
	refuse  bool   // the demo refuses documents

	mu       sync.Mutex
	live     map[string]any // answer of every state and events URL
	changed  chan struct{}
	noStream bool
	noPoll   bool
	hang     chan struct{}   // while open, states and codes get no answer
	tenths   []chan struct{} // a tenth of a document comes when its channel is closed; nil: all at once
	cut      chan struct{}   // closed to end the streams that are open
	heard    int             // states told since the last page, by stream or poll
	posts    []string        // "path body"
	key      *ecdsa.PublicKey
	lose     int // approvals whose answer gets lost
	pdf      []byte
	codes    int                         // QR codes that were handed out
	noCode   bool                        // none is
	tamper   func(*asked, []byte) []byte // changes what a phone is told and given
}

// tooWide is by how many pixels the page is wider than the window. innerWidth would grow with the
// page where a phone is emulated.
const tooWide = `document.documentElement.scrollWidth - document.documentElement.clientWidth`

// longName is what some people call a document: 120 characters.
const longName = "Supplementary_deed_of_undertaking_and_indemnity_(schedule_4)_" +
	"final-final_v12_2026-03-09_for_signature_by_all_parties.pdf"

var testChallenge = []byte("a challenge of the server")

// asked is what a phone is asked to sign, as the challenge says it.
type asked struct {
	Digest     string   `json:"document_digest"`
	Size       int      `json:"document_size"`
	ByteRange  [4]int64 `json:"byte_range"`
	ToBeSigned string   `json:"to_be_signed"`
}

// ask makes the prepared document and what is said about it: the PDF, and an update with an empty
// room for the signature.
func (s *site) ask() (asked, []byte) {
	before, after := "\nan update /Contents ", " and its end"
	hole := "<" + strings.Repeat("0", 64) + ">"
	file := append(bytes.Clone(s.pdf), before+hole+after...)
	at := int64(len(s.pdf) + len(before))
	whole := sha256.Sum256(append(bytes.Clone(file[:at]), after...))
	original := sha256.Sum256(s.pdf)
	a := asked{
		Digest: fmt.Sprintf("%x", original), Size: len(s.pdf), ToBeSigned: attributes(whole[:]),
		ByteRange: [4]int64{0, at, at + int64(len(hole)), int64(len(after))},
	}
	if s.tamper != nil {
		file = s.tamper(&a, file)
	}
	return a, file
}

// attributes is the DER of CMS signed attributes with a content type and these message digests, in
// base64url.
func attributes(digests ...[]byte) string {
	der := func(tag byte, parts ...[]byte) []byte {
		body := bytes.Join(parts, nil)
		return append([]byte{tag, byte(len(body))}, body...)
	}
	pkcs9 := func(n byte) []byte { return der(6, []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, n}) }
	all := [][]byte{
		der(0x30, pkcs9(3), der(0x31, der(6, []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1}))),
	}
	for _, d := range digests {
		all = append(all, der(0x30, pkcs9(4), der(0x31, der(4, d))))
	}
	return base64.RawURLEncoding.EncodeToString(der(0x31, all...))
}

func (s *site) prepared(w http.ResponseWriter, _ *http.Request) {
	_, file := s.ask()
	w.Header().Set("Content-Type", "application/pdf")
	_, _ = w.Write(file)
}

// code hands out another code each time.
func (s *site) code(w http.ResponseWriter, r *http.Request) {
	s.wait(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.noCode {
		http.Error(w, "no code today", http.StatusBadGateway)
		return
	}
	s.codes++
	_ = json.NewEncoder(w).Encode(map[string]any{
		"svg": strings.Replace(
			string(sampleQR()),
			"<svg",
			fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" data-n="%d"`, s.codes),
			1,
		),
		"fresh_ms": 100,
	})
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{
		kit: newKit(t), changed: make(chan struct{}), cut: make(chan struct{}), pdf: testPDF(3),
	}
	s.live = map[string]any{
		"state": "locked", "scanned": false, "outcome": "", "session_ends_at": 0, "seq": 7,
	}
	s.pages = map[string]Sample{}
	for _, p := range Gallery() {
		s.pages[p.Name] = p
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /static/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == s.missing {
			http.NotFound(w, r)
			return
		}
		s.kit.Static().ServeHTTP(w, r)
	})
	mux.Handle("GET /logos/{file}", ui.Logos(slog.New(slog.DiscardHandler), sampleLogo))
	mux.HandleFunc("GET /gallery/{name}", func(w http.ResponseWriter, r *http.Request) {
		p, ok := s.pages[r.PathValue("name")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		s.mu.Lock()
		s.heard = 0
		s.mu.Unlock()
		// A browser that has gone on to another page does not read this one.
		if err := s.kit.Render(w, r, 200, p.Page); err != nil && !errors.Is(err, syscall.EPIPE) &&
			!errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
	})
	mux.HandleFunc("GET /sign/{id}/document.pdf", s.document)
	mux.HandleFunc("GET /sign/{id}/signed.pdf", s.document)
	mux.HandleFunc("GET /console/requests/{id}/document.pdf", s.document)
	mux.HandleFunc("GET /sign/{id}/events", s.events)
	mux.HandleFunc("GET /sign/{id}/state", s.state)
	mux.HandleFunc("GET /sign/{id}/code", s.code)
	mux.HandleFunc("GET /console/requests/{id}/events", s.events)
	mux.HandleFunc("GET /phone/sign/{id}/events", s.events)
	mux.HandleFunc("GET /phone/sign/{id}/state", s.state)
	mux.HandleFunc("GET /phone/sign/{id}/prepared", s.prepared)
	mux.Handle("GET /phone/worker.js", s.kit.ServiceWorker())
	mux.HandleFunc("GET /phone/offline", func(w http.ResponseWriter, r *http.Request) {
		if err := s.kit.Render(w, r, 200, phone.Offline{}); err != nil {
			t.Error(err)
		}
	})
	// A phone that has approved goes back to the portal; with this answer a browser stays where it
	// is.
	mux.HandleFunc(
		"GET /sign/{id}",
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	)
	mux.HandleFunc("POST /verify", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if err := s.kit.Render(w, r, 200, s.pages["verify-passed"].Page); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("POST /demo/requests", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		s.mu.Lock()
		refuse := s.refuse
		s.mu.Unlock()
		if !refuse {
			http.Redirect(w, r, "/gallery/demo-request", http.StatusSeeOther)
			return
		}
		if err := s.kit.Render(w, r, 400, s.pages["demo-home-refused"].Page); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("POST /", s.post)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// inTenths lets documents come in tenths, up to the one that the test asks for.
func (s *site) inTenths() (come func(upTo int)) {
	s.tenths = make([]chan struct{}, 10)
	for i := range s.tenths {
		s.tenths[i] = make(chan struct{})
	}
	next := 0
	return func(upTo int) {
		for ; next < upTo; next++ {
			close(s.tenths[next])
		}
	}
}

func (s *site) document(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/pdf")
	if s.tenths != nil {
		w.Header().Set("Content-Length", strconv.Itoa(len(s.pdf)))
		for i, come := range s.tenths {
			select {
			case <-come:
			case <-r.Context().Done():
				return
			}
			_, _ = w.Write(s.pdf[len(s.pdf)*i/10 : len(s.pdf)*(i+1)/10])
			w.(http.Flusher).Flush()
		}
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.pdf))
}

// set changes the live state, as the server does in a transaction.
func (s *site) set(change map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := map[string]any{}
	for k, v := range s.live {
		next[k] = v
	}
	for k, v := range change {
		next[k] = v
	}
	next["seq"] = next["seq"].(int) + 1
	s.live = next
	close(s.changed)
	s.changed = make(chan struct{})
}

// open leaves the page in the tab, sets the live state to the one that a sample was rendered from,
// and goes to the sample, in the language that PAGE_LANG names. A test that wants another state
// sets it afterwards. A page that is still open would follow the next page's state, and a page
// whose state is another one reloads.
func (s *site) open(name string) step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		for _, leave := range s.leave() {
			if _, err := leave(ctx, target); err != nil {
				return err
			}
		}
		s.set(s.stateOf(name))
		page := s.URL + "/gallery/" + name + "?lang=" + os.Getenv("PAGE_LANG")
		_, err := chromedp.Navigate(page)(ctx, target)
		return err
	})
}

// leave closes the page in the tab and forgets what it remembered. A page that reloads by itself at
// the same moment aborts the navigation, which is then repeated.
func (s *site) leave() []step {
	return []step{
		script(`try { sessionStorage.clear() } catch { }`),
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			blank := chromedp.Navigate("about:blank")
			_, err := blank(ctx, target)
			if err != nil && strings.Contains(err.Error(), "ERR_ABORTED") {
				_, err = blank(ctx, target)
			}
			return err
		}),
	}
}

// stateOf returns the live state that a sample was rendered from.
func (s *site) stateOf(name string) map[string]any {
	state := map[string]any{
		"state": "locked", "scanned": false, "outcome": "", "session_ends_at": 0,
		"seal_tries": 0, "phase": "",
	}
	if live := s.pages[name].Page.Meta().Live; live != nil {
		state["state"], state["scanned"] = live.State, live.Scanned
		state["session_ends_at"] = live.SessionEndsMillis()
		state["seal_tries"], state["phase"] = live.SealTries, live.Phase
	}
	switch name {
	case "phone-approve", "phone-approve-warned", "phone-enrol-session":
		state["state"] = "session"
		state["session_ends_at"] = GalleryTime().Add(168 * time.Second).UnixMilli()
	}
	return state
}

// outage takes the stream, the poll or both away; streams that are open end.
func (s *site) outage(noStream, noPoll bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noStream, s.noPoll = noStream, noPoll
	close(s.cut)
	s.cut = make(chan struct{})
}

// told waits until the page that was opened last has been told the state n times.
func (s *site) told(t *testing.T, n int) {
	t.Helper()
	for ctx := t.Context(); ; time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		heard := s.heard
		s.mu.Unlock()
		if heard >= n || ctx.Err() != nil {
			return
		}
	}
}

func (s *site) events(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	off, cut := s.noStream, s.cut
	s.mu.Unlock()
	if off {
		http.Error(w, "no stream today", http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		s.mu.Lock()
		body, _ := json.Marshal(s.live)
		changed := s.changed
		s.heard++
		s.mu.Unlock()
		fmt.Fprintf(w, "event: state\ndata: %s\n\n", body)
		w.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-cut:
			return
		case <-r.Context().Done():
			return
		case <-time.After(time.Minute):
			return
		}
	}
}

// wait delays an answer while the connection is broken.
func (s *site) wait(r *http.Request) {
	s.mu.Lock()
	hang := s.hang
	s.mu.Unlock()
	if hang == nil {
		return
	}
	select {
	case <-hang:
	case <-r.Context().Done():
	}
}

func (s *site) state(w http.ResponseWriter, r *http.Request) {
	s.wait(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.noPoll {
		http.Error(w, "no answer today", http.StatusBadGateway)
		return
	}
	s.heard++
	_ = json.NewEncoder(w).Encode(s.live)
}

// post answers the phone's calls as the contract between the page and the server
// says, and checks the signatures.
func (s *site) post(w http.ResponseWriter, r *http.Request) {
	var body struct {
		PublicKey struct{ Kty, Crv, X, Y string } `json:"public_key"`
		Name      string
		Proof     string
		Signature string
		PhoneID   string `json:"phone_id"`
	}
	var raw bytes.Buffer
	_, _ = raw.ReadFrom(r.Body)
	_ = json.Unmarshal(raw.Bytes(), &body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posts = append(s.posts, r.URL.Path+" "+raw.String())
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	switch path := r.URL.Path; {
	case path == "/phone/api/enrol/start":
		answer(
			200,
			map[string]string{"challenge": base64.RawURLEncoding.EncodeToString(testChallenge)},
		)
	case path == "/phone/api/enrol":
		x, _ := base64.RawURLEncoding.DecodeString(body.PublicKey.X)
		y, _ := base64.RawURLEncoding.DecodeString(body.PublicKey.Y)
		var err error
		s.key, err = ecdsa.ParseUncompressedPublicKey(
			elliptic.P256(), append(append([]byte{4}, x...), y...),
		)
		if err != nil || !verify(s.key, testChallenge, body.Proof) {
			answer(
				400,
				map[string]string{"error": "CLIENT_SIDE_ERROR", "error_description": "wrong proof"},
			)
			return
		}
		answer(200, map[string]any{
			"phone_id": "phone-1", "certificate": "", "subject": "Tan Mei Lin",
			"issuer": "Signet Signer CA 1", "serial": "5f3a90c1d27be84410aa62f09c1be377",
			"not_after": GalleryTime().AddDate(1, 0, 0).UnixMilli(),
		})
	case strings.HasSuffix(path, "/challenge"):
		a, _ := s.ask()
		answer(200, map[string]any{
			"relying_party": "Harbour Lane Housing Co-operative", "document_name": longName,
			"match_code": "9736", "pages": 3, "places": 3,
			"session_ends_at": GalleryTime().Add(168 * time.Second).UnixMilli(),
			"document_digest": a.Digest, "document_size": a.Size, "byte_range": a.ByteRange,
			"to_be_signed": a.ToBeSigned,
		})
	case strings.HasSuffix(path, "/approve") && s.key != nil:
		a, _ := s.ask()
		signed, _ := base64.RawURLEncoding.DecodeString(a.ToBeSigned)
		if !verify(s.key, signed, body.Signature) {
			answer(400, map[string]string{
				"error":             "CLIENT_SIDE_ERROR",
				"error_description": "wrong signature",
			})
			return
		}
		if s.lose > 0 {
			s.lose--
			http.Error(w, "the proxy gave up", http.StatusBadGateway)
			return
		}
		answer(200, map[string]string{})
	default:
		answer(200, map[string]string{})
	}
}

func (s *site) posted(suffix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []string
	for _, p := range s.posts {
		path, body, _ := strings.Cut(p, " ")
		if strings.HasSuffix(path, suffix) {
			found = append(found, body)
		}
	}
	return found
}

func verify(key *ecdsa.PublicKey, message []byte, signature string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || len(raw) != 64 {
		return false
	}
	digest := sha256.Sum256(message)
	return ecdsa.Verify(
		key, digest[:], new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:]),
	)
}
