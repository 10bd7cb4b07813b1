package sink_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/sink"
)

// network stands between the sink and ClickHouse and spoils inserts into events.
type network struct {
	address   string
	workspace string // of what is taken away from a view

	mu      sync.Mutex
	mode    mode
	spoiled int
	tokens  []string // of all inserts into events, in order
}

type mode int

const (
	pass   mode = iota
	refuse      // answer 503 without asking ClickHouse
	lose        // let ClickHouse do the insert, and lose its answer
	burn        // lose, and take the rows away again: the token is noted and the part is not there
	tear        // lose, and take the rows of one month away: one of the block's parts is there
	blind       // lose, and take away what the view made of it: the server died between the two
	whole       // refuse all but the first range ever inserted: its halves meet the fault
)

func newNetwork(t *testing.T, clickhouse string) *network {
	t.Helper()
	n := &network{}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: clickhouse})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		insert := strings.HasPrefix(query.Get("query"), "INSERT INTO parcours.events")
		switch now := n.note(insert, query.Get("insert_deduplication_token")); {
		case !insert || now == pass:
			forward.ServeHTTP(w, r)
		case now == refuse, now == whole:
			http.Error(w, "overloaded", http.StatusServiceUnavailable)
		case now == lose, now == burn, now == tear, now == blind:
			answer := httptest.NewRecorder()
			forward.ServeHTTP(answer, r)
			if answer.Code != http.StatusOK {
				t.Errorf("clickhouse answered %d: %s", answer.Code, answer.Body)
			}
			if gone := map[mode]string{burn: "1", tear: "toYYYYMM(occurred_at) = 202603"}[now]; gone != "" {
				n.set(pass)
				enginetest.Exec(t, clickhouse, "ALTER TABLE parcours.events DELETE WHERE "+gone+" SETTINGS mutations_sync = 2")
			}
			if now == blind {
				n.set(pass)
				enginetest.Exec(t, clickhouse, "ALTER TABLE parcours.identifier_sightings DELETE WHERE workspace = '"+n.workspace+"' SETTINGS mutations_sync = 2")
			}
			panic(http.ErrAbortHandler) // closes the connection
		}
	}))
	t.Cleanup(server.Close)
	n.address = strings.TrimPrefix(server.URL, "http://")
	return n
}

func (n *network) note(insert bool, token string) mode {
	n.mu.Lock()
	defer n.mu.Unlock()
	if insert {
		n.tokens = append(n.tokens, token)
		if n.mode == whole && token == n.tokens[0] {
			return pass
		}
		if n.mode != pass {
			n.spoiled++
		}
	}
	return n.mode
}

func (n *network) set(m mode) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mode, n.spoiled = m, 0
}

// awaitSpoiled waits until some inserts met the fault.
func (n *network) awaitSpoiled(t *testing.T, least int) {
	t.Helper()
	count := func() int {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.spoiled
	}
	poll(t, func() bool { return count() >= least }, func() string { return fmt.Sprintf("%d inserts met the fault, want %d", count(), least) })
}

func (r *rig) committed() int64 {
	r.t.Helper()
	offsets, err := r.kafka.Committed(r.t.Context(), sink.GroupTouchpoints, stream.Enriched)
	if err != nil {
		r.t.Fatal(err)
	}
	total := int64(0)
	for _, offset := range offsets {
		total += offset
	}
	return total
}

func (r *rig) awaitCommitted(want int64) {
	r.t.Helper()
	poll(r.t, func() bool { return r.committed() == want }, func() string { return fmt.Sprintf("committed %d, want %d", r.committed(), want) })
}

// While ClickHouse takes nothing, nothing is committed, so a stop loses nothing; once it is back, all is there.
func TestNothingIsCommittedBeforeItIsInserted(t *testing.T) {
	r := newRig(t)
	clickhouse := r.cfg.ClickHouse.Addresses
	n := newNetwork(t, clickhouse[0])
	r.cfg.ClickHouse.Addresses = []string{n.address}
	r.run()
	r.produce(event(1, "Product Viewed"))
	r.eventually("SELECT count() FROM events WHERE workspace = %s", "1")
	r.awaitCommitted(1)

	n.set(refuse)
	r.produce(event(2, "Product Viewed"), event(3, "Product Viewed"))
	n.awaitSpoiled(t, 3)
	if got := r.committed(); got != 1 {
		t.Fatalf("committed %d while inserts are refused, want 1", got)
	}
	if waiting := fmt.Sprint(r.ready.Waiting()); !strings.Contains(waiting, "clickhouse") {
		t.Errorf("not ready because of %s, want clickhouse", waiting)
	}
	r.produce(event(4, "Product Viewed"))
	n.set(pass)
	r.eventually("SELECT count() FROM events WHERE workspace = %s", "4")
	r.eventually("SELECT uniqExact(event_id) FROM events WHERE workspace = %s", "4")
	r.awaitCommitted(4)
	if waiting := r.ready.Waiting(); len(waiting) > 0 {
		t.Errorf("not ready because of %v, want ready", waiting)
	}
	if rows, retries := r.metric("parcours_sink_rows_total", "events"), r.metric("parcours_sink_insert_failures_total", "events"); rows != 4 || retries < 3 {
		t.Errorf("counted %v rows and %v retries, want 4 and 3 or more", rows, retries)
	}
}

// On a server that has never seen us, the sink makes its database.
func TestSinkMakesItsDatabase(t *testing.T) {
	r := newRig(t)
	enginetest.Exec(t, r.cfg.ClickHouse.Addresses[0], "DROP DATABASE parcours SYNC")
	r.run()
	r.produce(event(1, "Product Viewed"))
	r.awaitCommitted(1)
	r.eventually("SELECT count() FROM customer_events WHERE workspace = %s", "1")
}

// A sink that is stopped while ClickHouse is away leaves its rows to the next one.
func TestStopWhileClickHouseIsAway(t *testing.T) {
	r := newRig(t)
	n := newNetwork(t, r.cfg.ClickHouse.Addresses[0])
	r.cfg.ClickHouse.Addresses = []string{n.address}
	cfg := streamtest.Config(r.brokers)
	cfg.StopGrace = 100 * time.Millisecond
	r.kafka = streamtest.Connect(t, cfg)
	r.run()
	n.set(refuse)
	r.produce(event(1, "Product Viewed"), event(2, "Product Viewed"))
	n.awaitSpoiled(t, 2)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if got := r.committed(); got != 0 {
		t.Fatalf("committed %d, want 0", got)
	}
	n.set(pass)
	r.run()
	r.eventually("SELECT count() FROM events WHERE workspace = %s", "2")
	r.awaitCommitted(2)
}

// An answer that is lost makes the sink ask: the rows are there once.
func TestLostAnswerDoublesNothing(t *testing.T) {
	r := newRig(t)
	n := newNetwork(t, r.cfg.ClickHouse.Addresses[0])
	r.cfg.ClickHouse.Addresses = []string{n.address}
	n.set(lose)
	r.run()
	// Two months are two parts of one insert.
	a, b := event(1, "Product Viewed"), event(2, "Product Viewed")
	b.OccurredAt -= 60 * 24 * 3600 * 1000
	r.produce(a, b)
	r.awaitCommitted(2)
	if rows := r.rows("SELECT count(), uniqExact(event_id) FROM events WHERE workspace = %s"); rows[0][0] != "2" || rows[0][1] != "2" {
		t.Errorf("rows and events are %v, want 2 of both", rows[0])
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.tokens) != 1 {
		t.Errorf("inserts have the tokens %q, want one: what is there is not inserted again", n.tokens)
	}
}

// A server that dies after it noted a token and before it kept the part drops the repetition. The sink must see that.
func TestBurntTokenLosesNothing(t *testing.T) {
	r := newRig(t)
	n := newNetwork(t, r.cfg.ClickHouse.Addresses[0])
	r.cfg.ClickHouse.Addresses = []string{n.address}
	n.set(burn)
	r.run()
	r.produce(event(1, "Product Viewed"))
	r.awaitCommitted(1)
	r.eventually("SELECT count() FROM events WHERE workspace = %s", "1")
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.tokens) != 3 || n.tokens[1] != n.tokens[0] || n.tokens[2] == n.tokens[0] {
		t.Errorf("tokens are %q: want one, the same again, and another", n.tokens)
	}
}

// A block over two months is two parts, and a server may die between them: what is missing is inserted, and no more.
func TestTornBlockIsCompleted(t *testing.T) {
	r := newRig(t)
	n := newNetwork(t, r.cfg.ClickHouse.Addresses[0])
	r.cfg.ClickHouse.Addresses = []string{n.address}
	n.set(tear)
	early, late := event(1, "Product Viewed"), event(2, "Product Viewed")
	early.OccurredAt -= 60 * 24 * 3600 * 1000
	r.produce(early, late)
	r.run()
	r.awaitCommitted(2)
	if rows := r.rows("SELECT count(), uniqExact(event_id) FROM events WHERE workspace = %s"); rows[0][0] != "2" || rows[0][1] != "2" {
		t.Errorf("rows and events are %v, want 2 of both", rows[0])
	}
}

// What a view makes of an insert is written after the rows, and a server may die between the two: what the table has, the
// view's target has as well once the range is committed.
func TestViewOfALostInsertIsMadeAnew(t *testing.T) {
	r := newRig(t)
	n := newNetwork(t, r.cfg.ClickHouse.Addresses[0])
	r.cfg.ClickHouse.Addresses, n.workspace = []string{n.address}, r.workspace
	r.run()
	r.produce(event(1, "Product Viewed"))
	r.awaitCommitted(1)
	n.set(blind)
	r.produce(event(1, "Product Viewed"), event(2, "Product Viewed"))
	r.awaitCommitted(3)
	r.produce(event(1, "Product Viewed"))
	r.awaitCommitted(4)
	// The first range is not in doubt, and was taken away with the others.
	rows := r.rows("SELECT count(), sum(n) FROM (SELECT node, uniqCombinedMerge(12)(events) AS n FROM identifier_sightings WHERE workspace = %s GROUP BY node)")
	if rows[0][0] != "2" || rows[0][1] != "3" {
		t.Errorf("nodes and sightings are %v, want 2 nodes and 3 sightings", rows[0])
	}
	r.eventually("SELECT count() FROM events WHERE workspace = %s", "4")
}

// Whatever cannot be a row goes to quarantine with its reason and bytes, and holds nothing else back.
func TestPoisonGoesToQuarantine(t *testing.T) {
	r := newRig(t)
	r.run()
	broken := event(3, "Broken JSON")
	broken.Properties = `{"size": 12`
	unhashed := event(4, "Clear identifier")
	unhashed.Identifiers[0].Value = "someone@example.com"
	late := event(5, "Out of range")
	late.Calendar = schemas.Some(schemas.Calendar{Hour: 25, Weekday: 1})
	torn := r.record(event(6, "Torn"))
	torn.Value = torn.Value[:len(torn.Value)-9]
	unknown := r.record(event(7, "Unknown schema"))
	unknown.Value = schemas.AppendHeader(nil, 4711)
	bare := &stream.Record{Topic: stream.Enriched, Key: []byte(r.workspace), Value: []byte(r.workspace)}

	poison := r.record(broken)
	records := []*stream.Record{r.record(event(1, "Good")), poison, r.record(unhashed), r.record(event(2, "Good")), r.record(late), torn, unknown, bare}
	for n := range byte(20) {
		records = append(records, r.record(event(n, "Good")))
	}
	r.send(records...)
	r.eventually("SELECT count() FROM events WHERE workspace = %s", "22")
	r.eventually("SELECT uniqExact(event_id) FROM events WHERE workspace = %s AND name = 'Good'", "22")
	r.awaitCommitted(int64(len(records)))

	// The rows of other tests are in the table too; the payload tells ours.
	want := map[string]string{
		hex.EncodeToString(records[1].Value): "refused_by_clickhouse",
		hex.EncodeToString(records[2].Value): "identifier_not_hashed",
		hex.EncodeToString(records[4].Value): "out_of_range",
		hex.EncodeToString(torn.Value):       "undecodable",
		hex.EncodeToString(unknown.Value):    "undecodable",
		hex.EncodeToString(bare.Value):       "undecodable",
	}
	for payload, reason := range want {
		r.eventually("SELECT any(reason) FROM rejected_events WHERE %s != '' AND stage = 'sink' AND lower(hex(payload)) = '"+payload+"'", reason)
	}
	for reason, want := range map[string]float64{"refused_by_clickhouse": 1, "identifier_not_hashed": 1, "out_of_range": 1, "undecodable": 3} {
		if got := r.metric("parcours_sink_quarantined_total", reason); got != want {
			t.Errorf("counted %v %s, want %v", got, reason, want)
		}
	}
	for _, known := range []*schemas.EnrichedTouchpoint{broken, unhashed, late} {
		r.eventually("SELECT any(tuple(workspace, message_id, type, name)) FROM rejected_events WHERE workspace = %s AND message_id = '"+known.MessageID+"'",
			"('"+r.workspace+"','"+known.MessageID+"','track','"+known.Name+"')")
	}
	rows := r.rows("SELECT field, detail, origin_topic, origin_partition, origin_offset, replay_state FROM rejected_events WHERE %s != '' AND lower(hex(payload)) = '" + hex.EncodeToString(records[1].Value) + "'")
	got := rows[0]
	if got[0] != "events" || !strings.Contains(got[1], "INCORRECT_DATA") || strings.Contains(got[1], "size") {
		t.Errorf("field and detail are %q: want the table, the server's words, and none of the values", got[:2])
	}
	if got[2] != stream.Enriched || got[3] != fmt.Sprint(poison.Partition) || got[4] != fmt.Sprint(poison.Offset) || got[5] != "pending" {
		t.Errorf("origin and state are %q", got[2:])
	}
}

// A fault while the poison is being looked for commits nothing either.
func TestNothingIsCommittedBetweenHalves(t *testing.T) {
	r := newRig(t)
	n := newNetwork(t, r.cfg.ClickHouse.Addresses[0])
	r.cfg.ClickHouse.Addresses = []string{n.address}
	cfg := streamtest.Config(r.brokers)
	cfg.StopGrace = 100 * time.Millisecond
	r.kafka, r.mayFail = streamtest.Connect(t, cfg), true
	broken := event(3, "Broken JSON")
	broken.Properties = `{"size": 12`
	r.produce(event(1, "Good"), event(2, "Good"), broken, event(4, "Good"))
	n.set(whole)
	r.run()
	n.awaitSpoiled(t, 2)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if got := r.committed(); got != 0 {
		t.Fatalf("committed %d, want 0", got)
	}
	n.set(pass)
	r.run()
	r.awaitCommitted(4)
	r.eventually("SELECT count() FROM events WHERE workspace = %s", "3")
	r.eventually("SELECT uniqExact(rejection_id) FROM rejected_events WHERE %s != '' AND lower(hex(payload)) = '"+hexOf(r.record(broken))+"'", "1")
}

// What stands on the rejected topic and is no rejection becomes a row of its bytes.
func TestUnreadableRejectionIsARow(t *testing.T) {
	r := newRig(t)
	r.run()
	r.send(&stream.Record{Topic: stream.Rejected, Value: []byte("\xff" + r.workspace)})
	r.eventually("SELECT any(reason) FROM rejected_events WHERE substring(payload, 2) = %s", "undecodable")
}

// A range that is inserted in large has one token and one insert.
func TestOneRangeIsOneInsert(t *testing.T) {
	r := newRig(t)
	n := newNetwork(t, r.cfg.ClickHouse.Addresses[0])
	r.cfg.ClickHouse.Addresses = []string{n.address}
	var events []*schemas.EnrichedTouchpoint
	for i := range 500 {
		events = append(events, event(byte(i), "Product Viewed"))
	}
	r.produce(events...)
	r.run()
	r.eventually("SELECT count() FROM events WHERE workspace = %s", "500")
	n.mu.Lock()
	defer n.mu.Unlock()
	next := int64(0)
	for _, token := range n.tokens {
		var partition, version int
		var from, to int64
		if _, err := fmt.Sscanf(strings.TrimPrefix(token, stream.Enriched), "/%d/%d-%d/v%d", &partition, &from, &to, &version); err != nil {
			t.Fatalf("token %q: %v", token, err)
		}
		if from != next || to < from {
			t.Errorf("token %q does not follow offset %d", token, next)
		}
		next = to + 1
	}
	if next != 500 || len(n.tokens) > 5 {
		t.Errorf("%d inserts reach offset %d, want few and 500", len(n.tokens), next)
	}
}

func hexOf(record *stream.Record) string { return hex.EncodeToString(record.Value) }
