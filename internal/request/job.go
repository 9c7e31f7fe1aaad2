package request

import "time"

// Job is one row of the outbox: work that a change left behind. Its tags are the JSON of evidence
// and of the sandbox's control listener.
type Job struct {
	ID        int64     `json:"id"`
	RequestID string    `json:"request_id"`
	Kind      JobKind   `json:"kind"`
	Status    JobStatus `json:"status"`
	Attempts  int       `json:"attempts"` // claims so far
	DueAt     time.Time `json:"due_at"`
	Lease     time.Time `json:"-"` // until when the claim holds; tells one claim from the next
	Payload   string    `json:"-"` // what the handler wants to find again at the next attempt
	LastError string    `json:"last_error,omitempty"`
}

// JobKind says which handler does a job.
type JobKind string

// The kinds of jobs.
const (
	JobSeal    JobKind = "seal"    // finish the document with the phone's signature
	JobWebhook JobKind = "webhook" // tell the relying party that the document is signed
	// give the document a further time stamp before the newest one's certificate ends
	JobRenew JobKind = "renew"
	JobPurge JobKind = "purge" // delete the stored documents that the request does not need
)

// Wakes reports whether a worker is to look for a job of this kind at once. It looks for purges
// once a second anyway.
func (k JobKind) Wakes() bool { return k != JobPurge }

// JobStatus is pending until the handler says done, or failed: kept, shown, and not tried again by
// itself.
type JobStatus string

// The statuses.
const (
	JobPending JobStatus = "pending"
	JobDone    JobStatus = "done"
	JobFailed  JobStatus = "failed"
)

// Retry asks for another attempt at due.
func (j *Job) Retry(due time.Time, cause error) {
	j.Status, j.DueAt, j.LastError = JobPending, due, cause.Error()
}

// Fail gives up.
func (j *Job) Fail(cause error) { j.Status, j.LastError = JobFailed, cause.Error() }

// Finish is the good end.
func (j *Job) Finish() { j.Status, j.LastError = JobDone, "" }
