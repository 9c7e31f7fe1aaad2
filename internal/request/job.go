package request

import "time"

// Job is one row of the outbox: work to do after a change. Its tags are the JSON of evidence and of
// the sandbox's control listener.
type Job struct {
	ID        int64     `json:"id"`
	RequestID string    `json:"request_id"`
	ClientID  string    `json:"-"` // the request's relying party; set by the store
	Kind      JobKind   `json:"kind"`
	Status    JobStatus `json:"status"`
	Attempts  int       `json:"attempts"` // claims so far
	DueAt     time.Time `json:"due_at"`
	Lease     time.Time `json:"-"` // end of the claim; distinguishes one claim from the next
	Payload   string    `json:"-"` // data of the handler for the next attempt
	LastError string    `json:"last_error,omitempty"`
}

// Backlog is the jobs of one kind that no worker has claimed although they are due.
type Backlog struct {
	Jobs   int
	Oldest time.Duration // how long the oldest has been due
}

// JobKind is the kind of a job, which selects its handler.
type JobKind string

// The kinds of jobs.
const (
	JobSeal    JobKind = "seal"    // seal the document with the phone's signature
	JobWebhook JobKind = "webhook" // notify the relying party that the document is signed
	// add a timestamp to the document before the certificate of the newest one ends
	JobRenew JobKind = "renew"
	JobPurge JobKind = "purge" // delete the stored documents that the request does not need
)

// Wakes reports whether a new job of this kind wakes the worker. It does not for purges, which the
// worker looks for once a second.
func (k JobKind) Wakes() bool { return k != JobPurge }

// JobStatus is the status of a job. A failed job is kept and shown, but not retried automatically.
type JobStatus string

// The statuses.
const (
	JobPending JobStatus = "pending"
	JobDone    JobStatus = "done"
	JobFailed  JobStatus = "failed"
)

// Retry schedules another attempt at due.
func (j *Job) Retry(due time.Time, cause error) {
	j.Status, j.DueAt, j.LastError = JobPending, due, cause.Error()
}

// Fail marks the job as failed.
func (j *Job) Fail(cause error) { j.Status, j.LastError = JobFailed, cause.Error() }

// Finish marks the job as done.
func (j *Job) Finish() { j.Status, j.LastError = JobDone, "" }
