package sink

import "github.com/prometheus/client_golang/prometheus"

// metrics are the sink's own; lag and commits are counted by the stream package.
type metrics struct {
	rows          *prometheus.CounterVec
	inserts       *prometheus.CounterVec
	insertSeconds *prometheus.HistogramVec
	retries       *prometheus.CounterVec
	halvings      *prometheus.CounterVec
	quarantined   *prometheus.CounterVec
	freshness     *prometheus.HistogramVec
	reloads       *prometheus.CounterVec
	reloadSeconds prometheus.Histogram
	erased        prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	seconds := prometheus.ExponentialBuckets(0.005, 2, 16)
	m := &metrics{
		rows:          counter("rows_total", "Rows inserted.", "table"),
		inserts:       counter("inserts_total", "Inserts, each one block.", "table"),
		insertSeconds: histogram("insert_seconds", "Duration of an insert that succeeded.", seconds, "table"),
		retries:       counter("insert_retries_total", "Inserts that were refused or not answered and are tried again.", "table", "reason"),
		halvings:      counter("insert_halvings_total", "Blocks that were halved to find the row that ClickHouse refuses.", "table"),
		quarantined:   counter("quarantined_total", "Records that became no row.", "reason"),
		freshness:     histogram("freshness_seconds", "Age of the oldest record of a range, by its Kafka timestamp, when its rows could be read.", seconds, "topic"),
		reloads:       counter("identity_reloads_total", "Reloads of the identity dictionary.", "outcome"),
		reloadSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "parcours", Subsystem: "sink", Name: "identity_reload_seconds", Help: "Duration of a reload of the identity dictionary.", Buckets: seconds}),
		erased:        prometheus.NewCounter(prometheus.CounterOpts{Namespace: "parcours", Subsystem: "sink", Name: "erased_nodes_total", Help: "Erased nodes whose clear values, traits and pairs were taken away; a repetition counts again."}),
	}
	reg.MustRegister(m.rows, m.inserts, m.insertSeconds, m.retries, m.halvings, m.quarantined, m.freshness, m.reloads, m.reloadSeconds, m.erased)
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "parcours", Subsystem: "sink", Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "parcours", Subsystem: "sink", Name: name, Help: help, Buckets: buckets}, labels)
}
