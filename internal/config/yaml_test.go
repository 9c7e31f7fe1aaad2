package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// goWords finds what an operator need not know: Go's types, and YAML's tags.
var goWords = regexp.MustCompile(`\b[a-z]+\.[A-Z]|!!|\bu?int(64)?\b|\bbool\b|float|string|struct|slice|construct`)

// TestMistakeInEveryKey makes each kind of mistake in each key of the configuration, and in those
// of parties, personas and faults, and reads what is said of it.
func TestMistakeInEveryKey(t *testing.T) {
	mistakes := func(text, path, want string) {
		t.Helper()
		err := DecodeYAML([]byte(text), new(Config))
		if err == nil {
			t.Errorf("no error for\n%s", text)
			return
		}
		line := strings.Count(strings.TrimSuffix(text, "\n"), "\n") + 1
		if got := err.Error(); !strings.HasPrefix(got, fmt.Sprintf("line %d: ", line)) ||
			!strings.Contains(got, path) || !strings.Contains(got, want) || goWords.MatchString(got) ||
			strings.Contains(got, "\n") {
			t.Errorf("%q for\n%s\nwant line %d, %s and %q", got, text, line, path, want)
		}
	}
	tried := 0
	var walk func(s reflect.Type, above, indent, path string)
	walk = func(s reflect.Type, above, indent, path string) {
		for i := range s.NumField() {
			f := s.Field(i)
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if key == "-" {
				continue
			}
			tried++
			lead := above + indent + key + ": "
			misspelt := above + indent + key[:1] + key[2:] + ": x\n"
			mistakes(misspelt, path+key[:1]+key[2:], "there is no key")
			kind := f.Type
			if kind.Kind() == reflect.Pointer {
				kind = kind.Elem()
			}
			right, wrong, want := "x", "{a: b}", "must be a text"
			switch {
			case kind.Name() == "Duration":
				right, wrong, want = "90s", "90", "must be a duration"
			case kind.Kind() == reflect.Bool:
				right, wrong, want = "true", "maybe", "must be true or false"
			case kind.Kind() == reflect.Float64:
				right, wrong, want = "0.5", "half", "must be a number"
			case kind.Kind() == reflect.Int, kind.Kind() == reflect.Uint64:
				right, wrong, want = "1", "1GB", "must be a whole number"
			case kind.Kind() == reflect.Slice:
				right, wrong, want = "[]", "x", "must be a list"
			case kind.Kind() == reflect.Map:
				right, wrong, want = "{}", "x", "must be a group of lines"
			case f.Tag.Get("enum") != "":
				right, _, _ = strings.Cut(f.Tag.Get("enum"), ",")
				mistakes(lead+"else\n", path+key, `is "else" and must be `+right)
			}
			mistakes(lead+wrong+"\n", path+key, want)
			mistakes(
				lead+right+"\n"+strings.ReplaceAll(indent, "-", " ")+key+": "+right+"\n", path+key,
				"is there twice; the first is in line",
			)
			if kind.Kind() == reflect.Slice && kind.Elem().Kind() == reflect.Struct {
				walk(kind.Elem(), key+":\n", "  - ", key+".")
			}
		}
	}
	walk(reflect.TypeFor[Config](), "# a comment\n", "", "")
	if tried < 120 {
		t.Errorf("%d keys", tried)
	}
}

func TestYAMLMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "",
		"# nothing\n":         "",
		"listen: x\n":         "",
		"rehearsal: yes\n":    "",
		"drain_delay: 0\n":    "",
		"webhook_ladder: off": "",
		"defaults: &d {name: a}\nparties: [{<<: *d, client_id: b}]\n": "line 1: there is no key defaults; did you mean faults?",
		"parties: [&d {name: a}, {<<: *d, client_id: b}]\n":           "",

		"sesion_lifetime: 60s\n":         "line 1: there is no key sesion_lifetime; did you mean session_lifetime?",
		"session-lifetime: 60s\n":        "line 1: there is no key session-lifetime; did you mean session_lifetime?",
		"Listen: x\n":                    "line 1: there is no key Listen; did you mean listen?",
		"colour: red\n":                  "line 1: there is no key colour; --help lists the keys, as flags",
		"personas:\n- {age: 7}\n":        "line 2: there is no key personas.age; there are uin, name, note, behaviour",
		"rehearsal: 'true'\n":            `line 1: rehearsal is "true" in quotes and must be true or false`,
		"upload_mib: 1GB\n":              `line 1: upload_mib is "1GB" and must be a whole number of MiB, without a unit`,
		"retain_calls_days: 90d\n":       `line 1: retain_calls_days is "90d" and must be a whole number of days, without a unit`,
		"fault_seed: -1\n":               `line 1: fault_seed is "-1" and must be a whole number, not negative`,
		"session_lifetime:\n":            "line 1: session_lifetime has no value: give it a duration: a number with its unit, such as 90s, 30m or 24h, or remove the line",
		"log_level: loud\n":              `line 1: log_level is "loud" and must be debug, info, warn or error`,
		"parties: {client_id: a}\n":      `line 1: parties is a group of keys and must be a list, whose items begin with "- "`,
		"parties:\n  - a\n":              `line 2: parties is "a" and must be a group of lines such as key: value`,
		"tsa_urls: http://x,http://y\n":  `line 1: tsa_urls is "http://x,http://y" and must be a list, such as [one, another]`,
		"a secret":                       "line 1: the whole is a single text and must be a group of lines such as key: value",
		"[a]\n":                          "line 1: the whole is a list and must be a group of lines such as key: value",
		"listen: a\n---\nlisten: b\n":    "line 2: a second document begins, and only one is read: remove the line ---",
		"liste: a\nlog_levle: info\n":    "line 1: there is no key liste; did you mean listen?\nline 2: there is no key log_levle; did you mean log_level?",
		"listen: a\nlisten: b\n":         "line 2: listen is there twice; the first is in line 1",
		"parties:\n\t- name: a\n":        "line 2: the line begins with a tab: indent with spaces",
		"parties:\n  - a: 1\n   b: 2\n":  "line 3: the line does not begin in the column of those above",
		"parties:\n- name: Foo: Bar\n":   `line 2: a text with ": " in it needs quotes; or the line is indented too far, or the one above has no colon`,
		"listen 1:2\ncontrol: x\n":       `line 2: a text with ": " in it needs quotes; or the line is indented too far, or the one above has no colon`,
		"listen: @a\n":                   "line 1: a text that begins with @, ` or % needs quotes",
		"listen: *a\n":                   "line 1: a text that begins with * needs quotes",
		"listen: \"a\n":                  "line 2: a quote is not closed",
		"parties: [{name: a}\n":          "line 2: a [ or { is not closed, or a comma is missing",
		"authority_name: \"C:\\data\"\n": `line 1: a text in double quotes has a backslash: use single quotes, or \\`,
		"listen: a\x01\n":                "a character that is no text; save the file as UTF-8",
	} {
		got := ""
		if err := DecodeYAML([]byte(text), new(Config)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}
