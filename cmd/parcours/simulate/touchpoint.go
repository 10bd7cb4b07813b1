package simulate

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/schemas"
)

// channels of the default sources.
var channels = map[string]string{Web: "web", App: "app", Server: "server", POS: "store", CRM: "crm", Care: "call_center", Email: "email", Survey: "survey"}

// eventSpace is the name space of the ids of events whose message id is not a UUID, as the collector has it: an event
// sent by HTTP and by Kafka is the same event.
var eventSpace = uuid.MustParse("0b6a4f0e-95a1-5f0c-8e55-5d1f0b1c7a42")

// touchpoints turns events into the collector's output, for load tests that start at Kafka. It keeps its memory from
// one event to the next.
type touchpoints struct {
	ids       *identifier.Identifiers
	workspace string
	t         schemas.Touchpoint
	text      []byte
}

// touchpoint fills the record that the collector would make of the event; the record is valid until the next call.
func (m *touchpoints) touchpoint(e *Event, received time.Time) *schemas.Touchpoint {
	t := &m.t
	*t = schemas.Touchpoint{
		EventID: m.eventID(e), MessageID: e.MessageID, Workspace: m.workspace, Source: e.Source, Channel: channels[e.Source], Type: e.Type, Name: e.Name,
		OccurredAt: schemas.Millis(e.At), OriginalTimestamp: schemas.Some(schemas.Millis(e.At + e.Clock)),
		SentAt: schemas.Some(schemas.MillisOf(received) + schemas.Millis(e.Clock)), ReceivedAt: schemas.MillisOf(received),
		Identifiers: t.Identifiers[:0],
	}
	region := ""
	if e.Traits != nil {
		region = m.ids.Region(e.Traits.Country, e.Traits.PostalCode)
	}
	for _, id := range e.Identifiers() {
		if prepared, ok := m.ids.Prepare(schemas.Identifier{Type: id.Type, Value: id.Value}, region); ok {
			t.Identifiers = append(t.Identifiers, prepared)
		}
	}
	m.person(e)
	m.context(e)
	if e.Commerce != nil && e.Type == "track" {
		t.Commerce = schemas.Some(commerceOf(e, e.Commerce))
	}
	if f := e.Feedback; f != nil {
		t.Feedback = schemas.Some(schemas.Feedback{
			SurveyID: f.ID, Kind: f.Kind, Question: f.Question, Comment: f.Comment,
			Score: schemas.Some(decimal(f.Score * 100)), Scale: schemas.Some(decimal(f.Scale * 100)),
		})
	}
	if len(e.Extra) > 0 {
		w := writer{m.text[:0]}
		w.open('{')
		for _, p := range e.Extra {
			if p.Text == "" {
				w.number(p.Key, p.Number)
				continue
			}
			w.text(p.Key, p.Text)
		}
		w.shut('}')
		m.text = w.b
		t.Properties = string(w.b)
	}
	return t
}

func (m *touchpoints) eventID(e *Event) schemas.UUID {
	if len(e.MessageID) == 36 {
		if id, err := uuid.Parse(e.MessageID); err == nil {
			return id
		}
	}
	m.text = fmt.Appendf(m.text[:0], "%s\x1f%s\x1f%s", m.workspace, e.Source, e.MessageID)
	return uuid.NewSHA1(eventSpace, m.text)
}

func (m *touchpoints) person(e *Event) {
	p := schemas.Person{UserID: e.UserID}
	if t := e.Traits; t != nil {
		p.Email, p.Phone, p.LoyaltyCard, p.FirstName, p.LastName, p.Gender = t.Email, t.Phone, t.LoyaltyID, t.FirstName, t.LastName, t.Gender
		p.Street, p.PostalCode, p.City, p.Country = t.Street, t.PostalCode, t.City, t.Country
		if born, err := time.Parse(time.DateOnly, t.Birthday); err == nil {
			p.BirthDate = schemas.Some(schemas.DateOf(born.Year(), born.Month(), born.Day()))
		}
		m.traits(t)
	} else if c := e.Commerce; c != nil && c.Receipt != nil {
		p.Email, p.Phone, p.LoyaltyCard = c.Receipt.Email, c.Receipt.Phone, c.Receipt.Loyalty
	}
	if e.Type == "identify" && e.UserID != "" || p != (schemas.Person{UserID: e.UserID}) {
		m.t.Person = schemas.Some(p)
	}
}

func (m *touchpoints) traits(t *Traits) {
	w := writer{m.text[:0]}
	w.open('{')
	w.text("preferred_store", t.Store)
	if t.Newsletter != nil {
		w.flag("newsletter", *t.Newsletter)
	}
	if len(w.b) > 1 {
		w.shut('}')
		m.t.Traits = string(w.b)
	}
	m.text = w.b
}

func (m *touchpoints) context(e *Event) {
	c, into := e.Context, &m.t.Context
	into.Library = schemas.Library{Name: c.Library, Version: c.LibraryVersion}
	into.UserAgent, into.Locale, into.Timezone = c.UserAgent, c.Locale, c.Timezone
	into.Screen = schemas.Screen{Width: int32(c.Width), Height: int32(c.Height)}
	if p := c.Page; p != nil {
		into.Page = schemas.Page{URL: site + p.Path + p.Search, Path: p.Path, Title: p.Title, Referrer: p.Referrer, Search: p.Search}
	}
	into.Page.Category = e.Category
	if n := c.Campaign; n != nil {
		into.Campaign = schemas.Campaign{Name: n.Name, Source: n.Source, Medium: n.Medium, Term: n.Term, Content: n.Content}
	}
	if h := c.Device; h != nil {
		into.App = schemas.App{Name: "Lucioles", Version: c.AppVersion, Build: "8410", Namespace: "example.lucioles.app"}
		into.Device = schemas.DeviceContext{Type: h.os, Manufacturer: h.manufacturer, Model: h.model}
		into.OS = schemas.OperatingSystem{Name: systemNames[h.os], Version: h.version}
	}
	into.Store.StoreID = c.Store
	if e.Commerce != nil && e.Commerce.Receipt != nil {
		r := e.Commerce.Receipt
		into.Store = schemas.Store{StoreID: r.Store, RegisterID: r.Register, ReceiptID: r.Number, CashierID: r.Cashier}
	}
	if c.Consent&consentAnswered != 0 {
		m.t.Consent = schemas.Some(consentOf(c.Consent))
	}
}

func consentOf(bits uint8) schemas.Consent {
	consent := schemas.Consent{Source: "context.consent"}
	for _, purpose := range []struct {
		name string
		bit  uint8
	}{{"Analytics", consentAnalytics}, {"Advertising", consentAdvertising}, {"Personalization", consentPersonalization}} {
		if bits&purpose.bit != 0 {
			consent.Granted = append(consent.Granted, purpose.name)
		} else {
			consent.Denied = append(consent.Denied, purpose.name)
		}
	}
	return consent
}

// decimal turns cents into the schemas' ten-thousandths.
func decimal(cents int) schemas.Decimal { return schemas.Decimal(cents) * 100 }

func commerceOf(e *Event, c *Commerce) schemas.Commerce {
	out := schemas.Commerce{
		OrderID: c.OrderID, CartID: c.CartID, CheckoutID: c.CheckoutID, Coupon: c.Coupon, Query: c.Query, ListID: c.ListID,
		ListCategory: c.Category, PaymentMethod: c.Payment, ShippingMethod: c.Shipping, Reason: c.Reason, PromotionID: c.Promotion,
	}
	if c.Step > 0 {
		out.Step = schemas.Some(int32(c.Step))
	}
	if c.Stated != 0 {
		out.Currency = "EUR"
	}
	if c.Stated&statedValue != 0 {
		out.Value = schemas.Some(decimal(c.Value))
	}
	if c.Stated&statedTotals != 0 {
		out.Total, out.Subtotal, out.Revenue = schemas.Some(decimal(c.Total)), schemas.Some(decimal(c.Subtotal)), schemas.Some(decimal(c.Subtotal))
		out.Tax, out.Shipping = schemas.Some(decimal(c.Tax)), schemas.Some(decimal(c.Fee))
	}
	if c.Discount > 0 && (c.Stated&statedTotals != 0 || e.Name == "Coupon Applied") {
		out.Discount = schemas.Some(decimal(c.Discount))
	}
	for i := range c.Lines {
		l := &c.Lines[i]
		item := schemas.Item{
			ProductID: l.Product.id, SKU: l.sku(), Name: l.Product.name, Category: l.Product.category, Brand: l.Product.brand,
			Variant: l.Product.variants[l.Variant], Price: schemas.Some(decimal(l.Product.price)), Quantity: schemas.Some(decimal(l.Quantity * 100)),
		}
		if l.Position > 0 {
			item.Position = schemas.Some(int32(l.Position))
		}
		out.Items = append(out.Items, item)
	}
	if r := c.Receipt; r != nil {
		out.Affiliation, out.Offline = "Lucioles "+r.Store, schemas.Some(r.Offline)
		if at, err := time.Parse(time.DateOnly, r.Date); err == nil {
			out.BusinessDate = schemas.Some(schemas.DateOf(at.Year(), at.Month(), at.Day()))
		}
		out.Tender = []schemas.Tender{{Type: r.Tender, Amount: schemas.Some(decimal(c.Total)), Reference: r.Token}}
	}
	return out
}

var systemNames = map[string]string{"ios": "iOS", "android": "Android"}
