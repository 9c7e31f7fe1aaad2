package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/store/pgtest"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// built is the folder of the program; empty if no test needed it.
var built string

// binary builds the program once for all tests that run it as a process.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "signet-e2e-")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "signet")
	out, err := exec.Command("go", "build", "-o", path, "../../cmd/signet").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// cluster is the PostgreSQL server of the tests that need no server of their own.
var cluster pgtest.Cluster

func TestMain(m *testing.M) {
	code := m.Run()
	cluster.Stop()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// process is the compiled sandbox on a data folder that outlives it.
type process struct {
	party        *partytest.Party
	url, control string
	data         string // the folder
	args         []string
	under        []string // the program that runs it, with arguments; nil: none
	cmd          *exec.Cmd
	ended        chan struct{} // closed when cmd has
	log          bytes.Buffer
}

func newProcess(t *testing.T) *process {
	t.Helper()
	p := &process{party: partytest.Start(t)}
	dir := t.TempDir()
	text, err := yaml.Marshal(map[string]any{"parties": configOf(p.party).Parties})
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "signet.yaml")
	if err := os.WriteFile(conf, text, 0o600); err != nil {
		t.Fatal(err)
	}
	listen, control := freeAddr(t), freeAddr(t)
	p.url, p.control = "http://"+listen, "http://"+control
	p.data = filepath.Join(dir, "data")
	p.args = []string{
		"sandbox", "--config", conf, "--listen", listen, "--control", control, "--data", p.data,
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the program's log:\n%s", p.log.String())
		}
	})
	return p
}

// freeAddr is an address that no one listens on. It lies below the range from which the system
// takes ports for outgoing connections, so that a program which is down for a moment finds it free
// again.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

// start runs the program and returns how long it took to answer.
func (p *process) start(t *testing.T) time.Duration {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	command := slices.Concat(p.under, []string{path}, p.args)
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: p.under != nil}
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	begin := time.Now()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func(cmd *exec.Cmd) { _ = cmd.Wait(); close(ended) }(p.cmd)
	p.ended = ended
	for time.Since(begin) < time.Minute { // a machine under load is slow
		select {
		case <-ended:
			t.Fatal("the program ended")
		default:
		}
		if resp, err := http.Get(p.control + "/isalive"); err == nil {
			resp.Body.Close()
			return time.Since(begin)
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatal("the program does not answer")
	return 0
}

// kill is kill -9.
func (p *process) kill() {
	if p.ended != nil {
		_ = p.cmd.Process.Kill()
		if p.under != nil {
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // and what ran under it
		}
		<-p.ended
	}
}

// call makes a request; ok is false if the program does not answer.
func (p *process) call(
	method, path, jws, kind string, body []byte,
) (status int, text string, ok bool) {
	base := p.url
	if strings.HasPrefix(path, "/requests/") {
		base = p.control
	}
	req, err := http.NewRequest(method, base+path, bytes.NewReader(body))
	if err != nil {
		return 0, "", false
	}
	if jws != "" {
		req.Header.Set("Authorization", jws)
	}
	req.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", false
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err == nil
}

func (p *process) state(t *testing.T, id string) string {
	t.Helper()
	status, text, ok := p.call("GET", "/requests/"+id, "", "", nil)
	if !ok {
		t.Fatal("the program does not answer")
	}
	if status == http.StatusNotFound {
		return "lost"
	}
	var v view
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v.State
}

// TestKill drives requests to their ends from many sides, kills the program in the middle, and
// holds what it finds afterwards against what was acknowledged.
func TestKill(t *testing.T) {
	p := newProcess(t)
	rounds := 6
	pdf := pdftest.Minimal()
	for round := range rounds {
		p.start(t)
		type story struct {
			in                        api.Initiated
			cancelled, approved       bool // acknowledged
			cancelAsked, approveAsked bool
		}
		var mu sync.Mutex
		var stories []*story
		var wg sync.WaitGroup
		for lane := range 6 {
			rng := rand.New(rand.NewPCG(uint64(round), uint64(lane)))
			wg.Go(func() {
				for {
					status, text, ok := p.call(
						"POST", "/api/v3/sign-requests", p.party.Token(token.Initiate),
						"application/octet-stream", pdf,
					)
					if !ok {
						return
					}
					s := new(story)
					if err := json.Unmarshal([]byte(text), &s.in); err != nil || status != 200 {
						t.Errorf("initiate: %d %s", status, text)
						return
					}
					mu.Lock()
					stories = append(stories, s)
					mu.Unlock()
					act := func(what string) bool {
						status, _, ok := p.call(
							"POST",
							"/requests/"+s.in.RequestID+"/act",
							"",
							"application/json",
							fmt.Appendf(nil, `{"as":%q,"do":%q}`, alice, what),
						)
						return ok && status == 200
					}
					if rng.IntN(2) == 0 {
						s.cancelAsked = true
						status, _, ok := p.call(
							"POST",
							"/api/v3/sign-requests/cancel",
							p.party.Token(
								token.Cancel, partytest.Claim("request_id", s.in.RequestID),
							),
							"application/json",
							nil,
						)
						s.cancelled = ok && status == 200
						continue
					}
					if act("open") && act("proceed") {
						s.approveAsked = true
						s.approved = act("approve")
					}
				}
			})
		}
		time.Sleep(time.Duration(300+rand.IntN(500)) * time.Millisecond)
		p.kill()
		wg.Wait()

		p.start(t)
		counts := map[string]int{}
		for _, s := range stories {
			id := s.in.RequestID
			state := p.state(t, id)
			for end := time.Now().Add(time.Minute); state == "sealing" && time.Now().Before(end); {
				time.Sleep(10 * time.Millisecond)
				state = p.state(t, id)
			}
			counts[state]++
			switch {
			case state == "lost":
				t.Errorf("a request that was acknowledged is gone")
			case s.cancelled && state != "cancelled":
				t.Errorf("a cancel was acknowledged, and the request is %s", state)
			case s.approved && state != "signed":
				t.Errorf("an approval was acknowledged, and the request is %s", state)
			case state == "cancelled" && !s.cancelAsked, state == "signed" && !s.approveAsked:
				t.Errorf("no call asked for it, and the request is %s", state)
			}
			if state == "signed" {
				p.checkSigned(t, s.in)
			}
			// Whatever happened to it: the truth is told again.
			status, text, _ := p.call(
				"POST", "/api/v3/sign-requests/cancel",
				p.party.Token(token.Cancel, partytest.Claim("request_id", id)), "application/json",
				nil,
			)
			want := map[string]string{"cancelled": "REQUEST_ALREADY_CANCELLED", "signed": "DOCUMENT_ALREADY_SIGNED", "session": "ACTIVE_SESSION_ONGOING"}[state]
			if want == "" && status != 200 || want != "" && !strings.Contains(text, want) {
				t.Errorf("cancelling a request that is %s: %d %s", state, status, text)
			}
		}
		t.Logf("round %d: %d requests: %v", round, len(stories), counts)
		p.kill()
	}
}

// checkSigned downloads the document of a signed request.
func (p *process) checkSigned(t *testing.T, in api.Initiated) {
	t.Helper()
	status, text, _ := p.call(
		"GET", "/api/v3/sign-requests/"+in.RequestID+"/signed-doc",
		p.party.Token(token.Result, partytest.Claim("exchange_code", in.ExchangeCode)), "", nil,
	)
	var result api.Result
	if err := json.Unmarshal([]byte(text), &result); err != nil || status != 200 {
		t.Errorf("result of a signed request: %d %s", status, text)
		return
	}
	resp, err := http.Get(result.SignedDocURL)
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || !bytes.HasPrefix(b, pdftest.Minimal()) {
		t.Errorf("download: %d, %d bytes, %v", resp.StatusCode, len(b), err)
	}
}

// TestReplayAfterRestart checks that a token that was used before the program died is refused after
// it.
func TestReplayAfterRestart(t *testing.T) {
	p := newProcess(t)
	p.start(t)
	jws := p.party.Token(token.Initiate)
	post := func() (int, string) {
		status, text, _ := p.call(
			"POST", "/api/v3/sign-requests", jws, "application/octet-stream", pdftest.Minimal(),
		)
		return status, text
	}
	if status, text := post(); status != 200 {
		t.Fatalf("initiate: %d %s", status, text)
	}
	for _, when := range []string{"at once", "after kill -9"} {
		if status, text := post(); status != 400 || !strings.Contains(text, "UNAUTHORIZED") {
			t.Errorf("the same token %s: %d %s", when, status, text)
		}
		p.kill()
		p.start(t)
	}
}

// TestGracefulStop: SIGTERM lets an upload finish, and the program ends with status 0.
func TestGracefulStop(t *testing.T) {
	p := newProcess(t)
	p.start(t)
	pr, pw := io.Pipe()
	req, err := http.NewRequest("POST", p.url+"/api/v3/sign-requests", pr)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", p.party.Token(token.Initiate))
	req.Header.Set("Content-Type", "application/octet-stream")
	answered := make(chan int, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	pdf := pdftest.Minimal()
	if _, err := pw.Write(pdf[:100]); err != nil {
		t.Fatal(err)
	}
	// The upload has begun when its bytes have a place.
	uploads := filepath.Join(p.args[len(p.args)-1], "documents", "tmp", "*")
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(time.Millisecond) {
		if found, _ := filepath.Glob(uploads); len(found) > 0 {
			break
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for { // it has begun to stop when no one new gets in
		c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			break
		}
		c.Close()
	}
	_, _ = pw.Write(pdf[100:])
	pw.Close()
	if status := <-answered; status != 200 {
		t.Errorf("the upload under way was answered %d", status)
	}
	if <-p.ended; !p.cmd.ProcessState.Success() {
		t.Errorf("the program ended with %v", p.cmd.ProcessState)
	}
	// What was acknowledged on the way out is there.
	p.start(t)
}

// TestSandboxDataIsNotForService checks that the service refuses a sandbox's database.
func TestSandboxDataIsNotForService(t *testing.T) {
	p := newProcess(t)
	p.start(t)
	p.kill()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	data := p.args[len(p.args)-1]
	out, err := exec.Command(
		path, "serve", "--public-url", "https://sign.example", "--listen", freeAddr(t), "--data",
		data,
	).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "sandbox") {
		t.Errorf("serve on a sandbox's data: %v: %s", err, out)
	}
}
