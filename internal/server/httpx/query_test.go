package httpx_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/httpx"
)

func TestTakes(t *testing.T) {
	two := []string{"client_id", "refused"}
	for _, c := range []struct {
		query string
		takes []string
		want  string // the refusal; "" is none
	}{
		{"", nil, ""},
		{"", two, ""},
		{"client_id=a&refused", two, ""},
		{"client_id=%C3%A9&", two, ""},
		{"clientid=a", two, `No parameter "clientid": the call takes client_id, refused`},
		{"Client_id=a", two, `No parameter "Client_id": the call takes client_id, refused`},
		{"client_id=a", nil, `No parameter "client_id": the call takes no parameters`},
		{"client_id=a&x", two, `No parameter "x": the call takes client_id, refused`},
		{"client_id=a&client_id=b", two, `The parameter "client_id" is there twice`},
		{"client_id=", two, `The parameter "client_id" is empty: give it a value, or leave it out`},
		{"client%5Fid=", two, `The parameter "client_id" is empty: give it a value, or leave it out`},
		{"client_id=a;b", two, `The query of the URL cannot be read: invalid semicolon separator in query`},
		{"client_id=%", two, `The query of the URL cannot be read: invalid URL escape "%"`},
	} {
		called := false
		h := httpx.Takes(func(http.ResponseWriter, *http.Request) error {
			called = true
			return nil
		}, c.takes...)
		err := h(nil, httptest.NewRequest("GET", "/?"+c.query, nil))
		var got string
		if refusal, ok := errors.AsType[*api.Error](err); ok {
			got = refusal.Description
		}
		if got != c.want || called != (err == nil) {
			t.Errorf("?%s of %q: %v, called %t; want %q", c.query, c.takes, err, called, c.want)
		}
	}
}

func TestFlag(t *testing.T) {
	for query, want := range map[string]string{
		"": "false", "x": "true", "x=1": "true", "x=true": "true", "x=0": "false", "x=false": "false",
		"x=no": "", "y": "false",
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		switch set, err := httpx.Flag(q, "x"); {
		case (err != nil) != (want == ""), err == nil && set != (want == "true"):
			t.Errorf("?%s: %t, %v", query, set, err)
		}
	}
}
