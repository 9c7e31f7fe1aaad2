package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
)

// failedShown is the number of failed webhooks that their page shows.
const failedShown = 200

// webhooks shows the webhooks that were not delivered, and the receivers that fail.
func (c *Console) webhooks(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	page := Webhooks{
		WebhookFilter: WebhookFilter{Party: q.Get("party"), From: q.Get("from"), To: q.Get("to")},
		Resumed:       q.Get("resumed") != "",
	}
	page.Sent, _ = strconv.Atoi(q.Get("sent"))
	filter := c.failedFilter(&page.WebhookFilter)
	filter.Limit = failedShown
	jobs, all, err := c.Requests.Outbox.Failed(r.Context(), filter)
	if err != nil {
		return err
	}
	page.All = all
	page.Parties = c.partyChoices(page.Party)
	for _, j := range jobs {
		req, err := c.Requests.Get(r.Context(), j.RequestID)
		if errors.Is(err, api.ErrNoRecord) {
			continue
		}
		if err != nil {
			return err
		}
		page.Rows = append(page.Rows, FailedWebhook{
			Row: c.row(r.Context(), req), Attempts: j.Attempts,
			Error: PlainText(j.LastError), At: j.DueAt,
		})
	}
	receivers, err := c.Registrar.Store.Receivers(r.Context())
	if err != nil {
		return err
	}
	for _, rec := range receivers {
		if rec.HeldUntil.IsZero() && rec.PausedAt.IsZero() {
			continue
		}
		page.Receivers = append(page.Receivers, Receiver{
			Party: c.partyName(r.Context(), rec.ClientID), ClientID: rec.ClientID,
			Failures: rec.Failures, Since: rec.Since, HeldUntil: rec.HeldUntil,
			PausedAt: rec.PausedAt,
		})
	}
	return c.show(w, r, page)
}

// failedFilter returns the filter of failed webhooks. It empties what it cannot parse.
func (c *Console) failedFilter(f *WebhookFilter) request.FailedFilter {
	from, to, _ := days(&f.From, &f.To, c.Kit.Location())
	return request.FailedFilter{
		Kind: request.JobWebhook, ClientID: f.Party, From: from, To: to,
	}
}

// resendAll makes the failed webhooks due now: those of one party or of a range of days, or all.
func (c *Console) resendAll(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), pageTimeout)
	defer cancel()
	asked := WebhookFilter{
		Party: r.PostFormValue("party"), From: r.PostFormValue("from"), To: r.PostFormValue("to"),
	}
	sent, err := c.Requests.ResendFailed(ctx, c.failedFilter(&asked), c.operator(r))
	if err != nil && (sent == 0 || ctx.Err() == nil) {
		return err
	}
	c.Log.InfoContext(
		ctx, "webhooks requested again from the console", "number", sent, "party", asked.Party,
		"by", c.operator(r),
	)
	q := asked.query()
	q.Set("sent", strconv.Itoa(sent))
	http.Redirect(w, r, consoleURL(q, "webhooks"), http.StatusSeeOther)
	return nil
}

// resume sends webhooks of a party again that were paused or held.
func (c *Console) resume(w http.ResponseWriter, r *http.Request) error {
	clientID := r.PostFormValue("party")
	err := c.Registrar.ResumeWebhooks(r.Context(), c.operator(r), clientID)
	switch {
	case errors.Is(err, party.ErrNotPaused): // the receiver or another operator was faster
	case err != nil:
		return err
	default:
		c.Log.InfoContext(
			r.Context(), "webhooks resumed from the console", "client_id", clientID, "by",
			c.operator(r),
		)
	}
	q := url.Values{"party": {clientID}, "resumed": {"1"}}
	http.Redirect(w, r, consoleURL(q, "webhooks"), http.StatusSeeOther)
	return nil
}
