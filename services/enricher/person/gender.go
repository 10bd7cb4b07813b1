package person

// Genders, and what they rest on.
const (
	Female = "female"
	Male   = "male"
	Other  = "other"

	Declared   = "declared"
	ByCivility = "civility"
)

// declared are the words of forms and tills for a gender. 1 and 2 are those of INSEE and ISO 5218.
var declared = map[string]string{
	"F": Female, "FEMALE": Female, "FEMININ": Female, "FEMME": Female, "FILLE": Female, "W": Female, "WOMAN": Female, "2": Female, "WEIBLICH": Female, "FRAU": Female,
	"FEMININE": Female, "GIRL": Female, "FEM": Female, "VROUW": Female, "MUJER": Female, "DONNA": Female,
	"M": Male, "MALE": Male, "MASCULIN": Male, "HOMME": Male, "H": Male, "GARCON": Male, "MAN": Male, "1": Male, "MANNLICH": Male, "HERR": Male,
	"MASCULINE": Male, "BOY": Male, "MASC": Male, "HOMBRE": Male, "UOMO": Male,
	"OTHER": Other, "AUTRE": Other, "X": Other, "NB": Other, "NON BINAIRE": Other, "NON BINARY": Other, "NONBINARY": Other, "NONBINAIRE": Other, "ENBY": Other,
	"DIVERS": Other, "DIVERSE": Other, "GENDERQUEER": Other, "NEUTRE": Other, "AGENRE": Other, "AGENDER": Other,
}

// refused are answers of people who do not want to say, which a civility does not overrule.
var refused = setOf2(
	"PREFER NOT TO SAY", "PREFER NOT TO ANSWER", "PREFER NOT TO DISCLOSE", "NE SOUHAITE PAS REPONDRE", "NE SOUHAITE PAS PRECISER", "NE PREFERE PAS REPONDRE",
	"PREFERE NE PAS REPONDRE", "PREFERE NE PAS DIRE", "JE PREFERE NE PAS REPONDRE", "JE NE SOUHAITE PAS REPONDRE", "DECLINED", "REFUS", "REFUSE",
)

// setOf2 makes a set of phrases.
func setOf2(all ...string) set {
	s := set{}
	for _, one := range all {
		s[one] = struct{}{}
	}
	return s
}

// Civilities of one person. Titles (Dr, Me, Pr) say nothing.
var (
	womanly = setOf("MME MADAME MLLE MELLE MLE MADEMOISELLE MS MRS MISS FRAU MEVROUW SIGNORA SRA SENORA")
	manly   = setOf("M MR MONSIEUR MISTER HERR SIR SIGNOR SENOR DHR")
	titled  = setOf("DR DOCTEUR PR PROF PROFESSEUR ME MAITRE MX VEUVE VVE SR SOEUR PERE ABBE")
	// plural are civilities of several people of one sex.
	plural = setOf("MM MESSIEURS MMES MESDAMES MLLES MESDEMOISELLES")
)

// civil is what a civility says.
type civil struct {
	gender  string
	several bool
	couple  bool
}

// civilityOf reads M, Mme, Dr, M. et Mme. Ok is false for words that are none.
func civilityOf(words []string) (c civil, ok bool) {
	man, woman := false, false
	for _, w := range words {
		switch {
		case manly.has(w):
			man = true
		case womanly.has(w):
			woman = true
		case plural.has(w):
			c.several = true
		case titled.has(w), w == "ET", w == "OU", w == "AND", w == "OR":
		default:
			return civil{}, false
		}
	}
	switch {
	case man && woman:
		c.couple = true
	case c.several:
	case man:
		c.gender = Male
	case woman:
		c.gender = Female
	}
	return c, len(words) > 0
}

// gender as declared, else by the civility.
func gender(f *Facts, n names) (value, basis string) {
	stated := texts(split(f.Gender))
	text := joined(stated)
	if value := declared[text]; value != "" {
		return value, Declared
	}
	if refused.has(text) {
		return "", ""
	}
	if c, ok := civilityOf(stated); ok && c.gender != "" {
		return c.gender, Declared // Mme in the field of the gender
	}
	if n.civil.gender != "" && !n.several() {
		return n.civil.gender, ByCivility
	}
	return "", ""
}

func joined(words []string) string {
	out := ""
	for i, w := range words {
		if i > 0 {
			out += " "
		}
		out += w
	}
	return out
}
