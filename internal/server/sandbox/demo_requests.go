package sandbox

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
)

// Limits of what the demo keeps.
const (
	maxDemoRequests  = 200
	maxDemoExchanges = 50
	maxDemoWebhooks  = 20
)

// States as the demo shows them, inferred from the service's answers. A request shown as "created"
// may be "locked", because no call tells a relying party that a person has opened the document.
const (
	stateCreated   = "created"
	stateSession   = "session"
	stateSigned    = "signed"
	stateExpired   = "expired"
	stateCancelled = "cancelled"
)

// demoRequests are the newest requests. The zero value is ready for use.
type demoRequests struct {
	mu   sync.Mutex
	list []*demoRequest // newest first
}

func (l *demoRequests) add(r *demoRequest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.Insert(l.list, 0, r)
	l.list = l.list[:min(len(l.list), maxDemoRequests)]
}

func (l *demoRequests) find(id string) *demoRequest {
	for _, r := range l.newest() {
		if r.id == id {
			return r
		}
	}
	return nil
}

func (l *demoRequests) newest() []*demoRequest {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// demoRequest is one request as its relying party knows it.
type demoRequest struct {
	id, exchangeCode, signingURL, document string // do not change
	created, expires                       time.Time

	mu        sync.Mutex
	known     string    // stateSigned, stateExpired or stateCancelled once an answer has said so
	busyUntil time.Time // end of the sign session, from the last refused cancel
	exchanges []Exchange
	webhooks  []WebhookDelivery
	signedURL string // from the last webhook
	signedEnd time.Time
	seq       int64
}

// learn updates the request after calls. success is the state that a successful call proves.
func (r *demoRequest) learn(calls []Exchange, err error, success string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	r.exchanges = append(calls, r.exchanges...)
	r.exchanges = r.exchanges[:min(len(r.exchanges), maxDemoExchanges)]
	switch {
	case err == nil:
		r.known = success
	case client.IsCancelled(err):
		r.known = stateCancelled
	case errors.Is(err, api.ErrAlreadySigned), errors.Is(err, api.ErrSignedAccessExpired):
		r.known = stateSigned
	case errors.Is(err, api.ErrExpired):
		r.known = stateExpired
	case errors.Is(err, api.ErrActiveSession):
		if refusal, ok := errors.AsType[*client.Error](err); ok {
			r.busyUntil = now.Add(max(refusal.RetryAfter, time.Second))
		}
	}
}

// deliver records a webhook. claims is nil if it is not genuine.
func (r *demoRequest) deliver(w WebhookDelivery, claims *api.WebhookClaims) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	r.webhooks = slices.Insert(r.webhooks, 0, w)
	r.webhooks = r.webhooks[:min(len(r.webhooks), maxDemoWebhooks)]
	if claims != nil {
		r.known, r.signedURL, r.signedEnd = stateSigned, claims.SignedDocURL, time.Unix(
			claims.Exp, 0,
		)
	}
}

// link returns the last webhook's link and when it expires.
func (r *demoRequest) link() (url string, ends time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.signedURL, r.signedEnd
}

// stateAt requires r.mu to be held.
func (r *demoRequest) stateAt(now time.Time) string {
	switch {
	case r.known != "":
		return r.known
	case now.Before(r.busyUntil):
		return stateSession
	case !now.Before(r.expires):
		return stateExpired
	}
	return stateCreated
}

func (r *demoRequest) row(now time.Time) DemoRow {
	r.mu.Lock()
	defer r.mu.Unlock()
	return DemoRow{
		ID: r.id, URL: demoRequestURL(r.id, ""), Document: r.document, State: r.stateAt(now),
		CreatedAt: r.created,
	}
}

// page returns the parts of the request's page that depend on the request. Cancel and Get result
// are always offered, to show the service's answer in every state.
func (r *demoRequest) page(now time.Time) DemoRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	page := DemoRequest{
		ID: r.id, Document: r.document, State: r.stateAt(now), CreatedAt: r.created,
		ExpiresAt:    r.expires,
		SigningURL:   r.signingURL,
		CancelAction: demoRequestURL(r.id, "cancel"),
		ResultAction: demoRequestURL(r.id, "result"),
		HomeURL:      demoHome,
		StateURL:     demoRequestURL(r.id, "state"),
		Exchanges:    slices.Clone(r.exchanges),
		Webhooks:     slices.Clone(r.webhooks),
		Seq:          r.seq,
	}
	if page.State == stateSigned {
		page.SignedURL = demoRequestURL(r.id, "signed.pdf")
	}
	return page
}
