package stream

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	produced       prometheus.Counter
	produceErrors  prometheus.Counter
	produceSeconds prometheus.Histogram
	consumed       *prometheus.CounterVec
	lagRecords     *prometheus.GaugeVec
	behindSeconds  *prometheus.GaugeVec
	lostCommits    *prometheus.CounterVec
	losses         *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		produced: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parcours_stream_produced_records_total", Help: "Records acknowledged by Kafka.",
		}),
		produceErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parcours_stream_produce_errors_total", Help: "Produce calls that ended without every acknowledgement.",
		}),
		produceSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "parcours_stream_produce_seconds", Help: "Time from a produce call to its last acknowledgement.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		consumed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_stream_consumed_records_total", Help: "Records handled and committed.",
		}, []string{"group", "topic"}),
		lagRecords: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "parcours_stream_lag_records", Help: "Records behind the end of the partition at the last poll.",
		}, []string{"group", "topic", "partition"}),
		behindSeconds: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "parcours_stream_behind_seconds", Help: "Age of the last record handled when it was committed.",
		}, []string{"group", "topic"}),
		lostCommits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_stream_lost_commits_total", Help: "Commits refused because a rebalance took the partitions.",
		}, []string{"group"}),
		losses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_stream_data_losses_total", Help: "Partitions whose log was found to end before the committed offset.",
		}, []string{"group", "topic"}),
	}
	reg.MustRegister(m.produced, m.produceErrors, m.produceSeconds, m.consumed, m.lagRecords, m.behindSeconds, m.lostCommits, m.losses)
	return m
}

func (m metrics) lag(group, topic string, partition int32, records int64) {
	m.lagRecords.WithLabelValues(group, topic, strconv.Itoa(int(partition))).Set(float64(records))
}

func (m metrics) consumedBatch(group string, batch []Range) {
	for _, r := range batch {
		m.consumed.WithLabelValues(group, r.Topic).Add(float64(len(r.Records)))
		age := time.Since(r.Records[len(r.Records)-1].Timestamp)
		m.behindSeconds.WithLabelValues(group, r.Topic).Set(age.Seconds())
	}
}
