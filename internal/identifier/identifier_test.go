package identifier_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

const (
	keyA = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	keyB = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
)

func shop(key string) workspace.Config {
	ws := workspace.DefaultConfig()
	ws.HashKey = key
	return ws
}

func open(t testing.TB, cfg identifier.Config) *identifier.Identifiers {
	t.Helper()
	ids, err := identifier.New(cfg, shop(keyA))
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// golden is the configuration of the golden files.
func golden() identifier.Config {
	cfg := identifier.DefaultConfig()
	cfg.Blocked = []string{"caisse.lyon@enseigne.fr", "04 78 00 11 22", "MAGASIN-042"}
	cfg.Types["ean_card"] = identifier.TypeConfig{Class: "verified", Normaliser: "card", Length: 13, Check: "ean13"}
	cfg.Types["luhn_card"] = identifier.TypeConfig{Class: "verified", Normaliser: "card", Check: "luhn"}
	cfg.Types["full_name"] = identifier.TypeConfig{Normaliser: "name_fr"}
	cfg.Types["postal_address"] = identifier.TypeConfig{Normaliser: "address_fr"}
	return cfg
}

// TestGolden holds every result of the normalisers. Each line of testdata/*.txt is
//
//	type "input" -> "normal form" [weak] [canon "..."]   or   type "input" -> !reason
//
// Run with -rewrite after a wanted change, read the difference, and raise [identifier.Version].
func TestGolden(t *testing.T) {
	ids := open(t, golden())
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 4 {
		t.Fatalf("golden files: found %d, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := answerAll(t, ids, want)
			if *rewrite {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func answerAll(t *testing.T, ids *identifier.Identifiers, file []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	lines := bufio.NewScanner(bytes.NewReader(file))
	for lines.Scan() {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			fmt.Fprintln(&out, line)
			continue
		}
		typ, rest, _ := strings.Cut(line, " ")
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		raw, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		fmt.Fprintf(&out, "%s %s -> %s\n", typ, quoted, answer(ids, typ, raw))
	}
	return out.Bytes()
}

func answer(ids *identifier.Identifiers, typ, raw string) string {
	value, reason := ids.Normalise(typ, raw)
	if reason != "" {
		return "!" + reason
	}
	if again, reason := ids.Normalise(typ, value); again != value {
		return fmt.Sprintf("%q, then %q (%s): not a normal form", value, again, reason)
	}
	text := strconv.QuoteToASCII(value)
	if isPrintable(value) {
		text = strconv.Quote(value)
	}
	resolved := ids.Resolve([]schemas.Identifier{{Type: typ, Value: raw}}, 0, nil, nil)
	if resolved[0].Rank >= identifier.WeakRank {
		text += " weak"
	}
	if len(resolved) == 2 {
		text += " canon"
	}
	return text
}

func isPrintable(s string) bool { return strconv.Quote(s) == `"`+s+`"` }

func TestSpellingsOfOneIdentifierAreOneNode(t *testing.T) {
	ids := open(t, golden())
	f := func(typ string, spellings ...string) {
		t.Helper()
		first, reason := ids.Node(typ, spellings[0])
		if reason != "" {
			t.Fatalf("%s %q: %s", typ, spellings[0], reason)
		}
		for _, spelling := range spellings[1:] {
			if node, reason := ids.Node(typ, spelling); node != first || reason != "" {
				t.Errorf("%s %q is not %q (%s)", typ, spelling, spellings[0], reason)
			}
		}
	}
	f("email", "jean.dupont@free.fr", " Jean.Dupont@FREE.fr ", "mailto:jean.dupont@free.fr", "<jean.dupont@free.fr>", "Jean Dupont <jean.dupont@free.fr>", "jean.dupont\u200b@free.fr")
	f("email", "rene\u0301@café.fr", "rené@cafe\u0301.fr", "RENÉ@CAFÉ.FR", "rené@xn--caf-dma.fr")
	f("email_canon", "jd@gmail.com", "j.d+promo@googlemail.com")
	f("phone", "06 12 34 56 78", "+33612345678", "+33(0)6 12 34 56 78", "0033612345678", "06.12.34.56.78", "612345678", "33612345678", "tel:+33-6-12-34-56-78")
	f("phone", "0692 12 34 56", "+262692123456", "+33692123456", "00262 692 12 34 56")
	f("loyalty_card", "2990 1234 5678 9", "2990-1234-56789", "2990123456789")
	f("ean_card", "2990123456786", "2 990123 456786")
	f("device_id", "6D92078A-8246-4BA4-AE5B-76104861E7DC", "6d92078a-8246-4ba4-ae5b-76104861e7dc")
}

func TestOneValueOfTwoTypesIsTwoNodes(t *testing.T) {
	ids := open(t, golden())
	user, _ := ids.Node("user_id", "12345")
	cookie, _ := ids.Node("anonymous_id", "12345")
	if user == cookie {
		t.Fatal("user_id and anonymous_id of one value are one node")
	}
	if lower, _ := ids.Node("user_id", "abc"); lower == must(t, ids, "user_id", "ABC") {
		t.Fatal("user ids are case-sensitive")
	}
}

func must(t *testing.T, ids *identifier.Identifiers, typ, raw string) uuid.UUID {
	t.Helper()
	node, reason := ids.Node(typ, raw)
	if reason != "" {
		t.Fatalf("%s %q: %s", typ, raw, reason)
	}
	return node
}

// The hash is a contract: customer ids rest on it for ever.
func TestNodeIsTheKeyedHash(t *testing.T) {
	// printf 'user_id\x1fu-1\x1f0' | openssl dgst -sha256 -mac HMAC -macopt hexkey:<keyA>
	want := uuid.MustParse("aa6fb456-44a0-35db-8c03-7c96e461d664")
	if got := must(t, open(t, golden()), "user_id", "u-1"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	other, err := identifier.New(golden(), shop(keyB))
	if err != nil {
		t.Fatal(err)
	}
	if got := must(t, other, "user_id", "u-1"); got == want {
		t.Error("another key gave the same node")
	}
}

func TestAnchor(t *testing.T) {
	ids := open(t, golden())
	f := func(wantType, wantValue string, list ...schemas.Identifier) {
		t.Helper()
		for range list {
			list = append(list[1:], list[0]) // the order does not count
			node, typ, ok := ids.Anchor(list)
			if wantType == "" {
				if ok {
					t.Errorf("%v: anchored by %s", list, typ)
				}
				continue
			}
			if !ok || typ != wantType || node != must(t, ids, wantType, wantValue) {
				t.Errorf("%v: got %s, want %s %s", list, typ, wantType, wantValue)
			}
		}
	}
	id := func(typ, value string) schemas.Identifier { return schemas.Identifier{Type: typ, Value: value} }
	f("user_id", "u1", id("anonymous_id", "c1"), id("user_id", "u1"), id("email", "a.b@free.fr"))
	f("loyalty_card", "299", id("email", "a.b@free.fr"), id("loyalty_card", "299"), id("phone", "0612345678"))
	f("anonymous_id", "c1", id("anonymous_id", "c1"), id("user_id", "null"))
	f("anonymous_id", "c1", id("anonymous_id", "c1"), id("phone", "01 40 20 50 50"), id("email", "contact@mairie.fr"))
	f("phone", "01 40 20 50 50", id("phone", "01 40 20 50 50"), id("email", "nul"))
	f("till_record", "s1/r1/77", id("till_record", "s1/r1/77"), id("shoe_size", "43"))
	smaller := "c1"
	if one, two := must(t, ids, "anonymous_id", "c1"), must(t, ids, "anonymous_id", "c2"); bytes.Compare(two[:], one[:]) < 0 {
		smaller = "c2"
	}
	f("anonymous_id", smaller, id("anonymous_id", "c1"), id("anonymous_id", "c2"))
	f("", "", id("user_id", "undefined"), id("email", "null"), id("shoe_size", "43"))
	f("", "")
}

func TestResolveKeepsOrderAndReasons(t *testing.T) {
	ids := open(t, golden())
	got := ids.Resolve([]schemas.Identifier{
		{Type: "email", Value: "J.D+x@gmail.com"},
		{Type: "shoe_size", Value: "43"},
		{Type: "user_id", Value: "guest"},
		{Type: "phone", Value: "12"},
		{Type: "phone", Value: "0140205050"},
	}, 0, nil, nil)
	want := []identifier.Resolved{
		{Type: "email", Node: must(t, ids, "email", "j.d+x@gmail.com"), Rank: 3},
		{Type: "email_canon", Node: must(t, ids, "email_canon", "jd@gmail.com"), Rank: 10, Derived: true},
		{Type: "shoe_size", Rank: identifier.NoRank, Reason: identifier.UnknownType},
		{Type: "user_id", Rank: 1, Reason: identifier.Blocked},
		{Type: "phone", Rank: 4, Reason: identifier.Invalid},
		{Type: "phone", Node: must(t, ids, "phone", "+33140205050"), Rank: 4 + identifier.WeakRank, Weak: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRank(t *testing.T) {
	ids := open(t, golden())
	order := []string{"user_id", "loyalty_card", "email", "phone", "payment_reference", "device_id", "anonymous_id", "till_record", "ean_card", "email_canon", "no_such_type"}
	for i := 1; i < len(order); i++ {
		if ids.Rank(order[i-1]) >= ids.Rank(order[i]) {
			t.Errorf("%s goes not before %s", order[i-1], order[i])
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	f := func(want string, change func(*identifier.Config, *workspace.Config)) {
		t.Helper()
		cfg, ws := golden(), shop(keyA)
		change(&cfg, &ws)
		if _, err := identifier.New(cfg, ws); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	set := func(change func(*identifier.TypeConfig)) func(*identifier.Config, *workspace.Config) {
		return func(cfg *identifier.Config, _ *workspace.Config) {
			typ := cfg.Types["ean_card"]
			change(&typ)
			cfg.Types["ean_card"] = typ
		}
	}
	f("identifiers.types.ean_card.rank is 16", set(func(t *identifier.TypeConfig) { t.Rank = 16 }))
	f("identifiers.types.ean_card.class is \"sure\"", set(func(t *identifier.TypeConfig) { t.Class = "sure" }))
	f("identifiers.types.ean_card.normaliser is \"soundex\"", set(func(t *identifier.TypeConfig) { t.Normaliser = "soundex" }))
	f("identifiers.types.ean_card.length is -1", set(func(t *identifier.TypeConfig) { t.Length = -1 }))
	f("identifiers.types.ean_card.check is \"crc\"", set(func(t *identifier.TypeConfig) { t.Check = "crc" }))
	f("identifiers.types.ean_card.limit is -1", set(func(t *identifier.TypeConfig) { t.Limit = -1 }))
	f("identifiers.types.ean_card.hubs.user_id is -2", set(func(t *identifier.TypeConfig) { t.Hubs = map[string]int{"user_id": -2} }))
	f("identifiers.types.ean_card.hubs.usr_id: no such type: use one of anonymous_id, ", set(func(t *identifier.TypeConfig) { t.Hubs = map[string]int{"usr_id": 2} }))
	f("identifiers.types.a b: name", func(c *identifier.Config, _ *workspace.Config) { c.Types["a b"] = c.Types["email"] })
	f("identifiers.blocked[1] is \" 'null'\"", func(c *identifier.Config, _ *workspace.Config) { c.Blocked = []string{"x", " 'null'"} })
	f("identifiers.phone_cache is -1", func(c *identifier.Config, _ *workspace.Config) { c.PhoneCache = -1 })
	f("identifiers.mail_providers[0].domains", func(c *identifier.Config, _ *workspace.Config) { c.MailProviders = []identifier.MailProvider{{}} })
	f("workspace.hash_key is empty", func(_ *identifier.Config, ws *workspace.Config) { ws.HashKey = "" })
}

// A configuration that changes one thing of a type leaves the rest as it is, and a type of one's own does
// not become the strongest by what it leaves out.
func TestWhatIsLeftOutOfATypeIsItsDefault(t *testing.T) {
	cfg := identifier.Config{Types: map[string]identifier.TypeConfig{"loyalty_card": {Length: 13}, "crm_id": {}}}
	ids := open(t, cfg)
	if value, reason := ids.Normalise("loyalty_card", "29 90"); value != "0000000002990" || reason != "" {
		t.Errorf("card is %q (%s)", value, reason)
	}
	if ids.Rank("loyalty_card") != 2 || ids.Rank("user_id") != 1 || ids.Rank("crm_id") != identifier.CustomRank {
		t.Errorf("ranks are %d, %d, %d", ids.Rank("loyalty_card"), ids.Rank("user_id"), ids.Rank("crm_id"))
	}
	if got := ids.Types()["crm_id"].Class; got != "typed" {
		t.Errorf("class is %s", got)
	}
}

// Normal forms are fixed points: what was normalised once, by us or by a source that knows our rules,
// stays the same node.
func TestNormaliseIsIdempotent(t *testing.T) {
	ids := open(t, golden())
	rapid.Check(t, func(t *rapid.T) {
		typ, raw := drawIdentifier(t)
		checkIdempotent(t, ids, typ, raw)
	})
}

// Spaces around, characters of no width, and for all but ids of other systems the case of letters, are
// the sender's and not the identifier's.
func TestNormaliseSeesNoSpacesWidthsAndCase(t *testing.T) {
	ids := open(t, golden())
	rapid.Check(t, func(t *rapid.T) {
		typ, raw := drawIdentifier(t)
		other := []rune(raw)
		if typ != "user_id" && typ != "payment_reference" && typ != "device_id" {
			for i, r := range other {
				if r < 0x80 && unicode.IsLetter(r) && rapid.Bool().Draw(t, "flip") {
					other[i] ^= 0x20
				}
			}
		}
		if at := rapid.IntRange(0, len(other)).Draw(t, "at"); utf8.ValidString(raw) {
			other = slices.Insert(other, at, rapid.SampledFrom([]rune("\u200b\u200d\ufeff\u2060\u00ad")).Draw(t, "no width"))
			space := rapid.SampledFrom([]string{" ", "  ", "\u00a0"}).Draw(t, "space")
			checkSame(t, ids, typ, raw, space+string(other)+space)
		}
	})
}

func checkSame(t *rapid.T, ids *identifier.Identifiers, typ, one, other string) {
	a, why := ids.Normalise(typ, one)
	b, whyNot := ids.Normalise(typ, other)
	if a != b || why != whyNot {
		t.Fatalf("%s: %q is %q (%s), %q is %q (%s)", typ, one, a, why, other, b, whyNot)
	}
}

// goldenTypes have every normaliser.
var goldenTypes = []string{"user_id", "device_id", "loyalty_card", "ean_card", "luhn_card", "email", "email_canon", "phone", "payment_reference", "full_name", "postal_address"}

// drawIdentifier draws any text, or one that looks like its type.
func drawIdentifier(t *rapid.T) (typ, raw string) {
	typ = rapid.SampledFrom(goldenTypes).Draw(t, "type")
	likely := map[string]string{
		"email":             `[ <"]?[A-Za-zé\x{0301}İ.+'\x{200b}]{1,12}@[A-Za-zÉ\x{0301}-]{1,8}\.(fr|com|re)[ >".;]?`,
		"email_canon":       `[a-z.+]{1,12}@(gmail|googlemail|hotmail|me)\.com`,
		"phone":             `(\+33|0033|\+262|0|)[ .(]?0?[1-9]([ .-]?[0-9]{2}){4}`,
		"payment_reference": `(tok_|)[0-9A-Z* ]{4,20}`,
		"ean_card":          `[0-9 -]{10,15}`,
		"full_name":         `((M|Mme|MR|MLLE|Dr|St|Ste|ou|et|née|[A-Za-zéÉœŒß\x{0301}]{1,6})[ .'’-]{1,2}){1,5}`,
		"postal_address":    `([0-9]{1,3} ?(bis|ter|B|) ?)?((avenue|av|r|rue|st|bp|cs|cedex|lieu|dit|n|f|[a-zé]{1,5}|[0-9]{1,5})[ .'’-]){1,6}(1000|75008|97400) (paris|st denis|cedex|8e|france| ){0,3}`,
	}
	if pattern, ok := likely[typ]; ok && rapid.Bool().Draw(t, "likely") {
		return typ, rapid.StringMatching(pattern).Draw(t, "raw")
	}
	return typ, rapid.String().Draw(t, "raw")
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func checkIdempotent(t failer, ids *identifier.Identifiers, typ, raw string) {
	t.Helper()
	once, reason := ids.Normalise(typ, raw)
	if reason != "" {
		if once != "" {
			t.Fatalf("%s %q: refused as %s, yet %q", typ, raw, reason, once)
		}
		return
	}
	twice, reason := ids.Normalise(typ, once)
	if reason != "" || twice != once {
		t.Fatalf("%s %q: first %q, then %q (%s)", typ, raw, once, twice, reason)
	}
	if strings.ContainsRune(once, 0x1f) || once == "" {
		t.Fatalf("%s %q: normal form %q would be ambiguous in the hash", typ, raw, once)
	}
}

// fuzz looks for a value of a type whose normal form is not one.
func fuzz(f *testing.F, typ string, seeds ...string) {
	ids := open(f, golden())
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) { checkIdempotent(t, ids, typ, raw) })
}

func FuzzExact(f *testing.F) { fuzz(f, "user_id", "u1", " u\u200b1", `"null"`) }
func FuzzDevice(f *testing.F) {
	fuzz(f, "device_id", "6D92078A-8246-4BA4-AE5B-76104861E7DC", "9774d56d682e549c")
}
func FuzzCard(f *testing.F) { fuzz(f, "loyalty_card", "2990 1234", "*29-90*", "car-000123") }
func FuzzEAN(f *testing.F)  { fuzz(f, "ean_card", "12345678905", "2990123456786") }
func FuzzEmail(f *testing.F) {
	fuzz(f, "email", `"Zoé" <MAILTO:zoé@Été.fr?subject=a>`, "j.d+x@gmail.com", "<a@b.fr>;")
}
func FuzzEmailCanon(f *testing.F) { fuzz(f, "email_canon", "J.D+x@googlemail.com", "lea+x@me.com") }
func FuzzPhone(f *testing.F)      { fuzz(f, "phone", "+33(0)612345678", "0692 12 34 56", "tel:0612345678") }

func FuzzPayment(f *testing.F) {
	fuzz(f, "payment_reference", "4970 1012 3456 7893", "tok_1NirD82eZvKYlo2C", "497010******7893")
}

func FuzzName(f *testing.F) {
	fuzz(f, "full_name", "M. Éloïse d’Aubigné", "M OU MME DUPONT", "Durand née Martin")
}

func FuzzAddress(f *testing.F) {
	fuzz(f, "postal_address", "12 bis, av. St-Honoré BP 12 75008 PARIS CEDEX 08", "Lieu-dit Le Bourg 1000 Bourg")
}

// Values are windows on fetch buffers that are written anew: the cache may not keep them.
func TestCacheKeepsNoWindowOnABuffer(t *testing.T) {
	cached, cfg := open(t, golden()), golden()
	cfg.PhoneCache = 0
	parsed := open(t, cfg)
	buffer := []byte("06 12 34 00 00")
	window := unsafe.String(&buffer[0], len(buffer))
	spell := func(i int) string { return fmt.Sprintf("06 12 34 %02d %02d", i/100+10, i%100) }
	for i := range 1000 {
		copy(buffer, spell(i))
		must(t, cached, "phone", window)
	}
	for i := range 1000 {
		if must(t, cached, "phone", spell(i)) != must(t, parsed, "phone", spell(i)) {
			t.Fatalf("%s is another number's node", spell(i))
		}
	}
}

func TestHotPathAllocatesNothing(t *testing.T) {
	if underRace {
		t.Skip("allocations are not counted under the race detector")
	}
	ids := open(t, golden())
	f := func(typ, raw string) {
		t.Helper()
		must(t, ids, typ, raw)
		if allocs := testing.AllocsPerRun(200, func() { ids.Node(typ, raw) }); allocs > 0 {
			t.Errorf("%s: %.1f allocations", typ, allocs)
		}
	}
	f("user_id", "8f14e45f-ceea-467f-a5b6-2a3c1d7b8f9e")
	f("anonymous_id", "8f14e45f-ceea-467f-a5b6-2a3c1d7b8f9e")
	f("email", "camille.martin@orange.fr")
	f("loyalty_card", "2990123456789")
	f("phone", "06 12 34 56 78")
}
