package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/services/identity"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"github.com/parcours-cdp/parcours/services/identity/graph"
	"github.com/parcours-cdp/parcours/services/identity/store"
)

// identifiersVariable is how many identifiers BenchmarkIdentityLoad loads, a million if it is not set.
const identifiersVariable = "PARCOURS_BENCH_IDENTIFIERS"

// loadStep is how many records are applied and stored at once, as the service does.
const loadStep = 500

// householdIdentifiers are those of two people: of each an account, an e-mail, a phone, three cookies, a card and a
// tablet.
const householdIdentifiers = 16

// household makes the 20 pairs of two people. In one household of four they share card and tablet, so that limits keep
// them apart.
func household(n int, yield func(*evidence.Edge) bool) bool {
	node := func(typ string, number byte) evidence.End {
		var id uuid.UUID
		// Spread as a hash would be.
		binary.BigEndian.PutUint64(id[:], (uint64(n)*householdIdentifiers+uint64(number)+1)*0x9e3779b97f4a7c15)
		binary.BigEndian.PutUint64(id[8:], uint64(n)<<8|uint64(number))
		return evidence.End{Node: id, Type: typ}
	}
	at := int64(1_700_000_000_000) + int64(n)
	pair := func(a, b evidence.End) bool {
		at++
		edge := evidence.NewEdge("default", a, b)
		edge.FirstSeen, edge.Source, edge.Normaliser = at, "web", identifier.Version
		return yield(&edge)
	}
	for person := range byte(2) {
		own := person
		if n%4 == 0 {
			own = 0
		}
		card, tablet := node(identifier.LoyaltyCard, 12+own), node(identifier.DeviceID, 14+own)
		number := 6 * person
		user, email := node(identifier.UserID, number), node(identifier.Email, number+1)
		if !pair(user, email) || !pair(user, node(identifier.Phone, number+2)) || !pair(user, card) || !pair(email, card) || !pair(user, tablet) {
			return false
		}
		for cookie := range byte(3) {
			c := node(identifier.AnonymousID, number+3+cookie)
			if !pair(user, c) || cookie > 0 && !pair(email, c) {
				return false
			}
		}
	}
	return true
}

// defaultRules are those of the default configuration.
func defaultRules(b *testing.B) *evidence.Rules {
	b.Helper()
	ws := workspace.DefaultConfig()
	ws.HashKey = fmt.Sprintf("%064d", 1)
	ids, err := identifier.New(identifier.DefaultConfig(), ws)
	if err != nil {
		b.Fatal(err)
	}
	cfg := identity.DefaultConfig()
	link, err := identifier.ParseClass(cfg.LinkClass)
	if err != nil {
		b.Fatal(err)
	}
	rules := evidence.Ruleset{LinkClass: uint8(link), MaxCluster: cfg.MaxCluster, MaxComponent: cfg.MaxComponent, Types: map[string]evidence.TypeRule{}}
	for name, t := range ids.Types() {
		class, err := identifier.ParseClass(t.Class)
		if err != nil {
			b.Fatal(err)
		}
		rules.Types[name] = evidence.TypeRule{Rank: uint8(t.Rank), Class: uint8(class), Limit: t.Limit, Hubs: t.Hubs}
	}
	return &evidence.Rules{Workspace: "default", Rules: rules}
}

// memoryInUse is the memory that is held after a collection.
func memoryInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// onDisk is the size of a folder's files.
func onDisk(b *testing.B, dir string) (size int64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		size += info.Size()
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return size
}

// BenchmarkIdentityLoad fills graph and store with the evidence of households, as records of the log arrive, and then
// starts again from the store and from a snapshot.
func BenchmarkIdentityLoad(b *testing.B) {
	identifiers := 1_000_000
	if given := os.Getenv(identifiersVariable); given != "" {
		var err error
		if identifiers, err = strconv.Atoi(given); err != nil {
			b.Fatalf("%s is %q: give a number", identifiersVariable, given)
		}
	}
	households := identifiers / householdIdentifiers
	rules := defaultRules(b)
	for b.Loop() {
		dir := b.TempDir()
		empty := memoryInUse()
		g, fromLog, logBytes := loadLog(b, dir, households, rules)
		held := float64(memoryInUse() - empty)
		want, stats := g.Sums(), g.Stats()
		nodes := float64(stats.Nodes)
		b.Logf("%d identifiers, %d pairs, %d customers, %d refused pairs, log %.0f MB", stats.Nodes, stats.Pairs, stats.Customers, stats.Refused, float64(logBytes)/1e6)
		b.Logf("from the log: %.1f s, %.0f identifiers/s, %.0f pairs/s", fromLog.Seconds(), nodes/fromLog.Seconds(), float64(stats.Pairs)/fromLog.Seconds())
		g = nil
		runtime.GC()

		began := time.Now()
		s, reloaded := loadStore(b, dir, want)
		took := time.Since(began)
		reloadedHeld := float64(memoryInUse() - empty)
		b.Logf("from the store: %.1f s, %.0f identifiers/s, %.0f pairs/s", took.Seconds(), nodes/took.Seconds(), float64(stats.Pairs)/took.Seconds())
		b.ReportMetric(float64(stats.Pairs)/took.Seconds(), "store_pairs/s")
		disk := float64(onDisk(b, dir))
		b.Logf("memory %.0f MB, %.1f bytes an identifier (%.1f after a restart), disk %.0f MB, %.1f bytes an identifier",
			held/1e6, held/nodes, reloadedHeld/nodes, disk/1e6, disk/nodes)

		snapshots, copied := b.TempDir(), filepath.Join(b.TempDir(), "copy")
		began = time.Now()
		snapshot, err := s.Checkpoint(snapshots)
		if err != nil {
			b.Fatal(err)
		}
		made := time.Since(began)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		runtime.KeepAlive(reloaded)
		began = time.Now()
		if err := store.Restore(snapshot.Path, copied); err != nil {
			b.Fatal(err)
		}
		s, _ = loadStore(b, copied, want)
		took = time.Since(began)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.Logf("a snapshot: made in %.1f s, begun with in %.1f s, %.0f pairs/s", made.Seconds(), took.Seconds(), float64(stats.Pairs)/took.Seconds())
		b.ReportMetric(held/nodes, "memory_B/identifier")
		b.ReportMetric(disk/nodes, "disk_B/identifier")
		b.ReportMetric(float64(stats.Pairs)/fromLog.Seconds(), "log_pairs/s")
		b.ReportMetric(float64(stats.Pairs)/took.Seconds(), "snapshot_pairs/s")
	}
	b.ReportMetric(0, "ns/op")
}

// loadLog reads, applies and stores the evidence of households; the time to make its bytes is not counted.
func loadLog(b *testing.B, dir string, households int, rules *evidence.Rules) (*graph.Graph, time.Duration, int) {
	b.Helper()
	s, err := store.Open(store.Options{Dir: dir, Workspace: "default", Topic: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	g := graph.New(nil)
	for effect := range g.ApplyRules(1, rules) {
		if len(effect.Changes) > 0 {
			b.Fatal("rules changed an empty graph")
		}
	}
	batch := s.Begin()
	batch.Put(rules)
	if err := batch.Commit(1, g.Sums(), time.Now()); err != nil {
		b.Fatal(err)
	}
	var (
		took     time.Duration
		position = int64(1)
		logBytes int
		messages [][2][]byte
	)
	step := func() {
		began := time.Now()
		batch := s.Begin()
		for _, m := range messages {
			record, err := evidence.Parse(m[0], m[1])
			if err != nil {
				b.Fatal(err)
			}
			position++
			if effect := g.Apply(position, record); effect.News {
				batch.Put(&effect.Pair)
			}
		}
		if err := batch.Commit(position, g.Sums(), began); err != nil {
			b.Fatal(err)
		}
		took += time.Since(began)
		messages = messages[:0]
	}
	for n := range households {
		household(n, func(edge *evidence.Edge) bool {
			m := [2][]byte{edge.AppendKey(nil), edge.AppendValue(nil)}
			logBytes += len(m[0]) + len(m[1])
			if messages = append(messages, m); len(messages) == loadStep {
				step()
			}
			return true
		})
	}
	step()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return g, took, logBytes
}

// loadStore opens a store and makes the graph, which must be the one that was stored.
func loadStore(b *testing.B, dir string, want evidence.Sums) (*store.Store, *graph.Graph) {
	b.Helper()
	s, err := store.Open(store.Options{Dir: dir, Workspace: "default", Topic: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	g := graph.New(nil)
	if err := g.Load(s.Records(), s.Position()); err != nil {
		b.Fatal(err)
	}
	if g.Sums() != want || s.Sums() != want {
		b.Fatalf("the store's graph has the sums %+v, want %+v", g.Sums(), want)
	}
	return s, g
}

// BenchmarkIdentityGrowth shows what costs follow: the same evidence under more and more traffic, and more and more
// evidence under the same traffic.
func BenchmarkIdentityGrowth(b *testing.B) {
	const visitors, events = 50_000, 50_000
	for b.Loop() {
		b.Logf("%-22s %11s %11s %9s %9s %9s %9s", "", "identifiers", "log records", "log MB", "store MB", "memory MB", "CPU us")
		for _, times := range []int{1, 2, 5, 10} {
			growth(b, fmt.Sprintf("traffic x%d", times), visitors, times*events)
		}
		for _, times := range []int{1, 2, 4, 8} {
			growth(b, fmt.Sprintf("evidence x%d", times), times*visitors, 2*events)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// growth sends one event of each visitor, and then measures the events that say nothing new.
func growth(b *testing.B, name string, visitors, events int) {
	b.Helper()
	p := newPlatform(b)
	if err := p.Kafka.EnsureTopics(b.Context(), stream.Touchpoints, stream.Identified, stream.Rejected, stream.Evidence); err != nil {
		b.Fatal(err)
	}
	all := traffic{events: visitors, visitors: visitors}
	all.fill(b, p)
	dir := b.TempDir()
	cfg := identity.DefaultConfig()
	cfg.DataDir = dir
	run := func() (stop func()) {
		p.Ready = service.NewReadiness()
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() { done <- identity.Run(ctx, cfg, p) }()
		return func() {
			cancel()
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		}
	}
	stop := run()
	out := stage{out: stream.Identified}
	from := out.wait(b, p.Kafka, visitors)
	stop()
	// The traffic is written while the stage stands still, and is not measured.
	all.from, all.events = visitors, events
	all.fill(b, p)
	p.Metrics = prometheus.NewRegistry()
	stop = run()
	from = out.wait(b, p.Kafka, from+1)
	before := spentSoFar(b)
	count := out.wait(b, p.Kafka, visitors+events) - from
	cpu, _ := before.since(b, float64(count))
	stop()
	ends, err := p.Kafka.EndOffsets(b.Context(), stream.Evidence)
	if err != nil {
		b.Fatal(err)
	}
	records, size := 0, 0
	for _, end := range ends {
		records += int(end)
	}
	for _, record := range readAll(b, p.Kafka, stream.Evidence) {
		size += len(record.Key) + len(record.Value)
	}
	extent, err := p.Kafka.Extent(b.Context(), stream.Evidence, stream.EvidencePartition(p.Workspace.Name))
	if err != nil {
		b.Fatal(err)
	}
	disk := onDisk(b, dir)
	s, err := store.Open(store.Options{Dir: filepath.Join(dir, p.Workspace.Name), Workspace: p.Workspace.Name, Topic: extent.TopicID})
	if err != nil {
		b.Fatal(err)
	}
	g := graph.New(nil)
	if err := g.Load(s.Records(), s.Position()); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	nodes, with := g.Stats().Nodes, memoryInUse()
	runtime.KeepAlive(g)
	g = nil //nolint:wastedassign // so that it is not held
	held := with - memoryInUse()
	b.Logf("%-22s %11d %11d %9.1f %9.1f %9.1f %9.1f", name, nodes, records, float64(size)/1e6, float64(disk)/1e6, float64(held)/1e6, cpu)
}
