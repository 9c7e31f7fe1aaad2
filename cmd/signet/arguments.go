package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/maintenance"
	"github.com/signet-sign/signet/internal/signer"
)

// address is an argument: an address to listen on.
type address string

// UnmarshalText refuses what is no address and port.
func (a *address) UnmarshalText(text []byte) error {
	*a = address(text)
	return config.CheckAddress(string(text))
}

// listen opens the listener of a flag.
func (a address) listen(flag string) (net.Listener, error) {
	l, err := net.Listen("tcp", string(a))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf(
			"another program listens on %s: stop it, or choose another address with %s", a, flag,
		)
	case errors.Is(err, syscall.EADDRNOTAVAIL) || errors.As(err, new(*net.DNSError)):
		return nil, usageError{fmt.Errorf(
			"%s: this machine has no address %s; 127.0.0.1:4000 is one", flag, a,
		)}
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s needs privileges: choose a port from 1024 with %s", a, flag)
	}
	return l, err
}

// httpURL is an argument: an http or https URL. The tag example has a good one, unless the default
// is.
type httpURL string

// Decode refuses what is no URL, and says what one looks like. It takes an empty text from flags
// whose URL is optional.
func (u *httpURL) Decode(ctx *kong.DecodeContext) error {
	text, err := popText(ctx)
	if err != nil {
		return err
	}
	example := cmp.Or(ctx.Value.Tag.Get("example"), ctx.Value.Default)
	optional := ctx.Value.Flag != nil && ctx.Value.Tag.Has("example") && !ctx.Value.Required
	if !isHTTPURL(text) && (text != "" || !optional) {
		return fmt.Errorf("%q is no http or https URL, such as %s", text, example)
	}
	*u = httpURL(text)
	return nil
}

func isHTTPURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return false
	}
	_, err = strconv.ParseUint(cmp.Or(u.Port(), "0"), 10, 16)
	return err == nil
}

// newFile is an argument: a file that the command writes.
type newFile string

// UnmarshalText refuses a file that cannot be made, before the command does its work.
func (f *newFile) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("a file name is needed")
	}
	*f = newFile(text)
	folder := filepath.Dir(string(text))
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no folder %s", folder)
	}
	if info, err := os.Stat(string(text)); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder and not a file", text)
	}
	return nil
}

// oldFile is an argument: a file that the command reads.
type oldFile string

// UnmarshalText refuses what is no file.
func (f *oldFile) UnmarshalText(text []byte) error {
	*f = oldFile(text)
	info, err := os.Stat(string(text))
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder and not a file", text)
	}
	return err
}

// origin is an argument: the public URL of a service.
type origin string

// UnmarshalText refuses what is no origin, and removes the slash at its end.
func (o *origin) UnmarshalText(text []byte) error {
	*o = origin(strings.TrimRight(string(text), "/"))
	return config.CheckBase(string(text))
}

// recipient is an argument: who can read a backup.
type recipient string

// UnmarshalText refuses what is no recipient of age.
func (r *recipient) UnmarshalText(text []byte) error {
	*r = recipient(text)
	return maintenance.CheckRecipient(string(text))
}

// requestID is an argument. Ids are opaque (docs/contract.md, 2.4.1), but none is empty.
type requestID string

func (id *requestID) UnmarshalText(text []byte) error {
	*id = requestID(text)
	if strings.TrimSpace(string(text)) == "" {
		return errors.New("a request id is what initiate prints, and not empty")
	}
	return nil
}

// uin is an argument: the NRIC or FIN of a person.
type uin string

func (u *uin) UnmarshalText(text []byte) error {
	*u = uin(strings.ToUpper(string(text)))
	if !signer.ValidUIN(string(*u)) {
		return errors.New("it is no NRIC or FIN with its check letter, such as S8979373D")
	}
	return nil
}

// decodeDuration reads a duration, and says what one looks like.
func decodeDuration(ctx *kong.DecodeContext, target reflect.Value) error {
	text, err := popText(ctx)
	if err != nil {
		return err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is no duration, such as 500ms, 30s, 5m or 24h", text)
	}
	target.SetInt(int64(d))
	return nil
}

// decodeTime reads a time, and says what one looks like.
func decodeTime(ctx *kong.DecodeContext, target reflect.Value) error {
	text, err := popText(ctx)
	if err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return fmt.Errorf("%q is no time, such as 2026-12-31T23:59:59+08:00", text)
	}
	target.Set(reflect.ValueOf(at))
	return nil
}

// popText takes a value off the command line.
func popText(ctx *kong.DecodeContext) (text string, err error) {
	return text, ctx.Scan.PopValueInto(ctx.Value.Summary(), &text)
}
