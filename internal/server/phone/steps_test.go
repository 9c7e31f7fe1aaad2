package phone

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestStepsOfScripts shows that the page has a step for each one that the scripts show, and that
// the enrolment page names each way in which its script says that the session ended.
func TestStepsOfScripts(t *testing.T) {
	for file, steps := range map[string][]string{
		"approve.ts": append(phoneProblems(), "loading", "ask", "approved", "signed", "rejected"),
		"enrol.ts":   Enrol{Next: "/phone/sign/x", Session: 1}.Ends(),
	} {
		script, err := os.ReadFile("../../../web/src/" + file)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		patterns := `"([A-Z]{3,}_?[A-Z_]+)"`
		if file == "approve.ts" {
			patterns += `|show\("(\w+)"\)|\? "(\w+)" : "\w+"\);`
		}
		for _, m := range regexp.MustCompile(patterns).FindAllStringSubmatch(string(script), -1) {
			step := m[len(m)-1]
			for _, group := range m[1:] {
				if group != "" {
					step = group
				}
			}
			if step == "SIGNING_IN_PROGRESS" || step == "TOO_MANY_PHONES" ||
				step == "PHONE_NOT_ENROLLED" && file == "enrol.ts" {
				continue // error codes of calls
			}
			if found++; !slices.Contains(steps, step) {
				t.Errorf("%s shows %s, for which the page has no step", file, step)
			}
		}
		if found < 4 {
			t.Errorf("%s: found %d steps", file, found)
		}
	}
}
