package attributes

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"pgregory.net/rapid"
)

var alice = uuid.MustParse("00000000-0000-4000-8000-00000000000a")

// drawSet draws from few names, times and hashes, so that sets meet in the same places.
func drawSet(t *rapid.T, provider string) *Set {
	s := For("default", OfNode(alice), provider)
	s.Party, s.Purpose = FirstParty, "analytics"
	s.UpdatedAt = schemas.Millis(rapid.IntRange(0, 5).Draw(t, "updated"))
	for range rapid.IntRange(0, 6).Draw(t, "values") {
		s.Values = append(s.Values, Value{
			Name: rapid.SampledFrom([]string{"tier", "gender", "iris"}).Draw(t, "name"), Type: rapid.SampledFrom([]string{String, None}).Draw(t, "type"),
			Text: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "text"), Source: rapid.SampledFrom([]string{"crm", "web"}).Draw(t, "source"),
			At: schemas.Millis(rapid.IntRange(0, 3).Draw(t, "at")),
		})
	}
	for range rapid.IntRange(0, 15).Draw(t, "orders") {
		s.Orders = append(s.Orders, Order{Hash: int64(rapid.IntRange(-10, 10).Draw(t, "order"))})
	}
	if rapid.Bool().Draw(t, "ordered") {
		s.FirstOrderAt = schemas.Some(schemas.Millis(rapid.IntRange(0, 5).Draw(t, "first")))
	}
	return Canonical(s)
}

func TestJoinIsASemilattice(t *testing.T) {
	for _, provider := range []string{Self, "acme"} {
		t.Run(provider, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				a, b, c := drawSet(t, provider), drawSet(t, provider), drawSet(t, provider)
				same := func(what string, x, y *Set) {
					if diff := cmp.Diff(x, y); diff != "" {
						t.Fatalf("join is not %s (-one +other):\n%s", what, diff)
					}
				}
				same("commutative", Join(a, b), Join(b, a))
				same("associative", Join(Join(a, b), c), Join(a, Join(b, c)))
				same("idempotent", Join(a, Join(a, b)), Join(a, b))
				same("neutral to nothing", Join(a, nil), Join(nil, a))
				joined := Join(a, b)
				if Join(joined, a) != joined || Join(joined, b) != joined {
					t.Fatal("a set that adds nothing makes another one")
				}
			})
		})
	}
}

func TestSelfKeepsTheNewestOfEachPlace(t *testing.T) {
	a, b := For("default", OfNode(alice), Self), For("default", OfNode(alice), Self)
	a.Values = []Value{{Name: "tier", Type: String, Text: "gold", Source: "crm", At: 2}, {Name: "tier", Type: String, Text: "silver", Source: "web", At: 9}}
	b.Values = []Value{{Name: "gender", Type: String, Text: "female", Source: "crm", At: 1}, {Name: "tier", Type: None, Source: "crm", At: 3}}
	for i := range 8 {
		a.Orders = append(a.Orders, Order{Hash: int64(i)})
		b.Orders = append(b.Orders, Order{Hash: int64(i + 5)})
	}
	a.FirstOrderAt, b.FirstOrderAt = schemas.Some[schemas.Millis](5), schemas.Some[schemas.Millis](4)
	joined := Join(a, b)
	if diff := cmp.Diff([]Value{
		{Name: "gender", Type: String, Text: "female", Source: "crm", At: 1},
		{Name: "tier", Type: None, Source: "crm", At: 3},
		{Name: "tier", Type: String, Text: "silver", Source: "web", At: 9},
	}, joined.Values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if len(joined.Orders) != MaxOrders || joined.Orders[9].Hash != 9 || joined.FirstOrderAt.Value != 4 {
		t.Errorf("orders are %v, the first at %v", joined.Orders, joined.FirstOrderAt)
	}
	if len(a.Values) != 2 || len(a.Orders) != 8 {
		t.Error("join changed what it was given")
	}
}

func TestTheLastImportOfAProviderReplacesTheOneBefore(t *testing.T) {
	old, last := For("default", OfNode(alice), "acme"), For("default", OfNode(alice), "acme")
	old.UpdatedAt, last.UpdatedAt = 1, 2
	old.Values = []Value{{Name: "income", Type: Number, Text: "1", At: 1}, {Name: "cars", Type: Number, Text: "2", At: 1}}
	last.Values = []Value{{Name: "income", Type: Number, Text: "3", At: 2}}
	if Join(old, last) != last || Join(last, old) != last {
		t.Error("the set of the last import is not the one that holds, whole")
	}
}

func TestHoldsAt(t *testing.T) {
	moment := func(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }
	s := &Set{ValidFrom: schemas.Some(schemas.MillisOf(moment(2))), ValidUntil: schemas.Some(schemas.MillisOf(moment(4)))}
	for day, want := range map[int]bool{1: false, 2: true, 3: true, 4: false} {
		if got := HoldsAt(s, moment(day)); got != want {
			t.Errorf("on the %d.: %v, want %v", day, got, want)
		}
	}
	if !HoldsAt(&Set{}, moment(1)) {
		t.Error("a set without bounds does not hold")
	}
}

func TestValidateNamesFieldAndValue(t *testing.T) {
	valid := func() *Set {
		s := For("default", Subject{Kind: Postcode, Code: "75011"}, "acme")
		s.Party, s.Purpose = ThirdParty, "profiling"
		s.Values = []Value{{Name: "income", Type: Number, Text: "21.5"}}
		return s
	}
	if err := Validate(valid()); err != nil {
		t.Fatal(err)
	}
	f := func(want string, spoil func(s *Set)) {
		t.Helper()
		s := valid()
		spoil(s)
		if err := Validate(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	f("workspace is \"\"", func(s *Set) { s.Workspace = "" })
	f("provider is \"Acme SA\"", func(s *Set) { s.Provider = "Acme SA" })
	f("party is \"fourth\"", func(s *Set) { s.Party = "fourth" })
	f("purpose is empty", func(s *Set) { s.Purpose = "" })
	f("valid_until is 1970-01-01T00:00:00Z, not after", func(s *Set) {
		s.ValidFrom, s.ValidUntil = schemas.Some[schemas.Millis](0), schemas.Some[schemas.Millis](0)
	})
	f("subject_kind is \"town\"", func(s *Set) { s.SubjectKind = "town" })
	f("code of the postcode is \"\"", func(s *Set) { s.Code = "" })
	f("node is given on a postcode", func(s *Set) { s.Node = alice })
	f("node is zero", func(s *Set) { s.SubjectKind, s.Code = string(Node), "" })
	f("code is \"75011\" on a node", func(s *Set) { s.SubjectKind, s.Node = string(Node), alice })
	f("values[0]: income: value \"many\" is not a number", func(s *Set) { s.Values[0].Text = "many" })
	f("values[0]: name is \"<b>\"", func(s *Set) { s.Values[0].Name = "<b>" })
	f("values[0]: income: type is \"money\"", func(s *Set) { s.Values[0].Type = "money" })
	f("values[0]: income: value \"021.5\" is not written as \"21.5\"", func(s *Set) { s.Values[0].Text = "021.5" })
	f("values[1].name is \"income\", as in an entry before", func(s *Set) { s.Values = append(s.Values, s.Values[0]) })
	f("values[0]: value of income is \"21.5\" although it was taken back", func(s *Set) { s.Values[0].Type = None })
}

func TestParse(t *testing.T) {
	f := func(typ, text, want string) {
		t.Helper()
		got, err := Parse(typ, text)
		if want == "" {
			if err == nil {
				t.Errorf("%s %q is %q, want an error", typ, text, got)
			}
			return
		}
		if err != nil || got != want {
			t.Errorf("%s %q is %q (%v), want %q", typ, text, got, err, want)
		}
	}
	f(String, " Île-de-France ", "Île-de-France")
	f(String, "", "")
	f(String, "\xff", "")
	f(String, strings.Repeat("x", MaxText+1), "")
	f(Number, "12,50", "12.5")
	f(Number, "+007", "7")
	f(Number, "-0", "0")
	f(Number, "-0.50", "-0.5")
	f(Number, ".5", "")
	f(Number, "1e9", "")
	f(Number, "NaN", "")
	f(Boolean, "Oui", "true")
	f(Boolean, "0", "false")
	f(Boolean, "peut-être", "")
	f(Date, "2024-02-29", "2024-02-29")
	f(Date, "31/12/1999", "1999-12-31")
	f(Date, "2023-02-29", "")
	f("money", "1", "")
}

func TestKeysOfASubjectHaveACommonBeginning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		subject := OfNode(uuid.UUID(append(rapid.SliceOfN(rapid.Byte(), 15, 15).Draw(t, "node"), 1)))
		if code := rapid.StringN(0, 20, 60).Draw(t, "code"); code != "" {
			subject = Subject{Kind: rapid.SampledFrom([]SubjectKind{Postcode, Commune, IRIS}).Draw(t, "kind"), Code: code}
		}
		workspace := rapid.StringMatching(`[a-z0-9][a-z0-9_-]{0,62}`).Draw(t, "workspace")
		provider := rapid.StringMatching(`[a-z0-9][a-z0-9_-]{0,62}`).Draw(t, "provider")
		key := AppendKey(nil, workspace, subject, provider)
		gotWorkspace, gotSubject, gotProvider, err := ParseKey(key)
		if err != nil || gotWorkspace != workspace || gotSubject != subject || gotProvider != provider {
			t.Fatalf("read %q %v %q (%v)", gotWorkspace, gotSubject, gotProvider, err)
		}
		if !bytes.HasPrefix(key, AppendSubject(nil, workspace, subject)) {
			t.Fatal("the key does not begin with its subject")
		}
	})
}

func FuzzKey(f *testing.F) {
	f.Add(AppendKey(nil, "default", OfNode(alice), Self))
	f.Add(AppendKey(nil, "default", Subject{Kind: Commune, Code: "2A004"}, "acme"))
	f.Add([]byte{})
	f.Add([]byte{3, 'a', 'b'})
	f.Fuzz(func(t *testing.T, key []byte) {
		workspace, subject, provider, err := ParseKey(key)
		if err != nil {
			return
		}
		if again := AppendKey(nil, workspace, subject, provider); !bytes.Equal(again, key) {
			t.Fatalf("%x reads as %x", key, again)
		}
	})
}

// newCodec has a registry of its own.
func newCodec(t testing.TB) *Codec {
	t.Helper()
	codec, err := NewCodec(t.Context(), registrytest.Client(t))
	if err != nil {
		t.Fatal(err)
	}
	return codec
}

func TestRecordsReadBack(t *testing.T) {
	codec := newCodec(t)
	rapid.Check(t, func(rt *rapid.T) {
		set := drawSet(rt, rapid.SampledFrom([]string{Self, "acme"}).Draw(rt, "provider"))
		got, err := codec.Parse(t.Context(), codec.Record(set))
		if err != nil || !Equal(got, set) {
			rt.Fatalf("read %+v (%v), want %+v", got, err, set)
		}
	})
	if set, err := codec.Parse(t.Context(), Tombstone(AppendKey(nil, "default", OfNode(alice), Self))); set != nil || err != nil {
		t.Errorf("a tombstone reads as %v, %v", set, err)
	}
}

func FuzzRecord(f *testing.F) {
	codec := newCodec(f)
	set := For("default", OfNode(alice), Self)
	set.Values = []Value{{Name: "tier", Type: String, Text: "gold", Source: "crm", At: 2}}
	record := codec.Record(set)
	f.Add(record.Key, record.Value)
	f.Add(record.Key, record.Value[:9])
	f.Add(record.Key, []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		set, err := codec.Parse(t.Context(), &stream.Record{Key: key, Value: value})
		if err != nil || set == nil {
			return
		}
		again, err := codec.Parse(t.Context(), codec.Record(set))
		if err != nil || !Equal(again, set) {
			t.Fatalf("%+v reads as %+v (%v)", set, again, err)
		}
		if Join(set, again) != set {
			t.Fatal("a set that was read is not canonical")
		}
	})
}
