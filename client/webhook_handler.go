package client

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"

	"github.com/signet-sign/signet/api"
)

// remembered is the number of requests whose webhooks a handler knows to have been handled.
const remembered = 10_000

// WebhookHandler serves your webhook URL. It calls signed once for each request that was signed,
// and answers repeated webhooks of the last 10,000 requests by itself. If signed returns an error,
// the answer is 500, and the webhook comes again; so it has to return within two seconds, and to
// leave long work, such as the download, to another goroutine. What it remembers does not survive
// the process: signed should look up whether RequestID is done.
func (c *Client) WebhookHandler(
	signed func(ctx context.Context, claims *api.WebhookClaims) error,
) http.Handler {
	h := &webhookHandler{client: c, signed: signed, done: map[string]bool{}}
	return h
}

type webhookHandler struct {
	client *Client
	signed func(context.Context, *api.WebhookClaims) error

	mu    sync.Mutex
	done  map[string]bool // by request id; false: it is being handled
	order []string        // of the ids that are done, the oldest first
}

func (h *webhookHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	claims, err := h.client.VerifyWebhook(r.Context(), r)
	switch {
	case errors.Is(err, ErrInvalidWebhook):
		w.WriteHeader(http.StatusBadRequest)
		return
	case err != nil:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	done, begun := h.begin(claims.RequestID)
	switch {
	case done:
		w.WriteHeader(http.StatusNoContent)
		return
	case !begun: // the first webhook is being handled, and may fail
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	err = errors.New("panic")
	defer func() { h.end(claims.RequestID, err == nil) }()
	if err = h.signed(r.Context(), claims); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// begin reports whether the request's webhook was handled, or else whether the caller is to do it.
func (h *webhookHandler) begin(id string) (done, begun bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	done, known := h.done[id]
	if !known {
		h.done[id] = false
	}
	return done, !known
}

func (h *webhookHandler) end(id string, handled bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !handled {
		delete(h.done, id)
		return
	}
	h.done[id] = true
	h.order = append(h.order, id)
	if len(h.order) > remembered {
		delete(h.done, h.order[0])
		h.order = slices.Delete(h.order, 0, 1)
	}
}
