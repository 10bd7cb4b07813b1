package person

import (
	"regexp"
	"strings"
)

// careOf keeps the sign of "care of" together.
var careOf = strings.NewReplacer("c/o", " CHEZ ", "C/O", " CHEZ ", "C/o", " CHEZ ")

// streetPhrases are words of an address that are one word in several.
var streetPhrases = phrases(
	"LIEU DIT = LIEUDIT", "ROND POINT = RONDPOINT", "GRANDE RUE = GRANDRUE", "GRAND RUE = GRANDRUE",
	"ZONE INDUSTRIELLE = ZI", "ZONE ARTISANALE = ZA", "ZONE D ACTIVITE = ZA", "ZONE D ACTIVITES = ZA", "ZONE COMMERCIALE = ZC", "PARC D ACTIVITES = ZA",
	"Z I = ZI", "Z A = ZA", "Z A C = ZAC",
	"BOITE POSTALE = BP", "CASE POSTALE = BP", "P O BOX = BP", "PO BOX = BP", "B P = BP", "C S = CS", "T S A = TSA", "C P = CP", "POSTE RESTANTE = RESTANTE",
	"MAISON DE RETRAITE = EHPAD", "MAISON DE REPOS = EHPAD", "RESIDENCE AUTONOMIE = EHPAD", "FOYER LOGEMENT = EHPAD", "FOYER LOGEMENTS = EHPAD",
	"RESIDENCE UNIVERSITAIRE = CROUS", "RES UNIVERSITAIRE = CROUS", "RESIDENCE ETUDIANTE = CROUS", "RESIDENCE ETUDIANTS = CROUS", "RESIDENCE ETUDIANT = CROUS",
	"RESIDENCE POUR ETUDIANTS = CROUS", "CITE UNIVERSITAIRE = CROUS", "CITE U = CROUS", "RES U = CROUS", "RESIDENCE U = CROUS", "FOYER ETUDIANT = CROUS",
	"MOBIL HOME = MOBILHOME", "MOBILE HOME = MOBILHOME", "REZ DE CHAUSSEE = RDC", "R D C = RDC",
	"AUX BONS SOINS DE = CHEZ", "AIRE D ACCUEIL = CAMPING",
)

// Types of street, by their code. The first are known wherever they stand, the others, which are also words of a name or an abbreviation, only
// behind a number or at the beginning.
var (
	streetTypes = codes("ALL ALLEE ALLEES", "AV AVENUE AVENIDA", "BD BOULEVARD", "CHE CHEMIN", "CHS CHAUSSEE", "CRS COURS", "ESP ESPLANADE", "FG FAUBOURG", "GR GRANDRUE",
		"IMP IMPASSE", "MTE MONTEE", "PAS PASSAGE", "PL PLACE", "PROM PROMENADE", "QUAI", "RLE RUELLE", "RPT RONDPOINT", "RTE ROUTE", "RUE", "SEN SENTIER SENTE", "SQ SQUARE",
		"TRA TRAVERSE", "VOIE", "STRASSE", "STRAAT", "LAAN", "STREET", "ROAD", "LANE", "VENELLE", "MAIL", "PARVIS", "ROCADE")
	placedTypes = codes("ALL ALL", "AV AV AVE", "BD BD BVD BLD BOUL BLVD", "CHE CHE CH CHEM", "CITE", "COUR", "CRS CRS", "DOM DOMAINE", "FG FBG FG", "HAM HAMEAU", "IMP IMP",
		"LOT LOTISSEMENT", "PAS PASS", "PL PL PLC", "QUA QUARTIER QU", "RES RESIDENCE", "RTE RTE RT", "RUE R", "SEN SENT", "SQ SQ", "VLA VILLA", "ZA", "ZAC", "ZI", "ZC", "CLOS", "COTE",
		"GAL GALERIE", "PARC", "PONT", "PORT", "ST STR", "VIA", "CALLE", "PLEIN", "PLATZ", "WEG", "DREVE", "RAMPE", "ESC ESCALIER", "CTRE CENTRE", "RPT RPT", "GR GR", "MTE MTE")
	// endings are those of streets in one word: Bahnhofstrasse, Kerkstraat.
	endings = []string{"STRASSE", "STRAAT", "GASSE", "PLATZ", "LAAN", "PLEIN", "STEENWEG", "WEG"}
)

func codes(rows ...string) map[string]string {
	all := map[string]string{}
	for _, row := range rows {
		words := strings.Fields(row)
		for _, w := range words {
			all[w] = words[0]
		}
	}
	return all
}

var (
	gluedBox    = regexp.MustCompile(`^(BP|CS|TSA)\d+$`)
	gluedMarker = regexp.MustCompile(`^(APT|APPT|APP|BAT|ESC|ETG|LOT|BT)\d+[A-Z]?$`)
	houseNumber = regexp.MustCompile(`^(\d{1,5})(BIS|TER|QUATER|[A-Z])?$`)
	suffixWord  = map[string]string{"BIS": "B", "TER": "T", "QUATER": "Q", "QUINQUIES": "C"}
	ordinal     = regexp.MustCompile(`^\d{1,2}(E|EME|ER|ERE|IEME|ND|NDE)$`)
)

// street is what the street line says.
type street struct {
	// number of the house with the letter of its suffix; road is the type and the words of the name.
	number string
	road   []string
	// marks are the hints found, one bit a kind.
	marks map[string]bool
	// guest tells "chez" and "c/o".
	guest bool
	// bare is a line without number and type of street.
	bare bool
	// words of the line.
	words []word
	cedex bool
}

// parseStreet reads the street line of a postal address.
func parseStreet(line string) street {
	s := street{marks: map[string]bool{}}
	if strings.TrimSpace(line) == "" {
		return s
	}
	s.words = join(split(careOf.Replace(line)), streetPhrases)
	at := s.findRoad()
	end := len(s.words)
	if at >= 0 {
		end = s.readRoad(at)
	}
	for i := range s.words {
		s.mark(i, at, end)
	}
	s.bare = at < 0
	return s
}

// findRoad is where the type of the street stands; -1 when there is none. A type with a house number before it goes before one without.
func (s *street) findRoad() int {
	found := -1
	for i, w := range s.words {
		_, wide := streetTypes[w.text]
		_, placed := placedTypes[w.text]
		behind := i > 0 && s.numberBefore(i)
		switch {
		case (wide || placed) && behind && !isResidence(w.text):
			s.number = s.takeNumber(i)
			return i
		case found < 0 && wide && !s.inside(i), found < 0 && endsLikeStreet(w.text):
			found = i
		case found < 0 && placed && w.first && i+1 < len(s.words) && s.leads(w.text):
			found = i
		}
	}
	if found < 0 {
		return s.findUntyped()
	}
	if at := s.leadingNumber(); at >= 0 && at+1 < found && s.sameName(at+1, found) {
		s.number = s.takeNumber(at + 1) // 12 High Street
		return at + 1
	}
	return found
}

// sameName tells whether the words from one to another are one name.
func (s *street) sameName(from, to int) bool {
	for i := from; i <= to; i++ {
		if s.words[i].first || s.markerAt(i) {
			return false
		}
	}
	return true
}

// isResidence tells what gives way to a real street behind it: 3 residence les Pins, 12 rue Pasteur.
func isResidence(text string) bool { return text == "RESIDENCE" || text == "RES" }

// leads tells abbreviations that may begin a street without a number: AV, BD. Letters like R and words that are also dwellings may not.
func (s *street) leads(text string) bool {
	return len(text) > 1 && markers[text] == "" && text != "ST"
}

// findUntyped takes a line that begins with a number for a street all the same: 3 Le Clos, 12 residence les Pins.
func (s *street) findUntyped() int {
	at := s.leadingNumber()
	if at < 0 || at+1 >= len(s.words) {
		return -1
	}
	next := at + 1
	if _, suffixed := suffixWord[s.words[next].text]; suffixed && next+1 < len(s.words) {
		next++
	}
	if w := s.words[next]; w.first || len(w.text) < 2 || number(w.text) || boxes.has(w.text) || markers[w.text] != "" && !isResidence(w.text) && w.text != "LIEUDIT" && w.text != "LD" {
		return -1
	}
	s.number = s.takeNumber(next)
	return next
}

// leadingNumber is where a house number begins a part of the line.
func (s *street) leadingNumber() int {
	for i, w := range s.words {
		if w.first && houseNumber.MatchString(w.text) && !ordinal.MatchString(w.text) && (i == 0 || !s.markerAt(i-1)) {
			return i
		}
	}
	return -1
}

func (s *street) markerAt(i int) bool {
	return markers[s.words[i].text] != "" || boxes.has(s.words[i].text)
}

// numberBefore tells whether a house number, with its suffix, stands before the word.
func (s *street) numberBefore(i int) bool {
	j := i - 1
	if j > 0 && (suffixWord[s.words[j].text] != "" || oneLetter(s.words[j].text)) {
		j--
	}
	w := s.words[j].text
	if !houseNumber.MatchString(w) || ordinal.MatchString(w) {
		return false
	}
	return j == 0 || !boxes.has(s.words[j-1].text) && (markers[s.words[j-1].text] == "" || s.words[j].first)
}

// takeNumber reads the house number that ends before the word: 12, 12B for 12 bis, the first of 12-14.
func (s *street) takeNumber(i int) string {
	j, suffix := i-1, ""
	if j > 0 && (suffixWord[s.words[j].text] != "" || oneLetter(s.words[j].text)) {
		suffix = s.words[j].text
		if letter := suffixWord[suffix]; letter != "" {
			suffix = letter
		}
		j--
	}
	if j > 0 && houseNumber.MatchString(s.words[j-1].text) && !s.words[j].first && (j == 1 || !s.markerAt(j-2)) { // not STUDIO 4
		j--
	} else if j > 1 && s.words[j-1].text == "A" && houseNumber.MatchString(s.words[j-2].text) {
		j -= 2
	}
	parts := houseNumber.FindStringSubmatch(s.words[j].text)
	if parts == nil {
		return ""
	}
	if letter := parts[2]; letter != "" {
		suffix = letter
		if short := suffixWord[letter]; short != "" {
			suffix = short
		}
	}
	n := strings.TrimLeft(parts[1], "0")
	if n == "" {
		return ""
	}
	return n + suffix
}

func oneLetter(text string) bool { return len(text) == 1 && text[0] >= 'A' && text[0] <= 'Z' }

// inside tells a word that belongs to the name of a street, because an article or a type of street stands before it.
func (s *street) inside(i int) bool {
	if i == 0 || s.words[i].first {
		return false
	}
	before := s.words[i-1].text
	if articles.has(before) {
		// Le Bourg, La Ferme: an article at the beginning of a part is no name of a street.
		return !s.words[i-1].first
	}
	_, street := streetTypes[before]
	return street
}

// titles in names of streets, as the post shortens them.
var streetTitles = map[string]string{
	"ST": "SAINT", "STE": "SAINTE", "GAL": "GENERAL", "GEN": "GENERAL", "MAL": "MARECHAL", "DR": "DOCTEUR", "PR": "PROFESSEUR", "PROF": "PROFESSEUR", "PDT": "PRESIDENT",
	"CAP": "CAPITAINE", "CPT": "CAPITAINE", "COL": "COLONEL", "CDT": "COMMANDANT", "LT": "LIEUTENANT", "AL": "AMIRAL", "NTRE": "NOTRE", "ND": "NOTREDAME", "STS": "SAINTS",
}

// readRoad reads the name of the street, up to the next part of the line, a marker or a postcode, and returns where it ends.
func (s *street) readRoad(at int) int {
	code := streetTypes[s.words[at].text]
	if code == "" {
		code = placedTypes[s.words[at].text]
	}
	begin := at + 1
	if code == "" { // no type: the word is the name
		code, begin = "", at
	}
	if code != "" {
		s.road = append(s.road, code)
	}
	end := begin
	for ; end < len(s.words); end++ {
		w := s.words[end]
		if end > at && (w.first || s.stops(end)) {
			break
		}
		if articles.has(w.text) {
			continue
		}
		if long := streetTitles[w.text]; long != "" {
			w.text = long
		}
		s.road = append(s.road, w.text)
	}
	s.trailingNumber(at, end)
	return end
}

// stops tells where the name of the street ends without a comma.
func (s *street) stops(i int) bool {
	w := s.words[i].text
	if len(w) == 5 && number(w) || boxes.has(w) && i+1 < len(s.words) && number(s.words[i+1].text) || gluedBox.MatchString(w) || gluedMarker.MatchString(w) || w == "CHEZ" {
		return true
	}
	return markers[w] != "" && s.counts(i) || s.storey(i)
}

// storey tells 3e etage, 3eme gauche, 2 etage.
func (s *street) storey(i int) bool {
	if i+1 == len(s.words) || !startsWithDigit(s.words[i].text) {
		return false
	}
	switch next := s.words[i+1].text; next {
	case "ETAGE", "ETG":
		return true
	case "ET", "GAUCHE", "DROITE", "FACE":
		return ordinal.MatchString(s.words[i].text)
	}
	return false
}

// trailingNumber takes a house number from behind the name, as Belgians, Swiss and Germans write it. A number that is part of a date is none.
func (s *street) trailingNumber(at, end int) {
	last := end - 1
	if last <= at && last >= 0 && end < len(s.words) && s.number == "" && houseNumber.MatchString(s.words[end].text) && s.words[end].first && !ordinal.MatchString(s.words[end].text) {
		last = end // nothing between
	}
	if s.number != "" {
		return
	}
	if end < len(s.words) && s.words[end].first && len(s.words[end].text) <= 4 && houseNumber.MatchString(s.words[end].text) && (end+1 == len(s.words) || s.words[end+1].first || s.markerAt(end+1)) {
		s.number = s.takeNumber(end + 1) // Rue Haute, 12
		return
	}
	if last > at && len(s.words[last].text) <= 4 && houseNumber.MatchString(s.words[last].text) && number(s.words[last].text[:1]) && !(last > 0 && months.has(s.words[last-1].text)) {
		s.number = s.takeNumber(last + 1)
		if n := len(s.road); n > 0 && s.number != "" {
			s.road = s.road[:n-1]
		}
	}
}

var months = setOf("JANVIER FEVRIER MARS AVRIL MAI JUIN JUILLET AOUT SEPTEMBRE OCTOBRE NOVEMBRE DECEMBRE")
