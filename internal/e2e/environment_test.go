package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/documents/s3test"
	"github.com/signet-sign/signet/internal/party/partytest"
	phoneapi "github.com/signet-sign/signet/internal/server/phone"
	"github.com/signet-sign/signet/internal/server/pki"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// environmentNode is `signet serve` with its configuration in the environment, in a folder to which
// it writes nothing.
type environmentNode struct {
	listen, control string
	dir             string
	env             []string
	cmd             *exec.Cmd
	log             lockedBuffer
}

// run runs the program with the node's environment to its end.
func (n *environmentNode) run(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, path, args...)
	c.Dir, c.Env = n.dir, n.env
	text, err := c.CombinedOutput()
	return string(text), err
}

// start starts the node and does not wait for it.
func (n *environmentNode) start(t *testing.T) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	n.cmd = exec.Command(path, "serve")
	n.cmd.Dir, n.cmd.Env, n.cmd.Stdout, n.cmd.Stderr = n.dir, n.env, &n.log, &n.log
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func (n *environmentNode) kill() {
	if n.cmd != nil {
		_ = n.cmd.Process.Kill()
		_ = n.cmd.Wait() // it was killed
		n.cmd = nil
	}
}

// ready waits until the node says that it is.
func (n *environmentNode) ready(t *testing.T) {
	t.Helper()
	said := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get("http://" + n.control + "/readyz")
		if err != nil {
			said = err.Error()
			continue
		}
		text := readAll(t, resp)
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
		said = text
	}
	t.Fatalf("the node is not ready: %s\n%s", said, n.log.String())
}

// newEnvironmentNodes returns three nodes on a new database and a new bucket, that are to be
// reached at a URL.
func newEnvironmentNodes(
	t *testing.T, party *partytest.Party, database, publicURL string,
) (nodes [3]*environmentNode) {
	t.Helper()
	objects := s3test.Start(t)
	parties, err := yaml.Marshal(configOf(party).Parties)
	if err != nil {
		t.Fatal(err)
	}
	env := []string{
		"SIGNET_PUBLIC_URL=" + publicURL,
		"SIGNET_TRUSTED_PROXIES=127.0.0.1",
		"SIGNET_DATABASE=" + database,
		"SIGNET_DOCUMENTS=" + objects.Bucket(t),
		"SIGNET_DOCUMENTS_CREDENTIALS=" + objects.Credentials,
		"SIGNET_KEY_FILES=database",
		"SIGNET_KEYS_PASSWORD=" + rand.Text(),
		"SIGNET_PARTIES=" + string(parties),
		"SIGNET_ALLOW_PRIVATE=true",
		"SIGNET_OIDC_ISSUER=" + startProvider(
			t, publicURL, time.Now, slog.New(slog.DiscardHandler),
		),
		"SIGNET_OIDC_CLIENT_ID=" + providerClient,
		"SIGNET_OIDC_CLIENT_SECRET=" + providerSecret,
		"SIGNET_RATE_PER_PERSON=0",
		"SIGNET_SESSION_LIFETIME=30m",
	}
	for i := range nodes {
		n := &environmentNode{listen: freeAddr(t), control: freeAddr(t), dir: t.TempDir()}
		n.env = append([]string{"SIGNET_LISTEN=" + n.listen, "SIGNET_CONTROL=" + n.control}, env...)
		nodes[i] = n
		t.Cleanup(func() {
			n.kill()
			if t.Failed() {
				t.Logf("the log of a node:\n%s", n.log.String())
			}
		})
	}
	return nodes
}

// attempt is a test that may fail, as it may while nodes are killed under it.
type attempt struct {
	testing.TB
	failed atomic.Bool
	mu     sync.Mutex
	why    string
}

func (a *attempt) fail(why string) {
	a.failed.Store(true)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.why += why + "\n"
}

func (a *attempt) Error(args ...any)                 { a.fail(fmt.Sprint(args...)) }
func (a *attempt) Errorf(format string, args ...any) { a.fail(fmt.Sprintf(format, args...)) }

func (a *attempt) Fatal(args ...any) { a.Error(args...); runtime.Goexit() }

func (a *attempt) Fatalf(format string, args ...any) { a.Errorf(format, args...); runtime.Goexit() }

// attempted reports whether f ended without an error.
func attempted(t testing.TB, f func(t testing.TB)) bool {
	a := &attempt{TB: t}
	done := make(chan struct{})
	go func() { defer close(done); f(a) }()
	<-done
	return !a.failed.Load()
}

// known is what a client has been answered about a request.
type known struct {
	api.Initiated
	cancels  int  // that were answered 200
	unclear  bool // a cancel whose answer was lost
	approved bool
}

// environmentFlows makes calls to three nodes through a proxy.
type environmentFlows struct {
	*sandbox
	phone  *phone
	client *http.Client // of the relying party

	mu  sync.Mutex
	all []*known
}

// call makes a call of the relying party. The status is 0 if the connection broke, and that of the
// proxy if a node broke it.
func (f *environmentFlows) call(method, path, jws string, body []byte) (status int, text []byte) {
	r, err := http.NewRequest(method, f.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil
	}
	r.Header.Set("Authorization", jws)
	if body != nil {
		r.Header.Set("Content-Type", "application/octet-stream")
	}
	resp, err := f.client.Do(r)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	var buffer bytes.Buffer
	if _, err := buffer.ReadFrom(resp.Body); err != nil {
		return 0, nil
	}
	return resp.StatusCode, buffer.Bytes()
}

// lost reports whether an answer leaves open what was done.
func lost(status int) bool { return status == 0 || status >= 500 }

// tryCancel cancels a request, and returns the error code of a refusal.
func (f *environmentFlows) tryCancel(id string) (status int, code string) {
	status, text := f.call(
		"POST", api.BasePath+api.PathCancel,
		f.party.Token(token.Cancel, partytest.Claim("request_id", id)), nil,
	)
	var refusal struct{ Error string }
	_ = json.Unmarshal(text, &refusal) // of an answer of the proxy it stays empty
	return status, refusal.Error
}

// tryInitiate makes a request, unless its answer is lost.
func (f *environmentFlows) tryInitiate() *known {
	status, text := f.call(
		"POST", api.BasePath+api.PathRequest, f.party.Token(token.Initiate), pdftest.Minimal(),
	)
	k := new(known)
	if status != http.StatusOK || json.Unmarshal(text, &k.Initiated) != nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, k)
	return k
}

// race has two clients cancel a request at the same time.
func (f *environmentFlows) race(t *testing.T, k *known) {
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			status, code := f.tryCancel(k.RequestID)
			f.mu.Lock()
			defer f.mu.Unlock()
			switch {
			case status == http.StatusOK:
				k.cancels++
			case lost(status):
				k.unclear = true
			case code != "REQUEST_ALREADY_CANCELLED":
				t.Errorf("cancel of %s: %d %s", k.RequestID, status, code)
			}
		})
	}
	wg.Wait()
}

// sign has the signer approve a request. It marks the request when the approval was answered.
func (f *environmentFlows) sign(t testing.TB, k *known) {
	desk := f.visitor(t)
	desk.login(t, k.Initiated, alice)
	desk.proceed(t, k.Initiated)
	session := f.phone.scan(t, desk, k.Initiated)
	var c phoneapi.SignChallenge
	if a := f.phone.call(t, session+"/challenge", nil, &c); a.status != http.StatusOK {
		t.Fatalf("challenge: %d %s", a.status, a.body)
	}
	a := f.phone.call(
		t, session+"/approve", f.phone.approval(t, c), nil,
	)
	if a.status != http.StatusOK {
		t.Fatalf("approve: %d %s", a.status, a.body)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	k.approved = true
}

// document returns the signed document of a request.
func (f *environmentFlows) document(t *testing.T, k *known) []byte {
	t.Helper()
	// A job of a node that was killed is claimed again after a minute.
	for end := time.Now().Add(3 * time.Minute); f.result(t, k.Initiated).status != http.StatusOK; {
		if time.Now().After(end) {
			t.Fatalf("%s was approved and is not signed", k.RequestID)
		}
		time.Sleep(100 * time.Millisecond)
	}
	a := do(t, "GET", f.signedResult(t, k.Initiated).SignedDocURL, "", "", nil)
	if a.status != http.StatusOK {
		t.Fatalf("download: %d %s", a.status, a.body)
	}
	return []byte(a.body)
}

// TestEnvironment runs three nodes that have nothing but their environment: database, bucket and
// the password of the keys. They start together on an empty database, behind haproxy. Nodes are
// killed while requests are made, cancelled twice at a time, and signed. Afterwards every request
// that was acknowledged is there, of concurrent cancels at most one succeeded, and every approved
// document is signed by the one authority of the deployment.
func TestEnvironment(t *testing.T) {
	haproxy := tool(t, "haproxy", "haproxy")
	if haproxy == "" {
		return
	}
	database := cluster.Database(t)
	front := newFront(t)
	front.trust()
	party := partytest.Start(t)
	nodes := newEnvironmentNodes(t, party, database, "https://"+front.addr)
	for i, n := range nodes {
		front.nodes[i], front.controls[i] = n.listen, n.control
		n.start(t)
	}
	for _, n := range nodes {
		n.ready(t)
	}
	defer front.haproxy(haproxy)()
	f := &environmentFlows{sandbox: &sandbox{
		url: "https://" + front.addr, party: party,
	}}
	f.issuer = issuerOf(nodes[0].env)
	f.client = &http.Client{Transport: front.oneProtocol()}
	waitFor(t, "haproxy has found the nodes", func() bool {
		status, _ := f.call("GET", "/.well-known/jwks.json", "", nil)
		return status < 500
	})
	f.phone = enrolled(t, f.sandbox, alice)

	// Requests and kills take turns, so that a slow machine makes no more of the former.
	const kills = 6
	work := make(chan struct{})
	var lanes sync.WaitGroup
	for lane := range 4 {
		lanes.Go(func() {
			n := 0
			for range work {
				n++
				k := f.tryInitiate()
				switch {
				case k == nil:
					time.Sleep(20 * time.Millisecond)
				case lane == 0:
					attempted(t, func(t testing.TB) { f.sign(t, k) })
				case n%4 > 0:
					f.race(t, k)
				}
			}
		})
	}
	for range kills {
		for range 8 + mathrand.IntN(16) {
			work <- struct{}{}
		}
		n := nodes[mathrand.IntN(len(nodes))]
		n.kill()
		for range 8 {
			work <- struct{}{}
		}
		n.start(t)
		n.ready(t)
	}
	close(work)
	lanes.Wait()

	counts := map[string]int{}
	roots := environmentRoots(t, nodes)
	for _, k := range f.all {
		status, code := f.tryCancel(k.RequestID)
		switch {
		case k.cancels > 1:
			t.Errorf("%s was cancelled %d times", k.RequestID, k.cancels)
		case k.approved:
			counts["signed"]++
			checkSignedBy(t, roots, f.document(t, k))
		case k.cancels == 1:
			counts["cancelled"]++
			if code != "REQUEST_ALREADY_CANCELLED" {
				t.Errorf("%s was cancelled, and is: %d %s", k.RequestID, status, code)
			}
		case k.unclear:
			counts["unclear"]++
			if status != http.StatusOK && code != "REQUEST_ALREADY_CANCELLED" {
				t.Errorf("%s, whose cancel was lost: %d %s", k.RequestID, status, code)
			}
		default:
			counts["left"]++
			if status != http.StatusOK && code != "ACTIVE_SESSION_ONGOING" &&
				code != "DOCUMENT_ALREADY_SIGNED" {
				t.Errorf("%s was acknowledged, and is: %d %s", k.RequestID, status, code)
			}
		}
	}
	t.Logf("%d kills, %d requests: %v", kills, len(f.all), counts)
	if counts["signed"] == 0 || counts["cancelled"] == 0 || counts["left"] == 0 {
		t.Error("too little happened")
	}
	environmentCommands(t, nodes)
	environmentKeysAreSealed(t, database)
	for _, n := range nodes {
		if files, err := os.ReadDir(n.dir); err != nil || len(files) > 0 {
			t.Errorf("a node has written files: %v, %v", files, err)
		}
	}
}

// issuerOf returns the issuer in an environment.
func issuerOf(env []string) (issuer string) {
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, "SIGNET_OIDC_ISSUER="); ok {
			issuer = value
		}
	}
	return issuer
}

// environmentRoots returns the root of the authority, which must be the same on all nodes.
func environmentRoots(t *testing.T, nodes [3]*environmentNode) *x509.CertPool {
	t.Helper()
	first := ""
	for _, n := range nodes {
		a := do(t, "GET", "http://"+n.listen+pki.Base+ca.PathRootCert, "", "", nil)
		if first == "" {
			first = a.body
		}
		if a.status != http.StatusOK || a.body != first {
			t.Fatalf("the root: %d, and the same: %v", a.status, a.body == first)
		}
	}
	root, err := x509.ParseCertificate([]byte(first))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return pool
}

// checkSignedBy verifies a document.
func checkSignedBy(t *testing.T, roots *x509.CertPool, document []byte) {
	t.Helper()
	report, err := pades.Verify(
		bytes.NewReader(document), int64(len(document)),
		pades.VerifyOptions{Roots: roots, TSARoots: roots, Now: time.Now()},
	)
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		t.Error(err)
	}
}

// environmentCommands runs commands with the environment of a node: what reads and changes the keys
// works, and a node that would use others is refused.
func environmentCommands(t *testing.T, nodes [3]*environmentNode) {
	n := nodes[0]
	if out, err := n.run(t, "serve", "--check", "--listen", freeAddr(t), "--control", freeAddr(t)); err != nil {
		t.Errorf("serve --check: %v: %s", err, out)
	}
	for _, c := range []struct{ args, want string }{
		{"ca show", "issuing"},
		{"ca rotate --part ocsp", "ocsp-2"},
		{"secret rotate cookies", ""},
	} {
		out, err := n.run(t, strings.Fields(c.args)...)
		if err != nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v: %s", c.args, err, out)
		}
	}
	for _, node := range nodes {
		waitFor(t, "a node uses the new responder", func() bool {
			return strings.Contains(node.log.String(), "OCSP Responder 2")
		})
	}
	other := &environmentNode{dir: n.dir}
	for what, c := range map[string]struct {
		env  []string
		want string
	}{
		"keys in an empty folder": {
			[]string{"SIGNET_KEY_FILES=data", "SIGNET_DATA=" + t.TempDir()}, "has no identity",
		},
		"another password": {[]string{"SIGNET_KEYS_PASSWORD=" + rand.Text()}, "the password is another one"},
		"no password":      {[]string{"SIGNET_KEYS_PASSWORD="}, "keys_password"},
		"SQLite":           {[]string{"SIGNET_DATABASE=", "SIGNET_DATA=" + t.TempDir()}, "key_files"},
		"ACME without a folder": {
			[]string{"SIGNET_ACME_DIRECTORY=https://acme.test/directory"},
			"data: a folder is needed",
		},
	} {
		other.env = append(n.env[2:len(n.env):len(n.env)], c.env...)
		args := []string{"serve", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"}
		if what == "ACME without a folder" {
			args = append(args, "--public-url", "https://sign.test")
		}
		if out, err := other.run(t, args...); err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v: %s, want %q", what, err, out, c.want)
		}
	}
}

// environmentKeysAreSealed looks at the files in the database: of the private ones none can be
// read.
func environmentKeysAreSealed(t *testing.T, database string) {
	t.Helper()
	db, err := sql.Open("pgx", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	private := 0
	for _, row := range readTable(t, db, "key_files", "name, content") {
		name := fmt.Sprint(row[0])
		content, err := base64.StdEncoding.DecodeString(fmt.Sprint(row[1]))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, ".key") && !strings.HasSuffix(name, ".secret") {
			continue
		}
		private++
		if !bytes.HasPrefix(content, []byte("-----BEGIN SEALED")) {
			t.Errorf("%s is not sealed: %.40q", name, content)
		}
	}
	if private < 8 {
		t.Errorf("only %d private files", private)
	}
}
