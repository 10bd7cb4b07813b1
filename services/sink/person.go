package sink

import (
	"hash/fnv"
	"strconv"

	"github.com/parcours-cdp/parcours/schemas"
	"github.com/valyala/fastjson"
)

// personTexts are the columns of contacts that are texts, in the order that contentOf hashes them.
func personTexts(p *schemas.Person) []struct {
	name string
	at   *string
	word bool
} {
	return []struct {
		name string
		at   *string
		word bool
	}{
		{"user_id", &p.UserID, false},
		{"loyalty_card", &p.LoyaltyCard, false},
		{"email", &p.Email, false},
		{"phone", &p.Phone, false},
		{"civility", &p.Civility, true},
		{"first_name", &p.FirstName, false},
		{"last_name", &p.LastName, false},
		{"full_name", &p.FullName, false},
		{"gender", &p.Gender, true},
		{"street", &p.Street, false},
		{"postal_code", &p.PostalCode, false},
		{"city", &p.City, false},
		{"region", &p.Region, false},
		{"country", &p.Country, true},
		{"company", &p.Company, false},
		{"title", &p.Title, false},
	}
}

// newContacts builds the table contacts, the only one that clear values go to.
func newContacts(t *touchpoint) *rows {
	r := newRows("contacts")
	r.words("workspace", &t.Workspace)
	r.uuids("anchor", &t.Anchor)
	r.words("anchor_type", &t.AnchorType)
	r.customer(t)
	r.words("source", &t.Source)
	r.words("channel", &t.Channel)
	r.uint64s("content", &t.content)
	r.uuids("event_id", &t.EventID)
	r.times("occurred_at", &t.OccurredAt)
	r.times("received_at", &t.ReceivedAt)
	for _, column := range personTexts(&t.Person.Value) {
		if column.word {
			r.words(column.name, column.at)
		} else {
			r.text(column.name, column.at)
		}
	}
	r.maybeDates("birth_date", &t.Person.Value.BirthDate)
	r.documents("unknown", &t.unknown)
	r.uint64s("version", &t.version)
	r.origin(&t.lineage)
	return r
}

// contentOf tells sets of values apart, so that a value stated again is no new row.
func contentOf(p *schemas.Person, unknown []byte) uint64 {
	hash := fnv.New64a()
	var scratch []byte
	for _, column := range personTexts(p) {
		scratch = strconv.AppendInt(scratch[:0], int64(len(*column.at)), 10)
		scratch = append(append(scratch, ':'), *column.at...)
		hash.Write(scratch)
	}
	if p.BirthDate.Valid {
		hash.Write(strconv.AppendInt(scratch[:0], int64(p.BirthDate.Value), 10))
	}
	hash.Write(unknown)
	return hash.Sum64()
}

// traitRows builds the table traits: one row for each name of the object.
type traitRows struct {
	*rows
	parser       fastjson.Parser
	field, value string
}

func newTraits(t *touchpoint) *traitRows {
	r := &traitRows{rows: newRows("traits")}
	r.words("workspace", &t.Workspace)
	r.uuids("anchor", &t.Anchor)
	r.customer(t)
	r.words("field", &r.field)
	r.words("source", &t.Source)
	r.text("value", &r.value)
	r.uuids("event_id", &t.EventID)
	r.times("occurred_at", &t.OccurredAt)
	r.times("received_at", &t.ReceivedAt)
	r.uint64s("version", &t.version)
	r.origin(&t.lineage)
	return r
}

// add splits the traits. Those of a group call describe the group and not the customer. A text that is no object makes
// no rows here; the table events refuses it, and so it is quarantined.
func (r *traitRows) add(t *touchpoint) {
	if t.Type == "group" {
		return
	}
	parsed, err := r.parser.Parse(t.Traits)
	if err != nil {
		return
	}
	object, err := parsed.Object()
	if err != nil {
		return
	}
	object.Visit(func(key []byte, value *fastjson.Value) {
		r.field = string(key)
		switch value.Type() {
		case fastjson.TypeString:
			r.value = string(value.GetStringBytes())
		case fastjson.TypeNull:
			r.value = "" // the customer no longer has it
		default:
			r.value = value.String()
		}
		r.rows.add()
	})
}
