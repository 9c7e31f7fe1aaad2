package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/signet-sign/signet/internal/conform"
	"github.com/signet-sign/signet/internal/conform/report"
	"github.com/signet-sign/signet/internal/disk"
)

// conformCmd judges a server.
type conformCmd struct {
	caller
	reportOutput
	KeysURL       httpURL  `help:"JWKS of the server. Default: /.well-known/keys.json on its host." placeholder:"URL" example:"http://127.0.0.1:5156/.well-known/keys.json"`
	OtherClientID string   `help:"Client id of a party that must not see the first one's requests." placeholder:"ID"`
	OtherKey      string   `help:"Private key of that party." placeholder:"FILE" type:"existingfile"`
	Control       httpURL  `help:"Control listener of a sandbox, which signs and lets time pass." env:"-" placeholder:"URL" example:"http://127.0.0.1:5157"`
	ControlToken  string   `help:"Token of the control listener." placeholder:"TOKEN"`
	SignByGet     bool     `help:"A GET of the signing URL signs, as in MockPass and with --auto-sign-on-get."`
	RedirectURL   httpURL  `help:"The party's redirect URL, whose query must be kept." placeholder:"URL" example:"http://localhost:4000/redirect"`
	WebhookListen address  `help:"Address behind the party's webhook URL. A GET there has the JWKS." placeholder:"ADDR"`
	Wait          bool     `help:"Wait two minutes for the end of a link, if there is no control listener."`
	Rule          []string `help:"Judge these rules or sections only, such as 6 or 2.3.5." placeholder:"NUMBER"`
	Plant         plant    `help:"Plant a mistake before the server; list prints all mistakes." placeholder:"MISTAKE"`
}

// judgedHelp says what the exit status of a judge means.
const judgedHelp = "The exit status is 0 if no rule fails, and 1 if one does. " +
	"A rule that cannot be judged does not fail."

// Help says what the exit status means.
func (*conformCmd) Help() string {
	return judgedHelp
}

func (c *conformCmd) Run(env *environment) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	if c.WebhookListen != "" {
		if config.Webhooks, err = c.WebhookListen.listen("--webhook-listen"); err != nil {
			return err
		}
	}
	r, err := conform.Judge(env.ctx, config)
	if err != nil {
		return err
	}
	return c.write(env, r)
}

func (c *conformCmd) config() (conform.Config, error) {
	config := conform.Config{
		BaseURL: string(c.BaseURL), KeysURL: string(c.KeysURL), Control: string(c.Control),
		ControlToken: c.ControlToken, SignByGet: c.SignByGet, RedirectURL: string(c.RedirectURL),
		Wait: c.Wait, Rules: c.Rule,
		Party: conform.Party{ClientID: c.ClientID},
	}
	var err error
	if config.Party.Key, err = readKey(c.Key, c.KeyID); err != nil {
		return config, err
	}
	if (c.OtherClientID == "") != (c.OtherKey == "") {
		return config, usageError{
			errors.New("a second party needs --other-client-id and --other-key"),
		}
	}
	if c.OtherKey != "" {
		config.Other = &conform.Party{ClientID: c.OtherClientID}
		if config.Other.Key, err = readKey(c.OtherKey, ""); err != nil {
			return config, err
		}
	}
	if c.Plant != "" {
		all := conform.Mistakes()
		i := slices.IndexFunc(
			all, func(m conform.Mistake) bool { return m.Name == string(c.Plant) },
		)
		if i < 0 {
			return config, usageError{
				fmt.Errorf("no mistake is called %q; --plant list prints all", c.Plant),
			}
		}
		config.Mistake = &all[i]
		if c.Rule == nil {
			config.Rules = []string{all[i].Rule}
		}
	}
	if err := config.CheckRules(); err != nil {
		return config, usageError{err}
	}
	return config, nil
}

// mistake is one of the list that --plant list prints, as JSON.
type mistake struct {
	Rule string `json:"rule"`
	Name string `json:"name"`
}

// plant is the name of a planted mistake.
type plant string

// BeforeApply prints the mistakes and exits, as --help does, if the name is list.
func (plant) BeforeApply(k *kong.Kong, ctx *kong.Context, path *kong.Path) error {
	if ctx.FlagValue(path.Flag) != plant("list") {
		return nil
	}
	list, lines := []mistake{}, []string{}
	for _, m := range conform.Mistakes() {
		list = append(list, mistake{m.Rule, m.Name})
		lines = append(lines, fmt.Sprintf("%-8s %s", m.Rule, m.Name))
	}
	out := output{JSON: wantsJSON(ctx, ctx.Args)}
	err := out.print(k.Stdout, list, strings.Join(lines, "\n"))
	k.Exit(0)
	return err
}

// reportOutput says how a report is written.
type reportOutput struct {
	output
	JUnit newFile `help:"Write the report as JUnit XML, too." name:"junit" placeholder:"FILE"`
}

// write writes a report as a table or as JSON, and to the file as JUnit XML. The error is an
// exitStatus if a rule fails.
func (o *reportOutput) write(env *environment, r *report.Report) error {
	var err error
	if o.JSON {
		err = r.WriteJSON(env.out)
	} else {
		var table strings.Builder
		if err = r.WriteTable(&table); err == nil {
			_, err = io.WriteString(env.out, printableLines(table.String()))
		}
	}
	if err != nil {
		return err
	}
	if o.JUnit != "" {
		err := disk.Replace(string(o.JUnit), 0o666, func(f *os.File) error {
			return r.WriteJUnit(f)
		})
		if err != nil {
			return err
		}
	}
	if r.Count(report.Fail) > 0 {
		return exitStatus(1)
	}
	return nil
}
