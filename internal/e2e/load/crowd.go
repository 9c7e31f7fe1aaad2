package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

// A crowd is a process with crowdSize connections from one address, which is not the other
// callers'. Each sends a message as soon as it has the answer to the last one.
const (
	crowdKind    = "crowd"
	crowdAddress = "127.0.0.2"
	crowdSize    = 400
	crowdCalls   = 20 // of another caller
)

// crowdSettings are what a crowd is told.
type crowdSettings struct {
	Server  string
	Message []byte
}

// crowd sends until its input ends, and prints how many answers it has got.
func crowd() error {
	var s crowdSettings
	if err := json.Unmarshal([]byte(os.Getenv(serveSettings)), &s); err != nil {
		return err
	}
	var answers atomic.Int64
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(crowdAddress)}}
	for range crowdSize {
		go func() {
			for {
				c, err := from.Dial("tcp", s.Server)
				if err != nil {
					continue
				}
				for r := bufio.NewReader(c); err == nil; answers.Add(1) {
					_, err = c.Write(s.Message)
					var resp *http.Response
					if err == nil {
						resp, err = http.ReadResponse(r, nil)
					}
					if err == nil {
						_, err = io.Copy(io.Discard, resp.Body)
					}
				}
				_ = c.Close()
			}
		}()
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	fmt.Println(answers.Load())
	return err
}

// crowded measures how long a cancel of another address waits beside a crowd, by what the crowd
// sends.
func (b *bench) crowded(ctx context.Context) (rows []row, err error) {
	past := b.party.Token(token.Cancel, partytest.Claim("exp", time.Now().Unix()-1))
	ids := b.take(2)
	for _, crowd := range []struct {
		sends   string
		message []byte
	}{
		{"nothing", nil},
		{
			"tokens that have expired",
			httpRequest(b.signet.addr, "POST", cancelPath, past, "application/json", nil),
		},
		{"genuine tokens", b.cancels(b.signet, cancelPath, ids[:1])[0]},
		{"the way to a page", httpRequest(b.signet.addr, "GET", "/sign/"+ids[1], "", "", nil)},
		{"the way to no page", httpRequest(b.signet.addr, "GET", "/nowhere", "", "\r\nAccept: text/html", nil)},
	} {
		end := func() (answers string) { return "0" }
		if crowd.message != nil {
			if end, err = startCrowd(crowdSettings{b.signet.addr, crowd.message}); err != nil {
				return nil, err
			}
			time.Sleep(time.Second)
		}
		var took []time.Duration
		for _, message := range b.cancels(b.signet, cancelPath, b.take(crowdCalls)) {
			each, code, err := once(ctx, b.signet.addr, message)
			if err != nil || code != "200" {
				return nil, fmt.Errorf("cancel: %s, %w", code, err)
			}
			took = append(took, each)
		}
		slices.Sort(took)
		rows = append(rows, row{
			fmt.Sprintf(
				"cancel beside %d connections that send %s: p50, longest of %d", crowdSize,
				crowd.sends, crowdCalls,
			),
			fmt.Sprintf(
				"%s, %s", took[len(took)/2].Round(time.Millisecond),
				took[len(took)-1].Round(time.Millisecond),
			),
			"",
		})
		fmt.Println("  answers to the crowd:", end())
	}
	return rows, nil
}

// startCrowd starts a crowd. end ends it, and returns how many answers it has got.
func startCrowd(s crowdSettings) (end func() (answers string), err error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), serveKind+"="+crowdKind, serveSettings+"="+string(text))
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return func() string {
		_ = in.Close()
		_ = cmd.Wait()
		return strings.TrimSpace(out.String())
	}, cmd.Start()
}
