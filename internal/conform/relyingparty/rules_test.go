package relyingparty

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestDocCounts holds the numbers in docs/conformance.md against the rules and the mistakes.
func TestDocCounts(t *testing.T) {
	text, err := os.ReadFile("../../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Relying parties\n")
	for _, want := range []string{
		fmt.Sprintf("Each of %d rules", len(rules)),
		fmt.Sprintf("prints %d mistakes", len(Mistakes)),
		fmt.Sprintf("| `--plant right` | %d | 0 | 0 |", len(rules)),
	} {
		if !strings.Contains(section, want) {
			t.Errorf("docs/conformance.md does not say %q", want)
		}
	}
	last := map[string]string{} // number by letter
	for _, r := range rules {
		last[r.id[:1]] = r.id[1:]
	}
	ranges := regexp.MustCompile(`(?m)^\| ([A-Z])1(?: to|,) ([A-Z])(\d+) \|`).
		FindAllStringSubmatch(section, -1)
	if len(ranges) != len(last) {
		t.Errorf("%d letters of rules, and %d in the table", len(last), len(ranges))
	}
	for _, row := range ranges {
		if row[1] != row[2] || last[row[1]] != row[3] {
			t.Errorf("%s: the last rule is %s", row[0], row[1]+last[row[1]])
		}
	}
	scores := regexp.MustCompile(`\| (\d+) \| (\d+) \| (\d+) \||score is (\d+), (\d+) and (\d+)`).
		FindAllStringSubmatch(strings.Join(strings.Fields(section), " "), -1)
	if len(scores) != 7 {
		t.Errorf("%d scores", len(scores))
	}
	for _, score := range scores {
		sum := 0
		for _, n := range score[1:] {
			count, _ := strconv.Atoi(n) // 0 for what is of the other form
			sum += count
		}
		if sum != len(rules) {
			t.Errorf("%s is about %d rules, and there are %d", score[0], sum, len(rules))
		}
	}
}
