package dedup

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	entries     prometheus.Counter
	duplicates  *prometheus.CounterVec
	falseHits   prometheus.Counter
	readBack    prometheus.Counter
	extends     prometheus.Counter
	truncated   prometheus.Counter
	resets      *prometheus.CounterVec
	filterBytes prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, disk func() float64) *metrics {
	m := &metrics{
		entries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parcours_sink_dedup_entries_total", Help: "Records with an id that the index has taken in, those that were read back included.",
		}),
		duplicates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_sink_dedup_duplicates_total", Help: "Records that repeat an earlier one, by topic; counted once their range is in the index.",
		}, []string{"topic"}),
		falseHits: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parcours_sink_dedup_filter_false_hits_total", Help: "Times the filter in memory said perhaps and the disk said no; each costs one read.",
		}),
		readBack: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parcours_sink_dedup_read_back_total", Help: "Records with an id that were read back from the log, on assignment or because a record asked for more.",
		}),
		extends: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parcours_sink_dedup_extends_total", Help: "Times a record was so much older than its neighbours that more of the log had to be read back for it.",
		}),
		truncated: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parcours_sink_dedup_truncated_total", Help: "Times the log began later than the window before a record: copies in what was cut cannot be told.",
		}),
		resets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_sink_dedup_resets_total", Help: "Times the index was thrown away and read back, by reason: ahead of the group's position, or damaged.",
		}, []string{"reason"}),
		filterBytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parcours_sink_dedup_filter_bytes", Help: "Memory of the filters; 12 bits for each id in the window, and room for what is to come.",
		}),
	}
	reg.MustRegister(m.entries, m.duplicates, m.falseHits, m.readBack, m.extends, m.truncated, m.resets, m.filterBytes,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "parcours_sink_dedup_disk_bytes", Help: "What the index takes on disk.",
		}, disk))
	return m
}
