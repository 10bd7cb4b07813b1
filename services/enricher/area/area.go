// Package area knows what the statistics office publishes of the places where people live: income by commune and by IRIS (INSEE, Filosofi) and
// ages (census). It promises that a figure the office withheld is never made up, and that an answer says which area, which year and which concept
// of income it speaks of. Tables do not change once they are loaded; nobody has to close them.
package area

import "slices"

// Version of the rules.
const Version = "area-1"

// Levels of an answer.
const (
	LevelCommune = "commune"
	LevelIRIS    = "iris"
	// LevelIRISDeclared is an IRIS from the edition of declared income, before taxes and benefits, which is another concept than that of the
	// communes; its ranks are among the IRIS of the file.
	LevelIRISDeclared = "iris_declared"
)

// Status of the income statistics of an area.
const (
	Known          = "known"
	PartlyWithheld = "partly_withheld"
	Withheld       = "withheld"
	Unknown        = "unknown"
)

// Area is what is known of one area. Codes of cities with arrondissements may stand for those of an arrondissement that the file does not have.
type Area struct {
	Level, Code string
	// Year of the statistics of income, or of the ages where there are no others; 0 when there are none.
	Year   int
	Status string
	// Median is the median income by consumption unit, EUR a year; 0 when it is not known.
	Median int
	// Quintile and Decile are the ranks of the median among people, from 1; 0 when it is not known.
	Quintile, Decile int
	// Poverty is the share of people below 60 % of the national median, in percent.
	Poverty    float64
	HasPoverty bool
	// Under30 and Over60 are shares of people, in percent.
	Under30, Over60 float64
	HasAges         bool
}

// cities have statistics for their arrondissements, which stand beside the whole city in the file.
var cities = []struct{ prefix, code string }{{"751", "75056"}, {"132", "13055"}, {"6938", "69123"}}

// City is the code of the city of an arrondissement of Paris, Lyon or Marseille; another commune's is returned as it is.
func City(commune string) string {
	if len(commune) != communeDigits {
		return commune
	}
	for _, city := range cities {
		if commune[:len(city.prefix)] == city.prefix {
			return city.code
		}
	}
	return commune
}

const communeDigits, irisDigits = 5, 9

// Statistics are the files put together. A nil table is one that was not given.
type Statistics struct {
	communes, iris *Income
	ages           *Ages
}

// New puts the tables together; each may be nil.
func New(communes, iris *Income, ages *Ages) *Statistics {
	return &Statistics{communes: communes, iris: iris, ages: ages}
}

// Commune is what is known of a commune: of the commune itself, else of the city whose arrondissement it is. Without any figure it says that
// the area is unknown, and false.
func (s *Statistics) Commune(code string) (Area, bool) {
	a := Area{Level: LevelCommune, Code: code, Status: Unknown}
	found := s.income(&a, s.communes)
	if city := City(code); !found && city != code {
		if whole := (Area{Level: LevelCommune, Code: city, Status: Unknown}); s.income(&whole, s.communes) {
			a, found = whole, true
		}
	}
	return a, s.withAges(&a) || found
}

// IRIS is what is known of an IRIS; false when it is in no file or when its income is withheld, so that its commune says more.
func (s *Statistics) IRIS(code string) (Area, bool) {
	if len(code) != irisDigits || s.iris == nil {
		return Area{}, false
	}
	a := Area{Level: LevelIRIS, Code: code, Status: Unknown}
	if s.iris.Declared {
		a.Level = LevelIRISDeclared
	}
	if !s.income(&a, s.iris) || a.Median == 0 {
		return a, false
	}
	s.withAges(&a)
	return a, true
}

// Find is what is known of where a person lives: of the IRIS if that is stated, lies in the commune and has a median, else of the commune. Either may be
// empty; false when there is no code to ask with.
func (s *Statistics) Find(iris, commune string) (Area, bool) {
	if IsIRIS(iris) && (commune == "" || City(iris[:communeDigits]) == City(commune)) {
		if a, ok := s.IRIS(iris); ok {
			return a, true
		}
		if commune == "" {
			commune = iris[:communeDigits]
		}
	}
	if commune == "" {
		return Area{}, false
	}
	a, _ := s.Commune(commune)
	return a, true
}

// IsIRIS tells whether a text has the form of the code of an IRIS.
func IsIRIS(code string) bool {
	_, ok := pack(code)
	return ok && len(code) == irisDigits
}

// income fills in the figures of income and tells whether the table has the area.
func (s *Statistics) income(a *Area, table *Income) bool {
	if table == nil {
		return false
	}
	code, ok := pack(a.Code)
	if !ok {
		return false
	}
	f, ok := table.figures[code]
	if !ok {
		return false
	}
	a.Year = table.Year
	a.Status = f.status()
	if f.median > 0 {
		a.Median = int(f.median)
		a.Decile = s.ranks(table).decile(f.median)
		a.Quintile = (a.Decile + 1) / 2
	}
	if f.poverty >= 0 {
		a.Poverty, a.HasPoverty = float64(f.poverty)/10, true
	}
	return true
}

// ranks are the boundaries that a median of the table is compared with: those of the communes, for they are weighted by people; but incomes that
// were declared only with their like.
func (s *Statistics) ranks(table *Income) *boundaries {
	if s.communes == nil || table.Declared != s.communes.Declared {
		return &table.boundaries
	}
	return &s.communes.boundaries
}

func (s *Statistics) withAges(a *Area) bool {
	if s.ages == nil {
		return false
	}
	code, ok := pack(a.Code)
	if !ok {
		return false
	}
	share, ok := s.ages.shares[code]
	if !ok {
		return false
	}
	a.Under30, a.Over60, a.HasAges = float64(share.under30)/10, float64(share.over60)/10, true
	if a.Year == 0 {
		a.Year = s.ages.Year
	}
	return true
}

// pack turns a code of digits and capital letters into a number; as a key it takes a third of the space of a string.
func pack(code string) (uint64, bool) {
	if len(code) == 0 || len(code) > irisDigits {
		return 0, false
	}
	packed := uint64(len(code))
	for i := range len(code) {
		c := code[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'A' <= c && c <= 'Z':
			c -= 'A' - 10
		default:
			return 0, false
		}
		packed = packed*36 + uint64(c)
	}
	return packed, true
}

// boundaries are the nine medians that cut the people, ordered by the median of where they live, into tenths. All people of an area share its median, so
// the tenths are equal but for the last area of each.
type boundaries [9]int32

// weighted is an area with the people in it.
type weighted struct {
	median int32
	people int64
}

func cut(areas []weighted) boundaries {
	slices.SortFunc(areas, func(a, b weighted) int { return int(a.median) - int(b.median) })
	var all, below int64
	for _, a := range areas {
		all += a.people
	}
	var b boundaries
	next := 0
	for _, a := range areas {
		below += a.people
		for next < len(b) && below*10 >= all*int64(next+1) {
			b[next] = a.median
			next++
		}
	}
	return b
}

// decile is the tenth, from 1, that a median belongs to.
func (b *boundaries) decile(median int32) int {
	d := 1
	for _, boundary := range b {
		if median <= boundary {
			break
		}
		d++
	}
	return d
}
