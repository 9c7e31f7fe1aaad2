package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// filledForm is a form as its fillers leave it: a text field with its picture, one that viewers are
// asked to draw from its value, and a box that is ticked.
func filledForm() []byte {
	picture := func(content string) string {
		return fmt.Sprintf(
			"<< /Type /XObject /Subtype /Form /BBox [0 0 200 20] /Resources << /Font << /Helv %d 0 R >> >> /Length %d >>\nstream\n%s\nendstream",
			pdftest.FontNum, len(content), content,
		)
	}
	return pdftest.New(
		pdftest.IndirectForm(
			pdftest.Field{
				Name: "rent", Page: 1, Rect: "[72 600 272 620]", Type: "Tx", Value: "(Fifty dollars)",
				Entries: "/DA (/Helv 12 Tf 0 g) /AP << /N 5000 0 R >>",
			},
			pdftest.Field{
				Name: "flat", Page: 1, Rect: "[72 560 272 580]", Type: "Tx", Value: "(Unit 08-12)",
				Entries: "/DA (/Helv 12 Tf 0 g)",
			},
			pdftest.Field{
				Name: "pets", Page: 1, Rect: "[72 520 92 540]", Type: "Btn",
				Entries: "/V /Yes /AS /Yes /AP << /N << /Yes 5001 0 R /Off 5002 0 R >> >>",
			},
		),
		pdftest.FormEntries("/DR << /Font << /Helv 3 0 R >> >> /NeedAppearances true"),
		pdftest.Object(5000, picture("BT /Helv 12 Tf 2 5 Td (Fifty dollars) Tj ET")),
		pdftest.Object(5001, picture("0 0 200 20 re f")),
		pdftest.Object(5002, picture("")),
	)
}

// TestFilledForm goes with a filled form from the upload to the signed document: the signer sees
// the value of each field, cannot change it, sees it again when it is signed, and the check page
// finds the document as it was signed.
func TestFilledForm(t *testing.T) {
	s := start(t)
	a := s.upload(t, s.party.Token(token.Initiate, partytest.Claim(
		"sign_locations", []any{map[string]any{"page": 1, "x": 0.1, "y": 0.1}},
	)), filledForm())
	var in api.Initiated
	if err := json.Unmarshal([]byte(a.body), &in); err != nil || a.status != http.StatusOK {
		t.Fatalf("initiate: %d %s", a.status, a.body)
	}
	b := newBrowser(t, 1280, 900)
	// fields waits for the page and returns which of the fields have ink.
	fields := func() string {
		t.Helper()
		b.until("drawing the page", `document.querySelector("[data-viewer-ready] .sheet.drawn")`)
		return b.read(`(() => {
			const sheet = document.querySelector(".sheet"), canvas = sheet.querySelector("canvas");
			const f = canvas.width / parseFloat(sheet.style.getPropertyValue("--page-width"));
			const inked = ([name, x, y, w, h]) => {
				const { data } = canvas.getContext("2d").getImageData(x * f, canvas.height - (y + h) * f, w * f, h * f);
				for (let i = 0; i < data.length; i += 4) if (data[i] < 100) return name;
			};
			const found = [["rent", 72, 600, 200, 20], ["flat", 72, 560, 200, 20], ["pets", 72, 520, 20, 20], ["nothing", 72, 480, 200, 20]].map(inked).filter(Boolean);
			return found.concat([...sheet.querySelectorAll("input, textarea, select")].map(e => e.tagName)).join(" ");
		})()`)
	}
	const want = "rent flat pets"
	b.open(in.SigningURL)
	b.press("Log in")
	b.press("TAN XIAO HUI")
	if got := fields(); got != want {
		t.Errorf("the signer sees %q, want %q", got, want)
	}
	b.review()
	b.shot("form")
	b.press("Proceed to Sign")
	b.sees("match")
	s.must(t, in.RequestID, alice, "approve")
	b.until("starting the script", `document.querySelector("[data-show-document][aria-expanded]")`)
	b.press("View signed document")
	if got := fields(); got != want {
		t.Errorf("the signed document shows %q, want %q", got, want)
	}
	b.press("Check this document")
	b.sees("The document is as it was signed")
}
