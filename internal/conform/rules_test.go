package conform

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
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

// TestDocCounts holds the numbers in docs/conformance.md against the rules and the mistakes.
func TestDocCounts(t *testing.T) {
	text, err := os.ReadFile("../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	_, scores, _ := strings.Cut(string(text), "\n## Scores\n")
	scores, _, _ = strings.Cut(scores, "\n## ")
	rows := regexp.MustCompile(`(?m)^\| .* \| (\d+) \| (\d+) \| (\d+) \|$`).
		FindAllStringSubmatch(scores, -1)
	if len(rows) != 2 {
		t.Errorf("%d scores", len(rows))
	}
	for _, row := range rows {
		sum := 0
		for _, n := range row[1:] {
			count, _ := strconv.Atoi(n)
			sum += count
		}
		if sum != len(rules()) {
			t.Errorf("%s is about %d rules, and there are %d", row[0], sum, len(rules()))
		}
	}
	if all := fmt.Sprintf("| %d | 0 | 0 |", len(rules())); !strings.Contains(scores, all) {
		t.Errorf("the score of the sandbox is not %s", all)
	}
	if all := fmt.Sprintf("prints all %d:", len(Mistakes())); !strings.Contains(string(text), all) {
		t.Errorf("docs/conformance.md does not say %q", all)
	}
}
