package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestReadObject(t *testing.T) {
	nested := func(depth int) string { // of values, the outermost object among them
		return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
	}
	for text, want := range map[string]error{
		`{}`:                 nil,
		" \t\r\n{ } \n":      nil,
		`{"a":1,"A":2,"":3}`: nil,
		`{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}`: nil,
		`{"a":"\"}{,:","b":[]}`:                     nil,
		nested(maxDepth):                            nil,
		nested(maxDepth + 1):                        errDepth,
		nested(5000):                                errDepth,
		`{"a":1,"a":1}`:                             errDuplicate,
		`{"a":1,"\u0061":1}`:                        errDuplicate,
		`{"\ud800":1}`:                              errNotJSON,
		`{"a":"\udfff"}`:                            errNotJSON,
		`{"b":[0,{"a":1, "a" : 1}]}`:                errDuplicate,
		`{"b":{"c":{"a":1,"b":2,"a":1}}}`:           errDuplicate,
		`[]`:                                        errNotObject,
		`"{}"`:                                      errNotObject,
		`1`:                                         errNotObject,
		``:                                          errNotJSON,
		`{`:                                         errNotJSON,
		`{"a":}`:                                    errNotJSON,
		`{"a":01}`:                                  errNotJSON,
		`{"a":1,}`:                                  errNotJSON,
		`{'a':1}`:                                   errNotJSON,
		`{"a":NaN}`:                                 errNotJSON,
		`{} {}`:                                     errNotJSON,
		"\ufeff{}":                                  errNotJSON,
		"{\"a\":\"\xff\"}":                          errNotJSON,
		"{\"a\":\"\x00\"}":                          errNotJSON,
		"\u00a0{}":                                  errNotJSON,
	} {
		if _, err := readObject([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%.60q: %v, want %v", text, err, want)
		}
	}
}

// FuzzReadObject compares the members with what encoding/json reads.
func FuzzReadObject(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,{"b":"\\\""}],"c" : null }`, `{"a":1,"a":2}`, `{"\u0000":-1.5e+3}`, `{"a":{"x":1,"x":2}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		got, err := readObject(text)
		if !bytes.Equal(before, text) {
			t.Fatal("the text was changed")
		}
		if err != nil {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("%d members of %d, one comes twice", len(got), len(want))
		}
		for _, m := range got {
			if !bytes.Equal(m.Value, want[m.Name]) {
				t.Errorf("member %q is %q, want %q", m.Name, m.Value, want[m.Name])
			}
			var s string
			text, ok := m.Value.Text()
			if isText := json.Unmarshal(m.Value, &s) == nil && m.Value.Kind() != 'n'; ok != isText ||
				text != s {
				t.Errorf("the text of %q is %q, want %q", m.Value, text, s)
			}
			if m.Value.Kind() == '[' {
				var items []json.RawMessage
				if err := json.Unmarshal(m.Value, &items); err != nil {
					t.Fatal(err)
				}
				cut := make([]json.RawMessage, 0, len(items))
				for _, item := range m.Value.items() {
					cut = append(cut, json.RawMessage(item))
				}
				if len(items)+len(cut) > 0 && !reflect.DeepEqual(items, cut) {
					t.Errorf("the items of %q are %q, want %q", m.Value, cut, items)
				}
			}
		}
	})
}
