package attributes

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	sets, subjects, rows     prometheus.Gauge
	pending, owed            prometheus.Gauge
	anonymous                prometheus.Counter
	hits, misses             prometheus.Counter
	falsePositives           prometheus.Counter
	contributions, rewritten prometheus.Counter
	applied, unreadable      *prometheus.CounterVec
	rebuilds                 *prometheus.CounterVec
	lag, behind              *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	const prefix = "parcours_enricher_attributes_"
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	lookups := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: prefix + "lookups_total", Help: "Look-ups of a person: filtered (nothing is known, without a look at the disk), hit or miss of the cache.",
	}, []string{"result"})
	m := &metrics{
		sets:           gauge("sets", "Sets of attributes in the store: one a subject and provider."),
		subjects:       gauge("subjects", "Nodes of which something is known."),
		rows:           gauge("identity_rows", "Nodes of the identity map in the store."),
		pending:        gauge("pending_contributions", "Subjects with facts of events that were not read back yet."),
		owed:           gauge("owed_records", "Records that have to be written again because a later one lacks something, or to take back what is known of somebody erased."),
		anonymous:      lookups.WithLabelValues("filtered"),
		hits:           lookups.WithLabelValues("hit"),
		misses:         lookups.WithLabelValues("miss"),
		falsePositives: counter("false_positives_total", "Look-ups at the disk that found nothing."),
		contributions:  counter("contributions_total", "Events whose facts changed what is known."),
		rewritten:      counter("rewritten_total", "Records written again because a later one lacked something, and records that take back."),
		applied: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "applied_total", Help: "Records taken in, by topic.",
		}, []string{"topic"}),
		unreadable: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "unreadable_total", Help: "Records that could not be read and were left out, by topic.",
		}, []string{"topic"}),
		rebuilds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "rebuilds_total", Help: "Times that the store was thrown away and read anew, by reason.",
		}, []string{"reason"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: prefix + "lag_records", Help: "Records that the store has still to take in, by topic.",
		}, []string{"topic"}),
		behind: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: prefix + "behind_seconds", Help: "Age of the last record taken in while there are more to come; 0 when there are none. By topic.",
		}, []string{"topic"}),
	}
	reg.MustRegister(m.sets, m.subjects, m.rows, m.pending, m.owed, lookups, m.falsePositives, m.contributions, m.rewritten,
		m.applied, m.unreadable, m.rebuilds, m.lag, m.behind)
	return m
}
