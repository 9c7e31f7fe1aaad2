package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// runCommand runs the program in this process, in a folder with key.pem and text.pdf, and returns
// its exit status and what it prints.
func runCommand(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	none := func(string) string { return "" }
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // of servers that should not start
	defer cancel()
	status = run(ctx, args, none, &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

// folder makes the working folder.
func folder(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	if status, _, errs := runCommand(t, "keys", "new", "-o", "key.pem"); status != 0 {
		t.Fatal(errs)
	}
	if err := os.WriteFile("text.pdf", []byte("no PDF"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestArguments checks that arguments that make no sense end a command with exitUsage before it
// does anything, and that it says what a good one looks like.
func TestArguments(t *testing.T) {
	folder(t)
	const (
		address  = `"foo.*": it must be an address and a port, such as 127`
		link     = `"foo" is no http or https URL, such as http://(127.0.0.1|localhost):[0-9]+`
		duration = `"foo" is no duration, such as 500ms, 30s`
		person   = `no NRIC or FIN with its check letter, such as S8979373D`
		place    = `such as 1,0.1,0.25`
		missing  = `there is no folder missing`
	)
	request := func(line string) string { return line + " --client-id shop --key key.pem" }
	sandbox := func(flags string) string {
		return "sandbox --listen 127.0.0.1:0 --control 127.0.0.1:0 --data new " + flags
	}
	party := func(line string) string { return line + " --console http://127.0.0.1:1" }
	const origin = `it must be a scheme, a host and perhaps a port, such as https://sign`
	const absent = `absent: no such file`
	for _, test := range []struct{ args, says string }{
		{"sandbox --listen foo --control 127.0.0.1:0", address},
		{"sandbox --listen 127.0.0.1:99999", "it must be an address and a port"},
		{"sandbox --control foo", address},
		{"sandbox --auto-sign foo", duration},
		{sandbox("--public-url foo"), `public_url "foo": ` + origin},
		{sandbox("--console-url foo"), `console_url "foo": ` + origin},
		{sandbox("--oidc-issuer foo"), `oidc_issuer "foo": .*such as https://login.example.com`},
		{sandbox("--tsa-urls foo"), `tsa_urls "foo": .*such as http://tsa`},
		{sandbox("--otlp-endpoint foo"), `otlp_endpoint "foo": .*such as http://127.0.0.1:4318`},
		{sandbox("--database foo"), `begins with postgres://`},
		{sandbox("--session-lifetime 1s"), `session_lifetime 1s: it must be between 10s and 30m`},
		{sandbox("--rate-per-party=-1"), `rate_per_party -1: it must not be negative`},
		{sandbox("--console-password-file absent"), absent},
		{sandbox("--personas absent"), absent},
		{sandbox("--faults [{kind:x}]"), `faults: `},
		{sandbox("--faults [{'kind':'foo'}]"), `unknown fault "foo"; there are \[answer-extended `},
		{sandbox("--faults [{'kind':'slow','delay':'foo'}]"), `"foo"`},
		{sandbox("--parties [{'client_id':'a','jwks_url':'foo','redirect_url':'http://a'}]"), `client a: JWKS URL`},
		{sandbox("--personas [{'uin':'S1','name':'a'}]"), `personas: number 1: uin`},
		{"serve", "data: a folder is needed"},
		{"serve --data new --public-url https://a", "listen: an address is needed, such as"},
		{"migrate --data new --database foo", `begins with postgres://`},
		{"backup --data new --to missing/b --recipient age1foo", missing},
		{"backup --data new --to b --recipient age1foo", `age1 and 58 more characters`},
		{"restore --data new --from absent --identity absent", absent},
		{"restore --data new --adopt absent", absent},
		{"audit export --data new --output missing/b", missing},
		{"audit export --data new --json", `--json needs --output`},
		{"audit verify absent", absent},
		{"audit verify key.pem --checkpoint absent", absent},
		{"ca init --data new --public-url https://a --output missing/b", missing},
		{"ca sign --root new --public-url foo", origin},
		{"ca sign --root new --public-url https://a --reason foo", `must be one of "unspecified"`},
		{"ca revoke --data new --serial xyz --reason superseded", `hexadecimal, such as 5f0c41`},
		{"ca revoke --data new --serial 1 --reason foo", `must be one of "unspecified"`},
		{"secret rotate foo --data new", `must be one of "cookies"`},
		{"secret password --data new --new-file absent", absent},
		{"secret import --data new --from-password-file absent", absent},
		{"ltv renew key.pem --before foo", `"foo" is no time before an end, such as 90d`},
		{"verify key.pem --at foo", `"foo" is no time, such as 2026-`},
		{"person forget --console foo --by me", `no http or https URL, such as https://127`},
		{"party list --console foo", `no http or https URL, such as https://127`},
		{party("party add a --name a --jwks-url foo --redirect-url http://a"), `such as https://shop`},
		{party("party change a --redirect-url foo"), `such as https://shop`},
		{"keys new -o ''", "a file name is needed"},
		{"keys new -o missing/key.pem", missing},
		{"keys new -o .", "is a folder and not a file"},
		{"keys jwks text.pdf", "neither PEM nor a JWK; signet keys new -o FILE makes one"},
		{"keys serve key.pem --listen foo", address},
		{"keys serve key.pem --listen 127.0.0.1:99999", "it must be an address and a port"},
		{"webhook listen --listen foo", address},
		{"webhook listen --keys-url foo", link},
		{"webhook send foo", link},
		{"webhook send ftp://127.0.0.1/webhook", "no http or https URL"},
		{"webhook send http://", "no http or https URL"},
		{"webhook send ''", "no http or https URL"},
		{"webhook send http://127.0.0.1:1/ --listen foo", address},
		{"webhook send http://127.0.0.1:1/ --serve foo", duration},
		{"webhook send http://127.0.0.1:1/ --key text.pdf", "signet keys new"},
		{"webhook verify foo", "three parts with dots between them"},
		{"webhook verify {}", "nor a webhook's body"},
		{request("request cancel signv3-1 --base-url foo"), link + "/api/v3"},
		{request("request cancel signv3-1 --base-url http://127.0.0.1:99999/"), "no http or https URL"},
		{request("request cancel signv3-1 --base-url ''"), "no http or https URL"},
		{request("request cancel ''"), "a request id is what initiate prints"},
		{request("request cancel signv3-1 --wait foo"), duration},
		{request("request cancel signv3-1 --wait=-3s"), "it must not be negative"},
		{"request cancel signv3-1 --client-id shop --key text.pdf", "signet keys new"},
		{request("request status '' --exchange-code x"), "a request id is what initiate prints"},
		{request("request watch signv3-1 --exchange-code x --every 0s"), "such as 3s"},
		{request("request download signv3-1 --exchange-code x -o missing/a.pdf"), missing},
		{request("request initiate text.pdf --place foo"), place},
		{request("request initiate text.pdf --place 0,0.1,0.1"), place},
		{request("request initiate text.pdf --place 1,1,0.1"), place},
		{request("request initiate text.pdf --place 1,NaN,0.1"), place},
		{request("request initiate text.pdf --place 1,0.1,0.1 --signer S8979373A"), person},
		{request("token make initiate --place 1,0.1,0.1 --signer foo"), person},
		{request("token make cancel"), "needs --request-id"},
		{request("conform --base-url foo"), link},
		{request("conform --keys-url foo"), link},
		{request("conform --control foo"), link},
		{request("conform --redirect-url foo"), link},
		{request("conform --webhook-listen foo"), address},
		{request("conform --junit missing/a.xml"), missing},
		{"conform-rp --plant right --jwks-url foo", link},
		{"conform-rp --plant right --redirect-url foo", link},
		{"conform-rp --plant right --patience foo", duration},
		{"conform-rp --plant right --listen foo", address},
		{"conform-rp --plant right --control foo", address},
	} {
		args := strings.Fields(test.args)
		for i := range args {
			args[i] = strings.ReplaceAll(strings.Trim(args[i], "'"), "':'", "': '")
		}
		status, out, errs := runCommand(t, args...)
		if status != exitUsage || out != "" || !regexp.MustCompile(test.says).MatchString(errs) {
			t.Errorf("%s: status %d, %s%s", test.args, status, out, errs)
		}
		if strings.Contains(errs, "S8979373A") {
			t.Errorf("%s: prints whose number it is", test.args)
		}
	}
	made, _ := filepath.Glob("*")
	if len(made) != 2 {
		t.Errorf("files: %v", made)
	}
}

// TestEnvironmentOfSandbox checks that the addresses of a sandbox in the environment are not those
// of other commands.
func TestEnvironmentOfSandbox(t *testing.T) {
	folder(t)
	t.Setenv("SIGNET_LISTEN", "0.0.0.0")
	t.Setenv("SIGNET_CONTROL", "127.0.0.1:5157")
	for _, args := range [][]string{
		{"keys", "serve", "--help"},
		{"webhook", "listen", "--help"},
		{"webhook", "send", "--help"},
		{"conform", "--help"},
	} {
		_, out, _ := runCommand(t, args...)
		if strings.Contains(out, "$SIGNET_LISTEN)") ||
			strings.Contains(out, "$SIGNET_CONTROL)") {
			t.Errorf("%v: %s", args, out)
		}
	}
}

// TestNoAnswer checks what is said of a service that does not answer, and of a port that is taken.
func TestNoAnswer(t *testing.T) {
	folder(t)
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	const absent = "http://127.0.0.1:1"
	request := func(args ...string) []string {
		return append(args, "--client-id", "shop", "--key", "key.pem")
	}
	for _, test := range []struct {
		args []string
		says string
	}{
		{
			request("request", "cancel", "signv3-1", "--base-url", absent+"/api/v3"),
			"signet: cancel: no answer: " + absent + ": no program listens there\n",
		},
		{
			request("conform", "--base-url", absent+"/api/v3"),
			"no answer: " + absent + ": no program listens there\n",
		},
		{
			[]string{"webhook", "send", absent + "/webhook", "--listen", "127.0.0.1:0"},
			"signet: " + absent + ": no program listens there\n",
		},
		{
			[]string{"webhook", "listen", "--listen", taken.Listener.Addr().String()},
			"signet: another program listens on " + taken.Listener.Addr().String() +
				": stop it, or choose another address with --listen\n",
		},
	} {
		status, out, errs := runCommand(t, test.args...)
		if status != 1 || out != "" || !strings.HasSuffix(errs, test.says) {
			t.Errorf("%v: status %d, %s%s", test.args, status, out, errs)
		}
	}
	_, _, errs := runCommand(t, request(
		"request", "cancel", "signv3-1", "--json", "--base-url", absent+"/api/v3")...)
	if !strings.Contains(errs, `"error": "NO_ANSWER"`) {
		t.Error(errs)
	}
}

// TestJSON checks that the commands of a relying party print JSON with --json, for errors too.
func TestJSON(t *testing.T) {
	folder(t)
	for _, test := range []struct {
		args   string
		member string // of the output, or of the error
		status int
	}{
		{"version", "version", 0},
		{"keys new -o other.pem", "kid", 0},
		{"keys new -o other.pem", "error", 1},
		{"keys new", "error", exitUsage},
		{"keys jwks key.pem", "keys", 0},
		{"token make cancel --request-id signv3-1 --client-id shop --key key.pem", "token", 0},
		{"token make cancel --client-id shop --key key.pem", "error", exitUsage},
		{"token explain foo", "remedy", 1},
		{"webhook verify foo", "error", exitUsage},
		{"request initiate text.pdf", "error", exitUsage},
		{"locate text.pdf", "error", 1},
	} {
		status, out, errs := runCommand(t, append(strings.Fields(test.args), "--json")...)
		var got map[string]any
		err := json.Unmarshal([]byte(out+errs), &got)
		if status != test.status || err != nil || got[test.member] == nil {
			t.Errorf("%s: status %d, %v: %s%s", test.args, status, err, out, errs)
		}
	}
	// The other ways to set the flag.
	t.Setenv("SIGNET_JSON", "true")
	for _, args := range []string{"keys new -o other.pem", "keys new --json=true -o other.pem"} {
		_, _, errs := runCommand(t, strings.Fields(args)...)
		if !json.Valid([]byte(errs)) {
			t.Errorf("%s: %s", args, errs)
		}
		t.Setenv("SIGNET_JSON", "false")
	}
}
