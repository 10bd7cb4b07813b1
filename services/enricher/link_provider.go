package enricher

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/provider"
)

// Reasons of provider.NAME why nobody was asked, or nothing is known. Those of failures are the provider's.
const (
	reasonNoIdentifier = "no_identifier"
	reasonAmbiguous    = "ambiguous_identifier"
	reasonNoArea       = "no_area"
	reasonNotKnown     = "not_known"
)

// bought fills in what a provider knows that is asked over HTTP.
type bought struct {
	provider    *provider.Provider
	name        string
	subject     string
	ids         *identifier.Identifiers
	description Description
}

func newBought(p parts) (Enrichment, error) {
	_, name, _ := strings.Cut(p.name, ".")
	asked := p.lasting.providers.named(name)
	if asked == nil {
		return nil, fmt.Errorf("enricher.providers has no %q: configure it there, or take %s out of enricher.enrichments", name, p.name)
	}
	ids, err := identifier.New(p.identifiers, p.workspace)
	if err != nil {
		return nil, err
	}
	cfg := asked.Config()
	return &bought{provider: asked, name: name, subject: cfg.Subject, ids: ids, description: Description{
		Name: p.name, Version: asked.Version(), Purpose: cfg.Purpose,
		Reads:  []string{"identifiers", "ignored_identifiers", "person"},
		Writes: []string{"attributes"},
	}}, nil
}

func (b *bought) Describe() Description { return b.description }

func (b *bought) Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	// 1. Another instance, or an earlier event, may have asked: then it is known, and nobody is asked.
	if known := knownOf(added, b.name, b.description.Purpose); known != "" && provider.OfPerson(b.subject) {
		added.Attributes = withProvider(added.Attributes, b.name, known)
		return Applied()
	}
	key, reason := b.key(event, added)
	if reason != "" {
		return Skipped(reason)
	}
	// 2. What is remembered, then what cannot be asked now, then the asking.
	answer := b.provider.Find(key)
	if answer == nil {
		answer = b.provider.Closed(key)
	}
	if answer == nil {
		value, reason := b.value(event, key)
		if reason != "" {
			return Skipped(reason)
		}
		if answer = b.provider.Ask(provider.Subject{Key: key, Value: value}); answer == nil {
			return Outcome{Status: statusAsked}
		}
	}
	switch {
	case answer.Reason != "":
		return Failed(answer.Reason)
	case len(answer.Values) == 0:
		return Skipped(reasonNotKnown)
	}
	added.Attributes = withProvider(added.Attributes, b.name, answer.JSON)
	return Applied()
}

// key is the node or the area that is asked for.
func (b *bought) key(event *schemas.IdentifiedTouchpoint, added *Suffix) (key provider.Key, reason string) {
	switch b.subject {
	case provider.Postcode, provider.Commune:
		code := ""
		if added.Home.Valid {
			code = added.Home.Value.CommuneCode
			if b.subject == provider.Postcode {
				code = added.Home.Value.PostalCode
			}
		}
		key, ok := provider.AreaKey(code)
		if !ok {
			return key, reasonNoArea
		}
		return key, ""
	}
	raw := b.raw(event)
	if raw == "" {
		return key, reasonNoIdentifier
	}
	// Identity wrote the node of the identifier into the event, as its erasures have it. Of several the right one is that of the value.
	found := -1
	for i := range event.Identifiers {
		if event.Identifiers[i].Type != b.subject {
			continue
		}
		if found >= 0 {
			return b.ambiguous(event, raw)
		}
		found = i
	}
	if found >= 0 && slices.ContainsFunc(event.IgnoredIdentifiers, func(i schemas.IgnoredIdentifier) bool { return i.Type == b.subject }) {
		return b.ambiguous(event, raw)
	}
	if found < 0 {
		return key, reasonNoIdentifier // Identity did not use it: it is shared, blocked or erased.
	}
	node, err := uuid.Parse(event.Identifiers[found].Value)
	if err != nil {
		return key, reasonNoIdentifier
	}
	return provider.Key(node), ""
}

func (b *bought) ambiguous(event *schemas.IdentifiedTouchpoint, raw string) (key provider.Key, reason string) {
	node, reason := b.ids.Node(b.subject, b.prepared(event, raw))
	if reason != "" {
		return key, reasonNoIdentifier
	}
	for i := range event.Identifiers {
		if event.Identifiers[i].Type == b.subject && event.Identifiers[i].Value == node.String() {
			return provider.Key(node), ""
		}
	}
	return key, reasonAmbiguous
}

// raw is the identifier as it was sent; empty when the event has none in clear.
func (b *bought) raw(event *schemas.IdentifiedTouchpoint) string {
	if !event.Person.Valid {
		return ""
	}
	p := &event.Person.Value
	switch b.subject {
	case provider.Email:
		return p.Email
	case provider.Phone:
		return p.Phone
	case provider.LoyaltyCard:
		return p.LoyaltyCard
	}
	return p.UserID
}

// prepared gives a telephone number its country, as the collector does for the identifier.
func (b *bought) prepared(event *schemas.IdentifiedTouchpoint, raw string) string {
	if b.subject != provider.Phone {
		return raw
	}
	p := &event.Person.Value
	if made, ok := b.ids.Prepare(schemas.Identifier{Type: identifier.Phone, Value: raw}, b.ids.Region(p.Country, p.PostalCode)); ok {
		return made.Value
	}
	return raw
}

// value is what the request says, in memory of its own.
func (b *bought) value(event *schemas.IdentifiedTouchpoint, key provider.Key) (value, reason string) {
	if !provider.OfPerson(b.subject) {
		return strings.TrimRight(string(key[:]), "\x00"), ""
	}
	value, reason = b.ids.Normalise(b.subject, b.prepared(event, b.raw(event)))
	if reason != "" {
		return "", reasonNoIdentifier
	}
	return strings.Clone(value), ""
}
