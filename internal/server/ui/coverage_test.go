package ui_test

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"text/template/parse"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/server/phone"
	"github.com/signet-sign/signet/internal/server/portal"
	"github.com/signet-sign/signet/internal/server/sandbox"
	"github.com/signet-sign/signet/internal/server/ui"
)

// branches counts how often each branch of the templates was rendered. A key is the position of
// the branch and its condition.
type branches map[string]int

// instrument returns the templates with a call at the start of each branch that counts it. A
// condition without "else" has a branch for its absence.
func (b branches) instrument(t *testing.T, set ui.Templates) ui.Templates {
	t.Helper()
	files := fstest.MapFS{}
	own := (&ui.Kit{}).TemplateSets()[0].Files // of package ui
	for from, pattern := range map[fs.FS]string{own: "templates/_*.html", set.Files: "templates/*.html"} {
		names, err := fs.Glob(from, pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := fs.ReadFile(from, name)
			if err != nil {
				t.Fatal(err)
			}
			files[name] = &fstest.MapFile{Data: b.rewrite(t, name, string(text))}
		}
	}
	functions := maps.Clone(set.Functions)
	if functions == nil {
		functions = map[string]any{}
	}
	functions["branch"] = func(key string) string { b[key]++; return "" }
	return ui.Templates{Files: files, Functions: functions}
}

// rewrite adds the calls to the source of a template file.
func (b branches) rewrite(t *testing.T, name, text string) []byte {
	t.Helper()
	trees := map[string]*parse.Tree{}
	root := parse.New(name)
	root.Mode = parse.SkipFuncCheck
	if _, err := root.Parse(text, "", "", trees); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, define := range slices.Sorted(maps.Keys(trees)) {
		b.walk(trees[define], trees[define].Root)
		fmt.Fprintf(&out, "{{define %q}}%s{{end}}\n", define, trees[define].Root)
	}
	return []byte(out.String())
}

func (b branches) walk(tree *parse.Tree, list *parse.ListNode) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		var branch *parse.BranchNode
		switch n := node.(type) {
		case *parse.IfNode:
			branch = &n.BranchNode
		case *parse.WithNode:
			branch = &n.BranchNode
		case *parse.RangeNode:
			branch = &n.BranchNode
		default:
			continue
		}
		b.walk(tree, branch.List)
		b.walk(tree, branch.ElseList)
		at, _ := tree.ErrorContext(node)
		at = strings.TrimPrefix(at, "templates/")
		b.mark(branch.List, at+" "+branch.Pipe.String())
		if branch.ElseList == nil && node.Type() != parse.NodeRange {
			branch.ElseList = &parse.ListNode{NodeType: parse.NodeList}
		}
		if branch.ElseList != nil {
			b.mark(branch.ElseList, at+" not "+branch.Pipe.String())
		}
	}
}

// mark puts the call that counts a branch before its content. The parser has read the content
// already, so the call may be text.
func (b branches) mark(list *parse.ListNode, key string) {
	b[key] += 0
	call := &parse.TextNode{
		NodeType: parse.NodeText, Text: fmt.Appendf(nil, "{{$_ := branch %q}}", key),
	}
	list.Nodes = slices.Insert(list.Nodes, 0, parse.Node(call))
}

// TestGalleryIsComplete checks that the gallery shows every page and every state: each branch of
// each template is rendered by a sample.
func TestGalleryIsComplete(t *testing.T) {
	count := branches{}
	var sets []ui.Templates
	for _, set := range []ui.Templates{
		portal.Templates(), phone.Templates(), console.Templates(), sandbox.Templates(),
	} {
		sets = append(sets, count.instrument(t, set))
	}
	for _, sandboxed := range []bool{true, false} {
		k, err := ui.New(ui.Options{
			Now: GalleryTime, Location: request.Singapore(), Sandbox: sandboxed, Templates: sets,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range Gallery() {
			render(t, k, s, "", nil)
		}
	}
	never := []string{ // conditions that hold for every page that a handler renders today
		"not .Script", "not .Strings", `not eq . "done"`, "not $p.Certificate", "not $p.Verdict",
	}
	for _, key := range slices.Sorted(maps.Keys(count)) {
		_, condition, _ := strings.Cut(key, " ")
		if count[key] == 0 && !slices.Contains(never, condition) {
			t.Errorf("no sample of the gallery renders the branch %s", key)
		}
	}
}
