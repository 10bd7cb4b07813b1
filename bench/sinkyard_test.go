package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/sink"
)

// bus is a broker of one round, with one topic and the group that reads it.
type bus struct {
	brokers      []string
	topic, group string
	kafka        *stream.Client
}

func newBus(b *testing.B, topic, group string) *bus {
	b.Helper()
	partitions := stream.DefaultConfig().Partitions
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(int32(partitions), topic))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(cluster.Close)
	bus := &bus{brokers: cluster.ListenAddrs(), topic: topic, group: group}
	if bus.kafka, err = stream.Connect(moverKafka(bus.brokers), zap.NewNop(), prometheus.NewRegistry()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(bus.kafka.Close)
	return bus
}

func (bus *bus) produce(b *testing.B, records []*stream.Record) {
	b.Helper()
	for len(records) > 0 {
		n := min(20_000, len(records))
		if err := bus.kafka.Produce(b.Context(), records[:n]...); err != nil {
			b.Fatal(err)
		}
		records = records[n:]
	}
}

// await waits until so many records are committed.
func (bus *bus) await(b *testing.B, p *moverProcess, records int64) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		offsets, err := bus.kafka.Committed(ctx, bus.group, bus.topic)
		if err != nil {
			b.Fatal(err)
		}
		total := int64(0)
		for _, offset := range offsets {
			total += offset
		}
		if total >= records {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.Fatalf("%d of %d records are committed\n%s", total, records, p.words.String())
		}
	}
}

// prepare lets the sink store events once, of which the ready blocks and the JSON are made.
func (y *yard) prepare(b *testing.B) {
	b.Helper()
	bus := newBus(b, stream.Enriched, sink.GroupTouchpoints)
	bus.produce(b, y.records(0, preparedRows))
	p := mover{Kind: kindSink, Brokers: bus.brokers, Registry: y.registry, ClickHouse: y.address}.start(b)
	bus.await(b, p, preparedRows)
	p.stop(b)
	table, err := y.db.Query(b.Context(), "SELECT name FROM system.columns WHERE database = 'parcours' AND table = 'events' ORDER BY position")
	if err != nil {
		b.Fatal(err)
	}
	for _, row := range table.Rows {
		y.columns = append(y.columns, row[0])
	}
	y.makeBlocks(b)
	y.makeJSON(b)
}

// readyRows are the rows of a ready block: as many as ranges of the sink have under load.
const readyRows = 10_000

// makeBlocks writes the rows of each partition in the order of their offsets as one block.
func (y *yard) makeBlocks(b *testing.B) {
	b.Helper()
	dir := b.TempDir()
	columns := "`" + strings.Join(y.columns, "`, `") + "`"
	for from := 0; from+readyRows <= preparedRows; from += readyRows {
		body := y.read(b, "Native", fmt.Sprintf(
			"SELECT %s FROM parcours.events ORDER BY _partition, _offset LIMIT %d OFFSET %d SETTINGS max_block_size = %d", columns, readyRows, from, readyRows))
		file := filepath.Join(dir, strconv.Itoa(from))
		if err := os.WriteFile(file, append([]byte(strconv.Itoa(readyRows)+"\n"), body...), 0o600); err != nil {
			b.Fatal(err)
		}
		y.blocks = append(y.blocks, file)
	}
}

func (y *yard) read(b *testing.B, format, query string) []byte {
	b.Helper()
	answer, err := y.db.Stream(b.Context(), format, query)
	if err != nil {
		b.Fatal(err)
	}
	body, err := io.ReadAll(answer)
	if err != nil {
		b.Fatal(err)
	}
	if err := answer.Close(); err != nil {
		b.Fatal(err)
	}
	return body
}

// makeJSON writes rows as objects, of all columns and of those that have a value.
func (y *yard) makeJSON(b *testing.B) {
	b.Helper()
	body := y.read(b, "JSONEachRow", fmt.Sprintf("SELECT * FROM parcours.events ORDER BY event_id LIMIT %d", slowRows))
	for line := range bytes.Lines(body) {
		y.fullJSON = append(y.fullJSON, bytes.TrimSpace(line))
		var row map[string]json.RawMessage
		if err := json.Unmarshal(line, &row); err != nil {
			b.Fatal(err)
		}
		for name, value := range row {
			switch string(value) {
			case `""`, `[]`, `{}`, "null", "0", `"0"`, "false":
				delete(row, name)
			}
		}
		text, err := json.Marshal(row)
		if err != nil {
			b.Fatal(err)
		}
		y.json = append(y.json, text)
	}
}

// jsonRecords are events as JSON.
func jsonRecords(rows [][]byte, from, to int) []*stream.Record {
	records := make([]*stream.Record, 0, to-from)
	for i := from; i < to; i++ {
		records = append(records, &stream.Record{Topic: jsonTopic, Key: strconv.AppendInt(nil, int64(i/7), 10), Value: rows[i%len(rows)]})
	}
	return records
}

// BenchmarkSinkMemory reads the memory of the sink after N events, and after 4N.
func BenchmarkSinkMemory(b *testing.B) {
	y := newYard(b)
	for b.Loop() {
		y.empty(b)
		bus := newBus(b, stream.Enriched, sink.GroupTouchpoints)
		p := mover{Kind: kindSink, Brokers: bus.brokers, Registry: y.registry, ClickHouse: y.address, DataDir: b.TempDir()}.start(b)
		var last, peak [2]float64
		for i, upTo := range []int{memoryRows, 4 * memoryRows} {
			for from := i * memoryRows; from < upTo; from += memoryRows {
				bus.produce(b, y.records(from, from+memoryRows))
			}
			bus.await(b, p, int64(upTo))
			last[i], peak[i] = megabytes(b, p, "VmRSS"), megabytes(b, p, "VmHWM")
		}
		p.stop(b)
		b.Logf("sink after %d and %d events: %.0f and %.0f MB resident, ratio %.2f; at most %.0f and %.0f MB until then, ratio %.2f",
			memoryRows, 4*memoryRows, last[0], last[1], last[1]/last[0], peak[0], peak[1], peak[1]/peak[0])
		b.ReportMetric(peak[1], "peak_MB")
		b.ReportMetric(peak[1]/peak[0], "peak_4N/N")
	}
	b.ReportMetric(0, "ns/op")
}

// megabytes is a figure of the process in /proc/PID/status.
func megabytes(b *testing.B, p *moverProcess, name string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid()))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name+":" {
			kilobytes, err := strconv.Atoi(fields[1])
			if err != nil {
				b.Fatal(err)
			}
			return float64(kilobytes) / 1024
		}
	}
	b.Fatalf("process %d has no %s", p.pid(), name)
	return 0
}
