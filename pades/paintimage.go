package pades

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"slices"
	"sync"

	"golang.org/x/image/ccitt"

	"github.com/signet-sign/signet/pades/pdf"
)

// bitmap is an image, whose points are in the unit square with the origin in the lower left
// corner. Its zero value is opaque and shows what is not known.
type bitmap struct {
	stencil bool // painted in the current colour
	mask    func(x, y float64) float64
	samples func() *imageSamples // nil, or returns nil, if they are not known
	size    int                  // in pixels
	masked  int                  // pixels that were decoded for the mask
	read    bool                 // the samples were asked for
}

// opacity returns how opaque the image is at a point, from 0 to 1.
func (i *bitmap) opacity(x, y float64) float64 {
	if i.mask == nil {
		return 1
	}
	return i.mask(x, y)
}

// shade returns how light the image is at a point over paper, from 0 to 1; ok is false if that is
// not known.
func (i *bitmap) shade(x, y float64) (v float64, ok bool) {
	alpha := i.opacity(x, y)
	if i.stencil || alpha == 0 {
		return 1 - alpha, true
	}
	s := i.known()
	if s == nil {
		return 0, false
	}
	return 1 - alpha + alpha*s.gray(x, y), true
}

// known returns the samples, nil if they are not known.
func (i *bitmap) known() *imageSamples {
	if i.samples == nil {
		return nil
	}
	return i.samples()
}

// bitmapOf reads an image. One whose masks cannot be read is opaque.
func bitmapOf(d *pdf.Document, o pdf.Object) (*bitmap, error) {
	get := func(key string) pdf.Object {
		v, err := d.Get(o, key)
		if err != nil {
			return pdf.Object{}
		}
		return v
	}
	i := &bitmap{stencil: get("ImageMask").Bool()}
	if i.stencil {
		return i, i.readStencil(d, o)
	}
	i.size = pixelsOf(d, o)
	i.samples = sync.OnceValue(func() *imageSamples {
		s, err := samplesOf(d, o, true)
		if err != nil {
			return nil
		}
		return s
	})
	if mask := get("SMask"); mask.Kind() == pdf.Stream {
		i.masked = pixelsOf(d, mask)
		m, err := samplesOf(d, mask, false)
		if m != nil && m.components == 1 && m.palette == nil {
			i.mask = m.gray
		}
		return i, err
	}
	switch mask := get("Mask"); mask.Kind() {
	case pdf.Stream:
		return i, i.readStencil(d, mask)
	case pdf.Array: // of colours that are not painted
		ranges := mask.Elements()
		i.masked = 4 * i.size // as much work as a progressive JPEG is
		s := i.samples()
		if s == nil || s.data == nil || len(ranges) != 2*s.components {
			break
		}
		i.mask = func(x, y float64) float64 {
			for c := range s.components {
				low, _ := ranges[2*c].Int()
				high, _ := ranges[2*c+1].Int()
				if v := int64(s.at(x, y, c)); v < low || v > high {
					return 1
				}
			}
			return 0
		}
	}
	return i, nil
}

// pixelsOf returns the number of pixels of an image, at most maxPixels.
func pixelsOf(d *pdf.Document, o pdf.Object) int {
	var size [2]float64
	for i, key := range []string{"Width", "Height"} {
		if v, err := d.Get(o, key); err == nil {
			size[i], _ = v.Number()
		}
	}
	return int(min(max(size[0]*size[1], 0), maxPixels))
}

// readStencil reads a mask of one bit.
func (i *bitmap) readStencil(d *pdf.Document, mask pdf.Object) error {
	i.masked = pixelsOf(d, mask)
	s, err := samplesOf(d, mask, false)
	if s != nil && s.bits == 1 && s.components == 1 && s.palette == nil {
		i.mask = func(x, y float64) float64 { return 1 - s.gray(x, y) }
	}
	return err
}

// imageSamples are the samples of an image.
type imageSamples struct {
	width, height, components, bits int
	inverted                        bool     // by /Decode
	palette                         []colour // of indexes, which the samples are then
	data                            []byte
	photo                           image.Image // instead of data
	progressive                     bool        // may be a progressive JPEG; once decoded, is one
}

// maxPixels bounds the size of an image.
const maxPixels = 1 << 24

// samplesOf decodes an image of up to 8 bits, in gray, in red, green and blue, in four inks, or in
// indexes of these; nil if it has others or cannot be decoded. progressive allows a JPEG of that
// kind.
func samplesOf(d *pdf.Document, o pdf.Object, progressive bool) (*imageSamples, error) {
	var n [3]int64
	for i, key := range []string{"Width", "Height", "BitsPerComponent"} {
		v, err := d.Get(o, key)
		if err != nil {
			return nil, err
		}
		n[i], _ = v.Int()
	}
	s := &imageSamples{
		width: int(n[0]), height: int(n[1]), bits: int(n[2]), components: 1,
		progressive: progressive,
	}
	if o.Get("ImageMask").Bool() {
		s.bits = 1
	} else if err := s.readColours(d, o); err != nil || s.components == 0 {
		return nil, err
	}
	if min(n[0], n[1]) <= 0 || max(n[0], n[1]) > 1<<15 || n[0]*n[1] > maxPixels ||
		!slices.Contains([]int{1, 2, 4, 8}, s.bits) {
		return nil, nil
	}
	decode, err := d.Get(o, "Decode")
	if err != nil {
		return nil, err
	}
	if e := decode.Elements(); len(e) > 0 {
		if s.palette != nil {
			return nil, nil
		}
		first, _ := e[0].Number()
		s.inverted = first == 1
	}
	filters, err := filtersOf(d, o)
	if err != nil {
		return nil, err
	}
	if n := len(filters); n > 0 {
		read := map[string]func([]byte, pdf.Object) (*imageSamples, error){
			"DCTDecode": s.readJPEG, "CCITTFaxDecode": s.readFax,
		}[filters[n-1].Name()]
		if read != nil {
			return s.coded(d, o, filters[:n-1], read)
		}
	}
	s.data, err = d.Decode(o)
	if pdf.ReasonOf(err) != "" || len(s.data) < s.row()*s.height {
		return nil, nil
	}
	return s, err
}

// readColours reads the colour space of an image. It has no components if its colours are not known
// here.
func (s *imageSamples) readColours(d *pdf.Document, o pdf.Object) error {
	space, err := d.Get(o, "ColorSpace")
	if err != nil {
		return err
	}
	indexed := space.Elements()
	if len(indexed) != 4 || indexed[0].Name() != "Indexed" {
		s.components, err = colourants(d, space)
		return err
	}
	s.components = 0
	if space, err = d.Resolve(indexed[1]); err != nil {
		return err
	}
	n, err := colourants(d, space)
	if err != nil || n == 0 {
		return err
	}
	table, err := d.Resolve(indexed[3])
	if err != nil {
		return err
	}
	list := table.Bytes()
	if table.Kind() == pdf.Stream {
		if list, err = d.Decode(table); pdf.ReasonOf(err) != "" {
			return nil
		} else if err != nil {
			return err
		}
	}
	last, _ := indexed[2].Int()
	if last < 0 || last > 255 || int64(len(list)) < (last+1)*int64(n) {
		return nil
	}
	for ; last >= 0; last-- {
		values := make([]float64, n)
		for c := range values {
			values[c] = float64(list[c]) / 255
		}
		s.palette, list = append(s.palette, colourOf(values)), list[n:]
	}
	s.components = 1
	return nil
}

// colourants returns the number of components of a colour space, 0 if it is not gray, red, green
// and blue, or four inks.
func colourants(d *pdf.Document, space pdf.Object) (int, error) {
	kind := space.Name()
	if e := space.Elements(); len(e) > 1 {
		kind = e[0].Name()
		if kind == "ICCBased" {
			profile, err := d.Resolve(e[1])
			if err != nil {
				return 0, err
			}
			switch n, _ := profile.Get("N").Int(); n {
			case 1, 3, 4:
				return int(n), nil
			}
		}
	}
	switch kind {
	case "DeviceGray", "CalGray":
		return 1, nil
	case "DeviceRGB", "CalRGB":
		return 3, nil
	case "DeviceCMYK":
		return 4, nil
	}
	return 0, nil
}

// coded undoes the filters before that of an image, which read undoes with its parameters.
func (s *imageSamples) coded(
	d *pdf.Document, o pdf.Object, filters []pdf.Object,
	read func(data []byte, parms pdf.Object) (*imageSamples, error),
) (*imageSamples, error) {
	parms, err := d.Get(o, "DecodeParms")
	if err != nil {
		return nil, err
	}
	for i, e := range parms.Elements() {
		if e, err = d.Resolve(e); err != nil {
			return nil, err
		}
		if i < len(filters) && !e.IsNull() {
			return nil, nil
		}
		parms = e
	}
	data, err := decoded(d, o, filters, errUnknownData)
	if errors.Is(err, errUnknownData) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return read(data, parms)
}

var errUnknownData = errors.New("the data of an image cannot be decoded")

// maxProgressive bounds the pixels of a progressive JPEG, which takes four times the memory, and
// maxScans its scans, each of which passes over all of them.
const maxProgressive, maxScans = maxPixels / 8, 32

func (s *imageSamples) readJPEG(data []byte, _ pdf.Object) (*imageSamples, error) {
	size, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil || s.bits != 8 || s.palette != nil ||
		size.Width != s.width || size.Height != s.height {
		return nil, nil
	}
	allowed := s.progressive
	s.progressive = bytes.Contains(data, []byte{0xff, 0xc2})
	if s.progressive && (!allowed || s.width*s.height > maxProgressive ||
		bytes.Count(data, []byte{0xff, 0xda}) > maxScans) {
		return nil, nil
	}
	s.photo, err = jpeg.Decode(bytes.NewReader(data))
	if _, inks := s.photo.(*image.CMYK); err != nil || inks != (s.components == 4) {
		return nil, nil
	}
	return s, nil
}

// readFax reads an image of ITU-T T.4 in one dimension, or of T.6.
func (s *imageSamples) readFax(data []byte, parms pdf.Object) (*imageSamples, error) {
	columns, ok := parms.Get("Columns").Int()
	if !ok {
		columns = 1728
	}
	k, _ := parms.Get("K").Int()
	if s.bits*s.components != 1 || k > 0 || columns != int64(s.width) {
		return nil, nil
	}
	form := ccitt.Group3
	if k < 0 {
		form = ccitt.Group4
	}
	r := ccitt.NewReader(bytes.NewReader(data), ccitt.MSB, form, s.width, s.height, &ccitt.Options{
		Align: parms.Get("EncodedByteAlign").Bool(), Invert: parms.Get("BlackIs1").Bool(),
	})
	samples, err := io.ReadAll(r)
	if len(samples) < s.row()*s.height || err != nil {
		return nil, nil
	}
	s.data = samples
	return s, nil
}

// row is the number of bytes of a row.
func (s *imageSamples) row() int { return (s.width*s.components*s.bits + 7) / 8 }

// pixel returns where the sample for a point is.
func (s *imageSamples) pixel(x, y float64) (i, j int) {
	return min(max(int(x*float64(s.width)), 0), s.width-1),
		min(max(int((1-y)*float64(s.height)), 0), s.height-1)
}

// at returns a sample at a point.
func (s *imageSamples) at(x, y float64, component int) byte {
	i, j := s.pixel(x, y)
	at := (i*s.components + component) * s.bits
	return s.data[j*s.row()+at/8] >> (8 - s.bits - at%8) & s.largest()
}

// largest is the largest sample.
func (s *imageSamples) largest() byte { return 1<<s.bits - 1 }

// gray returns how light the image is at a point, from 0 to 1.
func (s *imageSamples) gray(x, y float64) (v float64) {
	switch {
	case s.photo != nil:
		i, j := s.pixel(x, y)
		if inks, ok := s.photo.(*image.CMYK); ok {
			var values [4]float64
			for c, v := range inks.Pix[inks.PixOffset(i, j):][:4] {
				values[c] = float64(v) / 255
				if !s.inverted { // the decoder has inverted it already, as Adobe's programs do
					values[c] = 1 - values[c]
				}
			}
			return colourOf(values[:]).lightness()
		}
		r, g, b, _ := s.photo.At(i, j).RGBA()
		v = float64(r+g+b) / 3 / 0xffff
		if s.inverted {
			return 1 - v
		}
		return v
	case s.palette != nil:
		return s.palette[min(int(s.at(x, y, 0)), len(s.palette)-1)].lightness()
	}
	var values [4]float64
	for c := range s.components {
		values[c] = float64(s.at(x, y, c)) / float64(s.largest())
		if s.inverted {
			values[c] = 1 - values[c]
		}
	}
	return colourOf(values[:s.components]).lightness()
}
