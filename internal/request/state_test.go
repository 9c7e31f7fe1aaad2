package request

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// text is a cell as doc.go writes it.
func (c cell) text() string {
	switch {
	case c.refuse != nil && c.logged:
		return c.refuse.Code + "*"
	case c.refuse != nil:
		return c.refuse.Code
	case c.to != "":
		return "-> " + string(c.to)
	}
	return "-"
}

// docTable is the table as doc.go has to show it.
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
			fmt.Fprintf(&b, "%s%s%s%s|", pad, c, strings.Repeat(string(pad[0]), width[i]-len(c)), pad)
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
