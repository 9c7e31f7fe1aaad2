package vectors

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

// locationFile is locations.json.
type locationFile struct {
	About     string           `json:"about"`
	Locations []locationVector `json:"locations"`
}

// locationVector is the claims of places. They are a text, because the spelling of numbers counts.
type locationVector struct {
	Name      string         `json:"name"`
	Claims    string         `json:"claims"` // a JSON object
	Accepted  bool           `json:"accepted"`
	Locations []api.Location `json:"locations,omitempty"` // what they are
	Error     *api.Error     `json:"error,omitempty"`     // the answer
}

func makeLocations() (any, error) {
	f := &locationFile{
		About: "Claims of initiate that say where signatures go, of V3.2 (sign_locations) and of " +
			"V3.0 (x, y, page). Whether the page exists and the box fits is judged with the document.",
	}
	one := func(place string) string { return `{"sign_locations":[` + place + `]}` }
	for _, c := range []struct {
		accepted bool
		name     string
		claims   string
	}{
		{true, "one place", one(`{"page":1,"x":0.1,"y":0.2}`)},
		{true, "further members", one(`{"page":1,"x":0.1,"y":0.2,"width":0.3,"height":0.05}`)},
		{true, "20 places", `{"sign_locations":[` + manyPlaces(20) + `]}`},
		{true, "V3.0", `{"page":1,"x":0.1,"y":0.2}`},
		{true, "V3.2 wins over V3.0", `{"page":9,"x":7,"y":null,"sign_locations":[{"page":1,"x":0,"y":0}]}`},
		{true, "0", one(`{"page":1,"x":0,"y":-0.0}`)},
		{true, "4 decimals", one(`{"page":1,"x":0.9999,"y":0.0001}`)},
		{true, "zeros after 4 decimals", one(`{"page":1,"x":0.10000,"y":0.120000}`)},
		{true, "exponents", one(`{"page":1e0,"x":5.0E-4,"y":1e-1}`)},
		{true, "page 1.0", one(`{"page":1.0,"x":0.1,"y":0.2}`)},
		{true, "page 10e1", one(`{"page":10e1,"x":0.1,"y":0.2}`)},
		{false, "none", `{}`},
		{false, "empty", `{"sign_locations":[]}`},
		{false, "null", `{"sign_locations":null,"page":1,"x":0.1,"y":0.2}`},
		{false, "an object", `{"sign_locations":{"page":1,"x":0.1,"y":0.2}}`},
		{false, "21 places", `{"sign_locations":[` + manyPlaces(21) + `]}`},
		{false, "the same place twice", one(`{"page":1,"x":0.1,"y":0.2},{"page":1.0,"x":0.10,"y":2e-1}`)},
		{false, "a number", one(`7`)},
		{false, "no page", one(`{"x":0.1,"y":0.2}`)},
		{false, "no y", one(`{"page":1,"x":0.1}`)},
		{false, "V3.0 without page", `{"x":0.1,"y":0.2}`},
		{false, "page 0", one(`{"page":0,"x":0.1,"y":0.2}`)},
		{false, "page -1", one(`{"page":-1,"x":0.1,"y":0.2}`)},
		{false, "page 1.5", one(`{"page":1.5,"x":0.1,"y":0.2}`)},
		{false, "page as a string", one(`{"page":"1","x":0.1,"y":0.2}`)},
		{false, "page of 10 digits", one(`{"page":1000000000,"x":0.1,"y":0.2}`)},
		{false, "x 1", one(`{"page":1,"x":1,"y":0.2}`)},
		{false, "x 1.0000", one(`{"page":1,"x":1.0000,"y":0.2}`)},
		{false, "x -0.1", one(`{"page":1,"x":-0.1,"y":0.2}`)},
		{false, "5 decimals", one(`{"page":1,"x":0.12345,"y":0.2}`)},
		{false, "5 decimals by an exponent", one(`{"page":1,"x":1e-5,"y":0.2}`)},
		{false, "points", one(`{"page":1,"x":72,"y":144}`)},
		{false, "x as a string", one(`{"page":1,"x":"0.1","y":0.2}`)},
		{false, "x null", one(`{"page":1,"x":null,"y":0.2}`)},
	} {
		v := locationVector{Name: c.name, Claims: c.claims, Accepted: c.accepted}
		got, err := v.judged()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		if got.Accepted != c.accepted {
			return nil, fmt.Errorf("%s: the code says %t: %v", c.name, got.Accepted, got.Error)
		}
		f.Locations = append(f.Locations, got)
	}
	return f, nil
}

// manyPlaces is n places in two columns of A4.
func manyPlaces(n int) string {
	list := make([]string, n)
	for i := range n {
		list[i] = fmt.Sprintf(`{"page":1,"x":%g,"y":0.%02d}`, 0.05+0.4*float64(i%2), 2+9*(i/2))
	}
	return strings.Join(list, ",")
}

// judged is the vector with what the code says.
func (v locationVector) judged() (locationVector, error) {
	var claims map[string]json.RawMessage
	if err := json.Unmarshal([]byte(v.Claims), &claims); err != nil {
		return v, err
	}
	read, refusal, err := readArguments(func(d *partytest.Draft) {
		delete(d.Claims, "sign_locations")
		for name, value := range claims {
			d.Claims[name] = value
		}
	})
	v.Accepted, v.Error, v.Locations = refusal == nil, refusal, nil
	if err == nil && refusal == nil {
		v.Locations = read.Locations
	}
	return v, err
}

// readArguments has an initiate token judged that is right but for its arguments.
func readArguments(edit partytest.Edit) (*token.Claims, *api.Error, error) {
	key, err := testKey("ES256", "vectors-es256")
	if err != nil {
		return nil, nil, err
	}
	d := draft(token.Initiate, key, fixedUUID("arguments"))
	edit(d)
	text, err := compact(d)
	if err != nil {
		return nil, nil, err
	}
	f := &tokenFile{
		Now: now, ClientID: clientID, PublicURL: publicURL, JWKS: partytest.JWKS(key.JWK()),
	}
	verifier, err := f.verifier()
	if err != nil {
		return nil, nil, err
	}
	claims, err := f.verify(verifier, token.Initiate, text)
	if err == nil {
		return claims, nil, nil
	}
	if check := token.FailedCheck(err); check != token.CheckArguments {
		return nil, nil, fmt.Errorf("it is refused by the check %q: %w", check, err)
	}
	refusal, err := answerOf(err)
	return nil, refusal, err
}

// nameFile is names.json.
type nameFile struct {
	About string       `json:"about"`
	Names []nameVector `json:"names"`
}

// nameVector is a claim doc_name.
type nameVector struct {
	Name     string     `json:"name"`
	DocName  any        `json:"doc_name"`
	Accepted bool       `json:"accepted"`
	Shown    string     `json:"shown,omitempty"` // to the signer
	Error    *api.Error `json:"error,omitempty"` // the answer
}

func makeNames() (any, error) {
	f := &nameFile{About: "Values of the claim doc_name of initiate, and what the signer sees."}
	for _, c := range []struct {
		accepted bool
		name     string
		docName  any
	}{
		{true, "ordinary", "Lease 12/2026.pdf"},
		{true, "white space around it", "  Lease.pdf\t"},
		{true, "one character", "字"},
		{true, "255 characters of 3 bytes", strings.Repeat("字", token.MaxDocName)},
		{true, "zero-width non-joiner, of Persian", "می\u200cخواهم.pdf"},
		{true, "zero-width joiner, of an emoji", "👨\u200d👩\u200d👧.pdf"},
		{true, "soft hyphen", "Miet\u00advertrag.pdf"},
		{true, "combining marks", "re\u0301sume\u0301.pdf"},
		{true, "right-to-left script", "חוזה.pdf"},
		{true, "HTML", "<b>Lease</b> & more.pdf"},
		{false, "empty", ""},
		{false, "white space only", " \t "},
		{false, "null", nil},
		{false, "a number", 7},
		{false, "a list", []string{"Lease.pdf"}},
		{false, "256 characters", strings.Repeat("x", token.MaxDocName+1)},
		{false, "line break", "Lease\n.pdf"},
		{false, "NUL", "Lease\x00.pdf"},
		{false, "line separator", "Lease\u2028.pdf"},
		{false, "bidirectional override", "Lease\u202efdp.exe"},
		{false, "bidirectional isolate", "Lease\u2066.pdf"},
		{false, "zero-width space", "Lease\u200b.pdf"},
		{false, "byte order mark", "\ufeffLease.pdf"},
		{false, "private use", "Lease\ue000.pdf"},
		{false, "replacement character", "Lease\ufffd.pdf"},
		{false, "joiners only", "\u200d\u200c"},
		{false, "Braille blank", "\u2800"},
	} {
		v := nameVector{Name: c.name, DocName: c.docName, Accepted: c.accepted}
		got, err := v.judged()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		if got.Accepted != c.accepted {
			return nil, fmt.Errorf("%s: the code says %t: %v", c.name, got.Accepted, got.Error)
		}
		f.Names = append(f.Names, got)
	}
	return f, nil
}

// judged is the vector with what the code says.
func (v nameVector) judged() (nameVector, error) {
	read, refusal, err := readArguments(partytest.Claim("doc_name", v.DocName))
	v.Accepted, v.Error, v.Shown = refusal == nil, refusal, ""
	if err == nil && refusal == nil {
		v.Shown = read.DocName
	}
	return v, err
}
