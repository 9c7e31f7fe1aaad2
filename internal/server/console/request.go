package console

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
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
	// Only the names that forms redirect with are message keys.
	if done := r.URL.Query().Get("done"); slices.Contains(
		[]string{"cancel", "resend", "seal", "abort"}, done,
	) {
		page.Answer = &Answer{Done: "console." + done + ".done"}
	}
	c.Kit.Show(w, r, c.Log, http.StatusOK, *page)
	return nil
}

// follow streams every change of the request, every new line of its trail and every new call to an
// open page.
func (c *Console) follow(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("request_id")
	return c.Streams.Serve(w, r, id, func(ctx context.Context) (httpx.Live, error) {
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
	c.Kit.Show(
		w, r, c.Log, http.StatusOK, Signatures{Row: page.Row, Verdict: ui.NewVerdict(report)},
	)
	return nil
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

// cancel cancels the request in its relying party's name.
func (c *Console) cancel(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("request_id")
	req, err := c.Requests.Get(r.Context(), id)
	if err != nil {
		return err
	}
	begin := time.Now()
	err = c.Requests.CancelFor(r.Context(), id, c.operator(r))
	c.recordCancel(req, c.operator(r), time.Since(begin), err)
	if err != nil {
		return c.refused(w, r, id, err)
	}
	c.Log.InfoContext(
		r.Context(), "cancelled from the console", "request_id", id, "by", c.operator(r),
	)
	c.done(w, r, id, "cancel")
	return nil
}

// resend makes the webhook due now.
func (c *Console) resend(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("request_id")
	if err := c.Requests.Resend(r.Context(), id, c.operator(r)); err != nil {
		return c.refused(w, r, id, err)
	}
	c.done(w, r, id, "resend")
	return nil
}

// sealAgain makes the sealing of the approved document due now.
func (c *Console) sealAgain(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("request_id")
	if err := c.Requests.SealAgain(r.Context(), id, c.operator(r)); err != nil {
		return c.refused(w, r, id, err)
	}
	c.done(w, r, id, "seal")
	return nil
}

// abort discards the phone's signature.
func (c *Console) abort(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("request_id")
	if err := c.Requests.Abort(r.Context(), id, c.operator(r)); err != nil {
		return c.refused(w, r, id, err)
	}
	c.Log.InfoContext(
		r.Context(), "aborted sealing from the console", "request_id", id, "by", c.operator(r),
	)
	c.done(w, r, id, "abort")
	return nil
}

func (c *Console) done(w http.ResponseWriter, r *http.Request, id, what string) {
	http.Redirect(w, r, RequestURL(id, "")+"?done="+what, http.StatusSeeOther)
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
		if !r.State.Signed() { // a signed document shows them itself
			page.Marks = append(page.Marks, Mark{l.Page, l.X, l.Y, i + 1})
		}
		page.Places = append(page.Places, fmt.Sprintf("page %d at %.4g, %.4g", l.Page, l.X, l.Y))
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
		request.EventCancelled,
		request.EventExpired,
		request.EventSessionEnded:
		return "bad"
	case request.EventProceeded, request.EventScanned:
		return "busy"
	}
	return ""
}
