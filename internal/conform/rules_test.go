package conform

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestRules holds the rules against docs/contract.md: each number exists once, the basis is the
// first evidence there, and the rules are in order.
func TestRules(t *testing.T) {
	text, err := os.ReadFile("../../docs/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	bases := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+(?:\.\d+)+) \| .* \| ([^|]+) \| [^|]+ \|$`).
		FindAllStringSubmatch(string(text), -1) {
		first, _, _ := strings.Cut(m[2], ";")
		first, _, _ = strings.Cut(first, ":")
		first, _, _ = strings.Cut(first, " (")
		bases[m[1]] = map[string]string{"demo app": observed}[first]
		if bases[m[1]] == "" {
			bases[m[1]] = first
		}
	}
	seen := map[string]bool{}
	for _, r := range rules() {
		if seen[r.number] {
			t.Errorf("rule %s stands twice", r.number)
		}
		seen[r.number] = true
		if bases[r.number] != r.basis {
			t.Errorf(
				"rule %s is %s, and in docs/contract.md %q", r.number, r.basis, bases[r.number],
			)
		}
		if r.title == "" || strings.HasSuffix(r.title, ".") || len(r.title) > 75 {
			t.Errorf("rule %s: %q", r.number, r.title)
		}
	}
	for _, m := range Mistakes() {
		if !seen[m.Rule] {
			t.Errorf("%s: there is no rule %s", m.Name, m.Rule)
		}
	}
}
