package simulate

import (
	"encoding/csv"
	"fmt"
	"io"
)

// WriteShops writes the shops of every simulation as the file of shops that the enricher reads: CSV with a line of names.
func WriteShops(out io.Writer) error {
	l, err := readLists()
	if err != nil {
		return err
	}
	w := csv.NewWriter(out)
	lines := [][]string{{"id", "name", "banner", "street", "postal_code", "city", "country", "timezone", "opening_hours"}}
	for i := range l.stores {
		s := &l.stores[i]
		lines = append(lines, []string{s.id, s.name, "Lucioles", s.street, s.postcode, s.city, "FR", s.zone.String(), s.hours()})
	}
	if err := w.WriteAll(lines); err != nil {
		return fmt.Errorf("write shops: %w", err)
	}
	return nil
}

// sundayCloses is when the shops that open on Sunday close then.
const sundayCloses = 13

// hours are the usual opening hours as OpenStreetMap writes them.
func (s *store) hours() string {
	week := fmt.Sprintf("Mo-Sa %02d:00-%02d:00", s.opens, s.closes)
	if s.sunday {
		week += fmt.Sprintf("; Su %02d:00-%02d:00", s.opens, sundayCloses)
	}
	return week
}
