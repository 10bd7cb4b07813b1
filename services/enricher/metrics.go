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
			Name: "parcours_enricher_enrichment_seconds", Help: "Time one enrichment took for one event.",
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

// observer counts and times the links of a chain. It belongs to one goroutine.
type observer struct {
	links []linkMetrics
	log   *zap.Logger
	last  time.Time
}

type linkMetrics struct {
	name     string
	outcomes map[[2]string]prometheus.Counter
	all      *prometheus.CounterVec
	seconds  prometheus.Observer
}

func newObserver(m *metrics, links []Link, log *zap.Logger) *observer {
	sampled := log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, 5, 0)
	}))
	o := &observer{log: sampled}
	for _, link := range links {
		name := link.Describe().Name
		o.links = append(o.links, linkMetrics{
			name: name, outcomes: map[[2]string]prometheus.Counter{}, all: m.enrichments, seconds: m.seconds.WithLabelValues(name),
		})
	}
	return o
}

// begin starts the clock for the first link.
func (o *observer) begin() { o.last = time.Now() }

// observe stops the clock for a link and starts it for the next.
func (o *observer) observe(link int, outcome Outcome) {
	now := time.Now()
	m := &o.links[link]
	m.seconds.Observe(now.Sub(o.last).Seconds())
	o.last = now
	key := [2]string{outcome.Status, outcome.Reason}
	counter := m.outcomes[key]
	if counter == nil {
		counter = m.all.WithLabelValues(m.name, outcome.Status, outcome.Reason)
		m.outcomes[key] = counter
	}
	counter.Inc()
	if outcome.fault != nil {
		o.log.Error("enrichment panicked", zap.String("enrichment", m.name), zap.String("cause", outcome.fault.cause),
			zap.ByteString("stack", outcome.fault.stack))
	}
}
