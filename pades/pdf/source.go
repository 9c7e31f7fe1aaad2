package pdf

import (
	"errors"
	"fmt"
	"io"
)

// source reads the file in windows and counts the work, so that memory depends on what is used and
// no input costs more than its budget.
type source struct {
	r        io.ReaderAt
	size     int64
	shared   *shared // with its revisions
	inflated int64   // bytes of decoded streams still allowed
	scratch  []byte
	stack    []Object // of the parsers, one after the other
}

// workPerValue is the work, in bytes, of creating or visiting one object in memory.
const workPerValue = 64

// Charge takes n bytes from [Limits.Work], for work on the document outside of this package.
func (d *Document) Charge(n int64) error { return d.src.charge(n) }

// charge takes n units from the work budget.
func (s *source) charge(n int64) error {
	if s.shared.work -= n; s.shared.work < 0 {
		return refuse(TooMuchWork, "the budget of work is used up")
	}
	return nil
}

// window returns up to n bytes at off, fewer only at the end of the file, and
// whether the window reaches it. The bytes are valid until the next call.
func (s *source) window(off, n int64) (b []byte, final bool, err error) {
	if off < 0 || off > s.size {
		return nil, false, fmt.Errorf("pdf: read at %d of %d", off, s.size)
	}
	if n >= s.size-off {
		n, final = s.size-off, true
	}
	if err := s.charge(n); err != nil {
		return nil, false, err
	}
	if int64(cap(s.scratch)) < n {
		s.scratch = make([]byte, n)
	}
	b = s.scratch[:n]
	if m, err := s.r.ReadAt(b, off); int64(m) < n {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, false, fmt.Errorf("pdf: read at %d: %w", off, err)
	}
	return b, final, nil
}

// firstWindow is the size of the first window for an object. Most catalogs, pages and annotations
// fit.
const firstWindow = 512

// maxStack is the size of a parser's stack that is kept for the next object.
const maxStack = 1024

// parse runs f over windows at off that double in size until f has enough, the
// file ends, or the window would be larger than limit.
func (s *source) parse(off, limit int64, nesting int, f func(p *parser) error) error {
	for n := int64(firstWindow); ; n *= 2 {
		b, final, err := s.window(off, min(n, limit))
		if err != nil {
			return err
		}
		p := &parser{src: string(b), final: final, depth: nesting, stack: s.stack[:0]}
		err = f(p)
		if s.stack = p.stack; cap(s.stack) > maxStack {
			s.stack = nil
		}
		if !errors.Is(err, errMore) {
			return err
		}
		if n >= limit {
			return refuse(ObjectTooLarge, "the object at %d is larger than %d bytes", off, limit)
		}
	}
}

// Joined returns a reader of a document and the update that is appended to it,
// and their size, without copying the document.
func Joined(r io.ReaderAt, size int64, update []byte) (io.ReaderAt, int64) {
	return &joined{r: r, size: size, tail: update}, size + int64(len(update))
}

type joined struct {
	r    io.ReaderAt
	size int64
	tail []byte
}

func (j *joined) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("pdf: negative offset")
	}
	if off < j.size {
		head := p[:min(int64(len(p)), j.size-off)]
		if n, err = j.r.ReadAt(head, off); n < len(head) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
		off = j.size
	}
	if n == len(p) {
		return n, nil
	}
	if at := off - j.size; at < int64(len(j.tail)) {
		n += copy(p[n:], j.tail[at:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
