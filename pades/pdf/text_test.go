package pdf

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextString(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", "()"},
		{"Signed by (A\\B)", `(Signed by \(A\\B\))`},
		{"café €", `(caf\351 \240)`},
		{"\u2014\u0160", `(\204\227)`},
		{"陈大文", "<FEFF964859276587>"},
		{"\U0001F600", "<FEFFD83DDE00>"},
		{"þÿ", "<FEFF00FE00FF>"},
		{"\x1b", "<FEFF001B>"},
	} {
		if got := TextString(tt.in); got != tt.want {
			t.Errorf("TextString(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestText(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"(abc)", "abc"},
		{`(\376\377\000A)`, "A"},
		{"<FEFF0041D83DDE00>", "A\U0001F600"},
		{"<EFBBBF C3A9>", "é"},
		{`(\240\030\177)`, "€\u02d8\ufffd"},
		{"(a\r\nb\rc)", "a\nb\nc"},
		{"(a\\\r\nb\\\nc)", "abc"},
		{`(\1\12\123\1234\8)`, "\x01\nSS48"},
		{"<4>", "@"},
	} {
		o, _, err := parseValue(tt.in)
		if err != nil || o.Text() != tt.want {
			t.Errorf("%s is %q, %v; want %q", tt.in, o.Text(), err, tt.want)
		}
	}
}

func FuzzTextString(f *testing.F) {
	for _, s := range []string{"plain", "(\\)", "café €", "陈大文", "\U0001F600", "þÿ", "ï»¿x", "\r\n\t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		out := TextString(s)
		o, n, err := parseValue(out)
		if err != nil || n != len(out) || o.Text() != s {
			t.Fatalf("%q becomes %s and then %q, %v", s, out, o.Text(), err)
		}
		name := NameToken(s)
		if o, n, err := parseValue(name); err != nil || n != len(name) || o.Name() != s {
			t.Fatalf("%q becomes %s and then %q, %v", s, name, o.Name(), err)
		}
	})
}

func TestNumber(t *testing.T) {
	for _, tt := range []struct {
		in   float64
		want string
	}{
		{0, "0"},
		{-0.0000001, "0"},
		{297.64 + 220.5, "518.14"},
		{1.0 / 3, "0.333333"},
		{-12.5, "-12.5"},
		{100, "100"},
		{1e21, "1" + strings.Repeat("0", 21)},
		{math.NaN(), "0"},
		{math.Inf(-1), "0"},
	} {
		if got := Number(tt.in); got != tt.want {
			t.Errorf("Number(%g) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestPredictors(t *testing.T) {
	for _, tt := range []struct {
		name string
		p    predictor
		in   string
		want string
	}{
		{"none", predictor{1, 1, 8, 3}, "abc", "abc"},
		{"png none", predictor{10, 1, 8, 3}, "\x00abc\x00def", "abcdef"},
		{"png sub", predictor{11, 1, 8, 3}, "\x01\x01\x01\x01", "\x01\x02\x03"},
		{"png sub, two colours", predictor{11, 2, 8, 2}, "\x01\x01\x05\x01\x05", "\x01\x05\x02\x0a"},
		{"png up", predictor{12, 1, 8, 2}, "\x02\x01\x02\x02\x01\x01", "\x01\x02\x02\x03"},
		{"png average", predictor{13, 1, 8, 2}, "\x00\x04\x08\x03\x01\x01", "\x04\x08\x03\x06"},
		{"png paeth", predictor{14, 1, 8, 2}, "\x00\x04\x08\x04\x01\x01", "\x04\x08\x05\x09"},
		{"tiff 8", predictor{2, 1, 8, 3}, "\x01\x01\x01\x05\x01\x01", "\x01\x02\x03\x05\x06\x07"},
		{"tiff 16", predictor{2, 1, 16, 2}, "\x00\xff\x00\x01", "\x00\xff\x01\x00"},
		{"tiff 4", predictor{2, 1, 4, 4}, "\x11\x1f", "\x12\x32"},
		{"tiff 1", predictor{2, 1, 1, 8}, "\xff", "\xaa"},
		{"empty", predictor{12, 32, 16, 1 << 20}, "", ""},
	} {
		got, err := tt.p.undo([]byte(tt.in))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %x, %v; want %x", tt.name, got, err, tt.want)
		}
	}
	for _, in := range []string{"\x00ab", "\x05abc"} {
		if _, err := (predictor{12, 1, 8, 3}).undo([]byte(in)); ReasonOf(err) != BadStream {
			t.Errorf("%x: %v, want a refusal", in, err)
		}
	}
}

func TestEveryReasonHasASentence(t *testing.T) {
	unknown := Reason("?").Sentence()
	for _, r := range []Reason{
		NotPDF, LeadingBytes, NoEndMarker, TrailingData, BadStartXref, BadXref, XrefLoop,
		HybridReference, Encrypted,
		WrongOffset, WrongGeneration, BadObject, BadStream, BadObjectStream, UnsupportedFilter,
		ReferenceLoop, NoCatalog,
		BadPageTree, PageTreeLoop, NoPages, NoMediaBox, BadRotation, BadForm, BadAnnotations,
		DuplicateKey, DanglingReference, DynamicXFA,
		Certified, FieldsLocked, PageOutOfRange, BoxOffPage, TooManyPages, TooManyObjects,
		TooManyRevisions, TooDeep,
		ObjectTooLarge, InflatesTooLarge, TooMuchWork,
	} {
		if s := r.Sentence(); s == unknown || !strings.HasSuffix(s, ".") {
			t.Errorf("%s: %q", r, s)
		}
	}
}
