package console

import (
	"fmt"
	"math"
	"time"

	"github.com/signet-sign/signet/internal/server/ui"
)

// Overview is the console's first page: counters, and charts that are tables with a bar in each
// row, drawn by the server.
type Overview struct {
	States []State // without "all"
	Total  int
	// Webhooks are the attempts by what became of them; Routes the busiest routes. Both count since
	// the process began.
	Webhooks []Bar
	Routes   []Route
	// Sealing counts how long the newest SealedOf signatures took from approval to signed document;
	// SealedMedian is their middle.
	Sealing      []Bar
	SealedOf     int
	SealedMedian time.Duration
	SealingSince bool // Sealing counts all since the process began instead
	Follow       bool
}

func (p Overview) Meta() ui.Meta {
	return consoleMeta("console_overview", "console.overview.title")
}

// StateBars are the states as a chart.
func (p Overview) StateBars() []Bar {
	bars := make([]Bar, len(p.States))
	for i, s := range p.States {
		bars[i] = Bar{State: s.State, URL: s.URL, N: uint64(s.N)}
	}
	return Scaled(bars)
}

// Delivered is the share of webhook attempts that were received, in per cent; -1 if there was none.
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

// Median is SealedMedian as people read it.
func (p Overview) Median() string { return Took(p.SealedMedian) }

// Bar is one row of a chart: a state, or a message's key as Label, or Text as it is.
type Bar struct {
	State, Label, Text string
	URL                string // where the row leads, or ""
	Tone               string // good, bad, busy or ""
	N                  uint64
	Width              float64 // of the bar, 0 to 100
}

// W is the width for an SVG attribute.
func (b Bar) W() string { return width(b.Width) }

// Scaled sets the bars' widths: the longest fills its place.
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
	good, refused, failing float64 // widths, together at most 100
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

// GoodW, RefusedX, RefusedW, FailedX and FailedW are the places of the three parts of the bar.
func (r Route) GoodW() string { return width(r.good) }

// RefusedX is where the answers 4xx begin.
func (r Route) RefusedX() string { return width(r.good) }

// RefusedW is how wide they are.
func (r Route) RefusedW() string { return width(r.refused) }

// FailedX is where the answers 5xx begin.
func (r Route) FailedX() string { return width(r.good + r.refused) }

// FailedW is how wide they are.
func (r Route) FailedW() string { return width(r.failing) }

// Average is Mean as people read it.
func (r Route) Average() string {
	switch {
	case r.Mean < 100*time.Microsecond:
		return "<0.1 ms"
	case r.Mean < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(r.Mean.Microseconds())/1000)
	}
	return Took(r.Mean)
}

func share(n, most uint64) float64 {
	if most == 0 {
		return 0
	}
	return 100 * float64(n) / float64(most)
}

func width(w float64) string { return fmt.Sprintf("%.2f", math.Max(w, 0)) }
