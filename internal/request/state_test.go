package request

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// text returns a cell in the form of doc.go.
func (c cell) text() string {
	switch {
	case c.refuse != nil && c.logged:
		return c.refuse.Code + "*"
	case c.refuse != nil:
		return c.refuse.Code
	case c.ends:
		return "-> " + string(c.to) + " or " + string(table[ActExpire][c.to].to)
	case c.to != "":
		return "-> " + string(c.to)
	}
	return "-"
}

// docTable returns the table in the form that doc.go must show.
func docTable() string {
	rows := [][]string{{""}}
	for _, s := range states {
		rows[0] = append(rows[0], string(s))
	}
	for _, a := range actions {
		row := []string{string(a)}
		for _, s := range states {
			row = append(row, table[a][s].text())
		}
		rows = append(rows, row)
	}
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, c := range row {
			width[i] = max(width[i], len(c))
		}
	}
	var b strings.Builder
	line := func(row []string, pad string) {
		b.WriteString("//\t|")
		for i, c := range row {
			fmt.Fprintf(
				&b, "%s%s%s%s|", pad, c, strings.Repeat(string(pad[0]), width[i]-len(c)), pad,
			)
		}
		b.WriteString("\n")
	}
	for i, row := range rows {
		line(row, " ")
		if i == 0 {
			line(make([]string, len(row)), "-")
		}
	}
	return b.String()
}

func TestDocTellsTheTable(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	if want := docTable(); !strings.Contains(string(doc), want) {
		t.Errorf("doc.go does not hold the table of state.go, which is\n%s", want)
	}
}

func TestTableIsWhole(t *testing.T) {
	if len(table) != len(actions) {
		t.Errorf("%d rows for %d actions", len(table), len(actions))
	}
	for _, a := range actions {
		if len(table[a]) != len(states) {
			t.Errorf("%s: %d cells for %d states", a, len(table[a]), len(states))
		}
		for s, c := range table[a] {
			if c.to != "" && c.refuse != nil {
				t.Errorf("%s in %s: both a next state and a refusal", a, s)
			}
		}
	}
}

// TestTraits walks every state.
func TestTraits(t *testing.T) {
	type row struct {
		inSession, approved, signed, mayLogin, mayAnnounce, keepsUpload, final bool
		due                                                                    string
	}
	const yes, no = true, false
	ends, expires := dawn.Add(time.Minute), dawn.Add(time.Hour)
	for s, want := range map[State]row{
		//               in session, approved, signed, may log in, may announce, keeps upload, final, due
		StateCreated:   {no, no, no, yes, no, yes, no, "request"},
		StateLocked:    {no, no, no, yes, no, yes, no, "request"},
		StateSession:   {yes, no, no, yes, no, yes, no, "session"},
		StateSealing:   {no, yes, no, yes, no, yes, no, ""},
		StateStalled:   {no, yes, no, yes, no, yes, no, ""},
		StateSigned:    {no, yes, yes, yes, yes, no, yes, ""},
		StateExpired:   {no, no, no, no, no, no, yes, ""},
		StateCancelled: {no, no, no, no, no, no, yes, ""},
	} {
		got := row{
			s.InSession(), s.Approved(), s.Signed(), s.MayLogin(), s.MayAnnounce(), s.KeepsUpload(),
			s.Final(), "",
		}
		r := &Request{State: s, ExpiresAt: expires, Session: &Session{EndsAt: ends}}
		if at, ok := r.DueAt(); ok {
			got.due = map[time.Time]string{ends: "session", expires: "request"}[at]
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", s, got, want)
		}
		for _, a := range actions {
			if s.Refusal(a) != table[a][s].refuse {
				t.Errorf("%s, %s: another refusal than the table's", s, a)
			}
		}
	}
	if len(traitsOf) != len(states) {
		t.Errorf("traits of %d states, there are %d", len(traitsOf), len(states))
	}
}

// TestOnlyTheTableDecides finds comparisons with a state, switches on states and changes to a named
// state outside state.go. They are decisions, and belong into the table or to the traits.
func TestOnlyTheTableDecides(t *testing.T) {
	isState := regexp.MustCompile(
		`^State(Created|Locked|Session|Sealing|Stalled|Signed|Expired|Cancelled)$`,
	)
	fset := token.NewFileSet()
	seen := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") ||
			strings.HasSuffix(path, "_test.go") ||
			path == filepath.Join("..", "request", "state.go") ||
			strings.Contains(path, "storetest") {
			return err
		}
		seen++
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		check := func(exprs ...ast.Expr) {
			for _, e := range exprs {
				if s, ok := e.(*ast.SelectorExpr); ok {
					e = s.Sel
				}
				if id, ok := e.(*ast.Ident); ok && isState.MatchString(id.Name) {
					t.Errorf("%s decides by %s", fset.Position(id.Pos()), id.Name)
				}
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				check(n.X, n.Y)
			case *ast.CaseClause:
				check(n.List...)
			case *ast.AssignStmt:
				check(n.Rhs...)
			}
			return true
		})
		return nil
	})
	if err != nil || seen < 100 {
		t.Errorf("%d files looked at, %v", seen, err)
	}
}
