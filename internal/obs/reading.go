package obs

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Reading is values that the program knows at any moment.
type Reading struct {
	// Queue is the jobs that wait for a worker, by kind.
	Queue map[string]Queue

	// Held and Paused are the numbers of relying parties whose webhooks are held because their
	// receivers fail, and whose webhooks are paused.
	Held, Paused int

	// Certificates is when the authority's certificates end, by role.
	Certificates map[string]time.Time

	// Parsing is the number of documents that are parsed now, and Waiting of those that wait for
	// it.
	Parsing, Waiting int

	// Free is how many bytes can be stored in the documents folder; nil if it is not known, or if
	// nothing is stored on this machine.
	Free *uint64

	// Ready is the results of the checks of the readiness.
	Ready map[string]Result
}

// Queue is the jobs of one kind that wait for a worker.
type Queue struct {
	Jobs   int
	Oldest time.Duration // how long the oldest has waited
}

// readingTimeout bounds one reading; what is not read by then is not in the metrics.
const readingTimeout = 3 * time.Second

// Watch adds a reading to the metrics, which is made when they are read.
func (m *Metrics) Watch(read func(ctx context.Context) Reading) {
	m.registry.MustRegister(watch(read))
}

// watch implements prometheus.Collector.
type watch func(ctx context.Context) Reading

// The metrics of a reading.
const (
	queueJobs = iota
	queueOldest
	receivers
	certificateEnd
	parsing
	documentsFree
	ready
)

func descriptions() []*prometheus.Desc {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("signet_"+name, help, labels, nil)
	}
	return []*prometheus.Desc{
		queueJobs: desc(
			"queue_jobs", "Jobs of the outbox that wait for a worker, by kind.", "kind",
		),
		queueOldest: desc(
			"queue_oldest_seconds", "How long the oldest of these jobs has waited.", "kind",
		),
		receivers: desc(
			"webhook_receivers", "Relying parties whose webhooks are held or paused.", "state",
		),
		certificateEnd: desc(
			"certificate_end_timestamp_seconds",
			"When a certificate of the authority ends, in seconds since 1970.", "certificate",
		),
		parsing:       desc("parsing_documents", "Documents that are parsed, or wait for it.", "state"),
		documentsFree: desc("documents_free_bytes", "Free space of the disk of the documents."),
		ready:         desc("ready", "Whether a check of the readiness passes: 1 or 0.", "check"),
	}
}

// Describe implements prometheus.Collector.
func (w watch) Describe(to chan<- *prometheus.Desc) {
	for _, d := range descriptions() {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (w watch) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readingTimeout)
	defer cancel()
	r, d := w(ctx), descriptions()
	gauge := func(metric int, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d[metric], prometheus.GaugeValue, v, labels...)
	}
	for kind, q := range r.Queue {
		gauge(queueJobs, float64(q.Jobs), kind)
		gauge(queueOldest, q.Oldest.Seconds(), kind)
	}
	gauge(receivers, float64(r.Held), "held")
	gauge(receivers, float64(r.Paused), "paused")
	for role, end := range r.Certificates {
		gauge(certificateEnd, float64(end.Unix()), role)
	}
	gauge(parsing, float64(r.Parsing), "running")
	gauge(parsing, float64(r.Waiting), "waiting")
	if r.Free != nil {
		gauge(documentsFree, float64(*r.Free))
	}
	for check, result := range r.Ready {
		v := 0.0
		if result.OK {
			v = 1
		}
		gauge(ready, v, check)
	}
}
