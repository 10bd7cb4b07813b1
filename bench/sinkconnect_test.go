package bench

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/parcours-cdp/parcours/internal/stream"
)

const (
	// connectEnv names the program of bench/rivals.
	connectEnv   = "PARCOURS_BENCH_CONNECT"
	jsonTopic    = "bench.json"
	connectGroup = "bench.json"
)

// connectPipeline passes JSON through: it is not parsed on the way, and batches are as large as the sink's.
const connectPipeline = `
http: {enabled: false}
logger: {level: WARN}
input:
  kafka_franz:
    seed_brokers: [%s]
    topics: [%s]
    consumer_group: %s
    commit_period: 100ms
    batching: {count: 10000, period: 1s}
output:
  http_client:
    url: %s
    verb: POST
    max_in_flight: 2
    timeout: 60s
    batch_as_multipart: false
    batching: {count: 10000, period: 1s, processors: [{archive: {format: lines}}]}
`

func (y *yard) connectWay(program, name string, rows [][]byte) way {
	return way{name, func(b *testing.B) round {
		bus := newBus(b, jsonTopic, connectGroup)
		insert := "http://" + y.address + "/?" + url.Values{"query": {"INSERT INTO parcours.events FORMAT JSONEachRow"}}.Encode()
		file := filepath.Join(b.TempDir(), "pipeline.yaml")
		if err := os.WriteFile(file, fmt.Appendf(nil, connectPipeline, bus.brokers[0], bus.topic, bus.group, insert), 0o600); err != nil {
			b.Fatal(err)
		}
		records := func(from, to int) []*stream.Record { return jsonRecords(rows, from, to) }
		return y.drain(b, bus, slowRows, records, func() *moverProcess { return startProcess(b, exec.Command(program, "run", file)) })
	}}
}
