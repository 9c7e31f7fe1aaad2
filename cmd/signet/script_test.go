package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/signet-sign/signet/internal/store/pgtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"signet": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
			stop()
			os.Exit(code)
		},
	})
}

// TestScripts runs testdata/script: what a person sees of the program on the command line.
func TestScripts(t *testing.T) {
	testscript.Run(t, scripts("testdata/script"))
}

// TestPartyPostgres runs the script of signet party on PostgreSQL.
func TestPartyPostgres(t *testing.T) {
	var cluster pgtest.Cluster
	t.Cleanup(cluster.Stop)
	p := scripts("")
	p.Files = []string{"testdata/script/party.txtar"}
	setup, database := p.Setup, cluster.Database(t)
	p.Setup = func(env *testscript.Env) error {
		env.Setenv("DATABASE", database)
		return setup(env)
	}
	testscript.Run(t, p)
}

// freePort listens on a port that nothing else listens on. It lies below the range from which the
// system takes ports for outgoing connections, so that it is still free for a program that is
// started after this listener is closed.
func freePort() (l net.Listener, err error) {
	for range 100 {
		l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000)))
		if err == nil {
			return l, nil
		}
	}
	return nil, err
}

// scripts are the scripts of a folder.
func scripts(dir string) testscript.Params {
	return testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"LISTEN", "CONTROL", "KEYS", "HOOK"} { // ports of its own
				l, err := freePort()
				if err != nil {
					return err
				}
				defer l.Close()
				env.Setenv(name, l.Addr().String())
			}
			tmp := env.Getenv("WORK") + "/tmp"
			env.Setenv("TMPDIR", tmp)
			return os.MkdirAll(tmp, 0o700)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"alive":     alive,
			"get":       get,
			"terminate": terminate,
			"fetch":     fetch,
			"expand":    expand,
			"remember":  remember,
			"act":       act,
			"serial":    serial,
			"waitlog":   waitlog,
		},
	}
}

// alive ADDR waits until the program answers there.
func alive(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: alive ADDR")
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get("http://" + args[0] + "/isalive")
		if err == nil {
			resp.Body.Close()
			return
		}
	}
	ts.Fatalf("no server answers at %s", args[0])
}

// terminate sends SIGTERM to what runs in the background.
func terminate(ts *testscript.TestScript, neg bool, args []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}

// get URL TEXT wants a status below 400 and the text in the body.
func get(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] get URL TEXT")
	}
	resp, err := http.Get(args[0])
	if err != nil {
		ts.Fatalf("%v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		ts.Fatalf("%v", err)
	}
	if ok := resp.StatusCode < 400 && strings.Contains(string(body), args[1]); ok == neg {
		ts.Fatalf("%s: %d %s", args[0], resp.StatusCode, body)
	}
}

// BenchmarkStart measures how long a sandbox needs until it listens, with an authority to make.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		ctx, cancel := context.WithCancel(context.Background())
		listen := make(chan string, 1)
		out := writerFunc(func(p []byte) (int, error) {
			if text := string(p); strings.Contains(text, "Control") {
				listen <- text
			}
			return len(p), nil
		})
		done := make(chan int)
		go func() {
			done <- run(ctx, []string{"sandbox", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--log-level", "error"}, func(string) string { return "" }, out, os.Stderr)
		}()
		<-listen
		b.StopTimer()
		cancel()
		if code := <-done; code != 0 {
			b.Fatalf("exit status %d", code)
		}
		b.StartTimer()
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// fetch URL FILE downloads a file.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: fetch URL FILE")
	}
	resp, err := http.Get(args[0])
	ts.Check(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
}

// expand FROM TO copies a file and replaces the variables of the script in it.
func expand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: expand FROM TO")
	}
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

// remember FILE MEMBER NAME sets a variable to a string of the JSON object in a file.
func remember(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 || neg {
		ts.Fatalf("usage: remember FILE MEMBER NAME")
	}
	var object map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &object))
	value, ok := object[args[1]].(string)
	if !ok {
		ts.Fatalf("%s is not a string", args[1])
	}
	ts.Setenv(args[2], value)
}

// serial FILE NAME sets a variable to the serial number, in hexadecimal digits, of the first
// issuing CA in a file.
func serial(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: serial FILE NAME")
	}
	for block, rest := pem.Decode([]byte(ts.ReadFile(args[0]))); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		ts.Check(err)
		if strings.Contains(cert.Subject.CommonName, "Issuing CA") {
			ts.Setenv(args[1], cert.SerialNumber.Text(16))
			return
		}
	}
	ts.Fatalf("%s has no issuing CA", args[0])
}

// waitlog PATTERN COMMAND... runs a command until its output matches.
func waitlog(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: waitlog PATTERN COMMAND...")
	}
	pattern := regexp.MustCompile(args[0])
	var out string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if out = ts.ReadFile("stdout"); pattern.MatchString(out) {
			return
		}
	}
	ts.Fatalf("no %s in %s", args[0], out)
}

// act ID STEP makes a persona's software phone take a step.
func act(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: act ID STEP")
	}
	resp, err := http.Post(
		"http://"+ts.Getenv("CONTROL")+"/requests/"+args[0]+"/act", "application/json",
		strings.NewReader(`{"as": "S8979373D", "do": "`+args[1]+`"}`),
	)
	ts.Check(err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		ts.Fatalf("%s: %d %s", args[1], resp.StatusCode, text)
	}
}
