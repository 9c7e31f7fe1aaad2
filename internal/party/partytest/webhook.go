package partytest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Webhook is one webhook as it arrived.
type Webhook struct {
	Token  string // of the body; empty when the body is not as the contract says
	Header http.Header
	Body   []byte
	At     time.Time // by the machine's clock
	Status int       // what the party answered; 0 as long as it has not
}

// AnswerWebhooks lets the function choose the status of the n-th webhook, counted from 0 over the
// party's life. It may block to be slow, but not the party's other methods.
func (p *Party) AnswerWebhooks(status func(n int) int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = status
}

// Webhooks returns the webhooks that have arrived until now, oldest first.
func (p *Party) Webhooks() []Webhook {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Webhook(nil), p.webhooks...)
}

// WaitWebhook returns the n-th webhook, counted from 0, as soon as it has arrived.
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

// maxWebhook bounds what is kept of one webhook, in bytes.
const maxWebhook = 1 << 20

// receive records a webhook and answers as the party was told to.
func (p *Party) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxWebhook))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var message struct {
		Token string `json:"token"`
	}
	// recorded as it is; whether it is right is for the test to judge
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
