package console

import (
	"github.com/signet-sign/signet/internal/rp"
	"github.com/signet-sign/signet/internal/sign"
)

// scrubbed is a copy of the trail for people's eyes.
func scrubbed(events []sign.Event) []sign.Event {
	out := make([]sign.Event, len(events))
	for i, e := range events {
		detail := sign.Detail{}
		for name, value := range e.Detail {
			detail[name] = rp.ShownText(value)
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
		j.LastError, j.Payload = rp.ShownText(j.LastError), ""
		out[i] = j
	}
	return out
}
