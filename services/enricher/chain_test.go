package enricher

import (
	stdcmp "cmp"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	logs "go.uber.org/zap/zaptest/observer"
)

// fake is an enrichment whose work is a function of the test.
type fake struct {
	name    string
	purpose string
	writes  []string
	apply   func(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome
}

func (f fake) Describe() Description {
	return Description{Name: f.name, Version: "v1", Purpose: stdcmp.Or(f.purpose, "analytics"), Reads: []string{"channel"}, Writes: f.writes}
}

func (f fake) Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	return f.apply(event, added)
}

func device(class string) schemas.Optional[schemas.Device] {
	return schemas.Some(schemas.Device{Class: class})
}

func good(name string) fake {
	return fake{name: name, writes: []string{"calendar"}, apply: func(_ *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
		added.Calendar = schemas.Some(schemas.Calendar{Holiday: name})
		return Applied()
	}}
}

// spoiler writes its field and then does what the test says.
func spoiler(then func() Outcome) fake {
	return fake{name: "spoiler", writes: []string{"device"}, apply: func(_ *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
		added.Device = device("half written")
		return then()
	}}
}

func newChain(t testing.TB, links ...Link) *Chain {
	t.Helper()
	c, err := NewChain(links, DefaultPurposes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Whatever an optional enrichment does, the event goes on with the others' fields, without its own, and with the reason.
func TestAnOptionalEnrichmentNeverStopsAnEvent(t *testing.T) {
	f := func(then func() Outcome, status, reason string) {
		t.Helper()
		c := newChain(t, Link{Enrichment: good("before")}, Link{Enrichment: spoiler(then)})
		event := schemas.EnrichedTouchpoint{Device: device("left over from the event before")}
		if err := c.Run(&event, new(Suffix)); err != nil {
			t.Fatalf("%s: %v", reason, err)
		}
		want := []schemas.Enrichment{
			{Name: "before", Version: "v1", Status: StatusApplied},
			{Name: "spoiler", Version: "v1", Status: status, Reason: reason},
		}
		if diff := cmp.Diff(want, event.Enrichments); diff != "" {
			t.Error(diff)
		}
		if event.Device.Valid {
			t.Errorf("%s: the device is %+v, want null", reason, event.Device.Value)
		}
		if event.Calendar.Value.Holiday != "before" {
			t.Errorf("%s: the fields of the other enrichment are lost", reason)
		}
	}
	var none *schemas.Device
	f(func() Outcome { return Failed("no_data") }, StatusFailed, "no_data")
	f(func() Outcome { return Skipped("not_mine") }, StatusSkipped, "not_mine")
	f(func() Outcome { panic("with a value") }, StatusFailed, reasonPanic)
	f(func() Outcome { panic(errors.New("with an error")) }, StatusFailed, reasonPanic)
	f(func() Outcome { none.Class = ""; return Applied() }, StatusFailed, reasonPanic)
	f(func() Outcome { return Outcome{} }, StatusFailed, reasonNoOutcome)
	f(func() Outcome { return Outcome{Status: "done"} }, StatusFailed, reasonNoOutcome)
}

func TestARequiredEnrichmentStopsAnEventThatItFails(t *testing.T) {
	f := func(then func() Outcome, reason string) {
		t.Helper()
		err := newChain(t, Link{Enrichment: spoiler(then), Required: true}).Run(&schemas.EnrichedTouchpoint{}, new(Suffix))
		var required *RequiredError
		switch {
		case reason == "" && err != nil:
			t.Errorf("got %v, want the event to go on", err)
		case reason != "" && (!errors.As(err, &required) || *required != (RequiredError{Enrichment: "spoiler", Reason: reason})):
			t.Errorf("got %v, want the enrichment and %s", err, reason)
		}
	}
	f(func() Outcome { return Failed("no_data") }, "no_data")
	f(func() Outcome { panic("at work") }, reasonPanic)
	f(func() Outcome { return Skipped("not_mine") }, "")
	f(Applied, "")
}

func TestEnrichmentsSeeWhatTheOnesBeforeAdded(t *testing.T) {
	second := fake{name: "second", apply: func(_ *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
		if added.Calendar.Value.Holiday != "first" {
			return Failed("not_seen")
		}
		return Outcome{Status: StatusApplied, Version: "v2"}
	}}
	var event schemas.EnrichedTouchpoint
	if err := newChain(t, Link{Enrichment: good("first")}, Link{Enrichment: second, Required: true}).Run(&event, new(Suffix)); err != nil {
		t.Fatal(err)
	}
	if got := event.Enrichments[1].Version; got != "v2" {
		t.Errorf("version %q, want the one of the data that was used", got)
	}
}

func TestAChainThatDoesNotFitIsRefused(t *testing.T) {
	f := func(want string, links ...Link) {
		t.Helper()
		if _, err := NewChain(links, DefaultPurposes(), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	one, other := good("one"), good("other")
	one.writes, other.writes = []string{"device"}, []string{"device"}
	f("both write device", Link{Enrichment: one}, Link{Enrichment: other})
	f("twice", Link{Enrichment: good("one")}, Link{Enrichment: good("one")})
	f("does not declare", Link{Enrichment: good("")})
	one.writes = []string{"enrichments"}
	f("no field of the suffix", Link{Enrichment: one})
}

// A panic is logged with its place; a value in it may be personal data and is not.
func TestPanicsAreLoggedWithoutTheirValue(t *testing.T) {
	core, seen := logs.New(zap.DebugLevel)
	links := []Link{{Enrichment: spoiler(func() Outcome { panic("jean.dupont@example.fr") })}}
	o := newObserver(newMetrics(prometheus.NewRegistry()), links, zap.New(core))
	c, err := NewChain(links, DefaultPurposes(), o.observe)
	if err != nil {
		t.Fatal(err)
	}
	o.begin()
	for range 1000 {
		if err := c.Run(&schemas.EnrichedTouchpoint{}, new(Suffix)); err != nil {
			t.Fatal(err)
		}
	}
	if n := seen.Len(); n == 0 || n > 10 {
		t.Errorf("%d lines for 1000 panics, want a few", n)
	}
	entry := seen.All()[0].ContextMap()
	if entry["enrichment"] != "spoiler" || entry["cause"] != "string" || !strings.Contains(entry["stack"].(string), "chain_test.go") {
		t.Errorf("the line does not tell the place: %v", entry)
	}
	for _, line := range seen.All() {
		for _, field := range line.Context {
			if strings.Contains(field.String, "dupont") {
				t.Errorf("field %s holds the value of the panic", field.Key)
			}
		}
	}
}

func TestTheChainReadsWhatItsEnrichmentsDeclare(t *testing.T) {
	other := good("other")
	other.writes = []string{"device"}
	c := newChain(t, Link{Enrichment: good("one")}, Link{Enrichment: other})
	if diff := cmp.Diff([]string{"consent", "channel"}, c.Reads(), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"one", "other"}, c.Names()); diff != "" {
		t.Error(diff)
	}
}
