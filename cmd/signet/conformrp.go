package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/conform/relyingparty"
	"github.com/signet-sign/signet/internal/obs"
)

// conformRPCmd judges a relying party.
type conformRPCmd struct {
	reportOutput

	ClientID    string  `help:"Client id of the relying party." default:"shop"`
	JWKSURL     httpURL `help:"Its JWKS." name:"jwks-url" default:"http://localhost:4000/jwks" placeholder:"URL"`
	WebhookURL  httpURL `help:"Its webhook URL, if any." default:"http://localhost:4000/webhook" placeholder:"URL" example:"http://localhost:4000/webhook"`
	RedirectURL httpURL `help:"Its redirect URL; empty if no page is there." placeholder:"URL" example:"http://localhost:4000/redirect"`
	Initiate    string  `help:"Shell command that has it initiate." placeholder:"COMMAND"`
	Cancel      string  `help:"Shell command that has it cancel $REQUEST_ID." placeholder:"COMMAND"`
	Handled     string  `help:"Shell command that prints how often it has handled $REQUEST_ID." placeholder:"COMMAND"`
	Rotate      string  `help:"Shell command that has it use another key." placeholder:"COMMAND"`
	Listen      string  `help:"Address of the service that it calls." default:"127.0.0.1:5156" placeholder:"ADDR"`
	Control     string  `help:"Address of the control listener." default:"127.0.0.1:5157" placeholder:"ADDR"`
	Plant       string  `help:"Judge a planted party; list prints its mistakes, right makes none." placeholder:"MISTAKE"`

	Patience  time.Duration `help:"How long it may take for a download or a result call." default:"10s"`
	KeysPause time.Duration `help:"Time before the service changes its key." default:"61s"`
	Rule      []string      `help:"Judge these rules only, such as W2." placeholder:"ID"`
}

// Help says how the commands are run.
func (*conformRPCmd) Help() string {
	return "The relying party runs already and calls the service at --listen; a sandbox is the " +
		"service. The commands run in sh with SIGN_URL (base of the API), SIGN_KEYS (the service's " +
		"JWKS) and REQUEST_ID, and fail with an exit status if the call did not succeed. " +
		judgedHelp
}

func (c *conformRPCmd) Run(env *environment) (err error) {
	if c.Plant == "list" {
		list, lines := []mistake{}, []string{}
		for _, m := range relyingparty.Mistakes {
			list = append(list, mistake{m.Rule, m.Name})
			lines = append(lines, fmt.Sprintf("%-4s %s", m.Rule, m.Name))
		}
		return c.print(env.out, list, strings.Join(lines, "\n"))
	}
	if c.Plant == "" && (c.Initiate == "" || c.Cancel == "") {
		return usageError{errors.New("--initiate and --cancel are needed, or --plant")}
	}
	settings := relyingparty.Config{
		ClientID: c.ClientID, JWKSURL: string(c.JWKSURL), RedirectURL: string(c.RedirectURL),
		WebhookURL: string(c.WebhookURL), Patience: c.Patience,
		KeysPause: c.KeysPause, Rules: c.Rule,
	}
	if err := settings.CheckRules(); err != nil {
		return usageError{err}
	}
	var planted *relyingparty.Planted
	if c.Plant != "" {
		planted, err = relyingparty.Plant(
			strings.TrimPrefix(c.Plant, "right"), c.ClientID, c.Patience*3/2,
		)
		if errors.Is(err, relyingparty.ErrNoMistake) {
			return usageError{fmt.Errorf("%w; --plant list prints all", err)}
		}
		if err != nil {
			return err
		}
		defer planted.Close()
		settings.JWKSURL, settings.RedirectURL = planted.JWKSURL, planted.RedirectURL
		settings.WebhookURL = planted.WebhookURL
	}
	sandbox, stop, err := c.start(env, settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	base := sandbox.Config.PublicURL
	settings.Control = "http://" + sandbox.Control.String()
	if planted == nil {
		vars := []string{"SIGN_URL=" + base + api.BasePath, "SIGN_KEYS=" + base + api.PathKeys}
		settings.Initiate = shellAction(c.Initiate, vars)
		settings.Cancel = shellAction(c.Cancel, vars)
		settings.Handled = shellAction(c.Handled, vars)
		settings.Rotate = shellAction(c.Rotate, vars)
	} else {
		sample, err := fetchBody(env.ctx, base+"/demo/sample.pdf")
		if err != nil {
			return err
		}
		planted.Use(base+api.BasePath, base+api.PathKeys, sample)
		settings.Initiate, settings.Cancel = planted.Initiate, planted.Cancel
		settings.Handled, settings.Rotate = planted.Handled, planted.Rotate
	}
	r, err := relyingparty.Judge(env.ctx, settings)
	if err != nil {
		return err
	}
	return c.write(env, r)
}

// start runs a sandbox in which the relying party is registered.
func (c *conformRPCmd) start(
	env *environment, party relyingparty.Config,
) (a *app.App, stop func() error, err error) {
	settings := config.SandboxDefaults()
	settings.Listen, settings.Control = c.Listen, c.Control
	settings.Parties = config.PartyList{{
		ClientID: party.ClientID, Name: party.ClientID, JWKSURL: party.JWKSURL,
		WebhookURL:  party.WebhookURL,
		RedirectURL: cmp.Or(party.RedirectURL, "http://localhost/"),
	}}
	level := new(slog.LevelVar)
	level.Set(slog.LevelError) // what else there is to say stands in the report
	none := func(string) string { return "" }
	a, err = app.OpenSandbox(
		env.ctx, settings, time.Now, none, obs.NewLogger(env.errs, level, settings.LogFormat),
	)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(env.ctx)
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	return a, func() error {
		cancel()
		return <-done
	}, nil
}

const (
	actionTime = 5 * time.Minute // of a command of conform-rp, at most
	// outputDelay is how long to read the output of what a command has left in the background.
	outputDelay = time.Second
)

// shellAction returns the action that runs a command; nil if there is none. Its error has the last
// line that the command wrote to standard error.
func shellAction(command string, vars []string) relyingparty.Action {
	if command == "" {
		return nil
	}
	return func(ctx context.Context, requestID string) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, actionTime)
		defer cancel()
		cmd := exec.CommandContext(ctx, "sh", "-c", command)
		cmd.Env = append(append(os.Environ(), vars...), "REQUEST_ID="+requestID)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		cmd.WaitDelay = outputDelay
		err := cmd.Run()
		if errors.Is(err, exec.ErrWaitDelay) {
			err = nil // the command has succeeded
		}
		if lines := strings.Split(strings.TrimSpace(errs.String()), "\n"); err != nil {
			err = fmt.Errorf("%w: %.200s", err, lines[len(lines)-1])
		}
		return out.String(), err
	}
}

// fetchBody returns the body at a URL.
func fetchBody(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, resp.Status)
	}
	const most = 64 << 20
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if len(body) > most {
		return nil, fmt.Errorf("%s: the answer has more than %d bytes", url, most)
	}
	return body, err
}
