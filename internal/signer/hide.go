package signer

import "regexp"

var uins = regexp.MustCompile(`(?i)[STFGM][0-9]{7}[A-Z]`)

// HideUINs returns a text without all but the last four characters of what has the form of an NRIC
// or FIN. Callers put a person's number into any text, as a User-Agent.
func HideUINs(text string) string {
	return uins.ReplaceAllStringFunc(text, func(uin string) string { return "•••••" + uin[5:] })
}
