package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// server is a server process.
type server struct {
	addr string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	up   time.Duration // from exec to the first answer
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// startServer starts a process of this program as a server, and waits for its first answer. It
// chooses the address unless the settings have one.
func startServer(kind string, s settings) (_ *server, err error) {
	if s.Listen == "" {
		if s.Listen, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &server{addr: s.Listen, cmd: exec.Command(self)}
	p.cmd.Env = append(os.Environ(), serveKind+"="+kind, serveSettings+"="+string(text))
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	begin := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for time.Since(begin) < time.Minute {
		if resp, err := http.Get("http://" + p.addr + "/.well-known/keys.json"); err == nil {
			_ = resp.Body.Close()
			p.up = time.Since(begin)
			return p, nil
		}
		time.Sleep(time.Millisecond)
	}
	return nil, errors.Join(errors.New(kind+" does not answer"), p.stop())
}

// ask sends a command and returns the answer.
func (p *server) ask(command string) string {
	_, _ = fmt.Fprintln(p.in, command)
	line, _ := p.out.ReadString('\n')
	return strings.TrimSpace(line)
}

// cpu is the processor time that the process has used.
func (p *server) cpu() time.Duration {
	n, _ := strconv.ParseInt(p.ask("cpu"), 10, 64)
	return time.Duration(n)
}

func (p *server) memory() int64 {
	n, _ := strconv.ParseInt(p.ask("memory"), 10, 64)
	return n
}

// quiet waits until the process has nothing left to do, such as deleting what was cancelled, which
// it puts off to the first quiet second.
func (p *server) quiet() {
	calm := 0
	for range 600 {
		before := p.cpu()
		time.Sleep(100 * time.Millisecond)
		if calm++; p.cpu()-before >= 10*time.Millisecond {
			calm = 0
		}
		if calm == 25 {
			return
		}
	}
}

func (p *server) stop() error {
	_ = p.in.Close()
	return p.cmd.Wait()
}

// httpRequest is the bytes of an HTTP request.
func httpRequest(addr, method, path, token, contentType string, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(
		&b,
		"%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n",
		method, path, addr, token, contentType, len(body),
	)
	b.Write(body)
	return b.Bytes()
}

// outcome is what a run gave.
type outcome struct {
	calls   int
	took    time.Duration
	cpu     time.Duration // of the server, while calls were answered
	latency []time.Duration
	codes   map[string]int
}

func (o *outcome) rate() float64 { return float64(o.calls) / o.took.Seconds() }

// at is a quantile of the latency.
func (o *outcome) at(q float64) time.Duration {
	if len(o.latency) == 0 {
		return 0
	}
	return o.latency[min(len(o.latency)-1, int(q*float64(len(o.latency))))]
}

// drive sends requests over connections, one after the other on each, until the time is up or next
// has no more. The caller is as plain as can be, so that it takes little of the machine from the
// server: no http.Client, no parsing but of what is needed.
func drive(
	ctx context.Context, p *server, conns int, limit time.Duration, next func(i int) []byte,
) (*outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var wg sync.WaitGroup
	var counter atomic.Int64
	var mu sync.Mutex
	var failed error
	o := &outcome{codes: map[string]int{}}
	lines := make([]net.Conn, conns)
	for i := range lines {
		c, err := net.Dial("tcp", p.addr)
		if err != nil {
			return nil, err
		}
		defer func() { _ = c.Close() }()
		lines[i] = c
	}
	before, begin := p.cpu(), time.Now()
	for _, c := range lines {
		wg.Go(func() {
			r := bufio.NewReaderSize(c, 8<<10)
			codes := map[string]int{}
			var latency []time.Duration
			var err error
			for ctx.Err() == nil && err == nil {
				message := next(int(counter.Add(1)) - 1)
				if message == nil {
					break
				}
				sent := time.Now()
				if _, err = c.Write(message); err != nil {
					break
				}
				var code string
				if code, err = answer(r); err == nil {
					latency = append(latency, time.Since(sent))
					codes[code]++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			o.latency = append(o.latency, latency...)
			for k, n := range codes {
				o.codes[k] += n
			}
		})
	}
	wg.Wait()
	o.took, o.cpu, o.calls = time.Since(begin), p.cpu()-before, len(o.latency)
	slices.Sort(o.latency)
	return o, failed
}

// once sends one message on a connection of its own, and returns how long the answer took.
func once(
	ctx context.Context, addr string, message []byte,
) (took time.Duration, code string, err error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = c.Close() }()
	begin := time.Now()
	if _, err = c.Write(message); err == nil {
		code, err = answer(bufio.NewReader(c))
	}
	return time.Since(begin), code, err
}

// answer reads a response and returns its status, with the error's code if there is one.
func answer(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	if len(line) < 12 {
		return "", errors.New("not HTTP")
	}
	code := string(line[9:12])
	length := 0
	for {
		line, err = r.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		if len(line) <= 2 {
			break
		}
		if rest, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(rest))); err != nil {
				return "", err
			}
		}
	}
	if length == 0 {
		return code, nil
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil || code == "200" {
		return code, err
	}
	var refusal struct{ Error string }
	_ = json.Unmarshal(body, &refusal)
	return code + " " + refusal.Error, nil
}
