package workspace

import "fmt"

// SourcePriority says how much a source is believed when several state one field of a customer.
type SourcePriority struct {
	// Source is the emitter, as configured in the collector.
	Source string `koanf:"source"`
	// Field is a trait, or a column of contacts; address is the whole postal address, and * every field that the source has no entry of its own for.
	Field string `koanf:"field"`
	// Priority: the greater one is believed, -1000 to 1000; a source without an entry has 0, and among equals the newest value holds.
	Priority int `koanf:"priority"`
	// FreshDays is the age in days from which a value counts with priority 0, so that newer ones of other sources win; 0 is never.
	FreshDays int `koanf:"fresh_days"`
}

// validatePriorities names the entry that is wrong, and what to do.
func validatePriorities(priorities []SourcePriority) error {
	type key struct{ source, field string }
	seen := make(map[key]bool, len(priorities))
	for i, p := range priorities {
		at := fmt.Sprintf("workspace.source_priorities[%d]", i)
		switch {
		case p.Source == "":
			return fmt.Errorf("%s.source is empty: name an emitter", at)
		case p.Field == "":
			return fmt.Errorf("%s.field is empty: name a trait, a column of contacts, address, or * for every field", at)
		case p.Priority < -1000 || p.Priority > 1000:
			return fmt.Errorf("%s.priority is %d: give -1000 to 1000", at, p.Priority)
		case p.FreshDays < 0 || p.FreshDays > 36_500:
			return fmt.Errorf("%s.fresh_days is %d: give 0 to 36500", at, p.FreshDays)
		case seen[key{p.Source, p.Field}]:
			return fmt.Errorf("%s says again what %s is worth for %s: keep one entry", at, p.Source, p.Field)
		}
		seen[key{p.Source, p.Field}] = true
	}
	return nil
}
