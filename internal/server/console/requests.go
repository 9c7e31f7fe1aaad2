package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // for zones that the machine does not know

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/ui"
)

// pageSize is the number of requests on a page of the list.
const pageSize = 50

// requests shows the list of requests.
func (c *Console) requests(w http.ResponseWriter, r *http.Request) error {
	page, filter := c.asked(r.URL.Query())
	ctx, cancel := context.WithTimeout(r.Context(), pageTimeout)
	defer cancel()
	var err error
	if page.States, err = c.states(ctx, page.Filter, filter); err != nil {
		return err
	}
	// A page before another one is the head of the list in the opposite order.
	back := r.URL.Query().Get("back") != ""
	filter.OldestFirst = filter.OldestFirst != back
	list, err := c.Requests.List(ctx, c.Lister, filter)
	switch {
	case err == nil:
	case r.Context().Err() == nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		page.Problem, page.Follow = "The search took too long. Narrow it by relying party or time.", false
	default:
		return err
	}
	for _, req := range list.Requests {
		page.Rows = append(page.Rows, c.row(r.Context(), req))
	}
	page.CSVURL = consoleURL(page.Filter.Query(), "requests.csv")
	if !list.First.IsZero() {
		beside := func(at request.Cursor, back bool) string {
			q := page.Filter.Query()
			q.Set("before", at.String())
			if back {
				q.Set("back", "1")
			}
			return consoleURL(q, "requests")
		}
		if back {
			list.First, list.Last = list.Last, list.First
			slices.Reverse(page.Rows)
		}
		if !filter.Before.IsZero() && (!back || list.More) {
			page.FirstURL = page.Filter.URL()
			page.PreviousURL = beside(list.First, true)
		}
		if back || list.More {
			page.NextURL = beside(list.Last, false)
		}
	}
	page.Parties = c.partyChoices(page.Filter.Party)
	return c.show(w, r, page)
}

// sorts are the columns by which the list can be grouped, as the query names them.
var sorts = map[string]request.Sort{"state": request.SortState, "party": request.SortClient}

// asked reads the list's query. It ignores values that it cannot parse, and page.Problem says so.
func (c *Console) asked(q url.Values) (page Requests, filter request.Filter) {
	page.Filter = Filter{
		State: q.Get("state"), Party: q.Get("party"), From: q.Get("from"), To: q.Get("to"),
		Text: strings.TrimSpace(q.Get("q")), OldestFirst: q.Get("order") == "oldest",
		Zone: q.Get("zone"), Sort: sorts[q.Get("sort")],
	}
	f := &page.Filter
	if !slices.Contains(request.States(), request.State(f.State)) {
		f.State = ""
	}
	zone := c.Kit.Location()
	if f.Zone != "" {
		chosen, err := time.LoadLocation(f.Zone)
		if err != nil || f.Zone == "Local" {
			f.Zone = ""
		} else {
			zone = chosen
		}
	}
	from, to, ok := days(&f.From, &f.To, zone)
	if !ok {
		page.Problem = "The date is not valid, so it was ignored."
	}
	filter = request.Filter{
		ClientID: f.Party, State: request.State(f.State), Text: f.Text, Limit: pageSize,
		Sort: f.Sort, OldestFirst: f.OldestFirst, From: from, To: to,
	}
	if before, err := request.ParseCursor(q.Get("before")); err == nil {
		filter.Before = before
	}
	// Only the first page changes. A text search is too expensive to repeat.
	page.Follow = filter.Before.IsZero() && f.Text == "" && !f.OldestFirst && f.Sort == "" &&
		page.Problem == ""
	return page, filter
}

// days parses the first and the last of a range of days, each of which may be "". It returns the
// times at which the range begins and ends, empties what it cannot parse, and reports whether there
// was none.
func days(first, last *string, zone *time.Location) (from, to time.Time, ok bool) {
	ok = true
	day := func(text *string) time.Time {
		at, err := time.ParseInLocation(time.DateOnly, *text, zone)
		if err != nil {
			ok, *text = ok && *text == "", ""
		}
		return at
	}
	from = day(first)
	if to = day(last); *last != "" {
		to = to.AddDate(0, 0, 1) // includes the last day
	}
	return from, to, ok
}

// countTimeout bounds the count of a search. No index has the states of a relying party's requests
// or a text, so the database reads every request that the other filters leave.
const countTimeout = 500 * time.Millisecond

// countLimit is the most of a state's requests that are counted, so that a page does not become
// slower with the number of stored requests.
const countLimit = 10_000

// states returns the list's states, "all" first, with the number of requests that match the
// filter's relying party, text and times. There are no numbers if counting them takes too long.
func (c *Console) states(ctx context.Context, asked Filter, f request.Filter) ([]State, error) {
	short, cancel := ctx, func() {}
	if f.ClientID != "" || f.Text != "" {
		short, cancel = context.WithTimeout(ctx, countTimeout)
	}
	defer cancel()
	limit := 0
	if f.ClientID == "" && f.Text == "" {
		limit = countLimit + 1
	}
	counts, err := c.Lister.Count(short, request.Filter{
		ClientID: f.ClientID, Text: f.Text, From: f.From, To: f.To, Limit: limit,
	})
	uncounted := err != nil && ctx.Err() == nil && errors.Is(short.Err(), context.DeadlineExceeded)
	if err != nil && !uncounted {
		return nil, err
	}
	current := asked.State
	asked.State = ""
	list := []State{{URL: asked.URL(), Current: current == "", Uncounted: uncounted}}
	for _, s := range request.States() {
		asked.State = string(s)
		n, more := counts[s], limit > 0 && counts[s] == limit
		if more {
			n = countLimit
		}
		list = append(list, State{
			State: string(s), N: n, More: more, Uncounted: uncounted, URL: asked.URL(),
			Current: current == string(s),
		})
		list[0].N += n
		list[0].More = list[0].More || more
	}
	return list, nil
}

// row returns a request as the list shows it.
func (c *Console) row(ctx context.Context, r *request.Request) Row {
	row := Row{
		ID: r.ID, Party: c.partyName(ctx, r.ClientID), Document: r.DocName, State: string(r.State),
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt,
	}
	if r.Signer != nil {
		row.Signer = ui.Person{Name: r.Signer.Name, Hint: r.Signer.Hint()}
	}
	return row
}

// partyChoices returns the registered relying parties, and the chosen one if it is no longer
// registered.
func (c *Console) partyChoices(chosen string) []ui.Choice {
	list := []ui.Choice{{Label: "All"}}
	for _, p := range c.Parties.All() {
		list = append(list, ui.Choice{Value: p.ClientID, Label: p.Name})
	}
	if chosen != "" &&
		!slices.ContainsFunc(list, func(p ui.Choice) bool { return p.Value == chosen }) {
		list = append(list, ui.Choice{Value: chosen, Label: chosen})
	}
	return list
}
