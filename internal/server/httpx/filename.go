package httpx

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFileName is the longest file name in bytes that the common file systems hold.
const maxFileName = 255

// fileName returns a safe file name for a document's name. It has no invisible characters, none
// that file systems or shells treat specially, no leading dot, and no name of a Windows device. It
// ends in ".pdf" and has at most maxFileName bytes of UTF-8.
func fileName(docName string) string {
	const suffix = ".pdf"
	name := strings.Map(func(c rune) rune {
		damaged := c == utf8.RuneError // also what strings.Map gives for a byte that is not UTF-8
		if damaged || !unicode.IsGraphic(c) ||
			unicode.Is(unicode.Other_Default_Ignorable_Code_Point, c) ||
			strings.ContainsRune("/\\:*?\"<>|%;\u2800", c) {
			return '_'
		}
		if unicode.IsSpace(c) {
			return ' '
		}
		return c
	}, docName)
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

// isDevice reports whether Windows would open a device instead of a file. Windows compares only the
// part before the first dot.
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

// truncate returns at most the first n bytes of s, without splitting a character.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
