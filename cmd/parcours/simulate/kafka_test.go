package simulate

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/collector"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

var testKey = strings.Repeat("c0ffee00", 8)

func small(c *Config) { c.Customers, c.Days = 200, 4 }

// startCollector runs the real collector on a broker of its own.
func startCollector(t *testing.T, brokers []string) (url string) {
	t.Helper()
	ws := workspace.DefaultConfig()
	ws.HashKey = testKey
	cfg := collector.DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	address := make(chan string, 1)
	cfg.OnListen = func(a string) { address <- a }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	platform := service.Platform{
		Workspace: ws, Identifiers: identifier.DefaultConfig(), Kafka: streamtest.Client(t, brokers), Registry: registrytest.Client(t), Log: zap.NewNop(),
		Metrics: prometheus.NewRegistry(), Ready: service.NewReadiness(),
	}
	go func() { ended <- collector.Run(ctx, cfg, platform) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("collector: %v", err)
		}
	})
	t.Cleanup(stop)
	select {
	case a := <-address:
		return "http://" + a
	case err := <-ended:
		ended <- nil
		t.Fatalf("collector ended: %v", err)
		return ""
	}
}

// stored reads a topic from start to end.
func stored(t *testing.T, brokers []string, topic string) []*stream.Record {
	t.Helper()
	client := streamtest.Client(t, brokers)
	ends, err := client.EndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	want := int64(0)
	for _, n := range ends {
		want += n
	}
	var all []*stream.Record
	if want == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = client.Follow(ctx, topic, func(_ context.Context, records []*stream.Record) error {
		all = append(all, records...)
		if int64(len(all)) >= want {
			cancel()
		}
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if int64(len(all)) != want {
		t.Fatalf("read %d of %d records of %s", len(all), want, topic)
	}
	return all
}

type keyed struct {
	Key string
	T   schemas.Touchpoint
}

func decoded(t *testing.T, records []*stream.Record) map[uuid.UUID]keyed {
	t.Helper()
	decoder, err := schemas.NewDecoder(schemas.TouchpointSchema())
	if err != nil {
		t.Fatal(err)
	}
	all := map[uuid.UUID]keyed{}
	for _, r := range records {
		_, body, err := schemas.SplitHeader(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		var e schemas.EnrichedTouchpoint
		if err := decoder.Decode(body, &e); err != nil {
			t.Fatal(err)
		}
		all[e.EventID] = keyed{string(r.Key), e.Touchpoint}
	}
	return all
}

// TestKafkaTargetWritesWhatTheCollectorWrites sends one population both ways: load tests that start at Kafka measure
// the events that HTTP would have brought, under the same keys and ids.
func TestKafkaTargetWritesWhatTheCollectorWrites(t *testing.T) {
	throughHTTP, straight := streamtest.Broker(t), streamtest.Broker(t)
	var book ledgerBook
	first, err := Send(t.Context(), population(t, small), Options{Target: startCollector(t, throughHTTP), Ledger: &book})
	if err != nil || first.Acknowledged != first.Events || first.Wrong == 0 {
		t.Fatalf("by HTTP: %+v, %v", first, err)
	}
	target := "kafka://" + strings.Join(straight, ",") + "?registry=" + registrytest.Serve(t)
	second, err := Send(t.Context(), population(t, small), Options{Target: target, HashKey: testKey, Workers: 2})
	if err != nil || second.Acknowledged != first.Events-first.Wrong || second.Repeats == 0 {
		t.Fatalf("by Kafka: %+v, %v; by HTTP: %+v", second, err, first)
	}
	records := stored(t, straight, stream.Touchpoints)
	if int64(len(records)) != second.Acknowledged+second.Repeats {
		t.Errorf("%d records in Kafka, %d events acknowledged and %d repeated", len(records), second.Acknowledged, second.Repeats)
	}
	want, got := decoded(t, stored(t, throughHTTP, stream.Touchpoints)), decoded(t, records)
	if int64(len(want)) != first.Events-first.Wrong {
		t.Errorf("the collector kept %d events, %d are right", len(want), first.Events-first.Wrong)
	}
	options := cmp.Options{
		cmpopts.IgnoreFields(schemas.Touchpoint{}, "OccurredAt", "SentAt", "ReceivedAt", "Properties"),
		cmpopts.IgnoreFields(schemas.Context{}, "IP"),
		cmpopts.SortSlices(func(a, b schemas.Identifier) bool { return a.Type+a.Value < b.Type+b.Value }),
		cmpopts.EquateEmpty(),
	}
	shown := 0
	for id, w := range want {
		g, ok := got[id]
		if diff := cmp.Diff(w, g, options); !ok || diff != "" {
			t.Errorf("event %s %s of %s (-HTTP +Kafka):\n%s", w.T.Type, w.T.Name, w.T.Source, diff)
			if shown++; shown == 5 {
				t.FailNow()
			}
		}
	}
	if !slices.Equal(sortedIDs(want), sortedIDs(got)) {
		t.Error("the two ways brought different events")
	}
	checkRejected(t, stored(t, throughHTTP, stream.Rejected), &book)
}

func sortedIDs(m map[uuid.UUID]keyed) []string {
	var ids []string
	for id := range maps.Keys(m) {
		ids = append(ids, id.String())
	}
	slices.Sort(ids)
	return ids
}

// ledgerBook keeps what is wrong on purpose.
type ledgerBook struct{ text strings.Builder }

func (b *ledgerBook) Write(p []byte) (int, error) { return b.text.Write(p) }

// checkRejected: the collector refused exactly the events that are wrong on purpose, each for its reason.
func checkRejected(t *testing.T, records []*stream.Record, book *ledgerBook) {
	t.Helper()
	decoder, err := schemas.NewRejectedDecoder(schemas.RejectedTouchpointSchema())
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for _, r := range records {
		_, body, err := schemas.SplitHeader(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		var rejected schemas.RejectedTouchpoint
		if err := decoder.Decode(body, &rejected); err != nil {
			t.Fatal(err)
		}
		reasons[strings.Clone(rejected.MessageID)] = strings.Clone(rejected.Reason)
	}
	want := map[string]string{"amount": "invalid_amount", "ids": "missing_identifier", "type": "unknown_type", "event": "missing_event_name"}
	wrong := 0
	if err := ReadLedger(strings.NewReader(book.text.String()), func(l LedgerLine) error {
		if l.Status != http.StatusOK {
			t.Errorf("%s was answered %d", l.MessageID, l.Status)
		}
		if l.Wrong != "" && !l.Repeat {
			wrong++
			if reasons[l.MessageID] != want[l.Wrong] {
				t.Errorf("event with wrong %s was rejected for %q, want %q", l.Wrong, reasons[l.MessageID], want[l.Wrong])
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(reasons) != wrong {
		t.Errorf("%d events rejected, %d are wrong on purpose", len(reasons), wrong)
	}
}

// TestTicketWithAMadeUpAddress: what a cashier types to be rid of the question does not lose the sale.
func TestTicketWithAMadeUpAddress(t *testing.T) {
	ws := workspace.DefaultConfig()
	ws.HashKey = testKey
	ids, err := identifier.New(identifier.DefaultConfig(), ws)
	if err != nil {
		t.Fatal(err)
	}
	k := &kafkaCarrier{counters: &counters{}, make: touchpoints{ids: ids, workspace: "default"}}
	e := &Event{
		MessageID: "LIL01/01/1", Source: POS, Type: "track", Name: "Order Completed", Context: &Context{},
		Commerce: &Commerce{Receipt: &Receipt{Store: "LIL01", Register: "01", Number: "1", Email: "test@test.fr"}},
	}
	if err := k.add(e); err != nil || len(k.refs) != 1 {
		t.Fatalf("%d records, %v", len(k.refs), err)
	}
	want, reason := ids.Node(identifier.TillRecord, "LIL01/01/1")
	if got := string(k.refs[0].Key); got != want.String() || reason != "" {
		t.Errorf("key %s, want that of the ticket %s %s", got, want, reason)
	}
	if err := k.add(&Event{MessageID: "nobody", Type: "track", Context: &Context{}}); err == nil {
		t.Error("an event of nobody was sent")
	}
}

// TestKafkaAwayIsAnError: nothing is claimed that Kafka did not acknowledge.
func TestKafkaAwayIsAnError(t *testing.T) {
	brokers := streamtest.Broker(t)
	url := registrytest.Serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := Send(ctx, population(t, small), Options{Target: "kafka://127.0.0.1:1?registry=" + url, HashKey: testKey}); err == nil {
		t.Error("a broker that is not there took everything")
	}
	if _, err := Send(ctx, population(t, small), Options{Target: "kafka://" + brokers[0] + "?registry=http://127.0.0.1:1", HashKey: testKey}); err == nil {
		t.Error("a registry that is not there gave an id")
	}
}
