package pades

import (
	"bytes"
	"compress/zlib"
	"encoding/ascii85"
	"encoding/hex"
	"errors"
	"io"

	"golang.org/x/image/tiff/lzw"

	"github.com/signet-sign/signet/pades/pdf"
)

// maxContent bounds a decoded content stream or mask.
const maxContent = 32 << 20

// contentOf decodes a content stream. Unlike those of a file's structure it may have the filters of
// older programs.
func contentOf(d *pdf.Document, o pdf.Object) ([]byte, error) {
	data, err := d.Decode(o)
	if pdf.ReasonOf(err) != pdf.UnsupportedFilter {
		return data, err
	}
	filters, ferr := filtersOf(d, o)
	if ferr != nil {
		return nil, ferr
	}
	if !o.Get("DecodeParms").IsNull() {
		return nil, err
	}
	return decoded(d, o, filters, err)
}

// filtersOf returns the names of the filters of a stream.
func filtersOf(d *pdf.Document, o pdf.Object) ([]pdf.Object, error) {
	filters, err := d.Get(o, "Filter")
	switch {
	case err != nil || filters.IsNull():
		return nil, err
	case filters.Kind() == pdf.Array:
		return filters.Elements(), nil
	}
	return []pdf.Object{filters}, nil
}

// decoded undoes filters, without parameters, that come first in a stream. It returns err for those
// that it does not know, or if the data is not what they make.
func decoded(d *pdf.Document, o pdf.Object, filters []pdf.Object, err error) ([]byte, error) {
	raw, rerr := d.RawStream(o)
	if rerr != nil {
		return nil, rerr
	}
	if len(filters) > 4 {
		return nil, err
	}
	if rerr := d.Charge(int64(len(filters)+1) * raw.Size()); rerr != nil {
		return nil, rerr
	}
	var stages []*stage
	var r io.Reader = raw
	for _, name := range filters {
		switch name.Name() {
		case "ASCII85Decode", "A85":
			text, rerr := io.ReadAll(r)
			if rerr != nil {
				return nil, err
			}
			text = bytes.TrimPrefix(bytes.TrimSpace(text), []byte("<~"))
			if i := bytes.IndexByte(text, '~'); i >= 0 {
				text = text[:i]
			}
			r = ascii85.NewDecoder(bytes.NewReader(text))
		case "ASCIIHexDecode", "AHx":
			text, rerr := io.ReadAll(r)
			if rerr != nil {
				return nil, err
			}
			text, _, _ = bytes.Cut(bytes.Join(bytes.Fields(text), nil), []byte(">"))
			r = hex.NewDecoder(bytes.NewReader(text))
		case "FlateDecode", "Fl":
			zr, zerr := zlib.NewReader(r)
			if zerr != nil {
				return nil, err
			}
			r = zr
		case "LZWDecode", "LZW":
			r = lzw.NewReader(r, lzw.MSB, 8)
		default:
			return nil, err
		}
		s := &stage{r: r}
		stages, r = append(stages, s), s
	}
	data, rerr := io.ReadAll(r)
	for _, s := range stages {
		if cerr := d.Charge(s.n); cerr != nil {
			return nil, cerr
		}
	}
	if rerr != nil {
		return nil, err
	}
	return data, nil
}

// stage bounds what a filter makes. The next one may make nothing of it, so that a bound of the
// last alone would be none.
type stage struct {
	r io.Reader
	n int64
}

var errContent = errors.New("a filter makes more than is read")

func (s *stage) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if s.n += int64(n); s.n > maxContent {
		return n, errContent
	}
	return n, err
}
