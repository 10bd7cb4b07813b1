package sink_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

type qualityRow struct {
	Workspace, Source, Field string
	Checked, Filled          int
	Complete                 float64
	Valid, Fresh             *float64
	Distinct                 int    `json:"distinct_values"`
	LastAt                   string `json:"last_at"`
}

// tally gathers what is said of one field of one source.
type tally struct {
	checked, filled, valid, fresh int
	values                        map[string]bool
	last                          int64
}

func (t *tally) add(at int64, values []string, filled, valid, fresh bool) {
	t.checked++
	t.last = max(t.last, at)
	if !filled {
		return
	}
	t.filled++
	for _, v := range values {
		t.values[v] = true
	}
	if valid {
		t.valid++
	}
	if fresh {
		t.fresh++
	}
}

type storedContact struct {
	Source, Anchor, Email, Phone, Postcode, Country, Birth, Last string
	At                                                           int64
}

func (r *rig) quality(s stock) {
	r.t.Helper()
	tallies := map[[2]string]*tally{}
	gather := func(source, field string) *tally {
		k := [2]string{source, field}
		if tallies[k] == nil {
			tallies[k] = &tally{values: map[string]bool{}}
		}
		return tallies[k]
	}
	tills, now := map[string]int{}, time.Now().UnixMilli()
	for _, e := range s.events {
		if e.Channel == "store" {
			tills[e.Store]++
		}
	}
	for _, e := range s.events {
		if e.Received >= now-monthMillis {
			qualityOfEvent(&e, tills, func(field string, values []string, filled, valid bool) {
				gather(e.Source, field).add(e.Received, values, filled, valid, e.Received <= e.At+dayMillis)
			})
		}
	}
	last := map[[3]string]storedContact{}
	for _, c := range load[storedContact](r, `SELECT source AS Source, anchor AS Anchor, email AS Email, phone AS Phone, postal_code AS Postcode, country AS Country,
		ifNull(toString(birth_date), '') AS Birth, last_name AS Last, toUnixTimestamp64Milli(occurred_at) AS At FROM contacts WHERE workspace = %s`) {
		for field, value := range map[string]string{"email": c.Email, "phone": c.Phone, "postal_code": c.Postcode, "birth_date": c.Birth, "last_name": c.Last, "": "whenever"} {
			if k := [3]string{c.Source, c.Anchor, field}; value != "" && c.At >= last[k].At {
				last[k] = c
			}
		}
	}
	for k, newest := range last {
		if k[2] != "" {
			continue
		}
		of := func(field string) storedContact { return last[[3]string{k[0], k[1], field}] }
		email, phone, postcode, birth, name := of("email"), of("phone"), of("postal_code"), of("birth_date"), of("last_name")
		put := func(field string, value string, at int64, valid bool) {
			gather(newest.Source, "contact."+field).add(newest.At, []string{value}, value != "", valid, at >= now-365*dayMillis)
		}
		address := strings.ToLower(strings.TrimSpace(email.Email))
		digits := strings.NewReplacer(" ", "", ".", "").Replace(phone.Phone)
		thisYear := time.Now().Year()
		put("email", address, email.At, strings.HasSuffix(address, "@b.example"))
		put("phone", digits, phone.At, len(digits) >= 8)
		put("postal_code", postcode.Postcode, postcode.At, strings.EqualFold(postcode.Country, "be") || postcode.Postcode == "75011" || postcode.Postcode == "97410")
		put("birth_date", birth.Birth, birth.At, birth.Birth > fmt.Sprint(thisYear-120) && birth.Birth < fmt.Sprint(thisYear))
		put("last_name", name.Last, name.At, name.Last == "Ng" || name.Last == "Éluard")
	}
	var want []qualityRow
	for k, t := range tallies {
		want = append(want, qualityRow{
			Workspace: r.workspace, Source: k[0], Field: k[1], Checked: t.checked, Filled: t.filled, Complete: *share(t.filled, t.checked),
			Valid: share(t.valid, t.filled), Fresh: share(t.fresh, t.filled), Distinct: len(t.values), LastAt: clock(t.last),
		})
	}
	same(r, "(SELECT * EXCEPT rule FROM data_quality)", want, func(q qualityRow) string { return q.Source + " " + q.Field })
}

// some is a list of the word, if it is one.
func some(word string) []string {
	if word == "" {
		return nil
	}
	return []string{word}
}

type outcomeRow struct {
	Workspace, Day, Source, Enrichment, Version, Status, Reason string
	Events                                                      int
	Share                                                       float64
}

func (r *rig) outcomes(s stock) {
	r.t.Helper()
	counts, looked := map[outcomeRow]int{}, map[[3]string]int{}
	for _, e := range s.events {
		if e.Received < time.Now().UnixMilli()-monthMillis {
			continue
		}
		day := time.UnixMilli(e.Received).UTC().Format(time.DateOnly)
		for _, o := range e.Enriched {
			counts[outcomeRow{Workspace: r.workspace, Day: day, Source: e.Source, Enrichment: o[0], Version: o[1], Status: o[2], Reason: o[3]}]++
			looked[[3]string{day, e.Source, o[0]}]++
		}
	}
	var want []outcomeRow
	for o, n := range counts {
		o.Events, o.Share = n, float64(n)/float64(looked[[3]string{o.Day, o.Source, o.Enrichment}])
		want = append(want, o)
	}
	if len(want) < 9 {
		r.t.Errorf("%d outcomes: too few to tell anything", len(want))
	}
	same(r, "enrichment_outcomes", want, func(o outcomeRow) string {
		return fmt.Sprint(o.Day, o.Source, o.Enrichment, o.Version, o.Status, o.Reason)
	})
}

var currencyCode = regexp.MustCompile(`^(EUR|USD|GBP)$`)

func qualityOfEvent(e *storedEvent, tills map[string]int, put func(field string, values []string, filled, valid bool)) {
	has := func(list []string, value string) bool { return slices.Contains(list, value) }
	put("occurred_at", []string{fmt.Sprint(e.At)}, true, e.At <= e.Received+5*60_000 && time.UnixMilli(e.At).AddDate(2, 0, 0).UnixMilli() >= e.Received)
	put("identifiers", []string{e.Anchor}, e.IDs > 0, !has(e.Ignored, "invalid"))
	both := slices.ContainsFunc(e.Granted, func(p string) bool { return has(e.Denied, p) })
	put("consent", []string{fmt.Sprint(e.Granted, e.Denied)}, e.Stated, !both)
	if e.Channel == "store" || e.Store != "" {
		put("store_id", []string{e.Store}, e.Store != "", tills[e.Store] >= 10)
	}
	put("enriched.home", some(e.Commune), e.Home != "", e.Commune != "" || e.Country == "BE")
	if e.Commune != "" {
		put("enriched.area", []string{e.Area}, e.AreaStatus != "", e.Income != nil)
	}
	put("enriched.profile", []string{e.Age + "/" + e.Gender}, e.Age+e.Gender != "", e.Age != "" && e.Gender != "")
	order := e.Name == "Order Completed"
	if order {
		put("order_id", []string{e.Order}, e.Order != "", true)
		value := ""
		if e.Amount != nil {
			value = fmt.Sprint(*e.Amount)
		}
		put("total", []string{value}, value != "", e.Amount != nil && *e.Amount >= 0)
	}
	priced := slices.ContainsFunc(e.Prices, func(p *float64) bool { return p != nil })
	if e.Amount != nil || priced {
		put("currency", []string{e.Currency}, e.Currency != "", currencyCode.MatchString(e.Currency))
	}
	if len(e.Products) == 0 {
		return
	}
	spaced := slices.ContainsFunc(e.Products, func(p string) bool { return strings.TrimSpace(p) != p })
	put("items.product_id", e.Products, !has(e.Products, ""), !spaced)
	if order {
		whole, wrong := true, false
		var prices []string
		for _, p := range e.Prices {
			whole, wrong = whole && p != nil, wrong || p != nil && *p <= 0
			if p != nil {
				prices = append(prices, fmt.Sprint(*p))
			}
		}
		put("items.price", prices, whole, !wrong)
	}
}
