package shop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/parcours-cdp/parcours/services/enricher/calendar"
	"github.com/parcours-cdp/parcours/services/enricher/internal/sheet"
	"github.com/parcours-cdp/parcours/services/enricher/place"
)

// The columns of a file of shops, by their first names.
const (
	columnID         = "id"
	columnName       = "name"
	columnBanner     = "banner"
	columnStreet     = "street"
	columnPostalCode = "postal_code"
	columnCity       = "city"
	columnCountry    = "country"
	columnDepartment = "department"
	columnLatitude   = "latitude"
	columnLongitude  = "longitude"
	columnTimezone   = "timezone"
	columnHours      = "opening_hours"
	columnHolidays   = "public_holidays"
)

// columns are the names under which a column is found, without case, accents, blanks and signs.
var columns = map[string][]string{
	columnID:         {"id", "store_id", "shop_id", "code", "store_code", "shop_code", "code_magasin", "id_magasin", "numero_magasin", "num_magasin", "magasin"},
	columnName:       {"name", "store_name", "shop_name", "nom", "nom_magasin", "libelle", "libelle_magasin"},
	columnBanner:     {"banner", "brand", "enseigne", "marque"},
	columnStreet:     {"street", "address", "address1", "adresse", "adresse1", "rue", "voie"},
	columnPostalCode: {"postal_code", "postcode", "zip", "zip_code", "cp", "code_postal"},
	columnCity:       {"city", "town", "ville", "commune", "localite"},
	columnCountry:    {"country", "pays"},
	columnDepartment: {"department", "departement", "dept", "code_departement"},
	columnLatitude:   {"latitude", "lat"},
	columnLongitude:  {"longitude", "lon", "lng", "long"},
	columnTimezone:   {"timezone", "time_zone", "fuseau", "fuseau_horaire"},
	columnHours:      {"opening_hours", "hours", "horaires", "horaires_ouverture", "heures_ouverture", "ouverture"},
	columnHolidays:   {"public_holidays", "bank_holidays", "ph", "jours_feries", "feries"},
}

// entry is a shop as the file has it.
type entry struct {
	// where is the line, or the number of the object.
	where string
	// values by the keys of their columns; names are the columns as they stand in the file.
	values, names map[string]string
}

func readTable(data []byte) ([]entry, error) {
	table, err := sheet.Parse(data)
	if err != nil {
		return nil, err
	}
	if table.Column(columns[columnID]...) < 0 {
		return nil, fmt.Errorf("there is no column for the id among %s: name one %s, as the tills send it", strings.Join(table.Columns, ", "), columnID)
	}
	names := map[string]string{}
	for _, column := range table.Columns {
		names[sheet.Key(column)] = column
	}
	entries := make([]entry, 0, len(table.Rows))
	for _, row := range table.Rows {
		e := entry{where: "line " + strconv.Itoa(row.Line), values: map[string]string{}, names: names}
		for i, column := range table.Columns {
			if value := row.Value(i); value != "" {
				e.values[sheet.Key(column)] = value
			}
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// readJSON reads an array of objects, or an object with an array in it. Opening hours may be an object with a member for each day.
func readJSON(data []byte) ([]entry, error) {
	var list []map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&list); err != nil {
		var wrapped map[string][]map[string]any
		decoder = json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		if decoder.Decode(&wrapped) != nil || len(wrapped) != 1 {
			return nil, fmt.Errorf("parse the JSON: %w; give an array with one object a shop", err)
		}
		for _, inner := range wrapped {
			list = inner
		}
	}
	if decoder.More() {
		return nil, errors.New("parse the JSON: something follows the array; give one array with one object a shop")
	}
	entries := make([]entry, 0, len(list))
	for i, object := range list {
		e := entry{where: "shop " + strconv.Itoa(i+1), values: map[string]string{}, names: map[string]string{}}
		e.take(object)
		entries = append(entries, e)
	}
	return entries, nil
}

func (e *entry) take(object map[string]any) {
	for name, value := range object {
		key := sheet.Key(name)
		e.names[key] = name
		switch v := value.(type) {
		case nil:
		case string:
			if text := strings.TrimSpace(v); text != "" {
				e.values[key] = text
			}
		case json.Number:
			e.values[key] = v.String()
		case map[string]any:
			e.take(v)
		default:
			e.values[key] = fmt.Sprint(v) // A wrong type is told as a wrong value.
		}
	}
}

// column finds the value of a column and what the file calls it.
func (e *entry) column(column string) (value, name string) {
	aliases, ok := columns[column]
	if !ok {
		aliases = []string{column}
	}
	for _, alias := range aliases {
		if value = e.values[sheet.Key(alias)]; value != "" {
			return value, e.names[sheet.Key(alias)]
		}
	}
	return "", column
}

func (e *entry) value(column string) string {
	value, _ := e.column(column)
	return value
}

func (e *entry) fault(column, what string) error {
	value, name := e.column(column)
	return fmt.Errorf("%s, column %s: %q %s", e.where, name, value, what)
}

func (e *entry) shop() (*Shop, error) {
	s := &Shop{
		ID: e.value(columnID), Name: e.value(columnName), Banner: e.value(columnBanner), Street: e.value(columnStreet),
		PostalCode: e.value(columnPostalCode), City: e.value(columnCity), Country: e.value(columnCountry),
	}
	if s.ID == "" {
		return nil, e.fault(columnID, "is empty: give the id that the tills send")
	}
	return s, errors.Join(e.fillPlace(s), e.fillZone(s), e.fillHours(s))
}

func (e *entry) fillPlace(s *Shop) error {
	latitude, longitude := e.value(columnLatitude), e.value(columnLongitude)
	if latitude == "" && longitude == "" {
		return nil
	}
	point, err := place.ParsePoint(latitude, longitude)
	if err != nil {
		column := columnLongitude
		if strings.HasPrefix(err.Error(), columnLatitude) {
			column = columnLatitude
		}
		_, name := e.column(column)
		return fmt.Errorf("%s, column %s: %w", e.where, name, err)
	}
	s.Point, s.Located = point, true
	return nil
}

func (e *entry) fillZone(s *Shop) error {
	s.Department = strings.ToUpper(e.value(columnDepartment))
	if len(s.Department) == 1 {
		s.Department = "0" + s.Department
	}
	country, known := place.CountryCode(s.Country)
	if s.Country != "" && !known {
		return e.fault(columnCountry, "is no country: give an ISO 3166 code such as FR")
	}
	if s.Department == "" && (s.Country == "" || country == "FR" || place.Overseas(country)) {
		s.Department = place.DepartmentOf(s.PostalCode)
	} else if s.Department != "" && (calendar.Config{Department: s.Department}).Validate() != nil {
		return e.fault(columnDepartment, "is no French department: give its code, such as 75, 2A or 974")
	}
	if s.Department != "" && (calendar.Config{Department: s.Department}).Validate() != nil {
		s.Department = "" // The postcode is no French one.
	}
	s.abroad = country != "" && country != "FR" && s.Department == ""
	s.Timezone = e.value(columnTimezone)
	if s.Timezone == "" && s.Department != "" {
		s.Timezone = calendar.Zone(s.Department)
	}
	if s.Timezone == "" {
		return nil
	}
	location, err := time.LoadLocation(s.Timezone)
	if err != nil || s.Timezone == "Local" {
		return e.fault(columnTimezone, "is no IANA time zone: give one, such as Europe/Paris")
	}
	s.location = location
	return nil
}

// fillHours takes the hours in one column, or in a column a day; those of the days win.
func (e *entry) fillHours(s *Shop) error {
	hours := &Hours{}
	if text := e.value(columnHours); text != "" {
		parsed, err := ParseHours(text)
		if err != nil {
			return fmt.Errorf("%w: %w", e.fault(columnHours, "are no opening hours"), err)
		}
		hours, s.Hours = parsed, parsed
	}
	for day := range holidays + 1 {
		names := []string{columnHolidays}
		if day < holidays {
			names = dayNames[day]
		}
		for _, name := range names {
			text := e.value(name)
			if text == "" {
				continue
			}
			spans, err := parseTimes(strings.ToLower(text))
			if err != nil {
				return fmt.Errorf("%w: %w", e.fault(name, "are no opening hours"), err)
			}
			hours.set(day, spans)
			if day < holidays {
				s.Hours = hours
			}
		}
	}
	hours.close()
	return nil
}
