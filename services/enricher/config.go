package enricher

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/parcours-cdp/parcours/services/enricher/calendar"
	"github.com/parcours-cdp/parcours/services/enricher/firstname"
	"github.com/parcours-cdp/parcours/services/enricher/person"
	"github.com/parcours-cdp/parcours/services/enricher/provider"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"github.com/parcours-cdp/parcours/services/enricher/traffic"
	"github.com/parcours-cdp/parcours/services/enricher/useragent"
)

// Config is the enricher's section of the configuration.
type Config struct {
	// Enrichments run in this order. The list replaces the default one as a whole.
	Enrichments []Entry `koanf:"enrichments"`
	// Purposes say what may be done at all, and on whose word.
	Purposes Purposes `koanf:"purposes"`
	// DataDir keeps what the enricher knows of customers and copies of the last good reference data, so that a restart reads the rest only. It belongs
	// to one instance. Empty: a temporary folder, and each start begins anew.
	DataDir string `koanf:"data_dir"`
	// Reference says where the reference data is.
	Reference reference.Config `koanf:"reference"`
	// UserAgent, Traffic and Calendar configure the enrichments of these names.
	UserAgent useragent.Config `koanf:"user_agent"`
	Traffic   traffic.Config   `koanf:"traffic"`
	Calendar  calendar.Config  `koanf:"calendar"`
	// Customer configures the enrichment of this name, and what is kept for it.
	Customer CustomerConfig `koanf:"customer"`
	// Person configures the enrichment of this name.
	Person person.Config `koanf:"person"`
	// FirstName configures the enrichment of this name.
	FirstName firstname.Config `koanf:"first_name"`
	// Providers of bought data are asked over HTTP, each by a link provider.NAME, which runs last unless enrichments lists it.
	Providers []provider.Config `koanf:"providers"`
	// BatchRecords is how many touchpoints are taken at once at most.
	BatchRecords int `koanf:"batch_records"`
	// BatchBytes is how many bytes of touchpoints are taken at once, about.
	BatchBytes int `koanf:"batch_bytes"`
	// BatchWait is how long a batch may grow; it bounds what this stage adds to the latency of a quiet stream.
	BatchWait time.Duration `koanf:"batch_wait"`
}

// Entry is an enrichment in the list.
type Entry struct {
	// Name of the enrichment, for example user_agent.
	Name string `koanf:"name"`
	// Enabled leaves the enrichment out when false.
	Enabled bool `koanf:"enabled"`
	// Required sends an event whose enrichment fails into quarantine; otherwise the event goes on without its fields.
	Required bool `koanf:"required"`
}

// DefaultConfig runs every enrichment and requires none.
func DefaultConfig() Config {
	return Config{
		Enrichments:  everyLink(),
		Purposes:     DefaultPurposes(),
		Reference:    reference.DefaultConfig(),
		UserAgent:    useragent.DefaultConfig(),
		Customer:     DefaultCustomerConfig(),
		Person:       person.DefaultConfig(),
		FirstName:    firstname.DefaultConfig(),
		BatchRecords: 5_000,
		BatchBytes:   16 << 20,
		BatchWait:    10 * time.Millisecond,
	}
}

// Validate names the field that is wrong, its value and what to do.
func (c Config) Validate() error {
	var seen []string
	for i, entry := range c.Enrichments {
		if kind, _, _ := strings.Cut(entry.Name, "."); makers[kind] == nil {
			return fmt.Errorf("enricher.enrichments[%d].name is %q: give one of %s", i, entry.Name, strings.Join(slices.Sorted(maps.Keys(makers)), ", "))
		}
		if slices.Contains(seen, entry.Name) {
			return fmt.Errorf("enricher.enrichments[%d].name is %q, which is in the list already: name it once", i, entry.Name)
		}
		seen = append(seen, entry.Name)
	}
	if err := c.validateProviders(); err != nil {
		return err
	}
	for _, section := range c.sections() {
		if err := section.check(); err != nil {
			return fmt.Errorf("enricher.%s: %w", section.name, err)
		}
	}
	switch {
	case c.BatchRecords < 1:
		return fmt.Errorf("enricher.batch_records is %d: give 1 or more", c.BatchRecords)
	case c.BatchBytes < 1:
		return fmt.Errorf("enricher.batch_bytes is %d: give 1 or more", c.BatchBytes)
	case c.BatchWait < 0 || c.BatchWait > 10*time.Second:
		return fmt.Errorf("enricher.batch_wait is %s: give 0s to 10s", c.BatchWait)
	}
	return nil
}

// ReferenceDir is where the copies of the reference data are; empty for a temporary folder.
func (c Config) ReferenceDir() string {
	if c.DataDir == "" {
		return ""
	}
	return filepath.Join(c.DataDir, "reference")
}

// everyLink are all links in the order of the chain, enabled and not required.
func everyLink() []Entry {
	var all []Entry
	for _, name := range order {
		if makers[name] != nil {
			all = append(all, Entry{Name: name, Enabled: true})
		}
	}
	return all
}

// section is a part of the configuration that checks itself.
type section struct {
	name  string
	check func() error
}

func (c Config) sections() []section {
	return []section{
		{"purposes", c.Purposes.Validate},
		{"reference", func() error { return c.Reference.Validate(Datasets()) }},
		{Customer, c.Customer.Validate},
		{UserAgent, c.UserAgent.Validate},
		{Traffic, c.Traffic.Validate},
		{Calendar, c.Calendar.Validate},
		{Person, c.Person.Validate},
		{FirstName, c.FirstName.Validate},
	}
}
