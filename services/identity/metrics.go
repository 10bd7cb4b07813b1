package identity

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	events          *prometheus.CounterVec
	ignored         *prometheus.CounterVec
	appended        prometheus.Counter
	waitSeconds     prometheus.Histogram
	waitMissed      prometheus.Counter
	malformed       prometheus.Counter
	published       *prometheus.CounterVec
	reappended      prometheus.Counter
	outboxEntries   prometheus.Gauge
	nodes           prometheus.Gauge
	pairs           prometheus.Gauge
	customers       prometheus.Gauge
	appliedPosition *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_identity_events_total", Help: "Touchpoints by result: identified or quarantined.",
		}, []string{"result"}),
		ignored: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_identity_ignored_identifiers_total", Help: "Identifiers that were not used, by reason.",
		}, []string{"reason"}),
		appended: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parcours_identity_evidence_appended_total", Help: "Pairs appended to the evidence log because they were not known, or known with less.",
		}),
		waitSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "parcours_identity_evidence_wait_seconds", Help: "Time a batch waited for its own evidence to be applied.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 13),
		}),
		waitMissed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parcours_identity_evidence_wait_missed_total", Help: "Batches that went on before their own evidence was applied; the identity map corrects their customers.",
		}),
		malformed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parcours_identity_evidence_malformed_total", Help: "Records of the evidence log that are no evidence and were passed over.",
		}),
		published: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_identity_map_published_total", Help: "Rows written to the identity map, by reason.",
		}, []string{"reason"}),
		reappended: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parcours_identity_evidence_reappended_total", Help: "Pairs appended once more because their last record said less than is known.",
		}),
		outboxEntries: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parcours_identity_outbox_entries", Help: "Evidence records whose effects this instance keeps until the publisher has committed them.",
		}),
		nodes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parcours_identity_graph_nodes", Help: "Identifiers that were seen with another.",
		}),
		pairs: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parcours_identity_graph_pairs", Help: "Pairs of identifiers that were seen together.",
		}),
		customers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parcours_identity_graph_customers", Help: "Customers of two identifiers or more.",
		}),
		appliedPosition: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "parcours_identity_evidence_position", Help: "How much of each partition of the evidence log this instance has applied.",
		}, []string{"partition"}),
	}
	reg.MustRegister(m.events, m.ignored, m.appended, m.waitSeconds, m.waitMissed, m.malformed, m.published, m.reappended,
		m.outboxEntries, m.nodes, m.pairs, m.customers, m.appliedPosition)
	return m
}
