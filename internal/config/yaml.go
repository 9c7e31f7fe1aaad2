package config

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// DecodeYAML decodes the one YAML document of text into v. Its errors are for those who write such
// files: each has the line, the key, what was found and what is expected. Unknown keys are refused.
func DecodeYAML(text []byte, v any) error {
	d := yaml.NewDecoder(strings.NewReader(string(text)))
	var doc, second yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF): // nothing, or comments only
		if t := reflect.TypeOf(v).Elem(); t.Kind() == reflect.Slice {
			return fmt.Errorf("the whole is empty and must be %s", wanted(t))
		}
		return nil
	case err != nil:
		return syntaxProblem(string(text), err)
	}
	var p problems
	if len(doc.Content) > 0 {
		p.judge(doc.Content[0], reflect.TypeOf(v).Elem(), "", "")
	}
	if err := d.Decode(&second); err == nil {
		p.add(&second, "a second document begins, and only one is read: remove the line ---")
	}
	if len(p.list) > 0 {
		return errors.Join(p.list...)
	}
	d = yaml.NewDecoder(strings.NewReader(string(text)))
	d.KnownFields(true)
	return d.Decode(v)
}

// problems collects what is wrong with a document.
type problems struct {
	list []error
}

func (p *problems) add(n *yaml.Node, format string, args ...any) {
	p.list = append(p.list, fmt.Errorf("line %d: %s", n.Line, fmt.Sprintf(format, args...)))
}

// judge judges the value n of the key at path for a Go type. tag is that of the key's field.
func (p *problems) judge(n *yaml.Node, t reflect.Type, path string, tag reflect.StructTag) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name, what := path, found(n)
	if name == "" {
		name = "the whole"
		if n.Kind == yaml.ScalarNode { // which may be a secret
			what = "a single text"
		}
	}
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null" && path != "":
		// A key without a value is an empty text or list.
		if !strings.Contains(path, ".") && t.Kind() != reflect.String && t.Kind() != reflect.Slice {
			p.add(n, "%s has no value: give it %s, or remove the line", name, wanted(t))
		}
	case t.Kind() == reflect.Struct && n.Kind == yaml.MappingNode:
		p.judgeKeys(n, t, path)
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for _, item := range n.Content {
			p.judge(item, t.Elem(), path, "")
		}
	case t.Kind() == reflect.Map && n.Kind == yaml.MappingNode:
	case n.Kind == yaml.ScalarNode && n.Decode(reflect.New(t).Interface()) == nil:
		if enum := tag.Get("enum"); enum != "" && !slices.Contains(strings.Split(enum, ","), n.Value) {
			values := strings.Split(strings.Trim(enum, ","), ",")
			p.add(n, "%s is %s and must be %s", name, what, orList(values))
		}
	default:
		p.add(n, "%s is %s and must be %s%s", name, what, wanted(t), unitOf(path))
	}
}

// judgeKeys judges the keys of a mapping and their values.
func (p *problems) judgeKeys(n *yaml.Node, t reflect.Type, path string) {
	fields := map[string]reflect.StructField{}
	var known []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			fields[name] = t.Field(i)
			known = append(known, name)
		}
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Tag == "!!merge" {
			continue
		}
		inner := key.Value
		if path != "" {
			inner = path + "." + key.Value
		}
		field, ok := fields[key.Value]
		switch {
		case !ok:
			p.add(key, "there is no key %s%s", inner, suggestion(key.Value, known))
		case lines[key.Value] > 0:
			p.add(key, "%s is there twice; the first is in line %d", inner, lines[key.Value])
		default:
			p.judge(value, field.Type, inner, field.Tag)
		}
		lines[key.Value] = key.Line
	}
}

// suggestion says which key may be meant by one that is unknown.
func suggestion(key string, known []string) string {
	normal := strings.ReplaceAll(strings.ToLower(key), "-", "_")
	best, least := "", len(normal)/3+1
	for _, name := range known {
		if d := distance(normal, name); d < least {
			best, least = name, d
		}
	}
	switch {
	case best != "":
		return "; did you mean " + best + "?"
	case len(known) < 20:
		return "; there are " + strings.Join(known, ", ")
	}
	return "; --help lists the keys, as flags"
}

// distance returns how many bytes must be inserted, removed or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// found describes a value.
func found(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a group of keys"
	case yaml.SequenceNode:
		return "a list"
	}
	value := n.Value
	if r := []rune(value); len(r) > 40 {
		value = string(r[:40]) + "…"
	}
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		return fmt.Sprintf("%q in quotes", value)
	}
	return fmt.Sprintf("%q", value)
}

// wanted describes the values that a Go type takes.
func wanted(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Duration](), t.Kind() == reflect.Int64 && t.Name() == "Duration":
		return "a duration: a number with its unit, such as 90s, 30m or 24h"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "a text"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String:
		return "a list, such as [one, another]"
	case t.Kind() == reflect.Slice:
		return `a list, whose items begin with "- "`
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		return "a group of lines such as key: value"
	case t.Kind() == reflect.Float64:
		return "a number"
	case t.Kind() == reflect.Uint64:
		return "a whole number, not negative"
	}
	return "a whole number"
}

// unitOf names the unit of a key that has one in its name.
func unitOf(key string) string {
	switch {
	case strings.Contains(key, "_mib"):
		return " of MiB, without a unit"
	case strings.HasSuffix(key, "_days"):
		return " of days, without a unit"
	}
	return ""
}

// orList joins values with "or".
func orList(values []string) string {
	last := len(values) - 1
	if last < 1 {
		return strings.Join(values, "")
	}
	return strings.Join(values[:last], ", ") + " or " + values[last]
}

// lineOf finds the line in an error of the YAML parser.
var lineOf = regexp.MustCompile(`line (\d+):? *`)

// syntaxHints says what causes an error of the YAML parser.
var syntaxHints = []struct{ says, hint string }{
	{"cannot start any token", "a text that begins with @, ` or % needs quotes"},
	{
		"mapping values are not allowed",
		`a text with ": " in it needs quotes; or the line is indented too far, or the one above ` +
			`has no colon`,
	},
	{"block sequence entries are not allowed", `an item "- " is at the wrong place: it begins a line of its own`},
	{"did not find expected key", "the line does not begin in the column of those above, or a text needs quotes"},
	{"did not find expected '-' indicator", "the line does not begin in the column of those above"},
	{"could not find expected ':'", "a key without a colon, or a colon without a space after it"},
	{"did not find expected ',' or", "a [ or { is not closed, or a comma is missing"},
	{"did not find expected node content", "a [ or { is not closed"},
	{"unexpected end of stream", "a quote is not closed"},
	{"unknown escape character", `a text in double quotes has a backslash: use single quotes, or \\`},
	{"unknown anchor", "a text that begins with * needs quotes"},
	{"anchor", "a text that begins with & or * needs quotes"},
	{"control characters are not allowed", "a character that is no text; save the file as UTF-8"},
	{"UTF-", "the file is not text in UTF-8"},
}

// syntaxProblem explains an error of the YAML parser.
func syntaxProblem(text string, err error) error {
	says := strings.TrimPrefix(err.Error(), "yaml: ")
	where := ""
	if at := lineOf.FindString(says); at != "" {
		where = strings.TrimRight(at, ": ") + ": "
		says = strings.Replace(says, at, "", 1)
	}
	if strings.Contains(says, "cannot start any token") || strings.Contains(says, "tab") {
		for i, line := range strings.Split(text, "\n") {
			if strings.HasPrefix(strings.TrimLeft(line, " "), "\t") {
				return fmt.Errorf("line %d: the line begins with a tab: indent with spaces", i+1)
			}
		}
	}
	for _, h := range syntaxHints {
		if strings.Contains(says, h.says) {
			return fmt.Errorf("%s%s", where, h.hint)
		}
	}
	return fmt.Errorf("%sthis is not YAML: %s", where, says)
}
