package pdf

import "strings"

// Content calls visit for each operator of a content stream (ISO 32000-2, 7.8.2) with its operands,
// until visit returns false. Character maps have the same form (9.7.5.4). The error is for data
// that is neither. An inline image is the operator EI, with the keys and values of its dictionary
// as operands and without its data, which end at the first EI between white space.
func Content(data []byte, visit func(operator string, operands []Object) bool) error {
	const nesting, most = 16, 1 << 16 // arrays in arrays; values of an operator
	p := &parser{src: string(data), final: true, depth: nesting, most: most}
	var operands []Object
	for {
		p.space()
		if p.pos == len(p.src) {
			return nil
		}
		start := p.pos
		if word, _ := p.token(); word != "" {
			_, number := parseNumber(word)
			if !number && word != "true" && word != "false" && word != "null" {
				if word == "BI" {
					operands = operands[:0] // the dictionary follows
					continue
				}
				if word == "ID" {
					if !p.skipImage() {
						return errSyntax
					}
					word = "EI"
				}
				if !visit(word, operands) {
					return nil
				}
				operands, p.count = operands[:0], 0
				continue
			}
		}
		p.pos = start
		o, err := p.value()
		if err != nil {
			return err
		}
		operands = append(operands, o)
	}
}

// skipImage skips the data of an inline image and the EI behind them (ISO 32000-2, 8.9.7).
func (p *parser) skipImage() bool {
	for at := p.pos; ; {
		i := strings.Index(p.src[at:], "EI")
		if i < 0 {
			return false
		}
		at += i + 2
		begins := at-3 >= p.pos && isSpace(p.src[at-3])
		if begins && (at == len(p.src) || isSpace(p.src[at])) {
			p.pos = at
			return true
		}
	}
}
