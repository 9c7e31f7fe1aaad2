package ui

// HTTPError is the page for a plain HTTP error.
type HTTPError struct {
	// Status is the HTTP status, 400 to 599.
	Status int
	// Reference identifies the log line, for the operator. May be empty.
	Reference string
	// RetryURL is the link of "Try again", or "".
	RetryURL string
}

func (p HTTPError) Meta() Meta {
	return Meta{Template: "http_error", Title: p.TitleKey(), Shell: ShellPortal, Script: "portal"}
}

// TitleKey returns the key of the error's title.
func (p HTTPError) TitleKey() string { return p.key() + ".title" }

// TextKey returns the key of the message that explains the error.
func (p HTTPError) TextKey() string { return p.key() + ".text" }

func (p HTTPError) key() string {
	switch p.Status {
	case 403:
		return "error.403"
	case 404, 410:
		return "error.404"
	case 405:
		return "error.405"
	case 413:
		return "error.413"
	case 429:
		return "error.429"
	case 503:
		return "error.503"
	}
	if p.Status >= 400 && p.Status < 500 {
		return "error.400"
	}
	return "error.500"
}
