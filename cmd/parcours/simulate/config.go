package simulate

import (
	"errors"
	"fmt"
	"math"
	"time"
	_ "time/tzdata" // shops open by their own clocks, also on machines without a zone database
)

// Config says which population lives through which days. The zero value of a field other than Trouble means its
// default.
type Config struct {
	// Seed chooses the population and all that happens to it.
	Seed uint64
	// Customers is the number of people; some of them never buy.
	Customers int
	// Days is the length of the simulated time.
	Days int
	// Start is the first simulated midnight in Paris; by default such that the last simulated day is yesterday.
	Start time.Time
	// Events bounds the number of distinct events; 0 means all that the population makes.
	Events int
	// Trouble scales the hard cases of real life: shared devices and cards, typing errors, kiosks, lent accounts.
	// 1 is usual, 0 is a world without them.
	Trouble float64
	// Rates are how often each hard case happens when Trouble is 1; by default DefaultRates.
	Rates Rates
}

// DefaultConfig is a week of two thousand people.
func DefaultConfig() Config {
	return Config{Seed: 1, Customers: 2000, Days: 7, Trouble: 1, Rates: DefaultRates()}
}

const (
	maxCustomers = 20_000_000
	maxDays      = 731
)

// eventsPerPersonDay is what a person makes on average; the test of the distribution holds it to the truth.
const eventsPerPersonDay = 4.2

// CustomersFor returns how many people make at least the given number of events in the given days.
func CustomersFor(events, days int) int {
	return int(math.Ceil(float64(events)/(eventsPerPersonDay*float64(days))*1.25)) + 50
}

// Validate names the field that is out of bounds.
func (c Config) Validate() error {
	switch {
	case c.Customers < 1 || c.Customers > maxCustomers:
		return fmt.Errorf("simulate: customers is %d, want 1 to %d", c.Customers, maxCustomers)
	case c.Days < 1 || c.Days > maxDays:
		return fmt.Errorf("simulate: days is %d, want 1 to %d", c.Days, maxDays)
	case c.Events < 0:
		return errors.New("simulate: events is negative, want 0 (all) or more")
	case c.Trouble < 0 || c.Trouble > 10 || math.IsNaN(c.Trouble):
		return fmt.Errorf("simulate: trouble is %g, want 0 to 10", c.Trouble)
	}
	return c.Rates.validate()
}

// LastDays returns the midnight in Paris that starts the given number of whole days before today.
func LastDays(now time.Time, days int) time.Time {
	at := now.In(paris)
	return time.Date(at.Year(), at.Month(), at.Day()-days, 0, 0, 0, 0, paris)
}

func (c Config) withDefaults(now time.Time) Config {
	d := DefaultConfig()
	if c.Customers == 0 {
		c.Customers = d.Customers
	}
	if c.Days == 0 {
		c.Days = d.Days
	}
	if c.Rates == (Rates{}) {
		c.Rates = d.Rates
	}
	if c.Start.IsZero() {
		c.Start = LastDays(now, c.Days)
	}
	at := c.Start.In(paris)
	c.Start = time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, paris)
	return c
}

var paris = mustZone("Europe/Paris")

// mustZone serves the embedded lists only, whose zones a test reads; tzdata is linked in.
func mustZone(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return zone
}
