package kms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// program is the name of the program with the SDKs.
const program = "signet-kms"

// callTime bounds a call. A cloud may need several seconds to make a key.
const callTime = 20 * time.Second

// endTime is how long the program has to end after its input has.
const endTime = time.Second

// find returns the path of the program: beside this one, or on the PATH.
func find() (string, error) {
	if self, err := os.Executable(); err == nil {
		path, err := exec.LookPath(filepath.Join(filepath.Dir(self), program))
		if err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", ErrAbsent
	}
	return path, nil
}

// agent is the program, which is started again after it has ended. Its methods may be called
// concurrently.
type agent struct {
	uri string

	mu      sync.Mutex
	process *process // nil before the first call, and after the program has ended
}

// process is one run of the program.
type process struct {
	client *rpc.Client
	cancel context.CancelFunc // kills it
}

// start starts the program unless it runs.
func (a *agent) start() error {
	_, err := a.running()
	return err
}

func (a *agent) running() (*process, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.process != nil {
		return a.process, nil
	}
	path, err := find()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, path)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	p := &process{jsonrpc.NewClient(&pipes{out, in, c, cancel}), cancel}
	if err := p.call("Open", a.uri, &struct{}{}); err != nil {
		return nil, errors.Join(err, p.client.Close())
	}
	a.process = p
	return p, nil
}

// call makes a call. After an error that is not the answer of the program, the next call starts it
// again.
func (a *agent) call(method string, args, reply any) error {
	for again := false; ; again = true {
		p, err := a.running()
		if err != nil {
			return err
		}
		err = p.call(method, args, reply)
		if _, answered := errors.AsType[rpc.ServerError](err); err == nil || answered {
			return err
		}
		a.mu.Lock()
		if a.process == p {
			a.process = nil
			_ = p.client.Close()
		}
		a.mu.Unlock()
		// The program had ended before it got the call.
		if errors.Is(err, rpc.ErrShutdown) && !again {
			continue
		}
		return fmt.Errorf("%s: %w", program, err)
	}
}

func (p *process) call(method string, args, reply any) error {
	timer := time.NewTimer(callTime)
	defer timer.Stop()
	call := p.client.Go("Keys."+method, args, reply, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
		return call.Error
	case <-timer.C:
		p.cancel()
		<-call.Done // it does not write to reply any more
		return fmt.Errorf("no answer to %s within %s", method, callTime)
	}
}

// Close ends the program.
func (a *agent) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.process == nil {
		return nil
	}
	err := a.process.client.Close()
	a.process = nil
	return err
}

// pipes are the standard input and output of the program.
type pipes struct {
	io.Reader
	in      io.WriteCloser
	command *exec.Cmd
	cancel  context.CancelFunc
}

func (p *pipes) Write(b []byte) (int, error) { return p.in.Write(b) }

// Close ends the program's input, and kills it if it does not end.
func (p *pipes) Close() error {
	err := p.in.Close()
	timer := time.AfterFunc(endTime, p.cancel)
	defer timer.Stop()
	_ = p.command.Wait() // the status of a program that was killed
	p.cancel()
	return err
}
