package console

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/ui"
)

// request shows one request.
func (c *Console) request(w http.ResponseWriter, r *http.Request) error {
	page, err := c.about(r.Context(), r.PathValue("request_id"))
	if err != nil {
		return err
	}
	page.Follow = true
	if done := doneKey(r, "console.%s.done", "cancel", "resend", "seal", "abort"); done != "" {
		page.Answer = &Answer{Done: done}
	}
	return c.show(w, r, *page)
}

// follow streams every change of the request, every new line of its trail and every new call to an
// open page, until the operator's session is over.
func (c *Console) follow(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("request_id")
	return c.Streams.Serve(w, r, id, func(ctx context.Context) (httpx.Live, error) {
		if err := c.lasts(r); err != nil {
			return httpx.Live{}, err
		}
		req, err := c.Requests.Get(ctx, id)
		if err != nil {
			return httpx.Live{}, err
		}
		events, err := c.Requests.Store.Events(ctx, id)
		if err != nil {
			return httpx.Live{}, err
		}
		newest, err := c.Calls.Calls(ctx, calllog.Filter{RequestID: id, Limit: 1})
		if err != nil {
			return httpx.Live{}, err
		}
		live := httpx.LiveOf(req)
		live.Seq += int64(len(events)) // each count only grows, and so does the sum
		for _, rec := range newest {
			live.Seq += rec.ID
		}
		return live, nil
	})
}

// signatures explains what the signatures of the signed document prove now.
func (c *Console) signatures(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("request_id")
	page, err := c.about(r.Context(), id)
	if err != nil {
		return err
	}
	report, err := c.Requests.CheckSigned(r.Context(), id)
	if err != nil {
		return err
	}
	return c.show(w, r, Signatures{Row: page.Row, Verdict: ui.NewVerdict(report)})
}

// document sends the document, signed or as uploaded, and records that in the trail. It is sent
// whole, so that one look is one record.
func (c *Console) document(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("request_id")
	doc, req, err := c.Requests.Show(r.Context(), id, c.operator(r))
	if err != nil {
		return err
	}
	defer func() { _ = doc.Close() }()
	c.Log.InfoContext(r.Context(), "document shown", "request_id", id, "by", c.operator(r))
	r.Header.Del("Range")
	httpx.ServePDF(w, r, doc, httpx.PDF{Name: req.DocName})
	return nil
}

// actOn returns the handler of a form with which an operator does something to a request.
func (c *Console) actOn(
	name string, act func(ctx context.Context, id, by string) error,
) http.HandlerFunc {
	return c.handle(func(w http.ResponseWriter, r *http.Request) error {
		id := r.PathValue("request_id")
		if err := act(r.Context(), id, c.operator(r)); err != nil {
			return c.refused(w, r, id, err)
		}
		c.Log.InfoContext(
			r.Context(), "request changed from the console", "request_id", id, "act", name, "by",
			c.operator(r),
		)
		http.Redirect(w, r, RequestURL(id, "")+"?done="+name, http.StatusSeeOther)
		return nil
	})
}

// cancel cancels the request in its relying party's name, and records that as a call of the party.
func (c *Console) cancel(ctx context.Context, id, by string) error {
	r, err := c.Requests.Get(ctx, id)
	if err != nil {
		return err
	}
	begin := time.Now()
	err = c.Requests.CancelFor(ctx, id, by)
	c.recordCancel(r, by, time.Since(begin), err)
	return err
}

// refused shows the request with the refusal that a relying party would get.
func (c *Console) refused(w http.ResponseWriter, r *http.Request, id string, cause error) error {
	var refusal *api.Error
	if !errors.As(cause, &refusal) || errors.Is(cause, api.ErrNoRecord) {
		return cause
	}
	page, err := c.about(r.Context(), id)
	if err != nil {
		return err
	}
	page.Answer = &Answer{Code: refusal.Code, Description: refusal.Description}
	if active := (*request.ActiveSessionError)(nil); errors.As(cause, &active) {
		page.Answer.RetryAfter = int(math.Ceil(active.RetryAfter.Seconds()))
	}
	c.Kit.Show(w, r, c.Log, http.StatusConflict, *page)
	return nil
}

// about collects the page of a request.
func (c *Console) about(ctx context.Context, id string) (*Request, error) {
	r, err := c.Requests.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	events, err := c.Requests.Store.Events(ctx, id)
	if err != nil {
		return nil, err
	}
	jobs, err := c.Requests.Outbox.Jobs(ctx, id)
	if err != nil {
		return nil, err
	}
	page := &Request{
		Row: c.row(ctx, r), ClientID: r.ClientID, Intended: r.SignerHash != "",
		Outcome:     string(r.Outcome),
		CancelledAt: r.CancelledAt, File: file(r.Document), Signatures: r.Document.Signatures,
		MayRead: r.HasDocument() && operatorOf(ctx).role >= Operator,
	}
	for i, l := range r.Locations {
		page.Places = append(page.Places, Mark{l.Page, l.X, l.Y, i + 1})
	}
	if r.State.InSession() {
		page.SessionEndsAt, page.Scanned = r.Session.EndsAt, r.Session.Prepared != nil
	}
	if r.State.Signed() {
		page.Signed = signedDocument(r)
	}
	records, err := calllog.OfRequest(ctx, c.Calls, c.Recorder, id)
	if err != nil {
		return nil, err
	}
	page.Events = c.timeline(ctx, r, scrubbed(events), records)
	for _, j := range scrubbedJobs(jobs) {
		job := Job{
			Kind: string(j.Kind), Status: string(j.Status), Attempts: j.Attempts,
			LastError: PlainText(j.LastError), Running: j.Lease.After(c.Now()),
		}
		if j.Status == request.JobPending {
			job.DueAt = j.DueAt
		}
		page.Jobs = append(page.Jobs, job)
		page.CanResend = page.CanResend || j.Kind == request.JobWebhook
	}
	return page, nil
}

func file(d request.Document) File {
	return File{Size: d.Size, SHA256: hex.EncodeToString(d.SHA256), Pages: d.Pages}
}

func signedDocument(r *request.Request) *Signed {
	s := &Signed{
		At: r.Signed.At, Name: r.Signed.Name, Level: r.Signed.Level, File: file(r.Signed.Document),
	}
	if r.Approval != nil {
		s.Sealed = r.Signed.At.Sub(r.Approval.At)
		if cert, err := x509.ParseCertificate(r.Approval.Certificate); err == nil {
			s.Certificate = ui.CertificateOf(cert)
		}
	}
	return s
}

// timelineEvent returns an event as the page shows it.
func (c *Console) timelineEvent(r *request.Request, e request.Event) Event {
	out := Event{
		Seq: e.Seq, At: e.At, Since: max(0, e.At.Sub(r.CreatedAt)), Kind: string(e.Kind),
		Tone: tone(e),
	}
	for name, text := range e.Detail.Members() {
		value, when := *text, time.Time{}
		switch name {
		case "assertion":
			continue // for machines; it is in the evidence
		case "client_id":
			continue // the page shows the relying party
		case "ends_at":
			if at, err := time.Parse(time.RFC3339, value); err == nil {
				value, when = "", at
			}
		case "error", "reason":
			value = PlainText(value)
		case "seen":
			value = map[request.Seen]string{
				request.SeenViewer:    "every page, in the viewer",
				request.SeenElsewhere: "every page elsewhere, as the signer declares",
			}[request.Seen(value)]
		case "size":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				value = File{Size: n}.Bytes()
			}
		}
		if value != "" || !when.IsZero() {
			out.Detail = append(out.Detail, Detail{Name: name, Value: value, At: when})
		}
	}
	return out
}

// tone classifies an event for its colour: good, bad, busy or "".
func tone(e request.Event) string {
	switch e.Kind {
	case request.EventApproved, request.EventSigned, request.EventRenewed:
		return "good"
	case request.EventWebhook:
		if e.Detail.Error == "" {
			return "good"
		}
		return "bad"
	case request.EventApproveRefused,
		request.EventSealRetried,
		request.EventSealFailed,
		request.EventSealAborted,
		request.EventRenewFailed,
		request.EventSessionEnded:
		return "bad"
	case request.EventProceeded, request.EventScanned:
		return "busy"
	}
	return ""
}
