package sink

import "github.com/parcours-cdp/parcours/internal/warehouse"

// retentions say which tables keep rows for how long, and from which of their times. The identity graph has none: its
// nodes are keyed hashes, events are resolved by them for as long as there are any, and parcours squash and erasure
// take them away.
func (c Config) retentions() []warehouse.Retention {
	return []warehouse.Retention{
		{Table: "events", Column: "received_at", Months: c.EventMonths},
		{Table: "rejected_events", Column: "rejected_at", Months: c.RejectedMonths},
		{Table: "identity_audit", Column: "at", Months: c.AuditMonths},
		{Table: "identifier_sightings", Column: "last_seen", Months: c.SightingMonths},
		// A value that is stated again is a newer row of the same key, and lives from then on.
		{Table: "contacts", Column: "received_at", Months: c.ContactMonths},
		{Table: "traits", Column: "received_at", Months: c.TraitMonths},
		// So does an attribute; what a provider limits itself ends with valid_until for whoever reads customer_attributes.
		{Table: "attributes", Column: "updated_at", Months: c.AttributeMonths},
	}
}

// months are the retention policy's keys.
func (c Config) months() []bounded {
	const century = 1200
	return []bounded{
		{"event_months", c.EventMonths, 1, century},
		{"rejected_months", c.RejectedMonths, 1, century},
		{"audit_months", c.AuditMonths, 1, century},
		{"sighting_months", c.SightingMonths, 1, century},
		{"contact_months", c.ContactMonths, 1, century},
		{"trait_months", c.TraitMonths, 1, century},
		{"attribute_months", c.AttributeMonths, 1, century},
	}
}
