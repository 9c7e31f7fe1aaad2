// Package webhook delivers webhooks to relying parties when a document is signed (docs/contract.md,
// 7). It is the handler of the outbox's webhook jobs. Start at [Sender.Deliver].
//
// It does not decide when a job is due or which node runs it; request.Worker does. Package safehttp
// decides which URLs may be called.
package webhook

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
)

// Numbers of the contract.
const (
	Timeout  = 2 * time.Second // of one attempt
	pause    = 2 * time.Second // between the end of an attempt and the next
	attempts = 3
)

// tokenLifetime is the lifetime of the token and of the URL in it.
const tokenLifetime = api.URLLifetime * time.Second

// ladder has the pauses before further attempts, each with a new token, if Sender.Ladder is set or
// the party has opted in. It is an extension for receivers that are down for longer than the
// contract's attempts take.
var ladder = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// Sender delivers webhooks.
type Sender struct {
	Requests  *request.Service
	Parties   party.Parties
	Receivers party.Receivers
	Clients   *party.Clients
	Key       func() crypto.Signer // the one to sign with, which is published
	Now       func() time.Time
	Log       *slog.Logger
	Ladder    bool              // all parties have opted in to further attempts
	Calls     *calllog.Recorder // records attempts with their tokens; may be nil

	// Accepted, if not nil, is called with the time between the signed document and a webhook that
	// the receiver accepted.
	Accepted func(after time.Duration)
}

// Deliver makes one attempt and sets when the next is due. Any answer but 2xx is a failure
// (docs/contract.md, 14.15). The contract's attempts of one job send the same token, so that a
// relying party can recognise a repetition.
func (s *Sender) Deliver(ctx context.Context, job *request.Job) []request.Event {
	made := attemptsOf(job)
	detail := request.Detail{Attempt: fmt.Sprint(made)}
	r, rp, err := s.target(ctx, job)
	further := s.Ladder || rp != nil && rp.WebhookLadder
	status := 0
	if err == nil {
		var receiver party.Receiver
		if receiver, err = s.receiver(ctx, rp, further); err == nil {
			begin := time.Now()
			status, err = s.attempt(ctx, job, r, rp)
			if errors.Is(err, errKey) {
				s.wait(job, err)
				return nil
			}
			if err == nil || ctx.Err() == nil {
				s.record(job, rp.ClientID, status, time.Since(begin), err)
			}
			if ctx.Err() == nil && further && (err != nil || receiver.Failed()) {
				s.follow(ctx, rp, err)
			}
		}
	}
	switch {
	case err == nil:
		job.Finish()
		detail.Status = fmt.Sprint(status)
	case errors.Is(err, errNoWebhook):
		job.Finish()
		return nil
	case errors.Is(err, party.ErrPaused):
		job.Fail(err)
		detail = request.Detail{Error: err.Error()}
	case ctx.Err() != nil: // the process stops; another process will retry
		job.Retry(s.Requests.NowOf(job.RequestID), err)
		return nil
	default:
		detail.Error = err.Error()
		if status != 0 {
			detail.Status = fmt.Sprint(status)
		}
		if wait, ok := next(made, further); ok {
			job.Retry(s.Requests.NowOf(job.RequestID).Add(wait), err)
		} else {
			job.Fail(err)
			s.Log.Warn(
				"a webhook was not delivered", "request_id", job.RequestID, "attempts", made,
				"err", err,
			)
		}
	}
	return []request.Event{
		{At: s.Requests.NowOf(job.RequestID), Kind: request.EventWebhook, Detail: detail},
	}
}

// receiver returns the receiver of a party. The error is party.ErrPaused if its webhooks are
// paused. If the party does not have further attempts, what was known of its receiver is forgotten.
func (s *Sender) receiver(
	ctx context.Context, rp *party.Party, further bool,
) (party.Receiver, error) {
	r, err := s.Receivers.Receiver(ctx, rp.ClientID)
	switch {
	case err != nil:
		return r, err
	case further && !r.PausedAt.IsZero():
		return r, party.ErrPaused
	case !further && r.Failed():
		return r, s.Receivers.ChangeReceiver(
			ctx, rp.ClientID,
			func(r *party.Receiver) (*party.Change, error) { r.Reset(); return nil, nil },
		)
	}
	return r, nil
}

// follow records the outcome of an attempt for the receiver. The webhook's own outcome does not
// depend on it.
func (s *Sender) follow(ctx context.Context, rp *party.Party, outcome error) {
	paused := false
	err := s.Receivers.ChangeReceiver(
		ctx, rp.ClientID, func(r *party.Receiver) (*party.Change, error) {
			if outcome == nil {
				r.Reset()
				return nil, nil
			}
			if paused = r.Fail(s.Now()); !paused {
				return nil, nil
			}
			return &party.Change{
				ClientID: rp.ClientID, At: r.PausedAt, By: pausedBy, Kind: party.ChangePaused,
			}, nil
		},
	)
	switch {
	case err != nil:
		s.Log.Warn("recording how a receiver answers", "client_id", rp.ClientID, "err", err)
	case paused:
		s.Log.Error(
			"webhooks are paused, because the receiver has failed for days", "client_id",
			rp.ClientID, "err", outcome,
		)
	}
}

// pausedBy is who pauses webhooks in the trail of a party, which otherwise names operators.
const pausedBy = "Signet"

// record records the attempt with its token.
func (s *Sender) record(
	job *request.Job, clientID string, status int, took time.Duration, err error,
) {
	if !s.Calls.Wants(err != nil) {
		return
	}
	rec := calllog.Record{
		Took: took, Kind: calllog.Webhook, Party: clientID, Authentic: true,
		RequestID: job.RequestID, Attempt: attemptsOf(job), Status: status,
	}
	if err != nil {
		rec.Error, rec.Description = NotDelivered, err.Error()
	}
	s.Calls.Record(rec, open(job.Payload).Token)
}

// NotDelivered is the error code of the record of an attempt that was not answered with 2xx.
const NotDelivered = "NOT_DELIVERED"

// next returns the pause after the given number of attempts; ok is false after the last one.
func next(made int, further bool) (wait time.Duration, ok bool) {
	switch i := made - attempts; {
	case i < 0:
		return pause, true
	case further && i < len(ladder):
		return ladder[i], true
	}
	return 0, false
}

var errNoWebhook = errors.New("the relying party has no webhook")

// target returns the request of a job and its relying party.
func (s *Sender) target(
	ctx context.Context, job *request.Job,
) (*request.Request, *party.Party, error) {
	r, err := s.Requests.Get(ctx, job.RequestID)
	if err != nil {
		return nil, nil, err
	}
	if !r.State.MayAnnounce() {
		return nil, nil, fmt.Errorf("the request is %s", r.State)
	}
	rp, err := s.Parties.Party(ctx, r.ClientID)
	if err == nil && rp.WebhookURL == "" {
		err = errNoWebhook
	}
	return r, rp, err
}

// attempt posts the token. It returns status 0 if there was no answer.
func (s *Sender) attempt(
	ctx context.Context, job *request.Job, r *request.Request, rp *party.Party,
) (status int, err error) {
	jws, err := s.token(job, r)
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(api.Webhook{Token: jws})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(
		ctx, http.MethodPost, rp.WebhookURL, bytes.NewReader(body),
	)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Signet")
	resp, err := s.Clients.Of(rp).Do(req)
	if err != nil {
		// The errors of net/http contain the URL, which may contain a secret of the relying party.
		if wrapped := new(url.Error); errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return 0, quoting{err}
	}
	defer resp.Body.Close()
	// Reading the rest allows the connection to be reused.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, fmt.Errorf("the receiver answered %d", resp.StatusCode)
	}
	if s.Accepted != nil && r.Signed != nil {
		s.Accepted(s.Requests.NowOf(r.ID).Sub(r.Signed.At))
	}
	return resp.StatusCode, nil
}

// quoting is an error that may quote what the receiver has answered. The trail, which has no number
// of a person, keeps its text.
type quoting struct{ error }

func (q quoting) Error() string { return signer.HideUINs(q.error.Error()) }

func (q quoting) Unwrap() error { return q.error }

// envelope is the data that a job keeps between attempts, in outbox.payload. Envelopes without a
// version have version 1. If an envelope cannot be read, the next attempt makes a new token.
type envelope struct {
	V     int       `json:"v,omitempty"`
	Token string    `json:"token"`
	Ends  time.Time `json:"ends"`

	// Waited is how often the job was claimed without an attempt, since the key was away.
	Waited int `json:"waited,omitempty"`
}

// envelopeVersion is the version that this program writes, and the newest that it reads.
const envelopeVersion = 1

// open parses a payload. The zero envelope has no token.
func open(payload string) envelope {
	var e envelope
	if json.Unmarshal([]byte(payload), &e) != nil || e.V > envelopeVersion {
		return envelope{}
	}
	return e
}

// attemptsOf returns the number of attempts, with the one that the claim of a job is for.
func attemptsOf(job *request.Job) int { return job.Attempts - open(job.Payload).Waited }

// errKey is the error if the token cannot be signed. The receiver is not to blame for it.
var errKey = errors.New("the webhook key does not sign")

// keyWait is the pause after the webhook key did not sign.
const keyWait = 10 * time.Second

// wait lets a job wait for the webhook key, which may be in a token that is away. The claim does
// not count as an attempt.
func (s *Sender) wait(job *request.Job, cause error) {
	e := open(job.Payload)
	e.V = envelopeVersion
	e.Waited++
	if payload, err := json.Marshal(e); err == nil {
		job.Payload = string(payload)
	}
	job.Retry(s.Requests.NowOf(job.RequestID).Add(keyWait), cause)
	if e.Waited == 1 {
		s.Log.Warn("a webhook waits for its key", "request_id", job.RequestID, "err", cause)
	}
}

// token returns the job's token, or a new one if that is about to expire, as after a crash. Every
// attempt after the contract's has a new one.
func (s *Sender) token(job *request.Job, r *request.Request) (string, error) {
	e := open(job.Payload)
	if attemptsOf(job) <= attempts && s.Now().Add(tokenLifetime/2).Before(e.Ends) {
		return e.Token, nil
	}
	link, exp := s.Requests.Link(r.ID)
	key := s.Key()
	public, err := keydir.PublicJWK(key, "sig", string(jose.ES256))
	if err != nil {
		return "", err
	}
	jws, err := keydir.SignJWT(key, public.KeyID, api.WebhookClaims{
		RequestType:  api.RequestTypeSignedDocURL,
		SignedDocURL: link,
		RequestID:    r.ID,
		SignerInfo:   r.SignerInfo(),
		Iat:          exp.Add(-tokenLifetime).Unix(),
		Exp:          exp.Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("%w: %w", errKey, err)
	}
	payload, err := json.Marshal(envelope{envelopeVersion, jws, exp, e.Waited})
	job.Payload = string(payload)
	return jws, err
}
