// Signet is a self-hosted document-signing service with the Sign V3 API.
//
//	signet sandbox     everything on this machine, for development and tests
//	signet serve       the service
//	signet doctor      check the service and what it depends on
//	signet migrate     migrate the database
//	signet backup      write an encrypted backup
//	signet restore     check a backup after restoring it
//	signet documents   rotate the key of encrypted documents
//	signet verify      check the signatures of PDFs
//	signet ltv renew   renew archived PDFs
//	signet ca          make, rotate and revoke the authority's certificates
//	signet party       manage relying parties beside the running service
//	signet person      remove the identifiers of a person
//	signet secret      rotate secrets, encrypt keys and secrets
//	signet audit       export the audit log, and check exports and evidence
//	signet request     make a relying party's calls
//	signet token       make and explain tokens
//	signet keys        make and serve a relying party's keys
//	signet locate      find places for signatures in a PDF
//	signet webhook     receive, check and send webhooks
//	signet conform     judge a server by the rules of the contract
//	signet conform-rp  judge a relying party
//	signet completion  print what completes the commands in a shell
//
// Every key of the configuration (see internal/config.Config) is a flag, an environment variable
// with the prefix SIGNET_, or a line of the YAML file that --config names; flags take precedence,
// then the environment.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/obs"
)

func main() {
	app.Tune()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// cli is the command line.
type cli struct {
	Sandbox   sandboxCmd   `cmd:"" help:"Run everything on this machine, with personas, a demo and a clock that tests can move."`
	Serve     serveCmd     `cmd:"" help:"Run the service."`
	Doctor    doctorCmd    `cmd:"" help:"Check the service and everything that it depends on."`
	Backup    backupCmd    `cmd:"" help:"Write an encrypted backup, also while the service runs."`
	Restore   restoreCmd   `cmd:"" help:"Restore a backup, or check what was restored."`
	Migrate   migrateCmd   `cmd:"" help:"Migrate the database, or say what a migration would do."`
	Documents documentsCmd `cmd:"" help:"Rotate the key under which the keys of stored documents are wrapped."`
	Verify    verifyCmd    `cmd:"" help:"Check the signatures of PDFs."`
	LTV       ltvCmd       `cmd:"" help:"Renew documents that are kept for decades."                                                  name:"ltv"`
	CA        caCmd        `cmd:"" help:"Make, show, rotate and revoke the certificates of the authority."                            name:"ca"`
	Person    personCmd    `cmd:"" help:"Answer a person's request for deletion."`
	Party     partyCmd     `cmd:"" help:"Manage the relying parties of a running service."`
	Secret    secretCmd    `cmd:"" help:"Rotate the secrets of cookies, links, enrolments and the console; encrypt keys and secrets."`
	Audit     auditCmd     `cmd:"" help:"Export the audit log, and check exports and evidence."`
	Request   requestCmd   `cmd:"" help:"Make the calls of a relying party: initiate, status, watch, result, download, cancel."`
	Token     tokenCmd     `cmd:"" help:"Make and explain the tokens that authorise calls."`
	Keys      keysCmd      `cmd:"" help:"Make and serve the keys of a relying party."`
	Locate    locateCmd    `cmd:"" help:"Find places for signatures in a PDF, by a text or by hand."`
	Webhook   webhookCmd   `cmd:"" help:"Receive, check and send webhooks."`
	Conform   conformCmd   `cmd:"" help:"Judge a Sign V3 server by the rules of docs/contract.md."`
	ConformRP conformRPCmd `cmd:"" help:"Judge a relying party: its calls, its webhooks, its keys."                                   name:"conform-rp"`
	Version   versionCmd   `cmd:"" help:"Print the version."`

	Completion completionCmd `cmd:"" help:"Print what makes bash, zsh or fish complete commands and flags."`
	Complete   completeCmd   `cmd:"" hidden:""`
}

// configured is the flags that both servers have.
type configured struct {
	ConfigFile    kong.ConfigFlag `name:"config" env:"SIGNET_CONFIG" help:"YAML file with the configuration." placeholder:"FILE"`
	config.Config `    embed:""`
}

// deployed is the flags of commands for a deployment, whose service may run.
type deployed struct {
	output
	configured
}

// log returns the log of a command, on its standard error.
func (d *deployed) log(env *environment, level slog.Level) *slog.Logger {
	format := d.LogFormat
	if d.JSON {
		format = "json"
	}
	return obs.NewLogger(env.errs, level, format)
}

type (
	sandboxCmd struct{ configured }
	versionCmd struct{ output }
)

// environment is the environment of the commands.
type environment struct {
	ctx    context.Context
	args   []string
	getenv func(string) string
	out    io.Writer
	errs   io.Writer
}

// run runs the program with its arguments and returns the exit status.
func run(ctx context.Context, args []string, getenv func(string) string, out, errs io.Writer) int {
	exit := -1
	printed := &printer{Writer: out}
	parser, err := newParser(
		&cli{}, kong.Writers(printed, errs), kong.Exit(func(code int) { exit = code }),
	)
	if err != nil {
		fmt.Fprintln(errs, "signet:", err)
		return 1
	}
	command, err := parser.Parse(args)
	switch {
	case printed.err() != nil:
		err = printed.err()
	case exit >= 0: // --help
		return exit
	case err != nil:
		if parse := new(kong.ParseError); errors.As(err, &parse) {
			command = parse.Context
		}
		return fail(errs, usageError{err}, command, args)
	default:
		err = command.Run(&environment{ctx, args, getenv, printed, errs})
	}
	if status := exitStatus(0); errors.As(err, &status) {
		return int(status)
	}
	if err == nil {
		err = printed.err() // commands that print many lines do not look at the error of each
	}
	if err == nil {
		return 0
	}
	if ctx.Err() != nil { // by Ctrl-C or SIGTERM, whatever the error then is about
		err = fmt.Errorf("interrupted: %w", err)
	}
	return fail(errs, err, command, args)
}

// printer is the standard output, also of commands that print from several goroutines. It remembers
// the first error.
type printer struct {
	io.Writer
	first atomic.Pointer[error]
}

func (p *printer) Write(b []byte) (int, error) {
	n, err := p.Writer.Write(b)
	if err != nil {
		p.first.CompareAndSwap(nil, &err)
	}
	return n, err
}

// err returns the first error of a write, or nil.
func (p *printer) err() error {
	if err := p.first.Load(); err != nil {
		return *err
	}
	return nil
}

// newParser returns the parser of the command line into c.
func newParser(c *cli, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(c, append(options,
		kong.Name("signet"),
		kong.Description("Document signing that speaks the Sign V3 API."),
		kong.UsageOnError(),
		kong.Configuration(resolver),
		kong.TypeMapper(reflect.TypeFor[config.PartyList](), kong.MapperFunc(decodeParties)),
		kong.TypeMapper(reflect.TypeFor[config.FaultList](), kong.MapperFunc(decodeFaults)),
		kong.TypeMapper(reflect.TypeFor[config.PersonaList](), kong.MapperFunc(decodePersonas)),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(decodeDuration)),
		kong.TypeMapper(reflect.TypeFor[time.Time](), kong.MapperFunc(decodeTime)),
		kong.Vars{"reasons": strings.Join(ca.Reasons(), ",")},
		kong.DefaultEnvars("SIGNET"),
	)...)
}

func (c *sandboxCmd) Run(env *environment) error {
	level := new(slog.LevelVar)
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return err
	}
	// The terminal of the sandbox was closed.
	ctx, stop := signal.NotifyContext(env.ctx, syscall.SIGHUP)
	defer stop()
	a, err := app.OpenSandbox(
		ctx, c.Config, time.Now, env.getenv, obs.NewLogger(env.errs, level, c.LogFormat),
	)
	if err != nil {
		return err
	}
	var trust string
	if root := a.Root(); root != nil {
		trust = fmt.Sprintf(`
  TLS root           %s   (phones are to trust it; the first page says how)
  Its fingerprint    %s
  Its file           %s   (for programs: CURL_CA_BUNDLE, NODE_EXTRA_CA_CERTS)
`, root.URL, root.Fingerprint, root.File)
	}
	fmt.Fprintf(env.out, `Signet sandbox

  Try it             %[1]s/demo/
  API base           %[1]s/api/v3         (also %[1]s/sign-v3, as in MockPass)
  Signet's keys      %[1]s/.well-known/keys.json
  Console            %[2]s/console/
  Control            %[2]s/         (for tests; GET / lists the calls)
  Data               %[3]s
  Root certificate   %[3]s/authority/root.crt   (for signet verify --root; keep it with --data DIR)
%[4]s
Log in as one of the personas; approve on a phone at %[1]s/phone/ or with the persona's software phone.
Stop with Ctrl-C.
`, a.Config.PublicURL, a.ControlURL(), a.Config.Data, trust)
	if changes := a.Changes(); len(changes) > 0 {
		fmt.Fprintf(
			env.out, "\nDiffers from a new sandbox (POST %s/reset undoes it):\n  %s\n", a.ControlURL(),
			strings.Join(changes, "\n  "),
		)
	}
	a.ShowRefusals(env.out, isTerminal(env.out) && env.getenv("NO_COLOR") == "")
	return a.Run(ctx)
}

// isTerminal reports whether w is a terminal or another character device.
func isTerminal(w io.Writer) bool {
	if p, ok := w.(*printer); ok {
		w = p.Writer
	}
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (c versionCmd) Run(env *environment) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	text := version(info)
	return c.print(env.out, map[string]string{"version": text}, "signet "+text)
}

// version returns the version of a build, and the commit and its date if the build knows them:
// "v0.1.0 (commit 0123456789ab of 2026-11-28)". It also says if the build had uncommitted changes.
func version(info *debug.BuildInfo) string {
	text := cmp.Or(info.Main.Version, "unknown")
	vcs := make(map[string]string)
	for _, s := range info.Settings {
		if key, ok := strings.CutPrefix(s.Key, "vcs."); ok {
			vcs[key] = s.Value
		}
	}
	commit, date := vcs["revision"], vcs["time"]
	if commit == "" {
		return text
	}
	text += " (commit " + commit[:min(len(commit), 12)]
	if day, _, ok := strings.Cut(date, "T"); ok {
		text += " of " + day
	}
	if vcs["modified"] == "true" {
		text += ", with changes"
	}
	return text + ")"
}
