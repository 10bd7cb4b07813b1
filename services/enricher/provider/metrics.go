package provider

import (
	"math/big"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of all providers of a service.
type Metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	cost     *prometheus.CounterVec
	lookups  *prometheus.CounterVec
	late     *prometheus.CounterVec
	open     *prometheus.GaugeVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_enricher_provider_requests_total", Help: "Requests to a provider by result: found, unknown, or why it failed.",
		}, []string{"provider", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "parcours_enricher_provider_request_seconds", Help: "Time from a request to the end of its answer.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2, 14),
		}, []string{"provider"}),
		cost: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_enricher_provider_cost_total", Help: "What the requests cost, in the currency of cost_per_request.",
		}, []string{"provider"}),
		lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_enricher_provider_cache_lookups_total", Help: "Look-ups among the remembered answers by result: hit or miss.",
		}, []string{"provider", "result"}),
		late: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_enricher_provider_late_total", Help: "Subjects whose answer did not come within max_wait of their batch.",
		}, []string{"provider"}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "parcours_enricher_provider_breaker_open", Help: "1 while a provider is left alone because it failed, else 0.",
		}, []string{"provider"}),
	}
	reg.MustRegister(m.requests, m.seconds, m.cost, m.lookups, m.late, m.open)
	return m
}

// metrics are those of one provider.
type metrics struct {
	name           string
	requests, cost *prometheus.CounterVec
	price          float64
	seconds        prometheus.Observer
	hits, misses   prometheus.Counter
	late           prometheus.Counter
	open           prometheus.Gauge
}

func (m *Metrics) of(c Config) metrics {
	price := 0.0
	if cost, ok := new(big.Rat).SetString(c.CostPerRequest); ok {
		price, _ = cost.Float64() // Prometheus counts in floats; the budget is exact.
	}
	return metrics{
		name: c.Name, requests: m.requests, cost: m.cost, price: price, seconds: m.seconds.WithLabelValues(c.Name),
		hits: m.lookups.WithLabelValues(c.Name, "hit"), misses: m.lookups.WithLabelValues(c.Name, "miss"),
		late: m.late.WithLabelValues(c.Name), open: m.open.WithLabelValues(c.Name),
	}
}

func (m *metrics) requested(result string) {
	m.requests.WithLabelValues(m.name, result).Inc()
	m.cost.WithLabelValues(m.name).Add(m.price)
}
