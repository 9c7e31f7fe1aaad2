package console

import (
	"net/url"
	"regexp"

	"github.com/signet-sign/signet/internal/sign"
)

// shownURL is a registered URL without what may be secret in it: the query's values, and user information.
func shownURL(text string) string {
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil {
		return "(not a URL)"
	}
	secret := u.RawQuery != ""
	u.User, u.RawQuery, u.ForceQuery, u.Fragment = nil, "", false, ""
	if secret {
		return u.String() + "?…"
	}
	return u.String()
}

var anyURL = regexp.MustCompile(`https?://[^\s"'<>]+`)

// scrub takes secrets out of a text that may quote URLs: errors of net/http do.
func scrub(text string) string { return anyURL.ReplaceAllStringFunc(text, shownURL) }

// scrubbed is a copy of the trail for people's eyes.
func scrubbed(events []sign.Event) []sign.Event {
	out := make([]sign.Event, len(events))
	for i, e := range events {
		detail := sign.Detail{}
		for name, value := range e.Detail {
			detail[name] = scrub(value)
		}
		e.Detail = detail
		if len(detail) == 0 {
			e.Detail = nil
		}
		out[i] = e
	}
	return out
}

// scrubbedJobs is a copy of the jobs for people's eyes.
func scrubbedJobs(jobs []sign.Job) []sign.Job {
	out := make([]sign.Job, len(jobs))
	for i, j := range jobs {
		j.LastError, j.Payload = scrub(j.LastError), ""
		out[i] = j
	}
	return out
}
