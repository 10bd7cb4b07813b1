package person

import (
	"slices"
	"strings"
	"unicode"
)

// Hints of the dwelling.
const (
	Flat             = "flat"
	House            = "house"
	POBox            = "po_box"
	CareHome         = "care_home"
	StudentResidence = "student_residence"
	Campsite         = "campsite"
	RuralPlace       = "rural_place"
)

// articles stand inside the name of a street: what follows one belongs to the name.
var articles = setOf("DE DU DES D LA LE LES L AU AUX A EN SUR SOUS LEZ ET VAN DER DEN")

// markers are what stands beside the street on the line, by the hint.
var markers = map[string]string{
	"APPARTEMENT": Flat, "APPT": Flat, "APPART": Flat, "APT": Flat, "APP": Flat, "APMT": Flat, "BATIMENT": Flat, "BAT": Flat, "BATS": Flat, "BT": Flat, "ESCALIER": Flat, "ESC": Flat,
	"ETAGE": Flat, "ETG": Flat, "RDC": Flat, "RESIDENCE": Flat, "RES": Flat, "RESID": Flat, "IMMEUBLE": Flat, "IMM": Flat, "STUDIO": Flat, "LOGEMENT": Flat, "LOGT": Flat, "LGT": Flat,
	"INTERPHONE": Flat, "DIGICODE": Flat, "PORTE": Flat, "ENTREE": Flat, "TOUR": Flat, "BLOC": Flat, "CAGE": Flat, "HLM": Flat, "DUPLEX": Flat, "PALIER": Flat, "LOFT": Flat, "HALL": Flat,
	"COPROPRIETE": Flat, "APARTMENT": Flat, "FLAT": Flat, "BTE": Flat, "BOITE": Flat, "BUS": Flat,
	"VILLA": House, "PAVILLON": House, "MAISON": House, "LOTISSEMENT": House, "LOT": House, "CHALET": House,
	"EHPAD": CareHome, "EHPA": CareHome, "MAPA": CareHome, "USLD": CareHome, "MARPA": CareHome,
	"CROUS": StudentResidence, "INTERNAT": StudentResidence,
	"CAMPING": Campsite, "MOBILHOME": Campsite, "CARAVANE": Campsite, "CAMPSITE": Campsite,
	"LIEUDIT": RuralPlace, "LD": RuralPlace, "HAMEAU": RuralPlace, "HAM": RuralPlace, "FERME": RuralPlace, "BOURG": RuralPlace,
	"RESTANTE": POBox,
}

// needsMore are markers that mean something only before a number or a single letter: otherwise they are words like others.
var needsMore = setOf("PORTE ENTREE TOUR BLOC CAGE LOT BT BUS BTE BOITE APP RES PALIER HALL FLAT MAISON ESC BAT HAM IMM")

// boxes are followed by a number of the post's.
var boxes = setOf("BP CS TSA CP POSTFACH POSTBUS")

// counts tells whether a marker means what it says where it stands.
func (s *street) counts(i int) bool {
	if s.inside(i) {
		return false
	}
	if !needsMore.has(s.words[i].text) {
		return true
	}
	if i+1 < len(s.words) && !s.words[i+1].first {
		next := s.words[i+1].text
		if len(next) <= 2 || number(next) || strings.ContainsFunc(next, unicode.IsDigit) {
			return !articles.has(next) || next == "A" || next == "D" || next == "L" || s.words[i].text == "RES"
		}
	}
	return s.words[i].text == "RES" || s.words[i].text == "MAISON" && s.words[i].first
}

// mark notes what one word says beside the street, which stands from at to end.
func (s *street) mark(i, at, end int) {
	w := s.words[i]
	next := ""
	if i+1 < len(s.words) {
		next = s.words[i+1].text
	}
	switch {
	case gluedBox.MatchString(w.text), boxes.has(w.text) && next != "" && startsWithDigit(next):
		s.marks[POBox] = true
	case w.text == "CEDEX":
		s.cedex = true
	case gluedMarker.MatchString(w.text) && i != at:
		s.marks[Flat] = true
	case s.storey(i) && (i < at || i >= end):
		s.marks[Flat] = true
	case w.text == "COLOC", w.text == "COLOCATION":
		s.guest = true
	case w.text == "CHEZ":
		s.guest = s.guest || s.host(i, at)
		if !s.guest {
			s.marks[RuralPlace] = true // Chez Bourdon, a hamlet of the Charente
		}
	}
	kind := markers[w.text]
	if kind == "" || !s.counts(i) || i > at && i < end && at >= 0 {
		return
	}
	if i == at && s.number != "" && kind != Flat && kind != RuralPlace && w.text != "LOTISSEMENT" {
		return // 12 villa des Roses is a street
	}
	if w.text == "ESCALIER" && i == at || w.text == "BOURG" && i > 0 && !articles.has(s.words[i-1].text) {
		return
	}
	s.marks[kind] = true
}

// host tells whose home "chez" names: somebody with a civility, or anybody where there is a street. Alone it is a hamlet.
func (s *street) host(i, at int) bool {
	if i+1 < len(s.words) {
		if next := s.words[i+1].text; manly.has(next) || womanly.has(next) || families.has(next) || plural.has(next) {
			return true
		}
	}
	for j := range i {
		if s.words[j].text == "LIEUDIT" || s.words[j].text == "LD" {
			return false
		}
	}
	return at >= 0
}

func startsWithDigit(text string) bool { return text[0] >= '0' && text[0] <= '9' }

func endsLikeStreet(text string) bool {
	return slices.ContainsFunc(endings, func(end string) bool { return len(text) > len(end)+2 && strings.HasSuffix(text, end) })
}

// place adds what town and country say.
func (s *street) place(f *Facts) {
	if strings.Contains(fold(f.City), "CEDEX") {
		s.cedex = true
	}
}

// dwelling is the strongest hint. A line without street and number that begins with an article is the name of a place in the country.
func (s *street) dwelling(n names, country string) string {
	for _, w := range slices.Concat(n.company, n.last, n.full) {
		switch w.text {
		case "EHPAD", "EHPA":
			s.marks[CareHome] = true
		case "CROUS":
			s.marks[StudentResidence] = true
		}
	}
	if s.cedex {
		s.marks[POBox] = true
	}
	for _, kind := range []string{POBox, CareHome, StudentResidence, Campsite, Flat, RuralPlace, House} {
		if s.marks[kind] {
			return kind
		}
	}
	if s.bare && country == "FR" && len(s.words) >= 2 && s.number == "" {
		switch s.words[0].text {
		case "LE", "LA", "LES", "L":
			return RuralPlace
		}
	}
	return ""
}
