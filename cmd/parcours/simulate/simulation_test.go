package simulate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/workspace"
)

var monday = time.Date(2026, time.March, 2, 0, 0, 0, 0, paris)

func population(t testing.TB, change func(*Config)) *Simulation {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Start = monday
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fingerprint hashes everything that is sent, as if every request left when it was due.
func fingerprint(s *Simulation) string {
	h := sha256.New()
	var body []byte
	for d := range s.Deliveries() {
		body = d.AppendBody(body[:0], "wk_dev_"+d.Source, time.UnixMilli(d.At))
		fmt.Fprintf(h, "%d %s %t %d\n", d.At, d.Path(), d.Repeat, d.Lane)
		h.Write(body)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestSameSeedSameBytes(t *testing.T) {
	small := func(c *Config) { c.Customers, c.Days = 300, 4 }
	s := population(t, small)
	first := fingerprint(s)
	if again := fingerprint(s); again != first {
		t.Error("a second pass over one simulation gave other bytes")
	}
	if again := fingerprint(population(t, small)); again != first {
		t.Error("a second simulation of one configuration gave other bytes")
	}
	if other := fingerprint(population(t, func(c *Config) { small(c); c.Seed = 2 })); other == first {
		t.Error("another seed gave the same bytes")
	}
}

func TestStartShiftsTheDaysOnly(t *testing.T) {
	small := func(c *Config) { c.Customers, c.Days = 100, 3 }
	later := func(c *Config) { small(c); c.Start = monday.AddDate(0, 0, 7) }
	var a, b []string
	for d := range population(t, small).Deliveries() {
		a = append(a, fmt.Sprint(d.At-monday.UnixMilli(), d.Source, len(d.Events)))
	}
	for d := range population(t, later).Deliveries() {
		b = append(b, fmt.Sprint(d.At-monday.AddDate(0, 0, 7).UnixMilli(), d.Source, len(d.Events)))
	}
	if !slices.Equal(a, b) {
		t.Error("the same week a week later is another week")
	}
}

func TestDeliveriesAreInTheOrderOfTime(t *testing.T) {
	last := int64(math.MinInt64)
	for d := range population(t, nil).Deliveries() {
		if d.At < last {
			t.Fatalf("delivery at %d after one at %d", d.At, last)
		}
		last = d.At
		for _, e := range d.Events {
			if e.At > d.At {
				t.Fatalf("event %s of %s happens %d ms after it was sent", e.MessageID, e.Source, e.At-d.At)
			}
		}
	}
}

func TestEventsBoundsDistinctEvents(t *testing.T) {
	for _, limit := range []int{1, 999, 5000} {
		seen := map[string]bool{}
		for d := range population(t, func(c *Config) { c.Events = limit }).Deliveries() {
			for _, e := range d.Events {
				seen[e.MessageID] = true
			}
		}
		if len(seen) != limit {
			t.Errorf("--events %d gave %d", limit, len(seen))
		}
	}
}

// TestTruthMatchesDeliveries: the truth names every event that was sent, once, and nobody who did nothing.
func TestTruthMatchesDeliveries(t *testing.T) {
	s := population(t, func(c *Config) { c.Customers = 1000 })
	var text bytes.Buffer
	truth := newTruthWriter(s, &text)
	sent := map[string]int{}
	for d := range s.Deliveries() {
		if err := truth.delivery(d); err != nil {
			t.Fatal(err)
		}
		if !d.Repeat {
			for _, e := range d.Events {
				sent[e.MessageID]++
			}
		}
	}
	if err := truth.flush(); err != nil {
		t.Fatal(err)
	}
	for id, n := range sent {
		if n != 1 {
			t.Errorf("event %s was made %d times", id, n)
		}
	}
	people, busy, events := map[string]int{}, map[string]bool{}, 0
	err := ReadTruth(&text, func(l *TruthLine) error {
		switch l.Kind {
		case TruthPerson:
			people[l.Person]++
		case TruthEvent:
			events++
			busy[l.Person] = true
			if people[l.Person] == 0 {
				t.Errorf("event %s of %s, of whom nothing was said before", l.MessageID, l.Person)
			}
			if sent[l.MessageID] == 0 {
				t.Errorf("event %s stands in the truth and was not sent", l.MessageID)
			}
			delete(sent, l.MessageID)
		default:
			t.Errorf("line of kind %q", l.Kind)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for id := range sent {
		t.Errorf("event %s was sent and does not stand in the truth", id)
	}
	for who, n := range people {
		if n != 1 || !busy[who] {
			t.Errorf("person %s has %d lines, busy: %t", who, n, busy[who])
		}
	}
	if events == 0 {
		t.Error("no events")
	}
}

// TestHardCasesExist: what identity resolution has to cope with happens, and does not when it is switched off.
func TestHardCasesExist(t *testing.T) {
	count := func(s *Simulation) map[string]int {
		n := map[string]int{}
		for d := range s.Deliveries() {
			if d.Repeat {
				n["repeat"]++
				continue
			}
			for _, e := range d.Events {
				for _, c := range e.Cases.List() {
					n[c.String()]++
				}
				n["wrong "+e.Wrong]++
				if e.Clock > 5*minute || e.Clock < -5*minute {
					n["skewed"]++
				}
				if d.At-e.At > 2*hour {
					n["late"]++
				}
			}
		}
		return n
	}
	usual := count(population(t, nil))
	t.Log(usual)
	for _, want := range []string{"repeat", "skewed", "late", "wrong amount", "wrong ids", "wrong type", "wrong event"} {
		if usual[want] == 0 {
			t.Errorf("no %s in a usual week", want)
		}
	}
	quiet := count(population(t, func(c *Config) { c.Trouble = 0 }))
	for _, c := range AllCases() {
		if usual[c.String()] == 0 {
			t.Errorf("no %s in a usual week", c)
		}
		if n := quiet[c.String()]; n > 0 {
			t.Errorf("%d events of %s without trouble", n, c)
		}
	}
}

// TestSharingIsSharing: an identifier that the truth calls shared is really used by two people.
func TestSharingIsSharing(t *testing.T) {
	users := map[Identifier]map[int]bool{}
	s := population(t, nil)
	for d := range s.Deliveries() {
		for _, e := range d.Events {
			for _, id := range e.Identifiers() {
				if users[id] == nil {
					users[id] = map[int]bool{}
				}
				users[id][e.Person] = true
			}
		}
	}
	shared := map[string]int{}
	for id, who := range users {
		if len(who) > 1 {
			shared[id.Type]++
		}
	}
	for _, kind := range []string{"anonymous_id", "loyalty_card", "payment_reference", "user_id", "email"} {
		if shared[kind] == 0 {
			t.Errorf("no %s is used by two people", kind)
		}
	}
	if shared["till_record"] > 0 {
		t.Errorf("%d tickets have two buyers", shared["till_record"])
	}
}

func TestPeopleAreBelievable(t *testing.T) {
	s := population(t, func(c *Config) { c.Customers = 20_000 })
	var p person
	personaCount, overseas, towns := map[persona]int{}, 0, map[string]bool{}
	emails, cards := map[string]bool{}, map[string]bool{}
	for i := range s.cfg.Customers {
		s.person(i, &p)
		personaCount[p.persona]++
		towns[p.house.town.postcode] = true
		if p.house.town.overseas != "" {
			overseas++
		}
		if emails[p.email] && !p.family {
			t.Fatalf("two people have the address %s", p.email)
		}
		emails[p.email] = true
		if p.ownCard {
			if cards[p.card] {
				t.Fatalf("two people own the card %s", p.card)
			}
			cards[p.card] = true
		}
	}
	for i := range personas {
		if personaCount[i] < s.cfg.Customers/50 {
			t.Errorf("%d of persona %s", personaCount[i], i)
		}
	}
	if share := float64(overseas) / float64(s.cfg.Customers); share < .01 || share > .08 {
		t.Errorf("%.1f %% live overseas, want about 4 %%", share*100)
	}
	if len(towns) != len(s.lists.towns) {
		t.Errorf("people live in %d of %d towns", len(towns), len(s.lists.towns))
	}
}

// TestIdentifiersAreUsable: identity takes every identifier but those that are wrong on purpose.
func TestIdentifiersAreUsable(t *testing.T) {
	ws := workspace.DefaultConfig()
	ws.HashKey = strings.Repeat("5a", 32)
	cfg := identifier.DefaultConfig()
	card := cfg.Types[identifier.LoyaltyCard]
	card.Length, card.Check = 13, "ean13" // the scheme of this retailer's cards
	cfg.Types[identifier.LoyaltyCard] = card
	ids, err := identifier.New(cfg, ws)
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string]int{}
	for d := range population(t, nil).Deliveries() {
		for _, e := range d.Events {
			if e.Wrong != "" {
				continue
			}
			usable := false
			for _, id := range e.Identifiers() {
				_, reason := ids.Node(id.Type, id.Value)
				usable = usable || reason == ""
				if reason != "" && !slices.Contains(testMailboxes, id.Value) && !e.Cases.Has(MisspeltAddress) {
					refused[id.Type+" "+reason]++
				}
			}
			if !usable && !e.Cases.Has(MadeUpAddress) { // the collector falls back on the ticket
				t.Fatalf("event %s of %s has no usable identifier: %v", e.MessageID, e.Source, e.Identifiers())
			}
		}
	}
	if len(refused) > 0 {
		t.Errorf("identifiers that identity refuses: %v", refused)
	}
}

func TestShopsKeepTheirHours(t *testing.T) {
	s := population(t, func(c *Config) { c.Days = 14 })
	shops := map[string]*store{}
	for i := range s.lists.stores {
		shops[s.lists.stores[i].id] = &s.lists.stores[i]
	}
	weekday := [7]int{}
	for d := range s.Deliveries() {
		for _, e := range d.Events {
			if e.Source != POS || d.Repeat || e.Wrong != "" {
				continue
			}
			shop := shops[e.Commerce.Receipt.Store]
			at := e.Occurred().In(shop.zone)
			day := (int(at.Weekday()) + 6) % 7
			weekday[day]++
			isOpen := at.Hour() >= shop.opens && at.Hour() < shop.closes
			if day == 6 {
				isOpen = shop.sunday && at.Hour() >= shop.opens && at.Hour() < 13
			}
			if !isOpen {
				t.Fatalf("ticket %s at %s, when %s is closed", e.MessageID, at, shop.id)
			}
		}
	}
	if weekday[5] < weekday[0] || weekday[6] > weekday[1] {
		t.Errorf("tickets by weekday from Monday: %v, want the most on Saturday and few on Sunday", weekday)
	}
}

// TestDistribution holds the constants that other parts reckon with to what is really made.
func TestDistribution(t *testing.T) {
	s := population(t, nil)
	n, bytes, bySource := 0, 0, map[string]int{}
	orders := map[string]int{}
	for d := range s.Deliveries() {
		if d.Repeat {
			continue
		}
		n += len(d.Events)
		bySource[d.Source] += len(d.Events)
		bytes += len(d.AppendBody(nil, "wk", time.UnixMilli(d.At)))
		for _, e := range d.Events {
			if e.Name == "Order Completed" {
				orders[e.Source]++
			}
		}
	}
	if each := float64(n) / float64(s.cfg.Customers*s.cfg.Days); math.Abs(each-eventsPerPersonDay) > .4 {
		t.Errorf("%.2f events a person and day, the constant says %.2f", each, eventsPerPersonDay)
	}
	if size := bytes / n; size < 700 || size > 1500 {
		t.Errorf("%d bytes an event", size)
	}
	for _, source := range sources {
		if bySource[source] == 0 {
			t.Errorf("nothing from source %s", source)
		}
	}
	if orders[Web] == 0 || orders[App] == 0 || orders[POS] < orders[Web] {
		t.Errorf("orders by source: %v, want more in shops than on the web", orders)
	}
	if bySource[Web] < n/2 {
		t.Errorf("%d of %d events from the web, want most", bySource[Web], n)
	}
}

// TestRequestsAreSegmentsDialect reads every body as its receiver does.
func TestRequestsAreSegmentsDialect(t *testing.T) {
	type call struct {
		Type, Event, UserID, AnonymousID, MessageID, Timestamp, SentAt, WriteKey string
		Properties                                                               map[string]any
		Traits                                                                   map[string]any
		Context                                                                  map[string]any
		Batch                                                                    []json.RawMessage
	}
	paths := map[string]int{}
	var body []byte
	check := func(e *Event, c call, single bool) {
		if c.MessageID == "" || len(c.MessageID) > 100 || c.Timestamp == "" {
			t.Fatalf("%s: message id %q, timestamp %q", e.Source, c.MessageID, c.Timestamp)
		}
		if e.Wrong != "" {
			return
		}
		switch c.Type {
		case "track":
			if c.Event == "" || c.Properties == nil {
				t.Fatalf("track without event or properties: %+v", c)
			}
		case "page", "screen":
		case "identify":
			if c.Traits == nil {
				t.Fatalf("identify without traits: %+v", c)
			}
		default:
			t.Fatalf("call of type %q", c.Type)
		}
		if single && c.AnonymousID == "" {
			t.Fatalf("browser event without anonymous id: %+v", c)
		}
		if _, ok := c.Context["library"]; !ok {
			t.Fatalf("no library in %+v", c.Context)
		}
	}
	for d := range population(t, nil).Deliveries() {
		body = d.AppendBody(body[:0], "wk_dev_"+d.Source, time.UnixMilli(d.At))
		paths[d.Source+" "+d.Path()]++
		var whole call
		if err := json.Unmarshal(body, &whole); err != nil {
			t.Fatalf("%s: %v in %s", d.Path(), err, body)
		}
		if whole.SentAt == "" || whole.WriteKey == "" {
			t.Fatalf("%s: no sentAt or writeKey in %s", d.Path(), body)
		}
		if len(body) > 500<<10 {
			t.Fatalf("%s: body of %d bytes", d.Path(), len(body))
		}
		if d.Browser() {
			check(d.Events[0], whole, true)
			continue
		}
		if len(whole.Batch) != len(d.Events) {
			t.Fatalf("%s: %d calls for %d events", d.Path(), len(whole.Batch), len(d.Events))
		}
		for i, raw := range whole.Batch {
			var c call
			if err := json.Unmarshal(raw, &c); err != nil {
				t.Fatal(err)
			}
			if len(raw) > 32<<10 {
				t.Fatalf("event of %d bytes", len(raw))
			}
			check(d.Events[i], c, false)
		}
	}
	for _, want := range []string{"web /v1/p", "web /v1/t", "web /v1/i", "app /v1/b", "pos /v1/batch", "crm /v1/batch"} {
		if paths[want] == 0 {
			t.Errorf("nothing sent by %s", want)
		}
	}
}

// TestAmountsAddUp: subtotal, tax and shipping make the total, and the lines make the subtotal.
func TestAmountsAddUp(t *testing.T) {
	for d := range population(t, nil).Deliveries() {
		for _, e := range d.Events {
			c := e.Commerce
			if e.Name != "Order Completed" || e.Wrong != "" {
				continue
			}
			lines := 0
			for _, l := range c.Lines {
				lines += l.Quantity * l.Product.price
			}
			if c.Subtotal+c.Tax+c.Fee != c.Total || lines-c.Discount+c.Fee != c.Total {
				t.Fatalf("order %s: lines %d, discount %d, subtotal %d, tax %d, fee %d, total %d", c.OrderID, lines, c.Discount, c.Subtotal, c.Tax, c.Fee, c.Total)
			}
		}
	}
}

// TestMemoryDoesNotGrow: what is alive late in a long run is what was alive early.
func TestMemoryDoesNotGrow(t *testing.T) {
	if testing.Short() {
		t.Skip("half a million events")
	}
	s := population(t, func(c *Config) { c.Customers, c.Days, c.Events = 16_000, 7, 300_000 })
	alive := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, early, late, n := alive(), uint64(0), uint64(0), 0
	for d := range s.Deliveries() {
		if d.Repeat {
			continue
		}
		was := n
		n += len(d.Events)
		if was < 100_000 && n >= 100_000 {
			early = alive()
		}
		if was < 290_000 && n >= 290_000 {
			late = alive()
		}
	}
	t.Logf("%d events; alive: %d kB at first, %d kB after 100,000 events, %d kB after 290,000", n, before>>10, early>>10, late>>10)
	if n != 300_000 {
		t.Errorf("%d events, want 300,000", n)
	}
	if late > early+4<<20 {
		t.Errorf("alive memory grew from %d to %d kB", early>>10, late>>10)
	}
	if early > before+32<<20 {
		t.Errorf("%d kB alive for 16,000 people", (early-before)>>10)
	}
}

func TestConfigRefuses(t *testing.T) {
	f := func(want string, cfg Config) {
		t.Helper()
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that names %s", err, want)
		}
	}
	f("customers", Config{Customers: -1})
	f("days", Config{Days: 10_000})
	f("events", Config{Events: -5})
	f("trouble", Config{Trouble: -1})
	f("trouble", Config{Trouble: math.NaN()})
}
