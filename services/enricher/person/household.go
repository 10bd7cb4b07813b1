package person

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"

	"github.com/google/uuid"
)

// homesLabel separates the key of households from those of nodes and of suppressions.
const homesLabel = "parcours household 1"

// separator stands between the parts that are hashed; none of them contains it.
const separator = 0x1f

// homes computes household ids with one key, which is of no use for anything else.
type homes struct{ pool sync.Pool }

func newHomes(key []byte) *homes {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(homesLabel))
	own := mac.Sum(nil)
	h := &homes{}
	h.pool.New = func() any { return hmac.New(sha256.New, own) }
	return h
}

// id is the first 128 bits of HMAC-SHA256 of country, postcode, number, street and family name, as UUID text. It is empty unless all are there, and where
// many live who share nothing but the address.
func (h *homes) id(f *Facts, n names, s street, country string, p Profile) string {
	switch p.Dwelling {
	case POBox, CareHome, StudentResidence, Campsite:
		return ""
	}
	if p.Household == Institution || p.Household == Company {
		return ""
	}
	code, family := postcode(f.PostalCode), n.familyName()
	if fits, checked := formOf(code, country); checked && !fits {
		return ""
	}
	if s.number == "" || len(s.road) == 0 || code == "" || len(family) < 2 || country == "" {
		return ""
	}
	input := make([]byte, 0, 128)
	for _, part := range []string{country, code, s.number, joined(s.road), family} {
		input = append(append(input, part...), separator)
	}
	mac := h.pool.Get().(hash.Hash)
	mac.Reset()
	mac.Write(input)
	sum := mac.Sum(nil)
	h.pool.Put(mac)
	clear(input)
	return uuid.UUID(sum[:16]).String()
}

// postcode is a postcode in one spelling.
func postcode(s string) string {
	out := ""
	for _, w := range split(s) {
		out += w.text
	}
	switch {
	case len(out) == 6 && out[0] == 'F' && number(out[1:]), len(out) == 6 && out[0] == 'B' && number(out[1:]): // F-75008
		out = out[1:]
	case len(out) == 5 && (out[0] == 'L' || out[0] == 'B') && number(out[1:]): // L-1234, B-1000
		out = out[1:]
	case len(out) == 7 && out[:2] == "FR" && number(out[2:]):
		out = out[2:]
	}
	return out
}
