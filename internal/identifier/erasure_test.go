package identifier_test

import (
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/schemas"
)

// erasures are suppressions in memory.
type erasures map[[16]byte]int64

func (e erasures) Suppressions() int { return len(e) }

func (e erasures) Suppressed(key [16]byte) (int64, bool) {
	at, ok := e[key]
	return at, ok
}

// The hashes of later generations and of suppressions are contracts as that of the first is.
func TestHashesOfErasure(t *testing.T) {
	ids, erased := open(t, golden()), erasures{}
	first := must(t, ids, "user_id", "u-1")
	if got := ids.SuppressionKey(first); hex.EncodeToString(got[:]) != "beacf964d1053f60efec929fd789c8be" {
		// HMAC-SHA256(HMAC-SHA256(keyA, "parcours suppression 1"), node), its first 128 bits
		t.Errorf("suppression key %x", got)
	}
	node := first
	for range 12 {
		erased[ids.SuppressionKey(node)] = 1
		node, _ = ids.Current("user_id", "u-1", erased)
		if len(erased) == 1 && node != uuid.MustParse("3fcd6f49-ae84-2307-25c3-8550a298353a") {
			t.Errorf("generation 1 is %s", node)
		}
	}
	// printf 'user_id\x1fu-1\x1f12' | openssl dgst -sha256 -mac HMAC -macopt hexkey:<keyA>
	if node != uuid.MustParse("9d03e0e3-e16b-f8b0-daa6-71255733b19d") {
		t.Errorf("generation 12 is %s", node)
	}
	if again := must(t, ids, "user_id", "u-1"); again != first {
		t.Error("Node knows of an erasure")
	}
}

func TestResolveAfterErasure(t *testing.T) {
	ids, erased := open(t, golden()), erasures{}
	email := []schemas.Identifier{{Type: "email", Value: "j.d@gmail.com"}}
	before := ids.Resolve(email, 0, nil, nil)
	erased[ids.SuppressionKey(before[0].Node)] = 100
	f := func(at int64, want ...identifier.Resolved) {
		t.Helper()
		if diff := cmp.Diff(want, ids.Resolve(email, at, erased, nil)); diff != "" {
			t.Errorf("at %d: %s", at, diff)
		}
	}
	gone := identifier.Resolved{Type: "email", Rank: 3, Reason: identifier.Erased}
	f(0, gone)
	f(100, gone) // at the moment of the erasure: it was asked for with this one known
	next, _ := ids.Current("email", "J.D@gmail.com", erased)
	after := before[0]
	after.Node = next
	f(101, after, before[1])
	if next == before[0].Node {
		t.Error("a returning person has the erased node")
	}

	// The mailbox behind it is erased as well: only what is not comes out.
	erased[ids.SuppressionKey(before[1].Node)] = 200
	f(150, after)
	erased[ids.SuppressionKey(next)] = 300
	f(250, gone)
	third, _ := ids.Current("email", "j.d@gmail.com", erased)
	canon, _ := ids.Current("email_canon", "j.d@gmail.com", erased)
	after.Node = third
	derived := before[1]
	derived.Node = canon
	f(301, after, derived)
}

// Whatever was erased and when: what is seen at or before an erasure of a node never gives that node, and
// the node of now is none that was erased.
func TestErasedNodesNeverComeBack(t *testing.T) {
	ids := open(t, golden())
	rapid.Check(t, func(t *rapid.T) {
		erased := erasures{}
		var nodes []uuid.UUID
		last := int64(0)
		for range rapid.IntRange(1, 4).Draw(t, "erasures") {
			node, reason := ids.Current("user_id", "u", erased)
			if reason != "" {
				t.Fatalf("no node: %s", reason)
			}
			nodes = append(nodes, node)
			last += rapid.Int64Range(0, 100).Draw(t, "later")
			erased[ids.SuppressionKey(node)] = last
		}
		at := rapid.Int64Range(0, last+10).Draw(t, "seen")
		got := ids.Resolve([]schemas.Identifier{{Type: "user_id", Value: "u"}}, at, erased, nil)[0]
		for _, node := range nodes {
			if got.Node == node {
				t.Fatalf("an erased node came back for %d", at)
			}
		}
		if (at <= last) != (got.Reason == identifier.Erased) {
			t.Fatalf("seen at %d, erased until %d: %q", at, last, got.Reason)
		}
	})
}
