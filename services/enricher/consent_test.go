package enricher

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/schemas"
	"pgregory.net/rapid"
)

func said(granted, denied string) *schemas.Consent {
	return &schemas.Consent{Granted: strings.Fields(granted), Denied: strings.Fields(denied)}
}

func TestWhatAPurposeMayDo(t *testing.T) {
	purposes := DefaultPurposes()
	purposes.Profiling.Enabled = true
	purposes.Others = map[string]Purpose{
		"scoring": {Enabled: true, Unstated: "deny", Consent: []string{" Évaluation "}},
		"closed":  {Unstated: "allow"},
	}
	o := newPolicy(purposes)
	f := func(purpose string, event, customer *schemas.Consent, want string) {
		t.Helper()
		var e schemas.IdentifiedTouchpoint
		if event != nil {
			e.Consent = schemas.Some(*event)
		}
		permissions := o.ask(&e, customer)
		if got := permissions.Refusal(purpose); got != want {
			t.Errorf("%s with %v, before %v: %q, want %q", purpose, event, customer, got, want)
		}
	}
	// Nobody said anything: the policy of the purpose.
	f("analytics", nil, nil, "")
	f("profiling", nil, nil, reasonMissing)
	f("operations", nil, nil, "")
	f("scoring", nil, nil, reasonMissing)
	// What is not enabled stays so, whatever is said; what nobody configured is not enabled.
	f("closed", said("closed", ""), nil, reasonDisabled)
	f("weather", said("weather", ""), nil, reasonDisabled)
	// Names as the tools write them.
	for _, name := range []string{"Analytics", "analytics_storage", "STATISTICS", "mesure_audience", "Performance", "C0002"} {
		f("analytics", said(name, ""), nil, "")
		f("analytics", said("", name), nil, reasonDenied)
	}
	for _, name := range []string{"Advertising", "ad_personalization", "Personalization", "Profiling", "marketing", "C0004"} {
		f("profiling", said(name, ""), nil, "")
		f("profiling", said("", name), nil, reasonDenied)
	}
	f("scoring", said("ÉVALUATION", ""), nil, "")
	f("scoring", said(strings.Repeat("x", 100), ""), nil, reasonDenied)
	// A statement that does not grant refuses: of something else, of nothing, of everything.
	f("analytics", said("Functional", ""), nil, reasonDenied)
	f("analytics", said("", ""), nil, reasonDenied)
	f("analytics", said("", "*"), nil, reasonDenied)
	f("analytics", said("*", ""), nil, reasonDenied)
	f("analytics", said("analytics", "*"), nil, reasonDenied)
	// Granted and refused at once is refused, by another name of the category as well.
	f("analytics", said("analytics", "analytics"), nil, reasonDenied)
	f("analytics", said("analytics", "statistics"), nil, reasonDenied)
	// A purpose that rests on no consent cannot be refused by a statement.
	f("operations", said("", "*"), nil, "")
	// The event's own word counts, then the customer's last.
	f("analytics", nil, said("", "analytics"), reasonDenied)
	f("profiling", nil, said("marketing", ""), "")
	f("analytics", said("analytics", ""), said("", "analytics"), "")
	f("analytics", said("", "analytics"), said("analytics", ""), reasonDenied)
	if none := (&Permissions{}); none.Refusal("analytics") != reasonDisabled {
		t.Error("permissions that nobody gave permit something")
	}
}

func TestPurposesFaultsNameTheField(t *testing.T) {
	f := func(want string, change func(*Purposes)) {
		t.Helper()
		p := DefaultPurposes()
		change(&p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	f("analytics.unstated", func(p *Purposes) { p.Analytics.Unstated = "maybe" })
	f("profiling.consent", func(p *Purposes) { p.Profiling.Consent = []string{" "} })
	f("profiling.consent", func(p *Purposes) { p.Profiling.Consent = []string{"*"} })
	f("others.analytics", func(p *Purposes) { p.Others = map[string]Purpose{"analytics": p.Analytics} })
	f("others.scoring.unstated", func(p *Purposes) { p.Others = map[string]Purpose{"scoring": {}} })
	link := fake{name: "one", writes: []string{"device"}, purpose: "scoring"}
	if _, err := NewChain([]Link{{Enrichment: link}}, DefaultPurposes(), nil); err == nil || !strings.Contains(err.Error(), "scoring") {
		t.Errorf("a link of a purpose that nobody configured: %v", err)
	}
}

// valid are the fields of the suffix that are not null.
func valid(e *schemas.EnrichedTouchpoint) []string {
	set := map[string]bool{
		"device": e.Device.Valid, "traffic": e.Traffic.Valid, "calendar": e.Calendar.Valid, "network": e.Network.Valid, "shop": e.Shop.Valid,
		"home": e.Home.Valid, "area": e.Area.Valid, "profile": e.Profile.Valid, "first_name": e.FirstName.Valid, "customer": e.Customer.Valid,
		"money": e.Money.Valid, "attributes": e.Attributes != noAttributes,
	}
	var all []string
	for _, f := range fields {
		if set[f.name] {
			all = append(all, f.name)
		}
	}
	return all
}

func TestEveryFieldOfTheSuffixIsCleared(t *testing.T) {
	e := fullEvent()
	if got := valid(e); len(got) != len(fields) {
		t.Fatalf("only %v are filled", got)
	}
	clearFields(e)
	if got := valid(e); len(got) > 0 {
		t.Errorf("%v are left over", got)
	}
	s := fullSuffix()
	for _, f := range fields {
		var event schemas.EnrichedTouchpoint
		clearFields(&event)
		f.copy(&event, s)
		if diff := cmp.Diff([]string{f.name}, valid(&event)); diff != "" {
			t.Errorf("copying %s: %s", f.name, diff)
		}
		f.reset(s)
		clearFields(&event)
		if f.copy(&event, s); len(valid(&event)) > 0 && !f.shared {
			t.Errorf("%s is not reset", f.name)
		}
	}
}

func fullSuffix() *Suffix {
	return &Suffix{
		Device: schemas.Some(schemas.Device{}), Traffic: schemas.Some(schemas.Traffic{}), Calendar: schemas.Some(schemas.Calendar{}),
		Network: schemas.Some(schemas.NetworkPlace{}), Shop: schemas.Some(schemas.Shop{}), Home: schemas.Some(schemas.Home{}),
		Area: schemas.Some(schemas.Area{}), Profile: schemas.Some(schemas.Profile{}), FirstName: schemas.Some(schemas.FirstNameEstimate{}),
		Customer: schemas.Some(schemas.KnownCustomer{}), Money: schemas.Some(schemas.Money{}), Attributes: `{"acme":{}}`,
	}
}

func fullEvent() *schemas.EnrichedTouchpoint {
	var e schemas.EnrichedTouchpoint
	for _, f := range fields {
		f.copy(&e, fullSuffix())
	}
	return &e
}

// Whatever is said, configured and linked, and whatever a link writes: a field that is not null belongs to a link that was applied, and whose purpose
// is allowed by the rules as the documentation has them.
func TestNoFieldOfAForbiddenPurposeIsFilled(t *testing.T) {
	names := []string{"analytics", "profiling", "operations", "scoring"}
	words := []string{"analytics", "Analytics", "marketing", "scoring", "SCORING", "Functional", "*", ""}
	rapid.Check(t, func(t *rapid.T) {
		purpose := func(name string) Purpose {
			return Purpose{
				Enabled: rapid.Bool().Draw(t, name), Unstated: rapid.SampledFrom([]string{"allow", "deny"}).Draw(t, name+" unstated"),
				Consent: rapid.SliceOfN(rapid.SampledFrom([]string{"analytics", "marketing", "scoring"}), 0, 2).Draw(t, name+" consent"),
			}
		}
		purposes := Purposes{
			Analytics: purpose("analytics"), Profiling: purpose("profiling"), Operations: purpose("operations"),
			Others: map[string]Purpose{"scoring": purpose("scoring")},
		}
		// Each link writes all fields, those which it does not own too, and ends as it likes.
		var links []Link
		owner := map[string]int{}
		for i := range rapid.IntRange(1, 6).Draw(t, "links") {
			link := fake{name: string(rune('a' + i)), purpose: rapid.SampledFrom(names).Draw(t, "purpose")}
			for _, f := range fields {
				if _, taken := owner[f.name]; !taken && !f.shared && rapid.Bool().Draw(t, f.name) {
					owner[f.name] = i
					link.writes = append(link.writes, f.name)
				}
			}
			end := rapid.SampledFrom([]Outcome{Applied(), Skipped("none"), Failed("fault"), {}}).Draw(t, "end")
			panics := rapid.IntRange(0, 5).Draw(t, "panics") == 0
			link.apply = func(_ *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
				permissions := added.Permissions
				*added = *fullSuffix()
				added.Permissions = permissions
				if panics {
					panic("at work")
				}
				return end
			}
			links = append(links, Link{Enrichment: link})
		}
		event := *fullEvent() // Of the event before.
		if rapid.Bool().Draw(t, "said") {
			some := rapid.SliceOfN(rapid.SampledFrom(words), 0, 3)
			event.Consent = schemas.Some(schemas.Consent{Granted: some.Draw(t, "granted"), Denied: some.Draw(t, "denied")})
		}
		c, err := NewChain(links, purposes, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Run(&event, new(Suffix)); err != nil {
			t.Fatal(err)
		}
		for _, name := range valid(&event) {
			i, owned := owner[name]
			if !owned {
				t.Fatalf("%s is filled and nobody's", name)
			}
			if got := event.Enrichments[i].Status; got != StatusApplied {
				t.Fatalf("%s is filled by a link that is %s", name, got)
			}
			p := links[i].Describe().Purpose
			if !allowed(purposes.named()[p], event.Consent) {
				t.Fatalf("%s is filled for %s, which is forbidden with %+v", name, p, event.Consent)
			}
		}
		for i, entry := range event.Enrichments {
			refused := slices.Contains([]string{reasonDisabled, reasonDenied, reasonMissing}, entry.Reason)
			if refused == allowed(purposes.named()[links[i].Describe().Purpose], event.Consent) {
				t.Fatalf("link %s: %+v", entry.Name, entry)
			}
		}
	})
}

// allowed is the rule as it is written down, word by word.
func allowed(p Purpose, consent schemas.Optional[schemas.Consent]) bool {
	switch {
	case !p.Enabled:
		return false
	case len(p.Consent) == 0:
		return true
	case !consent.Valid:
		return p.Unstated == "allow"
	}
	mentioned := func(list []string) bool {
		return slices.ContainsFunc(list, func(word string) bool {
			return slices.ContainsFunc(p.Consent, func(category string) bool { return strings.EqualFold(word, category) })
		})
	}
	return mentioned(consent.Value.Granted) && !mentioned(consent.Value.Denied) && !slices.Contains(consent.Value.Denied, "*")
}

func TestAskingForPermissionAllocatesNothing(t *testing.T) {
	o := newPolicy(DefaultPurposes())
	e := schemas.IdentifiedTouchpoint{}
	e.Consent = schemas.Some(*said("Analytics Functional Advertising", "Personalization"))
	if n := testing.AllocsPerRun(100, func() {
		p := o.ask(&e, nil)
		if p.Refusal("analytics") != "" {
			t.Error("refused")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
