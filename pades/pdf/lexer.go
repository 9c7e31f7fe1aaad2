package pdf

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Errors of parsing. errMore means that the window ended before the object did; the caller reads a
// larger window and starts again.
var (
	errSyntax = errors.New("syntax error")
	errMore   = errors.New("window too small")
)

// parser parses objects from a window of the file or of the data of an object stream.
type parser struct {
	src   string
	pos   int
	final bool // the data ends where src ends
	depth int  // levels of nesting still allowed
	count int  // values so far, which determine the memory
	most  int  // values allowed; 0 for any number

	// stack holds the elements of what is not complete yet, so that complete
	// arrays and dictionaries get slices of the right size.
	stack []Object
}

// complete takes the elements from base on off the stack.
func (p *parser) complete(base int) []Object {
	var elems []Object
	if len(p.stack) > base {
		elems = slices.Clone(p.stack[base:])
	}
	p.stack = p.stack[:base]
	return elems
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0
}

func isDelimiter(c byte) bool {
	switch c {
	case '(', ')', '<', '>', '[', ']', '{', '}', '/', '%':
		return true
	}
	return false
}

func isRegular(c byte) bool { return !isSpace(c) && !isDelimiter(c) }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// end is the error for running out of src.
func (p *parser) end() error {
	if p.final {
		return errSyntax
	}
	return errMore
}

// space skips white space and comments.
func (p *parser) space() {
	for p.pos < len(p.src) {
		switch c := p.src[p.pos]; {
		case isSpace(c):
			p.pos++
		case c == '%':
			for p.pos < len(p.src) && p.src[p.pos] != '\n' && p.src[p.pos] != '\r' {
				p.pos++
			}
		default:
			return
		}
	}
}

// token reads a run of regular characters: a number or a keyword. It is empty
// in front of a delimiter.
func (p *parser) token() (string, error) {
	start := p.pos
	for p.pos < len(p.src) && isRegular(p.src[p.pos]) {
		p.pos++
	}
	if p.pos == len(p.src) && !p.final {
		return "", errMore
	}
	return p.src[start:p.pos], nil
}

// unsigned reads white space and a non-negative integer of at most 18 digits.
func (p *parser) unsigned() (int64, error) {
	p.space()
	t, err := p.token()
	if err != nil {
		return 0, err
	}
	return parseUnsigned(t)
}

func parseUnsigned[T string | []byte](t T) (int64, error) {
	if len(t) == 0 || len(t) > 18 {
		return 0, errSyntax
	}
	var v int64
	for i := range len(t) {
		if !isDigit(t[i]) {
			return 0, errSyntax
		}
		v = v*10 + int64(t[i]-'0')
	}
	return v, nil
}

// keyword reads white space and exactly the given keyword.
func (p *parser) keyword(want string) error {
	p.space()
	t, err := p.token()
	if err != nil {
		return err
	}
	if t != want {
		return errSyntax
	}
	return nil
}

// value reads one object, without the stream data that may follow it.
func (p *parser) value() (Object, error) {
	if p.count++; p.most > 0 && p.count > p.most {
		return Object{}, refuse(ObjectTooLarge, "an object holds more than %d values", p.most)
	}
	p.space()
	if p.pos >= len(p.src) {
		return Object{}, p.end()
	}
	switch c := p.src[p.pos]; {
	case c == '/':
		return p.name()
	case c == '(':
		return p.literalString()
	case c == '[':
		return p.array()
	case c == '<':
		if p.pos+1 >= len(p.src) {
			return Object{}, p.end()
		}
		if p.src[p.pos+1] == '<' {
			return p.dictionary()
		}
		return p.hexString()
	case isDigit(c), c == '+', c == '-', c == '.':
		return p.number()
	}
	return p.word()
}

func (p *parser) name() (Object, error) {
	start := p.pos
	p.pos++
	if _, err := p.token(); err != nil {
		return Object{}, err
	}
	return Object{kind: Name, raw: p.src[start:p.pos]}, nil
}

// literalString finds the end of a (string); decodeString decodes it.
func (p *parser) literalString() (Object, error) {
	start := p.pos
	for open := 0; p.pos < len(p.src); {
		c := p.src[p.pos]
		p.pos++
		switch c {
		case '\\':
			p.pos++
		case '(':
			open++
		case ')':
			if open--; open == 0 {
				return Object{kind: String, raw: p.src[start:p.pos]}, nil
			}
		}
	}
	return Object{}, p.end()
}

func (p *parser) hexString() (Object, error) {
	start := p.pos
	for p.pos++; p.pos < len(p.src); p.pos++ {
		c := p.src[p.pos]
		if c == '>' {
			p.pos++
			return Object{kind: String, raw: p.src[start:p.pos]}, nil
		}
		if unhex(c) < 0 && !isSpace(c) {
			return Object{}, errSyntax
		}
	}
	return Object{}, p.end()
}

func (p *parser) array() (Object, error) {
	if err := p.enter(); err != nil {
		return Object{}, err
	}
	defer p.leave()
	o := Object{kind: Array}
	start, base := p.pos, len(p.stack)
	for p.pos++; ; {
		p.space()
		if p.pos >= len(p.src) {
			return Object{}, p.end()
		}
		if p.src[p.pos] == ']' {
			p.pos++
			o.raw, o.elems = p.src[start:p.pos], p.complete(base)
			return o, nil
		}
		v, err := p.value()
		if err != nil {
			return Object{}, err
		}
		p.stack = append(p.stack, v)
	}
}

func (p *parser) dictionary() (Object, error) {
	if err := p.enter(); err != nil {
		return Object{}, err
	}
	defer p.leave()
	o := Object{kind: Dictionary}
	start, base := p.pos, len(p.stack)
	for p.pos += 2; ; {
		p.space()
		if p.pos+1 >= len(p.src) {
			return Object{}, p.end()
		}
		if p.src[p.pos] == '>' && p.src[p.pos+1] == '>' {
			p.pos += 2
			o.raw, o.elems = p.src[start:p.pos], p.complete(base)
			return o, nil
		}
		if p.src[p.pos] != '/' {
			return Object{}, errSyntax
		}
		k, err := p.name()
		if err != nil {
			return Object{}, err
		}
		v, err := p.value()
		if err != nil {
			return Object{}, err
		}
		p.stack = append(p.stack, k, v)
	}
}

func (p *parser) enter() error {
	if p.depth--; p.depth < 0 {
		return refuse(TooDeep, "arrays and dictionaries nested too deeply")
	}
	return nil
}

func (p *parser) leave() { p.depth++ }

// number reads an integer, a real or, with two more tokens, a reference.
func (p *parser) number() (Object, error) {
	start := p.pos
	t, err := p.token()
	if err != nil {
		return Object{}, err
	}
	o, ok := parseNumber(t)
	if !ok {
		return Object{}, errSyntax
	}
	if o.kind != Integer || !isDigit(t[0]) || o.n > maxObjectNumber {
		return o, nil
	}
	num, mark := o.n, p.pos
	gen, err := p.unsigned()
	if err == nil && gen <= 65535 {
		p.space()
		var r string
		if r, err = p.token(); err == nil && r == "R" {
			return Object{kind: Reference, raw: p.src[start:p.pos], n: num<<32 | gen}, nil
		}
	}
	if errors.Is(err, errMore) {
		return Object{}, err
	}
	p.pos = mark
	return o, nil
}

// parseNumber accepts [+-] digits [. digits], with digits on at least one side
// of the point. Integers that do not fit become reals, as readers do.
func parseNumber(t string) (Object, bool) {
	digits, points := 0, 0
	for i := range len(t) {
		switch c := t[i]; {
		case isDigit(c):
			digits++
		case c == '.':
			points++
		case (c == '+' || c == '-') && i == 0:
		default:
			return Object{}, false
		}
	}
	if digits == 0 || points > 1 {
		return Object{}, false
	}
	if points == 0 {
		if v, err := strconv.ParseInt(t, 10, 64); err == nil {
			return Object{kind: Integer, raw: t, n: v}, true
		}
	}
	return Object{kind: Real, raw: t}, true
}

func (p *parser) word() (Object, error) {
	t, err := p.token()
	if err != nil {
		return Object{}, err
	}
	switch t {
	case "true":
		return Object{kind: Boolean, raw: t, n: 1}, nil
	case "false":
		return Object{kind: Boolean, raw: t}, nil
	case "null":
		return Object{kind: Null, raw: t}, nil
	}
	return Object{}, errSyntax
}

// has skips white space and reports whether the next bytes are the keyword,
// whatever follows them.
func (p *parser) has(keyword string) bool {
	p.space()
	return strings.HasPrefix(p.src[min(p.pos, len(p.src)):], keyword)
}
