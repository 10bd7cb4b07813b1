package bench

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/cmd/parcours/demo"
	"github.com/parcours-cdp/parcours/cmd/parcours/simulate"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/identity"
)

const (
	qualityWorkspace = "default"
	qualityPatience  = 2 * time.Minute
)

// rules are a configuration of the service that is compared with others.
type rules struct {
	name   string
	change func(ids *identifier.Config, cfg *identity.Config)
}

// population is one simulated retailer, with who is really who.
type population struct {
	simulation *simulate.Simulation
	seed       uint64
	truth      *demo.Truth
	lines      []*simulate.TruthLine
}

// lastMonday is where simulated days start that have to be over by now: on a Monday, so that each run simulates the same
// days of the week.
func lastMonday(now time.Time, days int) time.Time {
	start := simulate.LastDays(now, days)
	return start.AddDate(0, 0, -(int(start.Weekday())+6)%7)
}

// newPopulation simulates once to know the truth.
func newPopulation(b testing.TB, cfg simulate.Config) *population {
	b.Helper()
	cfg.Start = lastMonday(time.Now(), cfg.Days)
	simulation, err := simulate.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	var text bytes.Buffer
	if err := simulation.WriteTruth(&text); err != nil {
		b.Fatal(err)
	}
	p := &population{simulation: simulation, seed: cfg.Seed}
	if p.truth, err = demo.ReadTruth(bytes.NewReader(text.Bytes())); err != nil {
		b.Fatal(err)
	}
	bots := map[string]bool{}
	err = simulate.ReadTruth(&text, func(l *simulate.TruthLine) error {
		if l.Kind == simulate.TruthPerson {
			bots[l.Person] = l.Persona == "bot"
		} else if l.Wrong == "" && !bots[l.Person] {
			p.lines = append(p.lines, l)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// found are the customers of a population, as a reader of the identity map has them in the end.
type found struct {
	customers map[string]string // by message
	shared    []string          // messages that show nothing but shared identifiers
}

// withoutShared gives each message that shows nothing but shared identifiers a customer of its own.
func (f *found) withoutShared() map[string]string {
	customers := maps.Clone(f.customers)
	for _, message := range f.shared {
		customers[message] = "alone " + message
	}
	return customers
}

// throughService sends the population through the identity service under the rules, on a broker of its own.
func (p *population) throughService(b *testing.B, r rules) found {
	b.Helper()
	brokers, registryURL := streamtest.Broker(b), registrytest.Serve(b)
	kafka, err := stream.Connect(streamtest.Config(brokers), zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	defer kafka.Close()
	registryConfig := registry.DefaultConfig()
	registryConfig.URL = registryURL
	reg, err := registry.New(registryConfig, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	ws := workspace.DefaultConfig()
	ws.Name, ws.HashKey = qualityWorkspace, strings.Repeat("ab", 32)
	ids, cfg := identifier.DefaultConfig(), identity.DefaultConfig()
	if r.change != nil {
		r.change(&ids, &cfg)
	}
	platform := service.Platform{
		Workspace: ws, Identifiers: ids, Kafka: kafka, Registry: reg,
		Log: zap.NewNop(), Metrics: prometheus.NewRegistry(), Ready: service.NewReadiness(),
	}
	if err := kafka.EnsureTopics(b.Context(), stream.Touchpoints, stream.Identified, stream.Rejected, stream.Evidence, stream.IdentityMap); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- identity.Run(ctx, cfg, platform) }()
	_, err = simulate.Send(ctx, p.simulation, simulate.Options{
		Target: "kafka://" + strings.Join(brokers, ",") + "?registry=" + registryURL, Workspace: ws.Name, HashKey: ws.HashKey,
	})
	if err != nil {
		b.Fatal(err)
	}
	drained(b, kafka, identity.Group, stream.Touchpoints)
	drained(b, kafka, identity.PublisherGroup(qualityWorkspace), stream.Evidence)
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return customersOf(b, kafka)
}

// drained waits until the group has committed all of the topic.
func drained(b *testing.B, kafka *stream.Client, group, topic string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), qualityPatience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		lag, err := kafka.GroupLag(ctx, group, topic)
		if err != nil {
			b.Fatal(err)
		}
		if lag[topic] == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.Fatalf("group %s is %d records behind on %s", group, lag[topic], topic)
		}
	}
}

// readAll reads a topic from start to end.
func readAll(b *testing.B, kafka *stream.Client, topic string) []*stream.Record {
	b.Helper()
	ends, err := kafka.EndOffsets(b.Context(), topic)
	if err != nil {
		b.Fatal(err)
	}
	want := 0
	for _, end := range ends {
		want += int(end)
	}
	var all []*stream.Record
	if want == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(b.Context(), qualityPatience)
	defer cancel()
	err = kafka.Follow(ctx, topic, func(_ context.Context, records []*stream.Record) error {
		if all = append(all, records...); len(all) >= want {
			cancel()
		}
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) || len(all) < want {
		b.Fatalf("read %d of %d records of %s: %v", len(all), want, topic, err)
	}
	return all
}

// customersOf resolves the identified events as readers of the map do: an event stands by its strongest identifier that
// is not shared, and the newest of map and event says whose that is.
func customersOf(b *testing.B, kafka *stream.Client) (f found) {
	b.Helper()
	rows := map[uuid.UUID]identitymap.Row{}
	for _, record := range readAll(b, kafka, stream.IdentityMap) {
		if record.Value == nil {
			continue
		}
		row, err := identitymap.Parse(record.Key, record.Value)
		if err != nil {
			b.Fatal(err)
		}
		if row.Version >= rows[row.Node].Version {
			rows[row.Node] = row
		}
	}
	decoder, err := schemas.NewDecoder(schemas.IdentifiedTouchpointSchema())
	if err != nil {
		b.Fatal(err)
	}
	f.customers = map[string]string{}
	for _, record := range readAll(b, kafka, stream.Identified) {
		_, body, err := schemas.SplitHeader(record.Value)
		if err != nil {
			b.Fatal(err)
		}
		var e schemas.EnrichedTouchpoint
		if err := decoder.Decode(body, &e); err != nil {
			b.Fatal(err)
		}
		if _, again := f.customers[e.MessageID]; again {
			continue
		}
		message := strings.Clone(e.MessageID)
		customer, shared := customerOf(&e.IdentifiedTouchpoint, rows)
		if f.customers[message] = customer.String(); shared {
			f.shared = append(f.shared, message)
		}
	}
	return f
}

// customerOf is the event's customer, and whether all that the event shows is shared.
func customerOf(e *schemas.IdentifiedTouchpoint, rows map[uuid.UUID]identitymap.Row) (customer uuid.UUID, shared bool) {
	anchor := uuid.UUID(e.Anchor)
	row, known := rows[anchor]
	if row.Shared {
		for _, id := range e.Identifiers {
			node, err := uuid.Parse(id.Value)
			if err != nil || rows[node].Shared {
				continue
			}
			if other, known := rows[node]; known {
				return other.Canonical, false
			}
			return node, false
		}
	}
	if known && int64(row.Version) > e.IV {
		return row.Canonical, row.Shared
	}
	return uuid.UUID(e.CustomerID), row.Shared
}

// TestReaderOfTheMap: the newest of map and event holds, and a shared anchor gives way to the next identifier.
func TestReaderOfTheMap(t *testing.T) {
	id := func(n byte) uuid.UUID { return uuid.UUID{n} }
	named := func(n byte) schemas.Identifier {
		return schemas.Identifier{Type: "anonymous_id", Value: id(n).String()}
	}
	rows := map[uuid.UUID]identitymap.Row{
		id(1): {Node: id(1), Canonical: id(7), Version: 5},
		id(2): {Node: id(2), Canonical: id(2), Version: 5, Shared: true},
		id(3): {Node: id(3), Canonical: id(8), Version: 6},
	}
	f := func(want byte, wantShared bool, anchor byte, iv int64, ids ...byte) {
		t.Helper()
		e := schemas.IdentifiedTouchpoint{Anchor: schemas.UUID(id(anchor)), CustomerID: schemas.UUID(id(9)), IV: iv}
		for _, n := range ids {
			e.Identifiers = append(e.Identifiers, named(n))
		}
		if customer, shared := customerOf(&e, rows); customer != id(want) || shared != wantShared {
			t.Errorf("anchor %d at %d with %v is of %v (shared %t), want %d (%t)", anchor, iv, ids, customer[0], shared, want, wantShared)
		}
	}
	f(7, false, 1, 4, 1)
	f(9, false, 1, 6, 1)
	f(9, false, 4, 6, 4)
	f(8, false, 2, 4, 2, 3)
	f(4, false, 2, 4, 2, 4)
	f(2, true, 2, 4, 2)
	f(9, true, 2, 6, 2)
}
