package party_test

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/safehttp"
)

// aServer starts a server with a certificate of an authority that no system trusts, and returns its
// URL and the authority in PEM.
func aServer(t *testing.T, h http.HandlerFunc) (url, ca string) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	block := &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}
	return s.URL, string(pem.EncodeToMemory(block))
}

// TestClientsOf checks that the settings of a party hold for its calls, and for its calls only.
func TestClientsOf(t *testing.T) {
	server, ca := aServer(t, func(http.ResponseWriter, *http.Request) {})
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	clients := &party.Clients{}
	for _, test := range []struct {
		name    string
		p       party.Party
		url     string
		allowed bool
	}{
		{"both", party.Party{AllowPrivate: true, CA: ca}, server, true},
		{"no authority", party.Party{AllowPrivate: true}, server, false},
		{"not private", party.Party{CA: ca}, server, false},
		{"neither", party.Party{}, server, false},
		{"http", party.Party{AllowPrivate: true}, plain.URL, true},
		{"http, not private", party.Party{}, plain.URL, false},
		{"an authority in vain", party.Party{AllowPrivate: true, CA: "nonsense"}, server, false},
		{"link-local", party.Party{AllowPrivate: true}, "http://169.254.169.254/", false},
		{"both again", party.Party{AllowPrivate: true, CA: ca}, server, true},
	} {
		answer, err := clients.Of(&test.p).Get(test.url)
		if (err == nil) != test.allowed {
			t.Errorf("%s: %v", test.name, err)
		}
		if err == nil {
			answer.Body.Close()
		}
	}
	one, other := party.Party{ClientID: "a", CA: ca}, party.Party{ClientID: "b", CA: ca}
	if clients.Of(&one) != clients.Of(&other) {
		t.Error("two parties with the same settings have two clients")
	}
}

// TestClientsAreBounded checks that clients of settings that are gone are dropped, the ones that
// are in use last.
func TestClientsAreBounded(t *testing.T) {
	made := 0
	clients := &party.Clients{Wrap: func(next http.RoundTripper) http.RoundTripper {
		made++
		return next
	}}
	common := party.Party{}
	for i := range 1000 {
		clients.Of(&party.Party{CA: strings.Repeat("x", i+1)})
		clients.Of(&common)
	}
	if made != 1001 {
		t.Errorf("%d clients were made, want one for each CA, and one for the common party", made)
	}
	clients.Of(&party.Party{CA: "x"})
	if made != 1002 {
		t.Error("the first client is kept")
	}
}

func TestSettingsOfNetwork(t *testing.T) {
	_, ca := aServer(t, http.NotFound)
	p := shop("a")
	valid := func(change func(*party.Party)) map[party.Field]error {
		p := p
		change(&p)
		return p.Problems(safehttp.Policy{})
	}
	for name, change := range map[string]func(*party.Party){
		"CA":      func(p *party.Party) { p.CA = "a comment\n" + ca + "\n" + ca + "\n\n" },
		"private": func(p *party.Party) { p.AllowPrivate, p.JWKSURL = true, "http://10.0.0.1:8080/" },
		"webhook": func(p *party.Party) { p.AllowPrivate, p.WebhookURL = true, "http://10.0.0.1:8080/" },
	} {
		if found := valid(change); len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
	for name, test := range map[string]struct {
		field  party.Field
		change func(*party.Party)
	}{
		"text":     {party.FieldCA, func(p *party.Party) { p.CA = "nonsense" }},
		"blank":    {party.FieldCA, func(p *party.Party) { p.CA = " \n" }},
		"tail":     {party.FieldCA, func(p *party.Party) { p.CA = ca + "nonsense" }},
		"damaged":  {party.FieldCA, func(p *party.Party) { p.CA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" }},
		"key":      {party.FieldCA, func(p *party.Party) { p.CA = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" }},
		"long":     {party.FieldCA, func(p *party.Party) { p.CA = ca + strings.Repeat("\n", 16<<10) }},
		"many":     {party.FieldCA, func(p *party.Party) { p.CA = strings.Repeat(ca, 21) }},
		"redirect": {party.FieldRedirect, func(p *party.Party) { p.AllowPrivate, p.RedirectURL = true, "http://10.0.0.1/" }},
		"metadata": {party.FieldJWKS, func(p *party.Party) { p.AllowPrivate, p.JWKSURL = true, "http://169.254.169.254/" }},
		"private":  {party.FieldWebhook, func(p *party.Party) { p.CA, p.WebhookURL = ca, "https://10.0.0.1/" }},
	} {
		if found := valid(test.change); len(found) != 1 || found[test.field] == nil {
			t.Errorf("%s: %v", name, found)
		}
	}
	edits := party.Edits(p, party.Party{
		ClientID: p.ClientID, Name: p.Name, JWKSURL: p.JWKSURL, RedirectURL: p.RedirectURL,
		WebhookURL: p.WebhookURL, AllowPrivate: true, CA: ca,
	})
	if len(edits) != 2 || edits[0] != (party.Edit{Field: party.FieldPrivate, To: "yes"}) ||
		!strings.HasPrefix(edits[1].To, "O=Acme Co until ") ||
		strings.Contains(edits[1].To, "BEGIN") {
		t.Errorf("the trail has %+v", edits)
	}
}

// TestKeysOfOtherSettings checks that keys that were fetched under other settings are not used.
func TestKeysOfOtherSettings(t *testing.T) {
	b := newKeyBench(t, func(c *party.KeysConfig) { c.Clients = &party.Clients{} })
	p := b.registered()
	p.AllowPrivate = true
	if err := b.keys.Fetch(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	p.AllowPrivate = false
	if err := b.keys.Fetch(t.Context(), p); !errors.Is(err, safehttp.ErrURL) {
		t.Errorf("without AllowPrivate: %v, want the refusal of http", err)
	}
}
