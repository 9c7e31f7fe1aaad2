package main

import (
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// docBlock returns the first block in a language that follows a text in a page of docs.
func docBlock(t *testing.T, page, after, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), after)
	_, rest, begins := strings.Cut(rest, "```"+language+"\n")
	block, _, ends := strings.Cut(rest, "```")
	if !found || !begins || !ends {
		t.Fatalf("%s has no %s after %q", page, language, after)
	}
	return block
}

// TestDocs types commands of the documentation in an empty folder, with other ports. The README's
// first call and the scripts of testdata have tests of their own.
func TestDocs(t *testing.T) {
	// What a reader does by hand: start a sandbox in another terminal and wait for it, and have a
	// name of a machine.
	asTyped := strings.NewReplacer(
		"go run ./cmd/signet sandbox", "signet sandbox", "//signet:", "//127.0.0.1:",
		"keys serve key.pem", "keys serve key.pem --listen 127.0.0.1:4000",
		"--listen 0.0.0.0 ", "--listen 0.0.0.0:5156 ",
	)
	const wait = "curl -s --retry 30 --retry-connrefused --retry-delay 1 -o up http://127.0.0.1:5157/clock\n"
	for name, c := range map[string]struct {
		page, after string
		config      bool   // the next block of YAML is signet.yaml
		then        string // commands after those of the page
		want        string
	}{
		"request": {
			page: "docs/command-line.md", after: "## From nothing to a cancelled request",
			want: `"signing_url": "http://127.0.0.1:5156/sign/`,
		},
		"conform": {
			page: "docs/conformance.md", after: "Against a sandbox of this machine", config: true,
			want: " pass, 0 fail, ",
		},
		"own party": {
			page: "README.md", after: "Against your own relying party:", config: true,
			then: "curl -s http://127.0.0.1:5157/parties", want: `"client_id":"my-client-id"`,
		},
		"control token": {
			page: "docs/sandbox.md", after: "give it a token of at least 16 bytes", want: `{"now":"`,
		},
		"TLS": {
			page: "docs/sandbox.md", after: "## A real phone",
			then: "curl -sk https://127.0.0.1:5156/sandbox-root.crt", want: "BEGIN CERTIFICATE",
		},
		"beside MockPass": {
			page: "docs/moving-from-mockpass.md", after: "## Beside MockPass",
			then: "curl -s http://127.0.0.1:5166/sign-v3/jwks", want: `"kty":"EC"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ports := freePorts(t, "5156", "5157", "5166", "4000", "4001")
			if c.config {
				yaml := ports.Replace(docBlock(t, c.page, c.after, "yaml"))
				writeFile(t, filepath.Join(dir, "signet.yaml"), yaml, 0o600)
			}
			var script strings.Builder
			for line := range strings.Lines(docBlock(t, c.page, c.after, "sh") + c.then) {
				line = asTyped.Replace(line)
				if strings.HasPrefix(line, "signet sandbox") && !strings.Contains(line, "&") {
					line = strings.TrimSuffix(line, "\n") + " > sandbox.log &\n" + wait
				}
				script.WriteString(line)
			}
			out, err := shell(
				t, dir, ports.Replace(script.String()), "TOKEN=0123456789abcdef",
				"PORT="+ports.Replace("5156"), "SIGNET_CONTROL="+ports.Replace("127.0.0.1:5157"),
				"SIGNET_BASE_URL="+ports.Replace("http://127.0.0.1:5156/api/v3"),
				"SIGNV3_CLIENT_JWKS_URL="+ports.Replace("http://localhost:4000/jwks"),
			)
			if err != nil || !strings.Contains(out, ports.Replace(c.want)) {
				log, _ := os.ReadFile(filepath.Join(dir, "sandbox.log"))
				t.Errorf("%v\n%s\n%s\n%s", err, script.String(), out, log)
			}
		})
	}
}

// TestStartPage types the calls of the sandbox's first page, as they are there to be copied, with
// and without TLS.
func TestStartPage(t *testing.T) {
	for name, flag := range map[string]string{"http": "", "https": "--tls"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ports := freePorts(t, "5156", "5157")
			out, err := shell(t, dir, ports.Replace(`
signet sandbox --listen 127.0.0.1:5156 --control 127.0.0.1:5157 `+flag+` > sandbox.log &
curl -s --retry 30 --retry-connrefused --retry-delay 1 -o up http://127.0.0.1:5157/isalive
curl -sk `+name+`://127.0.0.1:5156/
`))
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var lines []string // of the page's boxes with lines to copy
			for _, box := range strings.Split(out, `<div class="lines">`)[1:] {
				_, box, _ = strings.Cut(box, ` data-copy="`)
				box, _, _ = strings.Cut(box, `"`)
				lines = append(lines, html.UnescapeString(box))
			}
			if len(lines) < 2 {
				t.Fatalf("the page has no calls:\n%s", out)
			}
			out, err = shell(t, dir, lines[0]+" | tee answer\n"+
				strings.Replace(
					lines[1],
					"ID=signv3-...",
					`ID=$(sed 's/.*"request_id":"\([^"]*\).*/\1/' answer)`,
					1,
				))
			if err != nil || !strings.Contains(out, `"signing_url":"`+name+`://`) ||
				!strings.Contains(out, " 200 ") {
				t.Errorf("%v\n%q\n%s", err, lines[:2], out)
			}
		})
	}
}
