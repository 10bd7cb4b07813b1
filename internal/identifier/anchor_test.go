package identifier

import (
	"strings"
	"testing"

	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"pgregory.net/rapid"
)

// Anchor takes a shorter way to what Strongest says of all that Resolve returns.
func TestAnchorIsTheStrongestResolved(t *testing.T) {
	ws := workspace.DefaultConfig()
	ws.HashKey = strings.Repeat("0123456789abcdef", 4)
	canonFirst := DefaultConfig()
	canon := canonFirst.Types[EmailCanon]
	canon.Rank = 1
	canonFirst.Types[EmailCanon] = canon
	for name, cfg := range map[string]Config{"defaults": DefaultConfig(), "email_canon first": canonFirst} {
		t.Run(name, func(t *testing.T) {
			s, err := New(cfg, ws)
			if err != nil {
				t.Fatal(err)
			}
			types := rapid.SampledFrom([]string{UserID, LoyaltyCard, Email, Phone, PaymentReference, DeviceID, AnonymousID, TillRecord, "unheard_of"})
			values := rapid.SampledFrom([]string{"u1", "u2", "null", "", "j.d@gmail.com", "info@example.fr", "0612345678", "0140200000", "2900000000014", "0b6a4f0e-95a1-4f0c-8e55-5d1f0b1c7a42"})
			rapid.Check(t, func(t *rapid.T) {
				var ids []schemas.Identifier
				for range rapid.IntRange(0, 6).Draw(t, "count") {
					ids = append(ids, schemas.Identifier{Type: types.Draw(t, "type"), Value: values.Draw(t, "value")})
				}
				node, typ, ok := s.Anchor(ids)
				resolved := s.Resolve(ids, 0, nil, nil)
				best := Strongest(resolved)
				if ok != (best >= 0) || ok && (node != resolved[best].Node || typ != resolved[best].Type) {
					t.Fatalf("%v: anchor %s of %s (%v), resolved %v", ids, node, typ, ok, resolved)
				}
			})
		})
	}
}
