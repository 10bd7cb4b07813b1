package identifier_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/schemas"
)

func BenchmarkNode(b *testing.B) {
	ids := open(b, golden())
	for _, c := range []struct{ name, typ, raw string }{
		{"user_id", "user_id", "8f14e45f-ceea-467f-a5b6-2a3c1d7b8f9e"},
		{"email", "email", "camille.martin@orange.fr"},
		{"email_repaired", "email", " Camille.Martin@Orange.FR"},
		{"email_idna", "email", "zoé@été.fr"},
		{"phone_cached", "phone", "06 12 34 56 78"},
		{"card", "loyalty_card", "2990123456789"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ids.Node(c.typ, c.raw)
			}
		})
	}
	uncached := golden()
	uncached.PhoneCache = 0
	ids = open(b, uncached)
	b.Run("phone_parsed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ids.Node("phone", "06 12 34 56 78")
		}
	})
}

// An event of a shop's site: a known visitor with a cookie. What it costs to ask for erasures must not
// depend on how many there were.
func BenchmarkResolve(b *testing.B) {
	ids := open(b, golden())
	event := []schemas.Identifier{
		{Type: "user_id", Value: "8f14e45f-ceea-467f-a5b6-2a3c1d7b8f9e"},
		{Type: "email", Value: "camille.martin@orange.fr"},
		{Type: "anonymous_id", Value: "0b6a4f0e-95a1-4f0c-8e55-5d1f0b1c7a42"},
	}
	into := make([]identifier.Resolved, 0, 8)
	for _, count := range []int{0, 1_000, 1_000_000} {
		erased := make(erasures, count)
		for i := range count {
			sum := sha256.Sum256(fmt.Append(nil, i))
			erased[[16]byte(sum[:16])] = 1
		}
		b.Run(fmt.Sprintf("suppressions=%d", count), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				into = ids.Resolve(event, 2, erased, into[:0])
			}
		})
	}
}
