package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Tokens are judged on their JSON text and not on Go values: encoding/json takes the last of two members with one name, matches
// names in any case and turns 1.0e9 into an integer, and each of these lets two readers see two different tokens. So the
// syntax is checked by json.Valid, and the text is then cut into members by the few lines below.

// value is the text of one JSON value, without surrounding white space. The zero value is no value: an absent member.
type value []byte

// object is the members of one JSON object in their order.
type object []member

type member struct {
	name  string
	value value
}

// get returns the member's value, or nil when it is absent. A member that is null is not absent.
func (o object) get(name string) value {
	for i := range o {
		if o[i].name == name {
			return o[i].value
		}
	}
	return nil
}

func (o object) has(name string) bool { return o.get(name) != nil }

// maxDepth is how deep values may be nested. The deepest one of the contract is a coordinate: object, array, object, number.
const maxDepth = 8

var (
	errNotJSON   = errors.New("not valid JSON in UTF-8")
	errNotObject = errors.New("not a JSON object")
	errDepth     = fmt.Errorf("nested deeper than %d", maxDepth)
	errDuplicate = errors.New("two members of one object have the same name")
)

// parseObject reads a JSON text that is one object. Duplicate names are refused at every depth.
func parseObject(text []byte) (object, error) {
	top, err := parseTop(text)
	if err != nil {
		return nil, err
	}
	if err := top.walk(1); err != nil {
		return nil, err
	}
	return top.members()
}

// parseDocument is parseObject for texts whose parts are judged one by one: duplicate names inside them are found by whoever
// asks for the members.
func parseDocument(text []byte) (object, error) {
	top, err := parseTop(text)
	if err != nil {
		return nil, err
	}
	return top.members()
}

func parseTop(text []byte) (value, error) {
	if !utf8.Valid(text) || !json.Valid(text) {
		return nil, errNotJSON
	}
	top := value(bytes.Trim(text, " \t\r\n"))
	if top.kind() != '{' {
		return nil, errNotObject
	}
	return top, nil
}

// walk checks depth and names of everything inside v.
func (v value) walk(depth int) error {
	if kind := v.kind(); kind != '{' && kind != '[' {
		return nil
	}
	if depth > maxDepth {
		return errDepth
	}
	if v.kind() == '[' {
		for _, item := range v.items() {
			if err := item.walk(depth + 1); err != nil {
				return err
			}
		}
		return nil
	}
	members, err := v.members()
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := m.value.walk(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

// kind is the first byte of the value: { [ " t f n - or a digit; 0 when absent.
func (v value) kind() byte {
	if len(v) == 0 {
		return 0
	}
	return v[0]
}

func (v value) isNumber() bool {
	kind := v.kind()
	return kind == '-' || '0' <= kind && kind <= '9'
}

// text returns the string that v is.
func (v value) text() (string, bool) {
	if v.kind() != '"' {
		return "", false
	}
	inner := v[1 : len(v)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), true
	}
	var s string
	if err := json.Unmarshal(v, &s); err != nil {
		return "", false
	}
	return s, true
}

// members cuts an object of valid JSON into its members and refuses a name that comes twice. Values are not looked into.
func (v value) members() (object, error) {
	var out object
	for i := skipSpace(v, 1); v[i] != '}'; {
		end := skipValue(v, i)
		name, _ := v[i:end].text()
		if out.has(name) {
			return nil, errDuplicate
		}
		i = skipSpace(v, end) // at the colon
		i = skipSpace(v, i+1) // at the value
		end = skipValue(v, i) // after it
		out = append(out, member{name, v[i:end]})
		if len(out) > maxMembers {
			return nil, errMembers
		}
		if i = skipSpace(v, end); v[i] == ',' {
			i = skipSpace(v, i+1)
		}
	}
	return out, nil
}

// maxMembers bounds the work of looking for duplicates, which is quadratic. Tokens and keys have about ten members.
const maxMembers = 64

var errMembers = fmt.Errorf("an object has more than %d members", maxMembers)

// items cuts an array of valid JSON into its values.
func (v value) items() []value {
	var out []value
	for i := skipSpace(v, 1); v[i] != ']'; {
		end := skipValue(v, i)
		out = append(out, v[i:end])
		if i = skipSpace(v, end); v[i] == ',' {
			i = skipSpace(v, i+1)
		}
	}
	return out
}

// skipSpace returns the index of the first byte from i on that is not white space.
func skipSpace(v value, i int) int {
	for v[i] == ' ' || v[i] == '\t' || v[i] == '\n' || v[i] == '\r' {
		i++
	}
	return i
}

// skipValue returns the index after the value that starts at i. It relies on the text being valid.
func skipValue(v value, i int) int {
	switch v[i] {
	case '"':
		for i++; v[i] != '"'; i++ {
			if v[i] == '\\' {
				i++
			}
		}
		return i + 1
	case '{', '[':
		depth := 0
		for {
			switch v[i] {
			case '"':
				i = skipValue(v, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	default:
		for i < len(v) && bytes.IndexByte([]byte(" \t\r\n,]}"), v[i]) < 0 {
			i++
		}
		return i
	}
}
