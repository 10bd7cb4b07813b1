package collector

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the collector.
type metrics struct {
	requests    *prometheus.CounterVec
	events      *prometheus.CounterVec
	rejected    *prometheus.CounterVec
	bytes       *prometheus.CounterVec
	refused     *prometheus.CounterVec
	produce     prometheus.Histogram
	inFlight    prometheus.Gauge
	connections prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, flying func() float64) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_collector_requests_total",
			Help: "Requests by endpoint and status code of the answer.",
		}, []string{"endpoint", "code"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_collector_events_total",
			Help: "Events that Kafka acknowledged, by source and type.",
		}, []string{"source", "type"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_collector_rejected_total",
			Help: "Events, and bodies that are no events, that were quarantined, by source and reason.",
		}, []string{"source", "reason"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_collector_received_bytes_total",
			Help: "Bytes of request bodies by form: wire as received, plain after decompression.",
		}, []string{"form"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_collector_refused_total",
			Help: "Connections and requests that were turned away unread, by reason.",
		}, []string{"reason"}),
		produce: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "parcours_collector_produce_seconds",
			Help:    "Time from handing a request's events to Kafka until all are acknowledged.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parcours_collector_requests_in_flight",
			Help: "Requests that are being worked on.",
		}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parcours_collector_connections",
			Help: "Open connections.",
		}),
	}
	held := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "parcours_collector_in_flight_bytes",
		Help: "Bytes of request bodies held in memory.",
	}, flying)
	reg.MustRegister(m.requests, m.events, m.rejected, m.bytes, m.refused, m.produce, m.inFlight, m.connections, held)
	return m
}
