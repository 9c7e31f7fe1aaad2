package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

// clientsDir has programs that make calls with HTTP clients of other languages.
const clientsDir = "../../tools/clients"

// clientProgram is a running program of clientsDir.
type clientProgram struct {
	in  io.Writer
	out *bufio.Reader
}

// startClients starts a program that ends with the test.
func startClients(t *testing.T, name string, args ...string) *clientProgram {
	t.Helper()
	cmd := exec.Command(name, args...) // it ends when its input does
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
	return &clientProgram{in, bufio.NewReader(out)}
}

// call makes a call; file is empty for one without a document.
func (p *clientProgram) call(
	t *testing.T, client, method, url, jws, file string,
) (status int, body string) {
	t.Helper()
	fmt.Fprintln(p.in, strings.Join([]string{client, method, url, jws, file}, "\t"))
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %q, %v", client, line, err)
	}
	if _, err := fmt.Sscan(line, &status); err != nil {
		t.Fatalf("%s: %q, %v", client, line, err)
	}
	_, body, _ = strings.Cut(strings.TrimSpace(line), "\t")
	return status, body
}

// javaLibraries are the HTTP clients of Debian's packages, and what they need.
const javaLibraries = "/usr/share/java/httpclient.jar:/usr/share/java/httpcore.jar:" +
	"/usr/share/java/commons-logging.jar:/usr/share/java/commons-codec.jar:" +
	"/usr/share/java/okhttp.jar:/usr/share/java/okio.jar"

// TestHTTPClients makes the calls of a relying party with the HTTP clients that are used most in
// five languages, each with what it sends by default.
func TestHTTPClients(t *testing.T) {
	if _, err := os.Stat(filepath.Join(clientsDir, "node_modules")); err != nil {
		needed(t, "run web/deps", err)
	}
	const python = "/usr/bin/python3" // has Debian's packages
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import aiohttp, httpx, requests").
		CombinedOutput(); err != nil {
		needed(t, "apt-get install python3-aiohttp python3-httpx python3-requests", fmt.Errorf("%s", out))
	}
	classes := t.TempDir()
	if out, err := exec.CommandContext(
		t.Context(), "javac", "--release", "17", "-Xlint:all,-classfile,-path", "-Werror",
		"-d", classes, "-cp", javaLibraries,
		filepath.Join(clientsDir, "Clients.java"), filepath.Join(clientsDir, "Libraries.java"),
	).CombinedOutput(); err != nil {
		needed(
			t, "apt-get install libhttpclient-java libokhttp-java and a JDK, 17 or newer",
			fmt.Errorf("%w: %s", err, out),
		)
	}
	for name, code := range map[string]string{
		"php": "exit(!function_exists('curl_init'));", "ruby": "exit",
	} {
		run := map[string]string{"php": "-r", "ruby": "-e"}[name]
		if err := exec.CommandContext(t.Context(), name, run, code).Run(); err != nil {
			needed(t, "apt-get install php-cli php-curl ruby", err)
		}
	}

	s := start(t)
	document := filepath.Join(t.TempDir(), "lease.pdf")
	if err := os.WriteFile(document, filled(300<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, language := range []struct {
		program *clientProgram
		clients []string
	}{
		{
			startClients(t, "node", filepath.Join(clientsDir, "clients.mjs")),
			[]string{"fetch", "node-fetch", "undici", "axios", "axios {}", "got", "http"},
		},
		{
			startClients(t, python, filepath.Join(clientsDir, "clients.py")),
			[]string{"urllib", "http.client", "requests", "requests {}", "httpx", "aiohttp"},
		},
		{
			startClients(t, "java", "-cp", classes, "Clients"),
			[]string{"HttpClient", "HttpURLConnection"},
		},
		{
			startClients(t, "java", "-cp", classes+":"+javaLibraries, "Libraries"),
			[]string{"OkHttp", "Apache HttpClient"},
		},
		{
			startClients(t, "php", filepath.Join(clientsDir, "clients.php")),
			[]string{"curl", "streams"},
		},
		{startClients(t, "ruby", filepath.Join(clientsDir, "clients.rb")), []string{"Net::HTTP"}},
	} {
		for _, client := range language.clients {
			call := func(want int, code, method, path, jws, file string) string {
				t.Helper()
				status, body := language.program.call(t, client, method, s.url+path, jws, file)
				if status != want || code != "" && !strings.Contains(body, `"`+code+`"`) {
					t.Errorf("%s: %s %s: %d %s, want %d %s", client, method, path, status, body, want, code)
				}
				return body
			}
			const initiate, cancel = "/api/v3/sign-requests", "/api/v3/sign-requests/cancel"
			// The client reads a refusal before its upload has ended, and the path is explained.
			call(404, "CLIENT_SIDE_ERROR", "POST", initiate+"/", s.party.Token(token.Initiate), document)
			call(400, "UNAUTHORIZED", "POST", initiate, s.party.Token(token.Cancel), document)

			var in api.Initiated
			body := call(200, "", "POST", initiate, s.party.Token(token.Initiate), document)
			if err := json.Unmarshal([]byte(body), &in); err != nil {
				t.Errorf("%s: initiate: %s", client, body)
				continue
			}
			result := func(code string) {
				t.Helper()
				call(
					400, code, "GET", initiate+"/"+in.RequestID+"/signed-doc",
					s.party.Token(token.Result, partytest.Claim("exchange_code", in.ExchangeCode)), "",
				)
			}
			jws := s.party.Token(token.Cancel, partytest.Claim("request_id", in.RequestID))
			result("DOCUMENT_NOT_SIGNED")
			if body := call(200, "", "POST", cancel, jws, ""); body != "" {
				t.Errorf("%s: cancel: body %q", client, body)
			}
			call(400, "REQUEST_ALREADY_CANCELLED", "POST", cancel, jws, "")
			result("REQUEST_CANCELLED")
		}
	}
}

// needed fails the test in CI because something is missing, and skips it elsewhere.
func needed(t *testing.T, remedy string, err error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s: %v", remedy, err)
	}
	t.Skipf("%s: %v", remedy, err)
}
