package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/internal/config"
)

// exitStatus is the error of a command that has already printed its message.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// exitUsage is the exit status for arguments that make no sense (EX_USAGE of sysexits.h). It is
// none of those with which a command reports what it found.
const exitUsage = 64

// usageError is the error of a command for an argument that the parser could not judge.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// failure is an error as JSON.
type failure struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Explanation string `json:"explanation,omitempty"` // of a sandbox
	Diagnostics string `json:"diagnostics,omitempty"` // of a sandbox
}

// Values of failure.Error beside the codes of services.
const (
	failedUsage    = "USAGE"     // the arguments make no sense
	failedNoAnswer = "NO_ANSWER" // the server does not answer
	failedCommand  = "FAILED"    // everything else
)

// failureOf describes the error of a command.
func failureOf(err error) failure {
	refused, ok := errors.AsType[*client.Error](err)
	switch {
	case errors.As(err, new(usageError)), errors.As(err, new(config.Error)):
		return failure{Error: failedUsage, Description: message(err)}
	case ok && refused.Code != "":
		return failure{
			refused.Code, refused.Description, refused.Explanation, refused.Diagnostics,
		}
	case errors.As(err, new(*url.Error)):
		return failure{Error: failedNoAnswer, Description: message(err)}
	}
	return failure{Error: failedCommand, Description: message(err)}
}

// fail prints the error of a command, and returns the exit status. command is what was parsed of
// the arguments, or nil.
func fail(errs io.Writer, err error, command *kong.Context, args []string) int {
	f, text, status := failureOf(err), message(err), 1
	if f.Error == failedUsage {
		name := "signet"
		if command != nil && command.Selected() != nil {
			name = command.Selected().FullPath()
		}
		text += "; see " + name + " --help"
		f.Description, status = text, exitUsage
	}
	if wantsJSON(command, args) {
		_ = output{JSON: true}.print(errs, f, "")
	} else {
		fmt.Fprintln(errs, "signet:", printableLines(text))
	}
	return status
}

// wantsJSON reports whether the flag --json is set, by the arguments or the environment. Arguments
// after a mistake were not parsed.
func wantsJSON(command *kong.Context, args []string) bool {
	if command != nil {
		for _, f := range command.Flags() {
			if f.Name == "json" && f.Target.Bool() {
				return true
			}
		}
	}
	return slices.Contains(args, "--json")
}

// message returns what is printed of an error: without the name of package client, and with what a
// server that does not answer means.
func message(err error) string {
	text := strings.Replace(err.Error(), "client: ", "", 1)
	failed, ok := errors.AsType[*url.Error](err)
	if !ok {
		return text
	}
	at := failed.URL
	if u, err := url.Parse(failed.URL); err == nil {
		at = u.Scheme + "://" + u.Host
	}
	why := failed.Err.Error()
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) && strings.HasSuffix(at, "//"+config.SandboxListen):
		why = "no program listens there; signet sandbox starts a service there"
	case errors.Is(err, syscall.ECONNREFUSED):
		why = "no program listens there"
	case errors.As(err, new(*net.DNSError)):
		why = "no such host is known"
	case failed.Timeout():
		why = "it does not answer in time"
	}
	return strings.Replace(text, failed.Error(), at+": "+why, 1)
}
