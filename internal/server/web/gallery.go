package web

import (
	"html/template"
	"time"
)

// Sample is one page of the gallery.
type Sample struct {
	// Name is unique and fit for a file name.
	Name   string
	Status int
	Page   Page
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
	req := Summary{
		ID: "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332", Party: Party{Name: "Harbour Lane Housing Co-operative"},
		Document: "Tenancy agreement, unit 08-12.pdf", ExpiresAt: now.Add(26 * time.Minute),
		ReturnURL: "https://rp.example/sign-redirect",
	}
	long := req
	long.Party.LogoURL = LogoURL("sample")
	long.Document = "Supplementary_deed_of_undertaking_and_indemnity_(schedule_4)_final-final_v12_2026-03-09_for_signature.pdf"
	signer := Person{Name: "Tan Mei Lin", Hint: "•••••373D"}
	live := func(state string) Live { return Live{State: state, Seq: 7} }
	session := Live{State: "session", SessionEndsAt: now.Add(168 * time.Second), Seq: 9}
	scanned := session
	scanned.Scanned = true
	places := []Place{{Page: 1, X: 0.12, Y: 0.18}, {Page: 2, X: 0.55, Y: 0.08}, {Page: 3, X: 0.12, Y: 0.4}}
	cert := Certificate{
		Subject: "Tan Mei Lin", Issuer: "Signet Signer CA 1",
		Serial: "5f3a90c1d27be84410aa62f09c1be377", NotAfter: now.AddDate(1, 0, 0),
	}
	code := SigningCode{
		Summary: req, Live: session, Signer: signer, QR: sampleQR(), MatchCode: "9736", Places: 3,
	}
	codeScanned := code
	codeScanned.Live = scanned
	codeSandbox := code
	codeSandbox.Sandbox = &SandboxPhone{Persona: signer.Name}
	ended := func(outcome string) SessionEnded {
		return SessionEnded{Summary: req, Live: live("locked"), Signer: signer, Outcome: outcome}
	}
	signed := Signed{
		Summary: req, Live: live("signed"), Signer: signer, SignedAt: now.Add(-40 * time.Second),
		Level: "PAdES B-T", Certificate: cert, Places: 3, Available: true,
	}
	signedGone := signed
	signedGone.Available = false

	all := []Sample{
		{"landing-intended", 200, Landing{Summary: req, Live: live("created"), Intended: true, Places: 3}},
		{"landing-first", 200, Landing{Summary: long, Live: live("created"), Places: 1}},
		{"document", 200, Document{Summary: req, Live: live("locked"), Signer: signer, Places: places}},
		{"document-again", 200, Document{Summary: long, Live: live("locked"), Signer: signer, Places: places[:1], Ended: "timed_out"}},
		{"code", 200, code},
		{"code-scanned", 200, codeScanned},
		{"code-sandbox", 200, codeSandbox},
		{"sealing", 200, Sealing{Summary: req, Live: live("sealing"), Signer: signer}},
		{"sealing-delayed", 200, Sealing{Summary: req, Live: live("sealing"), Signer: signer, Delayed: true}},
		{"signed", 200, signed},
		{"signed-gone", 200, signedGone},
		{"ended-rejected", 200, ended("rejected")},
		{"ended-timed-out", 200, ended("timed_out")},
		{"ended-left", 200, ended("left")},
		{"ended-failed", 200, ended("failed")},
		{"no-access", 403, NoAccess{Summary: req, Signer: signer}},
		{"no-access-intended", 403, NoAccess{Summary: req, Signer: signer, Intended: true}},
		{"link-invalid", 404, LinkInvalid{}},
		{"cancelled", 410, Cancelled{Summary: req, At: now.Add(-2 * time.Minute)}},
		{"already-signed", 200, AlreadySigned{Summary: req, SignedAt: now.Add(-time.Hour), CanLogin: true}},
		{"expired", 410, Expired{Summary: req, Live: live("expired")}},
		{"login-failed", 502, LoginFailed{Summary: req}},
		{"login-denied", 403, LoginFailed{Summary: req, Denied: true}},
		{"error-404", 404, HTTPError{Status: 404}},
		{"error-500", 500, HTTPError{Status: 500, Reference: "0199cc9c8b7c", RetryURL: req.Path("")}},
		{"error-503", 503, HTTPError{Status: 503}},
	}
	all = append(all, galleryPhone(now, req.Party, cert)...)
	all = append(all, gallerySandbox(now)...)
	return append(all, galleryConsole(now)...)
}

func galleryPhone(now time.Time, party Party, cert Certificate) []Sample {
	person := Person{Name: "Tan Mei Lin"}
	phones := []Phone{
		{ID: "phone-1", Name: "Mei's Pixel", EnrolledAt: now.AddDate(0, -2, 0), Certificate: cert},
		{ID: "phone-2", Name: "Old iPhone", EnrolledAt: now.AddDate(-1, 0, 0), Certificate: cert, Revoked: true},
	}
	all := []Sample{
		{"phone-home-out", 200, PhoneHome{LoginURL: "/phone/login"}},
		{"phone-home-new", 200, PhoneHome{Account: &person}},
		{"phone-home", 200, PhoneHome{Account: &person, Phones: phones}},
		{"phone-home-renamed", 200, PhoneHome{Account: &person, Phones: phones, Renamed: "Mei's Pixel"}},
		{"phone-home-removed", 200, PhoneHome{Account: &person, Phones: phones[1:], Removed: "Old iPhone"}},
		{"phone-enrol", 200, PhoneEnrol{Account: person, Name: "Mei's phone"}},
		{"phone-enrol-session", 200, PhoneEnrol{
			Account: person, Name: "Mei's phone", Next: "/phone/sign/signv3-0199cc9c", Session: now.Add(168 * time.Second).UnixMilli(),
		}},
		{"phone-approve", 200, PhoneApprove{Account: person, RequestID: "signv3-0199cc9c", Party: party}},
		{"phone-approve-done", 200, PhoneApprove{Account: person, RequestID: "signv3-0199cc9c", Party: party, Step: "approved", Here: true}},
		{"phone-approve-signed", 200, PhoneApprove{Account: person, RequestID: "signv3-0199cc9c", Party: party, Step: "signed"}},
		{"phone-scan-stale", 403, PhoneScan{Why: "STALE_CODE"}},
		{"phone-scan-first", 403, PhoneScan{Why: "NOT_SCANNED"}},
	}
	all = append(all, Sample{"phone-scan", 200, PhoneScan{}}, Sample{"phone-offline", 200, PhoneOffline{}})
	for _, code := range phoneProblems() {
		all = append(all, Sample{"phone-problem-" + code, 409, PhoneProblem{Code: code, Party: party}})
	}
	return all
}

func gallerySandbox(now time.Time) []Sample {
	party := Party{Name: "Demo Relying Party"}
	personas := []Persona{
		{ID: "S8979373D", Name: "Tan Mei Lin", Identifier: "S8979373D", Note: "has a software phone"},
		{ID: "S8116474F", Name: "Ravi Kumar s/o Suresh", Identifier: "S8116474F", Note: "has a software phone"},
		{ID: "S1234567D", Name: "Nur Aisyah binte Rahman", Identifier: "S1234567D", Note: "enrols a phone of her own"},
	}
	placings := []Choice{{"one", "One place on the last page"}, {"three", "Three places"}}
	refused := Exchange{
		Call: "POST /api/v3/sign-requests/cancel", Status: 400, At: now,
		Header: []string{"Retry-After: 168"},
		Body:   "{\"error\":\"ACTIVE_SESSION_ONGOING\",\"error_description\":\"Active session ongoing.\"}",
	}
	done := Exchange{Call: "POST /api/v3/sign-requests/cancel", Status: 200, At: now}
	request := DemoRequest{
		ID: "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332", Party: party, Document: "Sample agreement.pdf",
		State: "session", CreatedAt: now.Add(-4 * time.Minute), ExpiresAt: now.Add(26 * time.Minute),
		SigningURL:   "http://127.0.0.1:5156/sign/signv3-0199cc9c-8b7c-70df-b29b-39843a10c332",
		CancelAction: "/demo/requests/1/cancel", ResultAction: "/demo/requests/1/result", HomeURL: "/demo/",
		Exchanges: []Exchange{refused},
	}
	cancelled := request
	cancelled.State, cancelled.CancelAction, cancelled.Exchanges = "cancelled", "", []Exchange{done, refused}
	signed := request
	signed.State, signed.CancelAction, signed.SignedURL, signed.Returned = "signed", "", "/demo/requests/1/signed.pdf", "success"
	signed.Webhooks = []WebhookDelivery{{
		At: now, Verified: true,
		Claims: "{\n  \"request_id\": \"signv3-0199cc9c-8b7c-70df-b29b-39843a10c332\",\n  \"signed_doc_url\": \"http://127.0.0.1:5156/documents/…\",\n  \"exp\": 1773036360\n}",
	}}
	rows := []DemoRow{
		{"1", "/demo/requests/1", "Sample agreement.pdf", "session", now.Add(-4 * time.Minute)},
		{"2", "/demo/requests/2", "Tenancy agreement, unit 08-12.pdf", "signed", now.Add(-time.Hour)},
		{"3", "/demo/requests/3", "Loan_application_form_with_a_rather_long_name_2026.pdf", "cancelled", now.Add(-2 * time.Hour)},
	}
	home := DemoHome{Action: "/demo/requests", Party: party, Personas: personas, Placings: placings}
	full := home
	full.Requests = rows
	failed := full
	failed.Error = &Exchange{
		Call: "POST /api/v3/sign-requests", Status: 400, At: now,
		Body: "{\"error\":\"CLIENT_SIDE_ERROR\",\"error_description\":\"The PDF is encrypted.\"}",
	}
	return []Sample{
		{"personas", 200, PersonaChooser{
			Action: "/oidc/authorize", Client: "Signet Sign Portal", Personas: personas,
			Fields: []Hidden{{"state", "abc"}}, RedirectURL: "http://127.0.0.1:5156/login/callback",
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
	return template.HTML(`<svg viewBox="0 0 37 37" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h37v37H0z"/><path fill="#000" d="` + string(path) + `"/></svg>`)
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
