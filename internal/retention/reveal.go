package retention

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/signet-sign/signet/internal/signer"
)

// revealing returns a function that reports whether a text reveals a person: whether it, or a
// string in it if it is JSON, contains the UIN, its hash, or one of the names as whole words, in
// either case.
func revealing(p signer.Person, names map[string]bool) func(text string) bool {
	ids := []string{fold(p.UIN), fold(p.Hash())}
	var words []string
	for name := range names {
		if name = strings.TrimSpace(name); name != "" {
			words = append(words, fold(name))
		}
	}
	revealed := func(text string) bool {
		text = fold(text)
		in := func(id string) bool { return strings.Contains(text, id) }
		word := func(word string) bool { return hasWord(text, word) }
		return slices.ContainsFunc(ids, in) || slices.ContainsFunc(words, word)
	}
	return func(text string) bool {
		// Strings in JSON without a backslash stand in it as they are. All records of calls are
		// looked at, and few of them need to be parsed: this takes a sixtieth of the time.
		if !strings.Contains(text, `\`) && !revealed(text) {
			return false
		}
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			return revealed(text)
		}
		return anyString(value, revealed)
	}
}

// hasWord reports whether a text contains a word that has no letter or digit beside it.
func hasWord(text, word string) bool {
	inWord := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }
	for start := 0; ; {
		i := strings.Index(text[start:], word)
		if i < 0 {
			return false
		}
		start += i
		before, _ := utf8.DecodeLastRuneInString(text[:start]) // no letter if there is none
		after, _ := utf8.DecodeRuneInString(text[start+len(word):])
		if !inWord(before) && !inWord(after) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text[start:])
		start += size
	}
}

// fold returns a text that is the same for all texts that differ in case only.
func fold(text string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			if 'a' <= r && r <= 'z' {
				r -= 'a' - 'A'
			}
			return r
		}
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, text)
}

// anyString reports whether a holds for one of the strings in a JSON value.
func anyString(value any, a func(string) bool) bool {
	switch v := value.(type) {
	case string:
		return a(v)
	case []any:
		return slices.ContainsFunc(v, func(v any) bool { return anyString(v, a) })
	case map[string]any:
		for _, v := range v {
			if anyString(v, a) {
				return true
			}
		}
	}
	return false
}
