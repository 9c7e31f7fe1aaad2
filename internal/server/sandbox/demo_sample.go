package sandbox

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/signet-sign/signet/api"
)

// The sample document: a tenancy agreement on two pages of A4, with frames where the placing
// "three" signs. It is drawn by the few functions below with two of the fonts that every viewer has
// (ISO 32000-1, 9.6.2.2).

const sampleName = "Tenancy agreement.pdf"

// sampleDocument returns the sample, which is the same on every call.
func sampleDocument() []byte {
	pages := []pageSize{a4, a4}
	frames := map[int][]samplePlace{
		1: {{slot(pages, 1, 1, 0), "Tenant: key facts read"}},
		2: {
			{slot(pages, 2, 0, 0), "Tenant: agreement"},
			{slot(pages, 2, 1, 0), "Tenant: inventory received"},
		},
	}
	first := new(drawing)
	first.head("Tenancy agreement", "Unit 08-12, 5 Harbour Lane")
	first.panel([][2]string{
		{"Landlord", "Harbour Lane Housing Co-operative"},
		{"Tenant", "The person who signs this document"},
		{"Premises", "Unit 08-12, 5 Harbour Lane, with the furniture in the inventory"},
		{"Term", "24 months, from the first day of the month after signing"},
		{"Rent", "2,150 dollars a month, in advance, by the 5th day of the month"},
		{"Deposit", "4,300 dollars, returned within 14 days after the term"},
	})
	first.clause(
		"1",
		"The letting",
		"The landlord lets the premises to the tenant for the term. The tenant may use the common "+
			"rooms, the roof garden and one bicycle stand together with the other residents.",
	)
	first.clause(
		"2",
		"Rent and deposit",
		"The rent does not change during the term. The deposit is kept on an account of its own. "+
			"The landlord may keep back from it only what the tenant owes, and says in writing what for.",
	)
	first.clause(
		"3",
		"Repairs",
		"The landlord keeps the building, the lifts and the installations in working order. The tenant tells "+
			"the landlord about defects within 7 days of noticing them, and pays for what the tenant has broken.",
	)
	first.clause(
		"4",
		"Visits",
		"The landlord may enter the premises at reasonable hours after asking 48 hours before, and at once "+
			"when there is danger.",
	)
	first.frames(frames[1])
	first.foot(1)

	second := new(drawing)
	second.y = a4.h - 84
	second.clause(
		"5",
		"Subletting",
		"The tenant may have guests, and may let a room to one other person after telling the landlord "+
			"who that is. The tenant stays answerable for the whole of the rent.",
	)
	second.clause(
		"6",
		"Ending the tenancy early",
		"After 12 months, either side may end the tenancy with two months' notice in "+
			"writing. A tenant who has to move for work may do so with one month's notice.",
	)
	second.clause(
		"7",
		"Handing over",
		"On the first and on the last day, both sides walk through the premises with the inventory and "+
			"write down what they see. Keys that are missing are replaced at cost.",
	)
	second.clause(
		"8",
		"Disputes",
		"Both sides first try to settle a dispute with the residents' committee, and then go to the "+
			"tribunal that is responsible for the place of the premises.",
	)
	second.clause(
		"9", "Form",
		"This agreement is signed electronically. Changes need a document that is signed in the same way.",
	)
	second.y = 280 // just above the frames
	second.text("F2", 14, sampleLeft, "Signatures", ink)
	second.y -= 18
	second.paragraph(
		"With each signature the tenant confirms what stands above the frame. The signatures can be verified with any "+
			"viewer that knows PAdES; a verified signature shows the tenant's name and the time.",
		sampleLeft,
	)
	second.frames(frames[2])
	second.foot(2)
	return writeSample(first, second)
}

// samplePlace is a frame for a signature and what the signer confirms there.
type samplePlace struct {
	api.Location
	caption string
}

// Measures in points, and colours.
const (
	sampleLeft  = slotMargin
	sampleWidth = 595.28 - 2*slotMargin
	bodySize    = 11.0
	leading     = 16.5

	ink    = "0.10 0.13 0.20"
	accent = "0.05 0.33 0.43"
	quiet  = "0.42 0.46 0.52"
	pale   = "0.94 0.96 0.97"
)

// drawing is the content stream of a page. y is the baseline of the next line.
type drawing struct {
	bytes.Buffer
	y float64
}

func (d *drawing) op(format string, args ...any) { fmt.Fprintf(d, format+"\n", args...) }

func (d *drawing) text(font string, size, x float64, s, colour string) {
	escaped := strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`).Replace(s)
	d.op("BT %s rg /%s %g Tf %.2f %.2f Td (%s) Tj ET", colour, font, size, x, d.y, escaped)
}

// paragraph sets text in lines from x to the right margin.
func (d *drawing) paragraph(s string, x float64) {
	for _, line := range wrap(s, bodySize, sampleLeft+sampleWidth-x) {
		d.text("F1", bodySize, x, line, ink)
		d.y -= leading
	}
}

func (d *drawing) head(title, subtitle string) {
	d.op("%s rg 0 %.2f %.2f 8 re f", accent, a4.h-8, a4.w)
	d.y = a4.h - 84
	d.text("F2", 24, sampleLeft, title, ink)
	d.y -= 22
	d.text("F1", 12, sampleLeft, subtitle, quiet)
	d.y -= 26
}

// panel draws the key facts on a light background.
func (d *drawing) panel(facts [][2]string) {
	const row, pad = 22.0, 15.0
	height := float64(len(facts))*row + 2*pad - 6
	d.op("%s rg %.2f %.2f %.2f %.2f re f", pale, sampleLeft, d.y-height, sampleWidth, height)
	d.op("%s rg %.2f %.2f 3 %.2f re f", accent, sampleLeft, d.y-height, height)
	top := d.y
	d.y -= pad + 10
	for _, fact := range facts {
		d.text("F2", bodySize, sampleLeft+18, fact[0], accent)
		d.text("F1", bodySize, sampleLeft+100, fact[1], ink)
		d.y -= row
	}
	d.y = top - height - 30
}

func (d *drawing) clause(number, title, body string) {
	d.text("F2", 12, sampleLeft, number, accent)
	d.text("F2", 12, sampleLeft+22, title, ink)
	d.y -= 18
	d.paragraph(body, sampleLeft+22)
	d.y -= 14
}

// frames draws a dashed frame a little outside each box, so that the signature does not cover it.
func (d *drawing) frames(places []samplePlace) {
	for _, p := range places {
		x, y := p.X*a4.w, p.Y*a4.h
		d.op(
			"q 0.7 w [3 3] 0 d 0.62 0.67 0.73 RG %.2f %.2f %.2f %.2f re S Q", x-2, y-2,
			api.BoxWidth+4, api.BoxHeight+4,
		)
		d.y = y + api.BoxHeight + 9
		d.text("F2", 9, x-2, p.caption, accent)
	}
}

func (d *drawing) foot(page int) {
	d.op("0.85 0.87 0.90 RG 0.6 w %.2f 58 m %.2f 58 l S", sampleLeft, sampleLeft+sampleWidth)
	d.y = 42
	d.text("F1", 8, sampleLeft, "Sample document of the Signet sandbox. It is not binding.", quiet)
	d.text("F1", 8, sampleLeft+sampleWidth-42, fmt.Sprintf("Page %d of 2", page), quiet)
}

// wrap breaks text into lines of Helvetica that are at most width points wide.
func wrap(s string, size, width float64) []string {
	var lines []string
	var line string
	for _, word := range strings.Fields(s) {
		longer := strings.TrimSpace(line + " " + word)
		if line != "" && textWidth(longer)*size/1000 > width {
			lines = append(lines, line)
			longer = word
		}
		line = longer
	}
	return append(lines, line)
}

// textWidth is the width of ASCII text in Helvetica, in thousandths of the font's size.
func textWidth(s string) (width float64) {
	for i := range len(s) {
		width += float64(helveticaWidth(s[i]))
	}
	return width
}

func helveticaWidth(c byte) int {
	// From the space to the tilde, in the order of ASCII.
	widths := [...]uint16{
		278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
		556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
		1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
		667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
		333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
		556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
	}
	if c < ' ' || int(c-' ') >= len(widths) {
		return 556
	}
	return int(widths[c-' '])
}

// writeSample writes a PDF 1.7 file with one page for each drawing (ISO 32000-1, 7.5).
func writeSample(pages ...*drawing) []byte {
	var out bytes.Buffer
	var offsets []int
	object := func(format string, args ...any) {
		offsets = append(offsets, out.Len())
		fmt.Fprintf(&out, "%d 0 obj\n"+format+"\nendobj\n", append([]any{len(offsets)}, args...)...)
	}
	const firstPage = 6 // objects 1 to 5 come before the pages
	var kids []string
	for i := range pages {
		kids = append(kids, fmt.Sprintf("%d 0 R", firstPage+2*i))
	}
	out.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	object(
		"<< /Type /Catalog /Pages 2 0 R /Lang (en-SG) /ViewerPreferences << /DisplayDocTitle true >> >>",
	)
	object("<< /Type /Pages /Kids [%s] /Count %d >>", strings.Join(kids, " "), len(kids))
	object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
	object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>")
	object(
		"<< /Title (Tenancy agreement) /Producer (Signet sandbox) /CreationDate (D:20260115000000Z) >>",
	)
	for i, page := range pages {
		object(
			"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %g %g] /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> /Contents %d 0 R >>",
			a4.w,
			a4.h,
			firstPage+2*i+1,
		)
		object("<< /Length %d >>\nstream\n%s\nendstream", page.Len(), page.Bytes())
	}
	xref := out.Len()
	fmt.Fprintf(&out, "xref\n0 %d\n0000000000 65535 f \n", len(offsets)+1)
	for _, offset := range offsets {
		fmt.Fprintf(&out, "%010d 00000 n \n", offset)
	}
	const id = "<5369676E65742073616D706C65203031>" // any 16 bytes, always the same
	fmt.Fprintf(
		&out,
		"trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R /ID [%s %s] >>\nstartxref\n%d\n%%%%EOF\n",
		len(offsets)+1, id, id, xref,
	)
	return out.Bytes()
}
