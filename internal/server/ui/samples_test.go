package ui_test

import (
	"bytes"
	"crypto/x509"
	"html/template"
	"os"
	"slices"
	"time"

	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/phone"
	"github.com/signet-sign/signet/internal/server/portal"
	"github.com/signet-sign/signet/internal/server/sandbox"
	"github.com/signet-sign/signet/internal/server/ui"
	"github.com/signet-sign/signet/pades"
)

// Sample is one page of the gallery.
type Sample struct {
	// Name is unique and fit for a file name.
	Name   string
	Status int
	Page   ui.Page
}

// GalleryTime is the moment at which the samples are to be looked at: build the
// kit with Now returning it.
func GalleryTime() time.Time {
	return time.Date(2026, 3, 9, 6, 4, 0, 0, time.UTC)
}

// Gallery returns every page in every state that looks different, with sample
// data.
func Gallery() []Sample {
	now := GalleryTime()
	req := ui.Summary{
		ID:       "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332",
		Party:    ui.Party{Name: "Harbour Lane Housing Co-operative"},
		Document: "Tenancy agreement, unit 08-12.pdf", ExpiresAt: now.Add(26 * time.Minute),
		ReturnURL: "https://rp.example/sign-redirect",
	}
	long := req
	long.Party.LogoURL = ui.LogoURL("sample")
	long.Document = "Supplementary_deed_of_undertaking_and_indemnity_(schedule_4)_final-final_v12_2026-03-09_for_signature.pdf"
	signer := ui.Person{Name: "Tan Mei Lin", Hint: "•••••373D"}
	sketch, err := pades.SketchName(signer.Name, "")
	if err != nil {
		panic(err)
	}
	live := func(state string) httpx.Live { return httpx.Live{State: state, Seq: 7} }
	session := httpx.Live{State: "session", SessionEndsAt: now.Add(168 * time.Second), Seq: 9}
	scanned := session
	scanned.Scanned = true
	places := []portal.Place{
		{Page: 1, X: 0.12, Y: 0.18}, {Page: 2, X: 0.55, Y: 0.08}, {Page: 3, X: 0.12, Y: 0.4},
	}
	cert := ui.Certificate{
		Subject: "Tan Mei Lin", Issuer: "Signet Signer CA 1",
		Serial: "5f3a90c1d27be84410aa62f09c1be377", NotAfter: now.AddDate(1, 0, 0),
	}
	code := portal.SigningCode{
		Summary: req, Live: session, Signer: signer, QR: sampleQR(), MatchCode: "9736", Places: 3,
	}
	codeScanned := code
	codeScanned.Live = scanned
	codeSandbox := code
	codeSandbox.Sandbox = &portal.SandboxPhone{Persona: signer.Name}
	ended := func(outcome string) portal.SessionEnded {
		return portal.SessionEnded{
			Summary: req, Live: live("locked"), Signer: signer, Outcome: outcome,
		}
	}
	sealing := func(tries int, next time.Time) portal.Sealing {
		return portal.Sealing{
			Summary: req, Signer: signer, ApprovedAt: now.Add(-31 * time.Second),
			Live:    httpx.Live{State: "sealing", SealTries: tries, Seq: 7},
			Delayed: tries > 0, NextTry: next,
		}
	}
	sealingNow := sealing(0, time.Time{})
	sealingNow.Live.Phase = "prove"
	signed := portal.Signed{
		Summary: req, Live: live("signed"), Signer: signer, SignedAt: now.Add(-40 * time.Second),
		Level: "PAdES B-LTA", Certificate: cert, Places: places, Available: true,
	}
	signedGone := signed
	signedGone.Available = false

	all := []Sample{
		{
			"landing-intended",
			200,
			portal.Landing{Summary: req, Live: live("created"), Intended: true, Places: 3},
		},
		{"landing-first", 200, portal.Landing{Summary: long, Live: live("created"), Places: 1}},
		{
			"document",
			200,
			portal.Document{
				Summary: req,
				Live:    live("locked"),
				Signer:  signer,
				Places:  places,
				Sketch:  sketch,
			},
		},
		{
			"document-again",
			200,
			portal.Document{
				Summary: long, Live: live("locked"), Signer: signer, Places: places[:1],
				Sketch: sketch,
				Ended:  "timed_out", Warnings: []string{"embedded-file", "hidden-annotation"},
			},
		},
		{"document-waiting", 200, portal.Document{
			Summary: req, Live: live("locked"), Signer: ui.Person{
				Name: signer.Name, Hint: signer.Hint,
				Waiting: sampleWaiting(now, req.Path("stop-phone")),
			}, Places: places, Sketch: sketch,
		}},
		{"document-all-pages", 200, portal.Document{
			Summary: req, Live: live("locked"), Signer: signer, Places: places[:1], Sketch: sketch,
			Download: true, AllPages: true,
		}},
		{"verify", 200, portal.Verify{}},
		{"verify-busy", 429, portal.Verify{Failure: "verify.busy"}},
		{"verify-unreadable", 422, portal.Verify{
			File: "photo.jpg", Failure: "verify.unreadable",
			Reason: "The upload is not a PDF: it does not start with %PDF-.",
		}},
		{"verify-passed", 200, sampleVerdict("intact/product_lta.pdf")},
		{"verify-failed", 200, sampleVerdict("refuse/free_in_p1.pdf")},
		{"verify-unknown", 200, sampleVerdict("intact/e_cosign_foreign_lta.pdf")},
		{"verify-unsigned", 200, portal.Verify{
			File: "letter.pdf", Verdict: ui.NewVerdict(&pades.Report{}),
		}},
		{"code", 200, code},
		{"code-scanned", 200, codeScanned},
		{"code-sandbox", 200, codeSandbox},
		{"sealing", 200, sealing(0, time.Time{})},
		{"sealing-phase", 200, sealingNow},
		{"sealing-delayed", 200, sealing(6, now.Add(32*time.Second))},
		{"sealing-stalled", 200, sealing(9, time.Time{})},
		{"signed", 200, signed},
		{"signed-gone", 200, signedGone},
		{"ended-rejected", 200, ended("rejected")},
		{"ended-timed-out", 200, ended("timed_out")},
		{"ended-left", 200, ended("left")},
		{"ended-failed", 200, ended("failed")},
		{"no-access", 403, portal.NoAccess{Summary: req, Signer: signer}},
		{"no-access-intended", 403, portal.NoAccess{Summary: req, Signer: signer, Intended: true}},
		{"home", 200, portal.Home{}},
		{"link-invalid", 404, portal.LinkInvalid{}},
		{"cancelled", 410, portal.Cancelled{Summary: req, At: now.Add(-2 * time.Minute)}},
		{
			"already-signed",
			200,
			portal.AlreadySigned{Summary: req, SignedAt: now.Add(-time.Hour), CanLogin: true},
		},
		{"expired", 410, portal.Expired{Summary: req, Live: live("expired")}},
		{
			"expired-signer",
			410,
			portal.Expired{Summary: req, Live: live("expired"), Signer: &signer},
		},
		{"login-failed", 502, portal.LoginFailed{Summary: req}},
		{"login-unavailable", 503, portal.LoginFailed{Summary: req, Unavailable: true}},
		{"login-denied", 403, portal.LoginFailed{Summary: req, Denied: true}},
		{"error-404", 404, ui.HTTPError{Status: 404}},
		{
			"error-500",
			500,
			ui.HTTPError{Status: 500, Reference: "0199cc9c8b7c", RetryURL: req.Path("")},
		},
		{"error-503", 503, ui.HTTPError{Status: 503}},
	}
	all = append(all, galleryPhone(now, req.Party, cert)...)
	all = append(all, gallerySandbox(now)...)
	all = slices.Concat(all, galleryConsole(now), galleryParties(now))
	all = append(all, galleryPeople(now)...)
	return append(all, galleryStates(now)...)
}

// sampleWaiting announces a phone that was set up an hour ago.
func sampleWaiting(now time.Time, stop string) *ui.Waiting {
	return &ui.Waiting{StopURL: stop, Phones: []ui.WaitingPhone{{
		ID: "phone-3", Name: "New phone", EnrolledAt: now.Add(-time.Hour),
		ActiveAt: now.Add(23 * time.Hour),
	}}}
}

func galleryPhone(now time.Time, party ui.Party, cert ui.Certificate) []Sample {
	person := ui.Person{Name: "Tan Mei Lin"}
	phones := []phone.Device{
		{ID: "phone-1", Name: "Mei's Pixel", EnrolledAt: now.AddDate(0, -2, 0), Certificate: cert},
		{
			ID:          "phone-2",
			Name:        "Old iPhone",
			EnrolledAt:  now.AddDate(-1, 0, 0),
			Certificate: cert,
			Revoked:     true,
		},
	}
	all := []Sample{
		{"phone-home-out", 200, phone.Home{LoginURL: "/phone/login"}},
		{"phone-home-new", 200, phone.Home{Account: &person}},
		{"phone-home", 200, phone.Home{Account: &person, Phones: phones}},
		{
			"phone-home-renamed",
			200,
			phone.Home{Account: &person, Phones: phones, Renamed: "Mei's Pixel"},
		},
		{
			"phone-home-removed",
			200,
			phone.Home{Account: &person, Phones: phones[1:], Removed: "Old iPhone"},
		},
		{"phone-home-waiting", 200, phone.Home{
			Account: &person, Phones: append([]phone.Device{{
				ID: "phone-3", Name: "New phone", EnrolledAt: now, Waiting: true, Certificate: cert,
			}}, phones...), Waiting: sampleWaiting(now, "/phone/stop"),
		}},
		{"phone-home-leaving", 200, phone.Home{
			Account: &person, Delayed: true, Phones: []phone.Device{
				{
					ID:          "phone-1",
					Name:        "Mei's Pixel",
					EnrolledAt:  now,
					Certificate: cert,
					Leaving:     true,
				},
				{ID: "phone-4", Name: "Tablet", EnrolledAt: now, Certificate: cert},
			},
			Waiting: &ui.Waiting{StopURL: "/phone/stop", Phones: []ui.WaitingPhone{{
				ID: "phone-1", Name: "Mei's Pixel", RemovedAt: now.Add(23 * time.Hour),
			}}},
		}},
		{"phone-enrol", 200, phone.Enrol{Account: person, Name: "Mei's phone"}},
		{"phone-enrol-session", 200, phone.Enrol{
			Account: person, Name: "Mei's phone", Next: "/phone/sign/signv3-0199cc9c",
			Session: now.Add(168 * time.Second).UnixMilli(),
		}},
		{
			"phone-approve",
			200,
			phone.Approve{Account: person, RequestID: "signv3-0199cc9c", Party: party},
		},
		{
			"phone-approve-warned",
			200,
			phone.Approve{
				Account: person, RequestID: "signv3-0199cc9c", Party: party,
				Warnings: []string{"xfa", "empty-signature-field"},
			},
		},
		{
			"phone-approve-done",
			200,
			phone.Approve{
				Account: person, RequestID: "signv3-0199cc9c", Party: party, Step: "approved",
				Here: true,
			},
		},
		{
			"phone-approve-signed",
			200,
			phone.Approve{
				Account: person, RequestID: "signv3-0199cc9c", Party: party, Step: "signed",
			},
		},
		{"phone-scan-stale", 403, phone.Scan{Why: "STALE_CODE"}},
		{"phone-scan-first", 403, phone.Scan{Why: "NOT_SCANNED"}},
	}
	all = append(
		all, Sample{"phone-scan", 200, phone.Scan{Account: &person}},
		Sample{"phone-offline", 200, phone.Offline{}},
	)
	for _, code := range (phone.Approve{}).Problems() {
		all = append(all, Sample{
			"phone-problem-" + string(code), 409,
			phone.Problem{Code: string(code), Party: party},
		})
	}
	return all
}

func gallerySandbox(now time.Time) []Sample {
	party := ui.Party{Name: "Demo Relying Party"}
	personas := []sandbox.PersonaChoice{
		{
			ID:         "S8979373D",
			Name:       "Tan Mei Lin",
			Identifier: "S8979373D",
			Note:       "has a software phone",
		},
		{
			ID:         "S8116474F",
			Name:       "Ravi Kumar s/o Suresh",
			Identifier: "S8116474F",
			Note:       "has a software phone",
		},
		{
			ID:         "S1234567D",
			Name:       "Nur Aisyah binte Rahman",
			Identifier: "S1234567D",
			Note:       "enrols a phone of her own",
		},
	}
	placings := []ui.Choice{{"one", "One place on the last page"}, {"three", "Three places"}}
	refused := sandbox.Exchange{
		Call: "POST /api/v3/sign-requests/cancel", Status: 400, At: now,
		Header: []string{"Retry-After: 168"},
		Body:   "{\"error\":\"ACTIVE_SESSION_ONGOING\",\"error_description\":\"Active session ongoing.\"}",
	}
	refused.Token = &sandbox.Token{
		Header: "{\n  \"alg\": \"ES256\",\n  \"kid\": \"demo-1\"\n}",
		Claims: "{\n  \"client_id\": \"demo\",\n  \"iat\": 1773036240\n}",
	}
	refused.Code = []sandbox.Snippet{
		{Language: "curl", Text: "curl -X POST http://127.0.0.1:5156/api/v3/sign-requests/cancel"},
	}
	done := sandbox.Exchange{Call: "POST /api/v3/sign-requests/cancel", Status: 200, At: now}
	request := sandbox.DemoRequest{
		ID: "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332", Party: party,
		Document: "Sample agreement.pdf",
		State:    "session", CreatedAt: now.Add(-4 * time.Minute),
		ExpiresAt:    now.Add(26 * time.Minute),
		SigningURL:   "http://127.0.0.1:5156/sign/signv3-0199cc9c-8b7c-70df-b29b-39843a10c332",
		CancelAction: "/demo/requests/1/cancel", ResultAction: "/demo/requests/1/result",
		HomeURL:    "/demo/",
		ConsoleURL: "/console/requests/signv3-0199cc9c-8b7c-70df-b29b-39843a10c332",
		Exchanges:  []sandbox.Exchange{refused},
	}
	cancelled := request
	cancelled.State, cancelled.CancelAction, cancelled.Exchanges = "cancelled", "", []sandbox.Exchange{
		done,
		refused,
	}
	signed := request
	signed.State, signed.CancelAction, signed.SignedURL, signed.Returned = "signed", "", "/demo/requests/1/signed.pdf", "success"
	signed.Webhooks = []sandbox.WebhookDelivery{{
		At: now, Verified: true,
		Claims: "{\n  \"request_id\": \"signv3-0199cc9c-8b7c-70df-b29b-39843a10c332\",\n  \"signed_doc_url\": \"http://127.0.0.1:5156/documents/…\",\n  \"exp\": 1773036360\n}",
	}}
	rows := []sandbox.DemoRow{
		{
			ID:        "1",
			URL:       "/demo/requests/1",
			Document:  "Sample agreement.pdf",
			State:     "session",
			CreatedAt: now.Add(-4 * time.Minute),
		},
		{
			ID:        "2",
			URL:       "/demo/requests/2",
			Document:  "Tenancy agreement, unit 08-12.pdf",
			State:     "signed",
			CreatedAt: now.Add(-time.Hour),
		},
		{
			ID:        "3",
			URL:       "/demo/requests/3",
			Document:  "Loan_application_form_with_a_rather_long_name_2026.pdf",
			State:     "cancelled",
			CreatedAt: now.Add(-2 * time.Hour),
		},
	}
	reference, err := sandbox.NewReference("http://127.0.0.1:5156")
	if err != nil {
		panic(err)
	}
	for i := range reference.Groups[0].Operations[:2] {
		op := &reference.Groups[0].Operations[i]
		op.Form = &sandbox.ReferenceForm{
			Action: "/reference/" + op.ID, Claims: `{"request_id": "signv3-1"}`, RequestID: "signv3-1",
		}
		op.Made = &refused
	}
	home := sandbox.DemoHome{
		Action: "/demo/requests", Party: party, Personas: personas, Placings: placings,
	}
	full := home
	full.Requests = rows
	failed := full
	failed.Error = &sandbox.Exchange{
		Call: "POST /api/v3/sign-requests", Status: 400, At: now,
		Body: "{\"error\":\"CLIENT_SIDE_ERROR\",\"error_description\":\"The PDF is encrypted.\"}",
	}
	return []Sample{
		{"personas", 200, sandbox.PersonaChooser{
			Action: "/oidc/authorize", Client: "Signet Sign Portal", Personas: personas,
			Fields:      []sandbox.Hidden{{Name: "state", Value: "abc"}},
			RedirectURL: "http://127.0.0.1:5156/login/callback",
		}},
		{"start", 200, sandbox.NewStart(sandbox.StartConfig{
			PublicURL: "http://127.0.0.1:5156", ControlURL: "http://127.0.0.1:5157",
			MockBase: "/sign-v3", Environment: []string{
				"SIGNV3_CLIENT_ID=mockpass-sign-v3-client",
				"SIGNV3_CLIENT_JWKS_URL=http://localhost:4000/jwks",
			}, Personas: sandbox.Personas(),
		})},
		{"reference", 200, reference},
		{"demo-place", 200, sandbox.DemoPlace{
			Action: "/demo/requests", SampleURL: "/sign/a/document.pdf", Personas: personas,
		}},
		{"demo-home-empty", 200, home},
		{"demo-home", 200, full},
		{"demo-home-refused", 400, failed},
		{"demo-request", 200, request},
		{"demo-request-cancelled", 200, cancelled},
		{"demo-request-signed", 200, signed},
	}
}

// sampleQR is a pattern that looks like a QR code. It is for looking at, not for
// scanning.
func sampleQR() template.HTML {
	const n = 29
	var path []byte
	put := func(x, y int) {
		path = append(path, 'M')
		path = appendInt(path, x+4)
		path = append(path, ' ')
		path = appendInt(path, y+4)
		path = append(path, "h1v1h-1z"...)
	}
	finder := func(x, y int) (inside, dark bool) {
		for _, c := range [][2]int{{0, 0}, {n - 7, 0}, {0, n - 7}} {
			dx, dy := x-c[0], y-c[1]
			if dx >= -1 && dx <= 7 && dy >= -1 && dy <= 7 {
				edge := max(abs(dx-3), abs(dy-3))
				return true, edge == 3 || edge <= 1
			}
		}
		return false, false
	}
	seed := uint32(9736)
	for y := range n {
		for x := range n {
			seed = seed*1664525 + 1013904223
			dark := seed>>31 == 1
			if inside, d := finder(x, y); inside {
				dark = d
			}
			if dark {
				put(x, y)
			}
		}
	}
	return template.HTML(
		`<svg viewBox="0 0 37 37" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h37v37H0z"/><path fill="#000" d="` + string(
			path,
		) + `"/></svg>`,
	)
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

func appendInt(b []byte, n int) []byte {
	if n >= 10 {
		b = append(b, byte('0'+n/10))
	}
	return append(b, byte('0'+n%10))
}

// verifyCases are the files on which pades tests its verifier.
const verifyCases = "../../../pades/testdata/verify/"

// sampleVerdict is the page about one of them.
func sampleVerdict(file string) portal.Verify { return verdictOf(sampleReport(file)) }

// verdictOf shows a report.
func verdictOf(r *pades.Report) portal.Verify {
	return portal.Verify{File: "Tenancy agreement, unit 08-12.pdf", Verdict: ui.NewVerdict(r)}
}

// sampleReport is the report on a document.
func sampleReport(file string) *pades.Report {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	root, err := os.ReadFile(verifyCases + "root.pem")
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	doc, err := os.ReadFile(verifyCases + file)
	must(err)
	report, err := pades.Verify(bytes.NewReader(doc), int64(len(doc)), pades.VerifyOptions{
		Roots: roots, TSARoots: roots, Now: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC),
	})
	must(err)
	return report
}
