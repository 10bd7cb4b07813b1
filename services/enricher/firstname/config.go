package firstname

import "fmt"

// Version of the rules.
const Version = "first-names-1"

// Config of the estimates.
type Config struct {
	// Probability is how sure the sex must be, from 0.5 to 1; names below are ambiguous.
	Probability float64 `koanf:"probability"`
	// CacheEntries is how many first names are kept, about 0.3 KB each.
	CacheEntries int `koanf:"cache_entries"`
}

// DefaultConfig is sure at 95 %.
func DefaultConfig() Config { return Config{Probability: 0.95, CacheEntries: 20_000} }

// Validate names the field that is wrong, its value and what to do.
func (c Config) Validate() error {
	switch {
	case !(c.Probability >= 0.5 && c.Probability <= 1):
		return fmt.Errorf("probability is %v: give 0.5 to 1", c.Probability)
	case c.CacheEntries < 1:
		return fmt.Errorf("cache_entries is %d: give 1 or more", c.CacheEntries)
	}
	return nil
}
