package signet

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const module = "github.com/signet-sign/signet"

// imports is the import graph of the project: each package, and the packages of the project that it
// may import. Edges import domain, domain imports engines, storage imports domain; arrows never
// turn back. An import that is not listed fails the test, and so does a listed one that is gone:
// change the picture here and in ARCHITECTURE.md together with the code.
var imports = map[string]string{
	// public
	"api":         "",
	"client":      "api",
	"examples/go": "api client",

	// public, and runs the whole program
	"signettest": "api client internal/app internal/config",

	// engines: bytes, keys and time in, bytes out
	"pades/cms":           "",
	"internal/disk":       "",
	"internal/keydir":     "internal/disk",
	"pades/pdf":           "",
	"internal/ca":         "internal/keydir",
	"internal/kms":        "internal/keydir",
	"internal/pkcs11":     "internal/keydir",
	"internal/deployment": "internal/keydir",
	"pades/revocation":    "pades/cms",
	"pades/tsa":           "pades/cms pades/revocation",
	"pades":               "pades/cms pades/pdf pades/revocation pades/tsa",

	// domain
	"internal/audit":     "",
	"internal/operator":  "",
	"internal/safehttp":  "",
	"internal/party":     "internal/safehttp",
	"internal/token":     "api internal/party",
	"internal/calllog":   "api internal/party internal/signer internal/token",
	"internal/signer":    "api internal/ca pades/cms",
	"internal/request":   "api pades/cms pades pades/pdf internal/signer",
	"internal/retention": "internal/request internal/signer",
	"internal/person":    "internal/retention internal/signer",

	// storage
	"internal/store":     "api internal/audit internal/deployment internal/keydir internal/operator internal/party internal/person internal/token internal/calllog internal/request internal/retention internal/signer internal/vault",
	"internal/documents": "internal/deployment internal/request",
	"internal/vault":     "internal/request",

	// edges
	"internal/webhook":         "api internal/keydir internal/party internal/calllog internal/request internal/signer",
	"internal/obs":             "",
	"internal/fault":           "api internal/keydir internal/server/httpx internal/token",
	"internal/server":          "api internal/server/httpx internal/server/limit",
	"internal/server/limit":    "api",
	"internal/server/security": "internal/server/limit internal/signer",
	"internal/server/httpx":    "api internal/request internal/server/security internal/server/limit",
	"internal/server/ui":       "pades internal/server/httpx",
	"internal/server/login":    "api internal/keydir internal/server/httpx internal/server/security internal/signer internal/server/limit",
	"internal/server/pki":      "internal/ca internal/server/httpx",
	"internal/server/rpapi":    "api internal/token internal/calllog internal/server/httpx internal/server/security internal/request internal/server/limit",
	"internal/server/portal":   "api pades internal/party internal/server/login internal/server/httpx internal/server/security internal/server/ui internal/request internal/signer internal/server/limit",
	"internal/server/phone":    "api internal/party internal/server/login internal/server/httpx internal/server/security internal/server/ui internal/request internal/signer internal/server/limit",
	"internal/server/console":  "api internal/audit internal/ca internal/operator internal/party internal/person internal/retention internal/calllog internal/safehttp internal/server/httpx internal/server/security internal/server/ui internal/request internal/server/limit internal/signer",
	"internal/server/control":  "api internal/calllog internal/fault internal/party internal/server/httpx internal/request internal/signer internal/server/limit",
	"internal/server/sandbox":  "api client internal/keydir pades/pdf internal/server/httpx internal/server/ui internal/signer",

	// judges, which are clients
	"internal/conform/report":       "internal/calllog internal/party",
	"internal/conform":              "api client internal/conform/report pades",
	"internal/conform/relyingparty": "api internal/calllog internal/conform/report internal/fault internal/token",

	// maker of api/vectors
	"internal/vectors":          "api client internal/party internal/party/partytest internal/request internal/safehttp internal/server/portal internal/token",
	"internal/vectors/generate": "internal/vectors",

	// what can be configured
	"internal/config": "internal/calllog internal/documents internal/fault internal/keydir internal/kms internal/party internal/pkcs11 internal/request internal/safehttp internal/server internal/server/console internal/server/control internal/server/login internal/signer pades",

	// a deployment: its parts, what checks them, and what operators do to it by command
	"internal/parts":       "internal/audit internal/ca internal/config internal/deployment internal/documents internal/keydir internal/kms internal/party internal/pkcs11 internal/request internal/server/login internal/server/pki internal/store internal/vault pades pades/tsa",
	"internal/doctor":      "api internal/audit internal/ca internal/config internal/deployment internal/documents internal/keydir internal/obs internal/parts internal/party internal/request internal/safehttp internal/server/console internal/server/login internal/server/pki internal/signer internal/store internal/webhook pades pades/tsa",
	"internal/maintenance": "api internal/audit internal/ca internal/config internal/deployment internal/disk internal/keydir internal/parts internal/person internal/request internal/retention internal/signer internal/store pades",

	// wiring: sees everything
	"internal/app": "*",
	"cmd/signet":   "api client internal/app internal/audit internal/ca internal/config internal/conform internal/conform/relyingparty internal/conform/report internal/disk internal/doctor internal/keydir internal/maintenance internal/obs internal/server internal/server/console internal/server/httpx internal/signer internal/token pades pades/pdf",
}

// confined are modules that few packages may use, so that they can be replaced in one place.
var confined = map[string]string{
	"modernc.org/sqlite":                  "internal/store",
	"filippo.io/age":                      "internal/keydir internal/maintenance internal/vault",
	"github.com/ThalesGroup/crypto11":     "internal/pkcs11",
	"github.com/minio/minio-go":           "internal/documents",
	"github.com/jackc/pgx":                "internal/store",
	"github.com/pressly/goose":            "internal/store",
	"github.com/coreos/go-oidc":           "internal/server/login",
	"github.com/alecthomas/kong":          "cmd/signet",
	"github.com/prometheus/client_golang": "internal/obs",
	"github.com/go-webauthn/webauthn":     "internal/signer",
	"rsc.io/qr":                           "internal/server/portal",
	"golang.org/x/mod/sumdb/note":         "internal/audit",
}

// testOnly are packages that only tests import.
var testOnly = []string{"internal/e2e", "internal/apitest", "internal/pkcs11/softhsm", "test"}

func TestArchitecture(t *testing.T) {
	out, err := exec.Command(
		"go", "list", "-f", `{{.ImportPath}}:{{join .Imports " "}}`, "./...",
	).Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		path, list, _ := strings.Cut(strings.TrimSpace(line), ":")
		pkg := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
		if pkg == "" || slices.ContainsFunc(testOnly, func(s string) bool {
			return strings.HasPrefix(pkg, s) ||
				s == "test" && strings.HasSuffix(pkg, s) && pkg != "signettest"
		}) {
			continue
		}
		seen[pkg] = true
		allowed, ok := imports[pkg]
		if !ok {
			t.Errorf("package %s is not in the graph", pkg)
			continue
		}
		var got []string
		for imp := range strings.FieldsSeq(list) {
			if own, ok := strings.CutPrefix(imp, module+"/"); ok {
				got = append(got, own)
				continue
			}
			for mod, home := range confined {
				if strings.HasPrefix(imp, mod) && !slices.Contains(strings.Fields(home), pkg) {
					t.Errorf("%s imports %s, which belongs to %s alone", pkg, imp, home)
				}
			}
		}
		if allowed == "*" {
			continue
		}
		want := strings.Fields(allowed)
		for _, imp := range got {
			if !slices.Contains(want, imp) {
				t.Errorf("%s imports %s: not in the graph", pkg, imp)
			}
		}
		for _, imp := range want {
			if !slices.Contains(got, imp) {
				t.Errorf("%s does not import %s any more: take it out of the graph", pkg, imp)
			}
		}
	}
	for pkg := range imports {
		if !seen[pkg] {
			t.Errorf("package %s is in the graph and does not exist", pkg)
		}
	}
}

// servers are the files that make HTTP servers of their own: those of tests, and an example that
// imports public packages only. All others have their limits of a server.Server.
var servers = []string{
	"examples/go/shop.go", "internal/conform/receiver.go",
	"internal/conform/relyingparty/planted.go", "internal/documents/s3test/s3test.go",
	"internal/e2e/load/servers.go", "internal/kms/kmstest/aws.go",
	"internal/party/partytest/party.go", "internal/server/server.go",
}

// TestServers checks that no listener is served without the limits of package server.
func TestServers(t *testing.T) {
	got := matching(t, regexp.MustCompile(`http\.(Server\{|ListenAndServe|Serve\(|ServeTLS\()`))
	if !slices.Equal(got, servers) {
		t.Errorf("files with servers of their own: %q, want %q", got, servers)
	}
}

// writers are the files that write files otherwise than with package disk: locks, the database, an
// example that imports public packages only, and what is no part of the program.
var writers = []string{
	"examples/go/shop.go", "internal/disk/disk.go", "internal/e2e/load/servers.go",
	"internal/pkcs11/softhsm/softhsm.go", "internal/server/phone/generate.go",
	"internal/store/lock_unix.go", "internal/store/lock_windows.go",
	"internal/store/pgtest/pgtest.go", "internal/store/pgtest/pooler.go",
	"internal/store/pgtest/secure.go", "internal/store/sqlite.go",
	"internal/store/storetest/open.go", "internal/vectors/generate/main.go", "tools/bundle/main.go",
}

// TestWriters checks that no file appears under its name before it is complete.
func TestWriters(t *testing.T) {
	got := matching(t, regexp.MustCompile(`os\.(Create|CreateTemp|WriteFile|OpenFile)\(`))
	if !slices.Equal(got, writers) {
		t.Errorf("files that write without package disk: %q, want %q", got, writers)
	}
}

// matching returns the files outside of tests with a match.
func matching(t *testing.T, pattern *regexp.Regexp) (got []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if pattern.Match(text) {
			got = append(got, filepath.ToSlash(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestLayout checks that the layout in README.md names every folder of the first two levels.
func TestLayout(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, layout, _ := strings.Cut(string(text), "## Layout")
	layout, _, _ = strings.Cut(layout, "## ")
	var folders []string
	for _, parent := range []string{".", "internal"} {
		entries, err := os.ReadDir(parent)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && e.Name() != "artifacts" {
				folders = append(folders, e.Name()+"/")
			}
		}
	}
	for _, folder := range folders {
		if !strings.Contains(layout, folder) {
			t.Errorf("README.md: the layout does not name %s", folder)
		}
	}
}

// avoided are words that comments, messages and documentation do not use. CONTRIBUTING.md lists
// them with their replacements.
var avoided = regexp.MustCompile(
	`\b([Nn]obody|[Ww]hoever|[Ss]omebody|[Aa]nybody|[Aa]new|[Dd]ear|[Mm]eanwhile|[Ww]ish|` +
		`[Tt]ime\s+(// )?stamps?)\b`,
)

func TestWords(t *testing.T) {
	for file := range sources(t, ".go", ".md", ".html", ".yaml", ".json") {
		if file == "CONTRIBUTING.md" || path.Ext(file) == ".json" && path.Base(file) != "en.json" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range avoided.FindAllIndex(text, -1) {
			line := 1 + bytes.Count(text[:at[0]], []byte("\n"))
			t.Errorf("%s:%d: say it without %q", file, line, text[at[0]:at[1]])
		}
	}
}

// unbreakable are lines that may be longer: a struct's tag, a long text, a row of a table, and a
// comment that is a table or a diagram.
var unbreakable = regexp.MustCompile("^\\s*//(\t|  )|`( //.*)?$|\"[^\"]{36,}\"|`[^`]{36,}`|^\\s*\\{.*\\},?$")

// TestLines checks that no line of Go code outside of tests is longer than 100 columns, with tabs
// of 4.
func TestLines(t *testing.T) {
	for file := range sources(t, ".go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n, raw := 0, false // in a raw string
		for line := range strings.Lines(string(text)) {
			n++
			line = strings.TrimRight(line, "\n")
			within := raw
			if strings.Count(line, "`")%2 == 1 {
				raw, within = !raw, true
			}
			columns := utf8.RuneCountInString(line) + 3*strings.Count(line, "\t")
			if columns > 100 && !within && !unbreakable.MatchString(line) {
				t.Errorf("%s:%d: break the line: it has %d columns", file, n, columns)
			}
		}
	}
}
