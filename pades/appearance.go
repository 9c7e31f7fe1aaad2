package pades

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/signet-sign/signet/pades/pdf"
)

// The box of a visible signature, in points.
const (
	BoxWidth  = 220.5
	BoxHeight = 60.0
)

// Layout of the box: the mark at the left, three lines of text beside it.
const (
	markX, markY, markR = 27.0, 30.0, 21.0
	textX               = 56.0
	textWidth           = BoxWidth - textX - 4
	headSize            = 8.0
	nameSize            = 12.3
	nameTwoLines        = 9.0 // below this size a name is broken into lines
	nameLeast           = 5.0 // below this size more of the box is given to the name
	timeSize            = 9.0
)

// setting is the layout of the lines: the baselines of the first and the last line, and the space
// for the name between them.
type setting struct{ headY, timeY, nameLow, nameHigh float64 }

var (
	normal = setting{headY: 44.6, timeY: 11.2, nameLow: 19.2, nameHigh: 42.4}
	roomy  = setting{headY: 51.6, timeY: 3.4, nameLow: 11.4, nameHigh: 49.4}
)

// color is red, green, blue from 0 to 1 in the profile of iccProfile.
type color [3]float64

func (c color) String() string {
	return pdf.Number(c[0]) + " " + pdf.Number(c[1]) + " " + pdf.Number(c[2])
}

type palette struct{ mark, text, quiet color }

var (
	inks = palette{
		mark: color{0.11, 0.20, 0.47}, text: color{0.07, 0.09, 0.16},
		quiet: color{0.33, 0.37, 0.46},
	}
	inksSandbox = palette{
		mark: color{0.76, 0.30, 0.05}, text: color{0.07, 0.09, 0.16},
		quiet: color{0.33, 0.37, 0.46},
	}
)

// appearance is the content of the box.
type appearance struct {
	name       string
	at         time.Time
	sandbox    bool
	background bool
	// outlined is for documents that have signatures: nothing is filled that could hide what the
	// earlier signers signed.
	outlined bool
}

// veil is the opacity of the background over the page. Text below the box keeps a contrast of 2 to
// 1, and the text of the box has one of 7 to 1 to it (TestBackgroundKeepsBothReadable).
const veil = 0.7

// draw returns the content stream of the box. The page stays visible between the strokes, or
// through the background, because a signature must not hide what was signed.
func (a appearance) draw(t *typesetter, fonts *Fonts) []byte {
	inks := inks
	if a.sandbox {
		inks = inksSandbox
	}
	name, at := layOut(newParagraph(fonts.Bold, a.name))
	var b strings.Builder
	b.WriteString("q /C cs /C CS\n")
	if a.background {
		b.WriteString("q /V gs 1 1 1 scn\n")
		roundedRect(&b, 0, 0, BoxWidth, BoxHeight, 4)
		b.WriteString("f Q\n")
	}
	drawMark(&b, inks.mark, a.outlined)
	fmt.Fprintf(&b, "%s scn\n", inks.quiet)
	head := set(fonts.Regular, "Digitally signed with ")
	t.show(&b, head, textX, at.headY, headSize)
	brand := set(fonts.Bold, "Signet")
	brandX := textX + head.width*headSize
	fmt.Fprintf(&b, "%s scn\n", inks.mark)
	t.show(&b, brand, brandX, at.headY, headSize)
	if a.sandbox {
		drawBadge(&b, t, fonts, inks.mark, a.outlined, brandX+brand.width*headSize+5, at.headY)
	}
	fmt.Fprintf(&b, "%s scn\n", inks.text)
	for _, l := range name.lines {
		t.show(&b, l.line, l.x, l.y, name.size)
	}
	fmt.Fprintf(&b, "%s scn\n", inks.quiet)
	when := set(fonts.Regular, formatTime(a.at))
	t.show(&b, when, textX, at.timeY, when.fit(textWidth, timeSize))
	b.WriteString("Q\n")
	return []byte(b.String())
}

// drawBadge draws SANDBOX in a frame, so that a print of a sandbox document is recognisable.
func drawBadge(
	b *strings.Builder, t *typesetter, fonts *Fonts, ink color, outlined bool, x, headY float64,
) {
	const size, pad = 5.6, 2.6
	l := set(fonts.Bold, "SANDBOX")
	w := l.width*size + 2*pad
	x = min(x, BoxWidth-w-1)
	fmt.Fprintf(b, "%s scn %s SCN 0.7 w\n", ink, ink)
	roundedRect(b, x, headY-2.3, w, 9, 2)
	if outlined {
		b.WriteString("S\n")
	} else {
		b.WriteString("f\n1 1 1 scn\n")
	}
	t.show(b, l, x+pad, headY+0.2, size)
}

// drawMark draws the mark: a scalloped seal with a pen stroke in the shape of an S.
func drawMark(b *strings.Builder, ink color, outlined bool) {
	const bumps = 30
	at := func(r, angle float64) (x, y float64) {
		return markX + r*math.Cos(angle), markY + r*math.Sin(angle)
	}
	fmt.Fprintf(b, "%s scn\n", ink)
	const valley, crest = markR - 1.1, markR + 0.9
	for i := range bumps {
		from := 2 * math.Pi * float64(i) / bumps
		step := 2 * math.Pi / bumps
		if i == 0 {
			x, y := at(valley, from)
			fmt.Fprintf(b, "%s %s m\n", pdf.Number(x), pdf.Number(y))
		}
		x1, y1 := at(crest, from+step*0.18)
		x2, y2 := at(crest, from+step*0.82)
		x3, y3 := at(valley, from+step)
		curve(b, x1, y1, x2, y2, x3, y3)
	}
	if outlined {
		fmt.Fprintf(b, "%s SCN 0.9 w s\n", ink)
	} else {
		b.WriteString("f\n1 1 1 SCN 0.9 w\n")
	}
	circle(b, markX, markY, markR-4.2)
	// The S, then the underline of a signature.
	pen := 2.9
	if outlined {
		pen = 1.4
	}
	fmt.Fprintf(b, "S\n%s w 1 J 1 j\n", pdf.Number(pen))
	fmt.Fprintf(b, "%s %s m\n", pdf.Number(markX+5.6), pdf.Number(markY+6.6))
	curve(b, markX+2.6, markY+11.2, markX-6.6, markY+9.8, markX-5.4, markY+4.4)
	curve(b, markX-4.4, markY-0.2, markX+6.4, markY+1.8, markX+5.6, markY-4.2)
	curve(b, markX+4.8, markY-9.6, markX-4.6, markY-9.2, markX-6.4, markY-4.6)
	b.WriteString("S\n0 J 0 j\n")
}

func curve(b *strings.Builder, x1, y1, x2, y2, x3, y3 float64) {
	for _, v := range []float64{x1, y1, x2, y2, x3, y3} {
		b.WriteString(pdf.Number(math.Round(v*100)/100) + " ")
	}
	b.WriteString("c\n")
}

// kappa approximates a quarter of a circle by a cubic curve.
const kappa = 0.5523

func circle(b *strings.Builder, x, y, r float64) {
	fmt.Fprintf(b, "%s %s m\n", pdf.Number(x+r), pdf.Number(y))
	curve(b, x+r, y+kappa*r, x+kappa*r, y+r, x, y+r)
	curve(b, x-kappa*r, y+r, x-r, y+kappa*r, x-r, y)
	curve(b, x-r, y-kappa*r, x-kappa*r, y-r, x, y-r)
	curve(b, x+kappa*r, y-r, x+r, y-kappa*r, x+r, y)
}

func roundedRect(b *strings.Builder, x, y, w, h, r float64) {
	k := r * (1 - kappa)
	move := func(x, y float64, op string) {
		fmt.Fprintf(b, "%s %s %s\n", pdf.Number(x), pdf.Number(y), op)
	}
	move(x+r, y, "m")
	move(x+w-r, y, "l")
	curve(b, x+w-k, y, x+w, y+k, x+w, y+r)
	move(x+w, y+h-r, "l")
	curve(b, x+w, y+h-k, x+w-k, y+h, x+w-r, y+h)
	move(x+r, y+h, "l")
	curve(b, x+k, y+h, x, y+h-k, x, y+h-r)
	move(x, y+r, "l")
	curve(b, x, y+k, x+k, y, x+r, y)
	b.WriteString("h\n")
}

// formatTime formats a time as "15 Jun 2025, 7:32:30 PM SGT".
func formatTime(t time.Time) string {
	zone, offset := t.Zone()
	switch {
	case t.Location().String() == "Asia/Singapore":
		zone = "SGT" // the time zone database has only "+08"
	case zone == "" || zone[0] == '+' || zone[0] == '-':
		sign := '+'
		if offset < 0 {
			sign, offset = '-', -offset
		}
		zone = fmt.Sprintf("UTC%c%02d:%02d", sign, offset/3600, offset/60%60)
	}
	return t.Format("2 Jan 2006, 3:04:05 PM ") + zone
}

// write adds the fonts, the profile and one form XObject per page rotation to the update. The
// result maps a rotation to the XObject that is upright on such a page (ISO 32000-2, 12.5.5 and
// Table 192, /R).
func (a appearance) write(u *pdf.Update, fonts *Fonts, rotations []int) (map[int]pdf.Ref, error) {
	var t typesetter
	content := a.draw(&t, fonts)
	var z deflater
	profile, err := z.put(u, iccProfile(), pdf.Pair{Key: "N", Value: "3"})
	if err != nil {
		return nil, err
	}
	var fontDict []pdf.Pair
	for i, s := range t.subsets {
		ref, err := s.embed(u, &z)
		if err != nil {
			return nil, err
		}
		fontDict = append(fontDict, pdf.Pair{Key: fmt.Sprintf("F%d", i), Value: ref.String()})
	}
	entries := []pdf.Pair{
		{Key: "ColorSpace", Value: "<< /C [/ICCBased " + profile.String() + "] >>"},
		{Key: "Font", Value: pdf.DictString(fontDict...)},
	}
	if a.background {
		entries = append(
			entries,
			pdf.Pair{Key: "ExtGState", Value: "<< /V << /ca " + pdf.Number(veil) + " >> >>"},
		)
	}
	resources := pdf.DictString(entries...)
	out := make(map[int]pdf.Ref)
	for _, rotation := range rotations {
		if _, done := out[rotation]; done {
			continue
		}
		ref, err := z.put(
			u,
			content,
			pdf.Pair{Key: "Type", Value: "/XObject"},
			pdf.Pair{Key: "Subtype", Value: "/Form"},
			pdf.Pair{
				Key:   "BBox",
				Value: "[0 0 " + pdf.Number(BoxWidth) + " " + pdf.Number(BoxHeight) + "]",
			},
			pdf.Pair{Key: "Matrix", Value: "[" + turned(rotation) + "]"},
			pdf.Pair{Key: "Resources", Value: resources},
		)
		if err != nil {
			return nil, err
		}
		out[rotation] = ref
	}
	return out, nil
}

// turned returns the matrix of an appearance that stands upright on a page with a
// rotation. The viewer fits the turned BBox into /Rect, so only the turn matters.
func turned(rotation int) string {
	switch rotation {
	case 90:
		return "0 1 -1 0 0 0"
	case 180:
		return "-1 0 0 -1 0 0"
	case 270:
		return "0 -1 1 0 0 0"
	}
	return "1 0 0 1 0 0"
}
