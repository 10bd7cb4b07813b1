package identity

import (
	"fmt"
	"time"

	"github.com/parcours-cdp/parcours/internal/identifier"
)

// Config of the identity service.
type Config struct {
	// LinkClass is the weakest class of evidence that joins customers: authenticated, verified, typed or
	// inferred. Weaker evidence is logged all the same. Every instance must have the same.
	LinkClass string `koanf:"link_class"`
	// BatchRecords is how many touchpoints are taken at once at most.
	BatchRecords int `koanf:"batch_records"`
	// BatchBytes is how many bytes of touchpoints are taken at once, about.
	BatchBytes int `koanf:"batch_bytes"`
	// BatchWait is how long a batch may grow; it bounds what this stage adds to the latency of a quiet stream.
	BatchWait time.Duration `koanf:"batch_wait"`
	// EvidenceWait is how long a batch waits for its own evidence before it goes on with what is known.
	EvidenceWait time.Duration `koanf:"evidence_wait"`
}

// DefaultConfig is right for one retailer.
func DefaultConfig() Config {
	return Config{
		LinkClass:    "typed",
		BatchRecords: 5_000,
		BatchBytes:   16 << 20,
		BatchWait:    10 * time.Millisecond,
		EvidenceWait: 2 * time.Second,
	}
}

// Validate names the field that is wrong, its value and what to do.
func (c Config) Validate() error {
	if _, err := identifier.ParseClass(c.LinkClass); err != nil {
		return fmt.Errorf("identity.link_%w", err)
	}
	switch {
	case c.BatchRecords < 1:
		return fmt.Errorf("identity.batch_records is %d: give 1 or more", c.BatchRecords)
	case c.BatchBytes < 1:
		return fmt.Errorf("identity.batch_bytes is %d: give 1 or more", c.BatchBytes)
	case c.BatchWait < 0 || c.BatchWait > 10*time.Second:
		return fmt.Errorf("identity.batch_wait is %s: give 0s to 10s", c.BatchWait)
	case c.EvidenceWait <= 0 || c.EvidenceWait > time.Minute:
		return fmt.Errorf("identity.evidence_wait is %s: give more than 0s, at most 1m", c.EvidenceWait)
	}
	return nil
}
