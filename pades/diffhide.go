package pades

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/signet-sign/signet/pades/pdf"
)

// What a later revision lays over a page may be allowed, as the box of a further signature is, and
// still hide what earlier signers signed. The rules of this file find the characters of the signed
// page that it covers with paint: areas, images, lines, and texts in the colour of paper. They know
// no outlines, so what glyphs of a dark text cover does not count, and nor does what is below in
// pictures or drawn as paths.

// unknownText stands for a text that cannot be told.
const unknownText = "…"

// maxHidden bounds the length of a hidden text in a report, and maxTests the work of a verification
// to find all.
const maxHidden, maxTests = 60, 1 << 25

// hides returns the text of a page that an annotation of the current document hides, unknownText if
// that cannot be told, and "" if it is none. The letters of lines to sign on do not count, nor do
// punctuation and text that was not visible before.
func (c *differ) hides(number int, ref pdf.Ref, annotation pdf.Object) (string, error) {
	if number == 0 {
		return "", nil
	}
	top, err := c.box(ref, annotation)
	switch {
	case err != nil:
		return "", err
	case top.full():
		return unknownText, nil
	case len(top.areas) == 0:
		return "", nil
	}
	page, err := c.drawn(number)
	if err != nil {
		return "", err
	}
	marks, err := c.marked(number)
	if err != nil {
		return "", err
	}
	var found hiddenText
	for _, canvas := range []*canvas{page, marks} {
		if canvas.full() {
			return unknownText, nil
		}
		for _, l := range canvas.chars {
			if c.paintings.tests -= len(top.areas); c.paintings.tests < 0 {
				return unknownText, nil
			}
			found.add(l, legible(l.text) && hidden(l, top.areas) && canvas.visible(l))
		}
	}
	return found.String(), nil
}

// Lines that are thin and few hide nothing, as those of a frame or of handwriting.
const thinLine, fewLines = 1.5, 64

// box returns the areas that an annotation covers.
func (c *differ) box(ref pdf.Ref, annotation pdf.Object) (*canvas, error) {
	if b := c.paintings.boxes[ref]; b != nil {
		return b, nil
	}
	top, err := c.paintings.draw(c.now, func(top *canvas) error {
		err := top.annotation(annotation)
		if pdf.ReasonOf(err) != "" || annotation.Get("AP").IsNull() {
			return c.unlooked(top, annotation, err != nil)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, l := range top.chars {
		if l.colour.light() && !l.unseen {
			path := [][]point{corners(pdf.Rect{Y1: -0.2, X2: l.width, Y2: 0.8}, l.at)}
			p := patch{path: path, clip: l.clip, bounds: boundsOf(path, 0)}
			top.areas = append(top.areas, p)
		}
	}
	thin := func(p patch) bool { return p.width > 0 && p.width <= thinLine }
	lines := 0
	for _, p := range top.areas {
		if thin(p) {
			lines++
		}
	}
	if lines <= fewLines {
		top.areas = slices.DeleteFunc(top.areas, thin)
	}
	if ref != (pdf.Ref{}) {
		c.paintings.boxes[ref] = top
	}
	return top, nil
}

// hiddenText collects hidden characters, with the spaces and signs between them.
type hiddenText struct {
	text    strings.Builder
	between strings.Builder
	apart   bool // something between them can still be seen
	last    letter
}

func (h *hiddenText) add(l letter, hidden bool) {
	if !hidden {
		h.between.WriteString(l.text)
		h.apart = h.apart || legible(l.text)
		return
	}
	if h.text.Len() > 0 {
		switch below := math.Abs(l.at[5]-h.last.at[5]) > l.at.scale()/2; {
		case h.apart || below:
			h.text.WriteByte(' ')
		default:
			h.text.WriteString(h.between.String())
		}
	}
	h.between.Reset()
	h.apart, h.last = false, l
	h.text.WriteString(l.text)
}

func (h *hiddenText) String() string {
	text := []rune(h.text.String())
	if len(text) > maxHidden {
		text = append(text[:maxHidden], []rune(unknownText)...)
	}
	return string(text)
}

// hiding adds to the text of a change what it hides.
func hiding(text, hidden string) string {
	switch hidden {
	case "":
		return text
	case unknownText:
		return text + ", over a part of the page of which it cannot be told what it hides"
	}
	return fmt.Sprintf("%s, and hides the text %q", text, hidden)
}

// unlooked draws what viewers draw for an annotation without an appearance, or may draw for one
// whose appearance cannot be read here.
func (c *differ) unlooked(on *canvas, a pdf.Object, unread bool) error {
	key := map[string]string{
		"Square": "IC", "Circle": "IC", "Polygon": "IC", "FreeText": "C",
	}[a.Get("Subtype").Name()]
	fill, err := c.now.Get(a, key)
	if err != nil || !unread && (key == "" || len(fill.Elements()) == 0) {
		return err
	}
	rect, ok, err := c.now.Rect(a.Get("Rect"))
	if ok {
		path := [][]point{corners(rect, identity)}
		on.areas = append(on.areas, patch{path: path, bounds: rect})
	}
	return err
}

// drawn returns the contents of a page. Those that have changed since are a change themselves.
func (c *differ) drawn(number int) (*canvas, error) {
	if p := c.paintings.pages[number]; p != nil {
		return p, nil
	}
	page, err := c.now.Page(number)
	if err != nil {
		return nil, err
	}
	p, err := c.paintings.draw(c.now, func(p *canvas) error { return p.page(page) })
	if err == nil {
		c.paintings.pages[number] = p
	}
	return p, err
}

// marked returns what the annotations of a page showed when it was signed.
func (c *differ) marked(number int) (*canvas, error) {
	if number > c.old.NumPages() {
		return newCanvas(c.old), nil
	}
	page, err := c.old.Page(number)
	if err != nil {
		return nil, err
	}
	annots, err := c.old.Annotations(page)
	if err != nil {
		return nil, err
	}
	return c.paintings.draw(c.old, func(marks *canvas) error {
		for _, a := range annots {
			if a, err = c.old.Resolve(a); err != nil {
				return err
			}
			if flags, _ := a.Get("F").Int(); flags&(flagHidden|flagNoView) != 0 {
				continue
			}
			// One that cannot be read leaves the others.
			if err := marks.annotation(a); err != nil && pdf.ReasonOf(err) == "" {
				return err
			}
		}
		return nil
	})
}

// legible reports whether a text is more than a line to sign on.
func legible(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Sc, r) ||
			r == unicode.ReplacementChar
	})
}

// hidden reports whether most of a character is covered.
func hidden(l letter, by []patch) bool {
	covered := 0
	for _, s := range samples {
		p := l.point(s)
		for i := range by {
			if by[i].covers(p) {
				covered++
				break
			}
		}
	}
	return covered > len(samples)/2
}

// visible reports whether a character was to be seen: in another colour than what is below it, or
// over an image, as the invisible text of a scanned page is.
func (c *canvas) visible(l letter) bool {
	below := c.under(l.point(point{0.5, 0.3}), l.below)
	switch {
	case l.unseen:
		return below != nil && below.image != nil
	case below == nil:
		return !l.colour.like(gray(1))
	}
	return !l.colour.like(below.colour)
}

// under returns which of the first areas is uppermost at a point, nil for paper.
func (c *canvas) under(p point, areas int) *patch {
	for i := areas - 1; i >= 0; i-- {
		if c.areas[i].covers(p) {
			return &c.areas[i]
		}
	}
	return nil
}
