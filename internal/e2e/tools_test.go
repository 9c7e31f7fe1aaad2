package e2e_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tool gives the path of a program that a Debian package of this name has. Without it a test fails
// in CI; elsewhere the path is empty.
func tool(t testing.TB, program, debian string) (path string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	missing := program + " is missing: apt-get install " + debian
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Log(missing)
	return ""
}

// pdfsig lets poppler judge a document: so many signed fields, all of them valid. It does not know
// how to verify document timestamps, which do not count. Without poppler the test fails in CI and
// goes on elsewhere.
func pdfsig(t testing.TB, pdf []byte, fields int) {
	t.Helper()
	path := tool(t, "pdfsig", "poppler-utils")
	if path == "" {
		return
	}
	file := filepath.Join(t.TempDir(), "signed.pdf")
	if err := os.WriteFile(file, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "-nocert", file).CombinedOutput()
	if err != nil {
		t.Errorf("pdfsig: %v: %s", err, out)
	}
	valid := 0
	for _, field := range strings.Split(string(out), "Signature #")[1:] {
		if !strings.Contains(field, "Signature Type: ETSI.CAdES.detached") {
			continue
		}
		if !strings.Contains(field, "Signature Validation: Signature is Valid.") {
			t.Errorf("pdfsig finds a signature that is not valid: %s", field)
		}
		valid++
	}
	if valid != fields {
		t.Errorf("pdfsig finds %d signed fields, want %d:\n%s", valid, fields, out)
	}
}

// uploadDeaf posts to a path like a client that writes its whole request before it reads, and
// returns the status; 0 if there was none. header has further lines.
func uploadDeaf(t testing.TB, base, path, token string, body []byte, header ...string) int {
	t.Helper()
	addr := strings.TrimPrefix(base, "http://")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	head := fmt.Sprintf(
		"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n",
		path, addr, len(body),
	)
	for _, line := range header {
		head += line + "\r\n"
	}
	if token != "" {
		head += "Authorization: " + token + "\r\n"
	}
	if _, err := conn.Write(append([]byte(head+"\r\n"), body...)); err != nil {
		t.Logf("writing: %v", err)
		return 0
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Logf("reading: %v", err)
		return 0
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	_, _ = text.ReadFrom(resp.Body)
	return resp.StatusCode
}

// readAll reads a response's body to its end.
func readAll(t testing.TB, resp *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
