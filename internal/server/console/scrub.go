package console

import (
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
)

// scrubbed returns a copy of the trail without secrets.
func scrubbed(events []request.Event) []request.Event {
	out := make([]request.Event, len(events))
	for i, e := range events {
		for _, text := range e.Detail.Members() {
			*text = party.ShownText(*text)
		}
		out[i] = e
	}
	return out
}

// scrubbedJobs returns a copy of the jobs without secrets.
func scrubbedJobs(jobs []request.Job) []request.Job {
	out := make([]request.Job, len(jobs))
	for i, j := range jobs {
		j.LastError, j.Payload = party.ShownText(j.LastError), ""
		out[i] = j
	}
	return out
}
