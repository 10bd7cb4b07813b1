package sink_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// crossing hands inserts to a test, which forwards them or not, and may lose the answer.
type crossing struct {
	mu sync.Mutex
	// insert is asked with the table; it calls forward at most once, and answers whether the client is to have an answer.
	insert func(table string, forward func()) (answer bool)
	tokens map[string][]string
}

// cross puts the crossing between the sink and ClickHouse.
func (r *rig) cross(insert func(table string, forward func()) bool) *crossing {
	r.t.Helper()
	c := &crossing{insert: insert, tokens: make(map[string][]string)}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: r.cfg.ClickHouse.Addresses[0]})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		into, inserts := strings.CutPrefix(request.URL.Query().Get("query"), "INSERT INTO parcours.")
		if !inserts || request.URL.Query().Get("insert_deduplication_token") == "" {
			forward.ServeHTTP(w, request)
			return
		}
		table, _, _ := strings.Cut(into, " ")
		c.mu.Lock()
		defer c.mu.Unlock()
		c.tokens[table] = append(c.tokens[table], request.URL.Query().Get("insert_deduplication_token"))
		answer := httptest.NewRecorder()
		if !c.insert(table, func() { forward.ServeHTTP(answer, request) }) {
			panic(http.ErrAbortHandler) // closes the connection
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // the client may be gone
	}))
	r.t.Cleanup(server.Close)
	r.cfg.ClickHouse.Addresses = []string{strings.TrimPrefix(server.URL, "http://")}
	return c
}

// The lost insert may still be on its way when the rest of its rows is inserted: both have the range's token, so that
// ClickHouse keeps one of them.
func TestWhatIsMissingHasTheTokenOfItsRange(t *testing.T) {
	r := newRig(t)
	r.alone()
	spoiled := false
	c := r.cross(func(table string, forward func()) bool {
		forward()
		if table != "events" || spoiled {
			return true
		}
		spoiled = true
		r.exec("ALTER TABLE parcours.events DELETE WHERE workspace = '" + r.workspace + "' AND toYYYYMM(occurred_at) = 202603 SETTINGS mutations_sync = 2")
		return false
	})
	early, late := event(1, "Product Viewed"), event(2, "Product Viewed")
	early.OccurredAt -= 60 * 24 * 3600 * 1000
	r.produce(early, late)
	r.run()
	r.awaitCommitted(2)
	if rows := r.rows("SELECT count(), uniqExact(event_id) FROM events WHERE workspace = %s"); rows[0][0] != "2" || rows[0][1] != "2" {
		t.Errorf("rows and events are %v, want 2 of both", rows[0])
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if tokens := c.tokens["events"]; len(tokens) < 2 || tokens[1] != tokens[0] {
		t.Errorf("tokens are %q: want the range's for what is missing of it", tokens)
	}
}

// A burnt token loses no contact either: a table whose rows merge is not asked, so the repetition has another token.
func TestBurntTokenOfMergingRowsLosesNothing(t *testing.T) {
	r := newRig(t)
	spoiled := false
	r.cross(func(table string, forward func()) bool {
		forward()
		if table != "contacts" || spoiled {
			return true
		}
		spoiled = true
		r.exec("ALTER TABLE parcours.contacts DELETE WHERE workspace = '" + r.workspace + "' SETTINGS mutations_sync = 2")
		return false
	})
	known := event(1, "Signed Up")
	known.Person.Valid, known.Person.Value.Email = true, "a@example.com"
	r.run()
	r.produce(known)
	r.awaitCommitted(1)
	if rows := r.rows("SELECT count() FROM contacts FINAL WHERE workspace = %s"); rows[0][0] != "1" {
		t.Errorf("%s contacts, want 1", rows[0][0])
	}
}

// Rows that are gone whenever one looks for them do not hold a worker: the range rests like one that fails, and others
// have their turn.
func TestRowsThatVanishAreTriedAgainLater(t *testing.T) {
	r := newRig(t)
	r.alone()
	vanish := true
	c := r.cross(func(table string, forward func()) bool {
		if table != "events" || !vanish {
			forward()
		}
		return true
	})
	r.run()
	r.produce(event(1, "Product Viewed"))
	r.awaitCommitted(1) // an answer without a doubt is believed
	c.mu.Lock()
	lost := false
	c.insert = func(table string, forward func()) bool {
		if table != "events" || !vanish {
			forward()
			return true
		}
		defer func() { lost = true }()
		return lost
	}
	c.mu.Unlock()
	r.produce(event(2, "Product Viewed"))
	deliveries := func() (n int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, token := range c.tokens["events"] {
			if strings.Contains(token, "/1-1/") && !strings.Contains(token, "/again-") {
				n++
			}
		}
		return n
	}
	poll(t, func() bool { return deliveries() >= 4 }, func() string { return fmt.Sprintf("%d deliveries of the range, want 4", deliveries()) })
	c.mu.Lock()
	vanish = false
	c.mu.Unlock()
	r.awaitCommitted(2)
	if rows := r.rows("SELECT count() FROM events WHERE workspace = %s"); rows[0][0] != "1" {
		t.Errorf("%s rows, want 1", rows[0][0])
	}
}

// A view of somebody else's that fails on a value fails the insert, whose rows may be stored by then: they are not
// inserted again, and nothing that is stored goes to quarantine.
func TestAViewThatFailsDoublesNothing(t *testing.T) {
	r := newRig(t)
	r.exec("CREATE TABLE default.numbers (n Int32) ENGINE = MergeTree ORDER BY n")
	r.exec("CREATE MATERIALIZED VIEW default.numbers_mv TO default.numbers AS SELECT toInt32(if(workspace = '" + r.workspace + "', name, '0')) AS n FROM parcours.events")
	t.Cleanup(func() {
		for _, table := range []string{"numbers_mv", "numbers"} {
			if err := r.db.Exec(context.WithoutCancel(t.Context()), "DROP TABLE default."+table); err != nil {
				t.Error(err)
			}
		}
	})
	early := event(1, "1")
	early.OccurredAt -= 60 * 24 * 3600 * 1000 // two parts
	r.produce(early, event(2, "2"), event(3, "no number"), event(4, "4"))
	r.run()
	r.awaitCommitted(4)
	if rows := r.rows("SELECT count(), uniqExact(event_id) FROM events WHERE workspace = %s"); rows[0][0] != rows[0][1] {
		t.Errorf("rows and events are %v", rows[0])
	}
	// Each stands in one of the two.
	r.eventually("SELECT (SELECT count() FROM events WHERE workspace = %[1]s) + (SELECT count() FROM rejected_events WHERE workspace = %[1]s)", "4")
	if rows := r.rows("SELECT uniqCombinedMerge(12)(events) = (SELECT count() FROM events WHERE workspace = %[1]s) FROM identifier_sightings WHERE workspace = %[1]s"); rows[0][0] != "true" && rows[0][0] != "1" {
		t.Errorf("sightings are those of the events: %v", rows[0])
	}
}
