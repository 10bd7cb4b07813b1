package calendar

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// SchoolDataset is the name of the data set.
const SchoolDataset = "school_holidays"

// Zones of the school holidays in European France. Overseas the zone is the department.
const (
	ZoneA   = "A"
	ZoneB   = "B"
	ZoneC   = "C"
	Corsica = "corsica"
)

// Names of the school holidays, as they stand in the calendar section of an event.
const (
	SchoolAllSaints = "all_saints"
	SchoolChristmas = "christmas"
	SchoolWinter    = "winter"
	SchoolSpring    = "spring"
	SchoolAscension = "ascension"
	SchoolSummer    = "summer"
	SchoolOther     = "other"
)

// schoolNames translates the names of the file.
var schoolNames = map[string]string{
	"Vacances de la Toussaint": SchoolAllSaints,
	"Vacances de Noël":         SchoolChristmas,
	"Vacances d'hiver":         SchoolWinter,
	"Vacances de printemps":    SchoolSpring,
	"Pont de l'Ascension":      SchoolAscension,
	"Vacances d'été":           SchoolSummer,
}

// zonesSince is when the academies were put into the zones of today, with the school year 2015-2016.
var zonesSince = days(2015, time.September, 1)

// schoolZones are the zones by department, from the academies of each zone.
var schoolZones = func() map[string]string {
	zones := map[string]string{"2A": Corsica, "2B": Corsica}
	for zone, departments := range map[string]string{
		// Besançon, Bordeaux, Clermont-Ferrand, Dijon, Grenoble, Limoges, Lyon, Poitiers.
		ZoneA: "25 39 70 90 24 33 40 47 64 03 15 43 63 21 58 71 89 07 26 38 73 74 19 23 87 01 42 69 16 17 79 86",
		// Aix-Marseille, Amiens, Lille, Nancy-Metz, Nantes, Nice, Normandie, Orléans-Tours, Reims, Rennes, Strasbourg.
		ZoneB: "04 05 13 84 02 60 80 59 62 54 55 57 88 44 49 53 72 85 06 83 14 27 50 61 76 18 28 36 37 41 45 08 10 51 52 22 29 35 56 67 68",
		// Créteil, Montpellier, Paris, Toulouse, Versailles.
		ZoneC: "77 93 94 11 30 34 48 66 75 09 12 31 32 46 65 81 82 78 91 92 95",
	} {
		for department := range strings.FieldsSeq(departments) {
			zones[department] = zone
		}
	}
	for department := range overseas {
		zones[department] = department
	}
	return zones
}()

// SchoolZone returns the zone of a department, empty when there is no such department.
func SchoolZone(department string) string { return schoolZones[department] }

// School are the school holidays of zones A, B and C day by day. They do not change.
type School struct {
	first int // Days since 1970-01-01.
	days  [][3]string
	rows  int
}

// Len is the number of days that the file has.
func (s *School) Len() int { return s.rows }

// Of names the school holidays of a day in a zone. It is empty where there are none, and where the file says nothing: after its last day, on
// Corsica and overseas, whose calendars are not in it, and before the zones of today.
func (s *School) Of(year int, month time.Month, day int, zone string) string {
	if s == nil || len(zone) != 1 || zone[0] < 'A' || zone[0] > 'C' {
		return ""
	}
	date := days(year, month, day)
	if date < zonesSince || date < s.first || date-s.first >= len(s.days) {
		return ""
	}
	return s.days[date-s.first][zone[0]-'A']
}

// longestFile bounds the days between the first and the last line: a wrong year must not take all memory.
const longestFile = 400 * 366

// header is the first line of the file.
var header = []string{"date", "vacances_zone_a", "vacances_zone_b", "vacances_zone_c", "nom_vacances"}

// ReadSchool reads the file of the ministry as its publisher lays it out: a line a day, and for each zone whether there is school.
func ReadSchool(text []byte) (*School, error) {
	lines := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	lines.FieldsPerRecord = -1
	column := map[string]int{}
	names, err := lines.Read()
	if err != nil {
		return nil, fmt.Errorf("read the first line: %w", err)
	}
	for i, name := range names {
		column[name] = i
	}
	for _, name := range header {
		if _, ok := column[name]; !ok {
			return nil, fmt.Errorf("the first line has no column %s: it needs %s", name, strings.Join(header, ", "))
		}
	}
	s := &School{}
	for {
		cells, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := lines.FieldPos(0)
		if len(cells) != len(names) {
			return nil, fmt.Errorf("line %d has %d columns, the first has %d", line, len(cells), len(names))
		}
		if err := s.add(cells, column); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if s.rows == 0 {
		return nil, fmt.Errorf("the file has no day")
	}
	return s, nil
}

func (s *School) add(cells []string, column map[string]int) error {
	date, err := time.Parse(time.DateOnly, cells[column["date"]])
	if err != nil {
		return fmt.Errorf("date %q is not a day such as 2026-02-07", cells[column["date"]])
	}
	at := days(date.Date())
	if s.rows == 0 {
		s.first = at
	}
	position := at - s.first
	if position < len(s.days) || position >= longestFile {
		return fmt.Errorf("date %s does not follow those before it", date.Format(time.DateOnly))
	}
	s.days = append(s.days, make([][3]string, position+1-len(s.days))...)
	name := cells[column["nom_vacances"]]
	known, ok := schoolNames[name]
	if !ok {
		known = SchoolOther
	}
	for i, zone := range header[1:4] {
		switch cells[column[zone]] {
		case "True", "true":
			s.days[position][i] = known
		case "False", "false":
		default:
			return fmt.Errorf("%s is %q: it has to be True or False", zone, cells[column[zone]])
		}
	}
	s.rows++
	return nil
}

// Datasets are the calendars that change from year to year.
func Datasets() []reference.Dataset {
	return []reference.Dataset{{
		Name: SchoolDataset, What: "School holidays by zone, day by day",
		Publisher: "Ministère de l'Éducation nationale, by AntoineAugusti/vacances-scolaires", Licence: "Licence Ouverte 2.0",
		Where: "The file data.csv of the repository AntoineAugusti/vacances-scolaires, or of \"Vacances scolaires par zones\" on data.gouv.fr, kept as vacances-scolaires.csv.",
		Files: []string{"vacances-scolaires*.csv", "vacances_scolaires*.csv"},
		Least: 365,
		Load: reference.OneText(func(text []byte) (any, int, error) {
			school, err := ReadSchool(text)
			if err != nil {
				return nil, 0, err
			}
			return school, school.Len(), nil
		}),
	}}
}
