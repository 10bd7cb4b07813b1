package sink

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/embedded/clickhouse"
	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"
)

// The ledger's environment. SEED draws events and faults; EVENTS and SECONDS are the least of each run.
const (
	ledgerSeedEnv    = "PARCOURS_LEDGER_SEED"
	ledgerEventsEnv  = "PARCOURS_LEDGER_EVENTS"
	ledgerSecondsEnv = "PARCOURS_LEDGER_SECONDS"
	// ledgerKindsEnv leaves out the faults whose kind has none of its words, separated by commas.
	ledgerKindsEnv = "PARCOURS_LEDGER_KINDS"
)

// ledger is one run: a book of all events, sinks that die, and a world that fails.
type ledger struct {
	t        *testing.T
	seed     uint64
	dir      string
	engine   *clickhouse.Server
	wire     *wire
	cluster  *kfake.Cluster
	brokers  []string
	kafka    *stream.Client
	registry *registry.Registry
	url      string // of the registry
	db       *warehouse.Warehouse
	book     *book
	begun    time.Time

	mu     sync.Mutex
	fired  map[string]int
	queued []string // steps at which a sink is still to be killed
	broken bool     // the run cannot go on
}

// TestLedger is the test of no loss and no duplicates: events are made, repeated and spoiled, sinks are killed at every
// numbered step, ClickHouse, the network and Kafka fail, each kind of it for certain; and when all is quiet, one query
// says what became of every record.
func TestLedger(t *testing.T) {
	l := newLedger(t)
	rng := rand.New(rand.NewPCG(l.seed, 2))
	faults := l.faults(rng)
	steps := slices.Clone(ledgerSteps)
	if testing.Short() {
		rng.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
		rng.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
		faults, steps = faults[:len(faults)/3], steps[:len(steps)/3]
	}
	faults, steps = chosen(faults, func(f ledgerFault) string { return f.kind }), chosen(steps, func(s string) string { return killedAt + s })
	l.run(rng, faults, steps)
	l.drain()
	l.report()
	for _, f := range faults {
		if l.times(f.kind) == 0 {
			t.Errorf("fault %q did not happen", f.kind)
		}
	}
	for _, step := range steps {
		if l.times(killedAt+step) == 0 {
			t.Errorf("no sink was killed at step %q", step)
		}
	}
	if !t.Failed() || l.times("drained") > 0 {
		l.judge()
	}
}

// chosen leaves those that the environment names, all without it.
func chosen[T any](all []T, name func(T) string) []T {
	words := os.Getenv(ledgerKindsEnv)
	if words == "" {
		return all
	}
	var some []T
	for _, one := range all {
		if slices.ContainsFunc(strings.Split(words, ","), func(word string) bool { return strings.Contains(name(one), word) }) {
			some = append(some, one)
		}
	}
	return some
}

func numberOf(t *testing.T, env string, otherwise int) int {
	t.Helper()
	text := os.Getenv(env)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s is %q: give a number", env, text)
	}
	return n
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	l := &ledger{t: t, dir: t.TempDir(), fired: make(map[string]int), begun: time.Now()}
	l.seed = uint64(numberOf(t, ledgerSeedEnv, 1))
	engine, err := enginetest.Config(filepath.Join(l.dir, "engine"))
	if err != nil {
		t.Fatal(err)
	}
	engine.PreferBinary = false
	if l.engine, err = clickhouse.Start(context.Background(), engine); err != nil {
		enginetest.Missing(t, err)
	}
	t.Cleanup(func() {
		if err := l.engine.Close(); err != nil {
			t.Log(err)
		}
	})
	t.Logf("ClickHouse backend: embedded, %s; seed %d", l.engine.Backend(), l.seed)
	direct := DefaultConfig().ClickHouse
	direct.Addresses = []string{l.engine.Addr()}
	if l.db, err = warehouse.Open(direct); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.db.Close() }) // the engine ends with it
	if err := warehouse.Migrate(t.Context(), direct, Migrations(), zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	l.wire = newWire(t, l.engine, l.count)
	l.cluster = streamtest.Cluster(t, kfake.NumBrokers(3))
	l.brokers = l.cluster.ListenAddrs()
	if l.kafka, err = stream.Connect(streamtest.Config(l.brokers), zap.NewNop(), prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.kafka.Close)
	if err := l.kafka.EnsureTopics(t.Context(), stream.Enriched, stream.Rejected, stream.IdentityMap, stream.IdentityAudit); err != nil {
		t.Fatal(err)
	}
	l.url = registrytest.Serve(t)
	cfg := registry.DefaultConfig()
	cfg.URL = l.url
	if l.registry, err = registry.New(cfg, zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	id, err := l.registry.Register(t.Context(), stream.Enriched, schemas.EnrichedTouchpointSchema())
	if err != nil {
		t.Fatal(err)
	}
	l.book = &book{schemaID: id, kafka: l.kafka, rng: rand.New(rand.NewPCG(l.seed, 1)), births: time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	return l
}

func (l *ledger) count(kind string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fired[kind]++
}

func (l *ledger) times(kind string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fired[kind]
}

const (
	// ledgerPatience is how long a fault may take to happen.
	ledgerPatience = 20 * time.Second
	// ledgerLag is how many records may wait for the sinks before the producer does.
	ledgerLag = 250
	// ledgerLongest ends a run whose faults do not happen.
	ledgerLongest = 4 * time.Minute
)

// run produces events until every fault has happened and every step has killed, and the run is long enough.
func (l *ledger) run(rng *rand.Rand, faults []ledgerFault, steps []string) {
	least, events := time.Duration(numberOf(l.t, ledgerSecondsEnv, 0))*time.Second, numberOf(l.t, ledgerEventsEnv, 4000)
	if testing.Short() {
		events /= 4
	}
	ctx, stop := context.WithTimeout(l.t.Context(), max(ledgerLongest, 2*least))
	defer stop()
	l.queued = slices.Clone(steps)
	rng.Shuffle(len(l.queued), func(i, j int) { l.queued[i], l.queued[j] = l.queued[j], l.queued[i] })
	seeds := [2]uint64{rng.Uint64(), rng.Uint64()}

	var world sync.WaitGroup
	stopSinks := l.start(seeds, "ledger-a", "ledger-b")
	producing, enough := context.WithCancel(ctx)
	world.Go(func() { l.produce(producing) })
	for round := 0; ctx.Err() == nil && !l.hopeless(); round++ {
		l.schedule(ctx, rng, faults)
		if round == 0 {
			// Who asks is in doubt: answers are lost until everyone has asked who is to be killed there.
			for !l.killed(steps) && ctx.Err() == nil && !l.hopeless() {
				l.schedule(ctx, rng, l.lostAnswers())
			}
		}
		if created, _, _ := l.book.counts(); created >= events && time.Since(l.begun) >= least {
			break
		}
	}
	until(ctx, func() bool {
		created, _, _ := l.book.counts()
		return created >= events || l.hopeless()
	})
	enough()
	world.Wait()
	l.wire.calm()
	if rng.IntN(2) == 0 {
		// What comes next has nothing but the log.
		l.count("last sinks start anew")
		stopSinks()
		l.start(seeds, "ledger-a")
	}
}

// start keeps sinks alive under the given names until they are stopped, or the test ends.
func (l *ledger) start(seeds [2]uint64, names ...string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var sinks sync.WaitGroup
	for i, name := range names {
		sinks.Go(func() { l.lives(ctx, name, rand.New(rand.NewPCG(seeds[i], 3))) })
	}
	stop = func() {
		cancel()
		sinks.Wait()
	}
	l.t.Cleanup(stop)
	return stop
}

// schedule has the faults happen in an order of chance, one after the other; one that did not happen comes again.
func (l *ledger) schedule(ctx context.Context, rng *rand.Rand, faults []ledgerFault) {
	due := slices.Clone(faults)
	rng.Shuffle(len(due), func(i, j int) { due[i], due[j] = due[j], due[i] })
	for attempt := 0; len(due) > 0 && ctx.Err() == nil && attempt < 3*len(faults) && !l.hopeless(); attempt++ {
		next := due[0]
		due = due[1:]
		within, cancel := context.WithTimeout(ctx, ledgerPatience)
		happened := next.fire(within)
		cancel()
		l.wire.disarm()
		if !happened {
			due = append(due, next)
			continue
		}
		l.count(next.kind)
	}
}

func (l *ledger) killed(steps []string) bool {
	return !slices.ContainsFunc(steps, func(step string) bool { return l.times(killedAt+step) == 0 })
}

func (l *ledger) hopeless() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

func (l *ledger) giveUp(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.broken {
		l.t.Errorf(format, args...)
	}
	l.broken = true
}

func (l *ledger) produce(ctx context.Context) {
	tick := time.NewTicker(60 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		if lag, err := l.kafka.GroupLag(attempt, GroupTouchpoints, stream.Enriched); err == nil && lag[stream.Enriched] < ledgerLag {
			_ = l.book.produce(attempt) // noted in the book
		}
		cancel()
	}
}

// until polls, as nothing tells of what other processes do.
func until(ctx context.Context, done func() bool) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// report prints the book's numbers.
func (l *ledger) report() {
	created, acknowledged, repeats := l.book.counts()
	l.t.Logf("%d records created, %d acknowledged, %d of them repetitions; %d batches without an acknowledgement; engine restarts %d; %s",
		created, acknowledged, repeats, l.book.failures, l.engine.Restarts(), time.Since(l.begun).Round(time.Second))
	l.mu.Lock()
	defer l.mu.Unlock()
	var kinds []string
	for kind := range l.fired {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	var lines []string
	for _, kind := range kinds {
		lines = append(lines, fmt.Sprintf("  %3d  %s", l.fired[kind], kind))
	}
	for _, name := range []string{"ledger-a", "ledger-b"} {
		text, err := os.ReadFile(filepath.Join(l.dir, name+".log"))
		if err != nil || strings.Contains(string(text), "DATA RACE") {
			l.t.Errorf("%s has a data race, or no log: %v\n%s", name, err, text)
		}
	}
	l.t.Log("what happened:\n" + strings.Join(lines, "\n"))
}
