package party

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFileName is the longest file name in bytes that the common file systems hold.
const maxFileName = 255

// CheckDisplayText reports why a text that a relying party chose must not be shown to a signer. What it lets through may still
// be in a right-to-left script, so pages isolate it (<bdi>) and escape it like any other text. Errors read on after a noun:
// "doc_name" + " must not be empty".
//
// Refused are: nothing to see, more than limit characters, invalid UTF-8 and U+FFFD (damaged on its way to us), and everything
// that shows nothing but changes what is seen: control characters, line and paragraph separators, bidirectional controls (a name
// could otherwise read "fdp.exe" for "exe.pdf"), invisible characters other than joiners, private-use characters. Slashes are fine in a name; [FileName] takes them out of file names.
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

// joins reports whether a character is invisible but changes how its neighbours are written:
// Persian and the scripts of India cannot do without the zero-width non-joiner and joiner, nor can
// emoji of several people. A soft hyphen says where a long word may be divided.
func joins(c rune) bool { return c == '\u200c' || c == '\u200d' || c == '\u00ad' }

// hidden reports whether a character must not be in a text that is shown.
func hidden(c rune) bool {
	if joins(c) {
		return false
	}
	const brailleBlank = '\u2800' // a symbol by category, a space to the eye
	return !unicode.IsGraphic(c) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, c) || c == brailleBlank
}

// FileName makes the name of a file to download from a document name that passed [CheckDisplayText]: no character that a file
// system or a shell takes for more than a letter, no leading dot, no name of a Windows device, and always ".pdf" at the end.
// The result is at most maxFileName bytes of UTF-8; whoever puts it into a Content-Disposition header still has to encode it.
func FileName(docName string) string {
	const suffix = ".pdf"
	name := strings.Map(func(c rune) rune {
		if hidden(c) || joins(c) || strings.ContainsRune(`/\:*?"<>|%;`, c) {
			return '_'
		}
		if unicode.IsSpace(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(docName, "_"))
	name = strings.TrimLeft(name, ". ")
	if n := len(name) - len(suffix); n >= 0 && strings.EqualFold(name[n:], suffix) {
		name = name[:n]
	}
	name = truncate(name, maxFileName-len(suffix))
	name = strings.TrimRight(name, ". ")
	if name == "" {
		name = "document"
	}
	if isDevice(name) {
		name = truncate("_"+name, maxFileName-len(suffix))
	}
	return name + suffix
}

// isDevice reports whether Windows would open a device instead of a file: it looks at what is before the first dot only.
func isDevice(name string) bool {
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch base = strings.TrimSpace(base); base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	for _, port := range []string{"COM", "LPT"} {
		if number, ok := strings.CutPrefix(base, port); ok && utf8.RuneCountInString(number) == 1 &&
			strings.Contains("0123456789¹²³", number) {
			return true
		}
	}
	return false
}

// truncate cuts s to at most n bytes at the border of a character.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
