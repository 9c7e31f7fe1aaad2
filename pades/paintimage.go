package pades

import "github.com/signet-sign/signet/pades/pdf"

// opacityOf returns where an image is opaque, in its unit square. An image whose
// masks cannot be read is opaque.
func opacityOf(d *pdf.Document, o pdf.Object) (func(x, y float64) bool, error) {
	get := func(key string) pdf.Object {
		v, err := d.Get(o, key)
		if err != nil {
			return pdf.Object{}
		}
		return v
	}
	if get("ImageMask").Bool() {
		return stencil(d, o)
	}
	if mask := get("SMask"); mask.Kind() == pdf.Stream {
		s, err := samplesOf(d, mask, 8, 1)
		if s == nil || err != nil {
			return opaque, err
		}
		return func(x, y float64) bool {
			v := s.at(x, y, 0)
			if s.inverted {
				v = 255 - v
			}
			return float64(v) >= mostly*255
		}, nil
	}
	switch mask := get("Mask"); mask.Kind() {
	case pdf.Stream:
		return stencil(d, mask)
	case pdf.Array: // of colours that are not painted
		ranges := mask.Elements()
		s, err := samplesOf(d, o, 8, len(ranges)/2)
		if s == nil || err != nil || len(ranges) == 0 || len(ranges)%2 != 0 {
			return opaque, err
		}
		return func(x, y float64) bool {
			for i := 0; i < len(ranges); i += 2 {
				low, _ := ranges[i].Int()
				high, _ := ranges[i+1].Int()
				if v := int64(s.at(x, y, i/2)); v < low || v > high {
					return true
				}
			}
			return false
		}, nil
	}
	return opaque, nil
}

// stencil returns where a mask of one bit paints.
func stencil(d *pdf.Document, mask pdf.Object) (func(x, y float64) bool, error) {
	s, err := samplesOf(d, mask, 1, 1)
	if s == nil || err != nil {
		return opaque, err
	}
	painted := byte(0)
	if s.inverted {
		painted = 1
	}
	return func(x, y float64) bool { return s.at(x, y, 0) == painted }, nil
}

// imageSamples are the samples of an image.
type imageSamples struct {
	width, height, row, components int
	bits                           int
	inverted                       bool // by /Decode
	data                           []byte
}

// samplesOf decodes an image with so many bits and components, nil if it has others or cannot be
// decoded.
func samplesOf(d *pdf.Document, o pdf.Object, bits, components int) (*imageSamples, error) {
	var n [3]int64
	for i, key := range []string{"Width", "Height", "BitsPerComponent"} {
		v, err := d.Get(o, key)
		if err != nil {
			return nil, err
		}
		n[i], _ = v.Int()
	}
	if o.Get("ImageMask").Bool() {
		n[2] = 1
	}
	if min(n[0], n[1]) <= 0 || max(n[0], n[1]) > 1<<15 || n[2] != int64(bits) || components < 1 {
		return nil, nil
	}
	decode, err := d.Get(o, "Decode")
	if err != nil {
		return nil, err
	}
	s := &imageSamples{
		width: int(n[0]), height: int(n[1]), bits: bits, components: components,
		row: (int(n[0])*components*bits + 7) / 8,
	}
	if e := decode.Elements(); len(e) > 0 {
		first, _ := e[0].Number()
		s.inverted = first == 1
	}
	s.data, err = d.Decode(o)
	if pdf.ReasonOf(err) != "" || len(s.data) < s.row*s.height {
		return nil, nil
	}
	return s, err
}

// at returns a sample at a place in the unit square, whose origin is the lower left corner.
func (s *imageSamples) at(x, y float64, component int) byte {
	i := min(int(x*float64(s.width)), s.width-1)
	j := min(int((1-y)*float64(s.height)), s.height-1)
	if s.bits == 1 {
		return s.data[j*s.row+i/8] >> (7 - i%8) & 1
	}
	return s.data[j*s.row+i*s.components+component]
}
