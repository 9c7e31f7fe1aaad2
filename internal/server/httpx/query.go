package httpx

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-sign/signet/api"
)

// Takes returns h for a call of programs whose query can have the named parameters. It refuses
// others, a parameter that is there twice, and one without a value after its "=": a misspelt
// request_id, or a variable of a script that is not set, would let the call concern more than it is
// meant to.
func Takes(
	h func(w http.ResponseWriter, r *http.Request) error, names ...string,
) func(w http.ResponseWriter, r *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := checkQuery(r.URL.RawQuery, names); err != nil {
			return err
		}
		return h(w, r)
	}
}

func checkQuery(raw string, takes []string) error {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return api.ErrClientSide("The query of the URL cannot be read: " + err.Error())
	}
	known := "the call takes no parameters"
	if len(takes) > 0 {
		known = "the call takes " + strings.Join(takes, ", ")
	}
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, valued := strings.Cut(pair, "=")
		name, _ = url.QueryUnescape(name)
		if name == "" {
			continue
		}
		switch {
		case !slices.Contains(takes, name):
			return api.ErrClientSide("No parameter " + quote(name) + ": " + known)
		case len(q[name]) > 1:
			return api.ErrClientSide("The parameter " + quote(name) + " is there twice")
		case valued && value == "":
			return api.ErrClientSide(
				"The parameter " + quote(name) + " is empty: give it a value, or leave it out",
			)
		}
	}
	return nil
}

// Flag returns whether a parameter that is there is set: alone, as in ?refused, or with 1 or true,
// and not with 0 or false.
func Flag(q url.Values, name string) (bool, error) {
	switch value := q.Get(name); {
	case !q.Has(name), value == "0", value == "false":
		return false, nil
	case value == "", value == "1", value == "true":
		return true, nil
	}
	return false, api.ErrClientSide("The parameter " + quote(name) + " is 1 or 0")
}

// quote returns a name that a caller sent, of at most 40 characters, in quotes.
func quote(name string) string {
	if r := []rune(name); len(r) > 40 {
		name = string(r[:40]) + "…"
	}
	return `"` + name + `"`
}
