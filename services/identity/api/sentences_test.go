package api_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/services/identity/api"
)

func TestTell(t *testing.T) {
	event := uuid.MustParse("33333333-3333-4333-8333-333333333333")
	names := map[uuid.UUID]string{nodeA: "email:lea@free.fr"}
	f := func(e api.Explanation, want ...string) {
		t.Helper()
		e.Position = 42
		want = append(want, "This is true at evidence position 42.")
		if diff := cmp.Diff(want, e.Tell(func(n uuid.UUID) string { return names[n] })); diff != "" {
			t.Error(diff)
		}
		for _, sentence := range e.Tell(nil) {
			if strings.Contains(sentence, "lea@") || strings.Contains(sentence, "%!") {
				t.Errorf("without names: %s", sentence)
			}
		}
	}
	a, b := node(nodeA, "email"), node(nodeB, "user_id")
	joined := a
	joined.CustomerID = nodeB
	pair := api.Pair{A: nodeA, TypeA: "email", B: nodeB, TypeB: "user_id", Class: "typed", Score: 100, FirstSeen: when, Source: "web", EventID: &event, State: api.Linked}
	f(api.Explanation{OneCustomer: true, A: joined, B: b, Verdict: api.Linked, Path: []api.Pair{pair}},
		"email:lea@free.fr and user_id 22222222 are one customer, 22222222-2222-4222-8222-222222222222.",
		"email:lea@free.fr and user_id 22222222 were seen together first on 2026-11-03 09:30 UTC by source web in event 33333333-3333-4333-8333-333333333333 (typed).",
	)
	// A way is told from its beginning.
	swapped := pair
	swapped.A, swapped.TypeA, swapped.B, swapped.TypeB = pair.B, pair.TypeB, pair.A, pair.TypeA
	f(api.Explanation{OneCustomer: true, A: joined, B: b, Verdict: api.Linked, Path: []api.Pair{swapped}},
		"email:lea@free.fr and user_id 22222222 are one customer, 22222222-2222-4222-8222-222222222222.",
		"email:lea@free.fr and user_id 22222222 were seen together first on 2026-11-03 09:30 UTC by source web in event 33333333-3333-4333-8333-333333333333 (typed).",
	)
	two := "email:lea@free.fr and user_id 22222222 are two customers, 11111111-1111-4111-8111-111111111111 and 22222222-2222-4222-8222-222222222222."
	refused := pair
	refused.State, refused.Why, refused.EventID = api.Refused, "one customer has at most 1 user_id", nil
	f(api.Explanation{A: a, B: b, Verdict: api.Refused, Detail: "one customer has at most 1 user_id", Between: []api.Pair{refused}}, two,
		"They were seen together, directly or over others, and still cannot be one customer: one customer has at most 1 user_id.",
		"email:lea@free.fr and user_id 22222222 were seen together first on 2026-11-03 09:30 UTC by source web (typed), but one customer has at most 1 user_id.",
	)
	f(api.Explanation{A: a, B: b, Verdict: api.Cut, Rulings: []api.Ruling{
		{Kind: api.Cut, A: nodeA, TypeA: "email", B: &nodeB, TypeB: "user_id", At: when, Author: "marie", Reason: "two sisters."},
		{Kind: api.Cut, Lifted: true, A: nodeA, TypeA: "email", B: &nodeB, TypeB: "user_id", At: when, Author: "marie", Reason: "one after all"},
	}}, two,
		"An operator said that they are never one customer.",
		"On 2026-11-03 09:30 UTC marie cut email:lea@free.fr from user_id 22222222: two sisters.",
		"On 2026-11-03 09:30 UTC marie lifted the cut between email:lea@free.fr and user_id 22222222: one after all.",
	)
	hub, blocked, unknown, erased := b, b, b, b
	hub.Status, blocked.Status, unknown.Known, erased.Known, erased.ErasedAt = api.Hub, api.Blocked, false, false, &when
	f(api.Explanation{A: a, B: hub, Verdict: api.Shared}, two,
		"What was seen of them leads over an identifier that too many share: it carries no links.",
		"user_id 22222222 is a hub: it was seen with more identifiers than one customer has, so it carries no links.",
	)
	f(api.Explanation{A: a, B: blocked, Verdict: api.Shared, Rulings: []api.Ruling{
		{Kind: api.Blocked, A: nodeB, At: when, Author: "marie", Reason: "test account"},
		{Kind: api.Allowed, A: nodeA, At: when, Author: "paul", Reason: "family"},
		{Kind: api.Neutral, A: nodeA, At: when, Author: "paul", Reason: "as before"},
	}}, two,
		"What was seen of them leads over an identifier that too many share: it carries no links.",
		"user_id 22222222 is blocked, by an operator or by the rules, so it carries no links.",
		"On 2026-11-03 09:30 UTC marie blocked identifier 22222222: test account.",
		"On 2026-11-03 09:30 UTC paul allowed email:lea@free.fr: family.",
		"On 2026-11-03 09:30 UTC paul left email:lea@free.fr to the rules: as before.",
	)
	f(api.Explanation{A: a, B: unknown, Verdict: api.NoEvidence}, two,
		"Nothing that was seen links them, not even over other identifiers.",
		"The graph has no evidence about user_id 22222222: it was only ever seen alone, or never.",
	)
	f(api.Explanation{A: a, B: erased, Verdict: api.NoEvidence}, two,
		"Nothing that was seen links them, not even over other identifiers.",
		"user_id 22222222 was erased on 2026-11-03 09:30 UTC.",
	)
	f(api.Explanation{A: a, B: b, Verdict: api.Weak, Detail: "inferred is worse than typed"}, two,
		"What was seen of them is too weak to make one customer: inferred is worse than typed.")
	f(api.Explanation{A: a, B: b, Verdict: api.TooLarge}, two,
		"They are in a mass of connected identifiers that is too large to be customers: see max_component of the rules.")
	f(api.Explanation{OneCustomer: true, A: a, B: a, Verdict: api.Same}, "email:lea@free.fr and email:lea@free.fr are the same identifier.")
}
