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

	ranges         *prometheus.CounterVec
	replayed       *prometheus.CounterVec
	retries        *prometheus.CounterVec
	refusedPlans   *prometheus.CounterVec
	refusedCommits *prometheus.CounterVec
	rejoins        *prometheus.CounterVec
	rangeRecords   *prometheus.HistogramVec
	rangeBytes     *prometheus.HistogramVec
	bufferedBytes  *prometheus.GaugeVec
	paused         *prometheus.GaugeVec
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
	m.ofRanges(reg)
	return m
}

func (m *metrics) ofRanges(reg prometheus.Registerer) {
	counter := func(name, help string) *prometheus.CounterVec {
		vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parcours_stream_" + name, Help: help}, []string{"group", "topic"})
		reg.MustRegister(vec)
		return vec
	}
	m.ranges = counter("ranges_total", "Planned ranges delivered and committed.")
	m.replayed = counter("ranges_replayed_total", "Ranges gathered again because a plan was found for them, or memory was short.")
	m.retries = counter("range_retries_total", "Steps of a range that failed and were tried again later.")
	m.refusedPlans = counter("refused_plans_total", "Plans that the group did not accept; nothing of them is delivered.")
	m.refusedCommits = counter("refused_commits_total", "Commits of delivered ranges that the group did not accept.")
	m.rejoins = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "parcours_stream_rejoins_total", Help: "Times a consumer dropped its work and joined its group anew, because its ownership was in doubt.",
	}, []string{"group"})
	m.rangeRecords = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "parcours_stream_range_records", Help: "Records of a range.", Buckets: prometheus.ExponentialBuckets(1, 4, 10),
	}, []string{"group", "topic"})
	m.rangeBytes = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "parcours_stream_range_bytes", Help: "Bytes of keys and values of a range.", Buckets: prometheus.ExponentialBuckets(1<<10, 4, 10),
	}, []string{"group", "topic"})
	m.bufferedBytes = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "parcours_stream_buffered_bytes", Help: "Bytes of keys and values that wait or are being delivered.",
	}, []string{"group"})
	m.paused = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "parcours_stream_paused_partitions", Help: "Partitions that are not fetched, mostly because a range of theirs fails.",
	}, []string{"group"})
	reg.MustRegister(m.rejoins, m.rangeRecords, m.rangeBytes, m.bufferedBytes, m.paused)
}

// cut notes a range that was closed.
func (m metrics) cut(group string, d *Delivery, bytes int64) {
	m.rangeRecords.WithLabelValues(group, d.Topic).Observe(float64(len(d.Records)))
	m.rangeBytes.WithLabelValues(group, d.Topic).Observe(float64(bytes))
	if d.Replayed {
		m.replayed.WithLabelValues(group, d.Topic).Inc()
	}
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
