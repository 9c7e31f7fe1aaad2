package control

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/limit"
)

// Received is a webhook that the control listener received for a relying party without a server of
// its own.
type Received struct {
	At    time.Time `json:"at"`
	Token string    `json:"token"` // as sent: verify it with the keys of the service
	Body  string    `json:"body"`
}

// Bounds of the inbox: webhooks of one party, their bytes, and parties.
const (
	maxReceived        = 100
	maxReceivedBytes   = 64 << 10
	maxReceivedParties = 1000
)

// inbox keeps received webhooks in memory. The zero inbox is empty.
type inbox struct {
	mu      sync.Mutex
	parties map[string][]Received
	arrived chan struct{} // closed and replaced when a webhook arrives; nil before the first wait
}

// receive answers POST /webhooks/{client_id}, which a relying party registers as its webhook URL.
func (c *API) receive(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReceivedBytes))
	if err != nil {
		return api.ErrClientSide("The webhook cannot be read").Because("%w", err)
	}
	var hook api.Webhook
	_ = json.Unmarshal(body, &hook) // Body has what is not a webhook
	id := r.PathValue("client_id")
	b := &c.inbox
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.parties == nil || len(b.parties) >= maxReceivedParties {
		b.parties = map[string][]Received{}
	}
	list := append(b.parties[id], Received{c.Clock.Now().UTC(), hook.Token, string(body)})
	b.parties[id] = list[max(0, len(list)-maxReceived):]
	if b.arrived != nil {
		close(b.arrived)
		b.arrived = nil
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// received answers GET /webhooks/{client_id} with the webhooks of a party, oldest first. With the
// parameter wait it answers when there are so many, or after the timeout.
func (c *API) received(w http.ResponseWriter, r *http.Request) error {
	n := 0
	if text := r.URL.Query().Get("wait"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 0 || n > maxReceived {
			return api.ErrClientSide(`"wait" must be a number of webhooks`)
		}
	}
	ctx, cancel, err := waiting(w, r)
	if err != nil {
		return err
	}
	defer cancel()
	b := &c.inbox
	for {
		b.mu.Lock()
		list := append([]Received{}, b.parties[r.PathValue("client_id")]...)
		if b.arrived == nil {
			b.arrived = make(chan struct{})
		}
		arrived := b.arrived
		b.mu.Unlock()
		if len(list) >= n || ctx.Err() != nil {
			httpx.WriteJSON(w, http.StatusOK, map[string]any{"webhooks": list})
			return nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
		}
	}
}

// clearReceived answers DELETE /webhooks/{client_id}.
func (c *API) clearReceived(w http.ResponseWriter, r *http.Request) error {
	c.inbox.mu.Lock()
	delete(c.inbox.parties, r.PathValue("client_id"))
	c.inbox.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// waiting returns the context of a call that waits, which ends after the parameter timeout: 30 s
// unless it says something else, and at most 4 min.
func waiting(w http.ResponseWriter, r *http.Request) (context.Context, context.CancelFunc, error) {
	const usual, most = 30 * time.Second, 4 * time.Minute
	timeout := usual
	if text := r.URL.Query().Get("timeout"); text != "" {
		var err error
		if timeout, err = time.ParseDuration(text); err != nil || timeout < 0 || timeout > most {
			return nil, nil, api.ErrClientSide(`"timeout" must be a duration of at most 4m`)
		}
	}
	limit.EndTurn(w)
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	return ctx, cancel, nil
}
