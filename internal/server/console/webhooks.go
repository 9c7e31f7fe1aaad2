package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
)

// resendAtOnce is the number of webhooks that the page of failed ones shows, and that one post
// makes due.
const resendAtOnce = 200

// webhooks shows the webhooks that were not delivered.
func (c *Console) webhooks(w http.ResponseWriter, r *http.Request) error {
	jobs, all, err := c.Requests.Outbox.Failed(r.Context(), request.JobWebhook, resendAtOnce)
	if err != nil {
		return err
	}
	page := Webhooks{All: all, Party: r.URL.Query().Get("party")}
	page.Sent, _ = strconv.Atoi(r.URL.Query().Get("sent"))
	page.Parties = c.partyChoices(page.Party)
	for _, j := range jobs {
		req, err := c.Requests.Get(r.Context(), j.RequestID)
		if errors.Is(err, api.ErrNoRecord) {
			continue
		}
		if err != nil {
			return err
		}
		if page.Party != "" && req.ClientID != page.Party {
			continue
		}
		page.Rows = append(page.Rows, FailedWebhook{
			Row: c.row(r.Context(), req), Attempts: j.Attempts, Error: PlainText(j.LastError),
		})
	}
	c.Kit.Show(w, r, c.Log, http.StatusOK, page)
	return nil
}

// resendAll makes the failed webhooks due now: those of one party, or all, the newest first. The
// workers' quota keeps those of one party from delaying those of others.
func (c *Console) resendAll(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), pageTimeout)
	defer cancel()
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	party := r.PostFormValue("party")
	jobs, _, err := c.Requests.Outbox.Failed(ctx, request.JobWebhook, resendAtOnce)
	if err != nil {
		return err
	}
	sent := 0
	for _, j := range jobs {
		req, err := c.Requests.Get(ctx, j.RequestID)
		if err == nil && party != "" && req.ClientID != party {
			continue
		}
		if err == nil {
			err = c.Requests.Resend(ctx, j.RequestID, c.operator(r))
		}
		var refusal *api.Error // another operator or a worker was faster
		switch {
		case err == nil:
			sent++
		case !errors.As(err, &refusal):
			return err
		}
	}
	c.Log.InfoContext(
		ctx, "webhooks requested again from the console", "number", sent, "party", party, "by",
		c.operator(r),
	)
	q := url.Values{"sent": {strconv.Itoa(sent)}}
	if party != "" {
		q.Set("party", party)
	}
	http.Redirect(w, r, consoleURL(q, "webhooks"), http.StatusSeeOther)
	return nil
}
