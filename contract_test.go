package signet

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const contract = "docs/contract.md"

var (
	heading  = regexp.MustCompile(`(?m)^#{2,3} (\d+(?:\.\d+)?)\.? `)
	ruleLine = regexp.MustCompile(`(?m)^\| (\d+(?:\.\d+)+) \|.*$`)
	evidence = regexp.MustCompile(`^(page(: [^;]+)?|demo app|observed|decided( \(14\.\d+\))?)$`)
	quoted   = regexp.MustCompile("`([^`]+)`")

	// A citation is the name of the document and the numbers after it: "docs/contract.md, 3.5.1 and
	// 14.13".
	citation = regexp.MustCompile(`contract\.md\)?,((?:,| |and|to|\d+(?:\.\d+)*)*)`)
	number   = regexp.MustCompile(`\d+(?:\.\d+)*`)

	// Citations in another form, which the other expressions would miss.
	stray = regexp.MustCompile(
		`(?i)\bcontract(?:'s)?,? (?:sections? )?\d+(?:\.\d+)*|known-unknowns`,
	)
)

// TestContract holds docs/contract.md against the rest of the repository: each number that is cited
// exists, each rule has its evidence and a test, and each test and identifier that it names exists.
func TestContract(t *testing.T) {
	b, err := os.ReadFile(contract)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	names := declared(t)
	exists := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		exists[m[1]] = true
	}
	for _, m := range ruleLine.FindAllStringSubmatch(text, -1) {
		rule, cells := m[1], strings.Split(strings.Trim(m[0], "| "), " | ")
		if exists[rule] {
			t.Errorf("rule %s stands twice", rule)
		}
		exists[rule] = true
		if section := rule[:strings.LastIndexByte(rule, '.')]; !exists[section] {
			t.Errorf("rule %s is not below section %s", rule, section)
		}
		switch unknown := strings.HasPrefix(rule, "14."); {
		case unknown && len(cells) != 6, !unknown && len(cells) != 4:
			t.Errorf("rule %s has %d cells", rule, len(cells))
			continue
		case unknown:
			identifiers(t, names, rule, cells[4], false)
		default:
			for _, e := range strings.Split(cells[2], "; ") {
				if !evidence.MatchString(e) {
					t.Errorf("rule %s: %q is not evidence", rule, e)
				}
			}
		}
		identifiers(t, names, rule, cells[len(cells)-1], true)
	}
	if len(exists) < 100 {
		t.Errorf("only %d rules and sections", len(exists))
	}

	for file, text := range prose(t) {
		for _, m := range citation.FindAllStringSubmatch(text, -1) {
			for _, n := range number.FindAllString(m[1], -1) {
				if !exists[n] {
					t.Errorf("%s cites rule %s, which %s does not have", file, n, contract)
				}
			}
		}
		if file == contract {
			for _, m := range regexp.MustCompile(`\((\d+(?:\.\d+)+(?:, \d+(?:\.\d+)+)*)\)|row (14\.\d+)`).FindAllStringSubmatch(text, -1) {
				for _, n := range number.FindAllString(m[1]+" "+m[2], -1) {
					if !exists[n] {
						t.Errorf("%s refers to rule %s, which it does not have", file, n)
					}
				}
			}
			continue
		}
		for _, m := range stray.FindAllString(text, -1) {
			t.Errorf("%s: write %q as %q", file, m, contract+", n")
		}
	}
}

// identifiers checks the quoted names of a cell: at least one, each declared in a package, tests
// where tests are named.
func identifiers(t *testing.T, names map[string]bool, rule, cell string, tests bool) {
	t.Helper()
	found := quoted.FindAllStringSubmatch(cell, -1)
	if len(found) == 0 {
		t.Errorf("rule %s: %q names nothing", rule, cell)
	}
	for _, m := range found {
		_, name, _ := strings.Cut(m[1], ".")
		if isTest := strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz"); isTest != tests ||
			!names[m[1]] {
			t.Errorf("rule %s: there is no %s", rule, m[1])
		}
	}
}

// declared lists what the packages declare at the top: functions, types, variables and constants as
// "package.Name", methods and fields as "package.Type.Name". A package is named after its folder.
func declared(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for file := range sources(t, ".go") {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		pkg := path.Base(path.Dir(file)) + "."
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					names[pkg+d.Name.Name] = true
				} else if of := strings.TrimPrefix(fmt.Sprint(exprName(d.Recv.List[0].Type)), "*"); of != "" {
					names[pkg+of+"."+d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.ValueSpec:
						for _, n := range s.Names {
							names[pkg+n.Name] = true
						}
					case *ast.TypeSpec:
						names[pkg+s.Name.Name] = true
						var members *ast.FieldList
						switch of := s.Type.(type) {
						case *ast.StructType:
							members = of.Fields
						case *ast.InterfaceType:
							members = of.Methods
						default:
							continue
						}
						for _, field := range members.List {
							for _, n := range field.Names {
								names[pkg+s.Name.Name+"."+n.Name] = true
							}
						}
					}
				}
			}
		}
	}
	return names
}

// exprName is the name of a receiver's type.
func exprName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return exprName(e.X)
	}
	return ""
}

// prose returns the text of each document, and of each comment of the code as one line.
func prose(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for file := range sources(t, ".md", ".yaml", ".ts", ".html", ".go") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		if path.Ext(file) == ".go" && file != "contract_test.go" {
			f, err := parser.ParseFile(
				token.NewFileSet(), file, b, parser.ParseComments|parser.SkipObjectResolution,
			)
			if err != nil {
				t.Fatal(err)
			}
			comments := []string{}
			for _, c := range f.Comments {
				comments = append(comments, c.Text())
			}
			text = strings.Join(comments, "\n")
		}
		if file == "contract_test.go" {
			continue
		}
		out[file] = strings.Join(strings.Fields(text), " ")
	}
	return out
}

// sources yields the files with one of the endings, by their slash-separated paths.
func sources(t *testing.T, endings ...string) func(func(string) bool) {
	t.Helper()
	return func(yield func(string) bool) {
		err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if name := d.Name(); d.IsDir() && file != "." &&
				(strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata" || name == "dist" || name == "artifacts") {
				return fs.SkipDir
			}
			if !d.IsDir() && slices.Contains(endings, path.Ext(file)) &&
				!yield(filepath.ToSlash(file)) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestArchitectureNames checks that what ARCHITECTURE.md and README.md name as package.Name or
// package.Type.Name exists, so that a reader can follow them.
func TestArchitectureNames(t *testing.T) {
	names, packages := declared(t), map[string]bool{}
	for name := range names {
		pkg, _, _ := strings.Cut(name, ".")
		packages[pkg] = true
	}
	n := 0
	for _, file := range []string{"ARCHITECTURE.md", "README.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cited := regexp.MustCompile("[`\\[](([a-z0-9]+)\\.[A-Za-z]\\w*(?:\\.\\w+)?)[`\\]]")
		for _, m := range cited.FindAllStringSubmatch(string(text), -1) {
			if ext := path.Ext(m[1]); !packages[m[2]] || ext == ".sum" || ext == ".log" {
				continue // a file, or a package of others
			}
			if n++; !names[m[1]] {
				t.Errorf("%s: there is no %s", file, m[1])
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d names", n)
	}
}

// TestGuide checks that the tests and scripts that docs/operating.md names as those that follow its
// procedures exist.
func TestGuide(t *testing.T) {
	text, err := os.ReadFile("docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for name := range declared(t) {
		tests[name[strings.LastIndexByte(name, '.')+1:]] = true
	}
	n := 0
	for _, name := range regexp.MustCompile("`(Test[A-Z]\\w+|guide-[a-z-]+)`").FindAllString(string(text), -1) {
		n++
		name = strings.Trim(name, "`")
		script := "cmd/signet/testdata/script/" + name + ".txtar"
		if _, err := os.Stat(script); err != nil && !tests[name] {
			t.Errorf("there is no %s", name)
		}
	}
	if n < 8 {
		t.Errorf("the guide names %d tests", n)
	}
}
