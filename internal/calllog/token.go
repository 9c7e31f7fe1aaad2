package calllog

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/token"
)

// Token is a compact JWS decoded for reading: its members in their order, with secret or personal
// values masked. The token cannot be rebuilt from it.
type Token struct {
	Header    json.RawMessage `json:"header,omitempty"`    // an object
	Claims    json.RawMessage `json:"claims,omitempty"`    // an object
	Signature string          `json:"signature,omitempty"` // its length
	Problem   string          `json:"problem,omitempty"`   // why a part is missing
}

// Limits of what is kept of a token, in bytes.
const (
	maxMembers = 24   // of header or claims, a count
	maxName    = 40   // of a member's name
	maxText    = 200  // of a string
	maxPart    = 2048 // of header or claims
)

// named is the client and the request that a token names.
type named struct{ clientID, requestID string }

// ReadToken decodes a token, which may be malformed. It returns nil if compact is empty.
func ReadToken(compact string) *Token {
	t, _ := decode(compact)
	return t
}

// decode decodes a token, which may be malformed. t is nil if compact is empty.
func decode(compact string) (t *Token, n named) {
	switch {
	case compact == "":
		return nil, n
	case len(compact) > token.MaxToken:
		return &Token{Problem: fmt.Sprintf("It is longer than %d bytes.", token.MaxToken)}, n
	}
	t = new(Token)
	if len(compact) >= 7 && strings.EqualFold(compact[:7], "Bearer ") {
		compact = strings.TrimLeft(compact[7:], " ")
		t.fault("It stands behind the word Bearer.")
	}
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		t.fault(fmt.Sprintf("A compact JWS has 3 parts, this has %d.", len(parts)))
		return t, n
	}
	header, err := token.ReadPart(parts[0])
	if err != nil {
		t.fault("Header: " + err.Error() + ".")
	}
	claims, err := token.ReadPart(parts[1])
	if err != nil {
		t.fault("Claims: " + err.Error() + ".")
	}
	t.Header, t.Claims = masked(header, maskHeader), masked(claims, maskClaim)
	t.Signature = fmt.Sprintf("%d bytes, not kept", base64.RawURLEncoding.DecodedLen(len(parts[2])))
	for _, m := range claims {
		s, _ := m.Value.Text()
		switch m.Name {
		case "client_id", "client_request":
			if n.clientID == "" {
				n.clientID = brief(s, maxClientID)
			}
		case "request_id":
			n.requestID = OurID(s)
		}
	}
	return t, n
}

func (t *Token) fault(text string) { t.Problem = strings.TrimSpace(t.Problem + " " + text) }

// masked returns the members as a JSON object, with each value replaced by mask.
func masked(list []token.Member, mask func(token.Member) any) json.RawMessage {
	if list == nil {
		return nil
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range list {
		value, _ := json.Marshal(mask(m)) // strings, and JSON that was parsed before
		name, _ := json.Marshal(Scrub(brief(m.Name, maxName)))
		if i == maxMembers || b.Len()+len(name)+len(value) > maxPart {
			fmt.Fprintf(&b, `,"…":"%d more"`, len(list)-i)
			break
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

func maskHeader(m token.Member) any {
	switch m.Name {
	case "alg", "kid", "typ", "cty", "crit", "b64":
		return plain(m)
	}
	return shape(m) // a jwk could hold a private key
}

// maskClaim returns the values of known claims. Other claims may be secret, so it returns only
// their shape.
func maskClaim(m token.Member) any {
	s, isText := m.Value.Text()
	switch m.Name {
	case "iat",
		"exp",
		"nbf",
		"iss",
		"sub",
		"aud",
		"jti",
		"client_id",
		"client_request",
		"doc_name",
		"x",
		"y",
		"page",
		"request_type":
		return plain(m)
	case "request_id":
		if isText && OurID(s) == "" {
			return shape(m) + " that is no id of ours"
		}
		return plain(m)
	case "signer_uin_hash":
		// The whole hash would reveal the signer, because there are few enough NRICs to try them
		// all. Thousands of NRICs share this prefix.
		if isText && len(s) > 16 {
			return fmt.Sprintf("%s (%d characters)", brief(s, 4), utf8.RuneCountInString(s))
		}
	case "signed_doc_url":
		if isText {
			return Scrub(brief(s, maxText))
		}
	case "sign_locations":
		return locations(m)
	case "signer_info":
		var info struct {
			Name     string `json:"signer_name"`
			Partial  string `json:"signer_partial_uinfin"`
			SignedAt int64  `json:"signed_at"`
		}
		if json.Unmarshal(m.Value, &info) == nil {
			info.Name, info.Partial = Scrub(brief(info.Name, maxText)), Scrub(
				brief(info.Partial, 16),
			)
			return info
		}
	}
	return shape(m)
}

// plain returns a short string or number unchanged unless it looks secret.
func plain(m token.Member) any {
	if s, ok := m.Value.Text(); ok {
		return Scrub(brief(s, maxText))
	}
	if kind := m.Value.Kind(); kind == '{' || kind == '[' || len(m.Value) > 32 {
		return shape(m)
	}
	return json.RawMessage(m.Value)
}

// locations returns the signing locations if they have the right form. They consist of numbers
// only, so they contain nothing secret.
func locations(m token.Member) any {
	var list []map[string]json.RawMessage
	if json.Unmarshal(m.Value, &list) != nil || len(list) > 20 {
		return shape(m)
	}
	out := make([]map[string]any, len(list))
	for i, place := range list {
		out[i] = map[string]any{}
		for _, name := range []string{"page", "x", "y"} {
			if v, ok := place[name]; ok {
				out[i][name] = v
				if c := v[0]; c != '-' && (c < '0' || c > '9') || len(v) > 12 {
					out[i][name] = shape(token.Member{Name: name, Value: token.Value(v)})
				}
			}
		}
	}
	return out
}

// shape describes the type and size of a value.
func shape(m token.Member) string {
	s, ok := m.Value.Text()
	switch {
	case ok && m.Name == "exchange_code":
		return fmt.Sprintf("••• (%d characters)", utf8.RuneCountInString(s))
	case ok:
		return fmt.Sprintf("(a string of %d characters)", utf8.RuneCountInString(s))
	}
	switch m.Value.Kind() {
	case '{':
		return "(an object)"
	case '[':
		return "(an array)"
	case 't', 'f':
		return "(true or false)"
	case 'n':
		return "(null)"
	}
	return "(a number)"
}

const maxClientID = 128

// OurID returns id if it has the form of a request's id, and "" otherwise, because other text from
// a caller may be secret.
func OurID(id string) string {
	const longest = 64
	if len(id) > longest || !strings.HasPrefix(id, api.RequestIDPrefix) {
		return ""
	}
	for _, c := range id[len(api.RequestIDPrefix):] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' {
			return ""
		}
	}
	return id
}

// brief shortens a string to at most n bytes, with a mark.
func brief(s string, n int) string {
	// PostgreSQL does not store NUL.
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// tokens matches text with a dot anywhere. Text without a dot may be a part of a token and is
// matched only as a word, because a client id may contain these letters too.
var tokens = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*)+|\beyJ[A-Za-z0-9_-]{8,}`)

// Scrub removes from a text secret or personal data that callers may have put into it: tokens,
// queries of URLs, and NRICs except their last four characters.
func Scrub(s string) string {
	s = tokens.ReplaceAllString(s, "(a token)")
	s = party.ShownText(s)
	return signer.HideUINs(s)
}
