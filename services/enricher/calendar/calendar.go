// Package calendar tells what a moment was where it happened: local date and hour, weekday, French bank and school holidays, sales.
//
// It decides which time zone and which department apply to an event, and hides how the moving feasts and the legal sales are computed.
// It reads no clock: the same moment always gives the same answer, as long as the time zone database is the same.
// The zones come from the system's database, or from the copy in the program when the system has none.
package calendar

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"
	_ "time/tzdata" // Minimal images have no time zone database.

	"github.com/maypok86/otter/v2"
)

// Version names the rules; it changes whenever an answer may change.
const Version = "calendar-2"

// zones bounds the cache of time zone names seen on events. There are about 600 valid names, the rest of the room is for wrong ones.
const zones = 2048

// Config places the shops.
type Config struct {
	// Department is the French department whose bank holidays count where no shop is known; empty counts the national days.
	Department string `koanf:"department"`
	// Stores maps a store id, as the tills send it, to where the shop is.
	Stores map[string]Store `koanf:"stores"`
	// Periods of the trade, beside the legal sales, which they come before. The first that holds counts.
	Periods []Period `koanf:"periods"`
}

// Store is where a shop is.
type Store struct {
	// Timezone is the IANA zone of the shop; empty takes the department's.
	Timezone string `koanf:"timezone"`
	// Department is the French department code ("75", "67", "2A", "974"); empty takes that of the workspace, unless
	// the zone is another: of an overseas department, or abroad.
	Department string `koanf:"department"`
}

// Calendar answers for one workspace. It is safe for concurrent use.
type Calendar struct {
	workspace place
	stores    map[string]place
	shops     Shops // Nil when there are none.
	school    *School
	periods   []period
	zones     *otter.Cache[string, *time.Location]
}

// Shops know where the shops of the retailer are.
type Shops interface {
	// Zone returns the IANA zone and the department of a shop, of which either may be empty, and whether there is such a shop.
	Zone(id string) (timezone, department string, ok bool)
}

// Tables are what is read from files; each may be nil.
type Tables struct {
	Shops  Shops
	School *School
}

// Seen is what an event and the enrichments before say of the place.
type Seen struct {
	// StoreID is the shop as the tills send it, Timezone the visitor's IANA zone.
	StoreID, Timezone string
	// Department is where the customer lives; Abroad that it is in another country.
	Department string
	Abroad     bool
}

// place is a zone, and the department whose bank holidays count. A foreign place has none.
type place struct {
	location   *time.Location
	department string
	foreign    bool
}

// Moment is a point in time as people there lived it.
type Moment struct {
	Timezone string
	Year     int
	Month    time.Month
	Day      int
	Hour     int
	// Weekday is 1 for Monday to 7 for Sunday.
	Weekday int
	Weekend bool
	// Holiday is the name of the bank holiday, or empty.
	Holiday string
	// SchoolZone is that of the place, SchoolHoliday what holidays there are in it, SalesPeriod the sales; each may be empty.
	SchoolZone, SchoolHoliday, SalesPeriod string
}

// overseas gives the zone of the departments and collectivities that do not live on Paris time.
var overseas = map[string]string{
	"971": "America/Guadeloupe",
	"972": "America/Martinique",
	"973": "America/Cayenne",
	"974": "Indian/Reunion",
	"975": "America/Miquelon",
	"976": "Indian/Mayotte",
	"977": "America/St_Barthelemy",
	"978": "America/Marigot",
	"986": "Pacific/Wallis",
	"987": "Pacific/Tahiti",
	"988": "Pacific/Noumea",
}

// departmentOfZone is overseas the other way round: a visitor's zone says in which island the visitor is.
var departmentOfZone = func() map[string]string {
	reverse := make(map[string]string, len(overseas))
	for department, zone := range overseas {
		reverse[zone] = department
	}
	return reverse
}()

// New checks the shops and returns a calendar. Timezone and country are the workspace's: an IANA zone, and a code such as FR. Only the
// bank holidays of France are known; elsewhere there are none.
func New(cfg Config, timezone, country string, tables Tables) (*Calendar, error) {
	location, err := time.LoadLocation(timezone)
	if err != nil || timezone == "" || timezone == "Local" {
		return nil, fmt.Errorf("read the workspace: timezone %q is not an IANA time zone: name one, for example Europe/Paris", timezone)
	}
	home := place{location: location, department: cfg.Department, foreign: country != countryFrance && cfg.Department == ""}
	cache, err := otter.New(&otter.Options[string, *time.Location]{MaximumSize: zones})
	if err != nil {
		return nil, fmt.Errorf("make the time zone cache: %w", err)
	}
	calendar := &Calendar{workspace: home, stores: make(map[string]place, len(cfg.Stores)), shops: tables.Shops, school: tables.School, zones: cache}
	for i, given := range cfg.Periods {
		made, err := given.compile()
		if err != nil {
			return nil, fmt.Errorf("read periods[%d]: %w", i, err)
		}
		calendar.periods = append(calendar.periods, made)
	}
	for id, store := range cfg.Stores {
		if calendar.stores[id], err = store.place(home); err != nil {
			return nil, fmt.Errorf("read store %q: %w", id, err)
		}
	}
	return calendar, nil
}

// Validate checks every shop, and reports all faults at once.
func (c Config) Validate() error {
	ids := make([]string, 0, len(c.Stores))
	for id := range c.Stores {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	var faults []error
	if c.Department != "" && !knownDepartment(c.Department) {
		faults = append(faults, fmt.Errorf("department %q is not a French department code such as 75, 2A or 974", c.Department))
	}
	for i, period := range c.Periods {
		if _, err := period.compile(); err != nil {
			faults = append(faults, fmt.Errorf("periods[%d]: %w", i, err))
		}
	}
	for _, id := range ids {
		if _, err := c.Stores[id].place(place{location: time.UTC}); err != nil {
			faults = append(faults, fmt.Errorf("stores.%s: %w", id, err))
		}
	}
	return errors.Join(faults...)
}

// place resolves a shop, what it leaves out being as in the workspace.
func (s Store) place(workspace place) (place, error) {
	where := workspace
	zone := s.Timezone
	if s.Department != "" {
		if !knownDepartment(s.Department) {
			return place{}, fmt.Errorf("department %q is not a French department code such as 75, 2A or 974", s.Department)
		}
		where.department, where.foreign = s.Department, false
		if zone == "" {
			zone = zoneOf(s.Department)
		}
	}
	if zone == "" {
		return where, nil
	}
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return place{}, fmt.Errorf("timezone %q is not an IANA time zone: name one, for example Europe/Paris", zone)
	}
	if s.Department == "" && location.String() != workspace.location.String() {
		// The zones of the overseas departments belong to one department each; any other is abroad.
		where.department = departmentOfZone[location.String()]
		where.foreign = where.department == ""
	}
	where.location = location
	return where, nil
}

func zoneOf(department string) string {
	if zone, ok := overseas[department]; ok {
		return zone
	}
	return "Europe/Paris"
}

// knownDepartment accepts 01 to 95 without 20, 2A, 2B and the overseas codes.
func knownDepartment(code string) bool {
	if code == "2A" || code == "2B" {
		return true
	}
	if _, ok := overseas[code]; ok {
		return true
	}
	return len(code) == 2 && code >= "01" && code <= "95" && code != "20" && code[1] >= '0' && code[1] <= '9'
}

// At tells what the moment was: in the shop's place when the shop is known, else in the visitor's.
func (c *Calendar) At(moment time.Time, seen Seen) Moment {
	where := c.where(seen)
	local := moment.In(where.location)
	m := Moment{Timezone: where.location.String(), Hour: local.Hour(), Weekday: int(local.Weekday())}
	m.Year, m.Month, m.Day = local.Date()
	if m.Weekday == 0 {
		m.Weekday = 7
	}
	m.Weekend = m.Weekday >= 6
	department := where.department
	if where.foreign {
		department = ""
	} else {
		m.Holiday = Holiday(m.Year, m.Month, m.Day, department)
		m.SchoolZone = SchoolZone(department)
		m.SchoolHoliday = c.school.Of(m.Year, m.Month, m.Day, m.SchoolZone)
		m.SalesPeriod = Sales(m.Year, m.Month, m.Day, department)
	}
	if len(c.periods) > 0 {
		date := days(m.Year, m.Month, m.Day)
		for i := range c.periods {
			if c.periods[i].holds(date, department) {
				m.SalesPeriod = c.periods[i].name
				break
			}
		}
	}
	return m
}

// where decides on zone and department: those of the shop as configured, then as the file of shops has it, then the visitor's.
func (c *Calendar) where(seen Seen) place {
	if seen.StoreID != "" {
		if where, known := c.stores[seen.StoreID]; known {
			return where
		}
		if c.shops != nil {
			if timezone, department, known := c.shops.Zone(seen.StoreID); known {
				return c.shop(timezone, department)
			}
		}
	}
	where := c.workspace
	if location := c.zone(seen.Timezone); location != nil {
		where.location = location
		// The zones of the overseas departments belong to one department each; the others say nothing about bank holidays.
		if department, ok := departmentOfZone[location.String()]; ok && !where.foreign {
			where.department = department
		}
	}
	switch {
	case seen.Abroad:
		where.department, where.foreign = "", true
	case seen.Department != "":
		where.department, where.foreign = seen.Department, false
	}
	return where
}

// shop is the place of a shop of the file. One without a department is abroad when its zone is not that of France.
func (c *Calendar) shop(timezone, department string) place {
	where := c.workspace
	if department != "" {
		where.department, where.foreign = department, false
		if timezone == "" {
			timezone = zoneOf(department)
		}
	}
	if location := c.zone(timezone); location != nil {
		where.location = location
		if department == "" && location.String() != c.workspace.location.String() {
			where.department = departmentOfZone[location.String()]
			where.foreign = where.department == ""
		}
	}
	return where
}

// zone returns the location of a name sent by a client, nil when there is none. Wrong names are remembered too, or each would search the disk.
func (c *Calendar) zone(name string) *time.Location {
	if !plausibleZone(name) {
		return nil
	}
	if location, ok := c.zones.GetIfPresent(name); ok {
		return location
	}
	name = strings.Clone(name) // The name may alias a whole record.
	location, err := time.LoadLocation(name)
	if err != nil {
		location = nil
	}
	c.zones.Set(name, location)
	return location
}

// plausibleZone keeps what cannot be a zone away from the file system. "Local" would be the zone of this machine.
func plausibleZone(name string) bool {
	if name == "" || len(name) > 64 || name == "Local" {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') && !strings.ContainsRune("_+-/", rune(c)) {
			return false
		}
	}
	return name[0] != '/' && !strings.Contains(name, "//")
}
