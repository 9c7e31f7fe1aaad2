// Package s3test runs an S3 server for tests: versitygw on a folder, built from tools/go.mod. It
// ends with the test process. Start at [Start].
package s3test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Server is a running S3 server.
type Server struct {
	URL         string // scheme, host and port
	Credentials string // "<access key id>:<secret access key>"

	folder  string
	program string
	address string
	leash   io.Closer // closing it stops the server, and so does the end of this process
	process *exec.Cmd
}

// Start starts a server, which stops at the end of the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		program: build(t), folder: t.TempDir(), Credentials: rand.Text() + ":" + rand.Text(),
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	s.URL = "http://" + s.address
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.Resume(t)
	t.Cleanup(s.Stop)
	return s
}

// build returns the path of the program, which the go command builds if it is not in its cache.
func build(t testing.TB) string {
	t.Helper()
	module, err := exec.CommandContext(t.Context(), "go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	tools := filepath.Join(filepath.Dir(strings.TrimSpace(string(module))), "tools", "go.mod")
	path, err := exec.CommandContext(
		t.Context(), "go", "tool", "-modfile="+tools, "-n", "versitygw",
	).Output()
	if err != nil {
		t.Fatalf("building versitygw: %v", err)
	}
	return strings.TrimSpace(string(path))
}

// watch runs the server while its own input is open.
const watch = `"$@" </dev/null & server=$!; trap 'kill $server' TERM INT; cat >/dev/null; kill -KILL $server; wait $server`

// Resume starts the server again after [Server.Stop], on the same address and with what it had.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	id, secret, _ := strings.Cut(s.Credentials, ":")
	data, metadata := filepath.Join(s.folder, "data"), filepath.Join(s.folder, "metadata")
	for _, folder := range []string{data, metadata} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.process = exec.CommandContext(
		context.Background(), "/bin/sh", "-c", watch, "sh", s.program,
		"--port", s.address, "--quiet", "posix", "--sidecar", metadata, data,
	)
	s.process.Env = append(os.Environ(), "ROOT_ACCESS_KEY_ID="+id, "ROOT_SECRET_ACCESS_KEY="+secret)
	var err error
	if s.leash, err = s.process.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", s.address)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			s.Stop()
			t.Fatalf("versitygw does not listen: %v", err)
		}
	}
}

// Stop stops the server at once.
func (s *Server) Stop() {
	if s.leash == nil {
		return
	}
	_ = s.leash.Close()
	_ = s.process.Wait() // its exit code reports the signal
	s.leash = nil
}

// Bucket makes a bucket with a random name and returns its location.
func (s *Server) Bucket(t testing.TB) string {
	t.Helper()
	name := "bucket-" + strings.ToLower(rand.Text()[:8])
	if err := os.Mkdir(filepath.Join(s.folder, "data", name), 0o700); err != nil {
		t.Fatal(err)
	}
	return Location(name, s.URL)
}

// Location is the location of a bucket with the prefix test.
func Location(bucket, endpoint string) string {
	return fmt.Sprintf("s3://%s/test?endpoint=%s", bucket, url.QueryEscape(endpoint))
}

// Via returns the location of the same bucket behind a proxy that passes requests to the server
// through handle.
func (s *Server) Via(
	t testing.TB, location string,
	handle func(w http.ResponseWriter, r *http.Request, next http.Handler),
) string {
	t.Helper()
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	next := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
	}
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handle(w, r, next)
		}),
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return strings.ReplaceAll(
		location, url.QueryEscape(s.URL), url.QueryEscape("http://"+l.Addr().String()),
	)
}

// Uploads counts the uploads in parts that are neither complete nor aborted.
func (s *Server) Uploads(t testing.TB, location string) int {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	// versitygw has a folder for each: .sgwtmp/multipart/<hash of the object>/<upload>
	found, err := filepath.Glob(filepath.Join(
		s.folder, "data", u.Host, ".sgwtmp", "multipart", "*", "*-*-*",
	))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}
