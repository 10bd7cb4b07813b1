package place

import (
	"slices"
	"strings"
)

// How sure an answer is when it is not exact, as measured by how people get addresses wrong: the town is rarely wrong, the postcode now and then.
const (
	sureByPart       = 0.9  // The typed name is part of the official one, or has something behind it.
	sureByDepartment = 0.8  // The name is right, the postcode is another's in the same department.
	sureByCedex      = 0.95 // A business may have its post in a neighbouring town.
	sureByPostcode   = 0.9  // The postcode has one commune, what was typed as town is no commune's name.
	sureByRound      = 0.95 // 69000 and its like: postcodes that people make up for a city.
	// namesake is how likely the largest of several communes of one name has to be.
	namesake = 0.9
	// likely is the least share that names a commune: one that is more likely wrong than right is not named.
	likely = 0.5
	// formerPeople stands for the inhabitants of a former commune, which the list does not tell.
	formerPeople = 1000
)

// Find finds the commune of an address. It says false when the address tells nothing of a place in France; the match may tell the country then.
func (x *Index) Find(a Address) (Commune, Match, bool) {
	country, french := x.country(a)
	if !french {
		return Commune{}, Match{Country: country}, false
	}
	t := x.parse(a)
	if strings.HasPrefix(t.postcode, "980") {
		return Commune{}, Match{Country: "MC"}, false // Monaco has French postcodes.
	}
	c, m := x.find(&t)
	m.Country = france
	if c.RegionCode != "" {
		return c, m, true
	}
	if strings.TrimSpace(a.Country) == "" {
		m.Country = "" // Nothing of what was typed is French.
	}
	return c, m, false
}

func (x *Index) find(t *typed) (Commune, Match) {
	here := x.areas[t.postcode]
	switch {
	case here != nil && t.key == "" && !t.repaired:
		return x.byPostcode(t, here, 1)
	case here != nil:
		return x.inArea(t, here)
	case t.postcode != "":
		return x.inDepartment(t)
	case t.key != "":
		return x.byTown(t)
	}
	return x.byDivision(t)
}

// inArea finds the typed town among those that the postcode delivers to.
func (x *Index) inArea(t *typed, here *area) (Commune, Match) {
	if at, ok := x.exact(t, here.towns); ok {
		if t.arrondissement != 0 && x.towns[at].arrondissement != t.arrondissement {
			return x.department(t) // Postcode and arrondissement contradict each other.
		}
		return x.answer(at, t.postcode, Exact, 1)
	}
	if at, ok := x.partly(t, here.towns); ok {
		return x.answer(at, t.postcode, Spelled, sureByPart)
	}
	if at, errors, ok := x.nearest(t, here.towns); ok {
		return x.answer(at, t.postcode, Spelled, 1-float64(errors)/float64(max(len(t.key), 2)))
	}
	refs := x.named(t)
	if at, ok := unique(x.inside(refs, departmentOf(t.postcode))); ok {
		at, _ = x.inCity(at, t.arrondissement)
		return x.answer(at, t.postcode, Spelled, sureByDepartment)
	}
	if t.repaired {
		return Commune{}, Match{} // Four digits are a French postcode only if the town is there: 1000 is in Brussels as well.
	}
	if len(refs) > 0 {
		return x.department(t) // The name is that of another part of the country: one of the two is wrong.
	}
	return x.byPostcode(t, here, sureByPostcode)
}

// inDepartment finds the typed town in the department of a postcode that is no commune's: a CEDEX, or one that does not exist.
func (x *Index) inDepartment(t *typed) (Commune, Match) {
	at, ok := unique(x.inside(x.named(t), departmentOf(t.postcode)))
	if !ok && t.repaired {
		return Commune{}, Match{}
	}
	if !ok {
		return x.department(t)
	}
	at, ok = x.inCity(at, t.arrondissement)
	round := strings.HasSuffix(t.postcode, "000")
	switch {
	case !ok:
		return x.department(t)
	case round && !t.cedex:
		return x.answer(at, "", Spelled, sureByRound)
	}
	return x.answer(at, "", Cedex, sureByCedex)
}

// byTown finds a town that was typed without a postcode: the only one of its name, in the region or department that was typed with it if any.
func (x *Index) byTown(t *typed) (Commune, Match) {
	refs := x.named(t)
	typedAnywhere := len(refs) > 0
	if t.department != "" {
		refs = x.inside(refs, t.department)
	}
	refs = slices.DeleteFunc(refs, func(r ref) bool { return t.region != "" && x.towns[r.town].RegionCode != t.region })
	if len(refs) == 0 && typedAnywhere {
		return Commune{}, Match{} // The town is elsewhere: one of the two is wrong.
	}
	if len(refs) == 0 {
		return x.byDivision(t)
	}
	if at, ok := unique(refs); ok {
		at, _ = x.inCity(at, t.arrondissement)
		return x.answer(at, "", Exact, 1)
	}
	if strings.HasPrefix(t.words[0], "saint") {
		return x.byDivision(t) // Many a Saint-Martin-de-something is called Saint-Martin for short.
	}
	people, most, at := 0, 0, int32(-1)
	for _, r := range refs {
		living := x.towns[r.town].Population
		if r.old {
			living = formerPeople
		}
		people += living
		if !r.old && living > most {
			most, at = living, r.town
		}
	}
	share := float64(most) / float64(max(people, 1))
	if at < 0 || share < namesake {
		return x.byDivision(t)
	}
	at, _ = x.inCity(at, t.arrondissement)
	return x.answer(at, "", Largest, share)
}

// byPostcode answers with the one commune of a postcode, or the one where most of its people live. Trust is how sure the postcode is.
func (x *Index) byPostcode(t *typed, here *area, trust float64) (Commune, Match) {
	at := here.towns[0]
	if len(here.towns) == 1 {
		return x.answer(at, t.postcode, Only, trust)
	}
	share := trust * float64(x.towns[at].Population) / float64(max(here.people, 1))
	if share < likely {
		return x.department(t)
	}
	return x.answer(at, t.postcode, Largest, share)
}

// department answers without a commune. Postcodes cross the borders of departments here and there: where all communes are in another one, that counts.
func (x *Index) department(t *typed) (Commune, Match) {
	code := departmentOf(t.postcode)
	if here := x.areas[t.postcode]; here != nil {
		code = x.towns[here.towns[0]].DepartmentCode
		for _, at := range here.towns {
			if x.towns[at].DepartmentCode != code {
				return Commune{}, Match{PostalCode: t.postcode}
			}
		}
	}
	d, ok := x.departments[code]
	if !ok {
		return Commune{}, Match{PostalCode: t.postcode}
	}
	return *d, Match{How: Department, PostalCode: t.postcode}
}

// byDivision answers with the department that was typed as region, or with the region only, which is no match.
func (x *Index) byDivision(t *typed) (Commune, Match) {
	if d, ok := x.departments[t.department]; ok {
		return *d, Match{How: Department}
	}
	return Commune{RegionCode: t.region, Region: x.regionNames[t.region]}, Match{}
}

func (x *Index) answer(at int32, postcode, how string, confidence float64) (Commune, Match) {
	found := &x.towns[at]
	if len(found.postcodes) == 1 {
		postcode = found.postcodes[0]
	}
	return found.Commune, Match{How: how, Confidence: confidence, PostalCode: postcode}
}

// named are the communes of a name, whole or without the article. Those of today hide former ones of other communes only where the name is whole.
func (x *Index) named(t *typed) []ref {
	if t.key == "" || len(t.key) > longestKey {
		return nil
	}
	refs := x.byName[t.key]
	if len(refs) == 0 {
		refs = x.byBare[t.bare]
	}
	return slices.Clone(refs)
}

// inside keeps the communes of a department. One that is there today hides former ones of the name.
func (x *Index) inside(refs []ref, department string) []ref {
	kept := slices.DeleteFunc(slices.Clone(refs), func(r ref) bool { return x.towns[r.town].DepartmentCode != department })
	if slices.ContainsFunc(kept, func(r ref) bool { return !r.old }) {
		kept = slices.DeleteFunc(kept, func(r ref) bool { return r.old })
	}
	return kept
}

// inCity goes from a city to its arrondissement. It says false when there is no such arrondissement.
func (x *Index) inCity(at int32, arrondissement int) (int32, bool) {
	if arrondissement == 0 {
		return at, true
	}
	for _, part := range x.towns[at].parts {
		if x.towns[part].arrondissement == arrondissement {
			return part, true
		}
	}
	return at, false
}

// exact is the one town with the typed name: a name of today before former ones, with the article before without.
func (x *Index) exact(t *typed, among []int32) (int32, bool) {
	if len(t.key) > longestKey {
		return 0, false
	}
	ranks := [4]int32{-1, -1, -1, -1}
	for _, at := range among {
		for i := range x.towns[at].names {
			n := &x.towns[at].names[i]
			rank := 0
			switch {
			case n.key == t.key:
			case n.bare == t.bare:
				rank = 2
			default:
				continue
			}
			if n.old {
				rank++
			}
			if ranks[rank] < 0 {
				ranks[rank] = at
			} else if ranks[rank] != at {
				ranks[rank] = several
			}
		}
	}
	for _, at := range ranks {
		if at != -1 {
			return at, at >= 0
		}
	}
	return 0, false
}

// several marks that more than one town has the name.
const several = -2

// partly is the one town of whose name the typed one is the beginning ("Boulogne"), or whose name begins the typed one ("Nantes Centre").
func (x *Index) partly(t *typed, among []int32) (int32, bool) {
	found, longest := int32(-1), 0
	for _, at := range among {
		for i := range x.towns[at].names {
			n := &x.towns[at].names[i]
			length := 0
			switch {
			case begins(n.words, t.words):
				length = len(t.words)
			case begins(t.words, n.words):
				length = len(n.words)
			default:
				continue
			}
			switch {
			case length > longest:
				found, longest = at, length
			case length == longest && found != at:
				found = several
			}
		}
	}
	return found, found >= 0
}

// nearest is the one town with the fewest typing errors.
func (x *Index) nearest(t *typed, among []int32) (at int32, errors int, ok bool) {
	best := errorsAllowed(len(t.key))
	at = -1
	for _, candidate := range among {
		for i := range x.towns[candidate].names {
			n := &x.towns[candidate].names[i]
			d := min(distance(t.key, n.key, best), 1+distance(t.bare, n.bare, best))
			switch {
			case d < best || d == best && at == -1:
				at, best = candidate, d
			case d == best && at != candidate:
				at = several
			}
		}
	}
	return at, best, at >= 0
}

// DepartmentOf is the department of a postcode as it was typed, by its first digits; empty when it is none. The few postcodes that cross a border are not seen.
func DepartmentOf(typed string) string {
	code, _ := postcode(typed)
	return departmentOf(code)
}

// departmentOf is the department of a postcode by its first digits.
func departmentOf(postcode string) string {
	switch {
	case len(postcode) != 5:
		return ""
	case postcode[:2] == "97" || postcode[:2] == "98":
		return postcode[:3]
	case postcode[:2] != "20":
		return postcode[:2]
	case postcode[2] <= '1' || postcode[2] == '7':
		return "2A"
	}
	return "2B"
}
