package reference

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	rows, loaded, refused *prometheus.GaugeVec
	edition               *prometheus.GaugeVec
	refusals              *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		rows: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "parcours_enricher_reference_rows", Help: "Rows of the reference data in force, by data set.",
		}, []string{"dataset"}),
		loaded: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "parcours_enricher_reference_loaded_timestamp_seconds", Help: "When the reference data in force was loaded, by data set; Unix time.",
		}, []string{"dataset"}),
		edition: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "parcours_enricher_reference_info", Help: "1 for the version of each data set that is in force.",
		}, []string{"dataset", "version"}),
		refused: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "parcours_enricher_reference_refused", Help: "1 while the file that was found is refused or gone and an earlier version stays in force, or none; by data set.",
		}, []string{"dataset"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_enricher_reference_refusals_total", Help: "Files of reference data that were refused, by data set and reason.",
		}, []string{"dataset", "reason"}),
	}
	reg.MustRegister(m.rows, m.loaded, m.edition, m.refused, m.refusals)
	return m
}

// took notes an edition that came into force; nil when none is.
func (m *metrics) took(name string, e *table, at float64) {
	m.edition.DeletePartialMatch(prometheus.Labels{"dataset": name})
	if e == nil {
		return
	}
	m.rows.WithLabelValues(name).Set(float64(e.Loaded.Rows))
	m.loaded.WithLabelValues(name).Set(at)
	m.edition.WithLabelValues(name, e.Version()).Set(1)
}
