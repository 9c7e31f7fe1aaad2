package pdf

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"
)

// RawStream returns the data of a stream as it is in the file. It checks that
// /Length is right: endstream must follow the data.
func (d *Document) RawStream(o Object) (*io.SectionReader, error) {
	if o.kind != Stream {
		return nil, refuse(BadStream, "a %s where a stream is needed", o.kind)
	}
	length, err := d.Resolve(o.Get("Length"))
	if err != nil {
		return nil, err
	}
	n, ok := length.Int()
	if !ok || n < 0 || n > d.src.size-o.n {
		return nil, refuse(BadStream, "the stream with data at %d has no valid /Length", o.n)
	}
	end := o.n + n
	err = d.src.parse(end, firstWindow, 0, func(p *parser) error {
		if strings.HasPrefix(p.src, "\r\n") {
			p.pos = 2
		} else if p.src != "" && isSpace(p.src[0]) {
			p.pos = 1
		}
		if err := p.keyword("endstream"); err != nil {
			return err
		}
		return p.keyword("endobj")
	})
	if errors.Is(err, errSyntax) {
		return nil, refuse(BadStream, "no endstream and endobj at %d, where /Length says", end)
	}
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(d.src.r, o.n, n), nil
}

// Decode returns the decoded data of a stream. It supports FlateDecode with the PNG and TIFF
// predictors, which structure uses, and refuses other filters. The result counts against
// Limits.Inflated.
func (d *Document) Decode(o Object) ([]byte, error) {
	raw, err := d.RawStream(o)
	if err != nil {
		return nil, err
	}
	if err := d.src.charge(raw.Size()); err != nil {
		return nil, err
	}
	if !o.Get("F").IsNull() {
		return nil, refuse(BadStream, "the data of the stream at %d is in another file", o.n)
	}
	filter, parms, err := d.filter(o)
	if err != nil {
		return nil, err
	}
	switch filter {
	case "":
		return d.readAll(raw, raw.Size())
	case "FlateDecode":
	default:
		return nil, refuse(UnsupportedFilter, "the stream with data at %d uses %s", o.n, filter)
	}
	pred, err := d.predictor(parms)
	if err != nil {
		return nil, err
	}
	zr, err := zlib.NewReader(bufio.NewReaderSize(raw, 1024))
	if err != nil {
		return nil, streamError(o, err)
	}
	data, err := d.readAll(zr, 4*raw.Size())
	if errors.Is(err, io.ErrUnexpectedEOF) && endsWithFlush(raw) {
		err = nil
	}
	if err != nil {
		return nil, streamError(o, err)
	}
	return pred.undo(data)
}

// endsWithFlush reports whether deflated data ends after an empty stored block (RFC 1951, 3.2.4),
// which a flush writes, instead of a last block and a checksum. macOS writes such streams when it
// appends to a file; their data is complete.
func endsWithFlush(raw *io.SectionReader) bool {
	var tail [4]byte
	n, _ := raw.ReadAt(tail[:], raw.Size()-int64(len(tail)))
	return n == len(tail) && tail == [4]byte{0, 0, 0xff, 0xff}
}

func streamError(o Object, err error) error {
	if ReasonOf(err) != "" {
		return err
	}
	return refuse(BadStream, "the stream with data at %d: %v", o.n, err)
}

// readAll reads r to its end within the limits. It allocates memory for the data that it reads, not
// for the size that a stream states.
func (d *Document) readAll(r io.Reader, hint int64) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(int(min(hint, 64<<10)))
	n, err := buf.ReadFrom(
		io.LimitReader(r, max(0, min(d.src.inflated, d.src.shared.work, d.lim.Stream))+1),
	)
	if n > d.lim.Stream {
		return nil, refuse(
			InflatesTooLarge, "a stream inflates to more than %d bytes", d.lim.Stream,
		)
	}
	if d.src.inflated -= n; d.src.inflated < 0 {
		return nil, refuse(
			InflatesTooLarge, "the streams inflate to more than %d bytes", d.lim.Inflated,
		)
	}
	if chargeErr := d.src.charge(n); chargeErr != nil {
		return nil, chargeErr
	}
	return buf.Bytes(), err
}

// filter returns the name and the parameters of a stream's only filter.
func (d *Document) filter(o Object) (name string, parms Object, err error) {
	f, err := d.Resolve(o.Get("Filter"))
	if err != nil {
		return "", parms, err
	}
	if parms, err = d.Resolve(o.Get("DecodeParms")); err != nil {
		return "", parms, err
	}
	if f.kind == Array {
		switch elems := f.Elements(); len(elems) {
		case 0:
			f = Object{}
		case 1:
			if f, err = d.Resolve(elems[0]); err != nil {
				return "", parms, err
			}
		default:
			return "", parms, refuse(
				UnsupportedFilter, "the stream with data at %d uses a chain of filters", o.n,
			)
		}
	}
	if parms.kind == Array {
		if elems := parms.Elements(); len(elems) > 0 {
			if parms, err = d.Resolve(elems[0]); err != nil {
				return "", parms, err
			}
		}
	}
	switch f.kind {
	case Null:
		return "", parms, nil
	case Name:
		return f.Name(), parms, nil
	}
	return "", parms, refuse(
		BadStream, "the /Filter of the stream with data at %d is a %s", o.n, f.kind,
	)
}

// predictor is the prediction function that was applied before compression
// (ISO 32000-2, 7.4.4.4).
type predictor struct {
	kind                  int64 // 1 none, 2 TIFF, 10 and more PNG
	colors, bits, columns int64
}

func (d *Document) predictor(parms Object) (predictor, error) {
	p := predictor{kind: 1, colors: 1, bits: 8, columns: 1}
	for _, f := range []struct {
		key      string
		value    *int64
		min, max int64
	}{
		{"Predictor", &p.kind, 1, 15},
		{"Colors", &p.colors, 1, 32},
		{"BitsPerComponent", &p.bits, 1, 16},
		{"Columns", &p.columns, 1, 1 << 20},
	} {
		o, err := d.Resolve(parms.Get(f.key))
		if err != nil {
			return p, err
		}
		if o.IsNull() {
			continue
		}
		v, ok := o.Int()
		if !ok || v < f.min || v > f.max {
			return p, refuse(BadStream, "/DecodeParms with /%s %.40s", f.key, o.Raw())
		}
		*f.value = v
	}
	if p.kind > 2 && p.kind < 10 || p.bits&(p.bits-1) != 0 {
		return p, refuse(
			BadStream, "/DecodeParms with predictor %d and %d bits per component", p.kind, p.bits,
		)
	}
	return p, nil
}

// undo reverses the prediction in place.
func (p predictor) undo(data []byte) ([]byte, error) {
	if p.kind == 1 {
		return data, nil
	}
	row := int((p.columns*p.colors*p.bits + 7) / 8)
	if p.kind == 2 {
		return p.undoTIFF(data, row)
	}
	return undoPNG(data, row, int(max(1, p.colors*p.bits/8)))
}

// undoPNG reverses the PNG filters; each row starts with the number of its own.
func undoPNG(data []byte, row, pixel int) ([]byte, error) {
	if len(data) == 0 {
		return nil, nil // before rows are made that no data asks for
	}
	if len(data)%(row+1) != 0 {
		return nil, refuse(
			BadStream, "PNG predictor: %d bytes are not whole rows of %d", len(data), row+1,
		)
	}
	out := data[:0] // the write position never passes the read position
	prev := make([]byte, row)
	cur := make([]byte, row)
	for ; len(data) > 0; data = data[row+1:] {
		filter := data[0]
		copy(cur, data[1:])
		for i := range cur {
			var left, corner byte
			if i >= pixel {
				left, corner = cur[i-pixel], prev[i-pixel]
			}
			switch filter {
			case 0:
			case 1:
				cur[i] += left
			case 2:
				cur[i] += prev[i]
			case 3:
				cur[i] += byte((int(left) + int(prev[i])) / 2)
			case 4:
				cur[i] += paeth(left, prev[i], corner)
			default:
				return nil, refuse(BadStream, "PNG predictor: filter %d", filter)
			}
		}
		out = append(out, cur...)
		prev, cur = cur, prev
	}
	return out, nil
}

func paeth(left, up, corner byte) byte {
	abs := func(v int) int { return max(v, -v) }
	estimate := int(left) + int(up) - int(corner)
	toLeft, toUp, toCorner := abs(estimate-int(left)), abs(
		estimate-int(up),
	), abs(estimate-int(corner))
	switch {
	case toLeft <= toUp && toLeft <= toCorner:
		return left
	case toUp <= toCorner:
		return up
	}
	return corner
}

// undoTIFF reverses horizontal differencing: each component is the difference
// to the same component of the pixel on its left.
func (p predictor) undoTIFF(data []byte, row int) ([]byte, error) {
	if len(data)%row != 0 {
		return nil, refuse(
			BadStream, "TIFF predictor: %d bytes are not whole rows of %d", len(data), row,
		)
	}
	colors, bits := int(p.colors), int(p.bits)
	for line := data; len(line) > 0; line = line[row:] {
		for i := colors; i < int(p.columns)*colors; i++ {
			switch bits {
			case 8:
				line[i] += line[i-colors]
			case 16:
				v := uint16(line[2*i])<<8 | uint16(line[2*i+1])
				v += uint16(line[2*(i-colors)])<<8 | uint16(line[2*(i-colors)+1])
				line[2*i], line[2*i+1] = byte(v>>8), byte(v)
			default:
				mask := byte(1<<bits - 1)
				at := func(i int) (b *byte, shift int) {
					return &line[i*bits/8], 8 - bits - i*bits%8
				}
				left, leftShift := at(i - colors)
				cell, shift := at(i)
				sum := (*cell>>shift + *left>>leftShift) & mask
				*cell = *cell&^(mask<<shift) | sum<<shift
			}
		}
	}
	return data, nil
}

// objectStream is a decoded object stream (ISO 32000-2, 7.5.7).
type objectStream struct {
	origin
	data    string
	objects []struct{ num, off int }
}

func (d *Document) readObjectStream(num int) (*objectStream, error) {
	l, err := d.load(Ref{Num: num})
	if err != nil {
		return nil, err
	}
	o := l.object
	if o.kind != Stream || o.Get("Type").Name() != "ObjStm" {
		return nil, refuse(BadObjectStream, "object %d is not an object stream", num)
	}
	data, err := d.Decode(o)
	if err != nil {
		return nil, fmt.Errorf("object stream %d: %w", num, err)
	}
	countObject, err := d.Get(o, "N")
	if err != nil {
		return nil, err
	}
	firstObject, err := d.Get(o, "First")
	if err != nil {
		return nil, err
	}
	count, ok1 := countObject.Int()
	first, ok2 := firstObject.Int()
	// Each pair of the header takes at least four bytes, except the last.
	if !ok1 || !ok2 || count < 0 || first < 0 || first > int64(len(data)) || count > first/4+1 {
		return nil, refuse(BadObjectStream, "object stream %d has no valid /N and /First", num)
	}
	s := &objectStream{origin: l.origin, data: string(data)}
	if s.of, s.end, err = d.extent(o); err != nil {
		return nil, err
	}
	p := &parser{src: s.data[:first], final: true}
	for range count {
		n, err1 := p.unsigned()
		off, err2 := p.unsigned()
		if err1 != nil || err2 != nil || n > maxObjectNumber || first+off > int64(len(data)) {
			return nil, refuse(BadObjectStream, "the header of object stream %d is damaged", num)
		}
		s.objects = append(s.objects, struct{ num, off int }{int(n), int(first + off)})
	}
	return s, nil
}

// extent returns the document if the data of a stream depends on other objects, which another
// revision may not have, and the end of what reading it looks at.
func (d *Document) extent(o Object) (of *Document, end int64, err error) {
	raw, err := d.RawStream(o)
	if err != nil {
		return nil, 0, err
	}
	for key, v := range o.Entries() {
		if key != "Extends" && len(v.appendLinks(nil)) > 0 {
			of = d
		}
	}
	return of, o.n + raw.Size() + firstWindow, nil
}

// objectStream returns the object stream with a number.
func (d *Document) objectStream(num int) (*objectStream, error) {
	streams := &d.src.shared.streams
	e := d.Lookup(num)
	for _, of := range []*Document{nil, d} {
		s, ok := streams.get(place{of: of, off: e.Offset})
		if ok && s.ref == e.Ref && s.end <= d.src.size {
			return s, nil
		}
	}
	s, err := d.readObjectStream(num)
	if err == nil {
		streams.put(place{of: s.of, off: e.Offset}, s, len(s.data)+16*len(s.objects))
	}
	return s, err
}
