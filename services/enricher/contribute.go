package enricher

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	known "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/attributes"
	"github.com/valyala/fastjson"
)

// people knows what was known of the person of an event, and learns from it. It is for the goroutine that enriches. Nil knows nobody.
type people struct {
	store *attributes.Store
	names map[string]string
	// iris are the folded names of the properties that hold an IRIS.
	iris   []string
	facts  attributes.Facts
	parser fastjson.Parser
	folded []byte
}

// openPeople opens the store; the topics must exist.
func openPeople(ctx context.Context, cfg Config, p service.Platform) (*people, error) {
	store, err := attributes.Open(ctx, attributes.Options{
		Config: cfg.Customer.Store, Dir: cfg.DataDir, Workspace: p.Workspace, Rules: cfg.Customer.rules(p.Workspace.SourcePriorities),
		Kafka: p.Kafka, Registry: p.Registry, Log: p.Log, Metrics: p.Metrics,
	})
	if err != nil {
		return nil, err
	}
	return newPeople(store, cfg.Customer), nil
}

func newPeople(store *attributes.Store, cfg CustomerConfig) *people {
	p := &people{store: store, names: cfg.facts()}
	for _, name := range cfg.IRIS {
		p.iris = append(p.iris, foldName(name))
	}
	return p
}

// wait returns once the store has what the topics held; the service is not ready before.
func (p *people) wait(ctx context.Context, ready *service.Readiness, part string) error {
	return p.store.Wait(ctx, func(missing int64) {
		ready.Set(part, false, fmt.Sprintf("reading what is known of people, %d records are missing", missing))
	})
}

// peopleReads are the paths of the event that people look at.
var peopleReads = []string{
	"anchor", "anchor_type", "customer_id", "iv", "identifiers", "type", "name", "source", "channel", "occurred_at", "person.gender", "person.birth_date",
	"person.postal_code", "person.city", "person.country", "consent", "traits", "properties", "commerce.order_id", "commerce.business_date", "context.store",
}

// stateError marks a fault of the store: not the event's, so the batch has to be tried again.
type stateError struct{ cause error }

func (e *stateError) Error() string { return "ask what is known of people: " + e.cause.Error() }
func (e *stateError) Unwrap() error { return e.cause }

// meet is what is known of the person of the event; nil when nothing is.
func (p *people) meet(event *schemas.IdentifiedTouchpoint) (*attributes.Known, error) {
	if p == nil || event.Anchor == uuid.Nil {
		return nil, nil //nolint:nilnil // Nothing is known.
	}
	k, err := p.store.Of(attributes.WhoOf(event), event.OccurredAt)
	if err != nil {
		return nil, &stateError{err}
	}
	return k, nil
}

// learn keeps what the enriched event says of its person, and tells whether it says anything new. Bots are nobody. Of an event whose consent forbids
// analytics only the statement itself is kept.
func (p *people) learn(event *schemas.EnrichedTouchpoint, added *Suffix) (news bool, err error) {
	if p == nil || event.Anchor == uuid.Nil || event.Device.Valid && event.Device.Value.IsBot {
		return false, nil
	}
	p.facts.Reset(event.Source, event.OccurredAt)
	if added.Permissions.Refusal(purposeAnalytics) == "" {
		p.person(event)
		p.traits(event.Traits, p.names)
		if hasIRIS(event.Properties) {
			p.properties(event.Properties)
		}
		p.order(event)
	}
	if event.Consent.Valid && p.isPersonal(event, added) && !saidLately(added.Known, event) {
		if err := p.consent(&event.Consent.Value, added.Permissions.policy); err != nil {
			return false, err
		}
	}
	if p.facts.Empty() {
		return false, nil
	}
	if news, err = p.store.Contribute(attributes.WhoOf(&event.IdentifiedTouchpoint), &p.facts); err != nil {
		return false, &stateError{err}
	}
	return news, nil
}

// consent takes a statement: of one that is too long what purposes rest on, and if that is too long as well a refusal of everything.
func (p *people) consent(said *schemas.Consent, o *policy) error {
	added, err := p.facts.AddConsent(said)
	if !added && err == nil {
		added, err = p.facts.AddConsent(o.brief(said))
	}
	if !added && err == nil {
		_, err = p.facts.AddConsent(&schemas.Consent{Denied: []string{denyAll}})
	}
	return err
}

// person takes what the person stated, and what the chain made of it.
func (p *people) person(event *schemas.EnrichedTouchpoint) {
	if !event.Person.Valid {
		return
	}
	stated := &event.Person.Value
	if stated.BirthDate.Valid {
		p.facts.Add(attributes.FactBirthMonth, known.String, attributes.BirthMonthOf(stated.BirthDate.Value.Time()))
	}
	if event.Profile.Valid {
		p.facts.Add(attributes.FactGender, known.String, event.Profile.Value.Gender)
	}
	if stated.PostalCode == "" && stated.City == "" {
		return
	}
	country, postalCode, commune := stated.Country, asPostcode(stated.PostalCode), ""
	if home := &event.Home.Value; event.Home.Valid && home.Basis == basisEvent {
		country, commune = cmp.Or(home.Country, country), home.CommuneCode
		postalCode = cmp.Or(home.PostalCode, postalCode)
	}
	if postalCode != "" || commune != "" {
		p.facts.AddAddress(country, postalCode, commune)
	}
}

// asPostcode is what was typed as a postcode if it can be one: people type streets and names there, too, and these are not kept.
func asPostcode(typed string) string {
	const longest = 12
	typed = strings.TrimSpace(typed)
	if len(typed) > longest || !strings.ContainsAny(typed, "0123456789") {
		return ""
	}
	return typed
}

// traits takes the configured ones from a JSON object. What is no JSON stands for nothing.
func (p *people) traits(text string, names map[string]string) {
	if text == "" || len(names) == 0 {
		return
	}
	parsed, err := p.parser.Parse(text)
	if err != nil {
		return
	}
	object, err := parsed.Object()
	if err != nil {
		return
	}
	object.Visit(func(key []byte, v *fastjson.Value) {
		fact := names[string(p.fold(key))]
		if fact == "" {
			return
		}
		switch v.Type() {
		case fastjson.TypeNull:
			p.facts.TakeBack(fact)
		case fastjson.TypeTrue, fastjson.TypeFalse:
			p.typed(fact, known.Boolean, v.String())
		case fastjson.TypeNumber:
			p.typed(fact, known.Number, v.String())
		case fastjson.TypeString:
			if text := strings.TrimSpace(string(v.GetStringBytes())); text == "" {
				p.facts.TakeBack(fact)
			} else {
				p.typed(fact, known.String, text)
			}
		}
	})
}

// typed adds a value as it is kept. What has no place of its own as a trait is text; a number that is none of ours is too.
func (p *people) typed(fact, typ, text string) {
	if !strings.HasPrefix(fact, attributes.TraitPrefix) {
		typ = known.String
	}
	parsed, err := known.Parse(typ, text)
	if err != nil {
		if typ, parsed = known.String, ""; len(text) <= known.MaxText {
			parsed = text
		}
	}
	p.facts.Add(fact, typ, parsed)
}

// fold is foldName without memory of its own.
func (p *people) fold(key []byte) []byte {
	p.folded = p.folded[:0]
	for _, c := range key {
		switch {
		case c == '_' || c == '-' || c == ' ':
		case 'A' <= c && c <= 'Z':
			p.folded = append(p.folded, c+'a'-'A')
		case c >= 0x80:
			return append(p.folded[:0], foldName(string(key))...)
		default:
			p.folded = append(p.folded, c)
		}
	}
	return p.folded
}

// hasIRIS spares most events a look at their properties.
func hasIRIS(properties string) bool {
	return strings.Contains(properties, "iris") || strings.Contains(properties, "IRIS") || strings.Contains(properties, "Iris")
}

func (p *people) properties(text string) {
	names := map[string]string{}
	for _, name := range p.iris {
		names[name] = attributes.FactIRIS
	}
	p.traits(text, names)
}

// order takes the order that the event placed: those that the warehouse counts, by the keys that it gives them.
func (p *people) order(event *schemas.EnrichedTouchpoint) {
	if event.Type != "track" || event.Name != "Order Completed" && event.Name != "Completed Order" {
		return
	}
	at, number := &event.Context.Store, event.Commerce.Value.OrderID
	var hash int64
	switch {
	case number == "" && at.ReceiptID == "":
		return
	case number == "":
		hash = p.store.OrderHash("ticket", at.StoreID, at.RegisterID, dayOf(event).Format(time.DateOnly), at.ReceiptID)
	case event.Channel == channelStore:
		hash = p.store.OrderHash("store", at.StoreID, number)
	default:
		hash = p.store.OrderHash("remote", number)
	}
	p.facts.Order = schemas.Some(hash)
}

// dayOf is the till's accounting day, else the local one, else that of UTC.
func dayOf(event *schemas.EnrichedTouchpoint) time.Time {
	switch {
	case event.Commerce.Valid && event.Commerce.Value.BusinessDate.Valid:
		return event.Commerce.Value.BusinessDate.Value.Time()
	case event.Calendar.Valid:
		return event.Calendar.Value.LocalDate.Time()
	}
	return event.OccurredAt.Time()
}

// impersonal are the anchors of visitors of whom nobody knows who they are. Of their statements those are kept that refuse what nobody who says nothing
// is refused; the others stand on their events.
var impersonal = []string{"anonymous_id", "device_id", "till_record"}

func (p *people) isPersonal(event *schemas.EnrichedTouchpoint, added *Suffix) bool {
	return added.Known != nil || !p.facts.Empty() || added.Permissions.tightened() || event.CustomerID != event.Anchor || !slices.Contains(impersonal, event.AnchorType)
}

// How old a statement may be that is not kept again when it is repeated. Until it is, what another source granted in between and
// delivers late would win, so a refusal is kept again soon.
const (
	grantHolds   = schemas.Millis(time.Hour / time.Millisecond)
	refusalHolds = schemas.Millis(time.Minute / time.Millisecond)
)

// saidLately tells whether the last statement of the customer is the same and hardly older.
func saidLately(k *attributes.Known, event *schemas.EnrichedTouchpoint) bool {
	if k == nil || k.Consent == nil {
		return false
	}
	holds := grantHolds
	if len(k.Consent.Denied) > 0 || len(k.Consent.Granted) == 0 {
		holds = refusalHolds
	}
	age := event.OccurredAt - k.ConsentAt
	return age >= 0 && age < holds &&
		sameNames(k.Consent.Granted, event.Consent.Value.Granted) && sameNames(k.Consent.Denied, event.Consent.Value.Denied)
}

// sameNames compares lists whatever their order; names stand in them once.
func sameNames(a, b []string) bool {
	return len(a) == len(b) && !slices.ContainsFunc(b, func(name string) bool { return !slices.Contains(a, name) })
}

// records are those to be written with the batch.
func (p *people) records() []*stream.Record {
	if p == nil {
		return nil
	}
	return p.store.Take()
}

// written tells that Kafka has them.
func (p *people) written(records []*stream.Record) {
	if p != nil {
		p.store.Written(records)
	}
}
