package identity_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/identity"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
	"github.com/parcours-cdp/parcours/services/identity/graph/graphtest"
	"github.com/parcours-cdp/parcours/services/identity/store"
)

const (
	stitchers  = "parcours-identity"
	publishers = "parcours-identity-publisher.default"
)

// member is an instance with a place of its own: its data directory and its wires to the broker.
type member struct {
	*instance
	id  string
	dir string
	// mortal: it will be killed, and so has no grace to finish what it has in hand.
	mortal bool
}

// cluster is several instances on one broker, of which some come, stop, die, stand still or are forgotten by their
// group.
type cluster struct {
	*world
	wires     *wires
	random    *rand.Rand
	snapshots string
	running   []*member
	everyone  []*member
	// dirs are the data directories that nobody uses.
	dirs []string
	held *member
}

func newCluster(t *testing.T, seed uint64) *cluster {
	t.Helper()
	wires := newWires()
	c := &cluster{world: newWorld(t, wires.listen()), wires: wires, random: rand.New(rand.NewPCG(seed, 77)), snapshots: t.TempDir()}
	t.Cleanup(wires.end) // before the broker ends
	return c
}

// join starts an instance: on a directory that another run left, or on an empty one, with or without snapshots to
// begin with.
func (c *cluster) join(dir string, snapshots, mortal bool) *member {
	c.t.Helper()
	if dir == "" {
		dir = c.t.TempDir()
	}
	cfg := identity.DefaultConfig()
	cfg.DataDir, cfg.DigestEvery, cfg.SnapshotEvery = dir, 100*time.Millisecond, 200*time.Millisecond
	cfg.BatchRecords = 100 // so that there is always a batch in hand
	if snapshots {
		cfg.SnapshotDir = c.snapshots
	}
	m := &member{id: fmt.Sprintf("instance-%d", len(c.everyone)), dir: dir, mortal: mortal}
	core, logs := observer.New(zapcore.InfoLevel)
	m.instance = &instance{t: c.t, done: make(chan struct{}), ready: service.NewReadiness(), metrics: prometheus.NewRegistry(), logs: logs}
	conf := streamtest.Config(c.cluster().ListenAddrs())
	conf.ClientID = m.id
	conf.RebalanceTimeout = 3 * time.Second // who is gone is not waited for longer
	if mortal {
		conf.StopGrace = time.Millisecond
	}
	kafka, err := stream.Connect(conf, zap.New(core), prometheus.NewRegistry())
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.t.Context()))
	m.cancel = cancel
	platform := service.Platform{
		Workspace: c.ws, Identifiers: identifier.DefaultConfig(), Kafka: kafka, Registry: c.newRegistry(), Log: zap.New(core), Metrics: m.metrics, Ready: m.ready,
	}
	go func() {
		defer close(m.done)
		defer kafka.Close()
		m.err = identity.Run(ctx, cfg, platform)
	}()
	c.t.Cleanup(func() {
		c.wires.release(m.id)
		cancel()
		<-m.done
		if c.t.Failed() {
			c.t.Logf("%s (mortal %t) returned %v", m.id, m.mortal, m.err)
			for _, line := range logs.All() {
				c.t.Log(m.id, line.Time.Format("05.000"), line.Level, line.Message, line.ContextMap())
			}
		}
	})
	c.running, c.everyone = append(c.running, m), append(c.everyone, m)
	return m
}

func (c *cluster) cluster() *kfake.Cluster { return c.world.cluster }

// leave ends an instance: cleanly, or with its wires cut and no grace, and its group hears no more of it.
func (c *cluster) leave(m *member) {
	c.t.Helper()
	c.running = slices.DeleteFunc(c.running, func(other *member) bool { return other == m })
	if m == c.held {
		c.wake()
	}
	if m.mortal {
		c.wires.broken(m.id, true)
		m.cancel()
		c.expel(m)
		_ = m.wait() // it cannot end well
	} else {
		m.cancel()
		// One that has only begun may say that it was not let finish.
		if err := m.wait(); err != nil && !errors.Is(err, context.Canceled) {
			c.t.Errorf("%s ends with %v", m.id, err)
		}
	}
	c.dirs = append(c.dirs, m.dir)
}

func (c *cluster) expel(m *member) {
	c.t.Helper()
	streamtest.Expel(c.t, c.cluster().ListenAddrs(), m.id, stitchers, publishers)
}

// suspend holds the wires of an instance until the groups have forgotten it: it wakes with records in flight.
func (c *cluster) suspend(m *member) {
	c.t.Helper()
	c.held = m
	c.wires.hold(m.id)
	c.expel(m)
}

func (c *cluster) wake() {
	if c.held != nil {
		c.wires.release(c.held.id)
		c.held = nil
	}
}

// publisher is the instance that publishes now, or any if none does yet.
func (c *cluster) publisher() *member {
	c.t.Helper()
	owner := streamtest.Owner(c.t, c.cluster().ListenAddrs(), publishers, stream.Evidence, c.partition())
	for _, m := range c.running {
		if m.id == owner {
			return m
		}
	}
	return c.running[c.random.IntN(len(c.running))]
}

// newcomer starts an instance in one of the ways there are.
func (c *cluster) newcomer() {
	c.t.Helper()
	dir := ""
	if len(c.dirs) > 0 && c.random.IntN(3) > 0 {
		dir, c.dirs = c.dirs[0], c.dirs[1:]
	}
	c.join(dir, c.random.IntN(2) == 0, c.random.IntN(2) == 0)
}

// trouble does one of the things that happen to instances. There are two to four afterwards.
func (c *cluster) trouble() {
	c.t.Helper()
	chosen := c.running[c.random.IntN(len(c.running))]
	switch dice := c.random.IntN(8); {
	case len(c.running) < 4 && dice < 4, len(c.running) == 2 && dice < 6:
		c.newcomer()
	case dice < 6:
		c.leave(chosen)
	case dice == 6:
		c.wires.broken(chosen.id, false)
	default:
		// Nobody's evidence moves for a while.
		c.cluster().Fault(kfake.Fault{Keys: at(kmsg.Fetch), Topic: stream.Evidence, Err: kerr.LeaderNotAvailable, Count: 6})
	}
}

// crowd makes the stream: people with hard cases among them.
type crowd struct {
	*cluster
	people, sent int
	events       []schemas.Touchpoint
	// erasedAt is how many events were sent before an identifier was erased.
	erasedAt map[schemas.Identifier]int
}

func (c *crowd) all(person int) []schemas.Identifier {
	couple := person / 2
	return []schemas.Identifier{
		id("user_id", fmt.Sprintf("u-%d", person)),
		id("loyalty_card", fmt.Sprintf("29900%05d", couple)), // of a couple
		id("email", fmt.Sprintf("person.%d@free.fr", person)),
		id("phone", fmt.Sprintf("06121%05d", person/5)), // of a family, or recycled
		id("anonymous_id", fmt.Sprintf("a-%d", person)), id("anonymous_id", fmt.Sprintf("b-%d", person)),
		id("device_id", fmt.Sprintf("tablet-%d", person/4)), // of a family, and a hub when all four use it
	}
}

// next makes an event of somebody, most often with two of their identifiers.
func (c *crowd) next() schemas.Touchpoint {
	c.sent++
	person := c.random.IntN(c.people)
	ids := c.all(person)
	c.random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	switch c.random.IntN(20) {
	case 0:
		ids = append(ids[:1], id("device_id", "kiosk"), id("user_id", fmt.Sprintf("u-%d", person)))
	case 1:
		ids = append(ids[:1], id("loyalty_card", "2990077777")) // the cashier's own
	case 2:
		ids = append(ids[:1], id("email", "test@free.fr"))
	case 3:
		ids = append(ids[:1], id("email", "contact@mairie.fr")) // weak
	case 4, 5, 6:
		ids = ids[:1]
	case 7:
		ids = ids[:4]
	case 8:
		ids = append(ids[:1], c.all(c.random.IntN(c.people))[c.random.IntN(4)]) // a typing error
	default:
		ids = ids[:2]
	}
	t := c.touch(c.sent, slices.Clone(ids)...)
	if c.random.IntN(10) == 0 {
		t.OccurredAt -= schemas.Millis(c.random.IntN(3_600_000)) // it comes late
	}
	c.events = append(c.events, t)
	return t
}

// send sends n events, some of them twice.
func (c *crowd) send(n int) {
	c.t.Helper()
	var batch []schemas.Touchpoint
	for range n {
		t := c.next()
		if batch = append(batch, t); c.random.IntN(20) == 0 {
			batch = append(batch, batch[c.random.IntN(len(batch))])
		}
	}
	c.collect(batch...)
}

// ruling makes an operator's record.
func (c *crowd) ruling(step int) evidence.Record {
	c.t.Helper()
	note := evidence.Note{At: int64(noon.UnixMilli()) + int64(c.sent)*1000, Author: "claire", Reason: "proof"}
	person := c.random.IntN(c.people)
	verdict := func(of schemas.Identifier, ruling evidence.Ruling) evidence.Record {
		return &evidence.Verdict{Workspace: c.ws.Name, Node: c.node(of.Type, of.Value), Ruling: ruling, Note: note}
	}
	switch step {
	case 0:
		return c.cut(id("user_id", "u-4"), id("anonymous_id", "a-4"), false)
	case 1:
		return verdict(id("device_id", "kiosk"), evidence.Allowed)
	case 2:
		return verdict(id("phone", "0612100003"), evidence.Blocked)
	case 3:
		ids := c.all(person)[:6:6]
		erase := &evidence.Erase{Workspace: c.ws.Name, Request: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, c.sent)), Note: note}
		for _, i := range []int{0, 2, 4, 5} {
			c.erasedAt[ids[i]] = c.sent
			erase.Nodes = append(erase.Nodes, c.node(ids[i].Type, ids[i].Value))
		}
		return erase
	case 4:
		rules := *ofKind[*evidence.Rules](c.logged())[0]
		rules.Rules.MaxCluster, rules.Note = 6, note
		return &rules
	case 5:
		return c.cut(id("user_id", "u-4"), id("anonymous_id", "a-4"), true)
	case 6:
		return verdict(id("device_id", "kiosk"), evidence.Neutral)
	case 7:
		rules := *ofKind[*evidence.Rules](c.logged())[0]
		types := make(map[string]evidence.TypeRule)
		for name, rule := range rules.Rules.Types {
			types[name] = rule
		}
		card := types["loyalty_card"]
		card.Hubs = map[string]int{"user_id": 1}
		types["loyalty_card"] = card
		rules.Rules.Types, rules.Rules.MaxCluster, rules.Note = types, 40, note
		return &rules
	default:
		return c.cut(id("email", fmt.Sprintf("person.%d@free.fr", person)), id("user_id", fmt.Sprintf("u-%d", person)), false)
	}
}

// Three instances, now two and now four, take a stream of hard cases while they stop, are killed, stand still, lose
// their connections and their place in the group; some come back with what they knew, some with nothing, some with
// a snapshot; the one that publishes dies, and another is forgotten with rows in flight; and operators rule in the
// middle of it. In the end every event is identified, all instances agree with each other and with F of the log,
// and so does the map.
func TestClusterAgreesWithTheOracle(t *testing.T) {
	seeds := []uint64{1, 2, 3}
	if testing.Short() {
		seeds = seeds[:1]
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			c := &crowd{cluster: newCluster(t, seed), people: 120, erasedAt: make(map[schemas.Identifier]int)}
			const rounds, perRound = 10, 300
			for range 3 {
				c.join("", true, c.random.IntN(2) == 0)
			}
			c.eventually("readiness", func() bool {
				return !slices.ContainsFunc(c.running, func(m *member) bool { return m.counter("parcours_identity_evidence_position") == 0 })
			})
			for round := range rounds {
				c.send(perRound / 2)
				if round > 0 {
					c.rule(c.ruling(round - 1))
				}
				c.send(perRound / 2)
				c.wake()
				switch round {
				case 3, 7:
					c.leave(c.publisher())
					c.newcomer()
				case 5:
					c.suspend(c.publisher())
				default:
					c.trouble()
				}
				// The next round begins with work in every hand.
				c.untilCount(c.sent - perRound)
				c.t.Logf("round %d: %d sent, %d run", round, c.sent, len(c.running))
			}
			c.wake()
			for len(c.running) < 3 {
				c.newcomer()
			}
			c.settled()
			c.agree()
		})
	}
}

// untilCount waits until n events came out, counted with their copies.
func (c *crowd) untilCount(n int) { c.t.Helper(); c.identified.untilCount(n) }

// settled waits until all that was sent is through, every instance has all of the log, and a digest says so.
func (c *crowd) settled() {
	c.t.Helper()
	// One more pair: who publishes now digests after it.
	c.sent++
	last := c.touch(c.sent, id("user_id", "u-last"), id("anonymous_id", "a-last"))
	c.events = append(c.events, last)
	c.collect(last)
	dropped := 0
	for i := range c.events {
		if c.mayBeDropped(&c.events[i]) {
			dropped++
		}
	}
	events := c.untilEvents(len(c.events) - dropped)
	for i := range c.events {
		t := &c.events[i]
		if _, through := events[t.MessageID]; !through && !c.mayBeDropped(t) {
			c.eventually(t.MessageID, func() bool {
				events = c.byMessage(c.identified.all())
				_, through := events[t.MessageID]
				return through
			})
		}
	}
	if n := len(c.rejected.all()); n != 0 {
		c.t.Errorf("%d events are in the quarantine", n)
	}
	c.eventually("a digest of all that is in the log", func() bool {
		records := c.logged()
		digest, ok := records[len(records)-1].(*evidence.Digest)
		if !ok || slices.ContainsFunc(c.running, func(m *member) bool { return int64(m.counter("parcours_identity_evidence_position")) != c.logEnd() }) {
			return false
		}
		return digest.Position >= c.logEnd()-1
	})
}

// mayBeDropped: a touchpoint of somebody who was erased after it.
func (c *crowd) mayBeDropped(t *schemas.Touchpoint) bool {
	return slices.ContainsFunc(t.Identifiers, func(i schemas.Identifier) bool {
		at, erased := c.erasedAt[i]
		return erased && int64(t.OccurredAt) <= noon.UnixMilli()+int64(at)*1000
	})
}

// agree holds the map against F, then stops everybody and holds what each knew against F and against the others.
func (c *crowd) agree() {
	c.t.Helper()
	c.wantMap(c.untilPublished())
	extent, err := c.kafka.Extent(c.soon(), stream.Evidence, c.partition())
	if err != nil {
		c.t.Fatal(err)
	}
	suppression := func(node uuid.UUID) evidence.SuppressionKey { return c.ids.SuppressionKey(node) }
	outcomes := graphtest.F(c.logged(), suppression)
	var first evidence.Sums
	for i, m := range slices.Clone(c.running) {
		m.cancel()
		if err := m.wait(); err != nil {
			c.t.Errorf("%s ends with %v", m.id, err)
		}
		kept, err := store.Open(store.Options{Dir: filepath.Join(m.dir, c.ws.Name), Workspace: c.ws.Name, Topic: extent.TopicID})
		if err != nil {
			c.t.Fatal(err)
		}
		g := graph.New(suppression)
		err = g.Load(kept.Records(), kept.Position())
		position, sums := kept.Position(), kept.Sums()
		if err := errors.Join(err, kept.Close()); err != nil {
			c.t.Fatal(err)
		}
		if i == 0 {
			first = sums
		}
		// Who publishes when another stops may still log a digest, which changes nothing.
		if position < extent.End || sums != first || g.Sums() != sums {
			c.t.Errorf("%s is at %d with the sums %+v, of which its store has %+v; want %d and %+v", m.id, position, sums, g.Sums(), extent.End, first)
		}
		wrong := 0
		for node, want := range outcomes {
			if customer, _ := g.Customer(node); customer != want.Customer || g.Shared(node) != want.Shared {
				wrong++
			}
		}
		if wrong > 0 {
			c.t.Errorf("%s has %d of %d nodes otherwise than F", m.id, wrong, len(outcomes))
		}
	}
	compared := 0.0
	for _, m := range c.everyone {
		compared += m.counter("parcours_identity_digests_compared_total")
		if n := m.counter("parcours_identity_digest_mismatches_total"); n != 0 {
			c.t.Errorf("%s found %v digests that are not its own", m.id, n)
		}
	}
	if compared == 0 {
		c.t.Error("nobody compared digests")
	}
	c.report(outcomes)
}

// report says what the run had, and that the hard cases were in it.
func (c *crowd) report(outcomes map[uuid.UUID]graphtest.Outcome) {
	c.t.Helper()
	shared, sizes, largest := 0, map[uuid.UUID]int{}, 0
	for _, outcome := range outcomes {
		if sizes[outcome.Customer]++; outcome.Shared {
			shared++
		}
		largest = max(largest, sizes[outcome.Customer])
	}
	repeated := len(c.identified.all()) - len(c.events)
	c.t.Logf("%d events of which %d came again, %d instances, %d records of evidence, %d nodes, %d customers of %d at most, %d shared",
		len(c.events), repeated, len(c.everyone), c.logEnd(), len(outcomes), len(sizes), largest, shared)
	if cmp.Compare(shared, 3) < 0 || largest < 4 {
		c.t.Errorf("the stream has %d shared nodes and customers of %d at most: too tame", shared, largest)
	}
}
