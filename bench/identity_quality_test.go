package bench

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/parcours-cdp/parcours/cmd/parcours/demo"
	"github.com/parcours-cdp/parcours/cmd/parcours/simulate"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/services/identity"
)

const (
	qualitySeeds     = 5
	qualityCustomers = 2_000
	// Single rules are changed on the first ablationSeeds populations, living for ablationDays: longer than a week,
	// because wrong links add up, and not so long that the first events are too late to be believed.
	ablationSeeds = 3
	ablationDays  = 21
	// without is a limit that nobody reaches.
	without = 1_000_000
)

// BenchmarkIdentityQuality measures how well the customers found agree with who is really who: five simulated
// populations through the real service on a broker, the customers as a reader of the identity map has them in the end.
// It prints the scores by population, the errors by cause, what each default rule does, and how simpler ways fare.
func BenchmarkIdentityQuality(b *testing.B) {
	for b.Loop() {
		var all []*population
		for seed := range uint64(qualitySeeds) {
			all = append(all, newPopulation(b, simulate.Config{Seed: seed + 1, Customers: qualityCustomers, Days: 7, Trouble: 1}))
		}
		usual := rules{name: "default rules"}
		var measured []demo.Quality
		var t table
		var standing []demo.Quality
		for _, p := range all {
			f := p.throughService(b, usual)
			q := p.truth.Compare(f.customers)
			measured, standing = append(measured, q), append(standing, p.truth.Compare(f.withoutShared()))
			t.quality(fmt.Sprintf("seed %d", p.seed), q)
		}
		t.quality("mean", mean(measured))
		t.print("default rules")
		fmt.Println(causes("wrongly together", measured, func(q *demo.Quality) []demo.Cause { return q.Wrong }))
		fmt.Println(causes("wrongly apart", measured, func(q *demo.Quality) []demo.Cause { return q.Missed }))
		m := mean(measured)
		b.ReportMetric(m.Pairwise.F1, "pairwise_F1")
		b.ReportMetric(m.BCubed.F1, "bcubed_F1")
		b.ReportMetric(m.Pairwise.Precision, "pairwise_precision")
		b.ReportMetric(m.Linkable.Recall, "linkable_recall")

		t = table{}
		t.quality(usual.name, m)
		t.quality("the same, shared ones are nobody's", mean(standing))
		for _, way := range baselines {
			t.quality(way.name, compare(all, func(p *population) map[string]string { return way.run(normalised(b, p.lines)) }))
		}
		for _, r := range broad {
			t.quality(r.name, compare(all, func(p *population) map[string]string { return p.throughService(b, r).customers }))
		}
		t.print("other ways, mean of all seeds")

		t = table{}
		var long []*population
		for seed := range uint64(ablationSeeds) {
			long = append(long, newPopulation(b, simulate.Config{Seed: seed + 1, Customers: qualityCustomers, Days: ablationDays, Trouble: 1}))
		}
		for _, r := range slices.Concat([]rules{usual}, ablations(), proposals) {
			t.quality(r.name, compare(long, func(p *population) map[string]string { return p.throughService(b, r).customers }))
		}
		t.print(fmt.Sprintf("rules changed, %d seeds, %d days", ablationSeeds, ablationDays))
	}
	b.ReportMetric(0, "ns/op")
}

func compare(all []*population, customers func(p *population) map[string]string) demo.Quality {
	var measured []demo.Quality
	for _, p := range all {
		measured = append(measured, p.truth.Compare(customers(p)))
	}
	return mean(measured)
}

// typeRule changes one type of the configuration.
func typeRule(name, typ string, change func(t *identifier.TypeConfig)) rules {
	return rules{name: name, change: func(ids *identifier.Config, _ *identity.Config) {
		t := ids.Types[typ]
		t.Hubs = maps.Clone(t.Hubs)
		if t.Hubs == nil {
			t.Hubs = map[string]int{}
		}
		change(&t)
		ids.Types[typ] = t
	}}
}

// hub is a rule with one hub added, changed, or with most 0 switched off.
func hub(typ, of string, most int) rules {
	name := fmt.Sprintf("hub %s -> %s %d", typ, of, most)
	if most == 0 {
		name = fmt.Sprintf("no hub %s -> %s", typ, of)
	}
	return typeRule(name, typ, func(t *identifier.TypeConfig) { t.Hubs[of] = most })
}

func limit(typ string, most int) rules {
	name := fmt.Sprintf("limit %s %d", typ, most)
	if most == without {
		name = "no limit of " + typ
	}
	return typeRule(name, typ, func(t *identifier.TypeConfig) { t.Limit = most })
}

// together makes all changes at once.
func together(name string, list ...rules) rules {
	return rules{name: name, change: func(ids *identifier.Config, cfg *identity.Config) {
		for _, r := range list {
			r.change(ids, cfg)
		}
	}}
}

// broad take whole mechanisms away.
var broad = []rules{
	together("no hubs", noHubs()...),
	together("no limits", noLimits()...),
	together("neither hubs nor limits", append(noHubs(), noLimits()...)...),
	{"inferred evidence links", func(_ *identifier.Config, cfg *identity.Config) { cfg.LinkClass = "inferred" }},
	typeRule("Gmail spellings link", identifier.EmailCanon, func(t *identifier.TypeConfig) { t.Class = "typed" }),
}

// ablations take one default rule away each.
func ablations() []rules { return append(noHubs(), noLimits()...) }

func noHubs() (list []rules) {
	defaults := identifier.DefaultConfig().Types
	for _, typ := range slices.Sorted(maps.Keys(defaults)) {
		for _, of := range slices.Sorted(maps.Keys(defaults[typ].Hubs)) {
			list = append(list, hub(typ, of, 0))
		}
	}
	return list
}

func noLimits() (list []rules) {
	defaults := identifier.DefaultConfig().Types
	for _, typ := range slices.Sorted(maps.Keys(defaults)) {
		if defaults[typ].Limit > 0 {
			list = append(list, limit(typ, without))
		}
	}
	return list
}

// proposals are rules that the defaults do not have.
var proposals = []rules{
	hub(identifier.AnonymousID, identifier.UserID, 2),
	hub(identifier.AnonymousID, identifier.UserID, 1),
	hub(identifier.AnonymousID, identifier.Email, 3),
	hub(identifier.LoyaltyCard, identifier.UserID, 1),
	hub(identifier.LoyaltyCard, identifier.PaymentReference, 3),
	hub(identifier.Email, identifier.UserID, 2),
	hub(identifier.Email, identifier.LoyaltyCard, 2),
	hub(identifier.Email, identifier.PaymentReference, 3),
	hub(identifier.Phone, identifier.UserID, 2),
	limit(identifier.Email, 2),
	limit(identifier.LoyaltyCard, 1),
	limit(identifier.PaymentReference, 3),
	together("all new hubs, cookie -> user_id 2", newHubs...),
	together("the same, limit loyalty_card 1", slices.Concat(newHubs, []rules{limit(identifier.LoyaltyCard, 1)})...),
}

// newHubs are the hubs of the proposals that cost no recall.
var newHubs = []rules{
	hub(identifier.AnonymousID, identifier.UserID, 2), hub(identifier.AnonymousID, identifier.Email, 3),
	hub(identifier.Email, identifier.LoyaltyCard, 2), hub(identifier.Email, identifier.PaymentReference, 3),
	hub(identifier.LoyaltyCard, identifier.PaymentReference, 3),
}

// mean of scores; counts are added up.
func mean(list []demo.Quality) (m demo.Quality) {
	n := float64(len(list))
	add := func(to *demo.Score, s demo.Score) {
		to.Precision += s.Precision / n
		to.Recall += s.Recall / n
		to.F1 += s.F1 / n
	}
	for i := range list {
		q := &list[i]
		m.Events, m.People, m.Customers = m.Events+q.Events, m.People+q.People, m.Customers+q.Customers
		m.Whole, m.Mixed, m.Lost = m.Whole+q.Whole, m.Mixed+q.Mixed, m.Lost+q.Lost
		add(&m.Pairwise, q.Pairwise)
		add(&m.Linkable, q.Linkable)
		add(&m.BCubed, q.BCubed)
	}
	return m
}

// table of scores, one row a way of telling customers.
type table struct{ rows []string }

func (t *table) quality(name string, q demo.Quality) {
	t.rows = append(t.rows, fmt.Sprintf("%-39s %6d %6d %6d %6d | %5.1f %5.1f %5.1f | %5.1f %5.1f | %5.1f %5.1f %5.1f", name, q.Events, q.People, q.Customers, q.Mixed,
		100*q.Pairwise.Precision, 100*q.Pairwise.Recall, 100*q.Pairwise.F1, 100*q.Linkable.Recall, 100*q.Linkable.F1,
		100*q.BCubed.Precision, 100*q.BCubed.Recall, 100*q.BCubed.F1))
}

// print goes around the log of the benchmark, which cuts long texts.
func (t *table) print(title string) {
	head := fmt.Sprintf("%-39s %6s %6s %6s %6s | %17s | %11s | %17s\n%-39s %27s | %5s %5s %5s | %5s %5s | %5s %5s %5s",
		title, "events", "people", "custom", "mixed", "pairs of events", "linkable", "B-cubed", "", "", "prec.", "rec.", "F1", "rec.", "F1", "prec.", "rec.", "F1")
	fmt.Println("\n" + head + "\n" + strings.Join(t.rows, "\n"))
}

// causes adds the errors of all populations up.
func causes(title string, measured []demo.Quality, of func(q *demo.Quality) []demo.Cause) string {
	sums, total := map[string]int64{}, int64(0)
	for i := range measured {
		for _, c := range of(&measured[i]) {
			sums[c.Name] += c.Pairs
			total += c.Pairs
		}
	}
	names := slices.SortedFunc(maps.Keys(sums), func(a, b string) int { return cmp.Or(cmp.Compare(sums[b], sums[a]), cmp.Compare(a, b)) })
	var out strings.Builder
	fmt.Fprintf(&out, "\n%s: %d pairs of events", title, total)
	for _, name := range names {
		fmt.Fprintf(&out, "\n  %-50s %9d %5.1f %%", name, sums[name], 100*float64(sums[name])/float64(total))
	}
	return out.String()
}
