package collector

import (
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/collector/jsonindex"
)

// Clear personal data has one home: what these tables know leaves properties and traits, also when the
// person already has another value in that field.

// contactFields are what is taken from the properties of any event.
var contactFields = table(contactKeys)

var contactKeys = map[string]field[schemas.Person]{
	"email":             text(func(p *schemas.Person) *string { return &p.Email }),
	"emailaddress":      text(func(p *schemas.Person) *string { return &p.Email }),
	"phone":             text(func(p *schemas.Person) *string { return &p.Phone }),
	"phonenumber":       text(func(p *schemas.Person) *string { return &p.Phone }),
	"mobile":            text(func(p *schemas.Person) *string { return &p.Phone }),
	"mobilephone":       text(func(p *schemas.Person) *string { return &p.Phone }),
	"loyaltycard":       text(func(p *schemas.Person) *string { return &p.LoyaltyCard }),
	"loyaltyid":         text(func(p *schemas.Person) *string { return &p.LoyaltyCard }),
	"loyaltynumber":     text(func(p *schemas.Person) *string { return &p.LoyaltyCard }),
	"loyaltycardid":     text(func(p *schemas.Person) *string { return &p.LoyaltyCard }),
	"loyaltycardnumber": text(func(p *schemas.Person) *string { return &p.LoyaltyCard }),
	"civility":          text(func(p *schemas.Person) *string { return &p.Civility }),
	"salutation":        text(func(p *schemas.Person) *string { return &p.Civility }),
	"firstname":         text(func(p *schemas.Person) *string { return &p.FirstName }),
	"lastname":          text(func(p *schemas.Person) *string { return &p.LastName }),
	"birthday":          date(func(p *schemas.Person) *schemas.Optional[schemas.Date] { return &p.BirthDate }),
	"birthdate":         date(func(p *schemas.Person) *schemas.Optional[schemas.Date] { return &p.BirthDate }),
	"dateofbirth":       date(func(p *schemas.Person) *schemas.Optional[schemas.Date] { return &p.BirthDate }),
}

// traitFields are what is taken from the traits of a person.
var traitFields = table(with(contactKeys, addressKeys, map[string]field[schemas.Person]{
	"name":    text(func(p *schemas.Person) *string { return &p.FullName }),
	"gender":  text(func(p *schemas.Person) *string { return &p.Gender }),
	"title":   text(func(p *schemas.Person) *string { return &p.Title }),
	"company": text(func(p *schemas.Person) *string { return &p.Company }),
	"address": text(func(p *schemas.Person) *string { return &p.Street }),
}))

// addressFields are what is taken from an address.
var addressFields = table(addressKeys)

var addressKeys = map[string]field[schemas.Person]{
	"street":     text(func(p *schemas.Person) *string { return &p.Street }),
	"line1":      text(func(p *schemas.Person) *string { return &p.Street }),
	"address1":   text(func(p *schemas.Person) *string { return &p.Street }),
	"postalcode": text(func(p *schemas.Person) *string { return &p.PostalCode }),
	"postcode":   text(func(p *schemas.Person) *string { return &p.PostalCode }),
	"zip":        text(func(p *schemas.Person) *string { return &p.PostalCode }),
	"zipcode":    text(func(p *schemas.Person) *string { return &p.PostalCode }),
	"city":       text(func(p *schemas.Person) *string { return &p.City }),
	"state":      text(func(p *schemas.Person) *string { return &p.Region }),
	"region":     text(func(p *schemas.Person) *string { return &p.Region }),
	"country":    text(func(p *schemas.Person) *string { return &p.Country }),
}

// companyFields are what is taken from a company that is an object.
var companyFields = table(map[string]field[schemas.Person]{
	"name": text(func(p *schemas.Person) *string { return &p.Company }),
})

func with(maps ...map[string]field[schemas.Person]) map[string]field[schemas.Person] {
	all := make(map[string]field[schemas.Person])
	for _, m := range maps {
		for key, typed := range m {
			all[key] = typed
		}
	}
	return all
}

// liftPerson moves what the table knows into the person.
func (d *draft) liftPerson(object jsonindex.Value, known *fields[schemas.Person]) {
	for m := object.Members(); m.More(); m = m.Next() {
		if m.Lifted() {
			continue
		}
		var buf [maxFolded + 1]byte
		folded := fold(m.Key(), &buf)
		if typed, ok := known.at(folded); ok {
			d.liftContact(folded, m, typed)
		}
	}
}

// liftContact moves one member into the person, each of a list of them. What is neither stays.
func (d *draft) liftContact(folded []byte, m jsonindex.Member, typed field[schemas.Person]) {
	if m.Value().Kind() == jsonindex.Object {
		d.liftPersonObject(folded, m)
		return
	}
	if m.Value().Kind() != jsonindex.Array {
		if d.contact(m.Value(), typed) {
			m.Lift()
		}
		return
	}
	all := true
	for i := m.Value().Items(); i.More(); i = i.Next() {
		all = d.contact(i.Value(), typed) && all
	}
	if all {
		m.Lift()
	}
}

// contact takes one value, or reports that it is none. Where the person has another one already, that one
// stays and the new one leaves the JSON all the same; an e-mail, a telephone number or a card is an
// identifier of the event even then.
func (d *draft) contact(v jsonindex.Value, typed field[schemas.Person]) bool {
	alone, person := &d.alone, &d.touchpoint.Person
	*alone = schemas.Person{}
	if result, _ := typed.set(alone, v); result != taken {
		return false
	}
	if *alone == (schemas.Person{}) {
		return true // null or empty
	}
	d.identify(emailType, alone.Email)
	d.identify(phoneType, alone.Phone)
	d.identify(loyaltyCardType, alone.LoyaltyCard)
	person.Valid = true
	if typed.date != nil {
		if at := typed.date(&person.Value); !at.Valid {
			*at = *typed.date(alone)
		}
	} else if at := typed.text(&person.Value); *at == "" {
		*at = *typed.text(alone)
	}
	return true
}

// liftPostal takes the address that an order is billed or sent to. It is the person's unless they have
// another one; whose name, telephone or e-mail it holds is not said, so these identify nobody and are not
// kept: who receives a present never gave them to us.
func (d *draft) liftPostal(folded []byte, m jsonindex.Member) bool {
	switch string(folded) {
	case "billingaddress", "shippingaddress", "deliveryaddress":
	default:
		return false
	}
	if m.Value().Kind() != jsonindex.Object {
		m.Lift() // a whole address in one text
		return true
	}
	d.liftPerson(m.Value(), addressFields)
	for inner := m.Value().Members(); inner.More(); inner = inner.Next() {
		var buf [maxFolded + 1]byte
		if _, personal := traitFields.at(fold(inner.Key(), &buf)); personal && !inner.Lifted() {
			inner.Lift()
		}
	}
	m.Touch()
	return true
}

// liftPersonObject takes an address or a company that is an object; other objects stay.
func (d *draft) liftPersonObject(folded []byte, m jsonindex.Member) {
	switch string(folded) {
	case "address":
		d.liftPerson(m.Value(), addressFields)
		m.Touch()
	case "company":
		d.liftPerson(m.Value(), companyFields)
		m.Touch()
	}
}
