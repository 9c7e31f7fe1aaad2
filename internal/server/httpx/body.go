package httpx

import (
	"encoding"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
)

// ReadJSON decodes a JSON body of at most 64 KiB into v, a pointer to a struct. It refuses members
// that v does not have: a misspelt request_id would let a call act on more than the one request.
func ReadJSON(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, after := d.Token(); after != io.EOF {
			err = errors.New("something follows the object")
		}
	}
	if err != nil {
		return api.ErrClientSide(
			"The body is not the JSON that this call takes: " + bodyProblem(err, v),
		)
	}
	return nil
}

// bodyProblem says what is wrong with the JSON of a body for v, without the names of Go's types.
func bodyProblem(err error, v any) string {
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "json: "), "time: ")
	if err == io.EOF {
		return "there is no body"
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return "it has more than 64 KiB"
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		found, _, _ := strings.Cut(wrong.Value, " ")
		if article, ok := articles[found]; ok {
			found = article
		}
		if wrong.Field == "" {
			return "it is " + found + " and must be " + expected(wrong.Type)
		}
		// Field names embedded structs too.
		name := wrong.Field[strings.LastIndexByte(wrong.Field, '.')+1:]
		return quote(name) + " is " + found + " and must be " + expected(wrong.Type)
	}
	_, malformed := errors.AsType[*time.ParseError](err)
	if malformed || strings.HasPrefix(text, "Time.UnmarshalJSON") {
		return `a time must be a string such as "2027-03-02T09:30:00Z"`
	}
	if strings.HasPrefix(text, "unknown field ") {
		return text + "; there are " + strings.Join(members(reflect.TypeOf(v).Elem()), ", ")
	}
	return text
}

// articles are the kinds of JSON's values, as package json names them.
var articles = map[string]string{
	"number": "a number", "string": "a string", "bool": "true or false", "array": "a list",
	"object": "an object",
}

// expected names the JSON values that a Go type takes.
func expected(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "a string"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Float64:
		return "a number"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "a whole number"
}

// members lists the names of a struct's members in JSON, in their order.
func members(t reflect.Type) (names []string) {
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
