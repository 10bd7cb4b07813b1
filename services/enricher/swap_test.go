package enricher

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// single is a table of one number, which is of no use once it is closed.
type single struct {
	value  string
	closed atomic.Bool
}

func singles(name string) reference.Dataset {
	return reference.Dataset{Name: name, Files: []string{name + ".txt"}, Least: 1, Load: func(files []reference.File) (reference.Loaded, error) {
		text, err := os.ReadFile(files[0].Path)
		if err != nil {
			return reference.Loaded{}, err
		}
		value, whole := strings.CutSuffix(string(text), " end")
		if !whole {
			return reference.Loaded{}, fmt.Errorf("it is cut off")
		}
		s := &single{value: value}
		return reference.Loaded{Table: s, Rows: 1, Close: func() error { s.closed.Store(true); return nil }}, nil
	}}
}

// lookup writes the number of its table into the event.
type lookup struct {
	name, field, version string
	table                *single
	made                 int64
}

func (l *lookup) Describe() Description {
	return Description{Name: l.name, Version: l.version, Purpose: purposeAnalytics, Reads: []string{"message_id"}, Writes: []string{l.field}}
}

func (l *lookup) Apply(_ *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	switch {
	case l.table == nil:
		return Skipped(reasonNoData)
	case l.table.closed.Load():
		return Failed("closed")
	case l.field == "device":
		added.Device = schemas.Some(schemas.Device{Class: l.table.value})
	default:
		added.Traffic = schemas.Some(schemas.Traffic{Source: l.table.value})
	}
	return Applied()
}

// swaps is a stage whose two links use a table each, and the folder where a test puts other files.
type swaps struct {
	*stage
	dir  string
	made atomic.Int64
	// values are those of each version that was ever written.
	mu     sync.Mutex
	values map[string]string
}

func newSwaps(t *testing.T, h *house) *swaps {
	t.Helper()
	s := &swaps{dir: t.TempDir(), values: map[string]string{}}
	library, err := reference.Open(t.Context(), reference.Options{
		Config: reference.Config{Dirs: []string{s.dir}, Poll: 1}, Dir: t.TempDir(), Datasets: []reference.Dataset{singles("first"), singles("second")},
		Log: zap.NewNop(), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	m := newMetrics(h.Metrics)
	g := &garage{library: library, purposes: DefaultPurposes(), metrics: m, log: h.Log, assemble: func(data *reference.Snapshot, before *engine) ([]Link, error) {
		return s.assemble(data, before)
	}}
	kept, err := quarantine.New(t.Context(), h.Registry, "enricher")
	if err != nil {
		t.Fatal(err)
	}
	s.stage = &stage{kafka: h.Kafka, registry: h.Registry, quarantine: kept, garage: g, metrics: m, unusable: map[int32]error{}}
	t.Cleanup(func() {
		g.close()
		if err := library.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *swaps) assemble(data *reference.Snapshot, before *engine) ([]Link, error) {
	var links []Link
	for name, field := range map[string]string{"first": "device", "second": "traffic"} {
		if same := before.link(name, data); same != nil {
			links = append(links, *same)
			continue
		}
		watched, asked := data.Watch()
		table, _ := reference.Table[*single](watched, name)
		link := &lookup{name: name, field: field, version: "rules" + watched.Suffix(name), table: table, made: s.made.Add(1)}
		links = append(links, Link{Enrichment: link, data: asked})
	}
	return links, nil
}

// put replaces a file, in one step or in place.
func (s *swaps) put(t *testing.T, name, value string, inPlace bool) {
	text := value + " end"
	s.mu.Lock()
	s.values[fmt.Sprintf("rules+%s@%x", name, sha256.Sum256([]byte(text)))[:len("rules+@")+len(name)+12]] = value
	s.mu.Unlock()
	path := filepath.Join(s.dir, name+".txt")
	write := path
	if !inPlace {
		write += ".new"
	}
	if err := os.WriteFile(write, []byte(text), 0o600); err != nil {
		t.Error(err)
	}
	if !inPlace {
		if err := os.Rename(write, path); err != nil {
			t.Error(err)
		}
	}
}

func (s *swaps) look() {
	s.garage.library.Look()
	s.garage.library.Look()
}

// check wants the values of an event to be those of the versions that it names.
func (s *swaps) check(t *testing.T, event schemas.EnrichedTouchpoint, seen map[string]bool) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(event.Enrichments) != 2 {
		t.Fatalf("%d entries", len(event.Enrichments))
	}
	for _, entry := range event.Enrichments {
		got := event.Device.Value.Class
		if entry.Name == "second" {
			got = event.Traffic.Value.Source
		}
		want, known := s.values[entry.Version]
		if entry.Status != StatusApplied || !known || got != want {
			t.Fatalf("%+v: value %q, want %q", entry, got, want)
		}
		seen[entry.Version] = true
	}
}

// Files are swapped as fast as can be while events go by: each event names one version of each data set and has the values of those, and all come out.
func TestSwappingUnderLoadMixesAndLosesNothing(t *testing.T) {
	h := newHouse(t, registrytest.Client(t))
	s := newSwaps(t, h)
	s.put(t, "first", "0", false)
	s.put(t, "second", "0", false)
	s.look()
	const events = 6000
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	swapped := make(chan struct{}, 1)
	var running sync.WaitGroup
	running.Go(func() {
		for i := 1; ctx.Err() == nil; i++ {
			s.put(t, []string{"first", "second"}[i%2], strconv.Itoa(i), i%3 == 0)
			if i%5 == 0 { // Broken, gone, and back to what it was: the version in force stays.
				_ = os.WriteFile(filepath.Join(s.dir, "first.txt"), []byte("cut o"), 0o600)
			}
			if i%7 == 0 {
				_ = os.Remove(filepath.Join(s.dir, "second.txt"))
			}
			s.look()
			select {
			case swapped <- struct{}{}:
			default:
			}
		}
	})
	// Swapping goes on while a batch is in hand, and there is news for each.
	handle := func(work context.Context, batch []stream.Range) error {
		select {
		case <-swapped:
		case <-ctx.Done():
		}
		return s.handle(work, batch)
	}
	consumed := make(chan error, 1)
	go func() {
		consumed <- h.Kafka.Consume(ctx, stream.Consumer{Group: Group, Topics: []string{stream.Identified}, MaxRecords: 50, MaxBytes: 1 << 20}, handle)
	}()
	for i := 0; i < events; i += 100 {
		var records []*stream.Record
		for j := range 100 {
			records = append(records, h.event(i+j))
		}
		h.produce(t, records...)
	}
	out := h.read(t, stream.Enriched, events)
	cancel()
	running.Wait()
	if err := <-consumed; err != nil {
		t.Error(err)
	}
	seen, messages := map[string]bool{}, map[string]bool{}
	for _, record := range out {
		event := h.decodeOutput(t, record)
		s.check(t, event, seen)
		messages[event.MessageID] = true
	}
	if len(messages) != events || len(out) != events {
		t.Errorf("%d events and %d of them different came out, want %d", len(out), len(messages), events)
	}
	if len(seen) < 20 {
		t.Errorf("only %d versions went by: nothing was swapped under load", len(seen))
	}
}

// A link whose table is the same is taken over with what it remembers, and does not outlive its table.
func TestOnlyLinksWithOtherDataAreMadeAnew(t *testing.T) {
	h := newHouse(t, registrytest.Client(t))
	s := newSwaps(t, h)
	step := func(made int64) {
		t.Helper()
		s.look()
		e, err := s.garage.ready()
		if err != nil {
			t.Fatal(err)
		}
		if got := s.made.Load(); got != made {
			t.Errorf("%d links were made, want %d", got, made)
		}
		for _, link := range e.links {
			if l := link.Enrichment.(*lookup); l.table != nil && l.table.closed.Load() {
				t.Errorf("%s has a table that is closed", l.name)
			}
		}
	}
	step(2) // Without data.
	s.put(t, "first", "1", false)
	step(3)
	step(3)
	s.put(t, "second", "1", false)
	step(4)
	// There and back between two batches: the same version, but another table, and the one before is closed.
	s.put(t, "first", "2", false)
	s.look()
	s.put(t, "first", "1", false)
	step(5)
}

// An engine that cannot be made of new data leaves the one before at work, and is tried once for each snapshot.
func TestAnEngineThatCannotBeMadeLeavesTheOneBefore(t *testing.T) {
	h := newHouse(t, registrytest.Client(t))
	s := newSwaps(t, h)
	s.put(t, "first", "1", false)
	s.look()
	before, err := s.garage.ready()
	if err != nil {
		t.Fatal(err)
	}
	good, tried := s.garage.assemble, 0
	s.garage.assemble = func(*reference.Snapshot, *engine) ([]Link, error) {
		tried++
		return nil, fmt.Errorf("it does not fit")
	}
	s.put(t, "first", "2", false)
	s.look()
	for range 3 {
		if now, err := s.garage.ready(); now != before || err != nil {
			t.Fatalf("got another engine or %v", err)
		}
	}
	if tried != 1 {
		t.Errorf("tried %d times, want once", tried)
	}
	s.garage.assemble = good
	s.put(t, "first", "3", false)
	s.look()
	now, err := s.garage.ready()
	if err != nil || now == before {
		t.Errorf("the next data is not taken up: %v", err)
	}
}
