package bench

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/services/sink"
)

// Ten million events of two months, of a million anchors; one in ten anchors is linked, and twenty of these are shared.
const (
	warehouseEvents  = 10_000_000
	warehouseAnchors = 1_000_000
)

// generate makes events, map and history in the engine itself.
var generate = []string{
	"TRUNCATE TABLE parcours.events", "TRUNCATE TABLE parcours.traits", "TRUNCATE TABLE parcours.contacts", "TRUNCATE TABLE parcours.identity_map", "TRUNCATE TABLE parcours.identity_changes",
	// Sightings are the insert's cost and not the question here.
	"DETACH TABLE parcours.identifier_sightings_mv",
	fmt.Sprintf(`INSERT INTO parcours.events (workspace, event_id, message_id, source, channel, type, name, occurred_at, received_at, anchor, customer_id, iv, stand_ins)
SELECT 'default', reinterpretAsUUID(sipHash128(number, 'event')), toString(number), 'web', 'web', 'track', ['Product Viewed', 'Product Added', 'Cart Viewed', 'Searched'][1 + cityHash64(number, 1) %% 4],
    toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + toIntervalSecond(cityHash64(number, 2) %% (59 * 86400)), now64(3),
    reinterpretAsUUID(sipHash128(visitor)) AS anchor, anchor, if(visitor %% 10 = 0, 1, 0), if(visitor %% 10 = 0, [reinterpretAsUUID(sipHash128(visitor, number %% 3))], [])
FROM (SELECT number, toUInt64(cityHash64(number, 3) %% %d) AS visitor FROM numbers(%d))
SETTINGS max_insert_threads = 2`, warehouseAnchors, warehouseEvents),
	// Or merges would be part of the figures.
	"SYSTEM STOP MERGES parcours.events",
	fmt.Sprintf(`INSERT INTO parcours.identity_changes (workspace, node, type, canonical, version, shared, reason, previous, at)
SELECT 'default', reinterpretAsUUID(sipHash128(toUInt64(number * 10))) AS n, 'anonymous_id', if(number %% 5000 = 0, n, reinterpretAsUUID(sipHash128(intDiv(number, 3), 'account'))), number + 2, number %% 5000 = 0, 'joined', n, now64(3) - toIntervalDay(30)
FROM numbers(%d)`, warehouseAnchors/10),
	"INSERT INTO parcours.identity_map (workspace, node, type, canonical, version, shared, reason, previous, at, _ingested_at) SELECT workspace, node, type, canonical, version, shared, reason, previous, at, now64(3) FROM parcours.identity_changes",
	"SYSTEM RELOAD DICTIONARY parcours.identity_map_dict",
}

const sharedNodes = "(SELECT node FROM parcours.identity_map WHERE shared)"

// ways are how a query may find the customers of now; %s is what it aggregates, and how that is put together again.
func ways(state, merge string) []struct{ name, query string } {
	return []struct{ name, query string }{
		{"unresolved", fmt.Sprintf("SELECT customer_id, %s(%s) AS n FROM parcours.events WHERE workspace = 'default' GROUP BY customer_id", merge, state)},
		{"each_event", fmt.Sprintf("SELECT customer_id, %s(%s) AS n FROM parcours.customer_events WHERE workspace = 'default' GROUP BY customer_id", merge, state)},
		{"by_anchor", fmt.Sprintf(`SELECT customer_id, %[2]sMerge(s) AS n FROM
(
    SELECT dictGetOrDefault('parcours.identity_map_dict', 'canonical', ('default', anchor), argMax(customer_id, iv)) AS customer_id, %[2]sState(%[1]s) AS s
    FROM parcours.events WHERE workspace = 'default' AND anchor NOT IN %[3]s GROUP BY anchor
    UNION ALL
    SELECT customer_id, %[2]sState(%[1]s) AS s FROM parcours.customer_events WHERE workspace = 'default' AND anchor IN %[3]s GROUP BY customer_id
)
GROUP BY customer_id`, state, merge, sharedNodes)},
		{"join", fmt.Sprintf(`SELECT multiIf(s.shared, if(f.version > 0, f.canonical, e.stand_ins[1]), s.version > e.iv, s.canonical, e.customer_id) AS customer, %[2]s(%[1]s) AS n
FROM parcours.events AS e
LEFT JOIN (SELECT m.workspace AS workspace, m.node AS node, argMax(m.canonical, m.version) AS canonical, argMax(m.shared, m.version) AS shared, max(m.version) AS version FROM parcours.identity_map AS m GROUP BY workspace, node) AS s ON s.workspace = e.workspace AND s.node = e.anchor
LEFT JOIN (SELECT m.workspace AS workspace, m.node AS node, argMax(m.canonical, m.version) AS canonical, max(m.version) AS version FROM parcours.identity_map AS m GROUP BY workspace, node) AS f ON f.workspace = e.workspace AND f.node = e.stand_ins[1]
WHERE e.workspace = 'default' GROUP BY customer`, state, merge)},
	}
}

// BenchmarkWarehouse asks ten million events for their customers of now: by a look-up of each event, by a look-up of each
// anchor, and by a join, and again after a squash. All ways must answer the same.
func BenchmarkWarehouse(b *testing.B) {
	cfg := warehouse.DefaultConfig()
	cfg.Addresses, cfg.Timeout = []string{enginetest.Start(b)}, time.Hour
	if err := warehouse.Migrate(b.Context(), cfg, sink.Migrations(), zap.NewNop()); err != nil {
		b.Fatal(err)
	}
	db, err := warehouse.Open(cfg)
	if err != nil {
		b.Fatal(err)
	}
	exec := func(statement string) {
		b.Helper()
		if err := db.Exec(b.Context(), statement); err != nil {
			b.Fatalf("%s: %v", statement, err)
		}
	}
	for _, statement := range generate {
		exec(statement)
	}
	b.Cleanup(func() {
		for _, table := range []string{"events", "identity_map", "identity_changes"} {
			enginetest.Exec(b, cfg.Addresses[0], "TRUNCATE TABLE parcours."+table)
		}
		enginetest.Exec(b, cfg.Addresses[0], "SYSTEM START MERGES parcours.events")
		enginetest.Exec(b, cfg.Addresses[0], "ATTACH TABLE parcours.identifier_sightings_mv")
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	linked, err := db.Query(b.Context(), "SELECT round(100 * countIf(customer_id != anchor) / count()), uniqExact(anchor) FROM parcours.customer_events")
	if err != nil {
		b.Fatal(err)
	}
	if got := fmt.Sprint(linked.Rows[0][0]); got != "10" {
		b.Fatalf("%s percent of the events are of anchors that are linked, want 10", got)
	}
	ask(b, db)
	exec("SYSTEM START MERGES parcours.events")
	b.Run("squash", func(b *testing.B) {
		for range b.N {
			squash := sink.Squash{ClickHouse: cfg, Until: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), Settled: time.Now().Add(-8 * 24 * time.Hour), Report: func(s sink.SquashStep) error {
				b.Logf("%s %s %s: %d rows, %d to %d bytes, %.2f s", s.Step, s.Table, s.Partition, s.Rows, s.BytesBefore, s.BytesAfter, s.Seconds)
				return nil
			}}
			if err := squash.Run(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	exec("SYSTEM STOP MERGES parcours.events")
	b.Run("squashed", func(b *testing.B) { ask(b, db) })
}

// ask runs every way of every question, and wants one answer of all that resolve.
func ask(b *testing.B, db *warehouse.Warehouse) {
	for _, question := range []struct{ name, state, merge string }{
		{"events", "occurred_at", "count"},
		{"days", "toDate(occurred_at)", "uniqExact"},
	} {
		answer := ""
		for _, way := range ways(question.state, question.merge) {
			b.Run(question.name+"/"+way.name, func(b *testing.B) {
				engine := engineCPU(b)
				var got string
				for range b.N {
					table, err := db.Query(b.Context(), "SELECT count(), sum(n), max(n) FROM ("+way.query+")")
					if err != nil {
						b.Fatal(err)
					}
					got = fmt.Sprint(table.Rows)
				}
				b.ReportMetric(float64((engineCPU(b)-engine).Milliseconds())/float64(b.N), "engine_cpu_ms/op")
				if way.name == "each_event" {
					answer = got
				}
				if (way.name == "by_anchor" || way.name == "join") && answer != "" && got != answer {
					b.Errorf("answers %s, and the look-up of each event %s", got, answer)
				}
			})
		}
	}
}
