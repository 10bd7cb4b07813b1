package enricher

import (
	"fmt"
	"strings"

	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/services/enricher/attributes"

	known "github.com/parcours-cdp/parcours/internal/attributes"
)

// CustomerConfig says what is kept of customers for their later events.
type CustomerConfig struct {
	// LoyaltyTier are the names of traits that hold the tier of the loyalty programme. Case, spaces, - and _ do not matter, here and below.
	LoyaltyTier []string `koanf:"loyalty_tier"`
	// IRIS are the names of traits and properties that hold the code of the IRIS where the customer lives.
	IRIS []string `koanf:"iris"`
	// Traits are other traits that later events carry on, under these names.
	Traits []string `koanf:"traits"`
	// Store bounds its memory.
	Store attributes.Config `koanf:"store"`
}

// DefaultCustomerConfig takes the usual names.
func DefaultCustomerConfig() CustomerConfig {
	return CustomerConfig{
		LoyaltyTier: []string{"loyalty_tier", "tier", "loyalty_status", "fidelity_tier", "statut_fidelite", "niveau_fidelite"},
		IRIS:        []string{"iris", "iris_code", "code_iris"},
		Traits:      []string{"segment", "customer_segment", "favorite_store", "vip"},
		Store:       attributes.DefaultConfig(),
	}
}

// Validate names the field that is wrong, its value and what to do.
func (c CustomerConfig) Validate() error {
	seen := map[string]string{}
	for _, list := range []struct {
		key   string
		names []string
	}{{"loyalty_tier", c.LoyaltyTier}, {"iris", c.IRIS}, {"traits", c.Traits}} {
		for i, name := range list.names {
			at := fmt.Sprintf("%s[%d]", list.key, i)
			if err := known.ValidName(name); err != nil {
				return fmt.Errorf("%s: %w", at, err)
			}
			if before, taken := seen[foldName(name)]; taken {
				return fmt.Errorf("%s is %q, which %s has already: name it once", at, name, before)
			}
			seen[foldName(name)] = at
		}
	}
	if err := c.Store.Validate(); err != nil {
		return fmt.Errorf("store.%w", err)
	}
	return nil
}

// foldName makes loyaltyTier, Loyalty Tier and loyalty_tier one.
func foldName(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}

// facts are the names of facts by the folded names of traits.
func (c CustomerConfig) facts() map[string]string {
	names := map[string]string{}
	for _, name := range c.LoyaltyTier {
		names[foldName(name)] = attributes.FactLoyaltyTier
	}
	for _, name := range c.IRIS {
		names[foldName(name)] = attributes.FactIRIS
	}
	for _, name := range c.Traits {
		names[foldName(name)] = attributes.TraitPrefix + name
	}
	return names
}

// rules are those of the workspace. What they say of a trait holds for the fact that is made of it.
func (c CustomerConfig) rules(priorities []workspace.SourcePriority) attributes.Rules {
	type place struct{ source, field string }
	all, has := append([]workspace.SourcePriority(nil), priorities...), map[place]bool{}
	for _, p := range priorities {
		has[place{p.Source, p.Field}] = true
	}
	facts := c.facts()
	for _, p := range priorities {
		fact := facts[foldName(p.Field)]
		if (fact == attributes.FactLoyaltyTier || fact == attributes.FactIRIS) && !has[place{p.Source, fact}] {
			has[place{p.Source, fact}] = true
			p.Field = fact
			all = append(all, p)
		}
	}
	return attributes.NewRules(all)
}
