package token_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

func TestArgumentsRefused(t *testing.T) {
	b := newBench(t)
	location := func(text string) partytest.Edit { return partytest.Claim("sign_locations", raw("["+text+"]")) }
	x := func(text string) partytest.Edit { return location(`{"page":1,"x":` + text + `,"y":0.5}`) }
	v30 := func(text string) partytest.Edit {
		return func(d *partytest.Draft) {
			delete(d.Claims, "sign_locations")
			var claims map[string]json.RawMessage
			if err := json.Unmarshal([]byte(text), &claims); err != nil {
				t.Fatal(err)
			}
			for name, v := range claims {
				d.Claims[name] = v
			}
		}
	}
	name := func(v any) partytest.Edit { return partytest.Claim("doc_name", v) }

	cases := []struct {
		name        string
		edit        partytest.Edit
		description string
	}{
		{"name absent", partytest.NoClaim("doc_name"), "doc_name is missing"},
		{"name null", name(nil), "doc_name must be a string"},
		{"name number", name(5), "doc_name must be a string"},
		{"name empty", name(""), "doc_name must not be empty"},
		{"name blank", name(" \t\u00a0\u3000"), "doc_name must not be empty"},
		{
			"name too long",
			name(strings.Repeat("a", 256)),
			"doc_name must not be longer than 255 characters",
		},
		{
			"name too long in another script",
			name(strings.Repeat("字", 256)),
			"doc_name must not be longer than 255 characters",
		},
		{"name with a line break", name("a\nb"), "doc_name must not contain the character U+000A"},
		{"name with NUL", name("a\x00b"), "doc_name must not contain the character U+0000"},
		{"name with DEL", name("a\x7fb"), "doc_name must not contain the character U+007F"},
		{"name with C1", name("a\u0085b"), "doc_name must not contain the character U+0085"},
		{
			"name with an override",
			name("a\u202efdp.exe"),
			"doc_name must not contain the character U+202E",
		},
		{
			"name with an isolate",
			name("a\u2066b"),
			"doc_name must not contain the character U+2066",
		},
		{"name with a mark", name("a\u200fb"), "doc_name must not contain the character U+200F"},
		{
			"name with a zero-width space",
			name("a\u200bb"),
			"doc_name must not contain the character U+200B",
		},
		{
			"name with a byte order mark",
			name("a\ufeffb"),
			"doc_name must not contain the character U+FEFF",
		},
		{
			"name with a line separator",
			name("a\u2028b"),
			"doc_name must not contain the character U+2028",
		},
		{"name with a filler", name("a\u3164b"), "doc_name must not contain the character U+3164"},
		{
			"name with a tag",
			name("a\U000e0041b"),
			"doc_name must not contain the character U+E0041",
		},
		{
			"name with a private character",
			name("a\ue000b"),
			"doc_name must not contain the character U+E000",
		},
		{"name with U+FFFD", name("a\ufffdb"), "doc_name must be valid text, without U+FFFD"},
		{
			"name of joiners",
			name("\u200c\u200d\u00ad"),
			"doc_name must contain a visible character",
		},
		{"name of marks", name("\u0301\ufe0f"), "doc_name must contain a visible character"},

		{"no locations", partytest.NoClaim("sign_locations"), "sign_locations is missing"},
		{
			"locations null",
			partytest.Claim("sign_locations", nil),
			"sign_locations must be an array",
		},
		{
			"locations null beside V3.0",
			partytest.Claims(map[string]any{"sign_locations": nil, "x": 0.1, "y": 0.1, "page": 1}),
			"sign_locations must be an array",
		},
		{
			"locations object",
			partytest.Claim("sign_locations", map[string]any{"page": 1, "x": 0, "y": 0}),
			"sign_locations must be an array",
		},
		{
			"locations string",
			partytest.Claim("sign_locations", "[]"),
			"sign_locations must be an array",
		},
		{"locations empty", location(``), "sign_locations must have 1 to 20 entries"},
		{
			"21 locations",
			location(strings.Repeat(`{},`, 20) + `{}`),
			"sign_locations must have 1 to 20 entries",
		},
		{"location null", location(`null`), "sign_locations[0] must be an object"},
		{"location array", location(`[1,0.5,0.5]`), "sign_locations[0] must be an object"},
		{
			"second location number",
			location(`{"page":1,"x":0,"y":0},5`),
			"sign_locations[1] must be an object",
		},
		{"location without page", location(`{"x":0,"y":0}`), "sign_locations[0].page is missing"},
		{"location without x", location(`{"page":1,"y":0}`), "sign_locations[0].x is missing"},
		{
			"location without y",
			location(`{"page":1,"x":0,"Y":0}`),
			"sign_locations[0].y is missing",
		},
		{
			"the same twice",
			location(
				`{"page":1,"x":0.5,"y":0},{"page":2,"x":0.5,"y":0},{"page":1,"x":0.50,"y":0e5,"width":3}`,
			),
			"sign_locations[2] is the same as sign_locations[0]",
		},
		{
			"page 0",
			location(`{"page":0,"x":0,"y":0}`),
			"sign_locations[0].page must be an integer, counted from 1",
		},
		{
			"page -1",
			location(`{"page":-1,"x":0,"y":0}`),
			"sign_locations[0].page must be an integer, counted from 1",
		},
		{
			"page 1.5",
			location(`{"page":1.5,"x":0,"y":0}`),
			"sign_locations[0].page must be an integer, counted from 1",
		},
		{
			"page 0.0",
			location(`{"page":0.0,"x":0,"y":0}`),
			"sign_locations[0].page must be an integer, counted from 1",
		},
		{
			"page 1e-2",
			location(`{"page":1e-2,"x":0,"y":0}`),
			"sign_locations[0].page must be an integer, counted from 1",
		},
		{
			"page 1e9",
			location(`{"page":1e9,"x":0,"y":0}`),
			"sign_locations[0].page must be an integer, counted from 1",
		},
		{
			"page string",
			location(`{"page":"1","x":0,"y":0}`),
			"sign_locations[0].page must be an integer, counted from 1",
		},
		{
			"page null",
			location(`{"page":null,"x":0,"y":0}`),
			"sign_locations[0].page must be an integer, counted from 1",
		},
		{
			"page huge",
			location(`{"page":4294967297,"x":0,"y":0}`),
			"sign_locations[0].page must be an integer, counted from 1",
		},
		{"x string", x(`"0.5"`), "sign_locations[0].x must be a number"},
		{"x null", x(`null`), "sign_locations[0].x must be a number"},
		{"x boolean", x(`true`), "sign_locations[0].x must be a number"},
		{"x 1", x(`1`), "sign_locations[0].x must be less than 1"},
		{"x 1.0", x(`1.0`), "sign_locations[0].x must be less than 1"},
		{"x 10e-1", x(`10e-1`), "sign_locations[0].x must be less than 1"},
		{"x 1.00001", x(`1.00001`), "sign_locations[0].x must be less than 1"},
		{"x 1e999", x(`1e999`), "sign_locations[0].x must be less than 1"},
		{
			"x 1e99999999999999999999",
			x(`1e99999999999999999999`),
			"sign_locations[0].x must be less than 1",
		},
		{"x -0.1", x(`-0.1`), "sign_locations[0].x must be at least 0"},
		{"x -1e-9", x(`-1e-9`), "sign_locations[0].x must be at least 0"},
		{"x 0.12345", x(`0.12345`), "sign_locations[0].x must have at most 4 decimals"},
		{"x 1e-5", x(`1e-5`), "sign_locations[0].x must have at most 4 decimals"},
		{"x 0.99999", x(`0.99999`), "sign_locations[0].x must have at most 4 decimals"},
		{
			"x 0.30000000000000004",
			x(`0.30000000000000004`),
			"sign_locations[0].x must have at most 4 decimals",
		},
		{
			"x 1e-99999999999999999999",
			x(`1e-99999999999999999999`),
			"sign_locations[0].x must have at most 4 decimals",
		},
		{"V3.0 without y", v30(`{"x":0.1,"page":1}`), "y is missing"},
		{"V3.0 without page", v30(`{"x":0.1,"y":0.1}`), "page is missing"},
		{"V3.0 as in the published sample", v30(`{"x":1,"y":1,"page":1}`), "x must be less than 1"},
		{"V3.0 y string", v30(`{"x":0.1,"y":"0.1","page":1}`), "y must be a number"},

		{
			"hash null",
			partytest.Claim("signer_uin_hash", nil),
			"signer_uin_hash must be a string of 64 hexadecimal digits",
		},
		{
			"hash empty",
			partytest.Claim("signer_uin_hash", ""),
			"signer_uin_hash must be a string of 64 hexadecimal digits",
		},
		{
			"hash short",
			partytest.Claim("signer_uin_hash", strings.Repeat("a", 63)),
			"signer_uin_hash must be a string of 64 hexadecimal digits",
		},
		{
			"hash in base64",
			partytest.Claim("signer_uin_hash", strings.Repeat("z", 64)),
			"signer_uin_hash must be a string of 64 hexadecimal digits",
		},
		{
			"hash is the NRIC",
			partytest.Claim("signer_uin_hash", "S8979373D"),
			"signer_uin_hash must be a string of 64 hexadecimal digits",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			used := b.replay.Len()
			jws := b.party.Token(token.Initiate, c.edit)
			_, _, err := b.verify(jws, token.Initiate)
			var answer *api.Error
			if !errors.As(err, &answer) || answer.Code != api.CodeClientSide ||
				answer.Description != c.description {
				t.Fatalf("%v, want %q", err, c.description)
			}
			wantNothingOf(t, err, jws)
			if b.replay.Len() != used+1 {
				t.Error("the jti was not used up")
			}

			// A caller who does not hold the key learns nothing about the arguments.
			forged := jws[:len(jws)-10] + strings.Repeat("A", 10)
			_, _, err = b.verify(forged, token.Initiate)
			wantRefusal(t, err, "does not verify", forged)
		})
	}
}

func TestCoordinatesAccepted(t *testing.T) {
	b := newBench(t)
	for text, want := range map[string]float64{
		"0": 0, "0.0": 0, "-0": 0, "-0.0": 0, "0e0": 0, "0e-99999999999999999999": 0, "0E+5": 0,
		"0.5": 0.5, "0.50000": 0.5, "0.500000000000": 0.5, "5e-1": 0.5, "5E-1": 0.5, "50e-2": 0.5,
		"0.05e1": 0.5, "0.05e+01": 0.5,
		"0.1": 0.1, "0.3": 0.3, "0.7": 0.7, "0.6295": 0.6295, "0.9287": 0.9287, "0.0001": 0.0001,
		"1e-4": 0.0001, "5.0E-4": 0.0005,
		"0.9999": 0.9999, "9999e-4": 0.9999, "0.29": 0.29, "0.57": 0.57, "1.1e-3": 0.0011,
	} {
		claims, _, err := b.verify(b.party.Token(
			token.Initiate,
			partytest.Claim("sign_locations", raw(`[{"page":1,"y":0.1,"x":`+text+`}]`)),
		), token.Initiate)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := claims.Locations[0].X; got != want || 1/(got+1) > 1 {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestCancelOfWhatIsNoID(t *testing.T) {
	b := newBench(t)
	jws := b.party.Token(token.Cancel, partytest.NoClaim("request_id"))
	if _, _, err := b.verify(jws, token.Cancel); !errors.Is(err, api.ErrNoRecord) ||
		!strings.Contains(err.Error(), "request_id: missing") {
		t.Errorf("no request_id: %v, want the answer for an unknown request", err)
	}
	for _, id := range []any{
		"", " ", nil, 5,
		[]any{},
		"signv3-0199cc9c-8b7c-70df-b29b-39843a10c332 ", "a\x00b",
		"../etc", strings.Repeat("a", 65), "é",
	} {
		jws := b.party.Token(token.Cancel, partytest.Claim("request_id", id))
		_, _, err := b.verify(jws, token.Cancel)
		if !errors.Is(err, api.ErrNoRecord) {
			t.Errorf("%v: %v, want the answer for an unknown request", id, err)
		}
	}
}

// TestPagesAccepted checks that a whole number counts in every spelling.
func TestPagesAccepted(t *testing.T) {
	b := newBench(t)
	for text, want := range map[string]int{"1": 1, "1.0": 1, "12.000": 12, "1e2": 100, "0.3E1": 3, "999999999": 999999999} {
		claims, _, err := b.verify(b.party.Token(
			token.Initiate,
			partytest.Claim("sign_locations", raw(`[{"page":`+text+`,"x":0.1,"y":0.1}]`)),
		), token.Initiate)
		if err != nil || claims.Locations[0].Page != want {
			t.Errorf("%s: %+v, %v", text, claims, err)
		}
	}
}

// TestNamesAccepted checks names of all scripts, whose length counts in characters.
func TestNamesAccepted(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{
		"می\u200cخواهم.pdf", "क्\u200dष.pdf", "👨\u200d👩\u200d👧.pdf", "Donau\u00addampfschiff.pdf",
		"租约 ஒப்பந்தம் חוזה.pdf",
		strings.Repeat("合", 255), strings.Repeat("𝄞", 255),
	} {
		claims, _, err := b.verify(
			b.party.Token(token.Initiate, partytest.Claim("doc_name", name)), token.Initiate,
		)
		if err != nil || claims.DocName != name {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// FuzzCoordinate checks the arithmetic on decimal text against exact fractions.
func FuzzCoordinate(f *testing.F) {
	for _, seed := range []string{"0", "0.5", "1e-5", "-0.0", "9999e-4", "0.00010", "1e400", "12.5e-2", "1e-700"} {
		f.Add(seed)
	}
	b := newBench(f)
	f.Fuzz(func(t *testing.T, text string) {
		var number json.Number
		if len(text) > 40 || json.Unmarshal([]byte(text), &number) != nil ||
			string(number) != text {
			t.Skip("not the text of one JSON number")
		}
		if _, exponent, ok := strings.Cut(strings.ToLower(text), "e"); ok && len(exponent) > 4 {
			t.Skip("too large to compute exactly")
		}
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%s is no fraction", text)
		}
		want := exact.Sign() >= 0 && exact.Cmp(big.NewRat(1, 1)) < 0 &&
			new(big.Rat).Mul(exact, big.NewRat(10_000, 1)).IsInt()
		claims, _, err := b.verify(b.party.Token(
			token.Initiate,
			partytest.Claim("sign_locations", raw(`[{"page":1,"y":0.1,"x":`+text+`}]`)),
		), token.Initiate)
		if (err == nil) != want {
			t.Fatalf("%s: %v", text, err)
		}
		if nearest, _ := exact.Float64(); err == nil && claims.Locations[0].X != nearest {
			t.Errorf("%s: read as %v", text, claims.Locations[0].X)
		}
	})
}
