package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
)

// The crash tests run this test binary as a child, which changes requests from several goroutines
// and writes "<request> <count>" to its output for every change that was acknowledged. It is
// killed, and the database must know all of them.

const crashers = 8 // requests that the child changes at once

// TestCrashChild is the child; on its own it does nothing.
func TestCrashChild(t *testing.T) {
	database := os.Getenv("STORE_CRASH_DATABASE")
	if database == "" {
		t.Skip("this is the child of the crash tests")
	}
	point, after := os.Getenv("STORE_CRASH_POINT"), 5
	s, err := store.Open(
		t.Context(),
		store.Options{Database: database, Kind: store.Sandbox, Fault: func(p string) {
			if p != point {
				return
			}
			if after--; after < 0 {
				die()
			}
		}},
	)
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan string)
	go func() {
		for line := range out {
			fmt.Println(line)
		}
	}()
	var all sync.WaitGroup
	for i := range crashers {
		all.Go(func() {
			for {
				var count int
				err := s.Update(
					context.Background(),
					plainRequest(i).ID,
					only(func(r *request.Request) error {
						n, err := strconv.Atoi(r.DocName)
						count = n + 1
						r.DocName = strconv.Itoa(count)
						return err
					}),
				)
				if err != nil {
					t.Error(err)
					return
				}
				out <- fmt.Sprint("ack ", i, " ", count)
			}
		})
	}
	all.Wait()
}

// die ends the process as kill -9 does.
func die() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
	select {}
}

func testCrash(t *testing.T, database string) {
	open := func() *store.Store {
		s, err := store.Open(t.Context(), store.Options{Database: database, Kind: store.Sandbox})
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		return s
	}
	s := open()
	for i := range crashers {
		r := plainRequest(i)
		r.DocName = "0"
		if err := s.Create(t.Context(), r, request.Effects{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	acknowledged := make([]int, crashers)
	for _, point := range append(store.FaultPoints(), "at any time", "at any time") {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrashChild$")
		child.Env = append(
			os.Environ(), "STORE_CRASH_DATABASE="+database, "STORE_CRASH_POINT="+point,
		)
		stdout, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		var killer *time.Timer
		acks := 0
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			var i, count int
			if _, err := fmt.Sscanf(lines.Text(), "ack %d %d", &i, &count); err != nil {
				t.Log(lines.Text())
				continue
			}
			acknowledged[i] = max(acknowledged[i], count)
			if acks++; acks == 50 && point == "at any time" {
				killer = time.AfterFunc(3*time.Millisecond, func() { _ = child.Process.Kill() })
			}
		}
		if err := child.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("%s: the child was not killed: %v", point, err)
		}
		if killer != nil {
			killer.Stop()
		}
		if acks == 0 && point != store.FaultBegun {
			t.Logf("%s: nothing was acknowledged", point)
		}
		s := open()
		for i, want := range acknowledged {
			r, err := s.Get(t.Context(), plainRequest(i).ID)
			if err != nil {
				t.Fatal(err)
			}
			got, err := strconv.Atoi(r.DocName)
			// More may be there: it was committed, and its caller died before telling of it.
			if err != nil || got < want {
				t.Errorf(
					"%s: request %d stands at %s, acknowledged was %d", point, i, r.DocName, want,
				)
			}
			if int(r.Version) != got+1 {
				t.Errorf("%s: request %d has version %d after %d changes", point, i, r.Version, got)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSQLiteCrash(t *testing.T) { testCrash(t, filepath.Join(t.TempDir(), "crash.db")) }
