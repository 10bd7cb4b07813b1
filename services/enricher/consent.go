package enricher

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/attributes"
)

// Purposes are what enrichments may be for, and on what each rests.
type Purposes struct {
	// Analytics is measuring what happens: devices, campaigns, places, the customer's own record.
	Analytics Purpose `koanf:"analytics"`
	// Profiling is describing people by statistics and bought data: incomes of areas, estimates from first names. It is off until somebody enables it.
	Profiling Purpose `koanf:"profiling"`
	// Operations is running the business: days, shops, amounts in one currency.
	Operations Purpose `koanf:"operations"`
	// Others are purposes of providers, by name.
	Others map[string]Purpose `koanf:"others"`
}

// Purpose is one of them.
type Purpose struct {
	// Enabled lets enrichments of this purpose run.
	Enabled bool `koanf:"enabled"`
	// Consent are the names that consent tools give to the category that the purpose rests on; case does not matter. Empty: it rests on no consent.
	Consent []string `koanf:"consent"`
	// Unstated is what holds when neither the event nor the customer ever said anything: allow or deny.
	Unstated string `koanf:"unstated"`
}

// Policies for people who have said nothing.
const (
	allowUnstated = "allow"
	denyUnstated  = "deny"
)

// DefaultPurposes measures unless it is refused, profiles nobody, and takes the names that the usual SDKs and consent tools send.
func DefaultPurposes() Purposes {
	return Purposes{
		Analytics: Purpose{Enabled: true, Unstated: allowUnstated, Consent: []string{
			"analytics", "analytics_storage", "analytical", "analytique", "statistics", "statistic", "statistiques", "measurement",
			"audience_measurement", "mesure_audience", "performance", "C0002",
		}},
		Profiling: Purpose{Unstated: denyUnstated, Consent: []string{
			"profiling", "profilage", "personalization", "personalisation", "personnalisation", "personalized_ads", "ad_personalization",
			"advertising", "marketing", "targeting", "publicite", "C0004",
		}},
		Operations: Purpose{Enabled: true, Unstated: allowUnstated},
	}
}

// named are all purposes by name.
func (p Purposes) named() map[string]Purpose {
	all := map[string]Purpose{purposeAnalytics: p.Analytics, purposeProfiling: p.Profiling, purposeOperations: p.Operations}
	maps.Copy(all, p.Others)
	return all
}

// mostPurposes is how many fit into the bits of a statement.
const mostPurposes = 64

// Validate names the field that is wrong, its value and what to do.
func (p Purposes) Validate() error {
	for name := range p.Others {
		switch name {
		case purposeAnalytics, purposeProfiling, purposeOperations, PurposeOfProvider, "":
			return fmt.Errorf("others.%s: this name is taken, give the purpose another one", name)
		}
	}
	all := p.named()
	if len(all) > mostPurposes {
		return fmt.Errorf("others: there are %d purposes, give %d at most", len(all), mostPurposes)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		key := name
		if _, other := p.Others[name]; other {
			key = "others." + name
		}
		if err := all[name].validate(); err != nil {
			return fmt.Errorf("%s.%w", key, err)
		}
	}
	return nil
}

func (p Purpose) validate() error {
	if p.Unstated != allowUnstated && p.Unstated != denyUnstated {
		return fmt.Errorf("unstated is %q: give %s or %s", p.Unstated, allowUnstated, denyUnstated)
	}
	for _, category := range p.Consent {
		if folded := fold(category); folded == "" || folded == denyAll {
			return fmt.Errorf("consent has %q: give the name of a category, as the consent tool sends it", category)
		}
	}
	return nil
}

// Reasons why a purpose is refused.
const (
	reasonDisabled = "purpose_disabled"
	reasonDenied   = "consent_denied"
	reasonMissing  = "consent_missing"
)

// PurposeOfProvider is the purpose of links that write what several providers know. They always run, and ask for each provider.
const PurposeOfProvider = "provider"

// denyAll stands among the refused categories for all of them: the collector writes it for a statement that names none.
const denyAll = "*"

// policy is Purposes, ready to be asked. Purposes are bits in the order of names.
type policy struct {
	names []string
	// categories are the purposes that rest on a category, by its folded name.
	categories                map[string]uint64
	enabled, consent, missing uint64
}

func newPolicy(p Purposes) *policy {
	all := p.named()
	o := &policy{names: slices.Sorted(maps.Keys(all)), categories: map[string]uint64{}}
	for i, name := range o.names {
		purpose, bit := all[name], uint64(1)<<i
		if purpose.Enabled {
			o.enabled |= bit
		}
		if len(purpose.Consent) > 0 {
			o.consent |= bit
		}
		if purpose.Unstated != allowUnstated {
			o.missing |= bit
		}
		for _, category := range purpose.Consent {
			o.categories[fold(category)] |= bit
		}
	}
	return o
}

// bit of a purpose; 0 when there is no such purpose.
func (o *policy) bit(purpose string) uint64 {
	if i := slices.Index(o.names, purpose); i >= 0 {
		return 1 << i
	}
	return 0
}

// askFor weighs the event's own statement, and what its customer is known to have said: without one of the event, or since it happened.
func (o *policy) askFor(event *schemas.IdentifiedTouchpoint, known *attributes.Known) Permissions {
	permissions := o.ask(event, known.LastConsent())
	if last := known.LastConsent(); last != nil && event.Consent.Valid && known.ConsentAt > event.OccurredAt {
		// The event was on its way meanwhile. What was taken back since is not used any more.
		permissions.denied |= o.denied(last)
	}
	return permissions
}

// ask weighs one statement: the event's own, else the customer's last.
func (o *policy) ask(event *schemas.IdentifiedTouchpoint, last *schemas.Consent) Permissions {
	said := last
	if event.Consent.Valid {
		said = &event.Consent.Value
	}
	if said == nil {
		return Permissions{policy: o, disabled: ^o.enabled, missing: o.missing & o.consent}
	}
	return Permissions{policy: o, disabled: ^o.enabled, denied: o.denied(said)}
}

// denied are the purposes that a statement refuses.
func (o *policy) denied(said *schemas.Consent) uint64 {
	var granted, denied uint64
	for _, category := range said.Granted {
		granted |= o.purposesOf(category)
	}
	for _, category := range said.Denied {
		if category == denyAll {
			denied = o.consent
		}
		denied |= o.purposesOf(category)
	}
	// What is granted and refused is refused; so is what a statement does not mention.
	return (denied | ^granted) & o.consent
}

// brief is a statement without the categories that no purpose rests on, each once.
func (o *policy) brief(said *schemas.Consent) *schemas.Consent {
	counts := func(names []string) (kept []string) {
		for _, name := range names {
			if folded := fold(name); (folded == denyAll || o.categories[folded] != 0) && !slices.Contains(kept, folded) {
				kept = append(kept, folded)
			}
		}
		return kept
	}
	return &schemas.Consent{Granted: counts(said.Granted), Denied: counts(said.Denied)}
}

// purposesOf are the purposes that rest on a category of a statement.
func (o *policy) purposesOf(category string) uint64 {
	if purposes, ok := o.categories[category]; ok {
		return purposes
	}
	var short [64]byte
	if len(category) > len(short) {
		return o.categories[fold(category)]
	}
	for i := range len(category) {
		c := category[i]
		if c >= 0x80 || c <= ' ' {
			return o.categories[fold(category)]
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		short[i] = c
	}
	return o.categories[string(short[:len(category)])]
}

func fold(category string) string { return strings.ToLower(strings.TrimSpace(category)) }

// Permissions are what may be done with one event. The zero value permits nothing.
type Permissions struct {
	policy                    *policy
	disabled, denied, missing uint64
}

// Refusal says why a purpose may not be served: purpose_disabled, consent_denied or consent_missing. It is empty when it may.
func (p *Permissions) Refusal(purpose string) string {
	if p.policy == nil {
		return reasonDisabled
	}
	return p.refusal(p.policy.bit(purpose))
}

// tightened tells whether what was said refuses a purpose that would be allowed had nothing been said.
func (p *Permissions) tightened() bool {
	return p.policy != nil && p.denied&p.policy.enabled&^p.policy.missing != 0
}

func (p *Permissions) refusal(bit uint64) string {
	switch {
	case bit == 0 || p.disabled&bit != 0:
		return reasonDisabled
	case p.denied&bit != 0:
		return reasonDenied
	case p.missing&bit != 0:
		return reasonMissing
	}
	return ""
}

var errNoPurpose = errors.New("no such purpose is configured; add it under enricher.purposes.others")
