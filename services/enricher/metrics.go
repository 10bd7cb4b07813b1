package enricher

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

type metrics struct {
	events       *prometheus.CounterVec
	rejected     *prometheus.CounterVec
	enrichments  *prometheus.CounterVec
	seconds      *prometheus.HistogramVec
	cacheEntries prometheus.Gauge
	cacheLookups *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_enricher_events_total", Help: "Touchpoints by result: enriched or quarantined.",
		}, []string{"result"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_enricher_rejected_total", Help: "Touchpoints sent to quarantine, by reason.",
		}, []string{"reason"}),
		enrichments: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_enricher_enrichments_total", Help: "Enrichments by what became of them: applied, skipped or failed, and why.",
		}, []string{"enrichment", "status", "reason"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "parcours_enricher_enrichment_seconds", Help: "Time one enrichment took for one event; one event in 64 is timed.",
			Buckets: prometheus.ExponentialBuckets(1e-7, 4, 12),
		}, []string{"enrichment"}),
		cacheEntries: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parcours_enricher_user_agent_cache_entries", Help: "Distinct user agents in the cache.",
		}),
		cacheLookups: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "parcours_enricher_user_agent_cache_lookups", Help: "Look-ups in the user agent cache since the start, by result: hit or miss.",
		}, []string{"result"}),
	}
	reg.MustRegister(m.events, m.rejected, m.enrichments, m.seconds, m.cacheEntries, m.cacheLookups)
	return m
}

// cache copies the counters of the user agent cache, once a batch.
func (m *metrics) cache(links []Link) {
	for _, link := range links {
		if agent, ok := link.Enrichment.(*userAgent); ok {
			use := agent.parser.CacheUse()
			m.cacheEntries.Set(float64(use.Entries))
			m.cacheLookups.WithLabelValues("hit").Set(float64(use.Hits))
			m.cacheLookups.WithLabelValues("miss").Set(float64(use.Misses))
		}
	}
}

// timedEvents is how many events go by for one that is timed: reading the clock for each link costs as much as some of the links.
const timedEvents = 64

// observer counts the links of a chain and times some events. It belongs to one goroutine.
type observer struct {
	links []linkMetrics
	log   *zap.Logger
	// seen counts events; last is when the link in hand began, when the event is timed.
	seen  uint64
	timed bool
	last  time.Time
}

type linkMetrics struct {
	name     string
	outcomes []outcomeCounter
	all      *prometheus.CounterVec
	seconds  prometheus.Observer
}

// outcomeCounter counts one status and reason. There are few of a link, and mostly it is the first.
type outcomeCounter struct {
	status, reason string
	prometheus.Counter
}

func newObserver(m *metrics, links []Link, log *zap.Logger) *observer {
	sampled := log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, 5, 0)
	}))
	o := &observer{log: sampled}
	for _, link := range links {
		name := link.Describe().Name
		o.links = append(o.links, linkMetrics{name: name, all: m.enrichments, seconds: m.seconds.WithLabelValues(name)})
	}
	return o
}

// begin starts the clock for the first link of an event, if it is one to be timed.
func (o *observer) begin() {
	if o.timed = o.seen%timedEvents == 0; o.timed {
		o.last = time.Now()
	}
	o.seen++
}

// observe counts a link, stops the clock for it and starts it for the next.
func (o *observer) observe(link int, outcome Outcome) {
	m := &o.links[link]
	if o.timed {
		now := time.Now()
		m.seconds.Observe(now.Sub(o.last).Seconds())
		o.last = now
	}
	m.count(outcome.Status, outcome.Reason)
	if outcome.fault != nil {
		o.log.Error("enrichment panicked", zap.String("enrichment", m.name), zap.String("cause", outcome.fault.cause),
			zap.ByteString("stack", outcome.fault.stack))
	}
}

func (m *linkMetrics) count(status, reason string) {
	for i := range m.outcomes {
		if c := &m.outcomes[i]; c.status == status && c.reason == reason {
			c.Inc()
			return
		}
	}
	counter := m.all.WithLabelValues(m.name, status, reason)
	counter.Inc()
	m.outcomes = append(m.outcomes, outcomeCounter{status, reason, counter})
}
