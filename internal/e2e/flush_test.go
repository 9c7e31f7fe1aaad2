package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestFlushed derives from the program's system calls what a power failure would leave. A test with
// kill -9 cannot, because the system keeps what a killed program has written. After each call the
// model of the disk below has what would be lost, and the test checks three rules: what a party was
// answered is not lost; a document with a committed record is not lost; and a document is deleted
// only after the change that ends it is committed.
func TestFlushed(t *testing.T) {
	trace := underStrace(t)
	p := newProcess(t)
	p.under = trace.command
	// they are written on the side, and may be lost
	p.args = append(p.args, "--record-calls", "none")
	p.start(t)

	initiate := func() (in api.Initiated) {
		status, text, _ := p.call(
			"POST", "/api/v3/sign-requests", p.party.Token(token.Initiate),
			"application/octet-stream", pdftest.Minimal(),
		)
		if err := json.Unmarshal([]byte(text), &in); err != nil || status != http.StatusOK {
			t.Fatalf("initiate: %d %s", status, text)
		}
		return in
	}
	until := func(what string, done func() bool) {
		for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not within 30 s", what)
			}
		}
	}

	cancelled := initiate().RequestID
	jws := p.party.Token(token.Cancel, partytest.Claim("request_id", cancelled))
	if status, text, _ := p.call("POST", "/api/v3/sign-requests/cancel", jws, "application/json", nil); status != http.StatusOK {
		t.Fatalf("cancel: %d %s", status, text)
	}
	// A commit of the next request may come between the removal and its flush, and breaks no rule.
	until("the cancelled document is deleted and its folder flushed", func() bool {
		d := trace.read(t)
		return d.counts["documents removed"] == 1 &&
			!slices.ContainsFunc(slices.Collect(maps.Keys(d.unflushed)), isDocument)
	})
	signed := initiate().RequestID
	for _, what := range []string{"open", "proceed", "approve"} {
		body := []byte(`{"as": "` + alice + `", "do": "` + what + `"}`)
		if status, text, _ := p.call("POST", "/requests/"+signed+"/act", "", "application/json", body); status != http.StatusOK {
			t.Fatalf("%s: %d %s", what, status, text)
		}
	}
	until("the document is signed", func() bool { return p.state(t, signed) == "signed" })
	p.kill()

	trace.judge(t, map[string]int{
		"initiates": 2, "cancels": 1, "commits": 6,
		"documents placed": 3, "documents removed": 1,
	})
}

// TestFlushedReplacement checks that a document that takes the place of another is on disk before
// it does.
func TestFlushedReplacement(t *testing.T) {
	if path := os.Getenv("FLUSH_PATH"); path != "" {
		replace(t, path)
		return
	}
	trace := underStrace(t)
	child := exec.CommandContext(
		t.Context(),
		trace.command[0],
		append(trace.command[1:], os.Args[0], "-test.run=^TestFlushedReplacement$")...)
	child.Env = append(os.Environ(), "FLUSH_PATH="+filepath.Join(t.TempDir(), "documents"))
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	trace.judge(t, map[string]int{"documents placed": 3, "documents replaced": 2})
}

// replace is the child.
func replace(t *testing.T, path string) {
	d, err := documents.OpenDir(documents.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for range 3 {
		if _, err := d.Put(t.Context(), "r/signed", strings.NewReader("a document")); err != nil {
			t.Fatal(err)
		}
	}
}

// systemCalls is the file in which strace notes the system calls of a program.
type systemCalls struct {
	command []string // strace and its arguments, before the program's
	path    string
}

// underStrace prepares the trace of a program. Without strace the test fails in CI and skips
// elsewhere.
func underStrace(t *testing.T) systemCalls {
	t.Helper()
	strace := tool(t, "strace", "strace")
	if strace == "" {
		t.SkipNow()
	}
	path := filepath.Join(t.TempDir(), "trace")
	calls := "read,write,pwrite64,ftruncate,fsync,fdatasync,openat,mkdirat,renameat,renameat2,linkat,unlinkat," + strings.Join(
		unknown, ",",
	)
	return systemCalls{
		[]string{
			strace, "-f", "--seccomp-bpf", "-qq", "-yy", "-s", "4200", "-o", path, "-e",
			"trace=" + calls,
		},
		path,
	}
}

// read gives the disk as the whole lines of the trace so far have left it.
func (c systemCalls) read(t *testing.T) *disk {
	t.Helper()
	trace, err := os.ReadFile(c.path)
	if err != nil {
		t.Fatal(err)
	}
	d := &disk{
		unflushed: map[string]int{}, placed: map[string]bool{}, pending: map[string]pendingCall{},
		asked: map[string]question{}, counts: map[string]int{},
	}
	for line := range strings.Lines(string(trace)) {
		if text, whole := strings.CutSuffix(line, "\n"); whole {
			d.read(text)
		}
	}
	return d
}

// judge reports the broken rules of the whole trace, which must show at least so many events of
// each kind.
func (c systemCalls) judge(t *testing.T, least map[string]int) {
	t.Helper()
	d := c.read(t)
	for _, fault := range d.faults {
		t.Error(fault)
	}
	for what, n := range least {
		if d.counts[what] < n {
			t.Errorf(
				"seen: %d %s, want %d at least: the trace was not understood", d.counts[what], what,
				n,
			)
		}
	}
}

// unknown are calls that change files in ways which the model does not know, because the program
// does not make them. One that it begins to make must not go unseen.
var unknown = []string{
	"writev", "pwritev", "pwritev2", "copy_file_range", "splice", "fallocate", "rename", "link",
	"unlink", "mkdir", "truncate",
}

// disk follows a trace and keeps what has been written and not flushed.
type disk struct {
	faults []string // the broken rules
	now    int      // lines read
	// by path of a file, or of a folder that lists something new or no more: since when
	unflushed map[string]int
	placed    map[string]bool        // documents, by path
	pending   map[string]pendingCall // by thread
	asked     map[string]question    // by connection: what was read since the last answer
	logged    string                 // what was written to the database's log since the last commit
	flushing  string                 // what a flush of the log makes durable when it returns
	committed []commit
	counts    map[string]int
}

// question is what a client has sent, from a line on.
type question struct {
	since int
	text  string
}

// commit is what a flush of the database's log has made durable at a line.
type commit struct {
	at   int
	text string
}

// pendingCall is a system call that has not returned.
type pendingCall struct {
	text  string
	since int
}

var (
	callLine    = regexp.MustCompile(`^(\d+) +(\w+\(.*)$`)
	resumedLine = regexp.MustCompile(`^(\d+) +<\.\.\. \w+ resumed>(.*)$`)
	returned    = regexp.MustCompile(`^(.*)\) += (-?\d+)(.*)$`)
	descriptor  = regexp.MustCompile(`^\w+\(\d+<(.*?)>`)
	bytesRead   = regexp.MustCompile(`, "((?:[^"\\]|\\.)*)"`)
	requestID   = regexp.MustCompile(`signv3-[0-9a-f-]{36}`)
	tokenClaims = regexp.MustCompile(`Authorization: [\w-]+\.([\w-]+)\.`)
	named       = regexp.MustCompile(`(?:\d+|AT_FDCWD)<([^>]*)>, "([^"]*)"`)
)

// read takes in a line: a whole call, its beginning or its end.
func (d *disk) read(line string) {
	d.now++
	if m := resumedLine.FindStringSubmatch(line); m != nil {
		begun := d.pending[m[1]]
		delete(d.pending, m[1])
		d.call(begun.text+m[2], begun.since)
		return
	}
	m := callLine.FindStringSubmatch(line)
	if m == nil {
		return // a signal
	}
	if text, ok := strings.CutSuffix(m[2], "<unfinished ...>"); ok {
		text = strings.TrimSuffix(text, " ")
		d.pending[m[1]] = pendingCall{text, d.now}
		d.begin(text)
		return
	}
	d.begin(m[2])
	d.call(m[2], d.now)
}

// inFolders gives the names in folders that a call is about.
func inFolders(text string) (folders, paths []string) {
	for _, m := range named.FindAllStringSubmatch(text, -1) {
		path := m[2]
		if !filepath.IsAbs(path) {
			path = filepath.Join(m[1], path)
		}
		folders, paths = append(folders, filepath.Dir(path)), append(paths, path)
	}
	return folders, paths
}

// isDocument leaves out the folder of unfinished uploads, which may lose what it likes.
func isDocument(path string) bool {
	return strings.Contains(path, "/documents/") && !strings.Contains(path, "/documents/tmp")
}

func isLog(path string) bool { return strings.HasSuffix(path, "signet.db-wal") }

// begin judges a call before it has an effect.
func (d *disk) begin(text string) {
	path := ""
	if m := descriptor.FindStringSubmatch(text); m != nil {
		path = m[1]
	}
	name, _, _ := strings.Cut(text, "(")
	switch {
	case slices.Contains(unknown, name) && (strings.Contains(text, "/documents/") || strings.Contains(text, "signet.db-wal")):
		d.fault("line %d: the model of the disk does not know %s", d.now, text)
	case (name == "fsync" || name == "fdatasync") && isLog(path):
		// Commits about other requests, and of the audit log, may come at any time.
		d.counts["commits"]++
		d.flushed("a commit", d.isRecorded)
		d.flushing, d.logged = d.logged, ""
	case name == "unlinkat" && isDocument(path) && !strings.Contains(text, "AT_REMOVEDIR"):
		_, paths := inFolders(text)
		d.onDisk("the removal of a document", 0, requestID.FindString(paths[0]), "cancelled")
	case strings.HasPrefix(name, "renameat"):
		if _, paths := inFolders(text); d.placed[paths[1]] {
			d.counts["documents replaced"]++
			d.flushed("a replacement", func(path string) bool { return path == paths[0] })
		}
	case name == "write" && strings.HasPrefix(path, "TCP:") && strings.Contains(text, `"HTTP/1.1 `):
		asked := d.asked[path]
		delete(d.asked, path)
		if !strings.Contains(text, `"HTTP/1.1 200 `) {
			return
		}
		call, _, _ := strings.Cut(asked.text, " HTTP/1.1")
		var change []string
		switch call {
		case "POST /api/v3/sign-requests/cancel":
			d.counts["cancels"]++
			change = []string{requestID.FindString(claims(asked.text)), "cancelled"}
		case "POST /api/v3/sign-requests":
			d.counts["initiates"]++
			change = []string{requestID.FindString(text)}
		default:
			return
		}
		d.onDisk("the answer to "+call, asked.since, change...)
		d.flushed("the answer to "+call, isDocument)
	}
}

// claims returns the claims of the token in a request.
func claims(text string) string {
	m := tokenClaims.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	decoded, _ := base64.RawURLEncoding.DecodeString(m[1])
	return string(decoded)
}

// onDisk is the rule: before this moment, and after a line, a commit with these words has been
// flushed. Commits about other requests, and of the audit log, may be under way.
func (d *disk) onDisk(moment string, after int, words ...string) {
	for _, c := range d.committed {
		missing := func(word string) bool { return word == "" || !strings.Contains(c.text, word) }
		if c.at > after && !slices.ContainsFunc(words, missing) {
			return
		}
	}
	d.fault("line %d, %s: no commit of %q has been flushed since line %d", d.now, moment, words, after)
}

// isRecorded reports whether a document, or one in a folder, is named by what the next commit makes
// durable.
func (d *disk) isRecorded(path string) bool {
	if !isDocument(path) {
		return false
	}
	for document := range d.placed {
		name := filepath.Base(filepath.Dir(document)) + "/" + filepath.Base(document)
		if (document == path || strings.HasPrefix(document, path+"/")) &&
			strings.Contains(d.logged, name) {
			return true
		}
	}
	return false
}

func (d *disk) fault(format string, args ...any) {
	d.faults = append(d.faults, fmt.Sprintf(format, args...))
}

// flushed is the rule: before this moment, everything of that kind is on disk.
func (d *disk) flushed(moment string, kind func(path string) bool) {
	for path, since := range d.unflushed {
		if kind(path) {
			d.fault("line %d, %s: %s is not flushed since line %d", d.now, moment, path, since)
		}
	}
}

// call takes in what a call that began at a line has done.
func (d *disk) call(text string, since int) {
	m := returned.FindStringSubmatch(text)
	if m == nil || strings.HasPrefix(m[2], "-") {
		return
	}
	path := ""
	if m := descriptor.FindStringSubmatch(text); m != nil {
		path = m[1]
	}
	folders, paths := inFolders(text)
	switch name, _, _ := strings.Cut(text, "("); name {
	case "write", "pwrite64", "ftruncate":
		if strings.HasPrefix(path, "/") {
			d.unflushed[path] = d.now
		}
		if isLog(path) {
			d.logged += text
		}
	case "read":
		if m := bytesRead.FindStringSubmatch(text); m != nil && strings.HasPrefix(path, "TCP:") {
			asked := d.asked[path] // the server may read one byte first
			if asked.text == "" {
				asked.since = d.now
			}
			asked.text += m[1]
			d.asked[path] = asked
		}
	case "fsync", "fdatasync":
		if at, ok := d.unflushed[path]; ok && at <= since {
			delete(d.unflushed, path)
		}
		if isLog(path) {
			d.committed = append(d.committed, commit{d.now, d.flushing})
		}
	case "openat":
		if strings.Contains(text, "O_CREAT") {
			d.unflushed[folders[0]] = d.now
		}
	case "mkdirat":
		d.unflushed[folders[0]] = d.now
	case "unlinkat":
		d.unflushed[folders[0]] = d.now
		delete(d.unflushed, paths[0])
		delete(d.placed, paths[0])
		if isDocument(paths[0]) && !strings.Contains(text, "AT_REMOVEDIR") {
			d.counts["documents removed"]++
		}
	case "linkat": // the file has a second name, and keeps the first one
		if at, ok := d.unflushed[paths[0]]; ok {
			d.unflushed[paths[1]] = at
		}
		d.unflushed[folders[1]] = d.now
	case "renameat", "renameat2":
		if at, ok := d.unflushed[paths[0]]; ok {
			delete(d.unflushed, paths[0])
			d.unflushed[paths[1]] = at
		}
		d.unflushed[folders[0]], d.unflushed[folders[1]] = d.now, d.now
		if isDocument(paths[1]) {
			d.placed[paths[1]] = true
			d.counts["documents placed"]++
		}
	}
}
