package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/maintenance"
)

// ltvCmd has the commands for documents that are kept for decades.
type ltvCmd struct {
	Renew renewCmd `cmd:"" help:"Renew archived documents before their newest timestamp's certificate ends."`
}

// renewCmd renews files in place. It uses the service's configuration: data has the authority,
// tsa_urls the timestamp authorities.
type renewCmd struct {
	Files         []string        `arg:"" name:"file"   help:"Signed PDF."                                                                    type:"existingfile"`
	Before        days            `                     help:"Renew documents whose certificate ends within this time, such as 90d or 2160h."                     default:"90d"`
	ConfigFile    kong.ConfigFlag `       name:"config" help:"YAML file with the service's configuration."                                                                      env:"SIGNET_CONFIG" placeholder:"FILE"`
	config.Config `       embed:""`
}

// errNotRenewed makes the program exit with status 1 after the reason for each file was printed.
var errNotRenewed = errors.New("not every document is safe")

func (c *renewCmd) Run(env *environment) error {
	archive, err := maintenance.OpenArchive(c.Config)
	if err != nil {
		return err
	}
	failed := false
	for _, file := range c.Files {
		renewed, err := archive.Renew(env.ctx, file, time.Duration(c.Before))
		failed = failed || err != nil
		printRenewal(env.out, file, renewed, err)
	}
	if failed {
		return errNotRenewed
	}
	return nil
}

// printRenewal prints what became of a file. Its name and its text may be a stranger's.
func printRenewal(w io.Writer, file string, renewed bool, err error) {
	result := "not due"
	switch {
	case err != nil:
		result = "FAILED: " + printable(err.Error())
	case renewed:
		result = "renewed"
	}
	fmt.Fprintf(w, "%s: %s\n", printable(file), result)
}

// days is a duration that may be given in days.
type days time.Duration

func (d *days) UnmarshalText(text []byte) error {
	if n, ok := strings.CutSuffix(string(text), "d"); ok {
		count, err := strconv.ParseUint(n, 10, 16)
		*d = days(time.Duration(count) * 24 * time.Hour)
		return err
	}
	v, err := time.ParseDuration(string(text))
	if err == nil && v < 0 {
		err = errors.New("a time before the end cannot be negative")
	}
	*d = days(v)
	return err
}
