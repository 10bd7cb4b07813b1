// Package firstname estimates sex and age from a first name, by the births in France (INSEE, fichier des prénoms).
//
// It promises that an answer counts only people who were born by then and may still live, that its probabilities add up to one, and that it says
// nothing of what is no first name. The table does not change once it is loaded; nobody has to close it.
package firstname

import (
	"encoding/binary"
	"math"
	"strings"
)

// Names are the births of each first name, by sex and year.
type Names struct {
	// places says where the births of a folded name begin in births.
	places map[string]uint32
	// births are, for each name, its women and then its men: the number of years, and for each the step from the year before it and the births.
	births []byte
	rows   int
}

// The years that a file may speak of.
const (
	firstYear = 1800
	lastYear  = 2199
)

const (
	female = iota
	male
	sexes
)

// Bands of age, as the profile has them, and the age at which each begins.
var (
	Bands = [...]string{"under_18", "18-24", "25-34", "35-44", "45-54", "55-64", "65-74", "75+"}
	begin = [...]int{0, 18, 25, 35, 45, 55, 65, 75}
)

// Estimate is what a first name says of a person.
type Estimate struct {
	// Female is the probability of a woman; that of a man is the rest.
	Female float64
	// People is how many of that name are expected to live.
	People float64
	// Decade is the most frequent decade of birth, by its first year, with its probability.
	Decade            int
	DecadeProbability float64
	// Band is the most likely band of age, with its probability.
	Band            string
	BandProbability float64
}

// Spread is the whole distribution behind an estimate.
type Spread struct {
	// People by sex, women first.
	People [sexes]float64
	// Decades are people by decade of birth; the first is that of 1800.
	Decades [(lastYear-firstYear)/10 + 1]float64
	// Bands are people by band of age.
	Bands [len(Bands)]float64
}

// Of is the estimate for a person with this first name in the year. False when it is no first name, or nobody with it can have lived then.
func (n *Names) Of(name string, year int) (Estimate, bool) {
	var s Spread
	if !n.Spread(name, year, &s) {
		return Estimate{}, false
	}
	return s.Estimate(), true
}

// Spread fills in the distribution for a person with this first name in the year.
func (n *Names) Spread(name string, year int, s *Spread) bool {
	var space [maxName]byte
	folded, ok := fold(space[:0], name)
	if !ok {
		return false
	}
	for {
		if place, ok := n.places[string(folded)]; ok {
			*s = Spread{}
			n.add(s, int(place), year)
			return s.People[female]+s.People[male] > 0
		}
		// Further names, which the register has but the file has not together, tell little: the first ones stand for all.
		cut := strings.LastIndexByte(string(folded), '-')
		if cut < 0 {
			return false
		}
		folded = folded[:cut]
	}
}

// add reads the births of a name and counts those of whom live in the year.
func (n *Names) add(s *Spread, place, year int) {
	data := n.births[place:]
	next := func() int {
		value, size := binary.Uvarint(data)
		data = data[size:]
		return int(value)
	}
	for sex := range sexes {
		born := firstYear
		for range next() {
			born += next()
			births := next()
			if born > year {
				continue
			}
			// Half of them have not had their birthday yet.
			age := year - born
			living := float64(births) * survival(sex, age)
			s.People[sex] += living
			s.Decades[(born-firstYear)/10] += living
			s.Bands[band(age)] += living / 2
			s.Bands[band(max(age-1, 0))] += living / 2
		}
	}
}

func band(age int) int {
	b := len(begin) - 1
	for age < begin[b] {
		b--
	}
	return b
}

// Estimate takes the most likely of each. Of equals the first counts.
func (s *Spread) Estimate() Estimate {
	all := s.People[female] + s.People[male]
	e := Estimate{Female: s.People[female] / all, People: all}
	most := 0.0
	for i, people := range s.Decades {
		if people > most {
			most, e.Decade = people, firstYear+10*i
		}
	}
	e.DecadeProbability = math.Min(most/all, 1)
	most = 0
	for i, people := range s.Bands {
		if people > most {
			most, e.Band = people, Bands[i]
		}
	}
	e.BandProbability = math.Min(most/all, 1)
	return e
}

// Len is how many names there are.
func (n *Names) Len() int { return len(n.places) }

// Bytes is about how much memory the births take, without the names.
func (n *Names) Bytes() int { return len(n.births) }
