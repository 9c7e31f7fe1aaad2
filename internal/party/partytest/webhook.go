package partytest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Webhook is one received webhook.
type Webhook struct {
	Token  string // from the body; empty if the body does not follow the contract
	Header http.Header
	Body   []byte
	At     time.Time // by the machine's clock
	Status int       // the party's answer; 0 until it has answered
}

// AnswerWebhooks sets the function that chooses the status of the n-th webhook, counted from 0 over
// the party's life. The function may block; the party's other methods do not wait for it.
func (p *Party) AnswerWebhooks(status func(n int) int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = status
}

// Webhooks returns the webhooks received so far, oldest first.
func (p *Party) Webhooks() []Webhook {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Webhook(nil), p.webhooks...)
}

// WaitWebhook waits for the n-th webhook, counted from 0, and returns it.
func (p *Party) WaitWebhook(ctx context.Context, n int) (Webhook, error) {
	for {
		p.mu.Lock()
		arrived := p.arrived
		if n < len(p.webhooks) {
			defer p.mu.Unlock()
			return p.webhooks[n], nil
		}
		p.mu.Unlock()
		select {
		case <-arrived:
		case <-ctx.Done():
			return Webhook{}, fmt.Errorf("wait for webhook %d: %w", n, context.Cause(ctx))
		}
	}
}

// maxWebhook bounds the kept part of one webhook in bytes.
const maxWebhook = 1 << 20

// receive records a webhook and answers with the status that AnswerWebhooks set.
func (p *Party) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxWebhook))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var message struct {
		Token string `json:"token"`
	}
	// The webhook is recorded even if it is malformed.
	_ = json.Unmarshal(body, &message)

	p.mu.Lock()
	n, answer := len(p.webhooks), p.answer
	p.webhooks = append(p.webhooks, Webhook{
		Token: message.Token, Header: r.Header.Clone(), Body: body, At: time.Now(),
	})
	close(p.arrived)
	p.arrived = make(chan struct{})
	p.mu.Unlock()

	status := answer(n)

	p.mu.Lock()
	p.webhooks[n].Status = status
	p.mu.Unlock()
	w.WriteHeader(status)
}
