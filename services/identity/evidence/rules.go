package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Validate says what in the rules cannot be meant; the first of it in the order of the fields. Rules are validated
// before they are logged.
func (r Ruleset) Validate() error {
	if err := r.check(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(r.Types)) {
		hubs := r.Types[name].Hubs
		for _, other := range slices.Sorted(maps.Keys(hubs)) {
			if _, known := r.Types[other]; !known {
				return fmt.Errorf("rules: types.%s.hubs.%s is %d, and the rules have no type %s: add the type, or leave it out of hubs", name, other, hubs[other], other)
			}
		}
	}
	return nil
}

// check is what makes a record of rules evidence. It must not become stricter: an instance that passes over rules
// which others have applied has another partition.
func (r Ruleset) check() error {
	if r.LinkClass > WorstClass {
		return fmt.Errorf("rules: link_class is %d: give 0 to %d", r.LinkClass, WorstClass)
	}
	if err := checkCount("max_cluster", r.MaxCluster, 1); err != nil {
		return err
	}
	if err := checkCount("max_component", r.MaxComponent, 1); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(r.Types)) {
		if err := checkType(name); err != nil {
			return err
		}
		if err := r.Types[name].validate("types." + name); err != nil {
			return err
		}
	}
	for i := 1; i < len(r.Blocked); i++ {
		if bytes.Compare(r.Blocked[i-1][:], r.Blocked[i][:]) >= 0 {
			return fmt.Errorf("rules: blocked node %d is not after the one before it: sort them, each once", i)
		}
	}
	return nil
}

func (t TypeRule) validate(at string) error {
	if t.Rank >= WeakRank {
		return fmt.Errorf("rules: %s.rank is %d: give 0 to %d, weak values rank %d later", at, t.Rank, WeakRank-1, WeakRank)
	}
	if t.Class > WorstClass {
		return fmt.Errorf("rules: %s.class is %d: give 0 to %d", at, t.Class, WorstClass)
	}
	if err := checkCount(at+".limit", t.Limit, 0); err != nil {
		return err
	}
	for _, other := range slices.Sorted(maps.Keys(t.Hubs)) {
		if err := checkType(other); err != nil {
			return err
		}
		if err := checkCount(at+".hubs."+other, t.Hubs[other], 1); err != nil {
			return err
		}
	}
	return nil
}

func checkType(name string) error {
	if name == "" || len(name) > MaxText || !utf8.ValidString(name) {
		return fmt.Errorf("rules: %q is no name of a type: give 1 to %d bytes of UTF-8", name, MaxText)
	}
	return nil
}

// checkCount keeps counts in 32 bits.
func checkCount(what string, n, least int) error {
	if n < least || n > math.MaxInt32 {
		return fmt.Errorf("rules: %s is %d: give %d to %d", what, n, least, math.MaxInt32)
	}
	return nil
}

// Fingerprint is the same for the same rules, and for no others.
func (r Ruleset) Fingerprint() string {
	sum := sha256.Sum256(r.plain().json())
	return hex.EncodeToString(sum[:16])
}

// plain has nothing for what is empty, as Parse answers it.
func (r Ruleset) plain() Ruleset {
	if len(r.Types) == 0 {
		r.Types = nil
	}
	if len(r.Blocked) == 0 {
		r.Blocked = nil
	}
	r.Types = maps.Clone(r.Types)
	for name, t := range r.Types {
		if len(t.Hubs) == 0 {
			t.Hubs = nil
			r.Types[name] = t
		}
	}
	return r
}

// parseRuleset takes a field that it does not know for one that would change the partition.
func parseRuleset(body []byte) (Ruleset, error) {
	var r Ruleset
	if err := json.Unmarshal(body, &r); err != nil {
		return Ruleset{}, fmt.Errorf("rules: %w", err)
	}
	strict := json.NewDecoder(bytes.NewReader(body))
	strict.DisallowUnknownFields()
	if err := strict.Decode(new(Ruleset)); err != nil {
		return Ruleset{}, fmt.Errorf("rules with a field that is not known here (%s): %w", strings.TrimPrefix(err.Error(), "json: "), ErrNewer)
	}
	return r.plain(), nil
}
