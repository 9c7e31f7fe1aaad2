package pades

import "github.com/go-text/typesetting/shaping"

// block is the lines of a name with their places in the box.
type block struct {
	size  float64
	lines []placedLine
}

type placedLine struct {
	line
	x, y float64
}

// layOut makes the name as large as fits: one line down to nameTwoLines, then several lines that
// break where the script breaks lines. If the name would be smaller than nameLeast, it first gets
// more space and then also breaks inside words. It never leaves the box: above about 190 ems it
// becomes smaller still.
func layOut(p *paragraph) (block, setting) {
	one := p.place([]line{p.line()}, nameSize, normal)
	if one.size >= nameTwoLines || len(p.text) < 2 {
		return one, normal
	}
	best, at := one, normal
	for _, try := range []struct {
		policy shaping.LineBreakPolicy
		most   int // lines
		at     setting
	}{
		{shaping.Never, 3, normal},
		{shaping.Never, 7, roomy},
		{shaping.WhenNecessary, 3, normal},
		{shaping.WhenNecessary, 7, roomy},
	} {
		for n := 2; n <= try.most; n++ {
			if b := p.place(p.balanced(n, try.policy), nameTwoLines, try.at); b.size > best.size {
				best, at = b, try.at
			}
		}
		if best.size >= nameLeast {
			break
		}
	}
	return best, at
}

// balanced breaks the text into at most n lines of widths as equal as the words allow.
func (p *paragraph) balanced(n int, policy shaping.LineBreakPolicy) []line {
	low, high := 1, 1
	for _, r := range p.runs {
		high += r.Advance.Ceil()
	}
	for low < high {
		if middle := (low + high) / 2; len(p.lines(middle, policy)) <= n {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return p.lines(high, policy)
}

// Heights of capitals and descenders of the Go fonts in ems. A line has at least this height, and
// more if its glyphs do.
const capHeight, descent, gap = 0.73, 0.21, 0.1

// place chooses the size, at most most, and centres the lines in the space for the name.
func (p *paragraph) place(lines []line, most float64, at setting) block {
	width, height := 0.0, gap*float64(len(lines)-1)
	for i := range lines {
		lines[i].above, lines[i].below = max(lines[i].above, capHeight), max(
			lines[i].below, descent,
		)
		width = max(width, lines[i].width)
		height += lines[i].above + lines[i].below
	}
	b := block{size: most}
	if width > 0 {
		b.size = min(most, textWidth/width, (at.nameHigh-at.nameLow)/height)
	}
	y := (at.nameLow + at.nameHigh + height*b.size) / 2
	for _, l := range lines {
		y -= l.above * b.size
		x := textX
		if p.direction.Progression() { // from right to left
			x += (width - l.width) * b.size
		}
		b.lines = append(b.lines, placedLine{l, x, y})
		y -= (l.below + gap) * b.size
	}
	return b
}
