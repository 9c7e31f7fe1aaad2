package retention

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/signer"
)

func TestRevealing(t *testing.T) {
	p := signer.Person{UIN: "S8979373D"}
	reveals := revealing(p, map[string]bool{
		"TAN XIAO HUI": true, " 陈小慧 ": true, "KAŞ": true, "": true, "ANA": true, "A&B": true,
	})
	for text, want := range map[string]bool{
		"":                                     false,
		"S8979373D":                            true,
		"xs8979373dx":                          true,
		"S8979373E":                            false,
		"\u017f8979373D":                       true, // a long s
		p.Hash():                               true,
		strings.ToUpper(p.Hash()) + "0":        true,
		"for Tan Xiao Hui.":                    true,
		"TAN XIAO HUIS":                        false,
		"9TAN XIAO HUI":                        false,
		"\xffTAN XIAO HUI\xff":                 true,
		"TAN  XIAO HUI":                        false,
		"陈小慧":                                  true,
		"陈小慧书":                                 false,
		"\u212aaş":                             true, // the sign of the kelvin
		"ANANA":                                false,
		"ANANA ANA":                            true,
		`{"a":["tan xiao hui"]}`:               true,
		`{"a":{"b":"(s8979373d)"},"c":1}`:      true,
		`{"S8979373D":"x","TAN XIAO HUI":"y"}`: false, // members are not a person's
		`{"a":"\u0053 8979373D"}`:              false,
		`{"a":"\u00538979373D"}`:               true,
		`{"a":"A\u0026B"}`:                     true,
		`{"a":"A\u0026Bx"}`:                    false,
		`{"a":"x`:                              false,
		`{"a":"S8979373D`:                      true, // no JSON
	} {
		if got := reveals(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// BenchmarkRevealing looks at a record of a call, as the search for a person does with each.
func BenchmarkRevealing(b *testing.B) {
	text, err := json.Marshal(map[string]any{
		"doc_name": "Tenancy agreement of TAN AH KOW.pdf", "description": strings.Repeat("words ", 50),
		"claims": map[string]any{"client_id": strings.Repeat("a", 32), "jti": strings.Repeat("b", 36)},
	})
	if err != nil {
		b.Fatal(err)
	}
	reveals := revealing(signer.Person{UIN: "S8979373D"}, map[string]bool{"TAN XIAO HUI": true})
	for b.Loop() {
		reveals(string(text))
	}
}
