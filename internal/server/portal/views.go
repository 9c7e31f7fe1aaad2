package portal

import (
	"encoding/json"
	"html/template"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/ui"
	"github.com/signet-sign/signet/pades"
)

// Landing is the first page of a signing URL. It says who asks for a signature, on which document,
// who may sign, and until when. Its form posts to /sign/{id}/login; "Return to" posts to
// /sign/{id}/leave.
type Landing struct {
	ui.Summary
	Live httpx.Live
	// Intended says that the relying party named the person who may sign; otherwise the first
	// person who opens the document is the signer.
	Intended bool
	// Places is the number of signature places, or 0 to omit it.
	Places int
}

func (p Landing) Meta() ui.Meta {
	return ui.Meta{
		Template: "landing", Title: "landing.title", Args: []any{p.Document}, Shell: ui.ShellPortal,
		Script: "portal", Live: p.Follow(p.Live), Targets: p.Targets(), Login: true,
	}
}

// Place is one signature location. X and Y are fractions of the displayed page
// (crop box, rotation applied) from its bottom left corner to the bottom left
// corner of the box, which measures 220.5 x 60 pt.
type Place struct {
	Page int     `json:"page"` // from 1
	X    float64 `json:"x"`
	Y    float64 `json:"y"`
}

// Document is the review page: the document, a panel with every signature
// place, and the button that starts the sign session. The form posts to
// /sign/{id}/proceed.
type Document struct {
	ui.Summary
	Live   httpx.Live
	Signer ui.Person
	// Size is the length of the document in bytes.
	Size int64
	// Places lists the signature locations in the order of review.
	Places []Place
	// Sketch is the signer's name as the places will show it.
	Sketch pades.Sketch
	// Warnings are the kinds of content of the document that the person is warned of.
	Warnings []string
	// Background says that the places lighten what is below them.
	Background bool
	// Download says that the signer may save and print the document.
	Download bool
	// AllPages says that the signer must see every page.
	AllPages bool
	// Ended is how the last sign session ended: rejected, timed_out, left, failed, or "" if there
	// was none. It is shown above the document.
	Ended string
}

// DocumentURL returns the URL of the PDF for the viewer.
func (p Document) DocumentURL() string { return p.Path("document.pdf") }

// PlacesJSON returns Places as JSON for the viewer.
func (p Document) PlacesJSON() (string, error) { return placesJSON(p.Places) }

func placesJSON(places []Place) (string, error) {
	b, err := json.Marshal(places)
	return string(b), err
}

// readWhole is the length in bytes up to which the viewer reads a document with one request, and
// beyond it by ranges (the default of pdf.js: twice the length of a range).
const readWhole = 128 << 10

func (p Document) Meta() ui.Meta {
	var beside string
	// A larger document would take the network from the viewer, which needs only parts of it.
	if p.Size <= readWhole {
		beside = p.DocumentURL()
	}
	return ui.Meta{
		Template: "document", Title: "document.title", Args: []any{p.Document},
		Shell:  ui.ShellPortal,
		Script: "portal", Login: true, Waiting: p.Signer.Waiting, Live: p.Follow(p.Live),
		Viewer: true, Document: beside,
		Targets: p.Targets(),
	}
}

// SigningCode is the page of a live sign session: the QR code for the phone, the match code and the
// time left. The script fetches each next code from /sign/{id}/code. "Open on this device" posts to
// /sign/{id}/here, "Cancel signing" to /sign/{id}/leave-session.
type SigningCode struct {
	ui.Summary
	Live   httpx.Live
	Signer ui.Person
	// QR is the code as an SVG element.
	QR template.HTML
	// MatchCode is the four digits that the phone shows too.
	MatchCode string
	// Places is the number of places that one approval signs.
	Places int
	// Sandbox, if not nil, adds forms that answer as the persona's software phone.
	Sandbox *SandboxPhone
}

// SandboxPhone is the sandbox's panel on the page of a sign session. Its forms
// post to /sign/{id}/sandbox/approve and /sign/{id}/sandbox/reject.
type SandboxPhone struct {
	// Persona is the name of the persona whose software phone answers.
	Persona string
}

// CodeURL returns the URL of the next code, for the script.
func (p SigningCode) CodeURL() string { return p.Path("code") }

// SpokenCode returns MatchCode digit by digit, so that screen readers do not read it as a number in
// the thousands.
func (p SigningCode) SpokenCode() string {
	return strings.Join(strings.Split(p.MatchCode, ""), " ")
}

func (p SigningCode) Meta() ui.Meta {
	return ui.Meta{
		Template: "code", Title: "code.title", Args: []any{p.Document}, Shell: ui.ShellPortal,
		Script: "portal", Login: true, Waiting: p.Signer.Waiting, Live: p.Follow(p.Live),
		Targets: p.Targets(),
	}
}

// Sealing is the page between the approval on the phone and the signed document.
type Sealing struct {
	ui.Summary
	Live   httpx.Live
	Signer ui.Person
	// ApprovedAt is the time of the phone's approval.
	ApprovedAt time.Time
	// Delayed says that sealing has failed at least once.
	Delayed bool
	// NextTry is the time of the next attempt; zero if it is under way, or waits for an operator.
	NextTry time.Time
}

// SealStep is a step of the sealing on the page that waits for it.
type SealStep struct {
	Phase request.SealPhase
	State string // done, now or todo
}

// Steps returns the steps of the sealing. All are todo if it is not known which one is done now.
func (p Sealing) Steps() []SealStep {
	state := "todo"
	if p.Live.Phase != "" {
		state = "done"
	}
	var steps []SealStep
	for _, phase := range request.SealPhases() {
		step := SealStep{phase, state}
		if string(phase) == p.Live.Phase {
			step.State, state = "now", "todo"
		}
		steps = append(steps, step)
	}
	return steps
}

func (p Sealing) Meta() ui.Meta {
	return ui.Meta{
		Template: "sealing", Title: "sealing.title", Args: []any{p.Document}, Shell: ui.ShellPortal,
		Script: "portal", Login: true, Waiting: p.Signer.Waiting, Live: p.Follow(p.Live),
	}
}

// Signed is the page after signing: the signed document, its signature details,
// and the way back to the relying party (post to /sign/{id}/leave).
type Signed struct {
	ui.Summary
	Live   httpx.Live
	Signer ui.Person
	// SignedAt is the time in the signature.
	SignedAt time.Time
	// Level is the PAdES level, such as "PAdES B-T".
	Level       string
	Certificate ui.Certificate
	Places      []Place // where the document was signed
	// Available says that the signed document can be downloaded from /sign/{id}/signed.pdf.
	Available bool
}

// LevelText returns the message that says what the signature level means, or "".
func (p Signed) LevelText() string {
	_, level, _ := strings.Cut(p.Level, "-")
	switch level {
	case "B", "T", "LT", "LTA":
		return "signed.level." + strings.ToLower(level)
	}
	return ""
}

// SignedURL returns the URL of the signed PDF.
func (p Signed) SignedURL() string { return p.Path("signed.pdf") }

// PlacesJSON returns Places as JSON for the thumbnails.
func (p Signed) PlacesJSON() (string, error) { return placesJSON(p.Places) }

func (p Signed) Meta() ui.Meta {
	return ui.Meta{
		Template: "signed", Title: "signed.title", Args: []any{p.Document}, Shell: ui.ShellPortal,
		Script: "portal", Login: true, Waiting: p.Signer.Waiting, Live: p.Follow(p.Live),
		Targets: p.Targets(),
	}
}

// SessionEnded is the page after a sign session that ended without a signature. It offers one next
// step: a new code (post to /sign/{id}/proceed), or the document if the page requires a review
// first.
type SessionEnded struct {
	ui.Summary
	Live   httpx.Live
	Signer ui.Person
	// Outcome is rejected, timed_out, left or failed.
	Outcome string
}

func (p SessionEnded) Meta() ui.Meta {
	return ui.Meta{
		Template: "ended", Title: endedKey(p.Outcome) + ".title", Shell: ui.ShellPortal,
		Script: "portal", Login: true, Waiting: p.Signer.Waiting, Live: p.Follow(p.Live),
		Targets: p.Targets(),
	}
}

// TitleKey returns the key of the outcome's title.
func (p SessionEnded) TitleKey() string { return endedKey(p.Outcome) + ".title" }

// TextKey returns the key of the message that explains the outcome.
func (p SessionEnded) TextKey() string { return endedKey(p.Outcome) + ".text" }

// endedKey returns the prefix of the messages of a session's outcome. An unknown outcome is shown
// as failed.
func endedKey(outcome string) string {
	switch outcome {
	case "rejected", "timed_out", "left":
		return "ended." + outcome
	}
	return "ended.failed"
}
