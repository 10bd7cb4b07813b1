package sink

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/stream"
)

// drain waits until all that is in the log is committed.
func (l *ledger) drain() {
	ctx, cancel := context.WithTimeout(l.t.Context(), 90*time.Second)
	defer cancel()
	left := ""
	drained := until(ctx, func() bool {
		if l.hopeless() {
			return true
		}
		now := l.lag(ctx)
		if ctx.Err() == nil {
			left = now
		}
		return now == ""
	})
	if !drained || l.hopeless() {
		l.t.Errorf("the sinks do not finish: %s\nledger-a: %s\nledger-b: %s", left,
			lastWords(filepath.Join(l.dir, "ledger-a.log"), 15), lastWords(filepath.Join(l.dir, "ledger-b.log"), 15))
		return
	}
	l.count("drained")
}

func (l *ledger) lag(ctx context.Context) string {
	var behind []string
	// The sink's own quarantine makes more to do, so its topic is looked at last.
	for _, group := range []string{GroupIdentityMap, GroupTouchpoints, GroupRejected} {
		topic := ledgerGroups[group]
		lag, err := l.kafka.GroupLag(ctx, group, topic)
		if err != nil {
			return err.Error()
		}
		if lag[topic] > 0 {
			behind = append(behind, fmt.Sprintf("%s lacks %d", group, lag[topic]))
		}
	}
	return strings.Join(behind, ", ")
}

// judge brings book and log into the engine, and asks.
func (l *ledger) judge() {
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	if err := l.store(ctx); err != nil {
		l.t.Fatal(err)
	}
	verdict, err := l.db.Query(ctx, ledgerVerdict)
	if err != nil {
		l.t.Fatal(err)
	}
	var told []string
	for i, column := range verdict.Columns {
		name, value := column, verdict.Rows[0][i]
		told = append(told, name+" "+value)
		if why, wrong := strings.CutPrefix(name, "wrong: "); wrong && value != "0" {
			l.t.Errorf("verdict: %s: %s", why, value)
		}
	}
	l.t.Log("verdict: " + strings.Join(told, "; "))
	if l.t.Failed() {
		l.explain(ctx)
	}
	for _, view := range ledgerRecounts {
		for _, side := range [][3]string{{"rows that the book does not give", view.got, view.want}, {"not what the book gives", view.want, view.got}} {
			rows, err := l.db.Query(ctx, "SELECT count() OVER () AS all, tuple(*) FROM (("+side[1]+") EXCEPT ("+side[2]+")) LIMIT 3")
			if err != nil {
				l.t.Errorf("recount of %s: %v", view.name, err)
				break
			}
			if len(rows.Rows) > 0 {
				l.t.Errorf("recount: %s has %s: %s rows, for example %v", view.name, side[0], rows.Rows[0][0], rows.Rows)
			}
		}
	}
	l.reconcile(ctx)
}

// explain shows where rows come from that are there more than once: from several inserts, or from one that the engine kept
// twice; and what the sinks say of positions.
func (l *ledger) explain(ctx context.Context) {
	for _, name := range []string{"ledger-a", "ledger-b"} {
		text, err := os.ReadFile(filepath.Join(l.dir, name+".log"))
		if err != nil {
			l.t.Error(err)
			continue
		}
		told := 0
		for line := range strings.Lines(string(text)) {
			if told == 10 {
				break
			}
			for _, word := range []string{"ERROR", "joins anew", "lost", "went back", "ahead of", "no plan", "under another token"} {
				if strings.Contains(line, word) {
					l.t.Log(name + ": " + strings.TrimSpace(line))
					told++
					break
				}
			}
		}
	}
	for _, table := range []string{"events", "rejected_events"} {
		rows, err := l.db.Query(ctx, "SELECT _partition, _offset, groupArray((_part, _ingested_at)) FROM parcours."+table+" GROUP BY _partition, _offset HAVING count() > 1 ORDER BY _partition, _offset LIMIT 12")
		if err != nil {
			l.t.Error(err)
			return
		}
		for _, row := range rows.Rows {
			l.t.Logf("%s %s/%s is there more than once: %s", table, row[0], row[1], row[2])
		}
	}
}

// reconcile asks the command that operators have.
func (l *ledger) reconcile(ctx context.Context) {
	reports, err := (&Reconcile{Warehouse: l.db, Kafka: l.kafka, Registry: l.registry, Config: ledgerSink{}.config(), Limit: 5}).Run(ctx)
	if err != nil {
		l.t.Errorf("reconcile: %v", err)
	}
	compared := int64(0)
	for i := range reports {
		compared += reports[i].Records
		if reports[i].Differences() > 0 || reports[i].Waiting > 0 {
			l.t.Errorf("reconcile: %+v", reports[i])
		}
	}
	if compared == 0 {
		l.t.Error("reconcile compared nothing")
	}
}

// store writes what the book says and what the log has into tables beside the warehouse.
func (l *ledger) store(ctx context.Context) error {
	for _, statement := range []string{
		"CREATE DATABASE ledger",
		"CREATE TABLE ledger.created (seq UInt32, event UUID, poison String, acknowledged Bool, anchor UUID, other UUID, name String, occurred Int64, email String, tier String, visits String, total Int64, version UInt64) ENGINE = MergeTree ORDER BY seq",
		"CREATE TABLE ledger.log (partition Int32, offset Int64, seq UInt32) ENGINE = MergeTree ORDER BY (partition, offset)",
	} {
		if err := l.db.Exec(ctx, statement); err != nil {
			return err
		}
	}
	var rows []string
	for seq, e := range l.book.entries {
		rows = append(rows, e.row(seq))
	}
	if err := l.db.Exec(ctx, "INSERT INTO ledger.created VALUES "+strings.Join(rows, ", ")); err != nil {
		return err
	}
	rows = rows[:0]
	ends, err := l.kafka.EndOffsets(ctx, stream.Enriched)
	if err != nil {
		return err
	}
	for partition, end := range ends {
		err := l.kafka.ReadBack(ctx, stream.Enriched, partition, 0, end, func(_ context.Context, records []*stream.Record) error {
			for _, record := range records {
				rows = append(rows, fmt.Sprintf("(%d, %d, %d)", partition, record.Offset, binary.BigEndian.Uint32(record.Headers[0].Value)))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return l.db.Exec(ctx, "INSERT INTO ledger.log VALUES "+strings.Join(rows, ", "))
}

// row is an entry as a table has it. What repeats no other for want of an id has one of its own.
func (e *entry) row(seq int) string {
	t := &e.touchpoint
	event, other := t.EventID, uuid.UUID{}
	if !e.mayRepeat() {
		event = uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%d", seq))
	}
	if len(t.Identifiers) > 1 {
		other = uuid.MustParse(t.Identifiers[1].Value)
	}
	var tier string
	var visits string
	if t.Traits != "" {
		var n int
		if _, err := fmt.Sscanf(t.Traits, `{"tier": "t%d", "visits": %1s}`, &n, &visits); err != nil {
			panic(err)
		}
		tier = fmt.Sprint("t", n)
	}
	total := int64(-1)
	if t.Commerce.Valid {
		total = int64(t.Commerce.Value.Total.Value)
	}
	idBits := binary.BigEndian.Uint64(t.EventID[8:]) & (1<<22 - 1)
	return fmt.Sprintf("(%d, '%s', '%s', %t, '%s', '%s', '%s', %d, '%s', '%s', '%s', %d, %d)", seq, event, e.poison, e.acknowledged, t.Anchor, other,
		t.Name, int64(t.OccurredAt), t.Person.Value.Email, tier, visits, total, uint64(t.OccurredAt)<<22|idBits)
}

// ledgerVerdict says what became of every record of the book and of every position of the log. A record repeats another
// of the same event that stands before it in its partition. Every count with "wrong:" has to be 0.
const ledgerVerdict = `WITH
    positions AS
    (
        SELECT l.partition AS partition, l.offset AS offset, l.seq AS seq, c.event AS event, c.poison AS poison,
            row_number() OVER (PARTITION BY l.partition, c.event ORDER BY l.offset) > 1 AS repeats
        FROM ledger.log AS l INNER JOIN ledger.created AS c ON c.seq = l.seq
    ),
    fates AS
    (
        SELECT p.partition AS partition, p.offset AS offset, p.seq AS seq, p.event AS event, p.poison AS poison, p.repeats AS repeats,
            s.rows AS stored, s.event = p.event AS own, q.rows AS quarantined
        FROM positions AS p
        LEFT JOIN (SELECT _partition AS partition, _offset AS offset, any(event_id) AS event, count() AS rows FROM parcours.events WHERE _topic = 'touchpoints.enriched' GROUP BY partition, offset) AS s
            ON s.partition = p.partition AND s.offset = p.offset
        LEFT JOIN (SELECT ifNull(origin_partition, -1) AS partition, ifNull(origin_offset, -1) AS offset, count() AS rows FROM parcours.rejected_events WHERE stage = 'sink' AND origin_topic = 'touchpoints.enriched' GROUP BY partition, offset) AS q
            ON q.partition = p.partition AND q.offset = p.offset
    )
SELECT
    (SELECT count() FROM parcours.events) AS stored,
    (SELECT count() FROM parcours.rejected_events) AS quarantined,
    (SELECT countIf(repeats) FROM fates) AS dropped,
    (SELECT count() FROM fates) AS log,
    (SELECT countIf(acknowledged AND seq NOT IN (SELECT seq FROM ledger.log)) FROM ledger.created) AS ` + "`wrong: acknowledged records that are not in the log`" + `,
    (SELECT countIf(f.stored = 0 AND f.quarantined = 0 AND NOT f.repeats) FROM fates AS f INNER JOIN ledger.created AS c ON c.seq = f.seq WHERE c.acknowledged) AS ` + "`wrong: acknowledged events lost`" + `,
    (SELECT count() - uniqExact(event_id) FROM parcours.events) AS ` + "`wrong: rows doubled`" + `,
    (SELECT count() FROM parcours.events WHERE event_id NOT IN (SELECT event FROM ledger.created)) AS ` + "`wrong: rows stored that nobody created`" + `,
    (SELECT count() FROM parcours.events WHERE (_partition, _offset) NOT IN (SELECT partition, offset FROM ledger.log)) AS ` + "`wrong: rows of positions that the log does not have`" + `,
    (SELECT countIf(stored + quarantined + repeats != 1) FROM fates) AS ` + "`wrong: offsets that are not exactly one of stored, dropped and quarantined`" + `,
    (SELECT countIf(stored > 0 AND NOT own) FROM fates) AS ` + "`wrong: rows of another event than their position has`" + `,
    (SELECT countIf(NOT repeats AND (poison != '') != (quarantined > 0)) FROM fates) AS ` + "`wrong: poison stored, or sound events quarantined`" + `,
    (SELECT count() - uniqExact(rejection_id) FROM parcours.rejected_events) AS ` + "`wrong: rejections doubled`" + `,
    (SELECT uniqExact(node) FROM parcours.identity_map) AS mapped`

// recounted is something that the warehouse derives, and the same from the book.
type recounted struct{ name, got, want string }

// sound are the events of the book that are rows: all of the log but poison and repetitions.
const sound = `(SELECT any(c.anchor) AS anchor, any(c.other) AS other, any(c.name) AS name, any(c.occurred) AS occurred, any(c.email) AS email, any(c.tier) AS tier,
    any(c.visits) AS visits, any(c.total) AS total, any(c.version) AS version, c.event AS event
    FROM ledger.created AS c WHERE c.poison = '' AND c.seq IN (SELECT seq FROM ledger.log) GROUP BY event)`

const nobody = "toUUID('00000000-0000-0000-0000-000000000000')"

var ledgerRecounts = []recounted{
	{
		"contacts",
		"SELECT anchor, arrayElement(stand_ins, 1) AS other, email, version FROM parcours.contacts FINAL",
		"SELECT anchor, other, email, max(version) FROM " + sound + " WHERE email != '' GROUP BY anchor, other, email",
	},
	{
		"traits",
		"SELECT anchor, arrayElement(stand_ins, 1) AS other, toString(field), value, version FROM parcours.traits FINAL",
		"SELECT anchor, other, t.1 AS field, argMax(t.2, version), max(version) FROM (SELECT anchor, other, arrayJoin([('tier', tier), ('visits', visits)]) AS t, version FROM " + sound + " WHERE tier != '') GROUP BY anchor, other, field",
	},
	{
		"identifier_sightings",
		"SELECT node, toUnixTimestamp64Milli(min(first_seen)), toUnixTimestamp64Milli(max(last_seen)), uniqCombinedMerge(12)(events), argMinMerge(first_event).1 FROM parcours.identifier_sightings GROUP BY node",
		"SELECT node, min(occurred), max(occurred), uniqCombined(12)(event), argMin(event, (occurred, event)) FROM (SELECT arrayJoin(arrayFilter(n -> n != " + nobody + ", [anchor, other])) AS node, occurred, event FROM " + sound + ") GROUP BY node",
	},
	{
		"identifiers",
		"SELECT node, toUnixTimestamp64Milli(assumeNotNull(first_seen)), events FROM parcours.identifiers WHERE first_seen IS NOT NULL",
		"SELECT node, min(occurred), toUInt64(uniqCombined(12)(event)) FROM (SELECT arrayJoin(arrayFilter(n -> n != " + nobody + ", [anchor, other])) AS node, occurred, event FROM " + sound + ") GROUP BY node",
	},
	{
		"customer_events",
		"SELECT toString(name), customer_id, count() FROM parcours.customer_events GROUP BY name, customer_id",
		"SELECT name, anchor, count() FROM " + sound + " GROUP BY name, anchor",
	},
	{
		"customer_traits",
		"SELECT customer_id, toString(field) AS field, argMax(value, version) FROM parcours.customer_traits GROUP BY customer_id, field",
		"SELECT anchor, t.1 AS field, argMax(t.2, version) FROM (SELECT anchor, arrayJoin([('tier', tier), ('visits', visits)]) AS t, version FROM " + sound + " WHERE tier != '') GROUP BY anchor, field",
	},
	{
		"orders",
		"SELECT customer_id, count(), toInt64(sum(total) * 10000) FROM parcours.orders GROUP BY customer_id",
		"SELECT anchor, count(), sum(total) FROM " + sound + " WHERE total >= 0 GROUP BY anchor",
	},
}
