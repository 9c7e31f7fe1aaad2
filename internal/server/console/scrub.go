package console

import (
	"regexp"

	"github.com/signet-sign/signet/internal/rp"
	"github.com/signet-sign/signet/internal/sign"
)

var anyURL = regexp.MustCompile(`https?://[^\s"'<>]+`)

// scrub takes secrets out of a text that may quote URLs: errors of net/http do.
func scrub(text string) string { return anyURL.ReplaceAllStringFunc(text, rp.ShownURL) }

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
