package pades

import (
	"errors"
	"math"

	charstring "github.com/go-text/typesetting/font/cff/interpreter"
	"github.com/go-text/typesetting/font/opentype"
)

// glyphReader follows the operators that Type 1 and Type 2 charstrings share. Its checks are
// stricter than those of readers, which draw something else when they find a fault.
type glyphReader struct {
	charstring.CharstringReader
	work  *int // operators and operands that may still come
	moved bool // there is a point from which to draw
	ended bool
	// accent composes the glyph, after its own outline: the place of the accent, then the codes of
	// the base and the accent in the standard encoding.
	accent []float64
}

var errGlyph = errors.New("a charstring that readers may draw in different ways")

// count counts an operator, and returns the number of its operands.
func (g *glyphReader) count(m *charstring.Machine) (n int, err error) {
	n = int(m.ArgStack.Top)
	if *g.work -= 1 + n; *g.work < 0 {
		return n, errGlyph
	}
	return n, nil
}

// result returns the path of a glyph that was run. err is what running it returned.
func (g *glyphReader) result(err error) ([]opentype.Segment, error) {
	if err == nil && !g.ended {
		err = errGlyph
	}
	segments := g.Segments
	for len(segments) > 0 && segments[0].Op != opentype.SegmentOpMoveTo {
		segments = segments[1:] // closes what has not begun
	}
	return segments, err
}

// draws reports whether an operator of charstrings draws, with that number of operands.
func draws(op byte, operands int) bool {
	switch op {
	case 4, 21, 22: // those that move; their callers have counted
		return true
	case 5:
		return operands >= 2 && operands%2 == 0
	case 6, 7:
		return operands >= 1
	case 8:
		return operands >= 6 && operands%6 == 0
	case 24:
		return operands%6 == 2
	case 25:
		return operands%2 == 0
	case 26, 27, 30, 31:
		return operands >= 4 && operands%4 <= 1
	}
	return false
}

// operator carries out an operator that draws, which has n operands. It returns false for others.
func (g *glyphReader) operator(m *charstring.Machine, op byte, n int) (known bool, err error) {
	if op == 21 || op == 22 || op == 4 {
		g.moved = true
	}
	if !g.moved || !draws(op, n) {
		return false, nil
	}
	switch op {
	case 4:
		err = g.Vmoveto(m)
	case 21:
		err = g.Rmoveto(m)
	case 22:
		err = g.Hmoveto(m)
	case 5:
		g.Rlineto(m)
	case 6:
		g.Hlineto(m)
	case 7:
		g.Vlineto(m)
	case 8:
		g.Rrcurveto(m)
	case 24:
		err = g.Rcurveline(m)
	case 25:
		err = g.Rlinecurve(m)
	case 26:
		g.Vvcurveto(m)
	case 27:
		g.Hhcurveto(m)
	case 30:
		g.Vhcurveto(m)
	case 31:
		g.Hvcurveto(m)
	}
	m.ArgStack.Clear()
	return true, err
}

// call carries out callsubr, callgsubr and return.
func (g *glyphReader) call(m *charstring.Machine, op byte) (known bool, err error) {
	switch op {
	case 10:
		return true, charstring.LocalSubr(m)
	case 11:
		return true, m.Return()
	case 29:
		return true, charstring.GlobalSubr(m)
	}
	return false, nil
}

// type2 runs a charstring of Adobe Technical Note 5177.
type type2 struct {
	glyphReader
	begun bool // an operator has come that may have the width before its operands
}

// Context is a method of charstring.OperatorHandler.
func (*type2) Context() charstring.Context { return charstring.Type2Charstring }

// Apply is a method of charstring.OperatorHandler.
func (g *type2) Apply(m *charstring.Machine, op charstring.Operator) error {
	n, err := g.count(m)
	if err != nil {
		return err
	}
	if op.IsEscaped {
		const dotSection = 0 // a hint of older fonts
		if op.Operator == dotSection && n == 0 {
			return nil
		}
		return g.flex(m, op.Operator)
	}
	if known, err := g.call(m, op.Operator); known {
		return err
	}
	has := func(want int) bool { return n == want || !g.begun && n == want+1 }
	known := true
	switch op.Operator {
	case 1, 18, 3, 23, 19, 20: // hints
		if known = n%2 == 0 || !g.begun; !known {
			break
		}
		switch op.Operator {
		case 1, 18:
			g.Hstem(m)
		case 3, 23:
			g.Vstem(m)
		default:
			g.Hintmask(m)
		}
		m.ArgStack.Clear()
	case 14: // endchar
		switch {
		case has(4):
			g.accent = append(g.accent, m.ArgStack.Vals[n-4:n]...)
		case !has(0):
			return errGlyph
		}
		g.ClosePath()
		g.ended = true
		return charstring.ErrInterrupt
	case 21:
		if known = has(2); known {
			known, err = g.operator(m, op.Operator, n)
		}
	case 4, 22:
		if known = has(1); known {
			known, err = g.operator(m, op.Operator, n)
		}
	default:
		known, err = g.operator(m, op.Operator, n)
	}
	if g.begun = true; !known {
		return errGlyph
	}
	return err
}

func (g *type2) flex(m *charstring.Machine, op byte) error {
	if !g.moved {
		return errGlyph
	}
	defer m.ArgStack.Clear()
	switch op {
	case 34:
		return g.Hflex(m)
	case 35:
		return g.Flex(m)
	case 36:
		return g.Hflex1(m)
	case 37:
		return g.Flex1(m)
	}
	return errGlyph
}

// type1 runs a charstring of Adobe Type 1 Font Format, chapter 6.
type type1 struct {
	glyphReader
	bearing float64
	begun   bool // by hsbw or sbw
	flexing bool
	from    charstring.Point
	flexed  []charstring.Point
	results []float64 // of callothersubr
}

// Context is a method of charstring.OperatorHandler.
func (*type1) Context() charstring.Context { return charstring.Type1Charstring }

// type1Operands are the numbers of operands of the operators that draw.
var type1Operands = map[byte]int{4: 1, 5: 2, 6: 1, 7: 1, 8: 6, 21: 2, 22: 1, 30: 4, 31: 4}

// Apply is a method of charstring.OperatorHandler.
func (g *type1) Apply(m *charstring.Machine, op charstring.Operator) error {
	n, err := g.count(m)
	if err != nil {
		return err
	}
	if !op.IsEscaped && op.Operator != 29 {
		if known, err := g.call(m, op.Operator); known {
			return err
		}
	}
	stack := m.ArgStack.Vals[:n]
	code := int(op.Operator)
	if op.IsEscaped {
		code += opEscaped
	}
	if begins := code == opHSBW || code == opSBW; begins == g.begun && code != opDiv {
		return errGlyph
	}
	switch {
	case code == opHSBW && n == 2:
		g.begun, g.bearing = true, stack[0]
		g.CurrentPoint = charstring.Point{X: stack[0]}
	case code == opSBW && n == 4:
		g.begun, g.bearing = true, stack[0]
		g.CurrentPoint = charstring.Point{X: stack[0], Y: stack[1]}
	case code == 1 || code == 3 || code == opEscaped || code == opEscaped+1 ||
		code == opEscaped+2: // hints
	case code == 9: // closepath
		g.ClosePath()
		g.moved = false
	case code == 14 && n == 0: // endchar
		g.ClosePath()
		g.ended = true
		return charstring.ErrInterrupt
	case code == opSeac && n == 5:
		g.accent = []float64{g.bearing - stack[0] + stack[1], stack[2], stack[3], stack[4]}
		g.ended = true
		return charstring.ErrInterrupt
	case code == opDiv && n >= 2 && stack[n-1] != 0:
		stack[n-2] /= stack[n-1]
		m.ArgStack.Top--
		return nil
	case code == opCallOther:
		return g.other(m, stack)
	case code == opPop && len(g.results) > 0 && n < len(m.ArgStack.Vals):
		last := len(g.results) - 1
		m.ArgStack.Vals[n] = g.results[last]
		m.ArgStack.Top++
		g.results = g.results[:last]
		return nil
	case code == opSetCurrent && n == 2 && !g.flexing:
		// It follows a flex, and is where that ends.
	case g.flexing && code < opEscaped && n == type1Operands[op.Operator]:
		switch code {
		case 4:
			g.CurrentPoint.Move(0, stack[0])
		case 21:
			g.CurrentPoint.Move(stack[0], stack[1])
		case 22:
			g.CurrentPoint.Move(stack[0], 0)
		default:
			return errGlyph
		}
	case code < opEscaped && type1Operands[op.Operator] > 0 && n == type1Operands[op.Operator]:
		if known, err := g.operator(m, op.Operator, n); !known || err != nil {
			return errGlyph
		}
	default:
		return errGlyph
	}
	m.ArgStack.Clear()
	return nil
}

// Operators of Type 1 charstrings; those of two bytes are escaped.
const (
	opEscaped    = 1200
	opHSBW       = 13
	opSeac       = opEscaped + 6
	opSBW        = opEscaped + 7
	opDiv        = opEscaped + 12
	opCallOther  = opEscaped + 16
	opPop        = opEscaped + 17
	opSetCurrent = opEscaped + 33
)

// other carries out callothersubr, for the subroutines that all readers know.
func (g *type1) other(m *charstring.Machine, stack []float64) error {
	n := len(stack)
	if n < 2 || stack[n-2] < 0 || int(stack[n-2]) > n-2 {
		return errGlyph
	}
	number, args := stack[n-1], stack[n-2-int(stack[n-2]):n-2]
	m.ArgStack.Top -= int32(2 + len(args))
	g.results = g.results[:0]
	switch {
	case number == 1 && len(args) == 0 && !g.flexing && g.moved:
		g.flexing, g.from, g.flexed = true, g.CurrentPoint, nil
	case number == 2 && len(args) == 0 && g.flexing:
		g.flexed = append(g.flexed, g.CurrentPoint)
	case number == 0 && len(args) == 3 && g.flexing && len(g.flexed) == 7:
		// The first is the point of reference, from which the second was reached.
		g.flexing, g.CurrentPoint = false, g.from
		for p := g.flexed[1:]; len(p) > 0; p = p[3:] {
			by := func(a, b charstring.Point) charstring.Point {
				return charstring.Point{X: b.X - a.X, Y: b.Y - a.Y}
			}
			g.RelativeCurveTo(by(g.CurrentPoint, p[0]), by(p[0], p[1]), by(p[1], p[2]))
		}
		g.results = append(g.results, args[2], args[1])
	case number == 3 && len(args) == 1: // other hints
		g.results = append(g.results, args[0])
	case number == 12 || number == 13: // counters, which are hints
	default:
		return errGlyph
	}
	return nil
}

// composed adds to an outline those of the glyphs that accent names by codes of the standard
// encoding. glyph returns their outlines.
func composed(
	own []opentype.Segment, accent []float64, glyph func(code int) ([]opentype.Segment, bool),
) ([]opentype.Segment, bool) {
	if len(accent) == 0 {
		return own, true
	}
	for i, at := range [][2]float64{{}, {accent[0], accent[1]}} {
		part, ok := glyph(int(accent[2+i]))
		if !ok {
			return nil, false
		}
		for _, s := range part {
			for j := range s.Args {
				s.Args[j].X += float32(at[0])
				s.Args[j].Y += float32(at[1])
			}
			own = append(own, s)
		}
	}
	return own, true
}

// glyphMatrix returns the matrix of a font, which takes outlines to ems. It may make slanted
// letters. ok is false for others, in which readers may not agree.
func glyphMatrix(n []float64) (m matrix, ok bool) {
	if len(n) != 6 {
		return m, false
	}
	m = matrix(n)
	const smallest, largest = 1.0 / 4096, 1.0 / 500
	return m, m[0] >= smallest && m[0] <= largest && m[1] == 0 && math.Abs(m[2]) <= m[0]/2 &&
		math.Abs(m[3]-m[0]) < m[0]/1000 && m[4] == 0 && m[5] == 0
}

// flattened returns an outline in ems. Curves become lines.
func flattened(segments []opentype.Segment, scale matrix) (path [][]point) {
	at := func(p opentype.SegmentPoint) point { return scale.apply(float64(p.X), float64(p.Y)) }
	for _, s := range segments {
		if s.Op == opentype.SegmentOpMoveTo {
			path = append(path, []point{at(s.Args[0])})
			continue
		}
		sub := &path[len(path)-1]
		if s.Op == opentype.SegmentOpLineTo {
			*sub = append(*sub, at(s.Args[0]))
			continue
		}
		*sub = bend(*sub, at(s.Args[0]), at(s.Args[1]), at(s.Args[2]), glyphSteps)
	}
	return path
}
