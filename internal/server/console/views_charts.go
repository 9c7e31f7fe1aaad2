package console

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/server/ui"
)

// Overview is the console's first page: counters and charts. A chart is a table that the server
// draws, with a bar in each row.
type Overview struct {
	Attention []Attention // what an operator should look at
	Changes   []string    // in what a sandbox differs from a new one, a sentence each
	Timeline  []Hour      // the last hours, oldest first
	States    []State     // without "all"
	Total     int
	More      bool // there are more than Total
	// Webhooks are the attempts by outcome; Routes are the busiest routes. Both count since the
	// process started.
	Webhooks []Bar
	Routes   []Route
	// Sealing counts the newest SealedOf signatures by how long they took from the approval to the
	// signed document. SealedMedian is the median of these times.
	Sealing      []Bar
	SealedOf     int
	SealedMedian time.Duration
	SealingSince bool // Sealing counts all signatures since the process started
	Follow       bool
}

func (p Overview) Meta() ui.Meta {
	return consoleMeta("console_overview", "console.overview.title")
}

// Attention is a number of things that an operator should look at: the message with the key Label,
// and the page that lists them.
type Attention struct {
	Label string
	N     int
	URL   string
}

// Hour counts the requests that were created in an hour by what became of them: signed; cancelled
// or expired; or neither yet.
type Hour struct {
	At                  time.Time
	Signed, Ended, Open int
	signed, ended, open float64 // heights of at most 100 together
}

// All is the number of all requests.
func (h Hour) All() int { return h.Signed + h.Ended + h.Open }

// ScaledHours sets the heights of the columns so that the highest has the full height.
func ScaledHours(list []Hour) []Hour {
	most := 0
	for _, h := range list {
		most = max(most, h.All())
	}
	for i := range list {
		h := &list[i]
		h.signed, h.ended, h.open = share(uint64(h.Signed), uint64(most)),
			share(uint64(h.Ended), uint64(most)), share(uint64(h.Open), uint64(most))
	}
	return list
}

// Part is one part of a column: an SVG rectangle from the top.
type Part struct {
	Class string
	y, h  float64
}

// Y returns where the part begins.
func (p Part) Y() string { return width(p.y) }

// H returns its height.
func (p Part) H() string { return width(p.h) }

// Parts returns the column from its foot.
func (h Hour) Parts() (parts []Part) {
	foot := 100.0
	for _, p := range []Part{
		{Class: "bar-signed", h: h.signed},
		{Class: "bar-ended", h: h.ended},
		{Class: "bar-open", h: h.open},
	} {
		if foot -= p.h; p.h > 0 {
			p.y = foot
			parts = append(parts, p)
		}
	}
	return parts
}

// Requested is the number of requests of the timeline.
func (p Overview) Requested() (n int) {
	for _, h := range p.Timeline {
		n += h.All()
	}
	return n
}

// StateBars returns the states as a chart.
func (p Overview) StateBars() []Bar {
	bars := make([]Bar, len(p.States))
	for i, s := range p.States {
		bars[i] = Bar{State: s.State, URL: s.URL, N: uint64(s.N), More: s.More}
	}
	return Scaled(bars)
}

// Delivered returns the percentage of webhook attempts that were accepted, or -1 if there was none.
func (p Overview) Delivered() int {
	var all, good uint64
	for _, b := range p.Webhooks {
		all += b.N
		if b.Tone == "good" {
			good += b.N
		}
	}
	if all == 0 {
		return -1
	}
	return int(good * 100 / all)
}

// Median returns SealedMedian with a unit.
func (p Overview) Median() string { return Took(p.SealedMedian) }

// Bar is one row of a chart. Its label is a state, the message with the key Label, or Text.
type Bar struct {
	State, Label, Text string
	URL                string // link of the row, or ""
	Tone               string // good, bad, busy or ""
	N                  uint64
	More               bool    // there are more than N
	Width              float64 // width of the bar, 0 to 100
}

// W returns the width as an SVG attribute.
func (b Bar) W() string { return width(b.Width) }

// Scaled sets the widths of bars so that the longest has the full width.
func Scaled(bars []Bar) []Bar {
	var most uint64
	for _, b := range bars {
		most = max(most, b.N)
	}
	for i := range bars {
		bars[i].Width = share(bars[i].N, most)
	}
	return bars
}

// Route is one route of the public listener.
type Route struct {
	Route                  string
	N, Refused, Failed     uint64
	Mean                   time.Duration
	good, refused, failing float64 // widths of at most 100 together
}

// works reports whether the route does work of the service. Files of pages do not, and the time of
// an event stream is that of the page which is open.
func (r Route) works() bool {
	_, path, _ := strings.Cut(r.Route, " ")
	return !strings.HasPrefix(path, "/static/") && !strings.HasSuffix(path, "/events")
}

// ScaledRoutes sets the widths of the routes' bars.
func ScaledRoutes(routes []Route) []Route {
	var most uint64
	for _, r := range routes {
		most = max(most, r.N)
	}
	for i := range routes {
		r := &routes[i]
		r.refused, r.failing = share(r.Refused, most), share(r.Failed, most)
		r.good = share(r.N-r.Refused-r.Failed, most)
	}
	return routes
}

// GoodW returns the width of the part for answers below 400.
func (r Route) GoodW() string { return width(r.good) }

// RefusedX returns where the part for 4xx answers begins.
func (r Route) RefusedX() string { return width(r.good) }

// RefusedW returns its width.
func (r Route) RefusedW() string { return width(r.refused) }

// FailedX returns where the part for 5xx answers begins.
func (r Route) FailedX() string { return width(r.good + r.refused) }

// FailedW returns its width.
func (r Route) FailedW() string { return width(r.failing) }

// Average returns Mean with a unit.
func (r Route) Average() string { return fine(r.Mean) }

func share(n, most uint64) float64 {
	if most == 0 {
		return 0
	}
	return 100 * float64(n) / float64(most)
}

func width(w float64) string { return fmt.Sprintf("%.2f", math.Max(w, 0)) }
