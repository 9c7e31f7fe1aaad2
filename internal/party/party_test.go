package party_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/safehttp"
)

func TestValidate(t *testing.T) {
	good := party.Party{
		ClientID: "9RgGCHe8X1", Name: "Acme Pte Ltd 永", Logo: "0123",
		JWKSURL: "https://acme.example/jwks.json", RedirectURL: "https://acme.example/back?a=b",
		WebhookURL: "https://acme.example:443/hook",
	}
	change := func(f func(*party.Party)) party.Party {
		p := good
		f(&p)
		return p
	}
	cases := []struct {
		name  string
		party party.Party
		cause string // empty: valid
	}{
		{"as it should be", good, ""},
		{"without webhook", change(func(p *party.Party) { p.WebhookURL = "" }), ""},
		{
			"redirect with an odd query",
			change(
				func(p *party.Party) { p.RedirectURL = "https://acme.example/?a=1;b=%zz&flag&c='*'" },
			),
			"",
		},
		{
			"name of 100 characters",
			change(func(p *party.Party) { p.Name = strings.Repeat("永", 100) }),
			"",
		},
		{
			"redirect to another port",
			change(func(p *party.Party) { p.RedirectURL = "https://acme.example:8443/" }),
			"",
		},

		{"no client id", change(func(p *party.Party) { p.ClientID = "" }), "client id: it must be"},
		{
			"client id with a space",
			change(func(p *party.Party) { p.ClientID = "a b" }),
			"client id: it must be",
		},
		{
			"client id of dots",
			change(func(p *party.Party) { p.ClientID = ".." }),
			"client id: it must be",
		},
		{
			"client id too long",
			change(func(p *party.Party) { p.ClientID = strings.Repeat("a", 129) }),
			"client id: it must be",
		},
		{"no name", change(func(p *party.Party) { p.Name = " " }), "name must not be empty"},
		{
			"name too long",
			change(func(p *party.Party) { p.Name = strings.Repeat("a", 101) }),
			"name must not be longer than 100",
		},
		{
			"name with an override",
			change(func(p *party.Party) { p.Name = "a\u202eb" }),
			"name must not contain the character U+202E",
		},
		{"no JWKS", change(func(p *party.Party) { p.JWKSURL = "" }), "JWKS URL: "},
		{
			"JWKS without TLS",
			change(func(p *party.Party) { p.JWKSURL = "http://acme.example/" }),
			"JWKS URL: URL not allowed: the scheme",
		},
		{
			"JWKS on another port",
			change(func(p *party.Party) { p.JWKSURL = "https://acme.example:8443/" }),
			"JWKS URL: URL not allowed: the port",
		},
		{
			"JWKS at home",
			change(func(p *party.Party) { p.JWKSURL = "https://127.0.0.1/" }),
			"JWKS URL: address not allowed",
		},
		{
			"webhook at home",
			change(func(p *party.Party) { p.WebhookURL = "https://[::1]/" }),
			"webhook URL: address not allowed",
		},
		{
			"endless webhook",
			change(func(p *party.Party) { p.WebhookURL += strings.Repeat("a", 2048) }),
			"webhook URL: it is longer than 2048",
		},
		{"no redirect", change(func(p *party.Party) { p.RedirectURL = "" }), "redirect URL: "},
		{
			"redirect with a script",
			change(func(p *party.Party) { p.RedirectURL = "javascript://a/%0aalert(1)" }),
			"redirect URL: the scheme",
		},
		{
			"redirect without host",
			change(func(p *party.Party) { p.RedirectURL = "https:///x" }),
			"redirect URL: there is no host",
		},
		{
			"redirect with a password",
			change(func(p *party.Party) { p.RedirectURL = "https://u:p@acme.example/" }),
			"redirect URL: it holds user",
		},
		{
			"redirect with a fragment",
			change(func(p *party.Party) { p.RedirectURL = "https://acme.example/#x" }),
			"redirect URL: it holds a fragment",
		},
		{
			"redirect with a space in its query",
			change(func(p *party.Party) { p.RedirectURL = "https://acme.example/?a=b c" }),
			"redirect URL: its query holds a character",
		},
		{
			"redirect with a letter of another script in its query",
			change(func(p *party.Party) { p.RedirectURL = "https://acme.example/?a=é" }),
			"redirect URL: its query holds a character",
		},
		{
			"redirect with a quote in its query",
			change(func(p *party.Party) { p.RedirectURL = `https://acme.example/?a="b"` }),
			"redirect URL: its query holds a character",
		},
		{
			"webhook with a password",
			change(func(p *party.Party) { p.WebhookURL = "https://u:p@acme.example/" }),
			"webhook URL: URL not allowed: it holds user",
		},
		{
			"redirect no URL",
			change(func(p *party.Party) { p.RedirectURL = "https://acme.example/%zz" }),
			"redirect URL: it cannot be parsed",
		},
	}
	for _, c := range cases {
		err := c.party.Validate(safehttp.Policy{})
		if c.cause == "" && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.cause != "" && (err == nil || !strings.Contains(err.Error(), c.cause)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.cause)
		}
	}

	sandbox := good
	sandbox.JWKSURL, sandbox.RedirectURL, sandbox.WebhookURL = "http://localhost:3000/jwks", "http://localhost:3000/", "http://host.docker.internal/hook"
	if err := sandbox.Validate(safehttp.Policy{AllowPrivate: true}); err != nil {
		t.Errorf("in the sandbox: %v", err)
	}
}

func TestRegistry(t *testing.T) {
	policy := safehttp.Policy{}
	rp := func(id, name string) party.Party {
		return party.Party{
			ClientID:    id,
			Name:        name,
			JWKSURL:     "https://a.example/",
			RedirectURL: "https://a.example/",
		}
	}
	var r party.Registry
	if _, err := r.Party(t.Context(), "a"); !errors.Is(err, party.ErrUnknown) || len(r.All()) != 0 {
		t.Errorf("an empty registry: %v", err)
	}
	if err := r.Replace(policy, rp("a", "A1"), rp("b", "B1")); err != nil {
		t.Fatal(err)
	}
	if err := r.Replace(policy, rp("c", "C"), rp("c", "D")); err == nil {
		t.Error("a client id twice was accepted")
	}
	if err := r.Replace(policy, rp("c", "")); err == nil {
		t.Error("a party that is not valid was accepted")
	}
	if _, err := party.NewRegistry(policy, rp("c", "")); err == nil {
		t.Error("a party that is not valid was accepted")
	}
	worse := rp("c", "C")
	worse.RedirectURL = "ftp://a.example/#x"
	if err := r.Replace(policy, worse); err == nil {
		t.Error("a scheme was accepted because of a fragment")
	}
	for _, id := range []string{"", "..", "c d"} {
		if err := r.Replace(policy, rp(id, "C")); err == nil {
			t.Errorf("the client id %q was accepted", id)
		}
		if _, err := party.NewRegistry(policy, rp(id, "C")); err == nil {
			t.Errorf("the client id %q was accepted", id)
		}
	}
	if p, err := r.Party(t.Context(), "a"); err != nil || p.Name != "A1" || len(r.All()) != 2 {
		t.Errorf("after failed changes: %+v, %v", p, err)
	}
	for _, id := range []string{"", "A", "a ", "c"} {
		if _, err := r.Party(t.Context(), id); !errors.Is(err, party.ErrUnknown) {
			t.Errorf("%q: %v", id, err)
		}
	}

	// A part of a URL that is too much is that party's mistake alone.
	bad := rp("b", "B1")
	bad.RedirectURL += "#x"
	mixed, err := party.NewRegistry(policy, rp("a", "A1"), bad)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"a": "", "b": "client b: redirect URL: it holds a fragment"} {
		p, err := mixed.Party(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(p.Problem); want == "" && p.Problem != nil ||
			want != "" && got != want {
			t.Errorf("%s: problem %s, want %q", id, got, want)
		}
	}

	// Readers see the old set or the new one, and never half of each.
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 1000 {
				all := r.All()
				if len(all) != 2 || all[0].Name[1] != all[1].Name[1] {
					t.Errorf("a mixed set: %v", all)
					return
				}
			}
		})
	}
	for i := range 1000 {
		n := string(rune('1' + i%2))
		if err := r.Replace(policy, rp("a", "A"+n), rp("b", "B"+n)); err != nil {
			t.Fatal(err)
		}
	}
	group.Wait()
}
