package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// withoutJSON are the commands that have no flag --json (docs/command-line.md): two servers, which
// log, and what a shell reads.
var withoutJSON = []string{"sandbox", "serve", "completion", "complete"}

// commandLines returns the path of each command that is not a group of others.
func commandLines(node *kong.Node) (paths []string) {
	if node.Leaf() && node.Type == kong.CommandNode {
		return []string{strings.TrimPrefix(node.Path(), "signet ")}
	}
	for _, child := range node.Children {
		paths = append(paths, commandLines(child)...)
	}
	return paths
}

// TestJSONEverywhere runs each command with --json, and checks that its result is one JSON value and
// so is the error for a flag that it does not have. A new command needs a line here.
func TestJSONEverywhere(t *testing.T) {
	folder(t)
	const (
		data    = " --data data --public-url https://sign.example.com --listen 127.0.0.1:8080"
		absent  = " --base-url http://127.0.0.1:1/api/v3 --client-id shop --key key.pem"
		console = " --console http://127.0.0.1:1"
		id      = " signv3-1 --exchange-code x"
	)
	// The lines of a command run in this order; those of the deployment need what came before.
	lines := map[string]struct {
		args   string
		status int
		errors bool // the result is the error, for want of a service
	}{
		"ca init":          {args: data},
		"ca show":          {args: data},
		"ca rotate":        {args: data},
		"ca csr":           {args: data, status: 1, errors: true}, // the root is here
		"ca sign":          {args: " --root root --public-url https://sign.example.com"},
		"ca install":       {args: " key.pem" + data, status: 1, errors: true},
		"ca revoke":        {args: " --serial 1 --reason superseded" + data, status: 1, errors: true},
		"ca issued":        {args: data},
		"documents rotate": {args: data},
		"secret rotate":    {args: " signers" + data},
		"secret encrypt":   {args: " --keys-password-file password" + data},
		"secret import":    {args: data, status: 1, errors: true},
		"secret password":  {args: " --keys-password-file password --new-file other" + data},
		"migrate":          {args: data},
		"backup":           {args: " --to backup.age --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p" + data},
		"restore":          {args: " --check --keys-password-file other" + data},
		"audit export":     {args: " --output log --keys-password-file other" + data},
		"audit verify":     {args: " log"},
		"person forget":    {args: " --by me --keys-password-file other" + data, status: 1, errors: true},
		"doctor":           {args: data, status: 1},
		"ltv renew":        {args: " text.pdf --keys-password-file other" + data, status: 1},

		"verify":        {args: " text.pdf", status: 4},
		"version":       {},
		"locate":        {args: " text.pdf", status: 1, errors: true},
		"keys new":      {args: " -o new.pem"},
		"keys jwks":     {args: " key.pem"},
		"keys serve":    {args: " key.pem --listen 127.0.0.1:0"},
		"token make":    {args: " cancel --request-id signv3-1 --client-id shop --key key.pem"},
		"token explain": {args: " foo", status: 1},

		"webhook listen": {args: " --listen 127.0.0.1:0"},
		"webhook send":   {args: " http://127.0.0.1:1/ --listen 127.0.0.1:0", status: 1, errors: true},
		"webhook verify": {args: " foo", status: exitUsage, errors: true},

		"conform":    {args: " --plant list" + absent},
		"conform-rp": {args: " --plant list"},

		"request initiate": {args: " text.pdf --place 1,0.1,0.1" + absent, status: 1, errors: true},
		"request status":   {args: id + absent, status: 1, errors: true},
		"request watch":    {args: id + absent, status: 1, errors: true},
		"request result":   {args: id + absent, status: 1, errors: true},
		"request download": {args: id + " -o a.pdf" + absent, status: 1, errors: true},
		"request cancel":   {args: " signv3-1" + absent, status: 1, errors: true},

		"party add": {
			args: " a --name a --jwks-url https://a/j --redirect-url https://a/r" + console, status: 1,
			errors: true,
		},
		"party list":    {args: console, status: 1, errors: true},
		"party show":    {args: " a" + console, status: 1, errors: true},
		"party change":  {args: " a --name b" + console, status: 1, errors: true},
		"party disable": {args: " a" + console, status: 1, errors: true},
		"party enable":  {args: " a" + console, status: 1, errors: true},
		"party rotate":  {args: " a" + console, status: 1, errors: true},
		"party export":  {args: console, status: 1, errors: true},
		"party import":  {args: " parties.yaml" + console, status: 1, errors: true},
		"person show":   {args: console, status: 1, errors: true},
		"person lift":   {args: " phone --reason a" + console, status: 1, errors: true},
	}
	for name, text := range map[string]string{
		"password": "a password of the keys", "other": "another password of the keys",
		"parties.yaml": "parties: [{client_id: a}]",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parser, err := newParser(new(cli))
	if err != nil {
		t.Fatal(err)
	}
	order := []string{
		"ca init", "ca show", "ca rotate", "ca csr", "ca install", "ca revoke", "ca issued",
		"documents rotate", "secret rotate", "migrate", "backup", "doctor", "secret encrypt",
		"secret import", "secret password", "restore", "audit export",
	}
	commands := commandLines(parser.Model.Node)
	for _, command := range append(order, commands...) {
		line, ok := lines[command]
		switch {
		case slices.Contains(withoutJSON, command):
			continue
		case !ok && slices.Contains(commands, command) && !slices.Contains(order, command):
			t.Errorf("%s: the test has no line for this command", command)
			continue
		case !ok: // it has run
			continue
		}
		delete(lines, command)
		status, out, errs := runCommand(t, strings.Fields(command+line.args+" --json")...)
		if line.errors {
			out = errs
		}
		if status != line.status || values(out) != 1 || values(errs) < 0 ||
			strings.Contains(out, `"error_description"`) != line.errors {
			t.Errorf("%s: status %d, %s%s", command, status, out, errs)
		}
		status, out, errs = runCommand(t, append(strings.Fields(command), "--foo", "--json")...)
		if status != exitUsage || out != "" || values(errs) != 1 || !strings.Contains(errs, "USAGE") {
			t.Errorf("%s --foo: status %d, %s%s", command, status, out, errs)
		}
	}
	for command := range lines {
		t.Errorf("%s: there is no such command", command)
	}
}

// values returns the number of JSON values in a text, or -1 if there is something else.
func values(text string) (n int) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	for {
		var v any
		switch err := decoder.Decode(&v); err {
		case nil:
			n++
		case io.EOF:
			return n
		default:
			return -1
		}
	}
}
