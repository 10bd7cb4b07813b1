package enricher

import (
	"fmt"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/attributes"
)

// outcome is that of a link on an event.
func outcome(e schemas.EnrichedTouchpoint, link string) string {
	for _, entry := range e.Enrichments {
		if entry.Name == link {
			return entry.Status + " " + entry.Reason
		}
	}
	return "absent"
}

// A visitor who refused is not measured on the next event either, which says nothing: also one of whom nothing else is known.
func TestARefusalOfAStrangerHolds(t *testing.T) {
	s := &counter{house: newHouse(t, registrytest.Client(t)), t: t}
	stop := s.start(t, DefaultConfig())
	s.send(cookieNode, func(e *schemas.IdentifiedTouchpoint) {
		e.Consent = schemas.Some(schemas.Consent{Granted: []string{"functional"}, Denied: []string{"analytics"}})
	})
	if got := outcome(s.send(cookieNode, nil), Customer); got != "skipped "+reasonDenied {
		t.Errorf("after a refusal the silent event of a stranger is %q", got)
	}
	// Nor is one that happened before it and was late.
	late := s.send(cookieNode, func(e *schemas.IdentifiedTouchpoint) {
		e.OccurredAt -= schemas.Millis(time.Hour.Milliseconds())
		e.Consent = schemas.Some(schemas.Consent{Granted: []string{"analytics"}})
	})
	if got := outcome(late, Customer); got != "skipped "+reasonDenied {
		t.Errorf("a late event from before a refusal is %q", got)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// A statement is kept however many categories the consent tool lists.
func TestALongStatementIsKept(t *testing.T) {
	s := &counter{house: newHouse(t, registrytest.Client(t)), t: t}
	stop := s.start(t, DefaultConfig())
	email := func(consent *schemas.Consent) func(e *schemas.IdentifiedTouchpoint) {
		return func(e *schemas.IdentifiedTouchpoint) {
			if e.AnchorType = "email"; consent != nil {
				e.Consent = schemas.Some(*consent)
			}
		}
	}
	s.send(mailNode, email(&schemas.Consent{Granted: []string{"analytics"}}))
	long := &schemas.Consent{Denied: []string{"analytics"}}
	for n := range 800 {
		long.Granted = append(long.Granted, fmt.Sprintf("vendor-%d", n))
	}
	s.send(mailNode, email(long))
	if got := outcome(s.send(mailNode, email(nil)), Customer); got != "skipped "+reasonDenied {
		t.Errorf("after a long refusal the silent event is %q", got)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyPostcodesAreKeptAsPostcodes(t *testing.T) {
	for typed, want := range map[string]string{" 75011 ": "75011", "SW1A 1AA": "SW1A 1AA", "12 rue Oberkampf 75011 Paris": "", "Durand": "", "": ""} {
		if got := asPostcode(typed); got != want {
			t.Errorf("%q is kept as %q, want %q", typed, got, want)
		}
	}
}

// An event that was on its way while its person refused is not enriched by what it says itself.
func TestALaterRefusalCounts(t *testing.T) {
	o := newPolicy(DefaultPurposes())
	at := schemas.MillisOf(time.Date(2026, 6, 15, 9, 0, 0, 0, time.UTC))
	f := func(event, last *schemas.Consent, lastAt schemas.Millis, want string) {
		t.Helper()
		var e schemas.IdentifiedTouchpoint
		e.OccurredAt = at
		if event != nil {
			e.Consent = schemas.Some(*event)
		}
		permissions := o.askFor(&e, &attributes.Known{Consent: last, ConsentAt: lastAt})
		if got := permissions.Refusal("analytics"); got != want {
			t.Errorf("the event says %v, the customer %v %d ms later: %q, want %q", event, last, lastAt-at, got, want)
		}
	}
	yes, no := said("analytics", ""), said("", "analytics")
	f(yes, no, at+1, reasonDenied)
	f(yes, no, at, "")
	f(yes, no, at-1, "")
	f(no, yes, at+1, reasonDenied)
	f(yes, yes, at+1, "")
	f(yes, nil, 0, "")
	f(nil, no, at+1, reasonDenied)
}

// Where the person lives is known for analytics: without consent for it nothing is looked up by it, for whatever purpose.
func TestWhatIsKnownOfThePersonIsNotUsedWithoutConsent(t *testing.T) {
	known := &attributes.Known{IRIS: "751114103", Stated: true}
	o := newPolicy(DefaultPurposes())
	for _, c := range []struct {
		consent *schemas.Consent
		want    int
	}{{said("analytics", ""), 1}, {said("marketing", "analytics"), 0}} {
		var e schemas.IdentifiedTouchpoint
		e.Consent = schemas.Some(*c.consent)
		added := Suffix{Known: known, Permissions: o.ask(&e, nil)}
		var places [3]locality
		if got := areasOf(&added, &places); got != c.want {
			t.Errorf("with %v %d areas are looked up, want %d", c.consent, got, c.want)
		}
	}
}

// A refusal that is repeated is kept again sooner than a grant: what another source granted before it must not win by arriving late.
func TestRefusalsAreKeptAgainSooner(t *testing.T) {
	f := func(said schemas.Consent, later time.Duration, want bool) {
		t.Helper()
		known := &attributes.Known{Consent: &said, ConsentAt: 1_000_000}
		var event schemas.EnrichedTouchpoint
		event.Consent, event.OccurredAt = schemas.Some(said), known.ConsentAt+schemas.Millis(later.Milliseconds())
		if got := saidLately(known, &event); got != want {
			t.Errorf("%+v after %s: %t, want %t", said, later, got, want)
		}
	}
	granted, refused, nothing := schemas.Consent{Granted: []string{"a"}}, schemas.Consent{Granted: []string{"a"}, Denied: []string{"b"}}, schemas.Consent{}
	f(granted, 59*time.Minute, true)
	f(granted, time.Hour, false)
	f(refused, 59*time.Second, true)
	f(refused, time.Minute, false)
	f(nothing, time.Minute, false)
	f(granted, -time.Second, false)
}
