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

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
)

// Numbers of the contract. A client for Sender must time out after Timeout.
const (
	Timeout  = 2 * time.Second // of one attempt
	pause    = 2 * time.Second // between the end of an attempt and the next
	attempts = 3
)

// tokenLifetime is the lifetime of the token and of the URL in it.
const tokenLifetime = api.URLLifetime * time.Second

// ladder has the pauses before further attempts, each with a new token, if Sender.Ladder is set. It
// is an extension for receivers that are down for longer than the contract's attempts take.
var ladder = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// Sender delivers webhooks.
type Sender struct {
	Requests *request.Service
	Parties  party.Parties
	// has the policy of package safehttp, follows no redirects, times out after Timeout
	Client *http.Client
	Key    crypto.Signer
	KeyID  string
	Now    func() time.Time
	Log    *slog.Logger
	Ladder bool              // continue after the contract's three attempts
	Calls  *calllog.Recorder // records attempts with their tokens; may be nil

	// Accepted, if not nil, is called with the time between the signed document and a webhook that
	// the receiver accepted.
	Accepted func(after time.Duration)
}

// Deliver makes one attempt and sets when the next is due. Any answer but 2xx is a failure
// (docs/contract.md, 14.15). The contract's attempts of one job send the same token, so that a
// relying party can recognise a repetition.
func (s *Sender) Deliver(ctx context.Context, job *request.Job) []request.Event {
	detail := request.Detail{Attempt: fmt.Sprint(job.Attempts)}
	begin := time.Now()
	status, clientID, err := s.attempt(ctx, job)
	if err == nil || !errors.Is(err, errNoWebhook) && ctx.Err() == nil {
		s.record(job, clientID, status, time.Since(begin), err)
	}
	switch {
	case err == nil:
		job.Finish()
		detail.Status = fmt.Sprint(status)
	case errors.Is(err, errNoWebhook):
		job.Finish()
		return nil
	case ctx.Err() != nil: // the process stops; another process will retry
		job.Retry(s.Requests.NowOf(job.RequestID), err)
		return nil
	default:
		detail.Error = err.Error()
		if status != 0 {
			detail.Status = fmt.Sprint(status)
		}
		if wait, ok := s.next(job.Attempts); ok {
			job.Retry(s.Requests.NowOf(job.RequestID).Add(wait), err)
		} else {
			job.Fail(err)
			s.Log.Warn("a webhook was not delivered", "request_id", job.RequestID, "attempts", job.Attempts, "err", err)
		}
	}
	return []request.Event{
		{At: s.Requests.NowOf(job.RequestID), Kind: request.EventWebhook, Detail: detail},
	}
}

// record records the attempt with its token.
func (s *Sender) record(
	job *request.Job, clientID string, status int, took time.Duration, err error,
) {
	if !s.Calls.Wants(err != nil) {
		return
	}
	rec := calllog.Record{
		Took: took, Kind: calllog.Webhook, Party: clientID, Authentic: true,
		RequestID: job.RequestID, Attempt: job.Attempts, Status: status,
	}
	if err != nil {
		rec.Error, rec.Description = NotDelivered, err.Error()
	}
	s.Calls.Record(rec, open(job.Payload).Token)
}

// NotDelivered is the error code of the record of an attempt that was not answered with 2xx.
const NotDelivered = "NOT_DELIVERED"

// next returns the pause after the given number of attempts; ok is false after the last one.
func (s *Sender) next(made int) (wait time.Duration, ok bool) {
	switch i := made - attempts; {
	case i < 0:
		return pause, true
	case s.Ladder && i < len(ladder):
		return ladder[i], true
	}
	return 0, false
}

var errNoWebhook = errors.New("the relying party has no webhook")

// attempt posts the token. It returns status 0 if there was no answer.
func (s *Sender) attempt(
	ctx context.Context, job *request.Job,
) (status int, clientID string, err error) {
	r, err := s.Requests.Get(ctx, job.RequestID)
	if err != nil {
		return 0, "", err
	}
	clientID = r.ClientID
	if !r.State.MayAnnounce() {
		return 0, clientID, fmt.Errorf("the request is %s", r.State)
	}
	rp, err := s.Parties.Party(ctx, r.ClientID)
	if err != nil {
		return 0, clientID, err
	}
	if rp.WebhookURL == "" {
		return 0, clientID, errNoWebhook
	}
	jws, err := s.token(job, r)
	if err != nil {
		return 0, clientID, err
	}
	body, err := json.Marshal(api.Webhook{Token: jws})
	if err != nil {
		return 0, clientID, err
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(
		ctx, http.MethodPost, rp.WebhookURL, bytes.NewReader(body),
	)
	if err != nil {
		return 0, clientID, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Signet")
	resp, err := s.Client.Do(req)
	if err != nil {
		// The errors of net/http contain the URL, which may contain a secret of the relying party.
		if wrapped := new(url.Error); errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return 0, clientID, err
	}
	defer resp.Body.Close()
	// Reading the rest allows the connection to be reused.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, clientID, fmt.Errorf("the receiver answered %d", resp.StatusCode)
	}
	if s.Accepted != nil && r.Signed != nil {
		s.Accepted(s.Requests.NowOf(r.ID).Sub(r.Signed.At))
	}
	return resp.StatusCode, clientID, nil
}

// envelope is what a job keeps between attempts, in outbox.payload. Envelopes without a version
// have version 1. If an envelope cannot be read, the next attempt makes a new token.
type envelope struct {
	V     int       `json:"v,omitempty"`
	Token string    `json:"token"`
	Ends  time.Time `json:"ends"`
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

// token returns the job's token, or a new one if that is about to expire, which happens after the
// ladder's pauses or a crash.
func (s *Sender) token(job *request.Job, r *request.Request) (string, error) {
	if e := open(job.Payload); s.Now().Add(tokenLifetime / 2).Before(e.Ends) {
		return e.Token, nil
	}
	link, exp := s.Requests.Link(r.ID)
	jws, err := keydir.SignJWT(s.Key, s.KeyID, api.WebhookClaims{
		RequestType:  api.RequestTypeSignedDocURL,
		SignedDocURL: link,
		RequestID:    r.ID,
		SignerInfo:   r.SignerInfo(),
		Iat:          exp.Add(-tokenLifetime).Unix(),
		Exp:          exp.Unix(),
	})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(envelope{envelopeVersion, jws, exp})
	job.Payload = string(payload)
	return jws, err
}
