package sink_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

type pairRow struct {
	Workspace string
	A         string `json:"product_a"`
	NameA     string `json:"name_a"`
	B         string `json:"product_b"`
	NameB     string `json:"name_b"`
	Baskets   int
	BasketsA  int     `json:"baskets_a"`
	BasketsB  int     `json:"baskets_b"`
	All       int     `json:"total_baskets"`
	Support   float64 `json:"support"`
	AB        float64 `json:"confidence_ab"`
	BA        float64 `json:"confidence_ba"`
	Lift      float64
}

func (s *stock) pairs(workspace string) []pairRow {
	single, pair, names, named := map[string]int{}, map[[2]string]int{}, map[string]string{}, map[string]storedLine{}
	baskets := 0
	for i := range s.orders {
		var products []string
		for _, l := range s.orders[i].Lines {
			if l.Product == "" {
				continue
			}
			products = append(products, l.Product)
			last, ok := named[l.Product]
			newer := cmp.Or(cmp.Compare(l.At, last.At), cmp.Compare(l.Key, last.Key), cmp.Compare(l.Line, last.Line)) > 0
			if l.Name != "" && (!ok || newer) {
				named[l.Product], names[l.Product] = l, l.Name
			}
		}
		slices.Sort(products)
		products = slices.Compact(products)
		if len(products) == 0 || len(products) > 50 || s.orders[i].Cancelled {
			continue
		}
		baskets++
		for n, a := range products {
			single[a]++
			for _, b := range products[n+1:] {
				pair[[2]string{a, b}]++
			}
		}
	}
	var all []pairRow
	for p, n := range pair {
		if n < 3 || n*10000 < baskets {
			continue
		}
		a, b := single[p[0]], single[p[1]]
		all = append(all, pairRow{
			Workspace: workspace, A: p[0], NameA: names[p[0]], B: p[1], NameB: names[p[1]], Baskets: n, BasketsA: a, BasketsB: b, All: baskets,
			Support: float64(n) / float64(baskets), AB: float64(n) / float64(a), BA: float64(n) / float64(b), Lift: float64(n) * float64(baskets) / (float64(a) * float64(b)),
		})
	}
	return all
}

type feedbackRow struct {
	Workspace  string
	Survey     string `json:"survey_id"`
	Kind       string
	Store      string `json:"store_id"`
	Channel    string
	Month      string
	Answers    int
	Customers  int
	Comments   int
	Invalid    int
	Mean       *float64
	Promoters  int
	Passives   int
	Detractors int
	NPS        *float64
	Satisfied  int
	CSAT       *float64
	CES        *float64
}

func (s *stock) feedback(workspace string) []feedbackRow {
	type place struct{ channel, store string }
	orders := map[string]storedEvent{}
	for _, e := range s.events {
		first, ok := orders[e.Order]
		if e.Name == "Order Completed" && e.Order != "" && (!ok || cmp.Or(cmp.Compare(e.At, first.At), cmp.Compare(e.Received, first.Received), later(e.Event, first.Event)) < 0) {
			orders[e.Order] = e
		}
	}
	type key struct {
		survey, kind, month string
		at                  place
	}
	rows, shares, people := map[key]*feedbackRow{}, map[key][]float64{}, map[key]map[string]bool{}
	for _, e := range s.events {
		if e.Survey == "" && e.Kind == "" && e.Score == nil && e.Comment == "" {
			continue
		}
		at := place{e.Channel, e.Store}
		if o, ok := orders[cmp.Or(e.Order, e.PropertyOrder)]; ok {
			at = place{o.Channel, cmp.Or(e.Store, o.Store)}
		}
		k := key{e.Survey, strings.ToLower(e.Kind), time.UnixMilli(e.At).UTC().Format("2006-01") + "-01", at}
		row := rows[k]
		if row == nil {
			row = &feedbackRow{Workspace: workspace, Survey: k.survey, Kind: k.kind, Month: k.month, Store: at.store, Channel: at.channel}
			rows[k], people[k] = row, map[string]bool{}
		}
		if e.Comment != "" {
			row.Comments++
		}
		scale := map[string]float64{"nps": 10, "csat": 5, "review": 5, "ces": 7}[k.kind]
		if e.Scale != nil && *e.Scale > 0 {
			scale = *e.Scale
		}
		if e.Score == nil {
			continue
		}
		if *e.Score < 0 || scale > 0 && *e.Score > scale {
			row.Invalid++
			continue
		}
		row.Answers++
		if !e.Shared {
			people[k][e.Customer] = true
		}
		if scale == 0 {
			continue
		}
		share := *e.Score / scale
		shares[k] = append(shares[k], share)
		switch ten := share * 10; {
		case k.kind == "csat" && share*5 > 4-1e-6:
			row.Satisfied++
		case k.kind != "nps":
		case ten > 9-1e-6:
			row.Promoters++
		case ten > 7-1e-6:
			row.Passives++
		default:
			row.Detractors++
		}
	}
	var all []feedbackRow
	for k, row := range rows {
		row.Customers = len(people[k])
		if n := len(shares[k]); n > 0 {
			sum := 0.0
			for _, x := range shares[k] {
				sum += math.Round(x*1e6) / 1e6
			}
			mean := sum / float64(n)
			row.Mean = &mean
		}
		if row.Answers > 0 {
			answers := float64(row.Answers)
			switch k.kind {
			case "nps":
				nps := 100 * float64(row.Promoters-row.Detractors) / answers
				row.NPS = &nps
			case "csat":
				csat := 100 * float64(row.Satisfied) / answers
				row.CSAT = &csat
			case "ces":
				ces := 7 * *row.Mean
				row.CES = &ces
			}
		}
		all = append(all, *row)
	}
	return all
}

type outlierRow struct {
	Workspace, Kind, Subject, At string
	Value, Expected, Score       float64
}

// median is the middle, or half-way between the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func (s *stock) outliers(workspace string, now time.Time) []outlierRow {
	type group struct{ kind, among, also string }
	found := map[group][]outlierRow{}
	put := func(kind, among, also, subject, at string, value float64) {
		g := group{kind, among, also}
		found[g] = append(found[g], outlierRow{Workspace: workspace, Kind: kind, Subject: subject, At: at, Value: value})
	}
	type shopDay struct{ store, currency, day string }
	days := map[shopDay]int64{}
	for _, o := range s.orders {
		if o.Total > 0 && !o.Cancelled {
			put("order", o.Channel, o.Currency, o.Key, o.OccurIn, float64(o.Total)/1e4)
		}
		if o.Channel == "store" && o.Store != "" && !o.Cancelled {
			days[shopDay{o.Store, o.Currency, o.Day}] += o.Net
		}
	}
	for d, net := range days {
		put("store_day", d.store, d.currency, d.store, d.day+" 00:00:00.000", float64(net)/1e4)
	}
	end := now.Truncate(time.Hour)
	counts, first := map[string]map[int64]int{}, map[string]int64{}
	for _, e := range s.events {
		hour := time.UnixMilli(e.At).UTC().Truncate(time.Hour)
		if hour.Before(end.AddDate(0, 0, -28)) || !hour.Before(end) {
			continue
		}
		if counts[e.Source] == nil {
			counts[e.Source], first[e.Source] = map[int64]int{}, hour.Unix()
		}
		counts[e.Source][hour.Unix()]++
		first[e.Source] = min(first[e.Source], hour.Unix())
	}
	for source, from := range first {
		for at := time.Unix(from, 0).UTC(); at.Before(end); at = at.Add(time.Hour) {
			if d := (at.Hour() - end.Hour() + 24) % 24; d < 3 || d > 21 {
				continue // as settledOutliers does
			}
			put("source_hour", source, fmt.Sprint(at.Hour()), source, clock(at.UnixMilli()), float64(counts[source][at.Unix()]))
		}
	}
	var all []outlierRow
	for g, rows := range found {
		if g.kind == "order" && len(rows) < 20 || len(rows) < 7 {
			continue
		}
		values, off, sum := make([]float64, len(rows)), make([]float64, len(rows)), 0.0
		for i, row := range rows {
			if values[i] = row.Value; g.kind == "order" {
				values[i] = math.Log(row.Value)
			}
		}
		middle := median(values)
		for i, x := range values {
			off[i] = math.Abs(x - middle)
			sum += off[i]
		}
		mad, spread := median(off), sum/float64(len(off))
		for i, row := range rows {
			score := 0.0
			switch {
			case mad > 0:
				score = .6745 * (values[i] - middle) / mad
			case spread > 0:
				score = (values[i] - middle) / (1.253314 * spread)
			}
			row.Score, row.Expected = math.Round(score*100)/100, math.Round(middle*100)/100
			if g.kind == "order" {
				row.Expected = math.Round(math.Exp(middle)*100) / 100
			}
			if math.Abs(row.Score) >= 3.5 && (g.kind != "source_hour" || math.Abs(row.Value-middle) >= 10) {
				all = append(all, row)
			}
		}
	}
	return all
}

type healthRow struct {
	Workspace, Source string
	LastAt            *string  `json:"last_event_at"`
	Freshness         *float64 `json:"freshness_s"`
	LastHour          int      `json:"events_last_hour"`
	LastDay           int      `json:"events_last_day"`
	StoredP50         *float64 `json:"stored_p50_ms"`
	StoredP95         *float64 `json:"stored_p95_ms"`
	StoredMax         *float64 `json:"stored_max_ms"`
	EnrichedP50       *float64 `json:"enriched_p50_ms"`
	EnrichedP95       *float64 `json:"enriched_p95_ms"`
	EnrichedMax       *float64 `json:"enriched_max_ms"`
	Rejected          int      `json:"rejected_last_day"`
	Collector         int      `json:"rejected_collector"`
	Identity          int      `json:"rejected_identity"`
	Enricher          int      `json:"rejected_enricher"`
	Sink              int      `json:"rejected_sink"`
	Share             *float64 `json:"rejected_share"`
}

// quantile interpolates between the two values around the level.
func quantile(level float64, values []float64) *float64 {
	if len(values) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(values))
	at := level * float64(len(sorted)-1)
	low := int(at)
	q := sorted[low]
	if low+1 < len(sorted) {
		q += (at - float64(low)) * (sorted[low+1] - sorted[low])
	}
	return &q
}

// health compares pipeline_health, seconds apart: nothing in the data is close to an hour or a day ago.
func (r *rig) health(s stock) {
	r.t.Helper()
	now := time.Now().UnixMilli()
	rows, last := map[string]*healthRow{"only wrong": {Source: "only wrong", Sink: 1}}, map[string]int64{}
	stored, enriched := map[string][]float64{}, map[string][]float64{}
	for _, e := range s.events {
		if e.Received < now-monthMillis {
			continue
		}
		row := rows[e.Source]
		if row == nil {
			row = &healthRow{Source: e.Source}
			rows[e.Source] = row
		}
		last[e.Source] = max(last[e.Source], e.Received)
		if e.Received >= now-3600_000 {
			row.LastHour++
		}
		if e.Received >= now-dayMillis {
			row.LastDay++
			stored[e.Source] = append(stored[e.Source], float64(e.Ingested-e.Received))
			enriched[e.Source] = append(enriched[e.Source], float64(e.Produced-e.Received))
		}
	}
	web := rows["web"]
	web.Collector, web.Identity, web.Enricher = 2, 1, 1
	var want []healthRow
	for source, row := range rows {
		row.Workspace = r.workspace
		if at, ok := last[source]; ok {
			text, age := clock(at), float64(now-at)/1000
			row.LastAt, row.Freshness = &text, &age
		}
		row.StoredP50, row.StoredP95, row.StoredMax = quantile(.5, stored[source]), quantile(.95, stored[source]), quantile(1, stored[source])
		row.EnrichedP50, row.EnrichedP95, row.EnrichedMax = quantile(.5, enriched[source]), quantile(.95, enriched[source]), quantile(1, enriched[source])
		row.Rejected = row.Collector + row.Identity + row.Enricher + row.Sink
		row.Share = share(row.Rejected, row.Rejected+row.LastDay)
		want = append(want, *row)
	}
	for _, row := range load[healthRow](r, "SELECT * FROM pipeline_health WHERE workspace = %s") {
		if w := rows[row.Source]; w == nil || (w.Freshness == nil) != (row.Freshness == nil) || w.Freshness != nil && math.Abs(*w.Freshness-*row.Freshness) > 60 {
			r.t.Errorf("pipeline_health: freshness of %s is %v, want %v", row.Source, row.Freshness, w)
		}
	}
	for i := range want {
		want[i].Freshness = nil
	}
	same(r, "(SELECT * EXCEPT freshness_s FROM pipeline_health)", want, func(h healthRow) string { return h.Source })
}
