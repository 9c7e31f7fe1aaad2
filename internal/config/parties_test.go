package config

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/party"
)

// TestRegistered checks that a party without a name is shown by its id.
func TestRegistered(t *testing.T) {
	list, err := ParseParties(
		"[{client_id: a, jwks_url: j, redirect_url: r, webhook_url: w}, {client_id: b, name: B}]",
	)
	if err != nil {
		t.Fatal(err)
	}
	got, logos, err := (&Config{Parties: list}).Registered()
	if err != nil || len(logos) != 0 {
		t.Fatal(logos, err)
	}
	want := []party.Party{
		{ClientID: "a", Name: "a", JWKSURL: "j", RedirectURL: "r", WebhookURL: "w"},
		{ClientID: "b", Name: "B"},
	}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%+v", got)
	}
	for _, text := range []string{
		"", "a", "[{client: a}]", "[1]", "[{client_id: a, logo_url: https://a.example/logo.png}]",
	} {
		if _, err := ParseParties(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// TestConfiguredLogo checks that the configuration names a file, and a bad one is found before
// anything starts.
func TestConfiguredLogo(t *testing.T) {
	var drawn bytes.Buffer
	if err := png.Encode(&drawn, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "logo.png"), filepath.Join(dir, "logo.svg")
	if err := errors.Join(
		os.WriteFile(good, drawn.Bytes(), 0o600), os.WriteFile(bad, []byte("<svg/>"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	parties, logos, err := (&Config{Parties: PartyList{{ClientID: "a", Logo: good}, {ClientID: "b"}}}).Registered()
	if err != nil || len(logos) != 1 || parties[0].Logo != logos[0].Name || parties[1].Logo != "" {
		t.Errorf("%+v, %d logos, %v", parties, len(logos), err)
	}
	for _, file := range []string{bad, filepath.Join(dir, "nowhere.png")} {
		if _, _, err := (&Config{Parties: PartyList{{ClientID: "a", Logo: file}}}).Registered(); err == nil ||
			!strings.Contains(err.Error(), "client a: logo") {
			t.Errorf("%s: %v", file, err)
		}
	}
}
