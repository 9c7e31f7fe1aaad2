package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/maintenance"
	"github.com/signet-sign/signet/internal/server/console"
)

// personCmd is the commands for what is stored about a person. They read the NRIC or FIN from the
// standard input, because the shell keeps the arguments of commands, and other users of the machine
// see them.
type personCmd struct {
	Show   personShowCmd   `cmd:"" help:"Show the phones of a person and what is stored, from a running service."`
	Lift   personLiftCmd   `cmd:"" help:"End the wait of a person's phone, in a running service."`
	Forget personForgetCmd `cmd:"" help:"Remove the identifiers of a person from the database."`
}

// readUIN reads an NRIC or FIN.
func readUIN(env *environment) (string, error) {
	if isTerminal(env.errs) {
		fmt.Fprint(env.errs, "NRIC or FIN: ")
	}
	uin, err := bufio.NewReader(io.LimitReader(os.Stdin, 1<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimSpace(uin), nil
}

type personShowCmd struct{ operatorCaller }

func (c *personShowCmd) Run(env *environment) error {
	uin, err := readUIN(env)
	if err != nil {
		return err
	}
	var p console.Person
	in := console.PersonLookup{UIN: uin}
	err = c.callAPI(env.ctx, c.Console, http.MethodPost, "people/show", in, &p)
	if err != nil {
		return err
	}
	var lines []string
	for _, ph := range p.Phones {
		line := fmt.Sprintf("%s  %-7s  %s", ph.ID, ph.State, ph.Name)
		if !ph.At.IsZero() {
			line += "  " + ph.At.Format(time.RFC3339)
		}
		lines = append(lines, line)
	}
	lines = append(lines, fmt.Sprintf(
		"%d requests, %d signed documents, %d records of calls for them", p.Requests, p.Signed,
		p.Calls,
	))
	for _, r := range p.Active {
		lines = append(lines, "in progress: "+r)
	}
	return c.print(env.out, p, strings.Join(lines, "\n"))
}

type personLiftCmd struct {
	PhoneID string `arg:"" help:"Id of the phone (signet person show)."               name:"phone-id"`
	Reason  string `       help:"Why, for the trail, which does not name the person."                 required:"" placeholder:"TEXT"`

	operatorCaller
}

func (c *personLiftCmd) Run(env *environment) error {
	var done console.PersonResult
	path := "phones/" + url.PathEscape(c.PhoneID) + "/lift"
	in := console.PersonLookup{Reason: c.Reason}
	if err := c.callAPI(env.ctx, c.Console, http.MethodPost, path, in, &done); err != nil {
		return err
	}
	text := "the wait has ended"
	if done.Change == "proposed" {
		text = "proposed: another admin has to approve it in the console"
	}
	return c.print(env.out, done, text)
}

// personForgetCmd works on the database, or has a running service do so.
type personForgetCmd struct {
	Reason  string  `help:"Why, for the trails, which do not name the person."                               placeholder:"TEXT"`
	Console httpURL `help:"Base URL of the control listener of a running service, which forgets the person." placeholder:"URL"  example:"https://127.0.0.1:8081"`

	credential
	deployed
}

func (c *personForgetCmd) Run(env *environment) error {
	if c.Console == "" && c.By == "" {
		return usageError{errors.New("--by with your name is missing")}
	}
	uin, err := readUIN(env)
	if err != nil {
		return err
	}
	var done console.PersonResult
	if c.Console != "" {
		in := console.PersonLookup{UIN: uin, Reason: c.Reason}
		err = c.callAPI(env.ctx, c.Console, http.MethodPost, "people/forget", in, &done)
	} else {
		done, err = c.forget(env, uin)
	}
	if err != nil {
		return err
	}
	text := "proposed: another admin has to approve it in the console"
	if done.Change != "proposed" {
		text = fmt.Sprintf(
			"forgotten: %d requests, %d phones, %d other records of calls\n"+
				"signed documents, backups and logs may still name the person: see docs/operating.md",
			done.Requests, done.Phones, done.Calls,
		)
	}
	return c.print(env.out, done, text)
}

// forget works on the database itself.
func (c *personForgetCmd) forget(
	env *environment, uin string,
) (result console.PersonResult, err error) {
	by := c.By
	if c.Reason != "" {
		by += ": " + c.Reason
	}
	done, err := maintenance.ForgetPerson(env.ctx, c.Config, uin, by, c.log(env, slog.LevelWarn))
	result.Requests, result.Phones, result.Calls = done.Requests, done.Phones, done.Calls
	return result, err
}
