package obs

import (
	"fmt"
	"sort"
	"time"
)

// Snapshot is the present values of some metrics, counted since the process started.
type Snapshot struct {
	Routes  []Route                      // busiest first
	Jobs    map[string]map[string]uint64 // kind -> status afterwards -> attempts
	Fetches map[string]uint64            // outcome -> fetches of relying parties' keys
	Sealing []Bucket                     // how long sealings took; the last has no upper bound
}

// Bucket is the number of values of at most UpTo and more than the UpTo of the bucket before.
type Bucket struct {
	UpTo  time.Duration // 0 means no upper bound
	Count uint64
}

// Route is one route and method.
type Route struct {
	Route, Method string
	Count         uint64
	Refused       uint64 // answered 4xx
	Failed        uint64 // answered 5xx
	Seconds       float64
}

// Snapshot reads the metrics.
func (m *Metrics) Snapshot() (Snapshot, error) {
	s := Snapshot{Jobs: map[string]map[string]uint64{}, Fetches: map[string]uint64{}}
	families, err := m.registry.Gather()
	if err != nil {
		return s, fmt.Errorf("reading the metrics: %w", err)
	}
	routes := map[[2]string]*Route{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			label := map[string]string{}
			for _, pair := range metric.GetLabel() {
				label[pair.GetName()] = pair.GetValue()
			}
			switch family.GetName() {
			case nameHTTP:
				key := [2]string{label["route"], label["method"]}
				if routes[key] == nil {
					routes[key] = &Route{Route: key[0], Method: key[1]}
				}
				routes[key].add(
					label["status"], metric.GetHistogram().GetSampleCount(),
					metric.GetHistogram().GetSampleSum(),
				)
			case nameJobs:
				kind := label["kind"]
				if s.Jobs[kind] == nil {
					s.Jobs[kind] = map[string]uint64{}
				}
				s.Jobs[kind][label["status"]] += uint64(metric.GetCounter().GetValue())
			case nameSealing:
				h := metric.GetHistogram()
				var below uint64 // the metric's counts are cumulative
				for _, b := range h.GetBucket() {
					s.Sealing = append(s.Sealing, Bucket{
						time.Duration(b.GetUpperBound() * float64(time.Second)),
						b.GetCumulativeCount() - below,
					})
					below = b.GetCumulativeCount()
				}
				s.Sealing = append(s.Sealing, Bucket{Count: h.GetSampleCount() - below})
			case nameFetches:
				s.Fetches[label["outcome"]] += uint64(metric.GetCounter().GetValue())
			}
		}
	}
	for _, r := range routes {
		s.Routes = append(s.Routes, *r)
	}
	sort.Slice(s.Routes, func(i, j int) bool {
		a, b := s.Routes[i], s.Routes[j]
		if a.Count != b.Count {
			return a.Count > b.Count
		}
		return a.Method+a.Route < b.Method+b.Route
	})
	return s, nil
}

func (r *Route) add(status string, count uint64, seconds float64) {
	r.Count += count
	r.Seconds += seconds
	switch {
	case status >= "500":
		r.Failed += count
	case status >= "400":
		r.Refused += count
	}
}
