package control

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/fault"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/httpx"
)

// RequestRow is a request in a list.
type RequestRow struct {
	RequestID string        `json:"request_id"`
	State     request.State `json:"state"`
	ClientID  string        `json:"client_id"`
	DocName   string        `json:"doc_name"`
	CreatedAt time.Time     `json:"created_at"`
}

// maxListed is the most requests of one answer.
const maxListed = 1000

// list answers GET /requests with the newest requests first.
func (c *API) list(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	f := request.Filter{
		ClientID: q.Get("client_id"), State: request.State(q.Get("state")), Text: q.Get("text"),
		Limit: 100,
	}
	if f.State != "" && !slices.Contains(request.States(), f.State) {
		return errNoState
	}
	var err error
	if f.Limit, err = limitOf(q, f.Limit); err != nil {
		return err
	}
	page, err := c.Requests.List(r.Context(), c.Lister, f)
	if err != nil {
		return err
	}
	if len(page.Requests) == 0 {
		if err := c.known(r.Context(), f.ClientID, ""); err != nil {
			return err
		}
	}
	rows := []RequestRow{}
	for _, r := range page.Requests {
		rows = append(rows, RequestRow{r.ID, r.State, r.ClientID, r.DocName, r.CreatedAt})
	}
	httpx.WriteJSON(w, http.StatusOK, map[string]any{"requests": rows})
	return nil
}

// limitOf returns the parameter limit, or usual without it.
func limitOf(q url.Values, usual int) (int, error) {
	text := q.Get("limit")
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxListed {
		return 0, api.ErrClientSide(`"limit" must be a number from 1 to 1000`)
	}
	return n, nil
}

// calls answers GET /calls with the newest calls first. With the id of the last one as the
// parameter before, the next answer goes on from there.
func (c *API) calls(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	f := calllog.Filter{
		Party: q.Get("client_id"), Kind: calllog.Kind(q.Get("call")),
	}
	if f.Kind != "" && !slices.Contains(calllog.Kinds(), f.Kind) {
		return api.ErrClientSide(fmt.Sprintf(`"call" must be one of %v`, calllog.Kinds()))
	}
	var err error
	if f.Refused, err = httpx.Flag(q, "refused"); err != nil {
		return err
	}
	if f.Limit, err = limitOf(q, 100); err != nil {
		return err
	}
	if text := q.Get("before"); text != "" {
		if f.Before, err = strconv.ParseInt(text, 10, 64); err != nil {
			return api.ErrClientSide(`"before" must be the id of a call`)
		}
	}
	if err := c.Recorder.Flush(r.Context()); err != nil {
		return err
	}
	list, err := c.CallStore.Calls(r.Context(), f)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		if err := c.known(r.Context(), f.Party, ""); err != nil {
			return err
		}
	}
	httpx.WriteJSON(w, http.StatusOK, map[string]any{"calls": append([]calllog.Record{}, list...)})
	return nil
}

var errNoState = api.ErrClientSide(
	`a state is created, locked, session, sealing, stalled, signed, expired or cancelled`,
)

// await returns when the request is in one of the states that the parameter wait lists, or after
// the timeout, whatever its state is then. Without the parameter it returns at once.
func (c *API) await(w http.ResponseWriter, r *http.Request, id string) error {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return nil
	}
	var states []request.State
	for name := range strings.SplitSeq(text, ",") {
		if !slices.Contains(request.States(), request.State(name)) {
			return errNoState
		}
		states = append(states, request.State(name))
	}
	ctx, cancel, err := waiting(w, r)
	if err != nil {
		return err
	}
	defer cancel()
	changed, stop := c.Requests.Watcher.Watch(id)
	defer stop()
	for {
		req, err := c.Requests.Get(context.WithoutCancel(ctx), id)
		if err != nil || slices.Contains(states, req.State) || ctx.Err() != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		case <-time.After(250 * time.Millisecond): // time changes a state without a signal
		}
	}
}

// resend sends the webhook of a signed request once more, after a delivery in progress, and answers
// when it was tried.
func (c *API) resend(w http.ResponseWriter, r *http.Request) error {
	if err := c.Worker.Drain(r.Context()); err != nil {
		return err
	}
	if err := c.Requests.Resend(r.Context(), r.PathValue("request_id"), "control"); err != nil {
		return notFound(err)
	}
	if err := c.Worker.Drain(r.Context()); err != nil {
		return err
	}
	return c.show(w, r)
}

// PartyView is a relying party as the control listener shows it.
type PartyView struct {
	ClientID    string `json:"client_id"`
	Name        string `json:"name"`
	JWKSURL     string `json:"jwks_url,omitempty"`
	RedirectURL string `json:"redirect_url"`
	WebhookURL  string `json:"webhook_url,omitempty"`
	Disabled    bool   `json:"disabled"`
	Problem     string `json:"problem,omitempty"` // for which the party's calls are refused
	Keys        string `json:"keys,omitempty"`    // which keys are cached, and how old they are
}

// parties answers GET /parties.
func (c *API) parties(w http.ResponseWriter, _ *http.Request) error {
	list := []PartyView{}
	for _, p := range c.Parties.All() {
		v := PartyView{
			ClientID: p.ClientID, Name: p.Name, JWKSURL: party.ShownURL(p.JWKSURL),
			RedirectURL: party.ShownURL(p.RedirectURL), WebhookURL: party.ShownURL(p.WebhookURL),
			Disabled: p.Disabled, Keys: c.Keys.Offered(p),
		}
		if p.Problem != nil {
			v.Problem = p.Problem.Error()
		}
		list = append(list, v)
	}
	httpx.WriteJSON(w, http.StatusOK, map[string]any{"parties": list})
	return nil
}

// reset lets all clocks show the machine's time, leaves the faults of the configuration only, and
// empties the queue of signers and the inbox; or does that for one relying party. Requests stay.
func (c *API) reset(w http.ResponseWriter, r *http.Request) error {
	if id := r.URL.Query().Get("client_id"); id != "" {
		return c.resetParty(w, r, id)
	}
	c.Clock.Reset()
	err := c.resetClocks(r.Context())
	if failed := c.Clocks.save(); err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	c.Faults.Restart()
	c.Signers.empty("")
	c.inbox.mu.Lock()
	c.inbox.parties = nil
	c.inbox.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// resetParty has the clocks of a relying party show the sandbox's time again, and removes the
// faults, the plans of signers and the received webhooks that are for it alone. Those of others,
// and what is for all, stay.
func (c *API) resetParty(w http.ResponseWriter, r *http.Request, clientID string) error {
	ctx := r.Context()
	err := c.Worker.WhileIdle(ctx, func() error {
		return c.change(ctx, ClockChange{Reset: true, ClientID: ID(clientID)})
	})
	if failed := c.Clocks.save(); err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	hanging := map[string]bool{}
	err = c.ofParty(ctx, clientID, func(r *request.Request) error {
		if r.Session != nil {
			hanging[r.Session.ID] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.Faults.RestartFor(func(rule fault.Rule) bool {
		if rule.RequestID == "" {
			return rule.ClientID == clientID
		}
		of, err := c.Requests.Get(ctx, rule.RequestID)
		return err == nil && of.ClientID == clientID
	}, hanging)
	c.Signers.empty(clientID)
	c.inbox.mu.Lock()
	delete(c.inbox.parties, clientID)
	c.inbox.mu.Unlock()
	if err := c.Worker.Drain(ctx); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
