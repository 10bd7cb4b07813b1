package backend_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap/zaptest"

	"github.com/parcours-cdp/parcours/embedded/backend"
	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/schemas"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// The one client of Kafka works on every kind of broker: what it produced is read back, and a group's offsets stand.
func TestEveryKafkaCarriesRecords(t *testing.T) {
	for _, kind := range []string{backend.Embedded, backend.Process, backend.Container} {
		t.Run(kind, func(t *testing.T) {
			t.Setenv(backend.KafkaEnv, kind)
			kafka := backend.Kafka(t)
			if kafka.Kind != kind {
				t.Fatalf("asked for %s and got %s", kind, kafka.Kind)
			}
			carry(t, kafka.Brokers)
		})
	}
}

// The broker that the environment names, as the end-to-end tests use it.
func TestKafkaOfTheEnvironment(t *testing.T) {
	carry(t, backend.Kafka(t).Brokers)
}

func carry(t *testing.T, brokers []string) {
	t.Helper()
	const records = 100
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client := streamtest.Client(t, brokers)
	if err := client.EnsureTopics(ctx, stream.Touchpoints); err != nil {
		t.Fatal(err)
	}
	want := make(map[string]bool, records)
	batch := make([]*stream.Record, 0, records)
	for i := range records {
		value := fmt.Sprintf("record %d", i)
		want[value] = true
		batch = append(batch, &stream.Record{Topic: stream.Touchpoints, Key: fmt.Append(nil, i), Value: []byte(value)})
	}
	if err := client.Produce(ctx, batch...); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]bool, records)
	reading, stop := context.WithCancel(ctx)
	defer stop()
	err := client.Consume(reading, stream.Consumer{
		Group: "backend-test", Topics: []string{stream.Touchpoints}, MaxRecords: 1000, MaxBytes: 1 << 20, MaxWait: 10 * time.Millisecond,
	}, func(_ context.Context, ranges []stream.Range) error {
		for _, r := range ranges {
			for _, record := range r.Records {
				got[string(record.Value)] = true
			}
		}
		if len(got) >= records {
			stop()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("produced and read back differ:\n%s", diff)
	}
	committed, err := client.Committed(ctx, "backend-test", stream.Touchpoints)
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	for _, offset := range committed {
		total += offset
	}
	if total != records {
		t.Fatalf("the group committed %v: want %d records in all", committed, records)
	}
}

// What the real Kafka acknowledged is there after a power cut, on the same directory and another port.
func TestKafkaProcessKeepsWhatItAcknowledged(t *testing.T) {
	dir := t.TempDir()
	first := backend.StartKafkaProcess(t, dir)
	client := streamtest.Client(t, []string{first.Addr()})
	if err := client.EnsureTopics(t.Context(), stream.Touchpoints); err != nil {
		t.Fatal(err)
	}
	record := &stream.Record{Topic: stream.Touchpoints, Value: []byte("kept")}
	if err := client.Produce(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	second := backend.StartKafkaProcess(t, dir)
	t.Cleanup(func() {
		if err := second.Close(); err != nil {
			t.Error(err)
		}
	})
	ends, err := streamtest.Client(t, []string{second.Addr()}).EndOffsets(t.Context(), stream.Touchpoints)
	if err != nil {
		t.Fatal(err)
	}
	if ends[record.Partition] != record.Offset+1 {
		t.Fatalf("partition %d ends at %d after the restart: want %d", record.Partition, ends[record.Partition], record.Offset+1)
	}
}

func TestRegistryTakesOurSchemas(t *testing.T) {
	cfg := registry.DefaultConfig()
	cfg.URL = backend.Registry(t)
	client, err := registry.New(cfg, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	id, err := client.Register(t.Context(), stream.Touchpoints, schemas.TouchpointSchema())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Decoder(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

func TestClickHouseGivesEachTestItsOwn(t *testing.T) {
	t.Setenv(backend.ClickHouseEnv, backend.Embedded)
	one, two := backend.ClickHouse(t), backend.ClickHouse(t)
	one.Query(t, "CREATE DATABASE parcours")
	one.Query(t, "CREATE TABLE parcours.t (n UInt8) ENGINE = MergeTree ORDER BY n")
	one.Query(t, "INSERT INTO parcours.t VALUES (1), (2)")
	if got := one.Query(t, "SELECT sum(n) FROM parcours.t"); got != "3" {
		t.Fatalf("sum is %s: want 3", got)
	}
	if got := two.Query(t, "SELECT count() FROM system.databases WHERE name = 'parcours'"); got != "0" {
		t.Fatalf("the second test's ClickHouse has %s databases parcours: want none", got)
	}
}

// A ClickHouse that the tests did not start keeps its database unless the environment allows otherwise.
func TestExternalClickHouseIsWipedOnlyWhenAllowed(t *testing.T) {
	t.Setenv(backend.ClickHouseEnv, backend.Embedded)
	server := backend.ClickHouse(t)
	server.Query(t, "CREATE DATABASE parcours")
	t.Setenv(backend.ClickHouseEnv, server.Addr)
	const count = "SELECT count() FROM system.databases WHERE name = 'parcours'"

	verdict := outcome(t, func(t testing.TB) { backend.ClickHouse(t) })
	if !strings.Contains(verdict.failure, backend.WipeEnv) {
		t.Fatalf("a ClickHouse with our database was taken without leave: %+v", verdict)
	}
	if server.Query(t, count) != "1" {
		t.Fatal("the database was dropped without leave")
	}
	t.Setenv(backend.WipeEnv, "1")
	if external := backend.ClickHouse(t); external.Kind != backend.External {
		t.Fatalf("got a %s ClickHouse", external.Kind)
	}
	if server.Query(t, count) != "0" {
		t.Fatal("the database is still there")
	}
}

// A broker that the tests did not start keeps its topics unless the environment allows otherwise.
func TestExternalKafkaIsWipedOnlyWhenAllowed(t *testing.T) {
	t.Setenv(backend.KafkaEnv, backend.Embedded)
	brokers := backend.Kafka(t).Brokers
	if err := streamtest.Client(t, brokers).EnsureTopics(t.Context(), stream.Touchpoints); err != nil {
		t.Fatal(err)
	}
	t.Setenv(backend.KafkaEnv, brokers[0])

	verdict := outcome(t, func(t testing.TB) { backend.Kafka(t) })
	if !strings.Contains(verdict.failure, backend.WipeEnv) {
		t.Fatalf("a broker with topics was taken without leave: %+v", verdict)
	}
	if there := streamtest.Topics(t, brokers, stream.Touchpoints); len(there) != 1 {
		t.Fatal("the topic was deleted without leave")
	}
	t.Setenv(backend.WipeEnv, "1")
	if kafka := backend.Kafka(t); kafka.Kind != backend.External {
		t.Fatalf("got a %s broker", kafka.Kind)
	}
	if there := streamtest.Topics(t, brokers, stream.Touchpoints); len(there) != 0 {
		t.Fatalf("topics %v are still there", there)
	}
}

// Without a Docker daemon the container kind skips and says so, and fails where CI requires containers.
func TestMissingBackendSkipsOrFails(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "no.sock"))
	t.Setenv(backend.KafkaEnv, backend.Container)
	t.Setenv(backend.RequireContainersEnv, "")
	if verdict := outcome(t, func(t testing.TB) { backend.Kafka(t) }); !strings.Contains(verdict.skip, "Docker daemon") {
		t.Fatalf("want a skip that names the Docker daemon: %+v", verdict)
	}
	t.Setenv(backend.RequireContainersEnv, "1")
	if verdict := outcome(t, func(t testing.TB) { backend.Kafka(t) }); !strings.Contains(verdict.failure, backend.RequireContainersEnv) {
		t.Fatalf("want a failure that names %s: %+v", backend.RequireContainersEnv, verdict)
	}
}

func TestReportNamesTheBackends(t *testing.T) {
	report := filepath.Join(t.TempDir(), "report")
	t.Setenv(backend.ReportEnv, report)
	t.Setenv(backend.KafkaEnv, backend.Embedded)
	t.Setenv(backend.RegistryEnv, backend.Embedded)
	backend.Kafka(t)
	backend.Registry(t)
	got, err := os.ReadFile(filepath.Clean(report))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("kafka embedded kfake\nregistry embedded\n", string(got)); diff != "" {
		t.Fatal(diff)
	}
}

// ending is how a test function ended.
type ending struct{ skip, failure string }

// recorder is a test that may skip or fail without ending the one around it.
type recorder struct {
	testing.TB
	ending
}

func (r *recorder) Skip(args ...any) { r.skip = fmt.Sprint(args...); runtime.Goexit() }
func (r *recorder) Fatal(args ...any) {
	r.failure = fmt.Sprint(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func outcome(t *testing.T, run func(t testing.TB)) ending {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(r)
	}()
	<-done
	return r.ending
}
