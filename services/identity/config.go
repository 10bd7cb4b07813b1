package identity

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/parcours-cdp/parcours/internal/identifier"
)

// Config of the identity service. What identifiers are, and how many of each one customer has, is in the
// section identifiers.
type Config struct {
	// LinkClass is the weakest class of evidence that joins customers: authenticated, verified, typed or
	// inferred. Weaker evidence is logged all the same. It and the two bounds below are logged as rules when
	// they change; the last rules logged hold for every instance.
	LinkClass string `koanf:"link_class"`
	// MaxCluster is how many identifiers one customer has at most.
	MaxCluster int `koanf:"max_cluster"`
	// MaxComponent is how many connected identifiers are considered together; past it only evidence of better
	// classes joins them.
	MaxComponent int `koanf:"max_component"`
	// DataDir keeps what was read of the evidence log, so that a restart reads the rest only. It belongs to one
	// instance. Empty: memory, and each start reads the whole log.
	DataDir string `koanf:"data_dir"`
	// SnapshotDir gets copies of the data directory, which instances without one begin with; they may share
	// it. Empty: none are made.
	SnapshotDir string `koanf:"snapshot_dir"`
	// SnapshotEvery is how often a snapshot is made, when there is news; the last three are kept.
	SnapshotEvery time.Duration `koanf:"snapshot_every"`
	// DigestEvery is how often the publisher logs sums of its graph, for all instances to compare, when there is
	// news.
	DigestEvery time.Duration `koanf:"digest_every"`
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
		LinkClass:     "typed",
		MaxCluster:    500,
		MaxComponent:  5_000,
		SnapshotEvery: time.Hour,
		DigestEvery:   time.Minute,
		BatchRecords:  5_000,
		BatchBytes:    16 << 20,
		BatchWait:     10 * time.Millisecond,
		EvidenceWait:  2 * time.Second,
	}
}

// Validate names the field that is wrong, its value and what to do.
func (c Config) Validate() error {
	if _, err := identifier.ParseClass(c.LinkClass); err != nil {
		return fmt.Errorf("identity.link_%w", err)
	}
	switch {
	case c.MaxCluster < 2 || c.MaxCluster > math.MaxInt32:
		return fmt.Errorf("identity.max_cluster is %d: give 2 or more", c.MaxCluster)
	case c.MaxComponent < c.MaxCluster || c.MaxComponent > math.MaxInt32:
		return fmt.Errorf("identity.max_component is %d: give identity.max_cluster (%d) or more", c.MaxComponent, c.MaxCluster)
	case c.SnapshotDir != "" && c.DataDir == "":
		return errors.New("identity.snapshot_dir is given without identity.data_dir: a snapshot is a copy of that folder, name one")
	case c.SnapshotEvery <= 0:
		return fmt.Errorf("identity.snapshot_every is %s: give more than 0s", c.SnapshotEvery)
	case c.DigestEvery <= 0:
		return fmt.Errorf("identity.digest_every is %s: give more than 0s", c.DigestEvery)
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
