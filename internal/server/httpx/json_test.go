package httpx_test

import (
	"testing"

	"github.com/signet-sign/signet/internal/server/httpx"
)

func TestPretty(t *testing.T) {
	for in, want := range map[string]string{
		`{"b":1,"a":"x\u0026y"}`: "{\n  \"b\": 1,\n  \"a\": \"x&y\"\n}",
		`{"n":1.0,"e":[]}`:       "{\n  \"n\": 1.0,\n  \"e\": []\n}",
		`{"a":1`:                 `{"a":1`,
		"not JSON":               "not JSON",
		"":                       "",
	} {
		if got := httpx.Pretty(in); got != want {
			t.Errorf("Pretty(%s) = %s, want %s", in, got, want)
		}
	}
}
