package httpx_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/httpx"
)

// TestReadJSON checks what callers read of their mistakes, which has no name of a Go type.
func TestReadJSON(t *testing.T) {
	type inner struct {
		Name string `json:"name"`
	}
	const prefix = "The body is not the JSON that this call takes: "
	for body, want := range map[string]string{
		`{"name":"a","count":1,"rate":0.5,"on":true,"at":"2027-03-02T09:30:00Z","list":["a"]}`: "",
		``:                                "there is no body",
		`{"name":`:                        "unexpected EOF",
		`name=a`:                          "invalid character 'a' in literal null (expecting 'u')",
		`[]`:                              "it is a list and must be an object",
		`{"name":1}`:                      `"name" is a number and must be a string`,
		`{"count":"1"}`:                   `"count" is a string and must be a whole number`,
		`{"count":1.5}`:                   `"count" is a number and must be a whole number`,
		`{"rate":"often"}`:                `"rate" is a string and must be a number`,
		`{"on":1}`:                        `"on" is a number and must be true or false`,
		`{"list":"a"}`:                    `"list" is a string and must be a list`,
		`{"at":"tomorrow"}`:               `a time must be a string such as "2027-03-02T09:30:00Z"`,
		`{"at":1}`:                        `a time must be a string such as "2027-03-02T09:30:00Z"`,
		`{"nme":"a"}`:                     `unknown field "nme"; there are name, count, rate, on, at, list`,
		`{"name":"a"}{}`:                  "something follows the object",
		strings.Repeat(" ", 1<<17) + `{}`: "it has more than 64 KiB",
	} {
		var v struct {
			inner
			Count int       `json:"count"`
			Rate  float64   `json:"rate"`
			On    *bool     `json:"on"`
			At    time.Time `json:"at"`
			List  []string  `json:"list"`
		}
		w := httptest.NewRecorder()
		err := httpx.ReadJSON(w, httptest.NewRequest("POST", "/", strings.NewReader(body)), &v)
		got := ""
		if refusal, ok := errors.AsType[*api.Error](err); ok {
			got = strings.TrimPrefix(refusal.Description, prefix)
		}
		if got != want {
			t.Errorf("%.40s: %v, want %s", body, err, want)
		}
	}
}
