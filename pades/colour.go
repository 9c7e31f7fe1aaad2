package pades

import (
	"math"
	"slices"
	"strings"

	"github.com/signet-sign/signet/pades/pdf"
)

// colour is a colour as red, green and blue. The zero value is unknown.
type colour struct {
	known bool
	rgb   [3]float64
}

func gray(v float64) colour { return colour{true, [3]float64{v, v, v}} }

// lightness returns the mean of the components.
func (c colour) lightness() float64 { return (c.rgb[0] + c.rgb[1] + c.rgb[2]) / 3 }

// like reports whether two colours are hard to tell apart.
func (c colour) like(d colour) bool {
	_, visible := c.contrast(d)
	return !visible
}

// Limits of what a person can read: the contrast of WCAG 2.2, which asks for 3 and 4.5, and the
// difference in one component with which a colour stands out from one as light, as yellow on white.
const minContrast, minHue = 1.5, 0.5

// readable reports whether a text in one colour can be read on another.
func (c colour) readable(on colour) bool {
	by, _ := c.contrast(on)
	light, dark := c.luminance(), on.luminance()
	ratio := (max(light, dark) + 0.05) / (min(light, dark) + 0.05)
	return slices.Max(by[:]) >= minHue || ratio >= minContrast
}

// luminance returns the relative luminance of a colour in sRGB.
func (c colour) luminance() (sum float64) {
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v := min(max(c.rgb[i], 0), 1)
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}

// contrast returns by how much two colours differ in each component, and whether that can be seen.
func (c colour) contrast(d colour) (by [3]float64, visible bool) {
	for i := range by {
		by[i] = 1
		if c.known && d.known {
			by[i] = math.Abs(c.rgb[i] - d.rgb[i])
		}
	}
	return by, slices.Max(by[:]) >= minDifference
}

// colourOf returns the colour for the operands of an operator, by their number.
func colourOf(n []float64) colour {
	switch len(n) {
	case 1:
		return gray(n[0])
	case 3:
		return colour{true, [3]float64(n)}
	case 4:
		c := colour{known: true}
		for i := range c.rgb {
			c.rgb[i] = 1 - min(1, n[i]+n[3])
		}
		return c
	}
	return colour{}
}

// colourSpace says how the operands of sc and scn name a colour: 0 by their number, as in the
// spaces of devices and profiles.
type colourSpace int

const (
	numbers     colourSpace = iota
	otherColour             // inks, indexes, patterns and so on
)

func (s colourSpace) colour(n []float64) colour {
	if s == otherColour {
		return colour{}
	}
	return colourOf(n)
}

// space returns the colour space that cs and CS name.
func (p *painter) space(name pdf.Object) colourSpace {
	kind := name.Name()
	if !strings.HasPrefix(kind, "Device") {
		o := p.resource("ColorSpace", kind)
		if kind = o.Name(); len(o.Elements()) > 0 {
			kind = o.Elements()[0].Name()
		}
	}
	switch kind {
	case "DeviceGray", "DeviceRGB", "DeviceCMYK", "CalGray", "CalRGB", "ICCBased":
		return numbers
	}
	return otherColour
}

// firstColour returns the colour that a colour space begins with, as far as it is known here.
func firstColour(space pdf.Object) colour {
	if strings.HasPrefix(space.Name(), "Device") {
		return gray(0)
	}
	return colour{}
}
