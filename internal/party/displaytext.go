package party

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckDisplayText reports why a text that a relying party chose must not be shown to a signer.
// Accepted texts may be in a right-to-left script, so pages isolate them (<bdi>) and escape them as
// any other text. Error texts continue a noun: "doc_name" + " must not be empty".
//
// It refuses text without a visible character or with more than limit characters, invalid UTF-8,
// U+FFFD (which means that the text was damaged before), and characters that change what is seen:
// control characters, line and paragraph separators, bidirectional controls (a name could otherwise
// read "fdp.exe" for "exe.pdf"), invisible characters other than joiners, and private-use
// characters. It accepts slashes; downloads replace them in file names.
func CheckDisplayText(text string, limit int) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("must not be empty")
	}
	if utf8.RuneCountInString(text) > limit {
		return fmt.Errorf("must not be longer than %d characters", limit)
	}
	visible := false
	for _, c := range text {
		if c == utf8.RuneError {
			return errors.New("must be valid text, without U+FFFD")
		}
		if hidden(c) {
			return fmt.Errorf("must not contain the character U+%04X", c)
		}
		visible = visible || !unicode.IsSpace(c) && !unicode.IsMark(c) && !joins(c)
	}
	if !visible {
		return errors.New("must contain a visible character")
	}
	return nil
}

// joins reports whether a character is invisible but changes how its neighbours are written.
// Persian and the scripts of India require the zero-width non-joiner and joiner, and so do emoji of
// several people. A soft hyphen marks where a long word may be divided.
func joins(c rune) bool { return c == '\u200c' || c == '\u200d' || c == '\u00ad' }

// hidden reports whether a character must not be in displayed text.
func hidden(c rune) bool {
	if joins(c) {
		return false
	}
	const brailleBlank = '\u2800' // a symbol by category, but blank
	return !unicode.IsGraphic(c) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, c) ||
		c == brailleBlank
}
