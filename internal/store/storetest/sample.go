package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
)

// start is when the suite's time begins.
var start = time.Date(2026, 3, 14, 9, 26, 53, 589793000, time.UTC)

const client = "STG-SUITE"

// sample is a new request, number i, made i seconds after start.
func sample(i int) *request.Request {
	at := start.Add(time.Duration(i) * time.Second)
	return &request.Request{
		ID:           request.FirstID(at) + fmt.Sprintf("-7000-8000-%012d", i),
		ClientID:     client,
		State:        request.StateCreated,
		DocName:      "Tenancy agreement – “unit 4”.pdf",
		Locations:    []api.Location{{Page: 1, X: 0.1, Y: 0.25}, {Page: 3, X: 0.9999, Y: 0}},
		SignerHash:   signer.Person{UIN: "S8979373D"}.Hash(),
		ExchangeHash: []byte{0, 1, 2, 0xff},
		CreatedAt:    at,
		ExpiresAt:    at.Add(30 * time.Minute),
		Document: request.Document{
			Key: "d/original", Size: 123456, SHA256: make([]byte, 32), Pages: 7,
		},
	}
}

// signed is a request with everything that a request can have.
func signed(i int) *request.Request {
	r := sample(i)
	at := r.CreatedAt.Add(time.Minute)
	r.State = request.StateSigned
	r.Signer = &signer.Person{UIN: "S8979373D", Name: "TAN XIAO HUI"}
	r.Session = &request.Session{
		ID: "s3cret", StartedAt: at, EndsAt: at.Add(3 * time.Minute), MatchCode: "0420",
		Prepared: &request.Prepared{
			Key: "d/prepared", Digest: []byte{9, 8, 7}, At: at.Add(time.Microsecond),
		},
	}
	r.Approval = &request.Approval{
		SessionID: "s3cret", PhoneID: "p", Certificate: []byte{0x30, 0}, Signature: []byte{0x30, 1},
		At: at.Add(5 * time.Second),
	}
	r.Signed = &request.SignedDocument{
		Document: request.Document{Key: "d/signed", Size: 200000, SHA256: []byte{1}, Pages: 7},
		At:       at.Add(6 * time.Second), Name: "TAN XIAO HUI",
	}
	r.CancelledAt = at.Add(time.Hour)
	r.Outcome = request.OutcomeRejected
	return r
}

// only is a change without effects.
func only(change func(*request.Request) error) func(*request.Request) (request.Effects, error) {
	return func(r *request.Request) (request.Effects, error) { return request.Effects{}, change(r) }
}

// cancel is a change as the domain makes it, at a time of its choice: the state and one event, on a
// request whose time is over two. Instead of the purge it leaves a webhook, due at once.
func cancel(at time.Time) func(*request.Request) (request.Effects, error) {
	var c capture
	service := request.New(request.Config{Store: &c, Now: func() time.Time { return at }})
	_ = service.Cancel(context.Background(), client, "") // it only hands over the change
	return func(r *request.Request) (request.Effects, error) {
		e, err := c.change(r)
		e.Jobs = nil
		e.Enqueue(request.JobWebhook, at)
		return e, err
	}
}

// capture is a store that keeps the change instead of making it.
type capture struct {
	request.Store
	change func(*request.Request) (request.Effects, error)
}

func (c *capture) Update(
	_ context.Context, _ string, change func(*request.Request) (request.Effects, error),
) error {
	c.change = change
	return nil
}
