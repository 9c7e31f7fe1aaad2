package ui_test

import (
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/server/ui"
)

// galleryParties is the operators' pages about relying parties with sample data.
func galleryParties(now time.Time) []Sample {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	party := console.Party{
		Party:       ui.Party{Name: "Harbour Lane Housing Co-operative", LogoURL: ui.LogoURL("sample")},
		ClientID:    "kX2vQpB0zWm3nC8Ls5TdRfYhJa7uE1Gi",
		JWKSURL:     "https://harbour-lane.example/.well-known/jwks.json",
		RedirectURL: "https://harbour-lane.example/sign/return",
		WebhookURL:  "https://harbour-lane.example/hooks/sign?…", Version: 4,
	}
	checks := []console.Check{
		{
			Name: "jwks",
			Tone: "warn",
			Text: "1 usable key, fetched in 84 ms",
			More: []string{"kid 2026-03: P-256, ES256", "not usable: keys[1]: use is not sig"},
		},
		{
			Name: "redirect",
			Tone: "good",
			Text: "The URL is well formed. Only browsers open it, so it was not called.",
		},
		{
			Name: "webhook",
			Tone: "bad",
			Text: "The server refuses the connection. Check that it runs and that the port is right.",
		},
	}
	quiet := console.Party{
		Party: ui.Party{Name: "Demo Relying Party"}, ClientID: "demo", Configured: true,
		JWKSURL: party.JWKSURL, RedirectURL: party.RedirectURL,
	}
	closed := party
	closed.Disabled, closed.LogoURL, closed.Name, closed.ClientID = true, "", "Lantern Street Insurance", "lantern-street"
	page := console.PartyPage{
		Party: party, API: "https://sign.example/api/v3",
		KeysURL: "https://sign.example/.well-known/keys.json", Checks: checks,
		Keys: &console.Keys{
			Keys: []console.Key{
				{Kid: "2026-03", Curve: "P-256", Alg: "ES256", LastUsed: ago(80 * time.Second)},
				{Kid: "2025-09", Curve: "P-256", Alg: "ES256", LastUsed: ago(50 * time.Hour)},
				{Kid: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", Curve: "P-521"},
			},
			Ignored: []string{"keys[3]: use is not sig"}, FetchedAt: ago(20 * time.Minute),
			Until: now.Add(40 * time.Minute),
		},
		Proposal: &console.Proposal{
			ID: 1, By: "mei.lin", At: ago(10 * time.Minute), Edits: []console.Edit{{
				Field: "jwks_url", From: "https://harbour-lane.example/jwks.json",
				To: "https://keys.harbour-lane.example/2026/jwks.json",
			}},
		},
		Changes: []console.Change{
			{At: ago(10 * time.Minute), By: "mei.lin", Kind: "proposed"},
			{At: ago(20 * time.Minute), By: "mei.lin", Kind: "keys_renewed"},
			{At: ago(26 * time.Hour), By: "mei.lin", Kind: "edited", Edits: []console.Edit{
				{
					Field: "name",
					From:  "Harbour Lane Housing",
					To:    "Harbour Lane Housing Co-operative",
				},
				{
					Field: "webhook_url",
					From:  "https://harbour-lane.example/hooks/sign?…",
					To:    "https://harbour-lane.example/hooks/sign?… (another query)",
				},
			}},
			{At: ago(50 * time.Hour), By: "ravi", Kind: "logo"},
			{At: ago(51 * time.Hour), By: "ravi", Kind: "registered", Edits: []console.Edit{
				{Field: "name", From: "", To: "Harbour Lane Housing"},
				{
					Field: "jwks_url",
					From:  "",
					To:    "https://harbour-lane.example/.well-known/jwks.json",
				},
			}},
		},
	}
	shut := page
	shut.Party, shut.Checks, shut.Changes = closed, nil, append(
		[]console.Change{{At: now, By: "mei.lin", Kind: "disabled"}},
		page.Changes[3:]...)
	shut.Keys = &console.Keys{
		Failed: "JWKS: answered 404", FetchedAt: now, Until: now.Add(5 * time.Second),
	}
	shut.Done = "console.party.done.disable"
	configured := page
	configured.Party, configured.Checks, configured.Keys, configured.Changes = quiet, nil, nil, nil
	configured.Problem = "It is registered in the configuration, so it is changed there."
	authority := "-----BEGIN CERTIFICATE-----\n" +
		strings.Repeat("MIIBszCCAVmgAwIBAgIUWvrkXCnOLfQyQ0v0kDq1cGZz7e4wCgYIKoZIzj0EAwIw\n", 8) +
		"-----END CERTIFICATE-----\n"
	fields := func(edit ...console.Field) []console.Field {
		all := []console.Field{
			{Name: "name", Value: party.Name, Required: true},
			{Name: "jwks_url", Value: party.JWKSURL, Required: true},
			{Name: "redirect_url", Value: party.RedirectURL, Required: true},
			{Name: "webhook_url", Value: party.WebhookURL, Masked: true},
			{Name: "ca", Value: authority},
		}
		for _, e := range edit {
			all[slices.IndexFunc(all, func(f console.Field) bool { return f.Name == e.Name })] = e
		}
		return all
	}
	options := []console.Option{
		{Name: "allow_download"},
		{Name: "require_all_pages", On: true},
		{Name: "allow_private"},
		{Name: "webhook_ladder", On: true},
	}
	wrong := console.PartyForm{
		Fields: append(
			[]console.Field{
				{
					Name:  "client_id",
					Value: "harbour lane",
					Error: "It must be 1 to 128 characters of A-Z a-z 0-9 . _ -, and more than dots.",
				},
			},
			fields(
				console.Field{
					Name:     "jwks_url",
					Value:    "http://harbour-lane.example/jwks",
					Required: true,
					Error:    "The scheme is not https.",
				},
				console.Field{Name: "webhook_url"},
				console.Field{
					Name: "ca", Value: "harbour-lane.pem", Error: "It is not certificates in PEM.",
				},
			)...),
		Options: options, Problem: "Nothing was saved. Correct the marked fields.",
	}
	edit := console.PartyForm{
		Version: 4, ClientID: party.ClientID, Name: party.Name, Fields: fields(), Options: options,
		Checks: checks,
	}
	conflict := edit
	conflict.Checks, conflict.Fields = nil, fields(
		console.Field{Name: "name", Value: "Harbour Lane", Required: true, Saved: party.Name},
	)
	conflict.Options = []console.Option{
		{Name: "allow_download", Saved: "yes"},
		{Name: "require_all_pages", On: true},
		{Name: "allow_private"},
		{Name: "webhook_ladder", On: true},
	}
	conflict.Problem = "Nothing was saved: another operator has changed the relying party since " +
		"you began. Fields that differ show the saved value. Save again to replace it."
	return []Sample{
		{"console-parties", 200, console.Parties{Parties: []console.Party{quiet, party, closed}}},
		{"console-parties-none", 200, console.Parties{Done: "console.party.done.remove"}},
		{"console-party", 200, page},
		{"console-party-disabled", 200, shut},
		{"console-party-configured", 409, configured},
		{"console-party-new", 422, wrong},
		{"console-party-edit", 200, edit},
		{"console-party-conflict", 409, conflict},
	}
}
