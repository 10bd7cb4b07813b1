package person

import (
	"slices"
	"strings"
)

// Hints of the household.
const (
	Couple      = "couple"
	Family      = "family"
	Shared      = "shared"
	Institution = "institution"
	Company     = "company"
)

// names are what the names of a person say, in words without marks.
type names struct {
	first, last, full, company []word
	civil                      civil
	// found are the hints of the names.
	family, couple, business, institution, guest bool
	// nobody is true when there is no name of a person.
	nobody bool
}

// Words in names. Forms of companies are looked for as whole words in the name of a person, where they do not belong.
var (
	companyForms = setOf("SARL SAS SASU SCI EURL SNC EARL GAEC SCEA SELARL SELAS SCP SCOP GIE SCIC SICA EIRL LTD LLC GMBH BV BVBA NV SPRL SRL ETS ETABLISSEMENTS " +
		"SOCIETE ENTREPRISE CABINET HOLDING CONSULTING SPA PLC INC")
	institutions = setOf("ASSOCIATION ASSO ASBL MAIRIE LYCEE COLLEGE ECOLE UNIVERSITE HOPITAL CHU CHRU CLINIQUE MINISTERE PREFECTURE PAROISSE CASERNE GENDARMERIE " +
		"CRECHE COMMUNAUTE SYNDICAT FONDATION MUSEE EHPAD EHPA CCAS CROUS INTERNAT MONASTERE ABBAYE COUVENT BIBLIOTHEQUE MEDIATHEQUE IUT AMICALE")
	families = setOf("FAMILLE FAMILLES FAM FAMILY FAMILIE CONSORTS FOYER")
	links    = setOf("ET OU AND UND EN")
	// joiners stand between names and are no part of one.
	joiners = strings.NewReplacer("&", " ET ", "+", " ET ", "/", " ET ")
	// particles begin a family name of several words.
	particles = setOf("DE DU DES D LE LA VAN VON DEN DER TEN TER EL AL BEN DA DOS DI DEL DELLA MC MAC SAINT STE ST O BOU ABOU AIT OULD TE")
	// born parts the used name from the birth name; wed parts a birth name from the used name.
	born = setOf("NEE NE")
	wed  = setOf("EPOUSE EPSE EP VEUVE VVE DIVORCEE")
)

// placeNames are phrases in names.
var placeNames = phrases(
	"MAISON DE RETRAITE = EHPAD", "RESIDENCE AUTONOMIE = EHPAD", "FOYER LOGEMENT = EHPAD", "MAISON DE REPOS = EHPAD",
	"RESIDENCE UNIVERSITAIRE = CROUS", "CITE UNIVERSITAIRE = CROUS",
	"C O = CHEZ", "AUX BONS SOINS DE = CHEZ",
)

// namesOf reads the names.
func namesOf(f *Facts) names {
	read := func(s string) []word {
		if s == "" {
			return nil
		}
		return join(split(joiners.Replace(careOf.Replace(s))), placeNames)
	}
	n := names{first: read(f.FirstName), last: read(f.LastName), full: read(f.FullName), company: read(f.Company)}
	n.nobody = len(n.first)+len(n.last)+len(n.full) == 0
	n.readCivility(f)
	for _, part := range [][]word{n.first, n.last, n.full} {
		n.readWords(part)
	}
	for _, w := range n.company {
		if w.text == "EHPAD" || w.text == "CROUS" {
			n.institution = true
		}
	}
	if n.nobody && len(n.company) > 0 && !n.institution {
		n.business = true
		for _, w := range n.company {
			if institutions.has(w.text) {
				n.business, n.institution = false, true
			}
		}
	}
	// Two first names: Jean et Marie. One family name after an ET is another person as well.
	if !n.couple && !n.family {
		people := max(peopleIn(n.first), 1)
		if len(n.first) == 0 {
			people = peopleIn(n.full)
		}
		n.couple, n.family = people == 2, people > 2
	}
	return n
}

// readCivility takes the civility from its field, else from the front of a name, else from the title.
func (n *names) readCivility(f *Facts) {
	if c, ok := civilityOf(texts(split(joiners.Replace(f.Civility)))); ok {
		n.civil = c
	}
	n.full = n.withoutCivility(n.full)
	n.last = n.withoutCivility(n.last)
	n.first = n.withoutCivility(n.first)
	if n.civil == (civil{}) && f.Title != "" {
		if c, ok := civilityOf(texts(split(joiners.Replace(f.Title)))); ok {
			n.civil = c
		}
	}
	n.couple = n.civil.couple
}

// withoutCivility takes a civility off the front of a name.
func (n *names) withoutCivility(words []word) []word {
	end := 0
	for end < len(words) && (manly.has(words[end].text) || womanly.has(words[end].text) || plural.has(words[end].text) || titled.has(words[end].text) ||
		end > 0 && links.has(words[end].text)) {
		end++
	}
	if end > 0 && links.has(words[end-1].text) {
		end-- // M. Jean ET ...
	}
	if end == 0 || end == len(words) && len(words) == 1 && len(words[0].text) == 1 {
		return words // an initial
	}
	if c, ok := civilityOf(texts(words[:end])); ok && n.civil == (civil{}) {
		n.civil = c
	}
	return words[end:]
}

func (n *names) readWords(words []word) {
	for i, w := range words {
		switch {
		case len(words) > 1 && (companyForms.has(w.text) || w.text == "SA" && i+1 == len(words)): // Sas alone is a family name
			n.business = true
		case institutions.has(w.text) && len(n.first) == 0 && (len(words) > 1 || w.text == "EHPAD"): // Pierre École is a person
			n.institution = true
		case families.has(w.text) && i == 0, w.text == "ENFANTS":
			n.family = true
		case w.text == "CHEZ" && i+1 < len(words):
			n.guest = true
		}
	}
}

// several tells names of more than one person.
func (n *names) several() bool { return n.couple || n.family || n.civil.several }

// peopleIn counts the people of JEAN ET MARIE, and of JEAN, MARIE ET PAUL. Without an ET, a comma may part a family name from a first name.
func peopleIn(words []word) int {
	people, with := 1, false
	for i, w := range words {
		switch {
		case i == 0 || i+1 == len(words):
		case w.text == "ET" || w.text == "OU":
			people, with = people+1, true
		case w.first:
			people++
		}
	}
	if !with {
		return 1
	}
	return people
}

// familyName is the family name in use, in one spelling; empty when it is not sure.
func (n *names) familyName() string {
	words := n.last
	switch {
	case len(words) > 0:
	case len(n.full) == 1 && n.civil != (civil{}): // M. et Mme Dupont
		words = n.full
	default:
		words = lastOf(n.full)
	}
	var kept []string
	for _, w := range words {
		switch {
		case born.has(w.text):
			return joined(kept) // the birth name comes behind
		case wed.has(w.text):
			kept = nil // the used name comes behind
		case families.has(w.text), links.has(w.text), manly.has(w.text) && len(w.text) > 1, womanly.has(w.text):
		case w.text == "ST":
			kept = append(kept, "SAINT")
		case w.text == "STE":
			kept = append(kept, "SAINTE")
		case number(w.text):
			return ""
		default:
			kept = append(kept, w.text)
		}
	}
	return joined(kept)
}

// lastOf finds the family name in a whole name: what is in capitals when the rest is not, what begins with a particle, or the second of two
// words. Which of three words are the family name is not for us to say.
func lastOf(full []word) []word {
	if at := slices.IndexFunc(full, func(w word) bool { return w.text == "ET" || w.text == "OU" }); at > 0 {
		full = full[at+1:] // Jean et Marie Dupont
	}
	if len(full) > 1 && families.has(full[0].text) {
		return full[1:]
	}
	var capital []word
	for _, w := range full {
		if w.cased && len(w.text) > 1 {
			capital = append(capital, w)
		}
	}
	if len(capital) > 0 && len(capital) < len(full) {
		return capital
	}
	for i, w := range full {
		if i > 0 && i+1 < len(full) && particles.has(w.text) {
			return full[i:]
		}
	}
	if len(full) == 2 {
		return full[1:]
	}
	return nil
}

// household is the strongest hint.
func household(n names, h street, dwelling string) string {
	switch {
	case n.institution || dwelling == CareHome:
		return Institution
	case n.business:
		return Company
	case n.family:
		return Family
	case n.couple:
		return Couple
	case n.civil.several || n.guest || h.guest:
		return Shared
	}
	return ""
}
