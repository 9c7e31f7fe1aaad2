package console

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
)

// newest is the number of signatures in the chart of sealing times.
const newest = 200

// mostRoutes is the number of routes that the overview shows; /metrics has all.
const mostRoutes = 12

// overview shows the first page.
func (c *Console) overview(w http.ResponseWriter, r *http.Request) error {
	states, err := c.states(r.Context(), Filter{}, request.Filter{})
	if err != nil {
		return err
	}
	page := Overview{States: states[1:], Total: states[0].N, More: states[0].More, Follow: true}
	signed, err := c.Requests.List(
		r.Context(), c.Lister, request.Filter{State: request.StateSigned, Limit: newest},
	)
	if err != nil {
		return err
	}
	page.Sealing, page.SealedOf, page.SealedMedian = sealing(signed.Requests)
	if err := c.attention(r.Context(), &page); err != nil {
		return err
	}
	if c.Control != nil {
		if err := c.control(r, http.MethodGet, "/changes", nil, &page); err != nil {
			return err
		}
	}
	if page.Timeline, err = c.recentHours(r.Context()); err != nil {
		return err
	}
	m, err := c.Metrics()
	if err != nil {
		return err
	}
	if bars := sealingBars(m.Sealing); bars != nil {
		page.Sealing, page.SealingSince = bars, true
	}
	routes := slices.DeleteFunc(m.Routes, func(r Route) bool { return !r.works() })
	page.Routes = ScaledRoutes(routes[:min(mostRoutes, len(routes))])
	for _, s := range []struct {
		status request.JobStatus
		tone   string
	}{{request.JobDone, "good"}, {request.JobPending, "busy"}, {request.JobFailed, "bad"}} {
		page.Webhooks = append(page.Webhooks, Bar{
			Label: "console.webhooks." + string(s.status), Tone: s.tone,
			N: m.Webhooks[string(s.status)],
		})
	}
	page.Webhooks = Scaled(page.Webhooks)
	return c.show(w, r, page)
}

// attention lists what an operator should look at.
func (c *Console) attention(ctx context.Context, page *Overview) error {
	_, failed, err := c.Requests.Outbox.Failed(ctx, request.FailedFilter{Kind: request.JobWebhook})
	if err != nil {
		return err
	}
	receivers, err := c.Registrar.Store.Receivers(ctx)
	if err != nil {
		return err
	}
	receivers = slices.DeleteFunc(
		receivers, func(r party.Receiver) bool { return r.PausedAt.IsZero() },
	)
	if n := len(receivers); n > 0 {
		page.Attention = append(
			page.Attention, Attention{"console.attention.paused", n, "/console/webhooks"},
		)
	}
	if failed > 0 {
		page.Attention = append(
			page.Attention, Attention{"console.attention.webhooks", failed, "/console/webhooks"},
		)
	}
	for _, s := range page.States {
		if s.State == string(request.StateStalled) && s.N > 0 {
			page.Attention = append(
				page.Attention, Attention{"console.attention.stalled", s.N, s.URL},
			)
		}
	}
	return nil
}

// hours is the number of hours that the overview's timeline shows.
const hours = 24

// recentHours counts the requests of the last hours by what became of them.
func (c *Console) recentHours(ctx context.Context) ([]Hour, error) {
	from := c.Now().Truncate(time.Hour).Add((1 - hours) * time.Hour)
	counts, err := c.Lister.Timeline(ctx, from, time.Hour, hours)
	if err != nil {
		return nil, err
	}
	list := make([]Hour, len(counts))
	for i, byState := range counts {
		h := Hour{At: from.Add(time.Duration(i) * time.Hour)}
		for state, n := range byState {
			switch {
			case state.Signed():
				h.Signed += n
			case state.Final():
				h.Ended += n
			default:
				h.Open += n
			}
		}
		list[i] = h
	}
	return ScaledHours(list), nil
}

// sealingBars returns the chart of the metrics' sealing times, or nil if the program has sealed
// nothing since it started.
func sealingBars(list []Sealing) (bars []Bar) {
	var all uint64
	for _, s := range list {
		bar := Bar{Text: "longer", N: s.N}
		if s.UpTo > 0 {
			bar.Text = "up to " + short(s.UpTo)
		}
		bars = append(bars, bar)
		all += s.N
	}
	if all == 0 {
		return nil
	}
	return Scaled(bars)
}

// sealing counts signed requests by how long their sealing took. The times are stored with the
// requests, so the median and this chart are available right after a restart, before the metrics
// are.
func sealing(signed []*request.Request) (bars []Bar, n int, median time.Duration) {
	limits := []time.Duration{
		100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
		5 * time.Second,
	}
	for _, l := range limits {
		bars = append(bars, Bar{Text: "up to " + short(l)})
	}
	bars = append(bars, Bar{Text: "longer"})
	var took []time.Duration
	for _, r := range signed {
		if r.Signed == nil || r.Approval == nil {
			continue
		}
		d := r.Signed.At.Sub(r.Approval.At)
		took = append(took, d)
		i, _ := slices.BinarySearch(limits, d)
		bars[i].N++
	}
	if len(took) == 0 {
		return nil, 0, 0
	}
	slices.Sort(took)
	return Scaled(bars), len(took), took[len(took)/2]
}

func short(d time.Duration) string {
	if d%time.Second == 0 {
		return d.String()[:len(d.String())-1] + " s"
	}
	return Took(d)
}
