package place

import (
	"slices"
	"strconv"
	"strings"
)

// typed is an address taken apart.
type typed struct {
	name
	// postcode has five digits, or is empty.
	postcode string
	// repaired says that a zero was put in front of four digits.
	repaired bool
	cedex    bool
	// arrondissement is the number typed behind Paris, Lyon or Marseille; 0 when there is none.
	arrondissement int
	// region and department are codes of what was typed as region, or behind the town.
	region, department string
}

// longestText bounds what is looked at; the rest of a longer text is no address.
const longestText = 200

// cities have arrondissements, so many.
var cities = map[string]int{"paris": 20, "lyon": 9, "marseille": 16}

// parse takes an address apart.
func (x *Index) parse(a Address) typed {
	var t typed
	t.postcode, t.repaired = postcode(a.PostalCode)
	t.region, t.department = x.division(a.Region)
	if d := strings.ToUpper(strings.TrimSpace(a.PostalCode)); t.postcode == "" && x.departments[d] != nil {
		t.region, t.department = x.departments[d].RegionCode, d // Only the department was typed.
	}
	city := a.City
	if len(city) > longestText {
		city = city[:longestText]
	}
	if city == "" && t.postcode == "" && len(a.PostalCode) <= longestText {
		city = a.PostalCode // "75012 Paris" in the field of the postcode.
	}
	city = x.takeBrackets(city, &t)
	city = x.takeParts(city, &t)
	list := t.takePostcode(words(city))
	list = t.takeCedex(list)
	list = t.takeArrondissement(list)
	t.name = nameOf(list, false)
	return t
}

// postcode brings a typed postcode into five digits, or empty: "75 012", "F-75012", "1000" (a spreadsheet lost the zero), "75012 CEDEX".
func postcode(text string) (code string, repaired bool) {
	text = strings.TrimSpace(text)
	if len(text) > longestText {
		return "", false
	}
	for _, country := range []string{"FR", "Fr", "fr", "F", "f"} {
		if rest, ok := strings.CutPrefix(text, country); ok {
			text = strings.TrimLeft(rest, "- ")
			break
		}
	}
	text = strings.TrimSuffix(text, ".0") // A spreadsheet took it for a number.
	var digits []byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c >= '0' && c <= '9':
			digits = append(digits, c)
		case (c == 'O' || c == 'o') && len(digits) >= 2:
			digits = append(digits, '0') // 75O12
		case c == ' ' || c == '.' || c == '-' || c == 0xc2 || c == 0xa0: // Also the space that does not break.
		default:
			if word, _, _ := strings.Cut(strings.ToLower(text[i:]), " "); len(digits) == 5 && word == "cedex" {
				return string(digits), false
			}
			return "", false
		}
	}
	switch len(digits) {
	case 5:
		return string(digits), false
	case 4:
		return "0" + string(digits), true
	}
	return "", false
}

// takeBrackets puts an article in brackets in front, reads a department in brackets, and drops the rest.
func (x *Index) takeBrackets(city string, t *typed) string {
	open := strings.IndexByte(city, '(')
	if open < 0 {
		return city
	}
	inside, after := city[open+1:], ""
	if end := strings.IndexByte(inside, ')'); end >= 0 {
		inside, after = inside[:end], inside[end+1:]
	}
	before := city[:open]
	list, name := words(inside), words(before)
	switch {
	case len(list) > 0 && len(name) == 1 && cities[name[0]] > 0 && list[0][0] >= '0' && list[0][0] <= '9':
		return before + " " + inside + after // Paris (12)
	case len(list) == 1 && isArticle(list[0]):
		return list[0] + " " + before + after
	}
	region, department := x.division(inside)
	if region != "" || department != "" {
		t.region, t.department = region, department
		return before + after
	}
	if len(x.byName[strings.Join(words(city), "")]) > 0 {
		return city // Some official names have brackets.
	}
	return before + after
}

// takeParts cuts the country and the region off that follow a comma.
func (x *Index) takeParts(city string, t *typed) string {
	if !strings.Contains(city, ",") {
		return city
	}
	parts := strings.Split(city, ",")
	town := words(parts[0])
	for len(parts) > 1 {
		last := strings.TrimSpace(parts[len(parts)-1])
		if list := words(last); len(town) == 1 && cities[town[0]] > 0 && len(list) > 0 {
			if _, ok := ordinal(list[0]); ok {
				return parts[0] + " " + last // Paris, 12e
			}
		}
		region, department := x.division(last)
		switch {
		case last == "" || strings.EqualFold(last, "france"):
		case region != "" || department != "":
			t.region, t.department = region, department
		default:
			if strings.ContainsAny(last, "0123456789") {
				return last // A street stands before the comma.
			}
			return parts[0]
		}
		parts = parts[:len(parts)-1]
	}
	return parts[0]
}

// takePostcode reads a postcode that stands with the town: the town follows it, or stands before.
func (t *typed) takePostcode(list []string) []string {
	if len(list) > 1 && list[0] == "f" && isDigits(list[1]) {
		list = list[1:] // F-75012 Paris
	}
	for i, word := range list {
		used := 1
		if len(word) == 2 && i == 0 && len(list) > 2 && isDigits(word) && len(list[1]) == 3 && isDigits(list[1]) {
			word += list[1] // 75 012 Paris
			used = 2
		}
		repaired := len(word) == 4 && i == 0 && len(list) > 1 && isDigits(word) && t.postcode == ""
		if repaired {
			word = "0" + word
		}
		if len(word) != 5 || !isDigits(word) {
			continue
		}
		if t.postcode == "" {
			t.postcode, t.repaired = word, repaired
		}
		if after := list[i+used:]; len(after) > 0 && after[0] != "cedex" {
			return after
		}
		return slices.Concat(list[:i], list[i+used:])
	}
	return list
}

// takeCedex drops what is the post's: CEDEX with its number, boxes and courses. The number of a CEDEX is that of the arrondissement where there are any.
func (t *typed) takeCedex(list []string) []string {
	var rest []string
	for i := 0; i < len(list); i++ {
		word := list[i]
		number := i+1 < len(list) && isDigits(list[i+1])
		switch {
		case word == "cedex" || word == "cdx":
			t.cedex = true
			if number {
				i++
				rest = append(rest, list[i])
			}
		case (word == "bp" || word == "cs" || word == "tsa") && number:
			i++
		default:
			rest = append(rest, word)
		}
	}
	return rest
}

// takeArrondissement reads the number behind the town: 12, 12e, 12 ème arrondissement, XII. Only three cities have any; elsewhere a number is dropped.
func (t *typed) takeArrondissement(list []string) []string {
	if len(list) > 1 && isArrondissement(list[len(list)-1]) {
		list = list[:len(list)-1]
	}
	if len(list) > 2 && cities[list[0]] > 0 && !slices.ContainsFunc(list[2:], isStreet) {
		if number, ok := ordinal(list[1]); ok && number >= 1 && number <= cities[list[0]] {
			t.arrondissement = number // Paris 15 Vaugirard
			return list[:1]
		}
	}
	for len(list) > 1 {
		last := list[len(list)-1]
		number, ok := ordinal(last)
		if !ok && cities[list[0]] > 0 && len(list) == 2 {
			number, ok = roman(last)
		}
		switch {
		case ok:
			if most := cities[list[0]]; len(list) == 2 && number >= 1 && number <= most {
				t.arrondissement = number
			}
		case isOrdinalEnding(last) && len(list) > 2 && isDigits(list[len(list)-2]):
		default:
			return list
		}
		list = list[:len(list)-1]
	}
	return list
}

// isStreet says that a number is that of a house.
func isStreet(word string) bool {
	switch word {
	case "rue", "avenue", "av", "boulevard", "bd", "bld", "place", "pl", "quai", "chemin", "impasse", "allee", "cours", "passage", "square", "villa", "route":
		return true
	}
	return false
}

func isArrondissement(word string) bool {
	switch word {
	case "arrondissement", "arrondissements", "arrond", "arrdt", "arrt", "arr", "ardt":
		return true
	}
	return false
}

// ordinal reads 3, 03, 3e, 3eme, 1er.
func ordinal(word string) (int, bool) {
	digits := 0
	for digits < len(word) && word[digits] >= '0' && word[digits] <= '9' {
		digits++
	}
	if digits == 0 || digits > 5 || digits < len(word) && !isOrdinalEnding(word[digits:]) {
		return 0, false
	}
	number, err := strconv.Atoi(word[:digits])
	return number, err == nil
}

func isOrdinalEnding(word string) bool {
	switch word {
	case "e", "er", "ere", "eme", "ieme", "nd", "nde", "th", "st", "rd":
		return true
	}
	return false
}

var romans = map[string]int{
	"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8, "ix": 9, "x": 10, "xi": 11, "xii": 12, "xiii": 13, "xiv": 14,
	"xv": 15, "xvi": 16, "xvii": 17, "xviii": 18, "xix": 19, "xx": 20,
}

func roman(word string) (int, bool) {
	for _, ending := range []string{"", "e", "er", "eme"} {
		if number, ok := romans[strings.TrimSuffix(word, ending)]; ok && strings.HasSuffix(word, ending) {
			return number, true
		}
	}
	return 0, false
}

func isDigits(word string) bool {
	for i := 0; i < len(word); i++ {
		if word[i] < '0' || word[i] > '9' {
			return false
		}
	}
	return word != ""
}
