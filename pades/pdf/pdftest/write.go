package pdftest

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const header = "%%PDF-%s\n%%\xe2\xe3\xcf\xd3\n"

const id = " /ID [<00112233445566778899aabbccddeeff> <00112233445566778899aabbccddeeff>]"

// writer collects a file and the offsets of its objects.
type writer struct {
	c      *config
	buf    bytes.Buffer
	bodies map[int]string
	off    map[int]int
}

func (c *config) file() []byte {
	w := &writer{c: c, bodies: c.build(), off: make(map[int]int)}
	w.buf.WriteString(c.prefix)
	fmt.Fprintf(&w.buf, header, c.version)
	switch c.layout {
	case tables:
		w.putAll(w.numbers())
		w.table(w.numbers(), true, "", w.buf.Len())
	case xrefStream:
		w.putAll(w.numbers())
		w.stream(nil, 0)
	case objectStreams:
		w.objectStream()
	case linearized:
		w.linearized()
	}
	if c.noFinalEOL {
		w.buf.Truncate(w.buf.Len() - 1)
	}
	w.buf.WriteString(c.suffix)
	return w.buf.Bytes()
}

func (w *writer) numbers() []int { return slices.Sorted(maps.Keys(w.bodies)) }

func (w *writer) size() int {
	nums := w.numbers()
	return nums[len(nums)-1] + 1
}

func (w *writer) put(num int) {
	w.off[num] = w.buf.Len()
	fmt.Fprintf(&w.buf, "%d %d obj\n%s\nendobj\n", num, w.c.generations[num], w.bodies[num])
}

func (w *writer) putAll(nums []int) {
	for _, n := range nums {
		w.put(n)
	}
}

// entry returns what the cross-reference says about an object, which is wrong
// where a test asks for it.
func (w *writer) entry(num int) (off, gen int) {
	off, gen = w.off[num], w.c.generations[num]
	if num == w.c.badOffset {
		off += 3
	}
	if num == w.c.badGen {
		gen++
	}
	return off, gen
}

// table writes a table over the objects, its trailer, and the end of the file
// with the given startxref.
func (w *writer) table(nums []int, zero bool, trailer string, start int) {
	end := w.c.entryEnd
	if end == "" {
		end = " \n"
	}
	at := w.buf.Len()
	w.buf.WriteString("xref\n")
	if zero {
		fmt.Fprintf(&w.buf, "0 1\n0000000000 65535 f%s", end)
	}
	for _, n := range nums {
		off, gen := w.entry(n)
		fmt.Fprintf(&w.buf, "%d 1\n%010d %05d n%s", n, off, gen, end)
	}
	if w.c.prevSelf {
		trailer += fmt.Sprintf(" /Prev %d", at)
	}
	fmt.Fprintf(
		&w.buf, "trailer\n<< /Size %d /Root %s /Info %s%s%s%s >>\n", w.size(), ref(w.c, CatalogNum),
		ref(w.c, InfoNum), id, trailer, w.c.trailer,
	)
	w.end(start)
}

func (w *writer) end(start int) {
	fmt.Fprintf(&w.buf, "startxref\n%d\n", start)
	if n := w.c.endComment; n > 0 {
		w.buf.WriteString("%" + strings.Repeat("x", n) + "\n")
	}
	w.buf.WriteString("%%EOF\n")
}

// stream writes a cross-reference stream. Objects in compressed are those of
// the object stream container, in this order.
func (w *writer) stream(compressed []int, container int) {
	at := w.buf.Len()
	self := w.size()
	inside := make(map[int]int, len(compressed))
	for i, n := range compressed {
		inside[n] = i
	}
	var data, index strings.Builder
	row := func(num, kind, pos, aux int) {
		fmt.Fprintf(&index, " %d 1", num)
		data.Write(
			[]byte{
				byte(kind), byte(pos >> 24), byte(pos >> 16), byte(pos >> 8), byte(pos),
				byte(aux >> 8), byte(aux),
			},
		)
	}
	row(0, 0, 0, 65535)
	for _, n := range w.numbers() {
		if i, ok := inside[n]; ok {
			row(n, 2, container, i)
			continue
		}
		off, gen := w.entry(n)
		row(n, 1, off, gen)
	}
	size := self + 1
	switch {
	case w.c.selfUnlisted:
		size = self
	case w.c.selfNowhere:
		row(self, 1, 0, 0)
	default:
		row(self, 1, at, 0)
	}
	trailer := w.c.trailer
	if w.c.prevSelf {
		trailer += fmt.Sprintf(" /Prev %d", at)
	}
	entries := fmt.Sprintf(
		"/Type /XRef /Size %d /W [1 4 2] /Index [%s ] /Root %s /Info %s%s%s", size, index.String(),
		ref(w.c, CatalogNum), ref(w.c, InfoNum), id, trailer,
	)
	body := data.String()
	if p := w.c.predictor; p > 0 {
		entries += fmt.Sprintf(
			" /Filter /FlateDecode /DecodeParms << /Predictor %d /Columns 7 >>", p,
		)
		body = predict(p, body, 7)
		if w.c.flushed {
			body = flush(body)
		} else {
			body = deflate(body)
		}
	}
	fmt.Fprintf(&w.buf, "%d 0 obj\n%s\nendobj\n", self, Stream(entries, body))
	w.end(at)
}

// predict applies a predictor to rows of bytes.
func predict(kind int, data string, row int) string {
	var out []byte
	for i := range len(data) {
		if i%row == 0 && kind >= 10 {
			out = append(out, 2) // PNG filter Up
		}
		c := data[i]
		switch {
		case kind >= 10 && i >= row:
			c -= data[i-row]
		case kind == 2 && i%row > 0:
			c -= data[i-1]
		}
		out = append(out, c)
	}
	return string(out)
}

func deflate(data string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write([]byte(data))
	z.Close()
	return b.String()
}

// flush is deflate without the last block and the checksum.
func flush(data string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write([]byte(data))
	z.Flush()
	return b.String()
}

func (w *writer) objectStream() {
	var inside []int
	var head, body strings.Builder
	for _, n := range w.numbers() {
		if strings.Contains(w.bodies[n], "endstream") || w.c.generations[n] != 0 {
			w.put(n)
			continue
		}
		fmt.Fprintf(&head, "%d %d ", n, body.Len())
		body.WriteString(w.bodies[n] + "\n")
		inside = append(inside, n)
	}
	container := w.size()
	w.bodies[container] = Stream(
		fmt.Sprintf("/Type /ObjStm /N %d /First %d", len(inside), head.Len()),
		head.String()+body.String(),
	)
	w.put(container)
	w.stream(inside, container)
}

// linearized writes the section of the first page before the objects. Its
// offsets are those of a first pass, which takes the same number of bytes.
func (w *writer) linearized() {
	nums := w.numbers()
	w.bodies[w.size()] = "<< /Linearized 1 /L 0000000000 /H [ 0 0 ] /O 12 /E 0 /N 1 /T 0 >>"
	dict := w.size() - 1
	first, rest := nums[:len(nums)/2], nums[len(nums)/2:]
	start := w.buf.Len()
	second := 0
	for range 2 {
		w.buf.Truncate(start)
		w.put(dict)
		at := w.buf.Len()
		w.table(append(slices.Clone(first), dict), false, fmt.Sprintf(" /Prev %010d", second), 0)
		w.putAll(nums)
		second = w.buf.Len()
		w.table(rest, true, "", at)
	}
}
