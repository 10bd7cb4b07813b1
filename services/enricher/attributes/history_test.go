package attributes

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	facts "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/schemas"
	"pgregory.net/rapid"
)

// model knows everything that was said, and who belongs to whom, in the plainest way.
type model struct {
	said     map[uuid.UUID][]facts.Value
	orders   map[uuid.UUID]map[int64]bool
	first    map[uuid.UUID]int64
	imported map[uuid.UUID]string
	customer map[uuid.UUID]uuid.UUID
	version  map[uuid.UUID]uint64
	shared   map[uuid.UUID]bool
	erased   map[uuid.UUID]bool
}

func newModel() *model {
	return &model{
		said: map[uuid.UUID][]facts.Value{}, orders: map[uuid.UUID]map[int64]bool{}, first: map[uuid.UUID]int64{}, imported: map[uuid.UUID]string{},
		customer: map[uuid.UUID]uuid.UUID{}, version: map[uuid.UUID]uint64{}, shared: map[uuid.UUID]bool{}, erased: map[uuid.UUID]bool{},
	}
}

func (m *model) of(n uuid.UUID) uuid.UUID {
	if c, ok := m.customer[n]; ok {
		return c
	}
	return n
}

// known is what is known of the customer of a node, as text.
func (m *model) known(n uuid.UUID, nodes []uuid.UUID) string {
	if m.erased[n] || m.shared[n] {
		return "nothing"
	}
	values, orders, first, income, some := map[string]facts.Value{}, map[int64]bool{}, int64(-1), "", false
	for _, other := range nodes {
		if m.erased[other] || m.shared[other] || m.of(other) != m.of(n) {
			continue
		}
		for _, v := range m.said[other] {
			some = true
			old, ok := values[v.Name]
			if !ok || cmp.Or(cmp.Compare(v.At, old.At), cmp.Compare(v.Type, old.Type), cmp.Compare(v.Text, old.Text), cmp.Compare(v.Source, old.Source)) > 0 {
				values[v.Name] = v
			}
		}
		for order := range m.orders[other] {
			some = true
			orders[order] = true
			if first < 0 || m.first[other] < first {
				first = m.first[other]
			}
		}
		if m.imported[other] > income {
			income, some = m.imported[other], true
		}
	}
	if !some {
		return "nothing"
	}
	text := func(name string) string {
		if values[name].Type == facts.None {
			return ""
		}
		return values[name].Text
	}
	return fmt.Sprintf("gender=%s tier=%s orders=%s first=%d income=%s", text(FactGender), text(FactLoyaltyTier), OrdersBand(len(orders)), first, income)
}

// shown is the same of what a store answers.
func shown(k *Known) string {
	if k == nil {
		return "nothing"
	}
	first, income := int64(-1), ""
	if k.FirstOrderAt.Valid {
		first = int64(k.FirstOrderAt.Value)
	}
	if len(k.Providers) > 0 {
		income = k.Providers[0].Values[0].Text
	}
	return fmt.Sprintf("gender=%s tier=%s orders=%s first=%d income=%s", k.Gender, k.LoyaltyTier, k.OrdersBand, first, income)
}

// player is an instance with the batch that it has not committed.
type player struct {
	*instance
	batch []func()
}

// Whatever is said, to which instance, in which order, how often, whatever stops when, and whatever compaction takes: in the end every instance, and one
// that begins anew, knows of everybody what a plain recount of all that was said tells.
func TestAnyHistoryIsKnownAsARecountTells(t *testing.T) {
	base := newTopics(t)
	rapid.Check(t, func(rt *rapid.T) {
		l := &topics{registry: base.registry}
		m := newModel()
		nodes := make([]uuid.UUID, 5)
		for n := range nodes {
			nodes[n] = node(n)
		}
		pick := func(of string) uuid.UUID { return rapid.SampledFrom(nodes).Draw(rt, of) }
		disk := l.options("")
		disk.files = vfs.NewMem()
		players := []*player{{instance: l.open(rt, disk)}, {instance: l.open(rt, l.options(""))}}
		defer func() {
			for _, p := range players {
				p.close(rt)
			}
		}()
		crash := func(n int) {
			p := players[n]
			if n == 0 {
				p.instance = p.reopened(rt)
			} else {
				p.close(rt)
				p.instance = l.open(rt, l.options(""))
			}
			for _, again := range p.batch { // Its offsets were not committed.
				again()
			}
		}
		version := uint64(0)
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			n := rapid.IntRange(0, 1).Draw(rt, "instance")
			p := players[n]
			switch rapid.SampledFrom([]string{"say", "say", "say", "order", "commit", "commit", "read", "read", "move", "move", "erase", "import", "crash", "ask", "compact"}).Draw(rt, "step") {
			case "say":
				who, at := pick("node"), int64(rapid.IntRange(0, 9).Draw(rt, "at"))
				name := rapid.SampledFrom([]string{FactGender, FactLoyaltyTier}).Draw(rt, "fact")
				text := rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "text")
				source := rapid.SampledFrom([]string{"crm", "web"}).Draw(rt, "source")
				act := func() { p.says(rt, alone(who), at, source, name, text) }
				act()
				p.batch = append(p.batch, act)
				typ := facts.String
				if text == "" {
					typ = facts.None
				}
				if !p.blind(rt, who) {
					m.said[who] = append(m.said[who], facts.Value{Name: name, Type: typ, Text: text, Source: source, At: schemas.Millis(at)})
				}
			case "order":
				who, at, hash := pick("node"), int64(rapid.IntRange(0, 9).Draw(rt, "at")), int64(rapid.IntRange(0, 15).Draw(rt, "order"))
				act := func() {
					p.contribute(rt, alone(who), &Facts{Source: "web", At: schemas.Millis(at), Order: schemas.Some(hash)})
				}
				act()
				p.batch = append(p.batch, act)
				if !p.blind(rt, who) {
					if m.orders[who] == nil {
						m.orders[who], m.first[who] = map[int64]bool{}, at
					}
					m.orders[who][hash], m.first[who] = true, min(m.first[who], at)
				}
			case "commit":
				p.commit()
				if rapid.Bool().Draw(rt, "crash before the offsets") {
					crash(n)
					p.commit()
				}
				p.batch = nil
			case "read":
				p.read(rt, rapid.IntRange(0, 1).Draw(rt, "topic"), rapid.IntRange(1, 5).Draw(rt, "records"))
			case "move":
				version++
				n, c := pick("node"), pick("customer")
				l.moved(n, c, version)
				if !m.erased[n] {
					m.customer[n], m.version[n] = c, version
				}
			case "erase":
				version++
				n := pick("node")
				l.erased(n, version)
				m.erased[n] = true
			case "import":
				n, income := pick("node"), rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "income")
				set := facts.For("default", facts.OfNode(n), "acme")
				set.Party, set.Purpose, set.UpdatedAt = facts.ThirdParty, "profiling", schemas.Millis(income[0])
				set.Values = []facts.Value{{Name: "income", Type: facts.Number, Text: income, At: set.UpdatedAt}}
				l.write(p.codec.Record(set))
				m.imported[n] = max(m.imported[n], income)
			case "crash":
				crash(n)
			case "ask": // Fills the caches.
				p.of(rt, alone(pick("node")))
			case "compact": // Not what somebody has still to read: topics keep it for a day.
				for _, p := range players {
					p.read(rt, topicAttributes, 1<<30)
					p.read(rt, topicMap, 1<<30)
				}
			}
		}
		stores := []*instance{}
		for _, p := range players {
			p.commit()
			p.batch = nil
			stores = append(stores, p.instance)
		}
		readAll(rt, stores...)
		check := func(which string, i *instance) {
			for n, id := range nodes {
				want := m.known(id, nodes)
				for range 2 { // Once from the disk and once from the cache.
					if got := shown(i.of(rt, Who{Anchor: id, Customer: m.of(id), IV: int64(version)})); got != want {
						rt.Fatalf("%s knows of node %d %s, want %s", which, n, got, want)
					}
				}
				if got := shown(i.of(rt, alone(id))); got != want {
					rt.Fatalf("%s knows of node %d alone %s, want %s", which, n, got, want)
				}
			}
		}
		check("the first", stores[0])
		check("the second", stores[1])
		erased := slices.Collect(maps.Keys(m.erased))
		l.compactAttributes()
		fresh := l.open(rt, l.options(""))
		defer fresh.close(rt)
		readAll(rt, fresh)
		check("a new one", fresh)
		for _, r := range l.records[topicAttributes] {
			if _, subject, _, err := facts.ParseKey(r.Key); err != nil || slices.Contains(erased, subject.Node) {
				rt.Fatalf("the topic still speaks of an erased node (%v)", err)
			}
		}
		if diff := gocmp.Diff([2]int{len(stores[0].pending), len(stores[1].pending)}, [2]int{}); diff != "" {
			rt.Fatalf("contributions are pending after all was read back: %s", diff)
		}
	})
}

// blind tells whether the instance does not take facts of a node: it knows that it was erased.
func (p *player) blind(t failer, n uuid.UUID) bool {
	t.Helper()
	r, err := p.row(n)
	if err != nil {
		t.Fatal(err)
	}
	return r.erased
}
