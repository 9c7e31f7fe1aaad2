package calllog

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/signet-sign/signet/internal/token"
)

// compact is a token of this header and these claims, with 64 bytes as signature.
func compact(header, claims string) string {
	e := base64.RawURLEncoding
	return e.EncodeToString([]byte(header)) + "." + e.EncodeToString([]byte(claims)) +
		"." + e.EncodeToString(make([]byte, 64))
}

func TestDecode(t *testing.T) {
	const code, hash, link = "8c2f3a52-7a7b-4f0e-9d58-0d8d7a2f5c11", "5FA3c0de5FA3c0de5FA3c0de5FA3c0de5FA3c0de5FA3c0de5FA3c0de5FA3c0de", "https://u:p@sign.example/documents/a?expires=1&signature=hush"
	for _, test := range []struct{ name, header, claims, wantHeader, wantClaims string }{
		{
			"as the contract has it", `{"alg":"ES256","kid":"key-1","typ":"JWT"}`,
			`{"client_id":"shop","doc_name":"Lease é.pdf","sign_locations":[{"page":1,"x":0.1,"y":5.0E-4}],"jti":"1","iat":1760074491,"exp":1760074611}`,
			`{"alg":"ES256","kid":"key-1","typ":"JWT"}`,
			`{"client_id":"shop","doc_name":"Lease é.pdf","sign_locations":[{"page":1,"x":0.1,"y":5.0E-4}],"jti":"1","iat":1760074491,"exp":1760074611}`,
		},
		{
			"what is secret", `{"jwk":{"d":"private"},"x5c":["a"]}`,
			`{"exchange_code":"` + code + `","signer_uin_hash":"` + hash + `","signed_doc_url":"` + link + `","password":"hush","nested":{"exchange_code":"` + code + `"}}`,
			`{"jwk":"(an object)","x5c":"(an array)"}`,
			`{"exchange_code":"••• (36 characters)","signer_uin_hash":"5FA3… (64 characters)","signed_doc_url":"https://sign.example/documents/a?…","password":"(a string of 4 characters)","nested":"(an object)"}`,
		},
		{
			"what is in the wrong place", `{"kid":"S8979373D"}`,
			`{"request_id":"` + code + `","sub":"s8979373d","iss":"eyJhbGciOiJFUzI1NiJ9.eyJhIjoxfQ.AAAA","aud":["https://a.example/?k=hush"],"doc_name":"NRIC S8979373D.pdf"}`,
			`{"kid":"•••••373D"}`,
			`{"request_id":"(a string of 36 characters) that is no id of ours","sub":"•••••373d","iss":"(a token)","aud":"(an array)","doc_name":"NRIC •••••373D.pdf"}`,
		},
		{
			"of the wrong type", `{"alg":null,"kid":7}`,
			`{"iat":"1760074491","exp":1.5e9,"client_id":{"a":1},"sign_locations":[{"page":"1","x":true,"y":null,"note":"hush"},{}],"signer_uin_hash":"short","x":[0.1],"exchange_code":12}`,
			`{"alg":null,"kid":7}`,
			`{"iat":"1760074491","exp":1.5e9,"client_id":"(an object)","sign_locations":[{"page":"(a string of 1 characters)","x":"(true or false)","y":"(null)"},{}],"signer_uin_hash":"(a string of 5 characters)","x":"(an array)","exchange_code":"(a number)"}`,
		},
		{
			"what looks like a token", `{"kid":"eyJhbGciOiJFUzI1NiJ9"}`,
			`{"client_id":"xHweyJqksS95xYGSP6XV2-NCkJ-w8DPj","iss":"xeyJhbGciOiJFUzI1NiJ9.eyJhIjoxfQ.AAAA","sub":"Bearer eyJhbGciOiJFUzI1NiJ9","aud":"eyJhbGciOiJFUzI1NiJ9."}`,
			`{"kid":"(a token)"}`,
			`{"client_id":"xHweyJqksS95xYGSP6XV2-NCkJ-w8DPj","iss":"x(a token)","sub":"Bearer (a token)","aud":"(a token)"}`,
		},
		{
			"a webhook's", `{}`, `{"signer_info":{"signer_name":"TAN","signer_partial_uinfin":"S8979373D","signed_at":1}}`,
			`{}`, `{"signer_info":{"signer_name":"TAN","signer_partial_uinfin":"•••••373D","signed_at":1}}`,
		},
	} {
		got, _ := decode(compact(test.header, test.claims))
		if got.Problem != "" || string(got.Header) != test.wantHeader ||
			string(got.Claims) != test.wantClaims ||
			got.Signature != "64 bytes, not kept" {
			t.Errorf(
				"%s:\n%s\n%s\n%q %q", test.name, got.Header, got.Claims, got.Signature, got.Problem,
			)
		}
	}
}

func TestDecodeBroken(t *testing.T) {
	good := compact(`{"alg":"ES256"}`, `{"client_id":"shop"}`)
	for _, test := range []struct{ text, problem, header, claims string }{
		{"junk", "A compact JWS has 3 parts, this has 1.", "", ""},
		{"Bearer " + good, "It stands behind the word Bearer.", `{"alg":"ES256"}`, `{"client_id":"shop"}`},
		{compact(`[]`, `{"iat":1}`), "Header: not a JSON object.", "", `{"iat":1}`},
		{compact(`{"alg":"ES256"}`, `{"iat":1,"exp"`), "Claims: not valid JSON in UTF-8.", `{"alg":"ES256"}`, `{"iat":1}`},
		{compact(`{"alg":"none","alg":"ES256"}`, `{}`), "Header: two members of one object have the same name.", `{"alg":"none"}`, "{}"},
		{"e30.é.x", "Claims: not base64url without padding.", "{}", ""},
		{strings.Repeat("A", token.MaxToken+1), "It is longer than 16384 bytes.", "", ""},
	} {
		got, _ := decode(test.text)
		if got.Problem != test.problem || string(got.Header) != test.header ||
			string(got.Claims) != test.claims {
			t.Errorf("%.40q: %+v", test.text, got)
		}
	}
	if none, _ := decode(""); none != nil {
		t.Error("no token is one")
	}
}

// TestDecodeIsBounded checks that the kept part of any token is small, is JSON, and contains no
// NRIC.
func TestDecodeIsBounded(t *testing.T) {
	names := []string{
		"client_id", "iat", "doc_name", "sign_locations", "signer_info", "signed_doc_url", "kid",
		"alg", "aud", "request_id",
	}
	rapid.Check(t, func(t *rapid.T) {
		object := map[string]any{}
		for _, name := range rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(names), rapid.String()), 0, 60).Draw(t, "names") {
			object[name] = rapid.OneOf(
				rapid.Custom(
					func(t *rapid.T) any { return rapid.StringN(0, 300, 2000).Draw(t, "s") + "S8979373D" },
				),
				rapid.Custom(func(t *rapid.T) any { return rapid.Float64().Draw(t, "f") }),
				rapid.Custom(
					func(t *rapid.T) any { return []map[string]string{{"page": rapid.String().Draw(t, "p")}} },
				),
			).Draw(t, "value")
		}
		text, err := json.Marshal(object)
		if err != nil {
			t.Skip()
		}
		got, _ := decode(compact(string(text), string(text)))
		for _, part := range []json.RawMessage{got.Header, got.Claims} {
			if part != nil && !json.Valid(part) {
				t.Fatalf("not JSON: %s", part)
			}
			if len(part) > maxPart+64 {
				t.Fatalf("%d bytes", len(part))
			}
			if strings.Contains(string(part), "S8979373D") {
				t.Fatalf("an NRIC: %s", part)
			}
		}
	})
}

func TestOurID(t *testing.T) {
	for id, want := range map[string]bool{
		"signv3-0199cc9c-8b7c-70df-b29b-39843a10c332": true, "signv3-": true,
		"8c2f3a52-7a7b-4f0e-9d58-0d8d7a2f5c11": false,
		"signv3-<script>":                      false, "signv3-" + strings.Repeat("a", 58): false, "": false,
	} {
		if got := OurID(id) == id && id != ""; got != want {
			t.Errorf("%q: %v", id, got)
		}
	}
}
