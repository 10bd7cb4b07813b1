package sink_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/sink"
)

// replay runs a replay and returns what became of each rejection, by reason.
func (r *rig) replay(change func(*sink.Replay)) map[string]sink.ReplayOutcome {
	r.t.Helper()
	outcomes := make(map[string]sink.ReplayOutcome)
	replay := sink.Replay{
		Warehouse: r.db, Kafka: r.kafka, Registry: r.registry, BatchEvents: 10, BatchBytes: 1 << 20,
		Filter: sink.RejectionFilter{State: sink.ReplayPending, Limit: 1000},
		Report: func(o sink.ReplayOutcome) error {
			outcomes[o.Reason] = o
			return nil
		},
	}
	if change != nil {
		change(&replay)
	}
	if err := replay.Run(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return outcomes
}

// An event that ClickHouse refused, and now takes, becomes one row, although its first record stands in the log.
func TestEventOutOfTheSinksQuarantineIsStoredOnce(t *testing.T) {
	r := emptied(t)
	r.exec("ALTER TABLE events ADD CONSTRAINT no_bad CHECK name != 'Bad'")
	t.Cleanup(func() {
		if err := r.db.Exec(context.WithoutCancel(t.Context()), "ALTER TABLE events DROP CONSTRAINT IF EXISTS no_bad"); err != nil {
			t.Error(err)
		}
	})
	r.run()
	bad := event(1, "Bad")
	r.produce(bad, event(2, "Good"))
	r.eventually("SELECT count() FROM rejected_events WHERE %s != '' AND reason = 'refused_by_clickhouse' AND replay_state = 'pending'", "1")

	dry := r.replay(func(p *sink.Replay) { p.DryRun = true })["refused_by_clickhouse"]
	if dry.Result != sink.OutcomeDry || dry.To != stream.Enriched {
		t.Errorf("a dry run says %q to %q", dry.Result, dry.To)
	}
	r.eventually("SELECT replay_state FROM rejected_events WHERE %s != ''", sink.ReplayPending)
	r.awaitCommitted(2)

	r.exec("ALTER TABLE events DROP CONSTRAINT no_bad")
	if got := r.replay(nil)["refused_by_clickhouse"]; got.Result != sink.OutcomeReplayed {
		t.Fatalf("%q: %s", got.Result, got.Why)
	}
	r.eventually("SELECT count() FROM events WHERE workspace = %s AND event_id = '"+bad.EventID.String()+"'", "1")
	r.eventually("SELECT replay_state FROM rejected_events WHERE %s != ''", sink.ReplayReplayed)

	if again := r.replay(nil); len(again) > 0 {
		t.Errorf("a second replay did %v", again)
	}
	// A crash before the state was noted: what was sent is found, or meets its first copy.
	pending := func() {
		r.exec("ALTER TABLE rejected_events UPDATE replay_state = 'pending' WHERE 1 SETTINGS mutations_sync = 2")
	}
	pending()
	if got := r.replay(nil)["refused_by_clickhouse"]; got.Result != sink.OutcomeStored {
		t.Errorf("what is stored already is %q", got.Result)
	}
	r.exec("ALTER TABLE events DELETE WHERE event_id = '" + bad.EventID.String() + "' SETTINGS mutations_sync = 2")
	pending()
	committed := r.committed()
	if got := r.replay(nil)["refused_by_clickhouse"]; got.Result != sink.OutcomeReplayed {
		t.Errorf("%q: %s", got.Result, got.Why)
	}
	r.awaitCommitted(committed + 1)
	// We took the row away: had the second copy been stored, it would be there.
	r.eventually("SELECT count() FROM events WHERE workspace = %s AND event_id = '"+bad.EventID.String()+"'", "0")
}

// What identity rejected goes back as it was, under the key that it had.
func TestReplayPutsBytesBackUnderTheirKey(t *testing.T) {
	r := emptied(t)
	if err := r.kafka.EnsureTopics(t.Context(), stream.Touchpoints); err != nil {
		t.Fatal(err)
	}
	rejects, err := quarantine.New(t.Context(), r.registry, "identity")
	if err != nil {
		t.Fatal(err)
	}
	id, err := r.registry.Register(t.Context(), stream.Touchpoints, schemas.TouchpointSchema())
	if err != nil {
		t.Fatal(err)
	}
	touchpoint := event(1, "Product Viewed").Touchpoint
	poison := &stream.Record{
		Topic: stream.Touchpoints, Partition: 2, Offset: 7, Key: []byte("the anchor"), Value: touchpoint.AppendAvro(schemas.AppendHeader(nil, id)),
	}
	state := &stream.Record{Topic: stream.IdentityAudit, Partition: 1, Offset: 3, Key: []byte("k"), Value: []byte("v")}
	r.send(rejects.FromRecord(poison, "no_usable_identifier", "identifiers", ""), rejects.FromRecord(state, "undecodable", "", ""))
	r.run()
	r.eventually("SELECT count() FROM rejected_events WHERE %s != ''", "2")

	edited, err := sink.ParseEdit([]string{"userId=u"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.replay(func(p *sink.Replay) { p.Edit = edited })["no_usable_identifier"]; got.Result != sink.OutcomeCannot || !strings.Contains(got.Why, "Avro") {
		t.Errorf("Avro with --put is %q: %s", got.Result, got.Why)
	}
	got := r.replay(nil)
	if got["no_usable_identifier"].Result != sink.OutcomeReplayed || got["undecodable"].Result != sink.OutcomeCannot {
		t.Fatalf("%+v", got)
	}
	var back *stream.Record
	ends, err := r.kafka.EndOffsets(t.Context(), stream.Touchpoints)
	if err != nil {
		t.Fatal(err)
	}
	for partition, end := range ends {
		err := r.kafka.ReadBack(t.Context(), stream.Touchpoints, partition, 0, end, func(_ context.Context, records []*stream.Record) error {
			copied := *records[0]
			back = &copied
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if back == nil || string(back.Key) != "the anchor" || !cmp.Equal(back.Value, poison.Value) || len(back.Headers) > 0 {
		t.Errorf("touchpoints has %+v, want the bytes under their key", back)
	}
	// The event arrived by another way: it is not sent again.
	r.exec("ALTER TABLE rejected_events UPDATE replay_state = 'pending' WHERE reason = 'no_usable_identifier' SETTINGS mutations_sync = 2")
	stored := event(1, "Product Viewed")
	stored.EventID = touchpoint.EventID
	r.produce(stored)
	r.eventually("SELECT count() FROM events WHERE workspace = %s", "1")
	if got := r.replay(nil)["no_usable_identifier"]; got.Result != sink.OutcomeStored {
		t.Errorf("what is stored already is %q", got.Result)
	}
}

// post is a request that a collector got.
type post struct {
	key    string
	events []map[string]any
}

// collect stands in for a collector that answers what it is told to.
func collect(t *testing.T, answer func(n int, w http.ResponseWriter)) (url string, posts func() []post) {
	t.Helper()
	var mu sync.Mutex
	var all []post
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		key, _, _ := r.BasicAuth()
		text, err := io.ReadAll(r.Body)
		var body struct {
			Batch []map[string]any `json:"batch"`
		}
		if err != nil || json.Unmarshal(text, &body) != nil || r.URL.Path != "/v1/batch" || r.Header.Get("User-Agent") != "" {
			t.Errorf("%s with user agent %q: %s (%v)", r.URL.Path, r.Header.Get("User-Agent"), text, err)
		}
		all = append(all, post{key, body.Batch})
		answer(len(all), w)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []post {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

func accepted(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"success":true}`) }

// rejectAtCollector has rejections of the collector's stored.
func (r *rig) rejectAtCollector(rejections ...schemas.RejectedTouchpoint) {
	r.t.Helper()
	rejects, err := quarantine.New(r.t.Context(), r.registry, "collector")
	if err != nil {
		r.t.Fatal(err)
	}
	began := int64(0)
	for _, rejection := range rejections {
		// One a millisecond, so that they have an order.
		poll(r.t, func() bool { return time.Now().UnixMilli() > began }, func() string { return "the clock stands still" })
		rejection.Workspace, rejection.ReceivedAt = r.workspace, schemas.Some(schemas.Millis(1_790_000_000_000))
		r.send(rejects.Record(rejection))
		began = time.Now().UnixMilli()
	}
	r.run()
	r.eventually("SELECT count() FROM rejected_events WHERE workspace = %s", strconv.Itoa(len(rejections)))
}

var asWeb = map[string]sink.ReplaySource{"web": {WriteKey: "wk-web"}, "pos": {WriteKey: "wk-pos", Server: true}}

// A collector that takes nothing right now is asked again; the events of each attempt are the same ones.
func TestReplayToACollectorThatIsBusy(t *testing.T) {
	r := emptied(t)
	r.rejectAtCollector(
		schemas.RejectedTouchpoint{Source: "web", Reason: "missing_identifier", Type: "track", Payload: []byte(`{"event":"A"}`)},
		schemas.RejectedTouchpoint{Source: "pos", Reason: "too_many_events", Payload: []byte(`[{"type":"track","event":"B"},{"type":"track","event":"C","messageId":"c"}]`)},
		schemas.RejectedTouchpoint{Source: "gone", Reason: "invalid_amount", Payload: []byte(`{}`)},
		schemas.RejectedTouchpoint{Source: "web", Reason: "invalid_json", Payload: []byte(`{"event":`)},
		schemas.RejectedTouchpoint{Source: "web", Reason: "body_too_large"},
	)
	url, posts := collect(t, func(n int, w http.ResponseWriter) {
		if n == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"error":"busy"}`)
			return
		}
		accepted(w)
	})
	toUs := func(p *sink.Replay) { p.Collector, p.Sources = url, asWeb }
	got := r.replay(toUs)
	for reason, want := range map[string]string{
		"missing_identifier": sink.OutcomeReplayed, "too_many_events": sink.OutcomeReplayed,
		"invalid_amount": sink.OutcomeCannot, "invalid_json": sink.OutcomeCannot, "body_too_large": sink.OutcomeCannot,
	} {
		if got[reason].Result != want || want == sink.OutcomeCannot && got[reason].Why == "" {
			t.Errorf("%s is %q (%s), want %q", reason, got[reason].Result, got[reason].Why, want)
		}
	}
	first := posts()
	if len(first) != 3 {
		t.Fatalf("%d requests, want one refused and one for each source", len(first))
	}
	if diff := cmp.Diff(first[0].events, first[1].events); diff != "" {
		t.Errorf("the second attempt differs: %s", diff)
	}
	r.exec("ALTER TABLE rejected_events UPDATE replay_state = 'pending' WHERE 1 SETTINGS mutations_sync = 2")
	r.replay(toUs)
	ids := make(map[string]int)
	for _, p := range posts()[1:] {
		for _, e := range p.events {
			ids[p.key+" "+e["messageId"].(string)]++
		}
	}
	if len(ids) != 3 || ids["wk-pos c"] != 2 {
		t.Errorf("message ids %v, want three, each twice", ids)
	}
	r.eventually("SELECT count() FROM rejected_events WHERE workspace = %s AND replay_state = 'pending'", "3")
}

// What is rejected again is a new rejection, unless it is the very same bytes: then it stays pending.
func TestRejectedAgain(t *testing.T) {
	r := emptied(t)
	r.rejectAtCollector(
		schemas.RejectedTouchpoint{Source: "pos", Reason: "invalid_amount", Payload: []byte(`{"messageId":"m","timestamp":"2026-01-01T00:00:00Z","type":"track"}`)},
		schemas.RejectedTouchpoint{Source: "pos", Reason: "missing_identifier", Payload: []byte(`{"type":"track","event":"A"}`)},
	)
	url, _ := collect(t, func(_ int, w http.ResponseWriter) {
		_, _ = io.WriteString(w, `{"success":true,"accepted":0,"rejected":[{"index":0,"reason":"missing_event_name","field":"event","count":1},{"index":1,"reason":"missing_identifier","count":1}]}`)
	})
	got := r.replay(func(p *sink.Replay) { p.Collector, p.Sources = url, asWeb })
	for reason, o := range got {
		if o.Result != sink.OutcomeAgain || o.Why == "" {
			t.Errorf("%s is %q (%s), want rejected again", reason, o.Result, o.Why)
		}
	}
	states := r.rows("SELECT reason, replay_state FROM rejected_events WHERE workspace = %s ORDER BY reason")
	if diff := cmp.Diff([][]string{{"invalid_amount", sink.ReplayPending}, {"missing_identifier", sink.ReplayReplayed}}, states); diff != "" {
		t.Error(diff)
	}
}

// A collector that fails leaves what it did not take pending, and what it took noted.
func TestReplayNotesWhatWasAcknowledged(t *testing.T) {
	r := emptied(t)
	r.rejectAtCollector(
		schemas.RejectedTouchpoint{Source: "pos", Reason: "a", Payload: []byte(`{"messageId":"1"}`)},
		schemas.RejectedTouchpoint{Source: "web", Reason: "b", Payload: []byte(`{"messageId":"2"}`)},
	)
	url, _ := collect(t, func(n int, w http.ResponseWriter) {
		if n == 1 {
			accepted(w)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":"no source has this write key"}`)
	})
	replay := sink.Replay{
		Warehouse: r.db, Kafka: r.kafka, Registry: r.registry, Collector: url, Sources: asWeb, BatchEvents: 10, BatchBytes: 1 << 20,
		Filter: sink.RejectionFilter{State: sink.ReplayPending}, Report: func(sink.ReplayOutcome) error { return nil },
	}
	if err := replay.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "no source has this write key") {
		t.Errorf("the run ended with %v", err)
	}
	r.eventually("SELECT arrayStringConcat(arraySort(groupArray(reason || ' ' || replay_state)), ', ') FROM rejected_events WHERE workspace = %s", "a replayed, b pending")
}

func TestRejectionsAreFiltered(t *testing.T) {
	r := emptied(t)
	r.rejectAtCollector(
		schemas.RejectedTouchpoint{Source: "pos", Reason: "a", Field: "x'y", Payload: []byte(`1`)},
		schemas.RejectedTouchpoint{Source: "web", Reason: "b", Payload: []byte(`2`)},
		schemas.RejectedTouchpoint{Source: "web", Reason: "c", Payload: []byte(`3`)},
	)
	f := func(want string, filter sink.RejectionFilter) {
		t.Helper()
		found, err := sink.Rejections(t.Context(), r.db, filter)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for i := range found {
			got += found[i].Reason + found[i].Payload
		}
		if got != want {
			t.Errorf("%+v finds %q, want %q", filter, got, want)
		}
	}
	all, err := sink.Rejections(t.Context(), r.db, sink.RejectionFilter{OldestFirst: true})
	if err != nil || len(all) != 3 {
		t.Fatalf("%d rejections, %v", len(all), err)
	}
	f("a", sink.RejectionFilter{Field: "x'y"})
	f("a1", sink.RejectionFilter{Reason: "a", Payload: true})
	f("cb", sink.RejectionFilter{Source: "web"})
	f("b", sink.RejectionFilter{Source: "web", OldestFirst: true, Limit: 1})
	f("b", sink.RejectionFilter{IDs: []uuid.UUID{all[1].ID}})
	f("c", sink.RejectionFilter{Since: all[2].RejectedAt})
	f("a", sink.RejectionFilter{Until: all[1].RejectedAt})
	f("", sink.RejectionFilter{Stage: "sink"})
	if err := sink.SetReplayState(t.Context(), r.db, sink.ReplayDismissed, all[0].ID); err != nil {
		t.Fatal(err)
	}
	f("a", sink.RejectionFilter{State: sink.ReplayDismissed})
	f("cb", sink.RejectionFilter{State: sink.ReplayPending})
}
