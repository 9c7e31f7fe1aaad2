package pdf

import (
	"bytes"
	"maps"
)

// Equal reports whether two objects have the same value, in any spelling (ISO 32000-2, 7.3):
// numbers are compared by value, names and strings as decoded, dictionaries in any order of their
// keys. A key whose value is null is absent. Two references are equal if they name the same object;
// Equal does not follow them. Two streams are equal if their dictionaries are, apart from /Length;
// Equal does not read their data.
//
// A dictionary with duplicate keys of different values equals only a dictionary with the same
// spelling, because readers disagree about which value counts.
func Equal(a, b Object) bool {
	if a.kind == b.kind && a.raw == b.raw {
		return true
	}
	switch {
	case a.kind == Integer && b.kind == Integer:
		return a.n == b.n
	case a.kind == Integer && b.kind == Real,
		a.kind == Real && b.kind == Integer,
		a.kind == Real && b.kind == Real:
		x, okX := a.Number()
		y, okY := b.Number()
		return okX && okY && x == y
	case a.kind != b.kind:
		return false
	}
	switch a.kind {
	case Null:
		return true
	case Boolean, Reference:
		return a.n == b.n
	case Name:
		return a.Name() == b.Name()
	case String:
		return bytes.Equal(a.Bytes(), b.Bytes())
	case Array:
		if len(a.elems) != len(b.elems) {
			return false
		}
		for i := range a.elems {
			if !Equal(a.elems[i], b.elems[i]) {
				return false
			}
		}
		return true
	}
	return equalDicts(a, b)
}

func equalDicts(a, b Object) bool {
	if _, twice := a.DuplicateKey(); twice {
		return false
	}
	if _, twice := b.DuplicateKey(); twice {
		return false
	}
	ignored := func(key string, v Object) bool { return v.IsNull() || a.kind == Stream && key == "Length" }
	valuesOf := func(o Object) map[string]Object {
		values := make(map[string]Object, len(o.elems)/2)
		for k, v := range o.Entries() {
			if !ignored(k, v) {
				values[k] = v
			}
		}
		return values
	}
	return maps.EqualFunc(valuesOf(a), valuesOf(b), Equal)
}
