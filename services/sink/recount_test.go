package sink_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/schemas"
)

// touch is an event as the recount sees it.
type touch struct {
	*schemas.EnrichedTouchpoint
	at, tie  uint64
	customer uuid.UUID
	shared   bool
}

type sale struct {
	key, currency, status, channel, store string
	customer                              uuid.UUID
	shared, nobody                        bool
	at                                    int64
	date                                  time.Time
	net                                   int
	rate                                  int // of the order to the workspace's currency; 0 when it was not converted
	money                                 int
	converted                             bool
}

// recount works out the views from the events, in plain loops.
type recount struct {
	touches []touch // by position
	sales   []sale
	placed  map[string][]touch // what placed each order, by position
	main    string             // the workspace's currency
}

func byPosition(a, b touch) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.tie, b.tie)) }

func newRecount(r *rig, s *shoppers) *recount {
	r.t.Helper()
	c := &recount{placed: make(map[string][]touch)}
	of := func(n uuid.UUID) uuid.UUID {
		if to, found := s.moves[n]; found {
			return to
		}
		return n
	}
	for _, e := range s.events {
		t := touch{EnrichedTouchpoint: e, at: uint64(e.OccurredAt), tie: binary.BigEndian.Uint64(e.EventID[:8])}
		switch {
		case e.Anchor != s.hub:
			t.customer = of(e.Anchor)
		case len(e.Identifiers) > 1:
			t.customer = of(uuid.MustParse(e.Identifiers[1].Value))
		default:
			t.customer, t.shared = s.hub, true
		}
		c.touches = append(c.touches, t)
	}
	slices.SortFunc(c.touches, byPosition)
	c.sell()
	return c
}

func (e touch) currency() string {
	if c := e.Commerce.Value.Currency; c != "" || e.Name == "Order Refunded" {
		return c
	}
	return "EUR"
}

// rate is what a unit of the event's currency is worth in the workspace's; 0 when it was not converted.
func (e touch) rate() int {
	rate, _ := strconv.Atoi(e.Money.Value.Rate)
	return rate
}

func (e touch) localDate() time.Time {
	if e.Calendar.Valid {
		return e.Calendar.Value.LocalDate.Time()
	}
	return e.OccurredAt.Time().Truncate(24 * time.Hour)
}

func (e touch) total() (int, bool) {
	return units(e.Commerce.Value.Total.Value), e.Commerce.Value.Total.Valid
}

func units(d schemas.Decimal) int {
	n, err := strconv.Atoi(d.String())
	if err != nil {
		panic(err)
	}
	return n
}

// sell finds the order of each event, and what became of it.
func (c *recount) sell() {
	own := func(e touch) string {
		if e.Channel == "store" {
			return e.Context.Store.StoreID + "/"
		}
		return ""
	}
	places := make(map[string]map[string]bool)
	for _, e := range c.touches {
		if e.Name == "Order Completed" {
			id := e.Commerce.Value.OrderID
			if places[id] == nil {
				places[id] = make(map[string]bool)
			}
			places[id][own(e)] = true
		}
	}
	all := make(map[string][]touch)
	for _, e := range c.touches {
		if !strings.HasPrefix(e.Name, "Order ") {
			continue
		}
		id, place := e.Commerce.Value.OrderID, own(e)
		if found := slices.Collect(maps.Keys(places[id])); e.Name != "Order Completed" && !places[id][place] && len(found) == 1 {
			place = found[0]
		}
		all[place+id] = append(all[place+id], e)
		if e.Name == "Order Completed" {
			c.placed[place+id] = append(c.placed[place+id], e)
		}
	}
	for key, events := range all {
		if o, kept := settle(key, events); kept {
			c.sales = append(c.sales, o)
		}
	}
	slices.SortFunc(c.sales, func(a, b sale) int { return strings.Compare(a.key, b.key) })
	count := make(map[string]map[string]bool)
	for key, events := range c.placed {
		for _, e := range events {
			if count[e.currency()] == nil {
				count[e.currency()] = make(map[string]bool)
			}
			count[e.currency()][key] = true
		}
	}
	for _, e := range c.touches {
		if e.Name == "Order Completed" && e.rate() > 0 {
			c.main = "EUR"
			return
		}
	}
	for _, currency := range slices.Sorted(maps.Keys(count)) {
		if c.main == "" || len(count[currency]) > len(count[c.main]) {
			c.main = currency
		}
	}
}

func settle(key string, events []touch) (sale, bool) {
	rank := func(e touch) int {
		return slices.Index([]string{"Order Completed", "Order Refunded", "Order Cancelled"}, e.Name)
	}
	first := slices.MinFunc(events, func(a, b touch) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), byPosition(a, b)) })
	o := sale{
		key: key, channel: first.Channel, store: first.Context.Store.StoreID, customer: first.customer, shared: first.shared, nobody: first.AnchorType == "till_record",
		at: int64(first.at), date: first.localDate(),
	}
	o.rate = 0
	gross, known, refunds, all, cancelled := 0, rank(first) == 0, 0, false, false
	for _, e := range events { // the last amount that an order stated, and its currency
		total, stated := e.total()
		switch {
		case e.Name == "Order Completed" && stated:
			gross, o.currency, o.rate = total, e.currency(), e.rate()
		case e.Name == "Order Completed" && o.currency == "":
			o.currency = e.currency()
		}
	}
	refunded, paid, paidAll := 0, 0, true
	for _, e := range events {
		total, stated := e.total()
		switch e.Name {
		case "Order Refunded":
			refunds++
			all = all || !stated
			if !known && o.currency == "" {
				o.currency = e.currency()
			}
		case "Order Cancelled":
			cancelled = true
		}
		if e.Name == "Order Refunded" {
			paid, paidAll = paid+total*e.rate(), paidAll && stated && e.rate() > 0
		}
		if e.Name == "Order Refunded" && stated && (e.currency() == o.currency || e.currency() == "") {
			refunded += total
		} else if e.Name == "Order Refunded" && stated && o.rate > 0 && e.rate() > 0 && gross > 0 {
			refunded += total * e.rate() / o.rate
		}
	}
	if known && all {
		refunded = gross
	} else if known {
		refunded = min(refunded, gross)
	}
	o.net = gross - refunded
	switch {
	case cancelled:
		o.status, o.net = "cancelled", 0
	case refunds == 0:
		o.status = "completed"
	case known && refunded < gross:
		o.status = "partially_refunded"
	default:
		o.status = "refunded"
	}
	if o.money, o.converted = o.net*o.rate, o.rate > 0; !known {
		if o.money, o.converted = -paid, paidAll; cancelled {
			o.money = 0
		}
	}
	return o, known || refunds > 0
}

func (c *recount) orders() [][]string {
	var rows [][]string
	for _, o := range c.sales {
		rows = append(rows, row(o.key, o.customer, o.shared, o.status, o.channel, o.store, o.at, o.date, o.currency, o.net, map[bool]string{true: "EUR"}[o.converted], map[bool]any{true: o.money, false: ""}[o.converted]))
	}
	return rows
}

func (c *recount) purchases() []sale {
	return slices.DeleteFunc(slices.Clone(c.sales), func(o sale) bool {
		return o.status != "completed" && o.status != "partially_refunded" || o.shared || o.nobody
	})
}

func (c *recount) revenue(o sale) int {
	if o.converted {
		return o.money
	}
	if o.currency == c.main {
		return o.net
	}
	return 0
}

func group[K comparable, V any](all []V, by func(V) K) map[K][]V {
	groups := make(map[K][]V)
	for _, one := range all {
		groups[by(one)] = append(groups[by(one)], one)
	}
	return groups
}

func (c *recount) asOf() time.Time {
	as := time.Now().UTC().Truncate(24 * time.Hour)
	for _, o := range c.purchases() {
		if o.date.After(as) {
			as = o.date
		}
	}
	return as
}

func (c *recount) rfm() [][]string {
	type buyer struct {
		customer                   uuid.UUID
		last, frequency, monetary  int
		recency, fs, ms, rs, value int
	}
	as := c.asOf()
	var buyers []*buyer
	for customer, bought := range group(c.purchases(), func(o sale) uuid.UUID { return o.customer }) {
		b := &buyer{customer: customer, frequency: len(bought), recency: 1 << 30}
		for _, o := range bought {
			b.monetary += c.revenue(o)
			b.recency = min(b.recency, int(as.Sub(o.date)/(24*time.Hour)))
		}
		b.last = -b.recency
		buyers = append(buyers, b)
	}
	fifth := func(value func(*buyer) int, of *buyer) int {
		lower, equal := 0, 0
		for _, b := range buyers {
			if value(b) < value(of) {
				lower++
			} else if value(b) == value(of) {
				equal++
			}
		}
		return 1 + 5*(2*lower+equal)/(2*len(buyers))
	}
	var rows [][]string
	for _, b := range buyers {
		b.rs = fifth(func(b *buyer) int { return b.last }, b)
		b.fs = fifth(func(b *buyer) int { return b.frequency }, b)
		b.ms = fifth(func(b *buyer) int { return b.monetary }, b)
		if b.value = (b.fs + b.ms + 1) / 2; b.frequency == 1 {
			b.value = min(b.value, 2)
		}
		rows = append(rows, row(b.customer, b.recency, b.frequency, b.monetary, c.main, b.rs, b.fs, b.ms, fmt.Sprint(b.rs*100+b.fs*10+b.ms), segment(b.rs, b.value, b.frequency == 1), as))
	}
	return sorted(rows)
}

func segment(r, v int, once bool) string {
	switch {
	case r >= 4 && once:
		return "new"
	case r >= 4 && v >= 4:
		return "champions"
	case r >= 4:
		return "potential_loyal"
	case r == 3 && v >= 4:
		return "loyal"
	case r == 3 && once:
		return "about_to_sleep"
	case r == 3:
		return "needs_attention"
	case v == 5:
		return "cannot_lose"
	case v >= 3:
		return "at_risk"
	case r == 2:
		return "hibernating"
	}
	return "lost"
}

func (c *recount) mix() [][]string {
	var rows [][]string
	for customer, bought := range group(c.purchases(), func(o sale) uuid.UUID { return o.customer }) {
		orders, revenue := make(map[string]int), make(map[string]int)
		app, stores := 0, make(map[string]bool)
		for _, o := range bought {
			where := map[string]string{"store": "store", "web": "web", "app": "web", "server": "web"}[o.channel]
			if where == "" {
				where = "other"
			}
			if o.channel == "app" {
				app++
			}
			if o.channel == "store" {
				stores[o.store] = true
			}
			orders[where]++
			revenue[where] += c.revenue(o)
		}
		mix := "multichannel"
		if len(orders) == 1 {
			for where := range orders {
				mix = where + "_only"
			}
		}
		n := len(bought)
		rows = append(rows, row(customer, mix, n, orders["web"], app, orders["store"], orders["other"], float64(orders["web"])/float64(n), float64(orders["store"])/float64(n),
			revenue["web"]+revenue["store"]+revenue["other"], revenue["web"], revenue["store"], revenue["other"], c.main, slices.Sorted(maps.Keys(stores))))
	}
	return sorted(rows)
}

func (c *recount) cohorts() [][]string {
	month := func(t time.Time) int { return t.Year()*12 + int(t.Month()) - 1 }
	as := c.asOf()
	first, bought := make(map[uuid.UUID]int), group(c.purchases(), func(o sale) uuid.UUID { return o.customer })
	cohorts := make(map[int][]uuid.UUID)
	for customer, orders := range bought {
		first[customer] = 1 << 30
		for _, o := range orders {
			first[customer] = min(first[customer], month(o.date))
		}
		cohorts[first[customer]] = append(cohorts[first[customer]], customer)
	}
	var rows [][]string
	for _, cohort := range slices.Sorted(maps.Keys(cohorts)) {
		for m := cohort; m <= month(as); m++ {
			retained, orders, revenue := 0, 0, 0
			for _, customer := range cohorts[cohort] {
				came := 0
				for _, o := range bought[customer] {
					if month(o.date) == m {
						came, revenue = came+1, revenue+c.revenue(o)
					}
				}
				if orders += came; came > 0 {
					retained++
				}
			}
			size := len(cohorts[cohort])
			rows = append(rows, row(time.Date(cohort/12, time.Month(cohort%12+1), 1, 0, 0, 0, 0, time.UTC), m-cohort, size, retained, float64(retained)/float64(size), orders, revenue, m < month(as)))
		}
	}
	return rows
}

func (c *recount) sessions() [][]string {
	type browser struct {
		customer, visitor uuid.UUID
		source            string
	}
	ordered := make(map[uuid.UUID]sale)
	for _, o := range c.sales {
		for _, e := range c.placed[o.key] {
			if e.Channel == "web" || e.Channel == "app" {
				if o.status != "cancelled" {
					ordered[e.EventID] = o
				}
				break
			}
		}
	}
	online := slices.DeleteFunc(slices.Clone(c.touches), func(e touch) bool { return e.Channel != "web" && e.Channel != "app" })
	var rows [][]string
	for b, events := range group(online, func(e touch) browser {
		visitor := e.Anchor
		for _, kind := range []string{"device_id", "anonymous_id"} {
			for _, i := range e.Identifiers {
				if i.Type == kind {
					visitor = uuid.MustParse(i.Value)
				}
			}
		}
		return browser{e.customer, visitor, e.Source}
	}) {
		for from := 0; from < len(events); {
			to := from + 1
			for to < len(events) && events[to].at-events[to-1].at <= 30*minute {
				to++
			}
			rows = append(rows, visit(b.customer, b.visitor, events[from:to], ordered))
			from = to
		}
	}
	return sorted(rows)
}

func visit(customer, visitor uuid.UUID, events []touch, ordered map[uuid.UUID]sale) []string {
	first, last := events[0], events[len(events)-1]
	var pages []string
	var traffic schemas.Traffic
	var class, currency string
	var shared, bot bool
	orders, revenue := 0, 0
	currencies := make(map[string]bool)
	for _, e := range events {
		if e.Type == "page" || e.Type == "screen" {
			pages = append(pages, cmp.Or(e.Context.Page.Path, e.Name))
		}
		if traffic.ChannelGroup == "" && e.Traffic.Value.ChannelGroup != "" {
			traffic = e.Traffic.Value
		}
		class = cmp.Or(class, e.Device.Value.Class)
		shared, bot = shared || e.shared, bot || e.Device.Value.IsBot
		if o, found := ordered[e.EventID]; found {
			orders, revenue, currency = orders+1, revenue+o.net, o.currency
			currencies[currency] = true
		}
	}
	if len(currencies) != 1 {
		currency = ""
	}
	entry, exit := "", ""
	if len(pages) > 0 {
		entry, exit = pages[0], pages[len(pages)-1]
	}
	took := last.at - first.at
	return row(first.EventID, customer, shared, visitor, first.Source, first.Channel, int64(first.at), int64(last.at), took/1000, first.localDate(), len(events), len(pages), entry, exit,
		traffic.Source, traffic.ChannelGroup, class, orders, revenue, currency, len(pages) < 2 && took < 10_000 && orders == 0, bot)
}

// row writes values as ClickHouse does.
func row(values ...any) []string {
	var cells []string
	for _, v := range values {
		switch v := v.(type) {
		case time.Time:
			cells = append(cells, v.Format(time.DateOnly))
		case int64: // milliseconds
			cells = append(cells, time.UnixMilli(v).UTC().Format("2006-01-02 15:04:05.000"))
		case float64:
			cells = append(cells, strconv.FormatFloat(v, 'g', -1, 64))
		case []string:
			text := "[]"
			if len(v) > 0 {
				text = "['" + strings.Join(v, "','") + "']"
			}
			cells = append(cells, text)
		default:
			cells = append(cells, fmt.Sprint(v))
		}
	}
	return cells
}

// sorted orders rows by their first cell, a UUID, as ClickHouse does: by its second half, then by its first.
func sorted(rows [][]string) [][]string {
	halves := func(r []string) (uint64, uint64) {
		id := uuid.MustParse(r[0])
		return binary.BigEndian.Uint64(id[8:]), binary.BigEndian.Uint64(id[:8])
	}
	slices.SortFunc(rows, func(a, b []string) int {
		a1, a2 := halves(a)
		b1, b2 := halves(b)
		return cmp.Or(cmp.Compare(a1, b1), cmp.Compare(a2, b2))
	})
	return rows
}

var (
	mailForm  = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s.]+$`)
	notDigits = regexp.MustCompile(`[^0-9]`)
)
