// Package report is the form of a conformance report: one verdict for each rule, with the exchanges
// that show it, as a table, as JSON and as JUnit XML. Start at [Report] and [Recorder].
//
// The package judges nothing: package conform judges servers, and the exchanges that it gives to a
// verdict come from a Recorder, which cuts secrets.
package report

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// Outcome is the verdict on a rule.
type Outcome string

// The outcomes.
const (
	Pass Outcome = "pass"
	Fail Outcome = "fail"
	// the rule could not be judged from outside, or not this time
	CannotTell Outcome = "cannot tell"
)

// Verdict is the outcome of one rule.
type Verdict struct {
	Rule     string        `json:"rule"`            // its number, such as "2.3.5"
	Title    string        `json:"title"`           // the rule in one line
	Basis    string        `json:"basis,omitempty"` // its evidence: "page", "observed" or "decided"
	Outcome  Outcome       `json:"outcome"`
	Reason   string        `json:"reason,omitempty"` // why it is not a pass
	Took     time.Duration `json:"-"`
	Evidence []Exchange    `json:"evidence,omitempty"` // in the order of the requests
}

// Report is the verdicts about one subject.
type Report struct {
	Name     string    `json:"name"`    // of the suite, such as "signet conform"
	Subject  string    `json:"subject"` // what was judged, such as the base URL
	Began    time.Time `json:"began"`
	Verdicts []Verdict `json:"verdicts"` // in the order of the rules
}

// Count returns the number of verdicts with an outcome.
func (r *Report) Count(o Outcome) (n int) {
	for _, v := range r.Verdicts {
		if v.Outcome == o {
			n++
		}
	}
	return n
}

// WriteJSON writes the report with all its evidence.
func (r *Report) WriteJSON(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(struct {
		*Report
		Pass       int `json:"pass"`
		Fail       int `json:"fail"`
		CannotTell int `json:"cannot_tell"`
	}{r, r.Count(Pass), r.Count(Fail), r.Count(CannotTell)})
}

// WriteTable writes a line for each rule, with the reason below it unless it passed, then the
// exchanges of the rules that failed, and the totals.
func (r *Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	for _, v := range r.Verdicts {
		fmt.Fprintf(&b, "%-8s %-11s  %-8s  %s\n", v.Rule, v.Outcome, v.Basis, v.Title)
		if v.Reason != "" {
			fmt.Fprintf(&b, "%33s%s\n", "", v.Reason)
		}
	}
	for _, v := range r.Verdicts {
		if v.Outcome == Fail {
			fmt.Fprintf(&b, "\n%s %s\n%s", v.Rule, v.Reason, indented(v.Evidence))
		}
	}
	fmt.Fprintf(
		&b, "\n%s: %d pass, %d fail, %d cannot tell\n", r.Subject, r.Count(Pass), r.Count(Fail),
		r.Count(CannotTell),
	)
	var bases []string
	pass, all := map[string]int{}, map[string]int{}
	for _, v := range r.Verdicts {
		if v.Outcome == CannotTell || v.Basis == "" {
			continue
		}
		if all[v.Basis] == 0 {
			bases = append(bases, v.Basis)
		}
		all[v.Basis]++
		if v.Outcome == Pass {
			pass[v.Basis]++
		}
	}
	for _, basis := range bases {
		fmt.Fprintf(&b, "  %-8s  %d of %d judged rules pass\n", basis, pass[basis], all[basis])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// indented is the text of exchanges below a verdict.
func indented(list []Exchange) string {
	var b strings.Builder
	for _, e := range list {
		for line := range strings.Lines(e.String()) {
			b.WriteString("    " + strings.TrimRight(line, "\n") + "\n")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// The elements of a JUnit report that test tools read.
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"` // seconds
		Began    string      `xml:"timestamp,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitMessage `xml:"failure"`
		Skipped *junitMessage `xml:"skipped"`
		Output  string        `xml:"system-out,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the report as a test suite: a rule is a case, a failed rule a failure, and a
// rule that cannot be judged a skipped case.
func (r *Report) WriteJUnit(w io.Writer) error {
	suite := junitSuite{
		Name: r.Name, Tests: len(r.Verdicts), Failures: r.Count(Fail), Skipped: r.Count(CannotTell),
		Began: r.Began.UTC().Format("2006-01-02T15:04:05"),
	}
	var total time.Duration
	for _, v := range r.Verdicts {
		total += v.Took
		c := junitCase{
			Class: r.Name, Name: v.Rule + " " + v.Title, Time: seconds(v.Took),
			Output: indented(v.Evidence),
		}
		switch v.Outcome {
		case Fail:
			c.Failure = &junitMessage{v.Reason, c.Output}
			c.Output = ""
		case CannotTell:
			c.Skipped = &junitMessage{Message: v.Reason}
		}
		suite.Cases = append(suite.Cases, c)
	}
	suite.Time = seconds(total)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	out := xml.NewEncoder(w)
	out.Indent("", "  ")
	if err := out.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
