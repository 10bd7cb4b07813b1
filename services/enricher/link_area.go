package enricher

import (
	"encoding/json"
	"strings"

	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/area"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// Reasons of area.
const (
	reasonNoHome    = "no_home"
	reasonNoCommune = "no_commune"
)

// surroundings fills in the statistics of the area of residence.
type surroundings struct {
	// statistics are nil without data.
	statistics  *area.Statistics
	description Description
}

func newArea(p parts) (Enrichment, error) {
	s := &surroundings{description: Description{
		Name: Area, Version: area.Version + p.data.Suffix(area.CommunesName, area.IRISName, area.AgesName), Purpose: purposeProfiling,
		Reads: []string{"properties", "traits"}, Writes: []string{"area"},
	}}
	communes, hasCommunes := reference.Table[*area.Income](p.data, area.CommunesName)
	iris, hasIRIS := reference.Table[*area.Income](p.data, area.IRISName)
	ages, hasAges := reference.Table[*area.Ages](p.data, area.AgesName)
	if hasCommunes || hasIRIS || hasAges {
		s.statistics = area.New(communes, iris, ages)
	}
	return s, nil
}

func (s *surroundings) Describe() Description { return s.description }

func (s *surroundings) Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome {
	if s.statistics == nil {
		return Skipped(reasonNoData)
	}
	iris := irisOf(event)
	if iris == "" {
		iris = added.knownIRIS()
	}
	found, ok := s.statistics.Find(iris, added.Home.Value.CommuneCode)
	switch {
	case ok:
	case added.Home.Valid:
		return Skipped(reasonNoCommune)
	default:
		return Skipped(reasonNoHome)
	}
	added.Area = schemas.Some(areaOf(found))
	return Applied()
}

func areaOf(a area.Area) schemas.Area {
	out := schemas.Area{Level: a.Level, Code: a.Code, Status: a.Status}
	if a.Year != 0 {
		out.Year = schemas.Some(int32(a.Year))
	}
	if a.Median != 0 {
		out.MedianIncome = schemas.Some(int32(a.Median))
		out.IncomeQuintile, out.IncomeDecile = schemas.Some(int32(a.Quintile)), schemas.Some(int32(a.Decile))
	}
	if a.HasPoverty {
		out.PovertyRate = schemas.Some(a.Poverty)
	}
	if a.HasAges {
		out.Under30, out.Over60 = schemas.Some(a.Under30), schemas.Some(a.Over60)
	}
	return out
}

// irisOf is the code of the IRIS that the event states, as the trait or property iris or iris_code; empty without one.
func irisOf(event *schemas.IdentifiedTouchpoint) string {
	for _, text := range []string{event.Traits, event.Properties} {
		if !strings.Contains(text, `"iris`) { // Nearly always; the text is not read then.
			continue
		}
		var stated struct {
			IRIS json.RawMessage `json:"iris"`
			Code json.RawMessage `json:"iris_code"`
		}
		if json.Unmarshal([]byte(text), &stated) != nil {
			continue
		}
		for _, value := range []json.RawMessage{stated.IRIS, stated.Code} {
			if code := strings.Trim(string(value), `" `); area.IsIRIS(code) {
				return code
			}
		}
	}
	return ""
}
