// Package shop knows the retailer's shops from a file of theirs: where each one is and when it is open.
//
// It owns the format of that file and the syntax of opening hours. A directory does not change and is safe for concurrent use.
package shop

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parcours-cdp/parcours/services/enricher/calendar"
	"github.com/parcours-cdp/parcours/services/enricher/place"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// Version names the rules; it changes whenever an answer may change with the same data.
const Version = "shop-1"

// Data is the name of the data set.
const Data = "shops"

// Shop is one shop.
type Shop struct {
	// ID as the tills send it.
	ID           string
	Name, Banner string
	// Street, PostalCode, City and Country are the address; a shop without a country is in that of the workspace.
	Street, PostalCode, City, Country string
	// Point is where it is, if Located.
	Point   place.Point
	Located bool
	// Department is INSEE's code, from the file or from the postcode; empty abroad and when not known.
	Department string
	// Timezone is the IANA zone, from the file or from the department; empty when not known.
	Timezone string
	// Hours are nil when the file gives none.
	Hours *Hours

	location *time.Location
	// abroad says that no French bank holidays count.
	abroad bool
	// lastKind is a day with its kind, plus one; 0 for none.
	lastKind atomic.Int64
}

// Directory is the shops of a file.
type Directory struct {
	shops map[string]*Shop
	order []string
}

// Of is the shop of an id. It must not be changed.
func (d *Directory) Of(id string) (*Shop, bool) {
	if d == nil {
		return nil, false
	}
	s, ok := d.shops[id]
	return s, ok
}

// IDs are those of all shops, in the order of the file.
func (d *Directory) IDs() []string {
	if d == nil {
		return nil
	}
	return d.order
}

// Zone tells the calendar where a shop is: its time zone and its department, of which either may be empty.
func (d *Directory) Zone(id string) (timezone, department string, ok bool) {
	s, ok := d.Of(id)
	if !ok {
		return "", "", false
	}
	return s.Timezone, s.Department, true
}

// Open says whether the shop is open by its usual hours, and whether that is known. Elsewhere is the zone of a shop that has none.
func (s *Shop) Open(at time.Time, elsewhere *time.Location) (open, known bool) {
	if s.Hours == nil {
		return false, false
	}
	location := s.location
	if location == nil {
		location = elsewhere
	}
	day, minute := dayAndMinute(at.In(location))
	return s.Hours.open(day, minute, s.kind)
}

// kind is kindOf, which it remembers for one day: events of a day come together.
func (s *Shop) kind(day int64) int {
	const bits = 4
	if last := s.lastKind.Load(); last != 0 && last>>bits == day {
		return int(last&(1<<bits-1)) - 1
	}
	kind := kindOf(day, s.holiday)
	s.lastKind.Store(day<<bits | int64(kind+1))
	return kind
}

func (s *Shop) holiday(year int, month time.Month, day int) bool {
	return !s.abroad && calendar.Holiday(year, month, day, s.Department) != ""
}

// Dataset is that of shops.
func Dataset() reference.Dataset {
	return reference.Dataset{
		Name:      Data,
		What:      "the retailer's shops: name, address, coordinates, opening hours",
		Publisher: "the retailer",
		Licence:   "the retailer's own",
		Where:     "Write shops.csv with a header line, or shops.json; docs/reference/enrichments.md has the columns.",
		Files:     []string{"shops.csv", "shops.json", "stores.csv", "stores.json", "magasins.csv", "magasins.json"},
		Least:     1,
		Load:      load,
	}
}

func load(files []reference.File) (reference.Loaded, error) {
	file := files[len(files)-1]
	data, err := os.ReadFile(file.Path)
	if err != nil {
		return reference.Loaded{}, err
	}
	d, err := Parse(file.Name, data)
	if err != nil {
		return reference.Loaded{}, fmt.Errorf("%s: %w", file.Name, err)
	}
	return reference.Loaded{Table: d, Rows: len(d.order)}, nil
}

// mostFaults is how many faults of a file are told at once.
const mostFaults = 20

// Parse reads a file of shops: JSON by its name, else a table. All faults are told, with line, column and value.
func Parse(name string, data []byte) (*Directory, error) {
	read := readTable
	if strings.EqualFold(path.Ext(name), ".json") {
		read = readJSON
	}
	entries, err := read(data)
	if err != nil {
		return nil, err
	}
	d := &Directory{shops: make(map[string]*Shop, len(entries))}
	var faults []error
	for i := range entries {
		s, err := entries[i].shop()
		if err == nil {
			if _, twice := d.shops[s.ID]; twice {
				err = entries[i].fault(columnID, "is there already: give each shop an id of its own")
			}
		}
		if err != nil {
			if faults = append(faults, err); len(faults) == mostFaults {
				break
			}
			continue
		}
		d.shops[s.ID] = s
		d.order = append(d.order, s.ID)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return d, nil
}
