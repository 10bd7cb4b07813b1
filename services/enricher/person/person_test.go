package person

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/services/enricher/internal/golden"
)

func newDescriber(t testing.TB) *Describer {
	t.Helper()
	return describerOf(t, strings.Repeat("5a", 32), nil)
}

func describerOf(t testing.TB, key string, domains *Domains) *Describer {
	t.Helper()
	ws := workspace.DefaultConfig()
	ws.HashKey = key
	d, err := New(DefaultConfig(), ws, identifier.DefaultConfig(), domains)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func factsOf(fields map[string]string) *Facts {
	return &Facts{
		Civility: fields["civility"], FirstName: fields["first_name"], LastName: fields["last_name"], FullName: fields["full_name"], Gender: fields["gender"],
		Email: fields["email"], Phone: fields["phone"], Street: fields["street"], PostalCode: fields["postal_code"], City: fields["city"], Region: fields["region"],
		Country: fields["country"], Company: fields["company"], Title: fields["title"],
	}
}

// dashed puts texts beside one another, a dash for an empty one.
func dashed(parts ...string) string {
	for i, part := range parts {
		if part == "" {
			parts[i] = "-"
		}
	}
	return strings.Join(parts, " | ")
}

var someDay = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func atLeast(t *testing.T, cases, least int) {
	t.Helper()
	if cases < least {
		t.Errorf("%d cases, want %d or more", cases, least)
	}
}

func TestEmails(t *testing.T) {
	d := newDescriber(t)
	atLeast(t, golden.Run(t, "testdata/emails.txt", func(_ *testing.T, fields map[string]string) string {
		p := d.Describe(factsOf(fields), someDay)
		return dashed(p.EmailStatus, p.EmailClass, p.EmailSuggestion)
	}), 60)
}

func TestPhones(t *testing.T) {
	d := newDescriber(t)
	atLeast(t, golden.Run(t, "testdata/phones.txt", func(_ *testing.T, fields map[string]string) string {
		p := d.Describe(factsOf(fields), someDay)
		return dashed(p.PhoneStatus, p.PhoneLine, p.PhoneCountry, p.PhoneRegion)
	}), 50)
}

func TestNames(t *testing.T) {
	d := newDescriber(t)
	atLeast(t, golden.Run(t, "testdata/names.txt", func(_ *testing.T, fields map[string]string) string {
		p := d.Describe(factsOf(fields), someDay)
		return dashed(p.Gender, p.GenderBasis, p.Household)
	}), 40)
}

func TestAddresses(t *testing.T) {
	d := newDescriber(t)
	atLeast(t, golden.Run(t, "testdata/addresses.txt", func(_ *testing.T, fields map[string]string) string {
		f := factsOf(fields)
		p := d.Describe(f, someDay)
		made := ""
		if p.HouseholdID != "" {
			n, s := namesOf(f), parseStreet(f.Street)
			made = strings.Join([]string{d.country(f), postcode(f.PostalCode), s.number, joined(s.road), n.familyName()}, " ")
		}
		return dashed(fmt.Sprint(p.AddressCompleteness), p.Dwelling, p.Household, made)
	}), 60)
}
