package token

// Guesses returns the causes that are looked for with the key that a token names.
func Guesses() (causes []string) {
	for _, g := range guesses {
		causes = append(causes, g.cause)
	}
	return causes
}
