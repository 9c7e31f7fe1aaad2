package pdf

import (
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Kind is the type of an Object.
type Kind uint8

// Kinds of objects (ISO 32000-2, 7.3). The zero Object is Null.
const (
	Null Kind = iota
	Boolean
	Integer
	Real
	String
	Name
	Array
	Dictionary
	Reference
	Stream
)

func (k Kind) String() string {
	names := [...]string{
		"null", "boolean", "integer", "real", "string", "name", "array", "dictionary", "reference",
		"stream",
	}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Ref names an indirect object.
type Ref struct {
	Num, Gen int
}

// String returns the reference as it is written in a file: "12 0 R".
func (r Ref) String() string { return strconv.Itoa(r.Num) + " " + strconv.Itoa(r.Gen) + " R" }

// Object is one parsed object. It keeps the bytes that it was parsed from, so that an update can
// copy them, and decodes names, strings and reals on demand, so it takes little more memory than
// its children. Objects are immutable and safe to copy.
type Object struct {
	raw   string
	elems []Object // Array: elements. Dictionary, Stream: key, value, key, value, ...
	// Integer, Boolean: value. Reference: number<<32 | generation. Stream: offset of the data
	n    int64
	kind Kind
}

// Kind returns the object's type. A stream is not a Dictionary, but has one:
// Get and Entries work on both.
func (o Object) Kind() Kind { return o.kind }

// IsNull reports whether the object is null, which in a dictionary means the
// same as an absent key.
func (o Object) IsNull() bool { return o.kind == Null }

// IsDict reports whether the object is a Dictionary.
func (o Object) IsDict() bool { return o.kind == Dictionary }

// Raw returns the bytes the object was parsed from, without surrounding white
// space; for a stream, those of its dictionary. An absent object gives "null".
func (o Object) Raw() string {
	if o.raw == "" {
		return "null"
	}
	return o.raw
}

// Bool returns the value of a Boolean, and false for every other object.
func (o Object) Bool() bool { return o.kind == Boolean && o.n != 0 }

// Int returns the value of an Integer.
func (o Object) Int() (v int64, ok bool) { return o.n, o.kind == Integer }

// Number returns the value of an Integer or a Real.
func (o Object) Number() (v float64, ok bool) {
	switch o.kind {
	case Integer:
		return float64(o.n), true
	case Real:
		v, err := strconv.ParseFloat(o.raw, 64)
		return v, err == nil
	}
	return 0, false
}

// Ref returns the target of a Reference.
func (o Object) Ref() (r Ref, ok bool) {
	if o.kind != Reference {
		return Ref{}, false
	}
	return Ref{Num: int(o.n >> 32), Gen: int(o.n & 0xffffffff)}, true
}

// Name returns the decoded value of a Name without its slash, and "" for
// every other object.
func (o Object) Name() string {
	if o.kind != Name {
		return ""
	}
	return decodeName(o.raw[1:])
}

// Bytes returns the decoded bytes of a String, and nil for every other object.
func (o Object) Bytes() []byte {
	if o.kind != String {
		return nil
	}
	return decodeString(o.raw)
}

// Text returns a String as text in UTF-8 (ISO 32000-2, 7.9.2.2), and "" for
// every other object.
func (o Object) Text() string { return decodeText(o.Bytes()) }

// Elements returns the elements of an Array, and nil for every other object.
// The caller must not change the slice.
func (o Object) Elements() []Object {
	if o.kind != Array {
		return nil
	}
	return o.elems
}

// Get returns the value of a key of a Dictionary or a Stream as written, which may be a Reference,
// or the zero Object if there is none. If a key occurs twice it returns the first; see
// DuplicateKey.
func (o Object) Get(key string) Object {
	for k, v := range o.Entries() {
		if k == key {
			return v
		}
	}
	return Object{}
}

// Entries iterates over the keys and values of a Dictionary or a Stream in the
// order of the file.
func (o Object) Entries() iter.Seq2[string, Object] {
	return func(yield func(string, Object) bool) {
		if o.kind != Dictionary && o.kind != Stream {
			return
		}
		for i := 0; i+1 < len(o.elems); i += 2 {
			if !yield(o.elems[i].Name(), o.elems[i+1]) {
				return
			}
		}
	}
}

// appendLinks appends the references in an object.
func (o Object) appendLinks(links []link) []link {
	if r, ok := o.Ref(); ok {
		return append(links, link{int32(r.Num), uint32(r.Gen)})
	}
	for _, e := range o.elems {
		links = e.appendLinks(links)
	}
	return links
}

// DuplicateKey returns a key that a Dictionary or a Stream has twice with different values. Some
// readers use the first, others the last. Equal values are not ambiguous.
func (o Object) DuplicateKey() (key string, found bool) {
	seen := make(map[string]string, len(o.elems)/2)
	for k, v := range o.Entries() {
		if was, twice := seen[k]; twice && was != v.raw {
			return k, true
		}
		seen[k] = v.raw
	}
	return "", false
}

// lastOfEach returns a dictionary with the last value of each key, which most readers take (pdf.js,
// mupdf, PDFBox). Its Raw is that of o.
func (o Object) lastOfEach() Object {
	if _, twice := o.DuplicateKey(); !twice {
		return o
	}
	seen := make(map[string]bool)
	var elems []Object // from the last
	for i := len(o.elems) - 2; i >= 0; i -= 2 {
		if name := o.elems[i].Name(); !seen[name] {
			seen[name] = true
			elems = append(elems, o.elems[i+1], o.elems[i])
		}
	}
	slices.Reverse(elems)
	o.elems = elems
	return o
}

// AmbiguousKey returns a key that a dictionary in o, at any depth, has twice with
// different values. References are not followed.
func (o Object) AmbiguousKey() (key string, found bool) {
	for _, e := range o.elems {
		if len(e.elems) > 0 {
			if key, found = e.AmbiguousKey(); found {
				return key, true
			}
		}
	}
	if o.kind != Dictionary && o.kind != Stream {
		return "", false
	}
	const few = 2 * 12 // number of elements up to which comparing is faster than a map
	if len(o.elems) > few {
		values := make(map[string]string, len(o.elems)/2)
		for k, v := range o.Entries() {
			if was, twice := values[k]; twice && was != v.raw {
				return k, true
			}
			values[k] = v.raw
		}
		return "", false
	}
	for i := 0; i+1 < len(o.elems); i += 2 {
		for j := 0; j < i; j += 2 {
			if o.elems[i+1].raw != o.elems[j+1].raw && o.elems[i].sameName(o.elems[j]) {
				return o.elems[i].Name(), true
			}
		}
	}
	return "", false
}

// sameName compares two names after decoding.
func (o Object) sameName(other Object) bool {
	return o.raw == other.raw ||
		(strings.Contains(o.raw, "#") || strings.Contains(other.raw, "#")) &&
			o.Name() == other.Name()
}
