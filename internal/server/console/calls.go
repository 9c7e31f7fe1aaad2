package console

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/ui"
)

// calls shows the list of relying parties' calls.
func (c *Console) calls(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	page := Calls{
		Filter: CallFilter{
			Party: q.Get("party"), Kind: q.Get("call"), Refused: q.Get("refused") != "",
			Code: strings.ToUpper(strings.TrimSpace(q.Get("code"))),
		},
		Recorded: string(c.Recorder.Mode()),
		Codes:    refusalCodes(),
		Kinds:    []ui.Choice{{Label: "All"}},
	}
	f := &page.Filter
	if !slices.Contains(calllog.Kinds(), calllog.Kind(f.Kind)) {
		f.Kind = ""
	}
	number := func(name string) int64 {
		n, err := strconv.ParseInt(q.Get(name), 10, 64)
		if err != nil {
			return 0
		}
		return max(n, 0)
	}
	before, after := number("before"), number("after")
	if err := c.Recorder.Flush(r.Context()); err != nil {
		return err
	}
	list, err := c.Calls.Calls(r.Context(), calllog.Filter{
		Party: f.Party, Kind: calllog.Kind(f.Kind), Refused: f.Refused, Code: f.Code,
		Before: before, After: after,
		Limit: pageSize + 1,
	})
	if err != nil {
		return err
	}
	more := len(list) > pageSize
	list = list[:min(len(list), pageSize)]
	if after > 0 { // the page before another one is read from its end
		slices.Reverse(list)
	}
	beside := func(name string, id int64) string {
		q := f.Query()
		q.Set(name, strconv.FormatInt(id, 10))
		return consoleURL(q, "calls")
	}
	if len(list) > 0 && (after > 0 || more) {
		page.OlderURL = beside("before", list[len(list)-1].ID)
	}
	if len(list) > 0 && (before > 0 || after > 0 && more) {
		page.NewerURL = beside("after", list[0].ID)
	}
	if before > 0 || after > 0 {
		page.NewestURL = f.URL()
	}
	page.Follow = before == 0 && after == 0
	for _, rec := range list {
		page.Rows = append(page.Rows, c.shownCall(r.Context(), rec))
	}
	for _, kind := range calllog.Kinds() {
		page.Kinds = append(
			page.Kinds, ui.Choice{Value: string(kind), Label: "console.call." + string(kind)},
		)
	}
	page.Parties = c.partyChoices(f.Party)
	return c.show(w, r, page)
}

// refusalCodes are the codes that the list can be searched for: those of the relying parties'
// calls, and that of a webhook.
func refusalCodes() []string {
	return []string{
		api.CodeUnauthorized, api.CodeClientSide, api.CodeActiveSession, api.CodeAlreadySigned,
		api.CodeAlreadyCancelled, api.CodeNotSigned, api.CodeExpired, api.CodeCancelled,
		api.CodeSignedAccessExpired, api.CodeTooManyRequests, api.CodeServerSide,
		api.CodeUnavailable, "NOT_DELIVERED",
	}
}

// call shows one call.
func (c *Console) call(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		return api.ErrNoRecord
	}
	list, err := c.Calls.Calls(r.Context(), calllog.Filter{ID: id, Limit: 1})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return api.ErrNoRecord
	}
	return c.show(w, r, CallPage{Call: c.shownCall(r.Context(), list[0])})
}

// recordCancel records a cancel from the console as if the relying party had called.
func (c *Console) recordCancel(r *request.Request, operator string, took time.Duration, err error) {
	if !c.Recorder.Wants(err != nil) {
		return
	}
	rec := calllog.Record{
		Took: took, Kind: calllog.Cancel, Party: r.ClientID, Authentic: true, By: operator,
		RequestID: r.ID,
	}
	if refusal, reason := httpx.Refusal(err); refusal != nil {
		rec.Error, rec.Description, rec.Reason = refusal.Code, refusal.Description, reason
	}
	c.Recorder.Record(rec, "")
}

// shownCall returns a record as pages show it.
func (c *Console) shownCall(ctx context.Context, r calllog.Record) Call {
	out := Call{
		ID: r.ID, At: r.At, Took: r.Took, Kind: string(r.Kind), ClientID: r.Party,
		Claimed: r.Claimed, Authentic: r.Authentic, By: r.By,
		RequestID: r.RequestID, Attempt: r.Attempt, Status: r.Status, Code: r.Error,
		Description: PlainText(r.Description), Reason: PlainText(r.Reason),
	}
	if r.Diagnosis != nil {
		out.Remedy = r.Diagnosis.Remedy
	}
	for _, check := range r.Checks() {
		out.Checks = append(out.Checks, CheckOfCall{
			string(check.Check), check.Result, check.Expected, check.Got,
		})
	}
	if r.Party != "" {
		out.Party = c.partyName(ctx, r.Party)
	}
	if t := r.Token; t != nil {
		out.Token = &Token{
			Header: httpx.Pretty(string(t.Header)), Claims: httpx.Pretty(string(t.Claims)),
			Signature: t.Signature,
			Problem:   t.Problem, Times: c.tokenTimes(t.Claims, r.At),
		}
	}
	return out
}

// tokenTimes returns the iat and exp of a token as times, relative to the time of the call.
func (c *Console) tokenTimes(claims json.RawMessage, at time.Time) (out []Detail) {
	var times struct {
		Iat any `json:"iat"`
		Exp any `json:"exp"`
	}
	if json.Unmarshal(claims, &times) != nil {
		return nil
	}
	for _, claim := range []struct {
		name  string
		value any
	}{{"iat", times.Iat}, {"exp", times.Exp}} {
		seconds, ok := claim.value.(float64)
		if !ok || seconds < 0 || seconds > 1e11 {
			continue
		}
		when := time.Unix(int64(seconds), 0)
		text := " after the call"
		d := when.Sub(at).Round(time.Millisecond)
		if d < 0 {
			d, text = -d, " before the call"
		}
		out = append(out, Detail{Name: claim.name, At: when, Value: Took(d) + text})
	}
	return out
}

// callEvents maps the kind of a call to the kind of event that the call adds to the trail if it is
// accepted. A webhook attempt adds its event also if it fails.
var callEvents = map[calllog.Kind]request.EventKind{
	calllog.Initiate: request.EventInitiated, calllog.Cancel: request.EventCancelled,
	calllog.Result:   request.EventResult,
	calllog.Download: request.EventDownloaded, calllog.Webhook: request.EventWebhook,
}

// timeline merges the trail and the calls. A call that added an event is shown with that event;
// every other call is an entry of its own.
func (c *Console) timeline(
	ctx context.Context, r *request.Request, events []request.Event, records []calllog.Record,
) []Event {
	trail := make([]Event, len(events))
	for i, e := range events {
		trail[i] = c.timelineEvent(r, e)
	}
	var alone []Event
	for _, rec := range records {
		shown := c.shownCall(ctx, rec)
		if i := eventOf(rec, events, trail); i >= 0 {
			trail[i].Call = &shown
			continue
		}
		alone = append(alone, Event{
			Call: &shown, At: rec.At, Since: max(0, rec.At.Sub(r.CreatedAt)),
			Kind: string(rec.Kind), Tone: shown.Tone(),
		})
	}
	var list []Event
	for _, e := range trail { // in the trail's order, because nodes' clocks may differ
		for len(alone) > 0 && alone[0].At.Before(e.At) {
			list, alone = append(list, alone[0]), alone[1:]
		}
		list = append(list, e)
	}
	return append(list, alone...)
}

// eventOf returns the index of the event that a call added: the first event of the right kind that
// was written while the call ran and has no call yet. It returns -1 if there is none.
func eventOf(rec calllog.Record, events []request.Event, trail []Event) int {
	if rec.Refused() && rec.Kind != calllog.Webhook {
		return -1
	}
	const slack = time.Second // allows for two clocks, and for what a call does after its operation
	for i, e := range events {
		if e.Kind == callEvents[rec.Kind] && trail[i].Call == nil &&
			!e.At.Before(rec.At.Add(-slack)) && !e.At.After(rec.At.Add(rec.Took+slack)) &&
			(rec.Kind != calllog.Webhook || e.Detail.Attempt == strconv.Itoa(rec.Attempt)) &&
			(rec.Kind != calllog.Cancel || e.Detail.By == rec.By) {
			return i
		}
	}
	return -1
}
