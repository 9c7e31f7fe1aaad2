package pdf

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func parseValue(s string) (Object, int, error) {
	p := &parser{src: s, final: true, depth: 64}
	o, err := p.value()
	return o, p.pos, err
}

func TestValue(t *testing.T) {
	for _, tt := range []struct {
		in   string
		kind Kind
		raw  string // empty: all of in
	}{
		{"null", Null, ""},
		{"true", Boolean, ""},
		{"false ", Boolean, "false"},
		{"12", Integer, ""},
		{"-12", Integer, ""},
		{"+0", Integer, ""},
		{"4.", Real, ""},
		{"-.5", Real, ""},
		{"99999999999999999999", Real, ""},
		{"12 0 R", Reference, ""},
		{"12\n0%x\nR", Reference, ""},
		{"12 0 RG", Integer, "12"},
		{"12 0 obj", Integer, "12"},
		{"-12 0 R", Integer, "-12"},
		{"9999999 0 R", Integer, "9999999"},
		{"12 70000 R", Integer, "12"},
		{"/Name/Next", Name, "/Name"},
		{"/", Name, ""},
		{"/A#20B", Name, ""},
		{"(a(b)c)", String, ""},
		{`(a\)b)`, String, ""},
		{`(\\)`, String, ""},
		{"<4 8>", String, ""},
		{"<>", String, ""},
		{"[1 0 R 2[]/A(b)]", Array, ""},
		{"<</A<</B 1>>/C[]>>", Dictionary, ""},
		{"<< % >>\n >>", Dictionary, ""},
		{" % comment\r\n 7", Integer, "7"},
	} {
		o, _, err := parseValue(tt.in)
		if err != nil {
			t.Errorf("%q: %v", tt.in, err)
			continue
		}
		raw := tt.raw
		if raw == "" {
			raw = tt.in
		}
		if o.Kind() != tt.kind || o.Raw() != raw {
			t.Errorf("%q: %v %q, want %v %q", tt.in, o.Kind(), o.Raw(), tt.kind, raw)
		}
	}
}

func TestValueRefused(t *testing.T) {
	for _, in := range []string{
		"", " ", "%", "nul", "True", "R", ")", ">", "]", "}", "{}",
		"1e5", "0x1", "--1", "1-", "1.2.3", "+", ".", "1_0", "NaN", "Inf",
		"(", "(()", `(\)`, "<4", "<4g>", "[", "[1", "<<", "<</A", "<</A>>", "<</A 1", "<</A 1>", "<<1 2>>", "<<(A) 1>>",
		"[ << ] >>", "[endobj]",
	} {
		if o, _, err := parseValue(in); !errors.Is(err, errSyntax) {
			t.Errorf("%q: %v %v, want a syntax error", in, o, err)
		}
	}
	deep := strings.Repeat("[", 65) + strings.Repeat("]", 65)
	if _, _, err := parseValue(deep); ReasonOf(err) != TooDeep {
		t.Errorf("65 levels: %v", err)
	}
	if _, _, err := parseValue(deep[1:129]); err != nil {
		t.Errorf("64 levels: %v", err)
	}
}

// TestWindow cuts an object at every byte: a window that ends early asks for
// more, and never yields another object.
func TestWindow(t *testing.T) {
	const text = "<</A 12/B 12 0 R/C(x\\)y)/D<48>/E[true null -1.5]/F/Name>> "
	whole, _, err := parseValue(text)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(text) {
		p := &parser{src: text[:n], depth: 64}
		o, err := p.value()
		if n == len(text)-1 {
			if err != nil || o.Raw() != whole.Raw() {
				t.Errorf("whole object: %q, %v", o.Raw(), err)
			}
		} else if !errors.Is(err, errMore) {
			t.Errorf("%q: %v, want errMore", text[:n], err)
		}
	}
	// A number at the end of a window may go on, or begin a reference.
	for _, s := range []string{"12", "12 ", "12 0", "12 0 ", "12 0 R"} {
		p := &parser{src: s, depth: 64}
		if _, err := p.value(); !errors.Is(err, errMore) {
			t.Errorf("%q: %v, want errMore", s, err)
		}
	}
}

func TestAccessors(t *testing.T) {
	o, _, err := parseValue("<</I 7/R 1.5/B true/N/A#42/S(\\101\\n)/Ref 3 1 R/Arr[1 2]/I 8>>")
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := o.Get("I").Int(); v != 7 || !ok {
		t.Errorf("Int: %d %v", v, ok)
	}
	if v, ok := o.Get("R").Number(); v != 1.5 || !ok {
		t.Errorf("Number: %g %v", v, ok)
	}
	if !o.Get("B").Bool() || o.Get("I").Bool() {
		t.Error("Bool")
	}
	if got := o.Get("N").Name(); got != "AB" {
		t.Errorf("Name: %q", got)
	}
	if got := string(o.Get("S").Bytes()); got != "A\n" {
		t.Errorf("Bytes: %q", got)
	}
	if r, ok := o.Get("Ref").Ref(); r != (Ref{3, 1}) || !ok {
		t.Errorf("Ref: %v %v", r, ok)
	}
	if got := len(o.Get("Arr").Elements()); got != 2 {
		t.Errorf("Elements: %d", got)
	}
	if k, dup := o.DuplicateKey(); k != "I" || !dup {
		t.Errorf("DuplicateKey: %q %v", k, dup)
	}
	if got := o.Get("None"); !got.IsNull() || got.Raw() != "null" {
		t.Errorf("absent key: %q", got.Raw())
	}
}

func TestEditDict(t *testing.T) {
	o, _, err := parseValue("<</A 1/B#20C [ 1  2 ] /D(x)>>")
	if err != nil {
		t.Fatal(err)
	}
	got, err := EditDict(o, Pair{"D", ""}, Pair{"A", "2 0 R"}, Pair{"New", "/X"})
	want := "<<\n/A 2 0 R\n/B#20C [ 1  2 ]\n/New /X\n>>"
	if err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	dup, _, _ := parseValue("<</A 1/#41 2>>")
	if _, err := EditDict(dup); ReasonOf(err) != DuplicateKey {
		t.Errorf("duplicate key: %v", err)
	}
}

// FuzzValue checks that what is parsed is what Raw says, and editing a dictionary with no
// change keeps every key and value, each once.
func FuzzValue(f *testing.F) {
	for _, s := range []string{
		"<</A 12/B 12 0 R/C(x\\)y)/D<48>/E[true null -1.5]/F/Name>>",
		"[1 2 3 0 R(a\\\n)]", "/A#2", "<</A<</A<<>>>>>>", "12 0 R", "(\\777\r\n)", "<4>", "% x\n1",
		"<</A<<>>/A<<>>>>", "<</A 1/B/C/#41 1/C 2>>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, end, err := parseValue(s)
		if err != nil {
			return
		}
		if !strings.HasSuffix(s[:end], o.raw) {
			t.Fatalf("raw %q is not in front of %d in %q", o.raw, end, s)
		}
		again, n, err := parseValue(o.raw)
		if err != nil || n != len(o.raw) || !sameObject(o, again) {
			t.Fatalf("%q parses differently again: %v", o.raw, err)
		}
		o.Text()
		o.Name()
		if _, dup := o.DuplicateKey(); o.IsDict() && !dup {
			text, err := EditDict(o)
			if err != nil {
				t.Fatal(err)
			}
			edited, _, err := parseValue(text)
			if err != nil || !slices.EqualFunc(firstOfEach(o), edited.elems, sameObject) {
				t.Fatalf("%q becomes %q: %v", s, text, err)
			}
		}
	})
}

// firstOfEach returns the keys and values of a dictionary without those whose key came before.
func firstOfEach(o Object) (elems []Object) {
	seen := make(map[string]bool)
	for i := 0; i < len(o.elems); i += 2 {
		if key := o.elems[i]; !seen[key.Name()] {
			seen[key.Name()] = true
			elems = append(elems, key, o.elems[i+1])
		}
	}
	return elems
}

func sameObject(a, b Object) bool {
	return a.kind == b.kind && a.raw == b.raw && a.n == b.n &&
		slices.EqualFunc(a.elems, b.elems, sameObject)
}
