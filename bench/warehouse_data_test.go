package bench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/cmd/parcours/simulate"
	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/embedded/clickhouse"
	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/services/enricher"
	"github.com/parcours-cdp/parcours/services/identity"
	"github.com/parcours-cdp/parcours/services/sink"
)

const (
	// benchDirEnv names the folder in which data sets are kept from one run to the next; without it they are made anew.
	benchDirEnv = "PARCOURS_BENCH_DIR"
	// benchEventsEnv is how many events the questions and the layouts are asked of.
	benchEventsEnv = "PARCOURS_BENCH_EVENTS"

	retailDays = 100
	// retailOriginals is how many events go down the pipeline at most; the others are copies of them in other people's lives.
	retailOriginals = 300_000
	// retailPatience bounds the time that the pipeline may take for them.
	retailPatience = 30 * time.Minute
)

// retail is a warehouse with the events of a simulated retailer, and the engine that it is in.
type retail struct {
	cfg warehouse.Config
	db  *warehouse.Warehouse
}

// newRetail returns a warehouse of about so many events, with the layout of today's migrations. They are simulated, go down
// the pipeline as far as the originals, and are then copied with other identities, times and numbers, so that the entropy of
// identifiers, which is most of what is stored, is that of as many different people.
func newRetail(t testing.TB, events int) *retail {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "retail")
	if kept := os.Getenv(benchDirEnv); kept != "" {
		dir = filepath.Join(kept, fmt.Sprintf("retail-%d-%s", events, migrationsDigest(t)))
	}
	complete := filepath.Join(dir, "complete")
	_, err := os.Stat(complete)
	made := err == nil
	if !made {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		runPipeline(t, dir, min(events, retailOriginals))
	}
	r := openRetail(t, dir)
	if !made {
		r.multiply(t, events)
		if err := os.WriteFile(complete, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Who the customers are is computed from time to time.
	r.exec(t, "SYSTEM WAIT VIEW parcours.customer_profiles")
	began := time.Now()
	r.exec(t, "SYSTEM REFRESH VIEW parcours.customer_profiles")
	r.exec(t, "SYSTEM WAIT VIEW parcours.customer_profiles")
	t.Logf("customer_profiles was refreshed in %.1f s", time.Since(began).Seconds())
	return r
}

// migrationsDigest tells layouts apart: a data set of another one is of no use.
func migrationsDigest(t testing.TB) string {
	t.Helper()
	digest := sha256.New()
	files, err := fs.Glob(sink.Migrations(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(sink.Migrations(), file)
		if err != nil {
			t.Fatal(err)
		}
		digest.Write(text)
	}
	return hex.EncodeToString(digest.Sum(nil)[:4])
}

// referenceDirs have the publishers' files: what make data installs, and what lies beside the project where there is any. Without them
// what is known of homes and areas is empty.
var referenceDirs = []string{"../.cache/reference", "../../shared/data"}

// runPipeline leaves the events in a data directory of parcours up: from Kafka through identity, enricher and sink.
func runPipeline(t testing.TB, dir string, events int) {
	t.Helper()
	cfg := up.DefaultConfig()
	cfg.AutoPorts()
	cfg.Embedded.DataDir, cfg.Embedded.Sync = dir, false
	cfg.Workspace.HashKey = strings.Repeat("42", 32)
	cfg.Enricher.Purposes.Profiling.Enabled = true
	cfg.Enricher.Reference.Dirs = append(cfg.Enricher.Reference.Dirs, referenceDirs...)
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan up.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- up.Run(ctx, cfg, up.Options{Log: zap.NewNop(), Ready: func(a up.Addresses) { ready <- a }})
	}()
	var at up.Addresses
	select {
	case at = <-ready:
	case err := <-ended:
		stop()
		if errors.Is(err, clickhouse.ErrNoEngine) {
			enginetest.Missing(t, err)
		}
		t.Fatal(err)
	}
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	// Half of a week's people are there only once; 4.2 events a person and day in the mean.
	population := simulate.Config{Seed: 7, Customers: events/(4*retailDays) + 1, Days: retailDays, Trouble: 1}
	simulation, err := simulate.New(population)
	if err != nil {
		t.Fatal(err)
	}
	result, err := simulate.Send(ctx, simulation, simulate.Options{
		Target: "kafka://" + at.Kafka + "?registry=http://" + at.Registry, Workspace: cfg.Workspace.Name, HashKey: cfg.Workspace.HashKey,
	})
	if err = errors.Join(err, result.Err()); err != nil {
		t.Fatal(err)
	}
	cfg.Kafka.Brokers = []string{at.Kafka}
	awaitStored(t, cfg)
}

// awaitStored waits until every group has read all that the stages before it wrote.
func awaitStored(t testing.TB, cfg up.Config) {
	t.Helper()
	kafka, err := stream.Connect(cfg.Kafka, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	deadline := time.Now().Add(retailPatience)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for _, hop := range []struct{ group, topic string }{
		{identity.Group, stream.Touchpoints},
		{identity.PublisherGroup(cfg.Workspace.Name), stream.Evidence},
		{enricher.Group, stream.Identified},
		{sink.GroupTouchpoints, stream.Enriched},
		{sink.GroupIdentityMap, stream.IdentityMap},
		{sink.GroupIdentityAudit, stream.IdentityAudit},
	} {
		for {
			lag, err := kafka.GroupLag(t.Context(), hop.group, hop.topic)
			if err != nil {
				t.Fatal(err)
			}
			if lag[hop.topic] == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("group %s is %d records of %s behind after %s", hop.group, lag[hop.topic], hop.topic, retailPatience)
			}
			<-ticker.C
		}
	}
}

// openRetail starts an engine on the tables alone.
func openRetail(t testing.TB, dir string) *retail {
	t.Helper()
	engine, err := enginetest.Config(filepath.Join(dir, "clickhouse"))
	if err != nil {
		t.Fatal(err)
	}
	engine.Log = zap.NewNop()
	server, err := clickhouse.Start(t.Context(), engine)
	if errors.Is(err, clickhouse.ErrNoEngine) {
		enginetest.Missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := &retail{cfg: warehouse.DefaultConfig()}
	r.cfg.Addresses, r.cfg.Timeout = []string{server.Addr()}, time.Hour
	if r.db, err = warehouse.Open(r.cfg); err != nil {
		t.Fatal(errors.Join(err, server.Close()))
	}
	t.Cleanup(func() {
		if err := errors.Join(r.db.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *retail) exec(t testing.TB, statement string) {
	t.Helper()
	if err := r.db.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%.300s: %v", statement, err)
	}
}

func (r *retail) count(t testing.TB, query string) int {
	t.Helper()
	var n uint64
	if err := r.db.ScanRow(t.Context(), []any{&n}, query); err != nil {
		t.Fatalf("%.300s: %v", query, err)
	}
	return int(n)
}

// multiply replaces what the pipeline stored by copies of it.
func (r *retail) multiply(t testing.TB, events int) {
	t.Helper()
	const originals = "originals"
	r.exec(t, "CREATE DATABASE "+originals)
	for _, table := range multiplied {
		r.exec(t, fmt.Sprintf("CREATE TABLE %s.%s AS parcours.%s", originals, table.name, table.name))
		from := "parcours." + table.name
		if table.name == "events" {
			// The simulation sends some events twice.
			from += " LIMIT 1 BY event_id"
		} else {
			from += " FINAL"
		}
		r.exec(t, fmt.Sprintf("INSERT INTO %s.%s SELECT * FROM %s", originals, table.name, from))
		r.exec(t, "TRUNCATE TABLE parcours."+table.name)
	}
	r.exec(t, "TRUNCATE TABLE parcours.identifier_sightings")
	n := r.count(t, "SELECT count() FROM "+originals+".events")
	copies := max(1, (events+n/2)/n)
	for _, table := range multiplied {
		r.exec(t, strings.ReplaceAll(table.statement(originals), "COPIES", strconv.Itoa(copies)))
	}
	r.exec(t, "DROP DATABASE "+originals+" SYNC")
	r.exec(t, "SYSTEM RELOAD DICTIONARY parcours.identity_map_dict")
	r.exec(t, "SYSTEM RELOAD DICTIONARY parcours.identity_changes_dict")
	r.exec(t, "OPTIMIZE TABLE parcours.events FINAL")
}

// multipliedTable says how a row is told anew for each copy.
type multipliedTable struct{ name, replace string }

// copies of a life are some weeks apart, so that the months fill, and never at the same second.
const copiesWith = `
    x -> reinterpretAsUUID(sipHash128(x, copy)) AS other,
    [1, 7, 11, 13, 17, 19, 23, 29, 31, 37] AS factors,
    x -> if(x = '', '', concat(substring(x, 1, length(x) - 9), leftPad(toString(toUInt64OrZero(right(x, 9)) * factors[1 + copy % 10] % 1000000000), 9, '0'), toString(copy))) AS number,
    toIntervalMillisecond(copy % 5 * 7 * 86400000 + copy * 97123) AS earlier`

func (m multipliedTable) statement(from string) string {
	with := copiesWith
	if m.name == "events" {
		with += eventsWith
	}
	return fmt.Sprintf(`INSERT INTO parcours.%s WITH %s
SELECT * EXCEPT (copy) REPLACE (%s)
FROM %s.%s ARRAY JOIN range(COPIES) AS copy
SETTINGS max_insert_threads = 2, max_threads = 2, min_insert_block_size_rows = 200000, min_insert_block_size_bytes = 268435456, prefer_column_name_to_alias = 1`,
		m.name, with, m.replace, from, m.name)
}

const eventsWith = `,
    extract(page_search, 'clid=([^&]+)') AS click,
    x -> if(click = '', x, replaceAll(x, click, concat(substring(click, 1, 3), lower(hex(sipHash64(click, copy)))))) AS clicked,
    occurred_at - earlier + toIntervalMillisecond(if(channel IN ('web', 'app'), 40 + cityHash64(event_id, copy) % 900, cityHash64(event_id, copy) % 180000)) AS received`

// multiplied are the tables to copy: events first, so that their sightings follow.
var multiplied = []multipliedTable{
	{"events", `
    other(event_id) AS event_id,
    multiIf(message_id = toString(event_id), toString(other(event_id)),
        match(message_id, '^[a-z]+-next-'), concat(extract(message_id, '^[a-z]+-next-'), toString(toUnixTimestamp64Milli(ifNull(original_timestamp, occurred_at) - earlier)), '-', toString(other(message_id))),
        number(message_id)) AS message_id,
    occurred_at - earlier AS occurred_at,
    original_timestamp - earlier AS original_timestamp,
    received - toIntervalMillisecond(20 + cityHash64(event_id, copy, 1) % 60) + toIntervalMillisecond(toUnixTimestamp64Milli(ifNull(original_timestamp, occurred_at)) - toUnixTimestamp64Milli(occurred_at)) AS sent_at,
    received AS received_at,
    other(anchor) AS anchor,
    other(customer_id) AS customer_id,
    arrayMap(other, stand_ins) AS stand_ins,
    arrayMap(other, ` + "`identifiers.node`) AS `identifiers.node`" + `,
    clicked(page_url) AS page_url,
    clicked(page_search) AS page_search,
    clicked(page_referrer) AS page_referrer,
    number(receipt_id) AS receipt_id,
    number(order_id) AS order_id,
    number(cart_id) AS cart_id,
    number(checkout_id) AS checkout_id,
    business_date - toIntervalDay(copy % 5 * 7) AS business_date,
    calendar_local_date - toIntervalDay(copy % 5 * 7) AS calendar_local_date,
    if(properties.order_id.:String IS NULL, properties, CAST(concat('{"order_id":"', number(assumeNotNull(properties.order_id.:String)), '"}'), 'JSON')) AS properties,
    cityHash64(other(anchor)) % 12 AS _partition,
    intDiv(toUnixTimestamp64Milli(received) - 1600000000000, 1400) AS _offset,
    received + toIntervalMillisecond(30 + cityHash64(event_id, copy, 2) % 300) AS _produced_at,
    toDateTime64(toStartOfSecond(received), 3, 'UTC') + toIntervalMillisecond(1700) AS _ingested_at`},
	{"identity_map", "other(node) AS node, other(canonical) AS canonical, other(previous) AS previous, other(event_id) AS event_id, at - earlier AS at"},
	{"identity_changes", "other(node) AS node, other(canonical) AS canonical, other(previous) AS previous, other(event_id) AS event_id, at - earlier AS at"},
	{"contacts", "other(anchor) AS anchor, other(customer_id) AS customer_id, arrayMap(other, stand_ins) AS stand_ins, other(event_id) AS event_id, occurred_at - earlier AS occurred_at, received_at - earlier AS received_at"},
	{"traits", "other(anchor) AS anchor, other(customer_id) AS customer_id, arrayMap(other, stand_ins) AS stand_ins, other(event_id) AS event_id, occurred_at - earlier AS occurred_at, received_at - earlier AS received_at"},
}
