package web

import (
	"fmt"
	"slices"
	"time"
)

// galleryConsole is the operators' pages with sample data.
func galleryConsole(now time.Time) []Sample {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	signer := Person{Name: "Tan Mei Lin", Hint: "•••••373D"}
	id := func(n int) string { return fmt.Sprintf("signv3-0199cc9c-8b7c-70df-b29b-39843a10c%03d", n) }
	states := []ConsoleState{
		{State: "created", N: 12},
		{State: "locked", N: 3},
		{State: "session", N: 1},
		{State: "sealing"},
		{State: "signed", N: 1840},
		{State: "expired", N: 96},
		{State: "cancelled", N: 41},
	}
	for i := range states {
		states[i].URL = ConsoleFilter{State: states[i].State}.URL()
	}
	row := func(n int, state, document string, signer Person) ConsoleRow {
		at := ago(time.Duration(n*n) * 7 * time.Minute)
		return ConsoleRow{
			ID: id(n), Party: "Harbour Lane Housing Co-operative", Document: document, State: state,
			CreatedAt: at, ExpiresAt: at.Add(30 * time.Minute), Signer: signer,
		}
	}
	list := ConsoleRequests{
		States:  append([]ConsoleState{{N: 1993, URL: ConsoleFilter{}.URL(), Current: true}}, states...),
		Parties: []Choice{{"", "All"}, {"harbour-lane", "Harbour Lane Housing Co-operative"}, {"demo", "Demo Relying Party"}},
		Rows: []ConsoleRow{
			row(1, "created", "Tenancy agreement, unit 08-12.pdf", Person{}),
			row(2, "session", "Tenancy agreement, unit 03-07.pdf", signer),
			row(3, "signed", "Supplementary_deed_of_undertaking_and_indemnity_(schedule_4)_final-final_v12_2026-03-09_for_signature.pdf", signer),
			row(4, "expired", "Notice.pdf", Person{Name: "Ravi Kumar s/o Suresh", Hint: "•••••474F"}),
			row(5, "cancelled", "Lease renewal.pdf", Person{}),
		},
		OlderURL: "/console/requests?before=1", Follow: true,
	}
	filtered := list
	filtered.Filter = ConsoleFilter{Party: "demo", From: "2026-03-01", Text: "lease"}
	filtered.Rows, filtered.OlderURL, filtered.Follow, filtered.Problem = nil, "", false, "That is not a date, so it was left out."
	filtered.NewestURL = "/console/requests"
	filtered.States = slices.Clone(list.States)
	for i := range filtered.States {
		filtered.States[i].Uncounted = true
	}

	event := func(seq int, after time.Duration, kind, tone string, detail ...string) ConsoleEvent {
		e := ConsoleEvent{Seq: seq, At: ago(10 * time.Minute).Add(after), Since: after, Kind: kind, Tone: tone}
		for i := 0; i+1 < len(detail); i += 2 {
			e.Detail = append(e.Detail, ConsoleDetail{detail[i], detail[i+1]})
		}
		return e
	}
	digest := "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	signed := ConsoleRequest{
		ConsoleRow: row(1, "signed", "Tenancy agreement, unit 08-12.pdf", signer), ClientID: "harbour-lane", Intended: true,
		File: ConsoleFile{Size: 184320, SHA256: digest, Pages: 7}, Signatures: 1,
		Places: []string{"page 1 at 0.12, 0.18", "page 7 at 0.55, 0.08"},
		Signed: &ConsoleSigned{
			At: ago(8 * time.Minute), Name: "TAN MEI LIN", Level: "B-LTA", File: ConsoleFile{Size: 231424, SHA256: digest, Pages: 7},
			Certificate: Certificate{Issuer: "Signet Issuing CA", Serial: "5f3a90c1d27be84410aa62f09c1be377"}, Sealed: 180 * time.Millisecond,
		},
		Events: []ConsoleEvent{
			event(1, 0, "initiated", "", "pages", "7", "places", "2", "size", "184320"),
			event(2, 41200*time.Millisecond, "opened", ""),
			event(3, 70*time.Second, "proceeded", "busy", "ends_at", "2026-03-09T05:58:10Z"),
			event(4, 75*time.Second, "session_ended", "bad", "outcome", "rejected"),
			event(5, 82*time.Second, "approve_refused", "bad", "phone", "f0b3c1", "state", "locked"),
			event(6, 90*time.Second, "proceeded", "busy", "ends_at", "2026-03-09T05:58:30Z"),
			event(7, 96*time.Second, "scanned", "busy", "phone", "f0b3c1"),
			event(8, 104*time.Second, "approved", "good", "phone", "f0b3c1"),
			event(9, 104180*time.Millisecond, "signed", "good", "sha256", digest),
			event(10, 104900*time.Millisecond, "webhook", "bad", "attempt", "1", "error", "the receiver answered 503", "status", "503"),
			event(11, 107*time.Second, "webhook", "good", "attempt", "2", "status", "200"),
			event(12, 3*time.Minute, "downloaded", ""),
		},
		Jobs: []ConsoleJob{
			{Kind: "seal", Status: "done", Attempts: 1},
			{Kind: "webhook", Status: "done", Attempts: 2},
			{Kind: "seal", Status: "failed", Attempts: 8, LastError: "the time-stamp authority does not answer"},
		},
		CanResend: true, Follow: true,
	}
	refused := ConsoleRequest{
		ConsoleRow: row(2, "session", "Tenancy agreement, unit 03-07.pdf", signer), ClientID: "harbour-lane", SessionEndsAt: now.Add(2 * time.Minute),
		File: ConsoleFile{Size: 92, SHA256: digest, Pages: 1}, Places: []string{"page 1 at 0.12, 0.18"}, Outcome: "timed_out",
		Events: signed.Events[:3],
		Answer: &ConsoleAnswer{Code: "ACTIVE_SESSION_ONGOING", Description: "Request cannot be cancelled due to an active sign session", RetryAfter: 120},
	}
	cancelled := refused
	cancelled.State, cancelled.SessionEndsAt, cancelled.CancelledAt, cancelled.Outcome = "cancelled", time.Time{}, now, ""
	cancelled.Answer = &ConsoleAnswer{Done: "console.cancel.done"}

	overview := ConsoleOverview{
		States: states, Total: 1993,
		Webhooks: Scaled([]ConsoleBar{
			{Label: "console.webhooks.done", Tone: "good", N: 1811},
			{Label: "console.webhooks.pending", Tone: "busy", N: 57},
			{Label: "console.webhooks.failed", Tone: "bad", N: 4},
		}),
		Sealing: Scaled([]ConsoleBar{
			{Text: "up to 100 ms", N: 31},
			{Text: "up to 250 ms", N: 122},
			{Text: "up to 500 ms", N: 40},
			{Text: "up to 1 s", N: 5},
			{Text: "up to 5 s", N: 1},
			{Text: "longer", N: 1},
		}),
		SealedOf: 200, SealedMedian: 184 * time.Millisecond,
		Routes: ScaledRoutes([]ConsoleRoute{
			{Route: "GET /sign/{request_id}", N: 9120, Refused: 201, Mean: 2300 * time.Microsecond},
			{Route: "POST /api/v3/sign-requests", N: 2014, Refused: 88, Failed: 2, Mean: 41 * time.Millisecond},
			{Route: "POST /api/v3/sign-requests/cancel", N: 143, Refused: 102, Mean: 3 * time.Millisecond},
		}),
		Follow: true,
	}
	party := ConsoleParty{
		Party: Party{Name: "Harbour Lane Housing Co-operative"}, ClientID: "harbour-lane", JWKSURL: "https://harbour-lane.example/.well-known/jwks.json",
		RedirectURL: "https://harbour-lane.example/sign/return", WebhookURL: "https://harbour-lane.example/hooks/sign?…",
	}
	tested := party
	tested.Checks = []ConsoleCheck{
		{Name: "jwks", Tone: "warn", Text: "1 key, in 84 ms", More: []string{"kid 2026-03: P-256, ES256", "keys[1]: use is not sig"}},
		{Name: "redirect", Tone: "good", Text: "The form is right."},
		{Name: "webhook", Tone: "bad", Text: "dial tcp 192.0.2.7:443: connect: connection refused"},
	}
	quiet := party
	quiet.Name, quiet.ClientID, quiet.WebhookURL = "Demo Relying Party", "demo", ""
	return []Sample{
		{"console-overview", 200, overview},
		{"console-overview-new", 200, ConsoleOverview{States: make([]ConsoleState, 0), SealedMedian: 0, Follow: true}},
		{"console-requests", 200, list},
		{"console-requests-filtered", 200, filtered},
		{"console-request", 200, signed},
		{"console-request-refused", 409, refused},
		{"console-request-cancelled", 200, cancelled},
		{"console-parties", 200, ConsoleParties{[]ConsoleParty{tested, quiet}}},
	}
}
