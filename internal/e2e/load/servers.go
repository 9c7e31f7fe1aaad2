package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/config"
)

// The environment of a server process: which it is, and its settings in JSON. It takes commands,
// one a line, from its input and answers each with a line; it ends with its input.
const (
	serveKind     = "SIGNET_LOAD_SERVE"
	serveSettings = "SIGNET_LOAD_SETTINGS"
)

// settings are what a server process is told.
type settings struct {
	Listen   string
	Dir      string
	Key      string // the party's ES256 key, uncompressed point, hex
	Database string
	// location of a bucket; empty is a folder
	Documents string
	Party     config.Party
	Plain     bool // documents are not encrypted
	// of the nodes of one deployment; empty: http:// and Listen
	PublicURL string
	Issuer    string
	// of the control listener, which serves the console; empty: none
	Control         string
	ConsolePassword string
}

func serve(kind string) error {
	if kind == crowdKind {
		return crowd()
	}
	var s settings
	if err := json.Unmarshal([]byte(os.Getenv(serveSettings)), &s); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		defer cancel()
		commands(os.Stdin)
	}()
	if kind == "signet" {
		return serveSignet(ctx, s)
	}
	return serveReference(ctx, s)
}

// commands answers the measuring process.
func commands(in io.Reader) {
	var profile *os.File
	for lines := bufio.NewScanner(in); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "cpu":
			var u syscall.Rusage
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
			fmt.Println(time.Duration(u.Utime.Nano() + u.Stime.Nano()).Nanoseconds())
		case "memory":
			runtime.GC()
			debug.FreeOSMemory()
			fmt.Println(residentBytes())
		case "profile":
			var err error
			if profile, err = os.Create(rest); err == nil {
				err = pprof.StartCPUProfile(profile)
			}
			fmt.Println(err)
		case "profiled":
			pprof.StopCPUProfile()
			fmt.Println(profile.Close())
		}
	}
}

// residentBytes is the memory that the process holds (Linux; elsewhere what the runtime has got).
func residentBytes() int64 {
	var size, resident int64
	b, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(b), &size, &resident)
	}
	if err != nil {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.Sys - m.HeapReleased)
	}
	return resident * int64(os.Getpagesize())
}

func serveSignet(ctx context.Context, s settings) error {
	app.Tune() // as the program does
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	c := config.Config{
		Listen: s.Listen, PublicURL: cmp.Or(s.PublicURL, "http://"+s.Listen), Data: s.Dir,
		Database:        s.Database,
		Documents:       s.Documents,
		Parties:         config.PartyList{s.Party},
		SessionLifetime: 3 * time.Minute, UnauthorizedStatus: 400, AllowPrivate: true,
		OIDCUINClaim: "uin", OIDCNameClaim: "name", SignatureLevel: "B-LTA", AuthorityName: "Load",
		LogLevel: "error", EncryptDocuments: new(!s.Plain),
	}
	c.Control, c.ConsolePassword = s.Control, s.ConsolePassword
	if s.Issuer != "" {
		c.OIDCIssuer, c.OIDCClientID, c.OIDCClientSecret = s.Issuer, issuerClient, issuerSecret
		c.PhoneDelay, c.PhoneLimit, c.RatePerPerson = new(time.Duration), new(int), new(int)
	}
	a, err := app.Open(ctx, c, time.Now, log)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

// serveReference is the least that could be: tokens are verified with the standard library, changes
// are appended.
func serveReference(ctx context.Context, s settings) error {
	point, err := hex.DecodeString(s.Key)
	if err != nil {
		return err
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return err
	}
	log, err := newAppender(filepath.Join(s.Dir, "log"))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	authentic := func(w http.ResponseWriter, r *http.Request) bool {
		if err := verify(key, r.Header.Get("Authorization"), time.Now()); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return false
		}
		return true
	}
	mux.HandleFunc("POST /verify", func(w http.ResponseWriter, r *http.Request) { authentic(w, r) })
	mux.HandleFunc("POST /durable", func(w http.ResponseWriter, r *http.Request) {
		if !authentic(w, r) {
			return
		}
		if err := log.append(make([]byte, 256)); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("POST /upload", func(w http.ResponseWriter, r *http.Request) {
		if !authentic(w, r) {
			return
		}
		if err := receive(s.Dir, r.Body, w); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	l, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// verify checks an ES256 token and its end.
func verify(key *ecdsa.PublicKey, token string, now time.Time) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("not a token")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || len(signature) != 64 {
		return errors.New("no signature")
	}
	var header struct{ Alg, Kid string }
	var claims struct{ Iat, Exp int64 }
	for i, v := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, v); err != nil {
			return err
		}
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if header.Alg != "ES256" || claims.Exp < now.Unix() || !ecdsa.Verify(key, digest[:], r, s) {
		return errors.New("refused")
	}
	return nil
}

// appender writes records to a file and flushes it, the records of all who wait with one flush.
type appender struct {
	f       *os.File
	mu      sync.Mutex
	waiting []chan error
	pending []byte
	wake    chan struct{}
}

func newAppender(path string) (*appender, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	a := &appender{f: f, wake: make(chan struct{}, 1)}
	go a.run()
	return a, nil
}

func (a *appender) append(record []byte) error {
	done := make(chan error, 1)
	a.mu.Lock()
	a.waiting = append(a.waiting, done)
	a.pending = append(a.pending, record...)
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
	return <-done
}

func (a *appender) run() {
	for range a.wake {
		a.mu.Lock()
		waiting, pending := a.waiting, a.pending
		a.waiting, a.pending = nil, nil
		a.mu.Unlock()
		if len(waiting) == 0 {
			continue
		}
		_, err := a.f.Write(pending)
		err = errors.Join(err, fdatasync(a.f))
		for _, done := range waiting {
			done <- err
		}
	}
}

// receive is the least that an upload must do. The files stay, as the service's do: on some file
// systems those that were deleted in the last minutes slow down the making of others by any
// program.
func receive(dir string, body io.Reader, answer io.Writer) error {
	f, err := os.CreateTemp(dir, "upload-")
	if err != nil {
		return err
	}
	h := sha256.New()
	_, err = io.Copy(f, io.TeeReader(body, h))
	if err = errors.Join(err, fdatasync(f), f.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(answer, hex.EncodeToString(h.Sum(nil)))
	return err
}
