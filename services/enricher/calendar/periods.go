package calendar

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Period is a time of the trade that no law knows, such as the week of Black Friday.
type Period struct {
	// Name as it stands in sales_period: small letters, digits and underscores.
	Name string `koanf:"name"`
	// From is the first day, such as 2026-11-23.
	From string `koanf:"from"`
	// To is the last day.
	To string `koanf:"to"`
	// Departments are those where it counts; empty: everywhere, other countries included.
	Departments []string `koanf:"departments"`
}

// period is a Period ready to be asked; days count from 1970-01-01.
type period struct {
	name        string
	from, to    int
	departments []string
}

var periodName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// compile checks a period; its errors begin with the field at fault.
func (p Period) compile() (period, error) {
	made := period{name: p.Name, departments: p.Departments}
	var faults []error
	if !periodName.MatchString(p.Name) {
		faults = append(faults, fmt.Errorf("name is %q: give small letters, digits and underscores, a letter first, 64 at most", p.Name))
	}
	from, err := time.Parse(time.DateOnly, p.From)
	if err != nil {
		faults = append(faults, fmt.Errorf("from is %q: give a day such as 2026-11-23", p.From))
	}
	to, err := time.Parse(time.DateOnly, p.To)
	if err != nil {
		faults = append(faults, fmt.Errorf("to is %q: give a day such as 2026-11-30", p.To))
	}
	made.from, made.to = days(from.Date()), days(to.Date())
	if len(faults) == 0 && made.to < made.from {
		faults = append(faults, fmt.Errorf("to is %s, before from, which is %s: exchange them", p.To, p.From))
	}
	for i, department := range p.Departments {
		if !knownDepartment(department) {
			faults = append(faults, fmt.Errorf("departments[%d] is %q, which is not a French department code such as 75, 2A or 974", i, department))
		}
	}
	return made, errors.Join(faults...)
}

func (p *period) holds(date int, department string) bool {
	return p.from <= date && date <= p.to && (len(p.departments) == 0 || slices.Contains(p.departments, department))
}
