package evidence_test

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

func sampleRules() evidence.Ruleset { return samples()["rules"].(*evidence.Rules).Rules }

func TestValidate(t *testing.T) {
	f := func(want string, change func(*evidence.Ruleset)) {
		t.Helper()
		r := sampleRules()
		r.Types["phone"] = evidence.TypeRule{Rank: 4}
		change(&r)
		err := r.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	rule := func(name string, change func(*evidence.TypeRule)) func(*evidence.Ruleset) {
		return func(r *evidence.Ruleset) {
			t := r.Types[name]
			change(&t)
			r.Types[name] = t
		}
	}
	f("", func(*evidence.Ruleset) {})
	f("", func(r *evidence.Ruleset) { r.Types, r.Blocked = nil, nil })
	f("link_class is 4", func(r *evidence.Ruleset) { r.LinkClass = 4 })
	f("max_cluster is 0", func(r *evidence.Ruleset) { r.MaxCluster = 0 })
	f("max_component is -1", func(r *evidence.Ruleset) { r.MaxComponent = -1 })
	f("max_component is", func(r *evidence.Ruleset) { r.MaxComponent = math.MaxInt32 + 1 })
	f(`"" is no name`, rule("", func(*evidence.TypeRule) {}))
	f(`is no name`, rule("\xff", func(*evidence.TypeRule) {}))
	f(`is no name`, rule(strings.Repeat("x", 256), func(*evidence.TypeRule) {}))
	f("types.email.rank is 16", rule("email", func(r *evidence.TypeRule) { r.Rank = evidence.WeakRank }))
	f("types.email.class is 4", rule("email", func(r *evidence.TypeRule) { r.Class = 4 }))
	f("types.email.limit is -1", rule("email", func(r *evidence.TypeRule) { r.Limit = -1 }))
	f("types.email.hubs.user_id is 0", rule("email", func(r *evidence.TypeRule) { r.Hubs["user_id"] = 0 }))
	f(`"" is no name`, rule("email", func(r *evidence.TypeRule) { r.Hubs[""] = 1 }))
	f("types.email.hubs.phone is 9, and the rules have no type phone: add", func(r *evidence.Ruleset) { delete(r.Types, "phone") })
	f("blocked node 1", func(r *evidence.Ruleset) { slices.Reverse(r.Blocked) })
	f("blocked node 1", func(r *evidence.Ruleset) { r.Blocked[1] = r.Blocked[0] })
}

// What older versions logged stays evidence, although it would not be logged any more: else instances differ.
func TestLoggedRulesStayEvidence(t *testing.T) {
	logged := samples()["rules"].(*evidence.Rules)
	if err := logged.Rules.Validate(); err == nil {
		t.Fatal("rules with a hub of a type that they do not have are valid")
	}
	if _, err := evidence.Parse(logged.AppendKey(nil), logged.AppendValue(nil)); err != nil {
		t.Errorf("the log's reader passes over them: %v", err)
	}
}

// A restart with the same configuration must not log rules anew, and another configuration must.
func TestFingerprint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRuleset(t)
		copied := r
		copied.Types = maps.Clone(r.Types)
		for name, rule := range copied.Types {
			rule.Hubs = maps.Clone(rule.Hubs)
			if rule.Hubs == nil {
				rule.Hubs = map[string]int{}
			}
			copied.Types[name] = rule
		}
		if r.Fingerprint() != copied.Fingerprint() {
			t.Fatal("equal rules have two fingerprints")
		}
		copied.MaxCluster++
		if r.Fingerprint() == copied.Fingerprint() {
			t.Fatal("other rules have the same fingerprint")
		}
	})
	seen := map[string]string{sampleRules().Fingerprint(): "the rules"}
	f := func(name string, change func(*evidence.Ruleset)) {
		t.Helper()
		r := sampleRules()
		change(&r)
		if same, ok := seen[r.Fingerprint()]; ok {
			t.Errorf("%s has the fingerprint of %s", name, same)
		}
		seen[r.Fingerprint()] = name
	}
	f("class", func(r *evidence.Ruleset) { r.LinkClass = 1 })
	f("component", func(r *evidence.Ruleset) { r.MaxComponent++ })
	f("type", func(r *evidence.Ruleset) { r.Types["phone"] = evidence.TypeRule{} })
	f("hub", func(r *evidence.Ruleset) { r.Types["email"].Hubs["user_id"] = 5 })
	f("blocked", func(r *evidence.Ruleset) { r.Blocked = append(r.Blocked, uuid.UUID{3}) })
}
