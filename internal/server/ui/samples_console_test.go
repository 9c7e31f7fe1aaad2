package ui_test

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/server/ui"
)

// galleryConsole is the operators' pages with sample data.
func galleryConsole(now time.Time) []Sample {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	signer := ui.Person{Name: "Tan Mei Lin", Hint: "•••••373D"}
	id := func(n int) string { return fmt.Sprintf("signv3-0199cc9c-8b7c-70df-b29b-39843a10c%03d", n) }
	states := []console.State{
		{State: "created", N: 12},
		{State: "locked", N: 3},
		{State: "session", N: 1},
		{State: "sealing"},
		{State: "stalled"},
		{State: "signed", N: 1840},
		{State: "expired", N: 96},
		{State: "cancelled", N: 41},
	}
	for i := range states {
		states[i].URL = console.Filter{State: states[i].State}.URL()
	}
	row := func(n int, state, document string, signer ui.Person) console.Row {
		at := ago(time.Duration(n*n) * 7 * time.Minute)
		return console.Row{
			ID: id(n), Party: "Harbour Lane Housing Co-operative", Document: document, State: state,
			CreatedAt: at, ExpiresAt: at.Add(30 * time.Minute), Signer: signer,
		}
	}
	signers := console.Signers{
		Personas: []console.Persona{
			{UIN: "S8979373D", Name: "TAN XIAO HUI", Behaviour: "approve"},
			{UIN: "S8116474F", Name: "LIM CHENG HAO", Behaviour: "reject"},
		},
		Behaviours: []string{"approve", "leave", "reject"},
		Queue: []console.Plan{
			{Do: "reject"}, {As: "S8979373D", Do: "phone-offline", ClientID: "harbour-lane"}, {},
		},
	}
	faults := console.Faults{
		Rules: []console.Fault{
			{ID: 1, Kind: "answer-lost", Probability: 1, Count: 1, Call: "cancel", Injected: 1},
			{
				ID:          4,
				Kind:        "slow",
				Probability: 0.1,
				Delay:       "3s",
				ClientID:    "harbour-lane",
				Injected:    12,
			},
			{ID: 5, Kind: "session-hangs", Probability: 1, Delay: "1h0m0s", RequestID: id(2)},
			{ID: 6, Kind: "answer-lost", Probability: 1},
		},
		Kinds: []string{"answer-lost", "session-hangs", "slow"},
		Calls: []string{"initiate", "cancel", "result"},
		Recent: []console.Injected{
			{At: ago(time.Minute), Kind: "answer-lost", Call: "cancel", RequestID: id(1)},
			{At: ago(time.Hour), Kind: "slow", Call: "keys", ClientID: "harbour-lane"},
			{At: ago(2 * time.Hour), Kind: "slow", Call: "keys"},
		},
	}
	list := console.Requests{
		States: append(
			[]console.State{{N: 1993, URL: console.Filter{}.URL(), Current: true}},
			states...),
		Parties: []ui.Choice{
			{"", "All"},
			{"harbour-lane", "Harbour Lane Housing Co-operative"},
			{"demo", "Demo Relying Party"},
		},
		Rows: []console.Row{
			row(1, "created", "Tenancy agreement, unit 08-12.pdf", ui.Person{}),
			row(2, "session", "Tenancy agreement, unit 03-07.pdf", signer),
			row(
				3, "signed",
				"Supplementary_deed_of_undertaking_and_indemnity_(schedule_4)_final-final_v12_2026-03-09_for_signature.pdf",
				signer,
			),
			row(
				4, "expired", "Notice.pdf",
				ui.Person{Name: "Ravi Kumar s/o Suresh", Hint: "•••••474F"},
			),
			row(5, "cancelled", "Lease renewal.pdf", ui.Person{}),
		},
		NextURL: "/console/requests?before=1",
		CSVURL:  "/console/requests.csv", Follow: true,
	}
	filtered := list
	filtered.Filter = console.Filter{Party: "demo", From: "2026-03-01", Text: "lease"}
	filtered.Rows, filtered.NextURL, filtered.Follow, filtered.Problem = nil, "", false, "The date is not valid, so it was ignored."
	filtered.FirstURL, filtered.PreviousURL = "/console/requests", "/console/requests?back=1"
	filtered.States = slices.Clone(list.States)
	for i := range filtered.States {
		filtered.States[i].Uncounted = true
	}

	event := func(seq int, after time.Duration, kind, tone string, detail ...string) console.Event {
		e := console.Event{
			Seq: seq, At: ago(10 * time.Minute).Add(after), Since: after, Kind: kind, Tone: tone,
		}
		for i := 0; i+1 < len(detail); i += 2 {
			d := console.Detail{Name: detail[i], Value: detail[i+1]}
			if d.Name == "ends_at" {
				d.Value, d.At = "", e.At.Add(3*time.Minute)
			}
			e.Detail = append(e.Detail, d)
		}
		return e
	}
	call := func(n int64, after time.Duration, kind, code, description, reason string) *console.Call {
		issued := ago(10 * time.Minute).Add(after - time.Second).In(request.Singapore())
		c := &console.Call{
			ID: n, At: ago(10 * time.Minute).Add(after), Took: 4213 * time.Microsecond, Kind: kind,
			Party:    "Harbour Lane Housing Co-operative",
			ClientID: "harbour-lane", Authentic: true, RequestID: id(1), Status: 200, Code: code,
			Description: description, Reason: reason,
			Token: &console.Token{
				Header: "{\n  \"alg\": \"ES256\",\n  \"kid\": \"2026-03\",\n  \"typ\": \"JWT\"\n}",
				Claims: "{\n  \"client_id\": \"harbour-lane\",\n  \"request_id\": \"" + id(1) +
					"\",\n  \"iat\": " + strconv.FormatInt(
					issued.Unix(), 10,
				) + ",\n  \"exp\": " + strconv.FormatInt(issued.Unix()+120, 10) + "\n}",
				Signature: "64 bytes, not kept",
				Times: []console.Detail{
					{
						Name: "iat", At: issued, Value: "1 s before the call",
					},
					{
						Name: "exp", At: issued.Add(2 * time.Minute),
						Value: "1 min 59 s after the call",
					},
				},
			},
		}
		if code != "" {
			c.Status = 400
		}
		return c
	}
	alone := func(c *console.Call) console.Event {
		return console.Event{
			Call: c, At: c.At, Since: c.At.Sub(ago(10 * time.Minute)), Kind: c.Kind, Tone: c.Tone(),
		}
	}
	inSession := call(
		2, 72*time.Second, "cancel", "ACTIVE_SESSION_ONGOING",
		"Request cannot be cancelled due to an active sign session", "Retry-After: 178 s",
	)
	forged := call(
		3, 74*time.Second, "cancel", "UNAUTHORIZED", "Unauthorized.",
		"cancel: token signature: does not verify with the key that kid names",
	)
	forged.Authentic = false
	forged.Remedy = "Publish the public key that belongs to your private key; the one with this kid in your JWKS is another."
	forged.Checks = []console.CheckOfCall{
		{
			Name:     "key",
			Result:   "passed",
			Expected: "the party's JWKS has one key with the token's kid, on the curve of alg",
		},
		{
			Name:     "signature",
			Result:   "failed",
			Expected: "the signature verifies with that key",
			Got:      forged.Reason,
		},
		{
			Name:     "arguments",
			Result:   "not reached",
			Expected: "the arguments of the call are there and well-formed",
		},
	}
	stranger := call(
		4, 80*time.Second, "initiate", "UNAUTHORIZED", "Unauthorized.",
		"initiate: claim exp: 3600 s after iat, the most is 120 s",
	)
	stranger.Authentic, stranger.Party, stranger.ClientID, stranger.Claimed, stranger.RequestID = false, "", "", "STG-an-old-client-id", ""
	garbage := call(
		5, 81*time.Second, "initiate", "UNAUTHORIZED", "Unauthorized.",
		"initiate: the Authorization header is missing",
	)
	garbage.Authentic, garbage.Party, garbage.ClientID, garbage.RequestID, garbage.Token = false, "", "", "", nil
	hook := call(6, 106*time.Second, "webhook", "NOT_DELIVERED", "the receiver answered 503", "")
	hook.Status, hook.Attempt = 503, 1
	operator := call(
		7, 90*time.Second, "cancel", "ACTIVE_SESSION_ONGOING",
		"Request cannot be cancelled due to an active sign session", "",
	)
	operator.By, operator.Status, operator.Token = "Mei Lin", 0, nil
	initiated := call(1, 0, "initiate", "", "", "")
	digest := "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	signed := console.Request{
		Row:      row(1, "signed", "Tenancy agreement, unit 08-12.pdf", signer),
		ClientID: "harbour-lane", Intended: true,
		File: console.File{Size: 184320, SHA256: digest, Pages: 7}, Signatures: 1,
		Places: []console.Mark{
			{Page: 1, X: 0.12, Y: 0.18, Number: 1}, {Page: 3, X: 0.55, Y: 0.08, Number: 2},
		},
		Signed: &console.Signed{
			At: ago(8 * time.Minute), Name: "TAN MEI LIN", Level: "B-LTA",
			File: console.File{Size: 231424, SHA256: digest, Pages: 7},
			Certificate: ui.Certificate{
				Issuer: "Signet Issuing CA", Serial: "5f3a90c1d27be84410aa62f09c1be377",
			},
			Sealed: 180 * time.Millisecond,
		},
		Events: []console.Event{
			event(1, 0, "initiated", "", "pages", "7", "places", "2", "size", "180 KiB"),
			event(2, 41200*time.Millisecond, "opened", ""),
			event(3, 70*time.Second, "proceeded", "busy", "ends_at", ""),
			alone(inSession),
			alone(forged),
			event(4, 75*time.Second, "session_ended", "bad", "outcome", "rejected"),
			event(
				5, 82*time.Second, "approve_refused", "bad", "phone", "f0b3c1", "state", "locked",
			),
			event(6, 90*time.Second, "proceeded", "busy", "ends_at", ""),
			event(7, 96*time.Second, "scanned", "busy", "phone", "f0b3c1"),
			event(8, 104*time.Second, "approved", "good", "phone", "f0b3c1"),
			event(9, 104180*time.Millisecond, "signed", "good", "sha256", digest),
			event(
				10, 104900*time.Millisecond, "webhook", "bad", "attempt", "1", "error",
				"the receiver answered 503", "status", "503",
			),
			event(11, 107*time.Second, "webhook", "good", "attempt", "2", "status", "200"),
			event(12, 3*time.Minute, "downloaded", ""),
		},
		Jobs: []console.Job{
			{Kind: "seal", Status: "done", Attempts: 1},
			{Kind: "webhook", Status: "done", Attempts: 2},
			{
				Kind:      "seal",
				Status:    "failed",
				Attempts:  8,
				LastError: "the timestamp authority does not answer",
			},
		},
		CanResend: true, Follow: true, MayRead: true,
	}
	signed.CreatedAt, signed.ExpiresAt = ago(10*time.Minute), ago(-20*time.Minute)
	signed.Signed.At = signed.CreatedAt.Add(104180 * time.Millisecond)
	refused := console.Request{
		Row:      row(2, "session", "Tenancy agreement, unit 03-07.pdf", signer),
		ClientID: "harbour-lane", SessionEndsAt: now.Add(2 * time.Minute),
		File: signed.File, Places: signed.Places, MayRead: true,
		Events: []console.Event{
			signed.Events[0], event(2, 8*time.Minute, "opened", ""),
			event(3, 9*time.Minute, "proceeded", "busy", "ends_at", ""),
		},
		Answer: &console.Answer{
			Code:        "ACTIVE_SESSION_ONGOING",
			Description: "Request cannot be cancelled due to an active sign session",
			RetryAfter:  120,
		},
	}
	refused.CreatedAt, refused.ExpiresAt = signed.CreatedAt, signed.ExpiresAt
	cancelled := refused
	cancelled.State, cancelled.SessionEndsAt, cancelled.CancelledAt = "cancelled", time.Time{}, now
	cancelled.MayRead = false
	cancelled.Events = append(
		refused.Events[:2:2],
		event(3, 10*time.Minute, "cancelled", "", "by", "MeiLin", "from", "locked"),
	)
	cancelled.Answer = &console.Answer{Done: "console.cancel.done"}

	var hours []console.Hour
	for i := range 24 {
		h := console.Hour{At: now.Truncate(time.Hour).Add(time.Duration(i-23) * time.Hour)}
		if i > 7 && i < 21 { // the working day
			h.Signed, h.Ended = 9*min(i-7, 21-i), (i*7)%5
		}
		if i == 23 {
			h.Open = 12
		}
		hours = append(hours, h)
	}
	overview := console.Overview{
		States: states, Total: 1993, Timeline: console.ScaledHours(hours),
		Attention: []console.Attention{
			{Label: "console.attention.webhooks", N: 4, URL: "/console/webhooks"},
			{Label: "console.attention.stalled", N: 1, URL: "/console/requests?state=stalled"},
		},
		Webhooks: console.Scaled([]console.Bar{
			{Label: "console.webhooks.done", Tone: "good", N: 1811},
			{Label: "console.webhooks.pending", Tone: "busy", N: 57},
			{Label: "console.webhooks.failed", Tone: "bad", N: 4},
		}),
		Sealing: console.Scaled([]console.Bar{
			{Text: "up to 100 ms", N: 31},
			{Text: "up to 250 ms", N: 122},
			{Text: "up to 500 ms", N: 40},
			{Text: "up to 1 s", N: 5},
			{Text: "up to 5 s", N: 1},
			{Text: "longer", N: 1},
		}),
		SealedOf: 200, SealedMedian: 184 * time.Millisecond,
		Routes: console.ScaledRoutes([]console.Route{
			{Route: "GET /sign/{request_id}", N: 9120, Refused: 201, Mean: 2300 * time.Microsecond},
			{
				Route:   "POST /api/v3/sign-requests",
				N:       2014,
				Refused: 88,
				Failed:  2,
				Mean:    41 * time.Millisecond,
			},
			{
				Route:   "POST /api/v3/sign-requests/cancel",
				N:       143,
				Refused: 102,
				Mean:    3 * time.Millisecond,
			},
		}),
		Follow: true,
	}
	signed.Events[0].Call = initiated
	calls := console.Calls{
		Codes:    []string{"UNAUTHORIZED", "ACTIVE_SESSION_ONGOING"},
		Recorded: "all", Parties: list.Parties, Follow: true, OlderURL: "/console/calls?before=1",
		Kinds: []ui.Choice{
			{"", "All"},
			{"initiate", "console.call.initiate"},
			{"cancel", "console.call.cancel"},
			{"webhook", "console.call.webhook"},
		},
		Rows: []console.Call{
			*hook, *operator, *garbage, *stranger, *forged, *inSession, *initiated,
		},
	}
	return []Sample{
		{"console-calls", 200, calls},
		{
			"console-calls-none",
			200,
			console.Calls{
				Recorded: "none", Parties: list.Parties, Kinds: calls.Kinds,
				Filter: console.CallFilter{Refused: true},
			},
		},
		{"console-call", 200, console.CallPage{Call: *forged}},
		{"console-call-bare", 200, console.CallPage{Call: *garbage}},
		{"console-overview", 200, overview},
		{
			"console-overview-new",
			200,
			console.Overview{
				States: make([]console.State, 0), SealedMedian: 0, Follow: true, Changes: changes,
			},
		},
		{"console-requests", 200, list},
		{"console-requests-filtered", 200, filtered},
		{"console-request", 200, signed},
		{"console-request-refused", 409, refused},
		{"console-signatures", 200, console.Signatures{
			Row: signed.Row, Verdict: sampleVerdict("intact/product_lta.pdf").Verdict,
		}},
		{"console-request-cancelled", 200, cancelled},
		{"console-webhooks", 200, console.Webhooks{
			All: 412, Sent: 3, Parties: list.Parties, Rows: []console.FailedWebhook{
				{
					Row:      signed.Row,
					Attempts: 3,
					Error:    "the receiver answered 503",
					At:       ago(time.Hour),
				},
				{
					Row:      signed.Row,
					Attempts: 12,
					Error:    "the server did not answer in time",
					At:       ago(time.Minute),
				},
			},
			Receivers: []console.Receiver{
				{
					Party: "Harbour Lane Housing Co-operative", ClientID: "harbour-lane",
					Failures: 213, Since: ago(129 * time.Hour), PausedAt: ago(9 * time.Hour),
				},
				{
					Party: "Demo Relying Party", ClientID: "demo", Failures: 9,
					Since:     ago(time.Hour),
					HeldUntil: now.Add(8 * time.Minute),
				},
			},
		}},
		{"console-webhooks-none", 200, console.Webhooks{}},
		{"console-doctor", 200, console.Doctor{May: true}},
		{"console-doctor-viewer", 200, console.Doctor{}},
		{"console-doctor-fine", 200, console.Doctor{
			May: true, Ran: true,
			Findings: []console.Finding{{Check: "configuration", Level: "ok"}},
		}},
		{"console-doctor-findings", 200, console.Doctor{
			May: true, Ran: true, Findings: []console.Finding{
				{
					Check: "timestamps", Level: "fault",
					Text:   "tsa.example.com: The server refuses the connection. Check that it runs and that the port is right.",
					Remedy: "check tsa_urls and the firewall; tsa_roots needs the root of the authority's certificate, and tsa_policy a policy that it has",
				},
				{
					Check: "relying party harbour-lane-housing-cooperative", Level: "warning",
					Text:   "the certificate of its webhook ends on 2026-12-03",
					Remedy: "let the relying party renew it",
				},
				{Check: "configuration", Level: "ok"},
				{
					Check: "database server",
					Level: "ok",
					Text:  "PostgreSQL 15.14, 412µs for a query",
				},
				{
					Check: "signature", Level: "ok",
					Text: "signed, timestamped and verified a test document of level B-LTA in 142ms",
				},
			},
		}},
		{"console-certificates", 200, console.CertificatesPage{
			MayRevoke: true, Notice: "revoked", Reasons: []string{"unspecified", "keyCompromise"},
			Certificates: []console.CertificateRow{
				{
					Certificate: audit.Certificate{
						Serial: "54f3c1a9e8d2b7406c5f1e2d3a4b5c6d", Kind: "signer",
						IssuedAt: ago(time.Hour),
					},
					Signer: true,
				},
				{
					Certificate: audit.Certificate{
						Serial: "43f3c1a9e8d2b7406c5f1e2d3a4b5c6d", Kind: "signer",
						IssuedAt: ago(3 * time.Hour), RevokedAt: ago(time.Minute), Reason: 1,
					},
					Signer: true, Why: "keyCompromise",
				},
				{Certificate: audit.Certificate{
					Serial: "7f12c1a9e8d2b7406c5f1e2d3a4b5c6d", Kind: "issuing",
					IssuedAt: ago(48 * time.Hour),
				}},
			},
		}},
		{"console-logged-out", 200, console.LoggedOut{}},
		{"console-clock", 200, console.ClockPage{
			Clock: console.Clock{Now: now}, Parties: list.Parties,
		}},
		{"console-clock-request", 200, console.ClockPage{
			Clock: console.Clock{Now: now, Frozen: true}, Parties: list.Parties, RequestID: id(1),
			Done: true,
		}},
		{"console-clock-refused", 422, console.ClockPage{
			Clock: console.Clock{Now: now}, Parties: list.Parties, ClientID: "harbour-lane",
			Problem: `"advance" must be a duration such as "31m"; only the time of a request or party goes back`,
		}},
		{"console-personas", 200, console.PersonasPage{Signers: signers, Parties: list.Parties}},
		{"console-personas-refused", 422, console.PersonasPage{
			Signers: console.Signers{Personas: signers.Personas, Behaviours: signers.Behaviours},
			Parties: list.Parties, Plan: console.Plan{As: "S1234567A", Do: "reject"},
			Problem: `"as" must be an NRIC or FIN with the right check letter`,
		}},
		{
			"console-faults",
			200,
			console.FaultsPage{Faults: faults, Parties: list.Parties, Done: true},
		},
		{"console-faults-none", 422, console.FaultsPage{
			Faults:  console.Faults{Kinds: faults.Kinds, Calls: faults.Calls},
			Parties: list.Parties, Kind: "slow", Delay: "5s", RequestID: "signv3-1",
			Problem: "No request has this id",
		}},
		{"console-token", 200, console.TokenPage{
			Token: "ABCDEFGHIJKLMNOPQRSTUVWXYZ", Role: "admin", Ends: ago(-7 * time.Hour),
		}},
		{"console-sessions", 200, console.SessionsPage{
			Login: true, Name: "ops@example.com", Role: "admin", LoggedIn: true, MayEnd: true,
			Sessions: []console.SessionRow{
				{
					ID:      "1",
					Name:    "ops@example.com",
					Role:    "admin",
					Begun:   ago(40 * time.Minute),
					Seen:    ago(time.Minute),
					Address: "10.0.0.7",
					Browser: "Mozilla/5.0 (X11; Linux x86_64)",
				},
				{
					ID:      "2",
					Name:    "audit@example.com",
					Role:    "viewer",
					Begun:   ago(3 * time.Hour),
					Seen:    ago(20 * time.Minute),
					Address: "10.0.0.8",
					Browser: "Mozilla/5.0 (Macintosh)",
				},
			},
		}},
	}
}
