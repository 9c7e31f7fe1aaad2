package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/maintenance"
)

// ltvCmd has the commands for documents that are kept for decades.
type ltvCmd struct {
	Renew renewCmd `cmd:"" help:"Renew archived documents before their newest timestamp's certificate ends."`
}

// renewCmd renews files in place. It uses the service's configuration: data has the authority,
// tsa_urls the timestamp authorities.
type renewCmd struct {
	Files  []string `arg:"" name:"file"   help:"Signed PDF."                                                                    type:"existingfile"`
	Before days     `                     help:"Renew documents whose certificate ends within this time, such as 90d or 2160h."                     default:"90d"`

	deployed
}

// errNotRenewed makes the program exit with status 1 after the reason for each file was printed.
var errNotRenewed = errors.New("not every document is safe")

// renewal is what became of a file, as JSON: "renewed", "not due" or "failed".
type renewal struct {
	File   string `json:"file"`
	Result string `json:"result"`
	Error  string `json:"error,omitempty"`
}

func (c *renewCmd) Run(env *environment) (err error) {
	archive, err := maintenance.OpenArchive(env.ctx, c.Config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	failed := false
	results := []renewal{}
	for _, file := range c.Files {
		renewed, err := archive.Renew(env.ctx, file, time.Duration(c.Before))
		failed = failed || err != nil
		results = append(results, newRenewal(file, renewed, err))
		if !c.JSON {
			fmt.Fprintln(env.out, results[len(results)-1])
		}
	}
	if err := c.print(env.out, results, ""); err != nil {
		return err
	}
	if failed {
		return errNotRenewed
	}
	return nil
}

func newRenewal(file string, renewed bool, err error) renewal {
	r := renewal{File: file, Result: "not due"}
	switch {
	case err != nil:
		r.Result, r.Error = "failed", err.Error()
	case renewed:
		r.Result = "renewed"
	}
	return r
}

// String returns the line of a file, whose name and text may be a stranger's.
func (r renewal) String() string {
	result := r.Result
	if r.Error != "" {
		result = "FAILED: " + printable(r.Error)
	}
	return printable(r.File) + ": " + result
}

// days is a duration that may be given in days.
type days time.Duration

func (d *days) UnmarshalText(text []byte) error {
	if n, ok := strings.CutSuffix(string(text), "d"); ok {
		count, err := strconv.ParseUint(n, 10, 16)
		*d = days(time.Duration(count) * 24 * time.Hour)
		if err == nil {
			return nil
		}
	}
	v, err := time.ParseDuration(string(text))
	*d = days(v)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no time before an end, such as 90d or 2160h", text)
	}
	return nil
}
