package sink_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/schemas"
)

const profileColumns = "customer_id, age_band, age_band_estimate, age_band_probability, gender, gender_estimated, gender_probability, home_country, home_postal_code, home_commune_code, home_region, home_confidence, " +
	"area_code, area_status, area_median_income, area_income_quintile, area_income_decile, area_poverty_rate, contactability, household, household_id, dwelling, loyalty_tier, first_order_date, orders_band, known_at"

func choose[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

// know gives some events what the enrichments write: little of it at a time, of people who move and change their minds.
func (s *shoppers) know(e *schemas.EnrichedTouchpoint) {
	w := s.whims
	if c := e.Commerce.Value; c.Total.Valid && w.IntN(4) > 0 {
		// A dollar is worth a euro on some days and two on others.
		rate := map[bool]int{true: 1 + w.IntN(2), false: 1}[c.Currency == "USD"]
		e.Money = schemas.Some(schemas.Money{Currency: "EUR", OriginalCurrency: c.Currency, Rate: fmt.Sprint(rate), RateSource: "ecb", Total: s.amount(rate * units(c.Total.Value))})
	}
	if w.IntN(3) == 0 {
		p := schemas.Profile{AgeBand: choose(w, "", "25-34", "35-44"), Gender: choose(w, "", "", "female", "other"), Household: choose(w, "", "family"), HouseholdID: choose(w, "", "h1", "h2"), Dwelling: choose(w, "", "flat")}
		if w.IntN(2) == 0 {
			p.Contactability = schemas.Some(w.Int32N(101))
		}
		e.Profile = schemas.Some(p)
	}
	if w.IntN(3) == 0 {
		f := schemas.FirstNameEstimate{Gender: choose(w, "", "female", "male", "ambiguous"), AgeBand: choose(w, "", "55-64")}
		f.FemaleProbability, f.AgeBandProbability = schemas.Some(float64(w.IntN(5))/4), schemas.Some(0.5)
		e.FirstName = schemas.Some(f)
	}
	if w.IntN(3) == 0 {
		h := choose(w, schemas.Home{Basis: "event", Country: "FR", PostalCode: "69003", CommuneCode: "69383", Region: "Auvergne-Rhône-Alpes"},
			schemas.Home{Basis: "customer", Country: "FR", PostalCode: "35000", CommuneCode: "35238", Region: "Bretagne"}, schemas.Home{Basis: "event", Country: "BE", PostalCode: "1000"})
		if w.IntN(2) == 0 {
			h.Confidence = schemas.Some(float64(w.IntN(5)) / 4)
		}
		e.Home = schemas.Some(h)
		if w.IntN(2) == 0 {
			a := schemas.Area{Level: "commune", Code: h.CommuneCode, Status: choose(w, "known", "withheld")}
			if a.Status == "known" {
				decile := 1 + w.Int32N(10)
				a.MedianIncome, a.IncomeDecile, a.IncomeQuintile, a.PovertyRate = schemas.Some(15_000+decile), schemas.Some(decile), schemas.Some((decile+1)/2), schemas.Some(12.5)
			}
			e.Area = schemas.Some(a)
		}
	}
	if w.IntN(4) == 0 {
		c := schemas.KnownCustomer{AgeBand: choose(w, "", "65-74"), Gender: choose(w, "", "male"), LoyaltyTier: choose(w, "", "gold", "silver"), OrdersBand: choose(w, "", "0", "1", "2-3", "10+")}
		if w.IntN(3) == 0 {
			c.FirstOrderDate = schemas.Some(schemas.DateOf(2019+w.IntN(8), 5, 1+w.IntN(9)))
		}
		e.Customer = schemas.Some(c)
	}
	if w.IntN(10) == 0 {
		e.Enrichments = []schemas.Enrichment{{Name: choose(w, "customer", "person", "place", "traffic"), Status: "skipped", Reason: choose(w, "consent_denied", "consent_denied", "consent_missing")}}
	}
	if w.IntN(10) == 0 {
		e.Enrichments = append(e.Enrichments, schemas.Enrichment{Name: choose(w, "area", "first_name", "shop"), Status: "skipped", Reason: choose(w, "consent_denied", "purpose_disabled")})
	}
	if refuses(e, "customer", "person", "place") {
		e.Profile, e.Customer, e.Home = schemas.Optional[schemas.Profile]{}, schemas.Optional[schemas.KnownCustomer]{}, schemas.Optional[schemas.Home]{}
	}
	if refuses(e, "area", "first_name") {
		e.Area, e.FirstName = schemas.Optional[schemas.Area]{}, schemas.Optional[schemas.FirstNameEstimate]{}
	}
}

// refuses tells whether the consent of an event refused one of the enrichments.
func refuses(e *schemas.EnrichedTouchpoint, names ...string) bool {
	return slices.ContainsFunc(e.Enrichments, func(n schemas.Enrichment) bool { return slices.Contains(names, n.Name) && n.Reason == "consent_denied" })
}

var orderBands = []string{"0", "1", "2-3", "4-9", "10+"}

// known is one customer's profile: what the events in turn leave.
type known struct {
	said                              bool
	age, gender, household, in, lives string
	name                              schemas.FirstNameEstimate
	tier                              string
	home, areaHome, sure              schemas.Home
	area                              schemas.Area
	reach                             schemas.Optional[int32]
	first                             schemas.Optional[schemas.Date]
	band                              int
	at                                int64
}

func (k *known) hear(e touch) {
	last := func(into *string, words ...string) {
		for _, word := range words {
			if word != "" {
				*into, k.said = word, true
				k.at = int64(e.at)
				return
			}
		}
	}
	if refuses(e.EnrichedTouchpoint, "customer", "person", "place") {
		k.age, k.gender, k.household, k.in, k.lives, k.tier = "", "", "", "", "", ""
		k.home, k.sure, k.reach = schemas.Home{}, schemas.Home{}, schemas.Optional[int32]{}
	}
	if refuses(e.EnrichedTouchpoint, "area", "first_name") {
		k.name, k.area, k.areaHome = schemas.FirstNameEstimate{}, schemas.Area{}, e.Home.Value
	}
	p, c := e.Profile.Value, e.Customer.Value
	last(&k.age, p.AgeBand, c.AgeBand)
	last(&k.gender, p.Gender, c.Gender)
	last(&k.household, p.Household)
	last(&k.in, p.HouseholdID)
	last(&k.lives, p.Dwelling)
	last(&k.tier, c.LoyaltyTier)
	var ignored string
	if last(&ignored, e.FirstName.Value.Gender); ignored != "" {
		k.name = e.FirstName.Value
	}
	if e.Home.Valid {
		last(&ignored, e.Home.Value.Basis)
		k.home = e.Home.Value
		if k.home.Confidence.Valid {
			k.sure = k.home
		}
	}
	if e.Area.Valid {
		k.area, k.areaHome = e.Area.Value, e.Home.Value
	}
	if p.Contactability.Valid {
		last(&ignored, "assessed")
		k.reach = p.Contactability
	}
	if d := c.FirstOrderDate; d.Valid {
		last(&ignored, "ordered")
		if !k.first.Valid || d.Value < k.first.Value {
			k.first = d
		}
	}
	last(&ignored, c.OrdersBand)
	k.band = max(k.band, slices.Index(orderBands, c.OrdersBand))
}

func (c *recount) known() map[uuid.UUID]*known {
	all := make(map[uuid.UUID]*known)
	for _, e := range c.touches {
		if e.shared {
			continue
		}
		if all[e.customer] == nil {
			all[e.customer] = &known{}
		}
		all[e.customer].hear(e)
	}
	orders := make(map[uuid.UUID]int)
	for _, o := range c.sales {
		// A refund of an order that was never seen is none.
		if o.status == "cancelled" || o.shared || len(c.placed[o.key]) == 0 && o.net < 0 {
			continue
		}
		orders[o.customer]++
		if k := all[o.customer]; k != nil {
			if day := schemas.Date(o.date.Unix() / 86400); !k.first.Valid || day < k.first.Value {
				k.first = schemas.Some(day)
			}
		}
	}
	for customer, k := range all {
		n := orders[customer]
		k.band = max(k.band, map[bool]int{true: 1}[n >= 1], map[bool]int{true: 2}[n >= 2], map[bool]int{true: 3}[n >= 4], map[bool]int{true: 4}[n >= 10])
		if k.areaHome.CommuneCode != k.home.CommuneCode || k.areaHome.PostalCode != k.home.PostalCode {
			k.area = schemas.Area{}
		}
		if !k.said {
			delete(all, customer)
		}
	}
	return all
}

func cell[V any](v schemas.Optional[V]) string {
	if !v.Valid {
		return ""
	}
	return row(v.Value)[0]
}

func (c *recount) profiles() [][]string {
	var rows [][]string
	for customer, k := range c.known() {
		var sure schemas.Optional[float64]
		if k.sure.PostalCode == k.home.PostalCode && k.sure.CommuneCode == k.home.CommuneCode {
			sure = k.sure.Confidence
		}
		var guess, guessed schemas.Optional[float64]
		band, gender := "", k.gender
		if k.age == "" && k.name.AgeBand != "" {
			band, guess = k.name.AgeBand, k.name.AgeBandProbability
		}
		if gender == "" && (k.name.Gender == "female" || k.name.Gender == "male") {
			if gender, guessed = k.name.Gender, k.name.FemaleProbability; gender == "male" {
				guessed.Value = 1 - guessed.Value
			}
		}
		first := ""
		if k.first.Valid {
			first = k.first.Value.Time().Format(time.DateOnly)
		}
		rows = append(rows, row(customer, k.age, band, cell(guess), gender, guessed.Valid, cell(guessed), k.home.Country, k.home.PostalCode, k.home.CommuneCode, k.home.Region, cell(sure),
			k.area.Code, k.area.Status, cell(k.area.MedianIncome), cell(k.area.IncomeQuintile), cell(k.area.IncomeDecile), cell(k.area.PovertyRate), cell(k.reach), k.household, k.in, k.lives, k.tier, first, orderBands[k.band], k.at))
	}
	return sorted(rows)
}

func (c *recount) profileMix() [][]string {
	known := c.known()
	type mixed struct {
		customers, orders, revenue int
		by                         map[string]int
	}
	groups := make(map[[2]string]*mixed)
	for customer, bought := range group(c.purchases(), func(o sale) uuid.UUID { return o.customer }) {
		kinds, revenue := make(map[string]bool), 0
		for _, o := range bought {
			kinds[map[string]string{"store": "store", "web": "web", "app": "web", "server": "web"}[o.channel]] = true
			revenue += c.revenue(o)
		}
		mix := "multichannel"
		if len(kinds) == 1 {
			for kind := range kinds {
				mix = map[string]string{"": "other"}[kind] + kind + "_only"
			}
		}
		age, decile, region := "unknown", "unknown", "unknown"
		if k := known[customer]; k != nil {
			if k.age != "" {
				age = k.age
			}
			if k.area.IncomeDecile.Valid {
				decile = fmt.Sprint(k.area.IncomeDecile.Value)
			}
			if k.home.Region != "" {
				region = k.home.Region
			}
		}
		for _, key := range [][2]string{{"age_band", age}, {"income_decile", decile}, {"region", region}} {
			g := groups[key]
			if g == nil {
				g = &mixed{by: make(map[string]int)}
				groups[key] = g
			}
			g.customers, g.orders, g.revenue = g.customers+1, g.orders+len(bought), g.revenue+revenue
			g.by[mix]++
		}
	}
	var rows [][]string
	for key, g := range groups {
		mixes := []string{"web_only", "store_only", "multichannel", "other_only"}
		hidden, small := make(map[string]bool), 0
		for _, mix := range mixes {
			if n := g.by[mix]; n > 0 && n < 5 {
				hidden[mix], small = true, small+1
			}
		}
		if small == 1 {
			least := ""
			for _, mix := range mixes {
				if n := g.by[mix]; n > 0 && !hidden[mix] && (least == "" || n < g.by[least]) {
					least = mix
				}
			}
			hidden[least] = true
		}
		enough := g.customers >= 5
		show := func(visible bool, v any) string {
			if !enough || !visible {
				return ""
			}
			return row(v)[0]
		}
		cells := []string{key[0], key[1], show(true, g.customers)}
		for _, mix := range mixes {
			cells = append(cells, show(!hidden[mix], g.by[mix]))
		}
		for _, mix := range mixes[:3] {
			cells = append(cells, show(!hidden[mix], float64(g.by[mix])/float64(g.customers)))
		}
		basket := ""
		if enough {
			basket = schemas.Decimal(int64(g.revenue) * 10_000 / int64(g.orders)).String()
		}
		rows = append(rows, append(cells, show(true, g.orders), basket, c.main, fmt.Sprint(!enough || len(hidden) > 0)))
	}
	slices.SortFunc(rows, func(a, b []string) int { return strings.Compare(a[0]+"\x00"+a[1], b[0]+"\x00"+b[1]) })
	return rows
}
