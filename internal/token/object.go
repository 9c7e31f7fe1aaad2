package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Tokens are judged on their JSON text and not on Go values. encoding/json takes the last of two
// members with one name and matches names in any case, so two readers could read different tokens.
// Package jsontext refuses duplicate names and invalid UTF-8 and keeps the text of values.

// Member is one member of a JSON object.
type Member struct {
	Name  string
	Value Value
}

// Value is the text of one valid JSON value without surrounding white space. The zero Value is an
// absent member.
type Value []byte

// object is the members of one JSON object in their order.
type object []Member

// get returns the member's value, or nil if it is absent. A member that is null is not absent.
func (o object) get(name string) Value {
	for i := range o {
		if o[i].Name == name {
			return o[i].Value
		}
	}
	return nil
}

func (o object) has(name string) bool { return o.get(name) != nil }

// Bounds of the objects in tokens (docs/contract.md, 2.2.7). The deepest value of the contract is a
// coordinate: object, array, object, number.
const (
	maxDepth   = 8
	maxMembers = 64
)

var (
	errNotBase64 = errors.New("not base64url without padding")
	errEmpty     = errors.New("empty")
	errNotJSON   = errors.New("not valid JSON in UTF-8")
	errNotObject = errors.New("not a JSON object")
	errDepth     = fmt.Errorf("nested deeper than %d", maxDepth)
	errMembers   = fmt.Errorf("an object has more than %d members", maxMembers)
	errDuplicate = errors.New("two members of one object have the same name")
)

// ReadPart parses the header or the claims of a compact JWS, which are JSON objects. If it returns
// an error, it also returns the members before the error. The error contains no text of the part.
func ReadPart(part string) ([]Member, error) {
	text, err := decodeBase64URL(part)
	if err != nil {
		return nil, err
	}
	return readObject(text)
}

// decodeBase64URL accepts exactly one encoding of each text: no padding, and no unused bits set in
// the last character.
func decodeBase64URL(part string) ([]byte, error) {
	out, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, errNotBase64
	}
	if len(out) == 0 {
		return nil, errEmpty
	}
	return out, nil
}

// readObject parses a JSON text that is one object. It refuses duplicate names at every depth. If
// it returns an error, it also returns the members before the error.
func readObject(text []byte) (list object, err error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(text))
	var (
		name  string
		start int64 // of the value that follows name
	)
	for {
		next, err := d.ReadToken()
		depth := d.StackDepth()
		kind, n := d.StackIndex(depth) // n counts names and values of the innermost object
		switch {
		case errors.Is(err, io.EOF) && n == 1: // after the object
			return list, nil
		case errors.Is(err, jsontext.ErrDuplicateName):
			return list, errDuplicate
		case err != nil, depth == 0 && n > 1:
			return list, errNotJSON
		case list == nil && next.Kind() != '{':
			return nil, errNotObject
		case list == nil:
			list = object{}
		case depth > maxDepth:
			return list, errDepth
		case kind == '{' && n > 2*maxMembers:
			return list, errMembers
		case depth == 1 && n%2 == 1:
			name = next.String()
			start = d.InputOffset()
		case depth == 1 && n > 0:
			value := bytes.TrimLeft(text[start:d.InputOffset()], " \t\r\n:")
			list = append(list, Member{name, value})
		}
	}
}

// Kind returns the first byte of the value: { [ " t f n - or a digit; 0 if it is absent.
func (v Value) Kind() byte {
	if len(v) == 0 {
		return 0
	}
	return v[0]
}

func (v Value) isNumber() bool {
	kind := v.Kind()
	return kind == '-' || '0' <= kind && kind <= '9'
}

// Text returns the string that v is.
func (v Value) Text() (s string, ok bool) {
	ok = v.Kind() == '"' && json.Unmarshal(v, &s) == nil
	return s, ok
}

// items returns the elements of the array that v is.
func (v Value) items() (list []Value) {
	d := jsontext.NewDecoder(bytes.NewBuffer(v))
	_, _ = d.ReadToken()
	for d.PeekKind() != ']' {
		item, err := d.ReadValue()
		if err != nil { // v is not a valid array
			return nil
		}
		list = append(list, Value(item.Clone()))
	}
	return list
}
