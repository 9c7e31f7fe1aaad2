package ui_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/phone"
	"github.com/signet-sign/signet/internal/server/portal"
	"github.com/signet-sign/signet/internal/server/sandbox"
	"github.com/signet-sign/signet/internal/server/ui"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/pades"
)

// longParty is a relying party's name of 120 characters, and hostileName one that a page must not
// take for markup.
var (
	longParty   = strings.Repeat("International Harbour ", 5) + "Co-operative"[:10]
	hostileName = `<b>"Bobby" & 'Tables'</b><script>alert(1)</script> ` + "\u202egpj.exe"
)

// galleryStates are rare states of pages: those without an optional part, those after an action,
// and those with long or hostile names. TestGalleryIsComplete names the states that are missing.
func galleryStates(now time.Time) []Sample {
	signer := ui.Person{Name: "Tan Mei Lin", Hint: "•••••373D"}
	bare := ui.Summary{
		ID: "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332", Party: ui.Party{Name: longParty},
		Document: longName, ExpiresAt: now.Add(26 * time.Minute),
	}
	session := httpx.Live{State: "session", SessionEndsAt: now.Add(168 * time.Second), Seq: 9}
	unknown := bare
	unknown.ID, unknown.Party, unknown.Document = "", ui.Party{}, ""
	nameless := bare
	nameless.Document = ""
	revoked := sampleVerdict("intact/product_lta.pdf")
	verdict := *revoked.Verdict
	verdict.Signatures = slices.Clone(verdict.Signatures)
	first := &verdict.Signatures[0]
	first.Trusted, first.TrustedTone = "verify.revoked", "bad"
	first.Tone, first.Pages = "bad", []int{1, 2, 7}
	first.Changes = []ui.ChangeVerdict{{Kind: "verify.change.form-fill"}}
	first.LaterTone = "bad"
	first.Facts.Signer = nil
	first.Facts.Problems = []pades.ProblemSummary{{Text: "The certificate was revoked."}}
	verdict.Tone, verdict.Icon, verdict.Heading, verdict.Text = "bad", "stop", "verify.failed", "verify.failed.text"
	verdict.Problems = []*pades.Problem{
		{Err: errors.New("The cross-reference table is damaged: " + hostileName)},
	}
	revoked.Verdict = &verdict
	return slices.Concat([]Sample{
		{"landing-bare", 200, portal.Landing{Summary: bare, Live: httpx.Live{State: "created"}}},
		{"document-background", 200, portal.Document{
			Summary: bare, Live: httpx.Live{State: "locked", Seq: 7}, Signer: signer,
			Places: []portal.Place{{Page: 1, X: 0.12, Y: 0.18}}, Background: true,
			Sketch: sketchOf(signer.Name),
		}},
		{"document-many", 200, portal.Document{
			Summary: bare, Live: httpx.Live{State: "locked", Seq: 7}, Signer: signer,
			Places: manyPlaces(), Sketch: sketchOf(signer.Name),
		}},
		{"code-bare", 200, portal.SigningCode{
			Summary: bare, Live: session, Signer: signer, QR: sampleQR(), MatchCode: "9736",
		}},
		{"signed-bare", 200, portal.Signed{
			Summary: bare, Live: httpx.Live{State: "signed"}, Signer: signer, SignedAt: now,
			Available: true,
		}},
		{"signed-nameless", 200, portal.Signed{
			Summary: bare, Live: httpx.Live{State: "signed"}, Signer: signer, SignedAt: now,
			Level: "PAdES", Certificate: ui.Certificate{Serial: "5f3a90c1d27be84410aa62f09c1be377"},
			Places: []portal.Place{{Page: 1, X: 0.12, Y: 0.18}},
		}},
		{"cancelled-signer", 410, portal.Cancelled{Summary: nameless, At: now, Signer: &signer}},
		{"already-signed-bare", 200, portal.AlreadySigned{Summary: bare}},
		{
			"expired-nameless",
			410,
			portal.Expired{Summary: nameless, Live: httpx.Live{State: "expired"}},
		},
		{"login-failed-request", 502, portal.LoginFailed{Summary: ui.Summary{ID: bare.ID}}},
		{"login-failed-bare", 502, portal.LoginFailed{Summary: unknown}},
		{"login-failed-retry", 503, portal.LoginFailed{
			Summary: unknown, Unavailable: true, RetryURL: "/phone/login",
		}},
		{"verify-revoked", 200, revoked},
		{"verify-hidden", 200, hiddenVerdict()},
		{"verify-unjudged", 200, unjudgedVerdict()},
	}, statesPhone(now), statesSandbox(now), statesConsole(now, &verdict))
}

// hiddenVerdict is about a document with a later signature whose box lies over an amount.
func hiddenVerdict() portal.Verify {
	page := sampleVerdict("intact/product_lta.pdf")
	verdict := *page.Verdict
	verdict.Signatures = slices.Clone(verdict.Signatures)
	first := &verdict.Signatures[0]
	first.Tone, first.Later, first.LaterTone = "warn", "verify.later.hides", "warn"
	first.Changes = []ui.ChangeVerdict{
		{Kind: "verify.change.signature", Page: 2, Field: "Signature2", Hides: "SGD 120,000.00"},
	}
	first.Facts.Indication = pades.Indeterminate
	first.Facts.SubIndication = pades.SigConstraintsFailure
	verdict.Tone, verdict.Icon = "warn", "warn"
	verdict.Heading, verdict.Text = "verify.covered", "verify.covered.text"
	page.Verdict = &verdict
	return page
}

// unjudgedVerdict is about a document for which the work budget did not suffice.
func unjudgedVerdict() portal.Verify {
	r := sampleReport("intact/product_lta.pdf")
	first := r.Signatures[0]
	first.Unjudged = true
	first.Problems = []*pades.Problem{{
		SubIndication: pades.SigConstraintsFailure,
		Err:           errors.New("later revisions cannot be judged: the budget of work is used up"),
	}}
	return verdictOf(r)
}

// manyPlaces returns as many places as a request may have, none of which overlap.
func manyPlaces() []portal.Place {
	var all []portal.Place
	for i := range 20 {
		all = append(all, portal.Place{
			Page: 1 + i/7, X: 0.05 + 0.45*float64(i%2), Y: 0.05 + 0.12*float64(i%7),
		})
	}
	return all
}

func sketchOf(name string) pades.Sketch {
	sketch, err := pades.SketchName(name, "")
	if err != nil {
		panic(err)
	}
	return sketch
}

func statesPhone(now time.Time) []Sample {
	person := ui.Person{Name: "Tan Mei Lin"}
	phones := []phone.Device{{ID: "phone-1", Name: hostileName, EnrolledAt: now}}
	return []Sample{
		{"phone-home-stopped", 200, phone.Home{
			Account: &person, Phones: phones, Stopped: hostileName, Approved: "Mei's Pixel",
			Kept: "Old iPhone",
		}},
		{"phone-problem-known", 409, phone.Problem{
			Code: "REQUEST_CANCELLED", Party: ui.Party{Name: longParty}, Account: &person,
		}},
	}
}

func statesSandbox(now time.Time) []Sample {
	party := ui.Party{Name: "Demo Relying Party"}
	personas := []sandbox.PersonaChoice{
		{ID: "S8979373D", Name: "Tan Mei Lin", Identifier: "S8979373D"},
	}
	kept := sandbox.DemoHome{
		Action: "/demo/requests", Party: party, Personas: personas,
		Placings: []ui.Choice{{"one", "One place on the last page"}, {"three", "Three places"}},
		Error:    &sandbox.Exchange{Call: "POST /api/v3/sign-requests", Status: 400, Body: "{}"},
	}
	kept.Chosen.Source, kept.Chosen.Places, kept.Chosen.Signer = "upload", "three", "S8979373D"
	request := sandbox.DemoRequest{
		ID: "1", Party: party, Document: longName, State: "cancelled", CreatedAt: now,
		ExpiresAt: now.Add(time.Hour), HomeURL: "/demo/", Returned: "cancelled",
		Webhooks: []sandbox.WebhookDelivery{{At: now, Claims: "{}"}},
	}
	reference, err := sandbox.NewReference("http://127.0.0.1:5156")
	if err != nil {
		panic(err)
	}
	reference.Groups = reference.Groups[:1]
	reference.Groups[0].Operations[0].Form = &sandbox.ReferenceForm{
		Action: "/reference/x", Claims: "{}", Document: true,
	}
	start := sandbox.NewStart(sandbox.StartConfig{
		PublicURL: "https://192.0.2.7:5156", ControlURL: "http://127.0.0.1:5157",
		MockBase: "/sign-v3", Root: &sandbox.Root{
			File:        "/tmp/signet-sandbox-1234567890/keys/sandbox-tls.crt",
			URL:         "https://192.0.2.7:5156/sandbox-root.crt",
			Fingerprint: fmt.Sprintf("% X", sha256.Sum256(nil)),
		},
		Personas: []sandbox.Persona{{Person: signer.Person{Name: longParty, UIN: "S8979373D"}}},
	})
	start.Changes = changes
	return []Sample{
		{
			"personas-bare",
			200,
			sandbox.PersonaChooser{Action: "/oidc/authorize", Personas: personas},
		},
		{"demo-home-kept", 400, kept},
		{"demo-request-bare", 200, request},
		{"reference-upload", 200, reference},
		{"start-bare", 200, start},
	}
}

func statesConsole(now time.Time, verdict *ui.Verdict) []Sample {
	row := console.Row{
		ID: "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332", Party: longParty,
		Document: hostileName + " " + longName, State: "stalled", CreatedAt: now.Add(-time.Hour),
		ExpiresAt: now.Add(time.Hour), Signer: ui.Person{Name: longParty, Hint: "•••••373D"},
	}
	refusal := console.Call{
		ID: 9, At: now, Kind: "webhook", Party: longParty, ClientID: longParty, Authentic: true,
		RequestID: row.ID, Attempt: 2, Code: "NOT_DELIVERED",
		Description: "The webhook was not delivered.",
		Token:       &console.Token{Problem: "The token is not in compact form."},
	}
	accepted := console.Call{
		ID: 10, At: now, Kind: "result", Party: longParty, ClientID: "harbour-lane",
		Authentic: true, RequestID: row.ID, Status: 200,
	}
	stalled := console.Request{
		Row: row, ClientID: strings.Repeat("W", 128), Outcome: "failed", SessionEndsAt: now,
		Scanned: true, File: console.File{Size: 9 << 20, Pages: 2000},
		Places: slices.Repeat([]console.Mark{{Page: 2000, X: 0.12, Y: 0.18, Number: 1}}, 20),
		Events: []console.Event{
			{Seq: 1, At: now, Kind: "initiated"},
			{At: now, Kind: "webhook", Tone: "bad", Call: &refusal},
			{At: now, Kind: "result", Call: &accepted},
			{Seq: 2, At: now, Kind: "seal_failed", Tone: "bad", Detail: []console.Detail{
				{Name: "error", Value: hostileName},
			}},
		},
		Jobs: []console.Job{
			{Kind: "seal", Status: "pending", Attempts: 8, Running: true},
			{
				Kind:      "webhook",
				Status:    "pending",
				DueAt:     now.Add(time.Minute),
				LastError: hostileName,
			},
		},
		Answer: &console.Answer{Code: "CLIENT_SIDE_ERROR", Description: "The job is running."},
	}
	unopened := console.Request{Row: row, Places: []console.Mark{{Page: 1, X: 0.12, Y: 0.18, Number: 1}}}
	unopened.State, unopened.Signer = "created", ui.Person{}
	many := console.Requests{
		States: []console.State{{N: 10000, More: true}, {State: "stalled", N: 1, Current: true}},
		Filter: console.Filter{
			State: "stalled", Sort: request.SortClient, OldestFirst: true, Zone: "UTC",
		},
		Parties: []ui.Choice{{"", "All"}, {"harbour-lane", longParty}},
		Rows:    slices.Repeat([]console.Row{row}, 3),
	}
	party := console.Party{
		Party: ui.Party{Name: longParty}, ClientID: strings.Repeat("W", 128),
		JWKSURL:       "https://" + strings.Repeat("very-long-host-name.", 10) + "example/jwks",
		RedirectURL:   "https://rp.example/" + strings.Repeat("path/", 30),
		AllowDownload: true, RequireAllPages: true, WebhookLadder: true, Version: 2,
		AllowPrivate: true,
		CA:           "CN=" + hostileName + " until 2030-01-01 (SHA-256 " + strings.Repeat("0f", 32) + ")",
	}
	only := party
	only.RequireAllPages, only.CA = false, ""
	pages := party
	pages.AllowDownload, pages.AllowPrivate = false, false
	proposal := func(own, stale bool) *console.Proposal {
		return &console.Proposal{
			ID:    1,
			By:    longParty,
			At:    now,
			Own:   own,
			Stale: stale,
			Edits: []console.Edit{
				{Field: "name", From: "Harbour", To: longParty},
				{Field: "webhook_url", From: "https://rp.example/hook"},
				{Field: "redirect_url", To: "https://rp.example/return"},
			},
		}
	}
	unsaved := console.PartyForm{
		Version: 4, ClientID: "harbour-lane", Name: longParty, Anyway: true,
		Problem: "Nothing was saved: a test failed.",
		Fields:  []console.Field{{Name: "name", Value: longParty, Required: true}},
		Checks:  []console.Check{{Name: "jwks", Tone: "bad", Text: "The host name is not known."}},
	}
	certificate := console.CertificateRow{
		Certificate: audit.Certificate{Serial: "54f3", Kind: "signer", IssuedAt: now}, Signer: true,
	}
	revoked := certificate
	revoked.RevokedAt, revoked.Why = now.Add(time.Hour), "keyCompromise"
	return []Sample{
		{"console-request-stalled", 400, stalled},
		{"console-request-unopened", 200, unopened},
		{"console-requests-long", 200, many},
		{"console-requests-none", 200, console.Requests{Follow: true}},
		{"console-call-webhook", 200, console.CallPage{Call: refusal}},
		{"console-call-accepted", 200, console.CallPage{Call: accepted}},
		{"console-call-operator", 200, console.CallPage{Call: console.Call{
			ID: 11, At: now, Kind: "cancel", Party: longParty, ClientID: "harbour-lane",
			Authentic: true, By: longParty,
		}}},
		{"console-calls-old", 200, console.Calls{
			Recorded: "refused", NewestURL: "/console/calls", NewerURL: "/console/calls?after=1",
			Rows: []console.Call{refusal},
		}},
		{"console-calls-empty", 200, console.Calls{Recorded: "all"}},
		{"console-certificates-already", 200, console.CertificatesPage{
			Notice: "already", Serial: "54f3", Certificates: []console.CertificateRow{revoked},
		}},
		{"console-certificates-unknown", 200, console.CertificatesPage{Notice: "unknown"}},
		{"console-certificates-empty", 200, console.CertificatesPage{}},
		{"console-doctor-warning", 200, console.Doctor{
			May: true, Ran: true, Findings: []console.Finding{{
				Check: "relying party " + longParty, Level: "warning", Text: hostileName,
			}},
		}},
		{"console-overview-since", 200, console.Overview{
			States: []console.State{{State: "signed", N: 10000, More: true}},
			Total:  10000, More: true, SealedOf: 1, SealingSince: true,
		}},
		{
			"console-party-proposal",
			200,
			console.PartyPage{Party: party, Proposal: proposal(false, false)},
		},
		{"console-party-proposal-own", 200, console.PartyPage{
			Party: only, Proposal: proposal(true, false),
			Keys: &console.Keys{Keys: []console.Key{{Kid: "2026-03", Curve: "P-256", Twice: true}}},
		}},
		{"console-party-proposal-removal", 200, console.PartyPage{
			Party: party, Proposal: &console.Proposal{ID: 1, By: "mei.lin", At: now, Removal: true},
		}},
		{"console-party-proposal-stale", 200, console.PartyPage{
			Party: pages, Proposal: &console.Proposal{By: "mei.lin", At: now, Stale: true},
			Changes: []console.Change{
				{At: now, By: longParty, Kind: "edited", Edits: []console.Edit{
					{Field: "webhook_url", From: "https://rp.example/hook"},
				}},
			},
		}},
		{"console-party-anyway", 422, unsaved},
		{
			"console-party-fresh",
			200,
			console.PartyPage{Party: party, Done: "console.party.done.register"},
		},
		{"console-sessions-off", 200, console.SessionsPage{Name: "operator", Role: "admin"}},
		{"console-sessions-viewer", 200, console.SessionsPage{
			Login: true, Name: longParty, Role: "viewer", LoggedIn: true, Sessions: []console.SessionRow{{
				ID: "1", Name: longParty, Role: "viewer", Begun: now, Seen: now,
				Address: "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Browser: longName,
			}},
		}},
		{"console-signatures-failed", 200, console.Signatures{Row: row, Verdict: verdict}},
		{"console-webhooks-filtered", 200, console.Webhooks{
			Parties: many.Parties, WebhookFilter: console.WebhookFilter{From: "2026-03-01"},
		}},
		{"console-webhooks-party", 200, console.Webhooks{
			All: 1, Resumed: true, Parties: many.Parties, WebhookFilter: console.WebhookFilter{
				Party: "harbour-lane", From: "2026-03-01", To: "2026-03-09",
			}, Rows: []console.FailedWebhook{
				{Row: row, Attempts: 12, Error: hostileName},
			},
		}},
	}
}

// changes are those of a sandbox that goes on with what was done to the one before.
var changes = []string{
	"The sandbox's clock shows 2026-03-04T09:30:00Z and is stopped: the machine's is at 2026-03-02T09:30:00Z",
	"Clocks of their own: 1 request, 2 parties",
	"Faults beside the configuration's: 1 rule",
}
