package attributes

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	facts "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestTwoAnchorsOfOneCustomerShareTheirFactsAndPartAgain(t *testing.T) {
	l := newTopics(t)
	i := l.open(t, l.options(""))
	defer i.close(t)
	card, mail := node(1), node(2)
	i.says(t, alone(card), 1, "pos", FactLoyaltyTier, "gold")
	i.says(t, alone(mail), 2, "crm", FactGender, "female")
	i.commit()
	readAll(t, i)
	if k := i.of(t, alone(card)); k.LoyaltyTier != "gold" || k.Gender != "" {
		t.Fatalf("before the merge the card is known by %+v", k)
	}
	l.moved(mail, card, 5)
	readAll(t, i)
	for _, who := range []Who{alone(card), alone(mail), {Anchor: mail, Customer: card, IV: 6}, {Anchor: card, Customer: card, IV: 6}} {
		if k := i.of(t, who); k == nil || k.LoyaltyTier != "gold" || k.Gender != "female" {
			t.Errorf("after the merge %+v is known by %+v", who, k)
		}
	}
	l.moved(mail, mail, 9)
	readAll(t, i)
	if k := i.of(t, Who{Anchor: mail, Customer: card, IV: 6}); k.LoyaltyTier != "" || k.Gender != "female" {
		t.Errorf("after the cut the e-mail is known by %+v", k)
	}
	if k := i.of(t, Who{Anchor: card, Customer: card, IV: 6}); k.LoyaltyTier != "gold" || k.Gender != "" {
		t.Errorf("after the cut the card is known by %+v", k)
	}
	// A publisher that was relieved writes what is over.
	l.moved(mail, card, 5)
	readAll(t, i)
	if k := i.of(t, alone(mail)); k.LoyaltyTier != "" {
		t.Errorf("an old row of the map counts: %+v", k)
	}
}

func TestACustomerThatIdentityNamedBeforeTheMapIsKnown(t *testing.T) {
	l := newTopics(t)
	i := l.open(t, l.options(""))
	defer i.close(t)
	i.says(t, alone(node(1)), 1, "pos", FactLoyaltyTier, "gold")
	i.says(t, alone(node(2)), 1, "web", FactGender, "male")
	k := i.of(t, Who{Anchor: node(2), Customer: node(1), IV: 3})
	if k == nil || k.LoyaltyTier != "gold" || k.Gender != "male" {
		t.Errorf("the event of a customer whose row is not there yet knows %+v", k)
	}
	if k := i.of(t, Who{Anchor: node(3), Customer: node(1), IV: 3}); k == nil || k.LoyaltyTier != "gold" {
		t.Errorf("the event of a cookie that was seen for the first time knows %+v", k)
	}
}

func TestSharedNodesStandForNobody(t *testing.T) {
	l := newTopics(t)
	i := l.open(t, l.options(""))
	defer i.close(t)
	kiosk, cookie := node(1), node(2)
	i.says(t, alone(kiosk), 1, "web", FactGender, "male")
	i.commit()
	l.mapped(kiosk, kiosk, 4, true)
	readAll(t, i)
	if k := i.of(t, alone(kiosk)); k != nil {
		t.Errorf("a shared node is known by %+v", k)
	}
	who := Who{Anchor: kiosk, Customer: kiosk, Identifiers: []schemas.Identifier{
		{Type: "device_id", Value: kiosk.String()}, {Type: "anonymous_id", Value: "no node"}, {Type: "anonymous_id", Value: cookie.String()},
	}}
	if !i.says(t, who, 5, "web", FactLoyaltyTier, "gold") {
		t.Fatal("what was said at a shared node is nobody's")
	}
	if k := i.of(t, who); k == nil || k.LoyaltyTier != "gold" || k.Gender != "" {
		t.Errorf("the next identifier is known by %+v", k)
	}
	if i.says(t, alone(kiosk), 6, "web", FactLoyaltyTier, "silver") {
		t.Error("a shared node was told something")
	}
}

func TestErasureRemovesForEver(t *testing.T) {
	l := newTopics(t)
	a, b := l.open(t, l.options("")), l.open(t, l.options(""))
	defer a.close(t)
	defer b.close(t)
	n := node(1)
	a.says(t, alone(n), 1, "crm", FactGender, "female")
	imported := facts.For("default", facts.OfNode(n), "acme")
	imported.Party, imported.Purpose = facts.ThirdParty, "profiling"
	imported.Values = []facts.Value{{Name: "income", Type: facts.Number, Text: "1"}}
	l.write(a.codec.Record(imported))
	a.commit()
	readAll(t, a, b)
	if k := b.of(t, alone(n)); k == nil || len(k.Providers) != 1 || k.Gender != "female" {
		t.Fatalf("before the erasure it is known by %+v", k)
	}
	l.erased(n, 7)
	// b has not read of the erasure, and an event goes by.
	a.read(t, topicMap, 10)
	b.says(t, alone(n), 9, "crm", FactGender, "male")
	b.commit()
	if a.says(t, alone(n), 9, "crm", FactGender, "male") {
		t.Error("an erased node was told something")
	}
	readAll(t, a, b)
	for _, i := range []*instance{a, b} {
		if k := i.of(t, alone(n)); k != nil {
			t.Errorf("an erased node is known by %+v", k)
		}
	}
	l.moved(n, node(2), 8) // What an old publisher says does not bring it back.
	// An instance that begins with what compaction left.
	l.compact()
	for _, r := range l.records[topicAttributes] {
		t.Errorf("the topic still has %x", r.Key)
	}
	readAll(t, a)
	if k := a.of(t, alone(n)); k != nil {
		t.Errorf("an erased node is known by %+v", k)
	}
	// Nor does an import of a file that still has the person.
	l.write(a.codec.Record(imported))
	readAll(t, a, b)
	l.compact()
	if k := b.of(t, alone(n)); k != nil || len(l.records[topicAttributes]) > 0 {
		t.Errorf("an erased node was imported again: %+v", k)
	}
}

// Two instances contribute to one anchor, the second before it has read what the first one wrote: its record lacks that, and compaction removes the first.
func TestWhatARecordLacksIsWrittenAgain(t *testing.T) {
	n := node(1)
	for name, play := range map[string]func(a, b *instance, l *topics){
		"both read everything":  func(a, b *instance, _ *topics) { readAll(t, a, b) },
		"only the first reads":  func(a, _ *instance, _ *topics) { readAll(t, a) },
		"only the second reads": func(_, b *instance, _ *topics) { readAll(t, b) },
		"the first reads after compaction": func(a, _ *instance, l *topics) {
			l.compact()
			readAll(t, a)
		},
		"the first stops before it writes again": func(a, _ *instance, _ *topics) {
			a.read(t, topicAttributes, 10)
			*a = *a.reopened(t)
			readAll(t, a)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newTopics(t)
			a, b := l.open(t, l.options(t.TempDir())), l.open(t, l.options(t.TempDir()))
			defer func() { a.close(t) }()
			defer b.close(t)
			a.says(t, alone(n), 1, "crm", FactGender, "female")
			a.commit()
			b.says(t, alone(n), 2, "web", FactLoyaltyTier, "gold")
			b.commit()
			play(a, b, l)
			l.compact()
			fresh := l.open(t, l.options(""))
			defer fresh.close(t)
			readAll(t, fresh)
			if k := fresh.of(t, alone(n)); k == nil || k.Gender != "female" || k.LoyaltyTier != "gold" {
				t.Errorf("compaction left %+v", k)
			}
		})
	}
}

// A crash between writing and committing repeats the batch, one before writing loses what the store had in memory only.
func TestACrashLosesNothingThatIsCommitted(t *testing.T) {
	l := newTopics(t)
	i := l.open(t, l.options(t.TempDir()))
	batch := func() {
		i.says(t, alone(node(1)), 1, "crm", FactGender, "female")
		i.contribute(t, alone(node(1)), &Facts{Source: "pos", At: 5, Order: schemas.Some(i.OrderHash("web", "1"))})
	}
	batch()
	if k := i.of(t, alone(node(1))); k.Gender != "female" || k.OrdersBand != "1" {
		t.Fatalf("a contribution is not known at once: %+v", k)
	}
	// Before writing.
	i = i.reopened(t)
	if k := i.of(t, alone(node(1))); k != nil {
		t.Fatalf("what was never written is known: %+v", k)
	}
	batch()
	i.commit() // Before committing the offsets.
	if len(l.records[topicAttributes]) != 1 {
		t.Fatalf("%d records were written, want one a subject", len(l.records[topicAttributes]))
	}
	i = i.reopened(t)
	batch()
	i.commit()
	readAll(t, i)
	if k := i.of(t, alone(node(1))); k.Gender != "female" || k.OrdersBand != "1" {
		t.Errorf("after two crashes it is known by %+v", k)
	}
	if n := testutil.ToFloat64(i.metrics.pending); n != 0 {
		t.Errorf("%g contributions are pending after all was read back", n)
	}
	batch()
	if records := i.Take(); len(records) != 0 {
		t.Errorf("what is known was contributed again: %d records", len(records))
	}
	i.close(t)
}

func TestARestartFromDiskIsTheSameAsARebuild(t *testing.T) {
	l := newTopics(t)
	i := l.open(t, l.options(t.TempDir()))
	for n := range 50 {
		i.says(t, alone(node(n)), int64(n), "crm", FactLoyaltyTier, string(rune('a'+n%5)))
		l.moved(node(n), node(n%7), uint64(n+1))
		i.commit()
		i.read(t, n%2, 5)
	}
	l.erased(node(3), 90)
	readAll(t, i)
	i = i.reopened(t)
	defer i.close(t)
	if i.at != l.next {
		t.Fatalf("it goes on at %v of %v", i.at, l.next)
	}
	rebuilt := l.open(t, l.options(""))
	defer rebuilt.close(t)
	readAll(t, rebuilt)
	for n := range 50 {
		if diff := cmp.Diff(rebuilt.of(t, alone(node(n))), i.of(t, alone(node(n)))); diff != "" {
			t.Errorf("node %d (-rebuilt +from disk):\n%s", n, diff)
		}
	}
	for name, of := range map[string]func(m *metrics) prometheus.Gauge{
		"sets":     func(m *metrics) prometheus.Gauge { return m.sets },
		"subjects": func(m *metrics) prometheus.Gauge { return m.subjects },
		"rows":     func(m *metrics) prometheus.Gauge { return m.rows },
	} {
		if disk, built := testutil.ToFloat64(of(i.metrics)), testutil.ToFloat64(of(rebuilt.metrics)); disk != built {
			t.Errorf("%s are %g from disk and %g rebuilt", name, disk, built)
		}
	}
}

func TestAStoreThatDoesNotFitTheTopicsIsRebuilt(t *testing.T) {
	f := func(reason string, spoil func(o *Options, l *topics)) {
		t.Helper()
		l := newTopics(t)
		i := l.open(t, l.options(t.TempDir()))
		i.says(t, alone(node(1)), 1, "crm", FactGender, "female")
		i.commit()
		readAll(t, i)
		i.close(t)
		o := i.options
		o.Metrics = prometheus.NewRegistry()
		l.write(l.records[0][0])
		spoil(&o, l)
		i = l.open(t, o)
		defer i.close(t)
		if n := testutil.CollectAndCount(i.metrics.rebuilds); reason == "" && n > 0 {
			t.Error("it was rebuilt for no reason")
		} else if reason != "" && testutil.ToFloat64(i.metrics.rebuilds.WithLabelValues(reason)) != 1 {
			t.Errorf("%q: it was not rebuilt for this reason", reason)
		}
		if k := i.of(t, alone(node(1))); (k == nil) != (reason != "") {
			t.Errorf("%q: it knows %+v", reason, k)
		}
	}
	f("", func(*Options, *topics) {})
	f("ahead_of_log", func(_ *Options, l *topics) { l.next[0] = 0 })
	f("asleep_too_long", func(o *Options, _ *topics) { o.now = func() time.Time { return time.Now().Add(maxSleep + time.Hour) } })
	f("unusable", func(o *Options, _ *topics) { o.Workspace.Name = "other" })
	f("behind_log", func(o *Options, l *topics) { deleted(o, l, "attributes") })
	f("unusable", func(o *Options, l *topics) { deleted(o, l, "another one") })
}

func TestPrioritiesAreThoseOfTheWarehouse(t *testing.T) {
	const day = 24 * 3600 * 1000
	l := newTopics(t)
	o := l.options("")
	o.Rules = NewRules([]workspace.SourcePriority{
		{Source: "crm", Field: "*", Priority: 5, FreshDays: 10}, {Source: "crm", Field: "size", Priority: -1}, {Source: "old", Field: "tier", Priority: 9},
	})
	i := l.open(t, o)
	defer i.close(t)
	for at, source := range []string{"crm", "web", "old"} {
		i.says(t, alone(node(1)), int64(at)*day, source, FactGender, source)
		i.says(t, alone(node(1)), int64(at)*day, source, TraitPrefix+"size", source)
		i.says(t, alone(node(1)), int64(at)*day, source, TraitPrefix+"tier", source)
	}
	i.says(t, alone(node(1)), 0, "old", TraitPrefix+"taken", "back")
	i.says(t, alone(node(1)), day, "web", TraitPrefix+"taken", "")
	for _, at := range []struct {
		day    int64
		gender string
	}{{3, "crm"}, {10, "crm"}, {11, "old"}, {3, "crm"}, {400, "old"}} {
		k, err := i.Of(alone(node(1)), schemas.Millis(at.day*day))
		if err != nil || k.Gender != at.gender || k.Traits != `{"size":"old","tier":"old"}` {
			t.Errorf("on day %d it is %q %s (%v), want %q", at.day, k.Gender, k.Traits, err, at.gender)
		}
	}
}
