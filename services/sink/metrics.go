package sink

import "github.com/prometheus/client_golang/prometheus"

// metrics are the sink's own; lag and commits are counted by the stream package.
type metrics struct {
	rows          *prometheus.CounterVec
	inserts       *prometheus.CounterVec
	insertSeconds *prometheus.HistogramVec
	failures      *prometheus.CounterVec
	insertGap     prometheus.Gauge
	halvings      *prometheus.CounterVec
	quarantined   *prometheus.CounterVec
	freshness     *prometheus.HistogramVec
	reloads       *prometheus.CounterVec
	reloadSeconds prometheus.Histogram
	erased        prometheus.Counter
	unknown       *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	seconds := prometheus.ExponentialBuckets(0.005, 2, 16)
	m := &metrics{
		rows:          counter("rows_total", "Rows inserted.", "table"),
		inserts:       counter("inserts_total", "Inserts, each one block.", "table"),
		insertSeconds: histogram("insert_seconds", "Duration of an insert that succeeded.", seconds, "table"),
		failures:      counter("insert_failures_total", "Inserts that were refused or not answered, by ClickHouse's name of the error; their ranges are tried again.", "table", "reason"),
		insertGap:     prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "parcours", Subsystem: "sink", Name: "insert_gap_seconds", Help: "How far inserts are kept apart because ClickHouse is overloaded, by too many parts for example; 0 when it is not."}),
		halvings:      counter("insert_halvings_total", "Blocks that were halved to find the row that ClickHouse refuses.", "table"),
		quarantined:   counter("quarantined_total", "Records that became no row.", "reason"),
		freshness:     histogram("freshness_seconds", "Age of the oldest record of a range, by its Kafka timestamp, when its rows could be read.", seconds, "topic"),
		reloads:       counter("identity_reloads_total", "Reloads of the identity dictionary.", "outcome"),
		reloadSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "parcours", Subsystem: "sink", Name: "identity_reload_seconds", Help: "Duration of a reload of the identity dictionary.", Buckets: seconds}),
		erased:        prometheus.NewCounter(prometheus.CounterOpts{Namespace: "parcours", Subsystem: "sink", Name: "erased_nodes_total", Help: "Erased nodes whose clear values, traits and pairs were taken away; a repetition counts again."}),
		unknown:       counter("unknown_values_total", "Records with values kept apart, by each field of their schema that this program does not know (unknown) or knows with another type (conflict).", "field", "kind"),
	}
	reg.MustRegister(m.rows, m.inserts, m.insertSeconds, m.failures, m.insertGap, m.halvings, m.quarantined, m.freshness, m.reloads, m.reloadSeconds, m.erased, m.unknown)
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "parcours", Subsystem: "sink", Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "parcours", Subsystem: "sink", Name: name, Help: help, Buckets: buckets}, labels)
}
