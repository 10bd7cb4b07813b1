package identity_test

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/identity"
)

// I8: clear identifiers go into nothing that identity writes or says, but the person that the event
// carries and the original bytes in the quarantine.
func TestNoClearIdentifierAnywhere(t *testing.T) {
	w := newWorld(t)
	i := w.start(func(c *identity.Config) { c.EvidenceWait = time.Nanosecond }) // also warns
	canaries := []string{"canary.mail@free.fr", "33612349876", "2990777000777", "canary-user", "canary-cookie", "canary-device"}
	in := w.touch(1, id("email", canaries[0]), id("phone", "+"+canaries[1]), id("loyalty_card", canaries[2]))
	in2 := w.touch(2, id("user_id", canaries[3]), id("anonymous_id", canaries[4]), id("email", canaries[0]))
	poison := w.record(w.touch(3, id("device_id", canaries[5])))
	broken := slices.Clone(poison.Value[:len(poison.Value)-1])
	// The count of the identifiers is made absurd, so that the fault lies beside the value.
	at := strings.Index(string(broken), "device_id")
	broken[at-2] = 0xfe
	w.collect(in, in2)
	w.send(&stream.Record{Topic: stream.Touchpoints, Key: []byte("k"), Value: broken})
	w.untilEvents(2)
	w.rejected.untilCount(1)
	w.untilPublished()
	i.stop()

	f := func(where, text string) {
		t.Helper()
		for _, canary := range canaries {
			if strings.Contains(strings.ToLower(text), canary) {
				t.Errorf("%s has %s", where, canary)
			}
		}
	}
	for _, ear := range []*ear{w.evidence, w.identities, w.identified} {
		if len(ear.all()) == 0 {
			t.Errorf("%s is empty: nothing was looked at", ear.topic)
		}
		for _, record := range ear.all() {
			f(ear.topic, string(record.Key)+string(record.Value))
		}
	}
	decoder, err := schemas.NewRejectedDecoder(schemas.RejectedTouchpointSchema())
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range w.rejected.all() {
		var rejected schemas.RejectedTouchpoint
		if err := decoder.Decode(record.Value[schemas.HeaderSize:], &rejected); err != nil {
			t.Fatal(err)
		}
		f("the detail of a rejection", rejected.Reason+rejected.Field+rejected.Detail)
	}
	for _, line := range i.logs.All() {
		f("the log", fmt.Sprint(line.Message, line.ContextMap()))
	}
	families, err := i.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	f("a metric", fmt.Sprint(families))
}

// A field that a newer collector adds flows through an identity that does not know it.
func TestUnknownFieldsFlowThrough(t *testing.T) {
	w := newWorld(t)
	w.start()
	newer := strings.TrimSpace(schemas.TouchpointSchema())
	cut := strings.LastIndex(newer, "]")
	newer = newer[:cut] + `,{"name":"mood","type":"string","default":"","doc":"How it felt."}` + newer[cut:]
	schemaID, err := w.registry.Register(w.soon(), stream.Touchpoints, newer)
	if err != nil {
		t.Fatal(err)
	}
	in := w.touch(1, id("user_id", "u-1"))
	record := w.record(in)
	record.Value = append(in.AppendAvro(schemas.AppendHeader(nil, schemaID)), "\x0cserene"...)
	w.send(record)
	out := w.identified.untilCount(1)[0]
	if !contains(out, "\x0cserene") {
		t.Error("the unknown field is gone")
	}
	got := w.decode(out) // with the schema that the record names: it fails unless that has the field
	in.Identifiers[0].Value = w.node("user_id", "u-1").String()
	if diff := cmp.Diff(in, got.Touchpoint); diff != "" {
		t.Error(diff)
	}
	if got.CustomerID != w.node("user_id", "u-1") {
		t.Errorf("customer is %s", got.CustomerID)
	}
}

// A stop in the middle of a load finishes what is in hand; the next instance goes on with the rest and
// repeats nothing.
func TestCleanStopLosesAndRepeatsNothing(t *testing.T) {
	w := newWorld(t)
	const n = 2000
	events := make([]schemas.Touchpoint, n)
	for i := range events {
		events[i] = w.touch(i, id("anonymous_id", fmt.Sprintf("c-%d", i)), id("user_id", fmt.Sprintf("u-%d", i%500)))
	}
	w.collect(events...)
	first := w.start(func(c *identity.Config) { c.BatchRecords = 50 })
	w.untilEvents(100)
	first.stop()
	w.start()
	counts := map[string]int{}
	w.untilEvents(n)
	w.untilPublished()
	for _, record := range w.identified.all() {
		counts[w.decode(record).MessageID]++
	}
	for _, message := range slices.Sorted(maps.Keys(counts)) {
		if counts[message] != 1 {
			t.Errorf("%s came out %d times", message, counts[message])
		}
	}
}

// When Run returns, clean or not, nothing of it is left running.
func TestRunLeavesNoGoroutine(t *testing.T) {
	w := newWorld(t)
	w.collect(w.touch(1, id("anonymous_id", "c-1"), id("user_id", "u-1")))
	i := w.start()
	w.untilEvents(1)
	w.untilPublished()
	if !working() {
		t.Fatal("no goroutine of the service is seen while it works: this test looks for the wrong thing")
	}
	i.stop()
	if working() {
		t.Error("goroutines of the service outlive Run")
	}
}

// working tells whether any goroutine is in this service's code.
func working() bool {
	stacks := make([]byte, 4<<20)
	return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "parcours/services/identity.(*")
}
