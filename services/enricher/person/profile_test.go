package person

import (
	"crypto/hmac"
	"crypto/sha256"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/internal/workspace"
)

func day(text string) time.Time {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

func TestAgeIsInWholeYearsOnTheDay(t *testing.T) {
	d := newDescriber(t)
	f := func(birth, on string, years int32, band string) {
		t.Helper()
		p := d.Describe(&Facts{BirthDate: day(birth)}, day(on))
		if p.Age != years || p.AgeBand != band {
			t.Errorf("born %s, on %s: got %d %q, want %d %q", birth, on, p.Age, p.AgeBand, years, band)
		}
	}
	f("1980-06-15", "2026-06-14", 45, From45To54)
	f("1980-06-15", "2026-06-15", 46, From45To54)
	f("2008-02-29", "2026-02-28", 17, Under18)
	f("2008-02-29", "2026-03-01", 18, From18To24)
	f("2004-02-29", "2028-02-28", 23, From18To24)
	f("2004-02-29", "2028-02-29", 24, From18To24)
	f("2026-01-01", "2026-01-01", 0, Under18)
	f("2026-01-02", "2026-01-01", unknown, "")
	f("1906-01-01", "2026-12-31", 120, From75)
	f("1905-12-31", "2026-12-31", unknown, "")
	f("1900-01-01", "2026-01-01", unknown, "")
	f("", "2026-01-01", unknown, "")
	f("2001-03-02", "2026-03-01", 24, From18To24)
	f("2001-03-01", "2026-03-01", 25, From25To34)
	f("1991-03-01", "2026-03-01", 35, From35To44)
	f("1971-03-01", "2026-03-01", 55, From55To64)
	f("1961-03-01", "2026-03-01", 65, From65To74)
	f("1951-03-01", "2026-03-01", 75, From75)
	f("1951-03-02", "2026-03-01", 74, From65To74)
}

// The cache must not keep the age: the same person is a year older on the next birthday.
func TestAgeIsNotRemembered(t *testing.T) {
	d := newDescriber(t)
	f := &Facts{BirthDate: day("1980-06-15"), Email: "jean@orange.fr"}
	if a, b := d.Describe(f, day("2026-06-14")).Age, d.Describe(f, day("2026-06-15")).Age; a != 45 || b != 46 {
		t.Errorf("got %d and %d, want 45 and 46", a, b)
	}
	f.BirthDate = time.Time{}
	if got := d.Describe(f, day("2026-06-15")).Age; got != unknown {
		t.Errorf("got %d of nobody's birthday", got)
	}
}

func home(name, street, code, country string) *Facts {
	return &Facts{LastName: name, Street: street, PostalCode: code, City: "Ville", Country: country}
}

func TestOneHouseholdInEverySpelling(t *testing.T) {
	d := newDescriber(t)
	f := func(one, other *Facts, same bool) {
		t.Helper()
		a, b := d.Describe(one, someDay).HouseholdID, d.Describe(other, someDay).HouseholdID
		if a == "" || b == "" || (a == b) != same {
			t.Errorf("%q and %q: got %q and %q, want the same: %v", one.LastName+", "+one.Street, other.LastName+", "+other.Street, a, b, same)
		}
	}
	lea := home("Lefèvre", "12 bis, bd du Général-Leclerc", "59000", "")
	for _, one := range []*Facts{
		home("LEFEVRE", "12bis Boulevard du General Leclerc", "59000", "FR"),
		home("lefevre", "12 B bvd Gal Leclerc", "F-59000", "France"),
		home("Mme Lefèvre", "Apt 4, 12 bis bld du Général Leclerc, 3e étage", "59000", "france"),
		home("Lefe\u0301vre née Petit", "12BIS BD DU GENERAL LECLERC", "59 000", ""),
		home("Famille Lefèvre", "N°12 bis, boulevard du Général Leclerc - bât. B", "59000", "FRA"),
	} {
		f(lea, one, true)
	}
	for _, one := range []*Facts{
		home("Lefebvre", "12 bis, bd du Général-Leclerc", "59000", ""),
		home("Lefèvre", "12, bd du Général-Leclerc", "59000", ""),
		home("Lefèvre", "12 ter, bd du Général-Leclerc", "59000", ""),
		home("Lefèvre", "12 bis, rue du Général-Leclerc", "59000", ""),
		home("Lefèvre", "12 bis, bd du Maréchal-Leclerc", "59000", ""),
		home("Lefèvre", "12 bis, bd du Général-Leclerc", "59800", ""),
		home("Lefèvre", "12 bis, bd du Général-Leclerc", "59000", "DE"),
	} {
		f(lea, one, false)
	}
}

func TestHouseholdsOfTwoKeysHaveNothingInCommon(t *testing.T) {
	f := home("Dupont", "12 rue Pasteur", "75011", "")
	a, b := describerOf(t, strings.Repeat("5a", 32), nil), describerOf(t, strings.Repeat("5b", 32), nil)
	if a.Describe(f, someDay).HouseholdID == b.Describe(f, someDay).HouseholdID {
		t.Error("two workspaces give one id: their households can be compared")
	}
	if a.Describe(f, someDay).HouseholdID != describerOf(t, strings.Repeat("5a", 32), nil).Describe(f, someDay).HouseholdID {
		t.Error("a restart changes the id")
	}
	// The key of nodes must not make household ids, or one could be looked up as the other.
	ws := workspace.DefaultConfig()
	ws.HashKey = strings.Repeat("5a", 32)
	key, err := ws.Key()
	if err != nil {
		t.Fatal(err)
	}
	plain := &homes{}
	plain.pool.New = newHomesWith(key)
	n, s := namesOf(f), parseStreet(f.Street)
	if plain.id(f, n, s, "FR", Profile{}) == a.Describe(f, someDay).HouseholdID {
		t.Error("households are hashed with the key of the nodes")
	}
	if _, err := uuid.Parse(a.Describe(f, someDay).HouseholdID); err != nil {
		t.Error(err)
	}
}

// allowed are all texts that a profile may hold, but for household ids.
func allowedWords() map[string][]string {
	lines := []string{"", LineMobile, LineFixed, LineVoIP, LinePremium, LineTollFree, LineOther}
	regions := []string{""}
	for _, zone := range zones {
		regions = append(regions, zone)
	}
	for _, territory := range territories {
		regions = append(regions, territory)
	}
	suggestions := []string{""}
	for _, b := range brands {
		suggestions = append(suggestions, b.domains...)
	}
	for domain := range freeMail {
		suggestions = append(suggestions, domain)
	}
	return map[string][]string{
		"AgeBand": {"", Under18, From18To24, From25To34, From35To44, From45To54, From55To64, From65To74, From75},
		"Gender":  {"", Female, Male, Other}, "GenderBasis": {"", Declared, ByCivility},
		"Household":   {"", Couple, Family, Shared, Institution, Company},
		"Dwelling":    {"", Flat, House, POBox, CareHome, StudentResidence, Campsite, RuralPlace},
		"EmailStatus": {"", EmailValid, EmailInvalid, EmailDisposable, EmailTypo}, "EmailClass": {"", ClassPersonal, ClassProfessional, ClassRole, ClassDisposable},
		"EmailSuggestion": suggestions, "PhoneStatus": {"", PhoneValid, PhonePossible, PhoneInvalid}, "PhoneLine": lines, "PhoneRegion": regions,
	}
}

// check fails when a profile says something that is not in its words, or repeats what it was asked.
func check(t interface{ Errorf(string, ...any) }, words map[string][]string, f *Facts, p Profile) {
	v := reflect.ValueOf(p)
	for i := range v.NumField() {
		name, value := v.Type().Field(i).Name, v.Field(i)
		if value.Kind() != reflect.String {
			if n := value.Int(); n < unknown || n > 120 || n > 100 && name != "Age" {
				t.Errorf("%s is %d", name, n)
			}
			continue
		}
		text := value.String()
		switch name {
		case "HouseholdID":
			if _, err := uuid.Parse(text); text != "" && err != nil {
				t.Errorf("household id %q is no UUID", text)
			}
		case "PhoneCountry":
			if len(text) != 0 && len(text) != 2 && text != "001" {
				t.Errorf("country %q", text)
			}
			continue
		default:
			if !slices.Contains(words[name], text) {
				t.Errorf("%s says %q, which is none of its words", name, text)
			}
			continue
		}
		asked := reflect.ValueOf(*f)
		for j := range asked.NumField() {
			if asked.Field(j).Kind() == reflect.String && len(asked.Field(j).String()) >= 4 && strings.Contains(strings.ToLower(text), strings.ToLower(asked.Field(j).String())) {
				t.Errorf("%s repeats %s", name, asked.Type().Field(j).Name)
			}
		}
	}
	if (p.Age == unknown) != (p.AgeBand == "") {
		t.Errorf("age %d, band %q", p.Age, p.AgeBand)
	}
}

// drawn is a random person: usual words, mixed with anything.
func drawn(t *rapid.T) *Facts {
	piece := func(name string, usual ...string) string {
		parts := rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(usual), rapid.SampledFrom(usual), rapid.String()), 0, 5).Draw(t, name)
		return strings.Join(parts, rapid.SampledFrom([]string{" ", "", ", ", "-"}).Draw(t, name+" joined"))
	}
	f := &Facts{
		Civility:  piece("civility", "M", "Mme", "et", "Dr", "Mlle", "ou", "Monsieur"),
		FirstName: piece("first", "Jean", "Marie", "et", "&", "Zoé", "Famille"),
		LastName:  piece("last", "Dupont", "de", "La", "Tour", "née", "SARL", "chez", "Lefèvre"),
		FullName:  piece("full", "M.", "DUPONT", "Jean", "et", "Mme", "EHPAD", "van"),
		Gender:    piece("gender", "f", "m", "X", "non", "binaire", "1"),
		Email:     piece("email", "jean", ".", "@", "gmail", "gmial", "orange", ".fr", ".com", "dupont", "yopmail", "\"", "é", "contact"),
		Phone:     piece("phone", "06", "12", "34", "+33", "0033", "(0)", "692", "01", "08", "99"),
		Street: piece("street", "12", "bis", "rue", "av", "de", "la", "Pasteur", "bât", "B", "apt", "4", "BP", "chez", "lieu-dit", "résidence", "EHPAD", "3e", "étage", "a",
			"villa", "-", "14", "CS", "mai", "c/o", "camping"),
		PostalCode: piece("postcode", "75011", "97400", "1000", "F-", "59", "000"),
		City:       piece("city", "Paris", "Lille", "Cedex", "12", "Saint"),
		Country:    piece("country", "FR", "France", "BE", "La Réunion", "Suisse"),
		Company:    piece("company", "SARL", "Dupont", "EHPAD", "Mairie"),
		Title:      piece("title", "Mme", "Directeur"),
		Fit:        Fit(rapid.IntRange(0, 2).Draw(t, "fit")),
	}
	if rapid.Bool().Draw(t, "born") {
		f.BirthDate = time.Unix(int64(rapid.IntRange(-4_000_000, 4_000_000).Draw(t, "hours"))*3600, 0).UTC().Truncate(24 * time.Hour)
	}
	return f
}

func TestNothingClearComesOut(t *testing.T) {
	d, words := newDescriber(t), allowedWords()
	rapid.Check(t, func(t *rapid.T) {
		f := drawn(t)
		check(t, words, f, d.Describe(f, someDay))
	})
}

// A canary in every field: letters and digits that no rule knows.
func TestTheCanaryStaysInside(t *testing.T) {
	d, words := newDescriber(t), allowedWords()
	rapid.Check(t, func(t *rapid.T) {
		canary := rapid.StringMatching(`[a-z]{6,12}`).Draw(t, "canary")
		f := &Facts{
			Civility: canary, FirstName: canary, LastName: canary, FullName: canary, Gender: canary, Email: canary + "@" + canary + ".fr", Phone: "06" + canary,
			Street: "12 rue " + canary, PostalCode: "75011", City: canary, Country: "", Company: canary, Title: canary,
		}
		if rapid.Bool().Draw(t, "typo") {
			f.Email = canary + "@gmial.com"
		}
		p := d.Describe(f, someDay)
		check(t, words, f, p)
		v := reflect.ValueOf(p)
		for i := range v.NumField() {
			if v.Field(i).Kind() == reflect.String && strings.Contains(v.Field(i).String(), canary) {
				t.Errorf("%s shows the canary: %q", v.Type().Field(i).Name, v.Field(i).String())
			}
		}
	})
}

// What the cache answers is what the rules answer.
func TestTheCacheAnswersAsTheRulesDo(t *testing.T) {
	d := newDescriber(t)
	var before *Facts
	rapid.Check(t, func(t *rapid.T) {
		f := drawn(t)
		want := newDescriberLike(d).Describe(f, someDay)
		if got := d.Describe(f, someDay); got != want {
			t.Errorf("first  %+v\nwant   %+v", got, want)
		}
		if got := d.Describe(f, someDay); got != want {
			t.Errorf("second %+v\nwant   %+v", got, want)
		}
		if before != nil && *before != *f && d.seeds.key(before) == d.seeds.key(f) && !sameButAge(before, f) {
			t.Error("two persons have one key")
		}
		before = f
	})
}

func sameButAge(a, b *Facts) bool {
	x, y := *a, *b
	x.BirthDate, y.BirthDate, x.Region, y.Region = time.Time{}, time.Time{}, "", ""
	return x == y
}

// Values must not run into one another in the key of the cache.
func TestTheKeyPartsTheValues(t *testing.T) {
	s := newSeeds()
	seen := map[[2]uint64]string{}
	fields := reflect.TypeFor[Facts]()
	for i := range fields.NumField() {
		if fields.Field(i).Type.Kind() != reflect.String {
			continue
		}
		f := Facts{}
		reflect.ValueOf(&f).Elem().Field(i).SetString("x")
		if other, taken := seen[s.key(&f)]; taken {
			t.Errorf("%s and %s have one key", other, fields.Field(i).Name)
		}
		seen[s.key(&f)] = fields.Field(i).Name
	}
	if s.key(&Facts{FirstName: "ab", LastName: "c"}) == s.key(&Facts{FirstName: "a", LastName: "bc"}) {
		t.Error("values run into one another")
	}
	if s.key(&Facts{Fit: FitSure}) == s.key(&Facts{Fit: FitDoubtful}) {
		t.Error("the fit is not in the key")
	}
}

// One more channel, or a better one, never makes a person harder to reach; nothing stated is not known.
func TestContactabilityGrows(t *testing.T) {
	d := newDescriber(t)
	f := func(f Facts, want int32) {
		t.Helper()
		if got := d.Describe(&f, someDay).Contactability; got != want {
			t.Errorf("%+v: got %d, want %d", f, got, want)
		}
	}
	f(Facts{FirstName: "Jean"}, unknown)
	f(Facts{Email: "jean@orange.fr"}, 90)
	f(Facts{Email: "contact@dupont.fr"}, 60)
	f(Facts{Email: "jean@gmial.com"}, 10)
	f(Facts{Email: "jean@yopmail.com"}, 10)
	f(Facts{Email: "jean"}, 0)
	f(Facts{Phone: "0612345679"}, 90)
	f(Facts{Phone: "0142685300"}, 70)
	f(Facts{Phone: "0892701239"}, 0)
	f(Facts{Email: "jean@orange.fr", Phone: "0612345679"}, 99)
	f(Facts{Email: "jean", Phone: "0142685300"}, 70)
	f(Facts{Street: "12 rue Pasteur", PostalCode: "75011", City: "Paris", Fit: FitSure}, 70)
	f(Facts{Street: "12 rue Pasteur", PostalCode: "75011", City: "Paris"}, 67)
	f(Facts{PostalCode: "75011", City: "Paris"}, 0)
	rapid.Check(t, func(t *rapid.T) {
		whole := drawn(t)
		less := *whole
		if rapid.Bool().Draw(t, "without e-mail") {
			less.Email = ""
		} else {
			less.Phone = ""
		}
		if a, b := d.Describe(&less, someDay).Contactability, d.Describe(whole, someDay).Contactability; a > b {
			t.Errorf("%d without, %d with: %+v", a, b, whole)
		}
	})
}

func TestDisposableDomainsOfTheList(t *testing.T) {
	path := "../../../../shared/data/disposable_email_blocklist.conf"
	edition, err := Dataset().Read(path)
	if err != nil {
		t.Skipf("no reference data: %v", err)
	}
	domains := edition.Loaded.Table.(*Domains)
	if edition.Loaded.Rows < Dataset().Least {
		t.Errorf("%d domains, want %d or more", edition.Loaded.Rows, Dataset().Least)
	}
	d := describerOf(t, strings.Repeat("5a", 32), domains)
	for domain := range domains.all {
		if freeMail.has(domain) || knownMail.has(domain) {
			t.Errorf("%s stands in the lists of providers", domain)
		}
		if misspelledMail.has(domain) {
			if got := d.Describe(&Facts{Email: "jean@" + domain}, someDay); got.EmailStatus != EmailTypo || got.EmailSuggestion == "" {
				t.Errorf("%s: %s, meant %q", domain, got.EmailStatus, got.EmailSuggestion)
			}
		}
		if got := d.Describe(&Facts{Email: "jean@sub." + domain}, someDay); got.EmailStatus != EmailDisposable {
			t.Fatalf("sub.%s: %s", domain, got.EmailStatus)
		}
	}
	for domain := range freeMail {
		if got := d.Describe(&Facts{Email: "jean.dupont@" + domain}, someDay); got.EmailStatus != EmailValid || got.EmailClass != ClassPersonal || got.EmailSuggestion != "" {
			t.Errorf("%s: %+v", domain, got)
		}
	}
}

// No real provider is ever corrected, whatever else changes in the lists.
func TestKnownDomainsAreNotCorrected(t *testing.T) {
	d := newDescriber(t)
	for _, domains := range []set{freeMail, knownMail} {
		for domain := range domains {
			if got := d.Describe(&Facts{Email: "jean.dupont@" + domain}, someDay); got.EmailStatus != EmailValid {
				t.Errorf("%s: %s %s", domain, got.EmailStatus, got.EmailSuggestion)
			}
		}
	}
	for _, b := range brands {
		for _, domain := range b.domains {
			if !freeMail.has(domain) {
				t.Errorf("%s is suggested and is no provider of the list", domain)
			}
		}
	}
}

// One letter left out, doubled or exchanged with the next in the words that people mistype is found.
func TestSlipsOfTheFingerAreFound(t *testing.T) {
	d := newDescriber(t)
	missed, all := 0, 0
	for _, b := range brands {
		if len(b.word) < shortWord {
			continue
		}
		_, top := cutTop(b.domains[0])
		for i := range len(b.word) - 1 {
			for _, word := range []string{b.word[:i+1] + b.word[i:], b.word[:i+1] + b.word[i+2:], b.word[:i] + b.word[i+1:i+2] + b.word[i:i+1] + b.word[i+2:]} {
				if word == b.word || freeMail.has(word+"."+top) || knownMail.has(word+"."+top) || realWords.has(word) {
					continue
				}
				all++
				if got := d.Describe(&Facts{Email: "jean.dupont@" + word + "." + top}, someDay); got.EmailSuggestion != b.domains[0] {
					t.Logf("%s.%s: %s %q", word, top, got.EmailStatus, got.EmailSuggestion)
					missed++
				}
			}
		}
	}
	if all < 200 || missed > all/50 {
		t.Errorf("%d of %d slips are not found", missed, all)
	}
}

func TestListsThatAreSomethingElseAreRefused(t *testing.T) {
	f := func(line, want string, ok, fails bool) {
		t.Helper()
		domain, got, err := domainLine(line)
		if domain != want || got != ok || (err != nil) != fails {
			t.Errorf("%q: got %q %v %v", line, domain, got, err)
		}
	}
	f("0-mail.com", "0-mail.com", true, false)
	f("  YOPMAIL.COM\r", "yopmail.com", true, false)
	f("*.dynv6.net", "dynv6.net", true, false)
	f("\ufeffmail.tm", "mail.tm", true, false)
	f("jetäble.org", "xn--jetble-dua.org", true, false)
	f("# a remark", "", false, false)
	f("", "", false, false)
	f("<html>", "", false, true)
	f(`{"domain":"x.y"}`, "", false, true)
	f("name;domain.com", "", false, true)
	f("word", "", false, true)
	if _, err := Dataset().Load(nil); err == nil {
		t.Error("no file is taken for a list")
	}
}

// newDescriberLike has the same rules and an empty cache.
func newDescriberLike(d *Describer) *Describer {
	again := *d
	again.cache = emptyCache()
	return &again
}

func FuzzDescribe(f *testing.F) {
	f.Add("M. et Mme", "Jean & Marie", "Dupont née Martin", "12 bis, bd du Gal Leclerc - bât. B 3e étage", "59000", "Lille Cedex 9", "France", "EHPAD")
	f.Add("Mme", "É", "SARL", "BP 123", "L-1234", "", "Suisse", "")
	f.Add("", "", "c/o", "a a a 12-14 à", "F-75008", "é\u0301", "\xff", "CHEZ")
	d, words := newDescriber(f), allowedWords()
	f.Fuzz(func(t *testing.T, civility, first, last, street, code, city, country, company string) {
		facts := &Facts{Civility: civility, FirstName: first, LastName: last, FullName: first + " " + last, Gender: civility, Street: street, PostalCode: code, City: city, Country: country, Company: company}
		check(t, words, facts, d.Describe(facts, someDay))
	})
}

func FuzzEmail(f *testing.F) {
	for _, seed := range []string{"jean@gmial.com", `"a b"@x.fr`, "é@é.fr", "a@b@c", "<x@y.fr>", "mailto:a@b.fr", "a@gmail,com", "a@xn--80ak6aa92e.com", "@", "a@.", "a@..", "a@gmail.com.", "\xfc<0@1.AC>"} {
		f.Add(seed)
	}
	d, words := newDescriber(f), allowedWords()
	f.Fuzz(func(t *testing.T, address string) {
		facts := &Facts{Email: address}
		p := d.Describe(facts, someDay)
		check(t, words, facts, p)
		if (p.EmailStatus == EmailTypo) != (p.EmailSuggestion != "") {
			t.Errorf("%q: %s, %q", address, p.EmailStatus, p.EmailSuggestion)
		}
		if p.EmailStatus == EmailValid && (!strings.Contains(address, "@") || !utf8.ValidString(address)) {
			t.Errorf("%q is valid", address)
		}
	})
}

func FuzzPhone(f *testing.F) {
	for _, seed := range []string{"06 12 34 56 79", "+33 (0)6 12 34 56 79", "0692123456", "٠٦١٢٣٤٥٦٧٩", "+", "00", "06123456790;ext=1"} {
		f.Add(seed, "FR")
		f.Add(seed, "La Réunion")
	}
	d, words := newDescriber(f), allowedWords()
	f.Fuzz(func(t *testing.T, number, country string) {
		facts := &Facts{Phone: number, Country: country}
		p := d.Describe(facts, someDay)
		check(t, words, facts, p)
		if (p.PhoneStatus == PhoneValid) != (p.PhoneLine != "") {
			t.Errorf("%q: %s, %q", number, p.PhoneStatus, p.PhoneLine)
		}
	})
}

func FuzzDomainLine(f *testing.F) {
	for _, seed := range []string{"0-mail.com", "# x", "*.a.b", "é.fr", "\ufeff", "@a.b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		domain, ok, err := domainLine(line)
		if ok && (err != nil || !strings.Contains(domain, ".") || !isASCII(domain)) {
			t.Errorf("%q: %q %v", line, domain, err)
		}
	})
}

var benchFacts = Facts{
	Civility: "Mme", FirstName: "Élodie", LastName: "Lefèvre", Email: "elodie.lefevre@orange.fr", Phone: "06 12 34 56 79", Street: "12 bis, boulevard du Général-Leclerc, bât. B",
	PostalCode: "59000", City: "Lille", Country: "FR", BirthDate: time.Date(1980, 6, 15, 0, 0, 0, 0, time.UTC),
}

func BenchmarkCached(b *testing.B) {
	d := newDescriber(b)
	b.ReportAllocs()
	for b.Loop() {
		d.Describe(&benchFacts, someDay)
	}
}

func BenchmarkCold(b *testing.B) {
	d := newDescriber(b)
	b.ReportAllocs()
	for b.Loop() {
		d.describe(&benchFacts)
	}
}

func BenchmarkColdWithoutPhone(b *testing.B) {
	d := newDescriber(b)
	f := benchFacts
	f.Phone = ""
	b.ReportAllocs()
	for b.Loop() {
		d.describe(&f)
	}
}

func emptyCache() *otter.Cache[[2]uint64, Profile] {
	return otter.Must(&otter.Options[[2]uint64, Profile]{MaximumSize: 8})
}

// newHomesWith makes hashes with the key as it is.
func newHomesWith(key []byte) func() any {
	return func() any { return hmac.New(sha256.New, key) }
}
