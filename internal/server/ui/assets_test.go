package ui

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestStaticImports(t *testing.T) {
	for script, want := range map[string]string{
		`import"./chunk-A.js";import{a as b,c}from"./chunk-B.js";x()`:         "chunk-A.js chunk-B.js",
		"/* about */\nimport{a}from\"./chunk-A.js\";":                         "chunk-A.js",
		`let u="./chunk-A.js";import("./lazy.js");v("import\"./chunk-B.js");`: "",
		``: "",
	} {
		if got := strings.Join(staticImports([]byte(script)), " "); got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
	a, err := openAssets()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for name, f := range a.files {
		if path.Ext(name) != ".js" || strings.Contains(name, "/") {
			continue
		}
		var want []string
		for _, m := range regexp.MustCompile(`(?:^|;|\n)import(?:\{[^}]*\}from)?"\./([A-Za-z0-9_-]+\.js)"`).FindAllSubmatch(f.data, -1) {
			want = append(want, string(m[1]))
		}
		if got := staticImports(f.data); !slices.Equal(got, want) {
			t.Errorf("%s imports %v, want %v", name, got, want)
		}
		found += len(want)
	}
	if found == 0 {
		t.Error("no script imports a chunk: the bundler writes imports in another form")
	}
}
