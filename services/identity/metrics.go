package identity

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/parcours-cdp/parcours/services/identity/graph"
)

type metrics struct {
	events           *prometheus.CounterVec
	ignored          *prometheus.CounterVec
	appended         prometheus.Counter
	waitSeconds      prometheus.Histogram
	waitMissed       prometheus.Counter
	malformed        prometheus.Counter
	published        *prometheus.CounterVec
	audited          prometheus.Counter
	reappended       prometheus.Counter
	tombstones       prometheus.Counter
	outboxEntries    prometheus.Gauge
	nodes            prometheus.Gauge
	pairs            prometheus.Gauge
	customers        prometheus.Gauge
	hubs             prometheus.Gauge
	blocked          prometheus.Gauge
	refused          prometheus.Gauge
	conflicted       prometheus.Gauge
	oversize         prometheus.Gauge
	suppressed       prometheus.Gauge
	position         prometheus.Gauge
	rebuilds         *prometheus.CounterVec
	refusedSnapshots *prometheus.CounterVec
	snapshots        *prometheus.CounterVec
	digests          prometheus.Counter
	disagreements    prometheus.Counter
	rulesDiffer      prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_identity_events_total", Help: "Touchpoints by result: identified, quarantined, or erased: dropped because one of their identifiers was erased since.",
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
		audited: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parcours_identity_audit_published_total", Help: "Rows written to the identity audit.",
		}),
		tombstones: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parcours_identity_evidence_tombstones_total", Help: "Records of the evidence log that were taken back because of an erasure.",
		}),
		reappended: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parcours_identity_evidence_reappended_total", Help: "Pairs appended once more because their last record said less than is known.",
		}),
		outboxEntries: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parcours_identity_outbox_entries", Help: "Messages that this instance keeps until the publisher has committed their evidence, about.",
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
		hubs: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parcours_identity_graph_hubs", Help: "Identifiers with too many neighbours to carry links.",
		}),
		blocked: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parcours_identity_graph_blocked", Help: "Identifiers that an operator or the rules have blocked.",
		}),
		refused: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parcours_identity_graph_refused_pairs", Help: "Pairs that join nobody because of a limit, the cap or a cut.",
		}),
		conflicted: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parcours_identity_graph_conflicted_components", Help: "Connected identifiers that are more than one customer because of a limit, the cap or a cut.",
		}),
		oversize: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parcours_identity_graph_oversize_components", Help: "Connected identifiers that are too many to be considered together.",
		}),
		suppressed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parcours_identity_graph_suppressed", Help: "Identifiers that were erased.",
		}),
		position: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parcours_identity_evidence_position", Help: "How much of its partition of the evidence log this instance has applied.",
		}),
		rebuilds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_identity_rebuilds_total", Help: "Stores that were thrown away to be rebuilt from a snapshot or the evidence log, by reason.",
		}, []string{"reason"}),
		refusedSnapshots: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_identity_snapshots_refused_total", Help: "Snapshots that did not fit the evidence log, by reason.",
		}, []string{"reason"}),
		snapshots: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_identity_snapshots_total", Help: "Snapshots by result: made or failed.",
		}, []string{"result"}),
		digests: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parcours_identity_digests_compared_total", Help: "Digests in the evidence log that this instance compared with its own sums.",
		}),
		disagreements: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parcours_identity_digest_mismatches_total", Help: "Digests that were not equal to this instance's sums at their position.",
		}),
		rulesDiffer: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parcours_identity_rules_differ", Help: "1 while the rules in force are of another configuration than this instance's.",
		}),
	}
	reg.MustRegister(m.events, m.ignored, m.appended, m.waitSeconds, m.waitMissed, m.malformed, m.published, m.audited, m.reappended,
		m.tombstones, m.outboxEntries, m.nodes, m.pairs, m.customers, m.hubs, m.blocked, m.refused, m.conflicted, m.oversize, m.suppressed,
		m.position, m.rebuilds, m.refusedSnapshots, m.snapshots, m.digests, m.disagreements, m.rulesDiffer)
	return m
}

// batch counts what became of the touchpoints of a batch.
func (m *metrics) batch(b *batch) {
	m.events.WithLabelValues("identified").Add(float64(len(b.events)))
	m.events.WithLabelValues("quarantined").Add(float64(len(b.rejected)))
	m.events.WithLabelValues("erased").Add(float64(b.forgotten))
	for reason, n := range b.ignored {
		m.ignored.WithLabelValues(reason).Add(float64(n))
	}
}

// graph sets the gauges of the graph's sizes.
func (m *metrics) graph(stats graph.Stats) {
	for gauge, n := range map[prometheus.Gauge]int{
		m.nodes: stats.Nodes, m.pairs: stats.Pairs, m.customers: stats.Customers, m.hubs: stats.Hubs, m.blocked: stats.Blocked,
		m.refused: stats.Refused, m.conflicted: stats.Conflicted, m.oversize: stats.Oversize, m.suppressed: stats.Suppressed,
	} {
		gauge.Set(float64(n))
	}
}
