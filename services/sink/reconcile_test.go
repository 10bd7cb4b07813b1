package sink_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/sink"
)

// emptied is a rig on tables without rows: whatever other tests left there has the same topics.
func emptied(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.exec("TRUNCATE TABLE events")
	r.exec("TRUNCATE TABLE rejected_events")
	return r
}

func (r *rig) exec(statement string) {
	r.t.Helper()
	if err := r.db.Exec(r.t.Context(), statement); err != nil {
		r.t.Fatalf("%s: %v", statement, err)
	}
}

// keyed is a record of the event in the partition of a key.
func (r *rig) keyed(key string, e *schemas.EnrichedTouchpoint) *stream.Record {
	record := r.record(e)
	record.Key = []byte(key)
	return record
}

// deliverMixed runs the sink over several partitions of events, their repetitions and poison, until all is stored.
func (r *rig) deliverMixed() {
	r.t.Helper()
	var records []*stream.Record
	for i := range 200 {
		e := event(byte(i), "Product Viewed")
		records = append(records, r.keyed(fmt.Sprint("key-", i%16), e))
		if i%10 == 0 {
			records = append(records, r.keyed(fmt.Sprint("key-", i%16), e))
		}
		if i%50 == 0 {
			records = append(records, &stream.Record{Topic: stream.Enriched, Key: fmt.Append(nil, "key-", i%16), Value: fmt.Append(nil, "poison ", i)})
		}
	}
	r.send(records...)
	r.run()
	r.awaitCommitted(int64(len(records)))
	r.eventually("SELECT count() FROM events WHERE workspace = %s", "200")
	r.eventually("SELECT count() FROM rejected_events WHERE %s != ''", "4")
}

func (r *rig) reconcile(change func(*sink.Reconcile)) []sink.PartitionReport {
	r.t.Helper()
	comparison := sink.Reconcile{Warehouse: r.db, Kafka: r.kafka, Registry: r.registry, Config: r.cfg, Limit: 10}
	if change != nil {
		change(&comparison)
	}
	reports, err := comparison.Run(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return reports
}

// findings are those of all partitions, as text.
func findings(reports []sink.PartitionReport) []string {
	named := []string{}
	for i := range reports {
		for _, f := range reports[i].Findings {
			named = append(named, fmt.Sprintf("%s %s/%d/%d-%d: %d", f.Kind, f.Topic, f.Partition, f.From, f.To, f.Rows))
		}
	}
	return named
}

func total(reports []sink.PartitionReport, of func(sink.PartitionReport) int64) (sum int64) {
	for _, report := range reports {
		sum += of(report)
	}
	return sum
}

// What is right has no findings, and every record is accounted for, in chunks of whatever size.
func TestReconcileFindsNothingWrong(t *testing.T) {
	r := emptied(t)
	r.deliverMixed()
	for _, size := range []int{0, 1, 7} {
		reports := r.reconcile(func(c *sink.Reconcile) { c.ChunkRecords = size })
		if got := findings(reports); len(got) > 0 || len(reports) != 8 {
			t.Fatalf("%d partitions, findings %q", len(reports), got)
		}
		got := map[string]int64{}
		for _, p := range reports {
			for name, n := range map[string]int64{"records": p.Records, "expected": p.Expected, "stored": p.Stored, "duplicates": p.Duplicates, "quarantined": p.Quarantined, "beyond": p.Beyond} {
				got[p.Table+" "+name] += n
			}
		}
		want := map[string]int64{
			"events records": 224, "events expected": 200, "events stored": 200, "events duplicates": 20, "events quarantined": 4, "events beyond": 0,
			"rejected_events records": 4, "rejected_events expected": 4, "rejected_events stored": 4, "rejected_events duplicates": 0, "rejected_events quarantined": 0, "rejected_events beyond": 0,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("chunks of %d: %s", size, diff)
		}
	}
}

// Whatever is done to the table is named, exactly.
func TestReconcileNamesWhatIsWrong(t *testing.T) {
	r := emptied(t)
	r.deliverMixed()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	where := r.rows("SELECT any(_partition), min(_offset), max(_offset) FROM events WHERE workspace = %s GROUP BY _partition ORDER BY _partition LIMIT 1")[0]
	partition, first, last := where[0], where[1], where[2]
	// The offset of a repetition is one that no row has.
	repetition := r.rows("SELECT max(_offset) FROM events WHERE workspace = %s AND _partition = " + partition + " AND (_offset + 1) NOT IN (SELECT _offset FROM events WHERE _partition = " + partition + ") AND _offset < " + last)[0][0]
	at := " FROM events WHERE _topic = '" + stream.Enriched + "' AND _partition = " + partition + " AND _offset = " + first
	copyOf := func(replaced string) string {
		return "INSERT INTO events SELECT * REPLACE (" + replaced + ") FROM (SELECT *" + at + ")"
	}
	f := func(name, statement string, want ...string) {
		t.Helper()
		if statement != "" {
			r.exec(statement + " SETTINGS insert_deduplicate = 0")
		}
		got := findings(r.reconcile(func(c *sink.Reconcile) { c.Topics = []string{stream.Enriched}; c.ChunkRecords = 11 }))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		r.exec("TRUNCATE TABLE events")
		r.exec("INSERT INTO events SELECT * FROM events_kept")
	}
	place := func(kind, offset string, rows int) string {
		return fmt.Sprintf("%s %s/%s/%s-%s: %d", kind, stream.Enriched, partition, offset, offset, rows)
	}
	next := fmt.Sprint(mustInt(t, repetition) + 1)
	r.exec("CREATE OR REPLACE TABLE events_kept AS events")
	t.Cleanup(func() { r.db.Exec(context.WithoutCancel(t.Context()), "DROP TABLE events_kept") }) //nolint:errcheck // the next test makes it anew
	r.exec("INSERT INTO events_kept SELECT * FROM events")

	f("nothing", "", []string{}...)
	f("a row twice", copyOf("iv + 1 AS iv"), place("double", first, 1))
	f("another id beside the right one", copyOf("generateUUIDv4() AS event_id"), place("foreign", first, 1))
	f("a repetition that slipped in", copyOf("toInt64("+next+") AS _offset"), place("double", next, 1), place("foreign", next, 1))
	f("an offset behind the end", copyOf("toInt64(100000) AS _offset, generateUUIDv4() AS event_id"), place("foreign", "100000", 1))
	f("a partition that is not there", copyOf("toInt32(77) AS _partition, generateUUIDv4() AS event_id"), fmt.Sprintf("foreign %s/77/%s-%s: 1", stream.Enriched, first, first))

	r.exec("ALTER TABLE events DELETE WHERE _partition = " + partition + " AND _offset = " + first + " SETTINGS mutations_sync = 2")
	f("a row that is gone", "", place("missing", first, 1))
	r.exec("ALTER TABLE events DELETE WHERE _partition = " + partition + " SETTINGS mutations_sync = 2")
	rows := len(r.rows("SELECT event_id FROM events_kept WHERE %s != '' AND _partition = " + partition))
	reports := r.reconcile(func(c *sink.Reconcile) { c.Limit = 2 })
	missing := total(reports, func(p sink.PartitionReport) int64 { return p.Missing })
	if named := findings(reports); missing != int64(rows) || len(named) < 1 || len(named) > 2 {
		t.Errorf("%d rows are missing in %q, want %d named in one or two ranges", missing, named, rows)
	}
	f("a partition that is gone", "", findings(reports)...)

	// A wrong id is a foreign row, and a missing one.
	r.exec("ALTER TABLE events DELETE WHERE _partition = " + partition + " AND _offset = " + first + " SETTINGS mutations_sync = 2")
	f("a wrong id", "INSERT INTO events SELECT * REPLACE (generateUUIDv4() AS event_id) FROM events_kept WHERE _partition = "+partition+" AND _offset = "+first,
		place("foreign", first, 1), place("missing", first, 1))
}

func mustInt(t *testing.T, text string) (n int64) {
	t.Helper()
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// One event in two partitions is two rows, by the function of the log; the comparison says so.
func TestReconcileNamesIDsInSeveralPartitions(t *testing.T) {
	r := emptied(t)
	e := event(1, "Product Viewed")
	records := []*stream.Record{r.keyed("key-1", e), r.keyed("key-2", e), r.keyed("key-3", e), r.keyed("key-4", e), r.keyed("key-5", e)}
	r.send(records...)
	partitions := map[int32]bool{}
	for _, record := range records {
		partitions[record.Partition] = true
	}
	if len(partitions) < 2 {
		t.Fatal("all keys are of one partition: choose others")
	}
	r.run()
	r.awaitCommitted(5)
	reports := r.reconcile(nil)
	if double := total(reports, func(p sink.PartitionReport) int64 { return p.Double }); double != int64(len(partitions)-1) {
		t.Errorf("%d rows are double, want %d: %q", double, len(partitions)-1, findings(reports))
	}
}

// What is on its way is no difference: neither rows that are not committed, nor rejections that are not stored.
func TestReconcileLeavesOutWhatIsOnItsWay(t *testing.T) {
	r := emptied(t)
	r.deliverMixed()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.exec("TRUNCATE TABLE rejected_events")
	streamtest.Rewind(t, r.brokers, sink.GroupRejected, stream.Rejected)
	late := r.keyed("key-1", event(1, "Late"))
	r.send(late, r.keyed("key-1", event(2, "Late")))
	// A range that is inserted and not committed: the first of the two.
	end := fmt.Sprint(r.committedOf(stream.Enriched, late.Partition))
	r.exec("INSERT INTO events SELECT * REPLACE (toInt64(" + end + ") AS _offset, generateUUIDv4() AS event_id) FROM (SELECT * FROM events WHERE _partition = " + fmt.Sprint(late.Partition) + " LIMIT 1)")
	reports := r.reconcile(nil)
	if got := findings(reports); len(got) > 0 {
		t.Errorf("findings %q", got)
	}
	if quarantined := total(reports, func(p sink.PartitionReport) int64 { return p.Quarantined }); quarantined != 4 {
		t.Errorf("%d records count as quarantined, want 4", quarantined)
	}
}

// committedOf is where the sink stands in a partition.
func (r *rig) committedOf(topic string, partition int32) int64 {
	r.t.Helper()
	offsets, err := r.kafka.Committed(r.t.Context(), sink.GroupTouchpoints, topic)
	if err != nil {
		r.t.Fatal(err)
	}
	return offsets[partition]
}

// Rows whose records retention has taken are counted, and no difference; nor is what such a record made a repetition.
func TestReconcileBeyondTheLog(t *testing.T) {
	r := emptied(t)
	old := event(1, "Old")
	start := time.Now().Add(-100 * time.Hour)
	var records []*stream.Record
	for i, e := range []*schemas.EnrichedTouchpoint{old, event(2, "Cut"), old, event(3, "Kept"), event(4, "New"), event(5, "New")} {
		record := r.record(e)
		// The window is 48 hours: the third repeats the first, and is within a window of where the log is cut.
		record.Timestamp = start.Add([]time.Duration{0, time.Hour, 2 * time.Hour, 3 * time.Hour, 90 * time.Hour, 91 * time.Hour}[i])
		records = append(records, record)
	}
	r.send(records...)
	r.run()
	r.awaitCommitted(6)
	r.eventually("SELECT count() FROM events WHERE workspace = %s", "5")
	streamtest.DeleteRecords(t, r.brokers, stream.Enriched, records[0].Partition, 2)
	reports := r.reconcile(nil)
	if got := findings(reports); len(got) > 0 {
		t.Errorf("findings %q", got)
	}
	var got sink.PartitionReport
	for _, p := range reports {
		if p.Table == "events" && p.Partition == records[0].Partition {
			got = p
		}
	}
	if got.Beyond != 3 || got.From != 4 || got.Stored != 2 || got.Expected != 2 {
		t.Errorf("beyond %d from %d stored %d expected %d, want 3 4 2 2", got.Beyond, got.From, got.Stored, got.Expected)
	}
}
