package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/signet-sign/signet/internal/config"
)

// block is a block of commands or of configuration in a page of the documentation.
type block struct{ page, language, text string }

// docBlocks returns all blocks of the documentation in a language.
func docBlocks(t *testing.T, language string) (list []block) {
	t.Helper()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md"} {
		pages = append(pages, "../../"+name)
	}
	fenced := regexp.MustCompile("(?ms)^ *```" + language + "\n(.*?)^ *```$")
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fenced.FindAllStringSubmatch(string(text), -1) {
			list = append(list, block{strings.TrimPrefix(page, "../../"), language, m[1]})
		}
	}
	return list
}

// typed has each block of commands, by how it begins, and the test that types it, or why none does.
// A script below testdata runs the same commands of signet with the same flags and other paths.
// The commands of signet in all blocks are held against the command line by TestDocCommands.
var typed = []struct{ page, begins, test, reason string }{
	{"README.md", "go run ./cmd/signet sandbox --config", "TestDocs", ""},
	{"README.md", "go run ./cmd/signet sandbox\n", "", "the sandbox of each test of this package"},
	{"README.md", "./test", "", "runs this test"},
	{"README.md", "GALLERY=", "TestGalleryScreenshots", ""},
	{"README.md", "# Node", "TestFirstCall", ""},
	{"README.md", "# Python", "TestFirstCall", ""},
	{"README.md", "# Go", "TestFirstCall", ""},
	{"README.md", "# Java", "TestFirstCall", ""},
	{"README.md", "go build", "TestFirstCall", ""},
	{"README.md", "pkill", "TestFirstCall", ""},
	{"CONTRIBUTING.md", "go run", "", "runs this test"},
	{"CONTRIBUTING.md", "LOOKS=all", "TestLooks", ""},
	{"SECURITY.md", "go run", "", "fetches the list of vulnerabilities"},
	{"SECURITY.md", "cd ", "", "fetches the list of vulnerabilities"},
	{"docs/command-line.md", "signet keys new", "TestDocs", ""},
	{"docs/conformance.md", "signet conform --base-url https://sign.example", "", "names a server"},
	{"docs/conformance.md", "signet keys new", "TestDocs", ""},
	{"docs/conformance.md", "MOCKPASS_PORT", "", "needs the repository of MockPass"},
	{
		"docs/conformance.md", "signet conform-rp --client-id shop", "",
		"TestExamplesConform types it with other ports and for four languages",
	},
	{"docs/conformance.md", "node app.js", "", "needs the repository of the demo application"},
	{"docs/moving-from-mockpass.md", "signet sandbox", "TestDocs", ""},
	{"docs/operating.md", "export CREDENTIALS_DIRECTORY", "script doctor", ""},
	{"docs/operating.md", "signet serve", "script guide-first-hour", ""},
	{"docs/operating.md", "SIGNET_LISTEN", "TestEnvironment", ""},
	{"docs/operating.md", "signet backup", "script guide-database-lost", ""},
	{"docs/operating.md", "signet restore --adopt", "TestAdopt", ""},
	{"docs/operating.md", "signet ca init", "script ca", ""},
	{"docs/operating.md", "signet ca csr", "script ca", ""},
	{"docs/operating.md", "signet ca revoke", "script ca", ""},
	{"docs/operating.md", "signet ca issued", "script ca", ""},
	{"docs/operating.md", "signet doctor", "script doctor", ""},
	{"docs/operating.md", "signet person", "script person", ""},
	{"docs/operating.md", "export SIGNET_CONSOLE", "script party", ""},
	{"docs/performance.md", "SPEED=1", "TestSpeed", ""},
	{"docs/sandbox.md", "signet sandbox --listen 0.0.0.0:5156", "TestDocs", ""},
	{"docs/sandbox.md", "signet sandbox --listen 0.0.0.0 --tls", "TestDocs", ""},
}

// TestDocBlocks checks that each block that tells readers to type something is typed by a test, or
// is listed with the reason why not.
func TestDocBlocks(t *testing.T) {
	tests := testNames(t)
	used := make([]bool, len(typed))
	for _, b := range docBlocks(t, "sh") {
		n := 0
		for i, row := range typed {
			if row.page == b.page && strings.HasPrefix(b.text, row.begins) {
				n++
				used[i] = true
				if name, ok := strings.CutPrefix(row.test, "script "); ok {
					scripted(t, b, name)
				}
			}
		}
		if n != 1 {
			first, _, _ := strings.Cut(b.text, "\n")
			t.Errorf("%s: %d rows for the block %q", b.page, n, first)
		}
	}
	for i, row := range typed {
		if !used[i] {
			t.Errorf("%s has no block that begins with %q", row.page, row.begins)
		}
		if (row.test == "") == (row.reason == "") || row.test != "" &&
			!strings.HasPrefix(row.test, "script ") && !tests[row.test] {
			t.Errorf("%s, %q: test %q, reason %q", row.page, row.begins, row.test, row.reason)
		}
	}
}

// scripted checks that a script runs the commands of signet in a block, each with its flags.
func scripted(t *testing.T, b block, name string) {
	t.Helper()
	script, err := os.ReadFile(filepath.Join("testdata", "script", name+".txtar"))
	if err != nil {
		t.Error(err)
		return
	}
	own := regexp.MustCompile(`^--(config|console|token-file)$`) // or its own in the environment
	for line := range strings.Lines(strings.ReplaceAll(b.text, "\\\n", " ")) {
		args := commandOf(line)
		if args == nil {
			continue
		}
		words := slices.IndexFunc(args, func(a string) bool { return !verb.MatchString(a) })
		if words < 0 {
			words = len(args)
		}
		command := "signet " + strings.Join(args[:min(words, 2)], " ") + " "
		var flags []string
		for _, a := range args[min(words, 2):] {
			if strings.HasPrefix(a, "--") && !own.MatchString(a) {
				flags = append(flags, a)
			}
		}
		if !slices.ContainsFunc(strings.Split(string(script), "\n"), func(run string) bool {
			return strings.Contains(run+" ", command) && !slices.ContainsFunc(
				flags, func(flag string) bool { return !strings.Contains(run, flag) },
			)
		}) {
			t.Errorf("%s: no line of the script %s has %s%v", b.page, name, command, flags)
		}
	}
}

var verb = regexp.MustCompile(`^[a-z]+$`)

// testNames returns the names of all tests.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "node_modules":
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestDocCommands checks that the commands of signet in blocks of the documentation and their flags
// exist.
func TestDocCommands(t *testing.T) {
	blocks := docBlocks(t, "sh")
	t.Chdir(t.TempDir())
	n := 0
	for _, b := range blocks {
		for line := range strings.Lines(strings.ReplaceAll(b.text, "\\\n", " ")) {
			args := commandOf(line)
			if args == nil {
				continue
			}
			n++
			if err := parse(t, args); err != nil {
				t.Errorf("%s: %s: %v", b.page, strings.TrimSpace(line), err)
			}
		}
	}
	if n < 35 {
		t.Errorf("only %d commands", n)
	}
}

var (
	command = regexp.MustCompile(`(?:^|[ (;&|])(?:go run \./cmd/)?signet ((?:[a-z]|--version).*)`)
	word    = regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`)
	end     = regexp.MustCompile(`^([#<|&;)]|[0-9]?>)`) // of a command
)

// commandOf returns the arguments of signet in a line, or nil.
func commandOf(line string) (args []string) {
	m := command.FindStringSubmatch(strings.TrimRight(line, "\n"))
	if m == nil || strings.HasPrefix(strings.TrimSpace(line), "#") || strings.Contains(m[1], "$(") {
		return nil // the output of another command is an argument, or a comment
	}
	for _, w := range word.FindAllString(m[1], -1) {
		if end.MatchString(w) {
			break
		}
		args = append(args, strings.Trim(w, `'")`))
	}
	return args
}

var (
	missingFile   = regexp.MustCompile(`(?:stat|open) (\S+): no such file`)
	missingFolder = regexp.MustCompile(`there is no folder (\S+)`)
)

// parse parses arguments. Files that must exist are made empty, folders are taken for the present
// one, and what a reader has set before, such as SIGNET_CLIENT_ID, may be missing.
func parse(t *testing.T, args []string) error {
	t.Helper()
	parser, err := newParser(&cli{}, kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	for i := range args {
		if args[i] == "age1…" {
			args[i] = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
		}
	}
	for {
		_, err = parser.Parse(args)
		if err == nil || strings.Contains(err.Error(), "missing flags:") {
			return nil
		}
		if folder := missingFolder.FindStringSubmatch(err.Error()); folder != nil {
			for i := range args {
				args[i] = strings.TrimPrefix(args[i], folder[1]+"/")
			}
			continue
		}
		file := missingFile.FindStringSubmatch(err.Error())
		if file == nil {
			return err
		}
		name := filepath.Base(file[1])
		for i := range args {
			if args[i] == file[1] {
				args[i] = name
			}
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			return err
		}
	}
}

// TestDocConfiguration checks that the keys of configurations in the documentation exist.
func TestDocConfiguration(t *testing.T) {
	blocks := docBlocks(t, "yaml")
	for _, b := range blocks {
		if strings.HasPrefix(b.text, "- ") {
			continue // a file of personas
		}
		if err := config.DecodeYAML([]byte(b.text), new(config.Config)); err != nil {
			t.Errorf("%s: %v in\n%s", b.page, err, b.text)
		}
	}
	if len(blocks) < 10 {
		t.Errorf("only %d configurations", len(blocks))
	}
}
