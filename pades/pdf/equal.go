package pdf

import (
	"bytes"
	"slices"
	"strings"
)

// Equal reports whether two objects have the same value, in any spelling (ISO 32000-2, 7.3): names
// and strings are compared as decoded, dictionaries in any order of their keys. Two references are
// equal if they name the same object; Equal does not follow them. Two streams are equal if their
// dictionaries are, apart from /Length; Equal does not read their data.
//
// Values that readers take for different ones are not equal: an integer and a real, because some
// ignore a /Rotate of 90.0, except in rectangles and the like; null and the absence of a key that
// can be inherited; dictionaries with duplicate keys of different values in another spelling.
func Equal(a, b Object) bool { return equal(a, b, false) }

// EqualEntry is Equal for the values that [Object.Get] returns for a key of two dictionaries.
func EqualEntry(key string, a, b Object) bool {
	if inheritedKeys[key] && a.absent() != b.absent() {
		return false
	}
	return equal(a, b, realKeys[key])
}

// absent reports whether the object is what Get returns for a key that the dictionary does not
// have.
func (o Object) absent() bool { return o.kind == Null && o.raw == "" }

// realKeys are keys whose values are numbers, or arrays of them, that may be reals. Programs write
// 595 as 595.0 there, and readers see no difference.
var realKeys = keySet(
	"MediaBox CropBox BleedBox TrimBox ArtBox UserUnit Rect RD QuadPoints C IC CA ca BBox Matrix",
)

// inheritedKeys are keys that a page or a field has from its ancestors if it has none. For some
// readers it has none if the value is null, for others it has null.
var inheritedKeys = keySet("Resources MediaBox CropBox Rotate FT Ff V DV DA Q MaxLen Opt")

func keySet(names string) map[string]bool {
	set := make(map[string]bool)
	for _, n := range strings.Fields(names) {
		set[n] = true
	}
	return set
}

// equal compares two values, and integers with reals if real is true.
func equal(a, b Object, real bool) bool {
	if a.kind == b.kind && a.raw == b.raw {
		return true
	}
	switch {
	case a.kind == Integer && b.kind == Integer:
		return a.n == b.n
	case a.kind == Real && b.kind == Real,
		real && (a.kind == Integer && b.kind == Real || a.kind == Real && b.kind == Integer):
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
		// A dictionary of the author's own names can have the key too, for example for a color
		// space.
		real = real && !slices.ContainsFunc(a.elems, func(e Object) bool {
			return e.kind != Integer && e.kind != Real
		})
		return slices.EqualFunc(
			a.elems, b.elems, func(x, y Object) bool { return equal(x, y, real) },
		)
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
	ignored := func(key string, v Object) bool {
		return v.IsNull() && !inheritedKeys[key] || a.kind == Stream && key == "Length"
	}
	valuesOf := func(o Object) map[string]Object {
		values := make(map[string]Object, len(o.elems)/2)
		for k, v := range o.Entries() {
			if !ignored(k, v) {
				values[k] = v
			}
		}
		return values
	}
	old, now := valuesOf(a), valuesOf(b)
	for key, v := range old {
		if w, ok := now[key]; !ok || !EqualEntry(key, v, w) {
			return false
		}
	}
	return len(old) == len(now)
}
