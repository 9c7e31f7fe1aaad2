package pades

import (
	"slices"
	"strings"

	"github.com/signet-sign/signet/pades/pdf"
)

// painter follows the operators of content streams.
type painter struct {
	*canvas
	resources pdf.Object
	paintState
	saved []paintState
	path  [][]point
	clips int // a W or W* that the next painting operator completes: 1 nonzero, 2 even-odd
	start matrix
	line  matrix
	depth int // of forms in forms
	// layered says that a form or annotation around is in a layer, which readers may not show;
	// marked says that of each marked content that has begun.
	layered bool
	marked  []bool
	ink     *ink // of the last text
	err     error
}

// paintState is what q and Q save.
type paintState struct {
	ctm            matrix
	clip           *clip
	fill, stroke   colour
	spaces         [2]colourSpace // of fill and stroke
	vague          bool           // what is painted may be masked or cut in ways not known here
	alpha, alphaS  float64
	mode           string // of blending
	lineWidth      float64
	font           *paintFont
	size, wide     float64
	spacing, words float64
	rise, leading  float64
	render         int64
}

// maxForms bounds how deep forms stand in forms.
const maxForms = 12

// faint is the opacity below which a paint shows nothing.
const faint = 0.05

func (c *canvas) painter(resources pdf.Object, ctm matrix) *painter {
	return &painter{canvas: c, resources: resources, paintState: paintState{
		ctm: ctm, fill: gray(0), stroke: gray(0), alpha: 1, alphaS: 1, lineWidth: 1, wide: 1,
	}}
}

// run draws a content stream. What cannot be read ends it; readers differ in how they go on.
func (p *painter) run(data []byte) error {
	const bytesOfOperator = 64 // at most, in most streams
	p.left -= len(data) / bytesOfOperator
	err := pdf.Content(data, func(op string, operands []pdf.Object) bool {
		p.left--
		if p.err == nil && !p.full() {
			p.operator(op, operands)
		}
		return p.err == nil && !p.full()
	})
	if err != nil {
		p.doubt("a content stream has a fault")
	}
	return p.err
}

// doubt records that readers may draw something in different ways.
func (p *painter) doubt(why string) {
	p.doubtful = true
	if p.err == nil {
		p.err = p.unsure(why)
	}
}

func (p *painter) resource(kind, name string) pdf.Object {
	o := p.resources
	for _, key := range []string{kind, name} {
		if p.err == nil {
			if o, p.err = p.d.Resolve(o); p.err == nil {
				o, p.err = p.d.Get(o, key)
			}
		}
	}
	return o
}

func (p *painter) operator(op string, operands []pdf.Object) {
	var numbers [6]float64
	n := numbers[:0]
	for _, o := range operands {
		if f, ok := o.Number(); ok && len(n) < len(numbers) {
			n = append(n, f)
		}
	}
	want, known := paintOperands[op]
	if len(n) < want || known && len(operands) > want && op != "Tf" ||
		!known && !strings.Contains(otherOperators, " "+op+" ") {
		p.doubt("an operator has too few or too many operands, or is unknown")
	}
	if len(n) < want {
		return
	}
	last := pdf.Object{}
	if len(operands) > 0 {
		last = operands[len(operands)-1]
	}
	switch op {
	case "q":
		if len(p.saved) == maxSaved {
			p.left = -1
			return
		}
		p.saved = append(p.saved, p.paintState)
	case "Q":
		if i := len(p.saved) - 1; i >= 0 {
			p.paintState, p.saved = p.saved[i], p.saved[:i]
		}
	case "cm":
		p.ctm = matrix(n[:6]).then(p.ctm)
	case "w":
		p.lineWidth = n[0]
	case "gs":
		p.graphics(p.resource("ExtGState", last.Name()))
	case "g", "rg", "k":
		p.fill, p.spaces[0] = colourOf(n), 0
	case "G", "RG", "K":
		p.stroke, p.spaces[1] = colourOf(n), 0
	case "sc", "scn":
		p.fill = p.spaces[0].colour(n)
	case "SC", "SCN":
		p.stroke = p.spaces[1].colour(n)
	case "cs":
		p.fill, p.spaces[0] = firstColour(last), p.space(last)
	case "CS":
		p.stroke, p.spaces[1] = firstColour(last), p.space(last)
	case "BMC", "BDC":
		if len(p.marked) == maxSaved {
			p.left = -1
			return
		}
		optional := len(operands) > 0 && operands[0].Name() == "OC"
		p.marked = append(p.marked, optional)
	case "EMC":
		p.marked = p.marked[:max(len(p.marked)-1, 0)]
	case "m", "l", "c", "v", "y", "h", "re":
		p.construct(op, n)
	case "W":
		p.clips = 1
	case "W*":
		p.clips = 2
	case "f", "F", "f*", "B", "B*", "b", "b*", "s", "S", "n":
		p.paint(op)
	case "Do":
		p.object(p.resource("XObject", last.Name()))
	case "sh":
		p.add(patch{path: everywhere()}, colour{}, p.alpha)
	case "EI":
		p.image(&bitmap{})
		p.doubt("readers differ in where an inline image ends")
	default:
		p.text(op, operands, n)
	}
}

// paintOperands are the numbers that operators need.
var paintOperands = map[string]int{
	"cm": 6, "w": 1, "m": 2, "l": 2, "c": 6, "v": 4, "y": 4, "re": 4,
	"Tm": 6, "Td": 2, "TD": 2, "TL": 1, "Tz": 1, "Tr": 1, "Tf": 1, "Tc": 1, "Tw": 1, "Ts": 1,
}

// otherOperators need no numbers, or take any.
const otherOperators = " q Q J j M d ri i gs h S s f F f* B B* b b* n W W* BT ET T* Tj TJ ' \"" +
	" d0 d1 CS cs SC SCN sc scn G g RG rg K k sh EI Do MP DP BMC BDC EMC BX EX "

// graphics applies a graphics state dictionary.
func (p *painter) graphics(o pdf.Object) {
	get := func(key string) (v pdf.Object) {
		if p.err == nil {
			v, p.err = p.d.Get(o, key)
		}
		return v
	}
	if v, ok := get("ca").Number(); ok {
		p.alpha = v
	}
	if v, ok := get("CA").Number(); ok {
		p.alphaS = v
	}
	if v, ok := get("LW").Number(); ok {
		p.lineWidth = v
	}
	mode := get("BM")
	if mode.Kind() == pdf.Array && len(mode.Elements()) > 0 {
		mode = mode.Elements()[0]
	}
	if name := mode.Name(); name != "" {
		p.mode = name
	}
	overprints := get("op").Bool() || get("OP").Bool() // where white may leave what is below
	p.vague = p.vague || get("SMask").IsDict() || overprints
	if list := get("Font").Elements(); len(list) == 2 {
		var font pdf.Object
		if font, p.err = p.d.Resolve(list[0]); p.err == nil {
			p.font, p.err = p.fontOf(font)
		}
		p.size, _ = list[1].Number()
	}
}

// construct adds to the path. Curves become lines.
func (p *painter) construct(op string, n []float64) {
	last := len(p.path) - 1
	if op == "re" {
		r := pdf.Rect{X1: n[0], Y1: n[1], X2: n[0] + n[2], Y2: n[1] + n[3]}
		sub := corners(r, p.ctm)
		p.path = append(p.path, append(sub, sub[0]))
		return
	}
	if op == "m" {
		p.path = append(p.path, []point{p.ctm.apply(n[0], n[1])})
		return
	}
	if last < 0 {
		return
	}
	sub := &p.path[last]
	from := (*sub)[len(*sub)-1]
	to := func(i int) point { return p.ctm.apply(n[i], n[i+1]) }
	switch op {
	case "l":
		*sub = append(*sub, to(0))
	case "h":
		*sub = append(*sub, (*sub)[0])
	default:
		var a, b, end point
		switch op {
		case "c":
			a, b, end = to(0), to(2), to(4)
		case "v":
			a, b, end = from, to(0), to(2)
		case "y":
			a, b, end = to(0), to(2), to(2)
		}
		const steps = 6
		*sub = bend(*sub, a, b, end, steps)
		p.left -= steps
	}
}

// paint ends the path.
func (p *painter) paint(op string) {
	path := p.path
	p.path = nil
	if len(path) > 0 {
		evenOdd := op == "f*" || op == "B*" || op == "b*"
		switch op {
		case "f", "F", "f*", "B", "B*", "b", "b*":
			p.add(patch{path: path, evenOdd: evenOdd}, p.fill, p.alpha)
		}
		switch op {
		case "S", "s", "B", "B*", "b", "b*":
			if width := p.lineWidth * p.ctm.scale(); width > 0 {
				p.add(patch{path: path, width: width}, p.stroke, p.alphaS)
			}
		}
	}
	switch {
	case p.clips > 0 && len(path) > 0:
		p.clip = clipTo(path, p.clips == 2, p.clip)
	case p.clips > 0:
		p.vague = true // nothing is inside, or all
	}
	p.clips = 0
}

// everywhere is a path around all that a page can have.
func everywhere() [][]point {
	const far = 1e6
	return [][]point{corners(pdf.Rect{X1: -far, Y1: -far, X2: far, Y2: far}, identity)}
}

// add adds an area.
func (p *painter) add(a patch, paint colour, alpha float64) {
	if alpha < faint {
		return
	}
	a.colour, a.alpha, a.clip = paint, min(alpha, 1), p.clip
	a.darkens = strings.Contains(" Multiply Darken ColorBurn ", " "+p.mode+" ")
	if !p.strict && (p.vague || p.layered || slices.Contains(p.marked, true) ||
		!strings.Contains("  Normal Compatible Multiply Darken ", " "+p.mode+" ")) {
		a.colour = colour{} // it may show nothing
	}
	if a.image == nil {
		a.bounds = boundsOf(a.path, a.width/2)
	}
	a.bounds = p.clip.cut(a.bounds)
	p.left--
	p.lay(a)
}

// image adds an image, which fills the unit square.
func (p *painter) image(i *bitmap) {
	inverse, ok := p.ctm.inverse()
	if !ok {
		return
	}
	paint := colour{}
	if i.stencil && i.mask != nil {
		paint = p.fill
	}
	square := [][]point{corners(pdf.Rect{X2: 1, Y2: 1}, p.ctm)}
	p.add(patch{inside: inverse, image: i, bounds: boundsOf(square, 0)}, paint, p.alpha)
}

// object draws an external object.
func (p *painter) object(o pdf.Object) {
	if p.err != nil || o.Kind() != pdf.Stream {
		return
	}
	around := p.layered
	p.layered = around || !o.Get("OC").IsNull()
	defer func() { p.layered = around }()
	switch o.Get("Subtype").Name() {
	case "Image":
		var i *bitmap
		if i, p.err = bitmapOf(p.d, o); p.err == nil {
			const pixelsOfOperator = 128 // that take as long to decode
			p.left -= i.masked / pixelsOfOperator
			p.image(i)
		}
	case "Form":
		p.err = p.form(o)
	}
}

// form draws a form.
func (p *painter) form(o pdf.Object) error {
	if p.depth == maxForms {
		p.left = -1
		return nil
	}
	m, err := matrixOf(p.d, o)
	if err != nil {
		return err
	}
	box, ok, err := p.d.Rect(o.Get("BBox"))
	if err != nil {
		return err
	}
	resources, err := p.d.Get(o, "Resources")
	if err != nil {
		return err
	}
	if !resources.IsDict() {
		resources = p.resources // as readers do for forms of PDF 1.1
	}
	data, err := contentOf(p.d, o)
	if err != nil {
		return err
	}
	inner := *p
	inner.depth++
	inner.saved, inner.path, inner.marked = nil, nil, nil
	inner.layered = p.layered || slices.Contains(p.marked, true)
	inner.resources = resources
	inner.ctm = m.then(p.ctm)
	if ok {
		inner.clip = clipTo([][]point{corners(box, inner.ctm)}, false, p.clip)
	}
	return inner.run(data)
}

// text follows the operators of texts.
func (p *painter) text(op string, operands []pdf.Object, n []float64) {
	last := pdf.Object{}
	if len(operands) > 0 {
		last = operands[len(operands)-1]
	}
	down := func(x, y float64) {
		p.line = matrix{1, 0, 0, 1, x, y}.then(p.line)
		p.start = p.line
	}
	switch op {
	case "BT":
		p.start, p.line = identity, identity
	case "Tm":
		p.start = matrix(n[:6])
		p.line = p.start
	case "Td":
		down(n[0], n[1])
	case "TD":
		p.leading = -n[1]
		down(n[0], n[1])
	case "TL":
		p.leading = n[0]
	case "T*":
		down(0, -p.leading)
	case "Tz":
		p.wide = n[0] / 100
	case "Tr":
		p.render = int64(n[0])
	case "Tc":
		p.spacing = n[0]
	case "Tw":
		p.words = n[0]
	case "Ts":
		p.rise = n[0]
	case "Tf":
		p.size = n[0]
		p.font = p.fontNamed(operands[0].Name())
	case "'":
		down(0, -p.leading)
		p.show(last)
	case "\"":
		if len(n) >= 2 {
			p.words, p.spacing = n[0], n[1]
		}
		down(0, -p.leading)
		p.show(last)
	case "Tj":
		p.show(last)
	case "TJ":
		for _, o := range last.Elements() {
			if v, ok := o.Number(); ok {
				p.start = matrix{1, 0, 0, 1, -v / 1000 * p.size * p.wide, 0}.then(p.start)
			} else {
				p.show(o)
			}
		}
	}
}

// fontNamed returns the font of a name.
func (p *painter) fontNamed(name string) *paintFont {
	o := p.resource("Font", name)
	if p.err != nil || !o.IsDict() {
		return &paintFont{usual: 0.5}
	}
	f, err := p.fontOf(o)
	p.err = err
	return f
}

// fontOf reads a font, once for all canvases of a revision.
func (c *canvas) fontOf(o pdf.Object) (*paintFont, error) {
	key := o.Raw()
	if f := c.fonts[key]; f != nil {
		return f, nil
	}
	f, err := paintFontOf(c.d, o)
	if err != nil {
		return nil, err
	}
	c.fonts[key] = f
	c.left -= f.size + len(f.widths) + len(f.wide)
	return f, nil
}

// show draws a text.
func (p *painter) show(o pdf.Object) {
	if o.Kind() != pdf.String || p.font == nil || p.err != nil {
		return
	}
	width := max(p.font.width, 1)
	look := ink{
		colour: p.fill, alpha: p.alpha, clip: p.clip, edge: p.stroke, edged: p.render%4 == 2,
	}
	if p.render%4 == 1 {
		look.colour, look.alpha = p.stroke, p.alphaS
	}
	look.unseen = p.render == 3 && !p.font.drawn || look.alpha < faint
	if p.ink == nil || *p.ink != look {
		p.ink = &look
	}
	for codes := o.Bytes(); len(codes) > 0; codes = codes[min(width, len(codes)):] {
		code := codes[:min(width, len(codes))]
		char := p.font.char(code)
		at := matrix{p.size * p.wide, 0, 0, p.size, 0, p.rise}.then(p.start).then(p.ctm)
		p.left--
		if p.full() {
			return
		}
		p.chars = append(p.chars, letter{
			text: char.text, at: at, width: char.advance, below: len(p.areas), ink: p.ink,
		})
		if p.font.drawn {
			p.glyph(code, at)
		} else if p.strict {
			p.outline(code, at)
		}
		p.chars[len(p.chars)-1].above = len(p.areas)
		if p.err != nil {
			return
		}
		move := char.advance*p.size + p.spacing
		if width == 1 && code[0] == ' ' {
			move += p.words
		}
		p.start = matrix{1, 0, 0, 1, move * p.wide, 0}.then(p.start)
	}
}

// outline adds the areas of a glyph.
func (p *painter) outline(code []byte, at matrix) {
	left := maxGlyphWork
	if p.font.shapes != nil {
		left = p.font.shapes.left
	}
	path, err := p.font.outline(p.d, code, p.tests)
	if err != nil {
		p.err = err
		return
	}
	const glyphWork = 4 // for what is as much work as an operator
	if p.left -= max(left-p.font.shapes.left, 0) / glyphWork; *p.tests < 0 {
		p.left = -1
	}
	placed := make([][]point, len(path))
	for i, sub := range path {
		p.left -= len(sub)
		for _, q := range sub {
			placed[i] = append(placed[i], at.apply(q.x, q.y))
		}
	}
	if len(placed) == 0 || p.full() {
		return
	}
	switch p.render {
	case 0, 2, 4, 6:
		p.add(patch{path: placed, glyph: true}, p.fill, p.alpha)
	}
	switch p.render {
	case 1, 2, 5, 6:
		if width := p.lineWidth * p.ctm.scale(); width > 0 {
			p.add(patch{path: placed, width: width}, p.stroke, p.alphaS)
		}
	}
}

// glyph draws a glyph of a Type 3 font, which is a content stream, in any rendering mode.
func (p *painter) glyph(code []byte, at matrix) {
	if p.depth == maxForms {
		p.left = -1
		return
	}
	name, ok := p.font.names[code[0]]
	if !ok {
		p.doubt("a code of a Type 3 font has no glyph")
		return
	}
	data, err := p.font.procedure(p.d, name)
	if err != nil || data == nil {
		p.err = err
		return
	}
	inner := *p
	inner.depth++
	inner.saved, inner.path, inner.marked = nil, nil, nil
	inner.layered = p.layered || slices.Contains(p.marked, true)
	if inner.resources, err = p.d.Get(p.font.dict, "Resources"); err != nil {
		p.err = err
		return
	}
	if !inner.resources.IsDict() {
		inner.resources = p.resources
	}
	inner.ctm = p.font.matrix.then(at)
	before := len(p.chars)
	p.err = inner.run(data)
	p.chars = p.chars[:min(before, len(p.chars))] // its own texts have been counted
}
