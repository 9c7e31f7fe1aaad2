package pades

import (
	"bytes"
	"compress/zlib"
	"encoding/ascii85"
	"encoding/hex"
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
	filters, ferr := d.Get(o, "Filter")
	if ferr != nil {
		return nil, ferr
	}
	names := []pdf.Object{filters}
	if filters.Kind() == pdf.Array {
		names = filters.Elements()
	}
	raw, rerr := d.RawStream(o)
	if rerr != nil {
		return nil, rerr
	}
	if !o.Get("DecodeParms").IsNull() || len(names) > 4 {
		return nil, err
	}
	var r io.Reader = raw
	for _, name := range names {
		switch name.Name() {
		case "ASCII85Decode", "A85":
			text, rerr := io.ReadAll(io.LimitReader(r, maxContent))
			if rerr != nil {
				return nil, err
			}
			text = bytes.TrimPrefix(bytes.TrimSpace(text), []byte("<~"))
			if i := bytes.IndexByte(text, '~'); i >= 0 {
				text = text[:i]
			}
			r = ascii85.NewDecoder(bytes.NewReader(text))
		case "ASCIIHexDecode", "AHx":
			text, rerr := io.ReadAll(io.LimitReader(r, maxContent))
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
	}
	data, rerr = io.ReadAll(io.LimitReader(r, maxContent+1))
	if rerr != nil || len(data) > maxContent {
		return nil, err
	}
	return data, nil
}
