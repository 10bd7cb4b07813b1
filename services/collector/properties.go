package collector

import (
	"strconv"
	"unsafe"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/collector/jsonindex"
)

// liftProperties moves the typed properties of a call into the touchpoint, in one pass: contact fields
// and the till's in any call, those of the event's shape in a track call.
func (d *draft) liftProperties(properties jsonindex.Value, event knownEvent) {
	t := &d.touchpoint
	if event.shape == shapeProduct {
		t.Commerce.Value.Items = append(t.Commerce.Value.Items, schemas.Item{})
	}
	for m := properties.Members(); m.More(); m = m.Next() {
		var buf [maxFolded + 1]byte
		folded := fold(m.Key(), &buf)
		if typed, ok := contactFields.at(folded); ok {
			d.liftContact(folded, m, typed)
			continue
		}
		if d.liftPostal(folded, m) {
			continue
		}
		if took, _ := storeFields.take(folded, m, &t.Context.Store); took || t.Type != "track" {
			continue
		}
		if reason := d.liftTyped(folded, m, event); reason != "" {
			d.reject(reason, "properties."+m.Key())
		}
	}
	d.completeShape(event)
}

// liftTyped moves one property of a track call. In an event of the vocabulary a number that is none is an
// error of the sender; in an event of the sender's own making it is just a property with a familiar name.
func (d *draft) liftTyped(folded []byte, m jsonindex.Member, event knownEvent) Reason {
	commerce, feedback := &d.touchpoint.Commerce, &d.touchpoint.Feedback
	switch event.shape {
	case shapeOther:
		if took, _ := customFields.take(folded, m, &commerce.Value); took {
			commerce.Valid = true
		}
		return ""
	case shapeReview:
		_, reason := reviewFields.take(folded, m, &feedback.Value)
		return reason
	case shapeSurvey:
		_, reason := surveyFields.take(folded, m, &feedback.Value)
		return reason
	case shapeProduct:
		if took, reason := itemFields.take(folded, m, &commerce.Value.Items[0]); took || reason != "" {
			return reason
		}
	case shapeList:
		if took, reason := listFields.take(folded, m, &commerce.Value); took || reason != "" {
			return reason
		}
	}
	own := 0 // the item of the event's own product
	if event.shape == shapeProduct {
		own = 1
	}
	// Of two spellings of a list the first is taken: lines are not counted twice.
	switch name := string(folded); {
	case name == "products" && len(commerce.Value.Items) == own:
		liftList(d, m, d.item)
	case name == "tender" && len(commerce.Value.Tender) == 0:
		liftList(d, m, d.tender)
	case name == "recipient" && event.share:
		m.Lift() // somebody else's address, which that person never gave us
	default:
		_, reason := commerceFields.take(folded, m, &commerce.Value)
		return reason
	}
	return ""
}

// completeShape fills in what follows from the event's name.
func (d *draft) completeShape(event knownEvent) {
	commerce, feedback := &d.touchpoint.Commerce, &d.touchpoint.Feedback
	switch event.shape {
	case shapeOther:
	case shapeReview, shapeSurvey:
		feedback.Valid = true
		if feedback.Value.Kind == "" {
			feedback.Value.Kind = event.kind
		}
		if !feedback.Value.Scale.Valid && event.scale > 0 {
			feedback.Value.Scale = schemas.Some(schemas.Decimal(event.scale * 10_000))
		}
	default:
		commerce.Valid = true
		if items := commerce.Value.Items; event.shape == shapeProduct && items[0] == (schemas.Item{}) {
			commerce.Value.Items = items[1:]
		}
	}
}

func liftList(d *draft, m jsonindex.Member, each func(v jsonindex.Value)) {
	switch m.Value().Kind() {
	case jsonindex.Null:
		m.Lift()
		return
	case jsonindex.Array:
	default:
		d.reject(ReasonInvalidType, "properties."+m.Key())
		return
	}
	if m.Value().Len() == 0 {
		m.Lift()
		return
	}
	m.Touch()
	place := 0
	for i := m.Value().Items(); i.More(); i = i.Next() {
		before := d.rejection
		if i.Value().Kind() != jsonindex.Object {
			d.reject(ReasonInvalidType, "")
		} else {
			each(i.Value())
		}
		if d.rejection != before {
			d.rejection.Field = "properties." + m.Key() + "[" + strconv.Itoa(place) + "]" + d.rejection.Field
			return
		}
		place++
	}
}

// item reads one product line.
func (d *draft) item(v jsonindex.Value) {
	items := append(d.touchpoint.Commerce.Value.Items, schemas.Item{})
	d.touchpoint.Commerce.Value.Items = items
	if _, wrong, reason := itemFields.lift(v, &items[len(items)-1], true); reason != "" {
		d.reject(reason, "."+wrong.Key())
	}
}

// tender reads one means of payment; its token is an identifier.
func (d *draft) tender(v jsonindex.Value) {
	tenders := append(d.touchpoint.Commerce.Value.Tender, schemas.Tender{})
	tender := &tenders[len(tenders)-1]
	if _, wrong, reason := tenderFields.lift(v, tender, true); reason != "" {
		d.reject(reason, "."+wrong.Key())
	}
	if identifier.IsCardNumber(tender.Reference) {
		tender.Reference = "" // never kept, wherever it came from
	}
	d.touchpoint.Commerce.Value.Tender = tenders
	d.identify(paymentReferenceType, tender.Reference)
}

// liftPageProperties takes the page as the call describes it, over what the context says of it.
func (d *draft) liftPageProperties(properties jsonindex.Value) {
	t := &d.touchpoint
	page := &t.Context.Page
	for m := properties.Members(); m.More(); m = m.Next() {
		if m.Lifted() {
			continue
		}
		switch m.Key() {
		case "name":
			liftText(m, &t.Name)
		case "category":
			liftText(m, &page.Category)
		case "url", "path", "title", "referrer", "search":
			if m.Value().Kind() == jsonindex.String {
				*pageKeys[m.Key()].text(page) = m.Value().Text()
				m.Lift()
			}
		}
	}
}

// keepRest writes what no typed field took, as it was sent: properties with what is left of the context
// under the name context, and traits with those of the context.
func (d *draft) keepRest(properties, traits, context jsonindex.Value) {
	t := &d.touchpoint
	d.properties = append(d.properties, '{')
	d.properties = jsonindex.AppendMembers(d.properties, properties)
	before := len(d.properties)
	if before > 1 {
		d.properties = append(d.properties, ',')
	}
	d.properties = append(appendFreeKey(d.properties, properties, "context"), ':')
	rest := len(d.properties)
	if d.properties = jsonindex.AppendRest(d.properties, context); len(d.properties) == rest {
		d.properties = d.properties[:before]
	}
	if len(d.properties) > 1 {
		d.properties = append(d.properties, '}')
		t.Properties = alias(d.properties)
	}

	older := context.Get("traits")
	d.traits = append(d.traits, '{')
	d.traits = jsonindex.AppendMembers(d.traits, traits)
	d.traits = appendOlder(d.traits, traits, older)
	if len(d.traits) > 1 {
		d.traits = append(d.traits, '}')
		t.Traits = alias(d.traits)
	}
}

// appendOlder adds the members of older that traits does not have.
func appendOlder(dst []byte, traits, older jsonindex.Value) []byte {
	if traits.Kind() == jsonindex.Object {
		for m := older.Members(); m.More(); m = m.Next() {
			if traits.Get(m.Key()).Kind() != jsonindex.Missing {
				m.Lift()
			}
		}
	}
	before := len(dst)
	if before > 1 {
		dst = append(dst, ',')
	}
	rest := len(dst)
	if dst = jsonindex.AppendMembers(dst, older); len(dst) == rest {
		dst = dst[:before]
	}
	return dst
}

// appendFreeKey writes a key that the object does not have.
func appendFreeKey(dst []byte, object jsonindex.Value, key string) []byte {
	for object.Get(key).Kind() != jsonindex.Missing {
		key += "_"
	}
	return append(append(append(dst, '"'), key...), '"')
}

// alias turns bytes that stay as they are until the next event into a string without a copy.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
