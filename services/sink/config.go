package sink

import (
	"fmt"
	"time"

	"github.com/parcours-cdp/parcours/internal/warehouse"
)

// Config is the sink's section of the configuration.
type Config struct {
	// ClickHouse says where the warehouse is.
	ClickHouse warehouse.Config `koanf:"clickhouse"`
	// DataDir keeps the index of what was seen, so that a restart reads only the rest of the log. It belongs to one
	// process; empty keeps it in a temporary folder, and each start reads DuplicateWindow of the log.
	DataDir string `koanf:"data_dir"`
	// DuplicateWindow is how long after an event its repetition is known for one, by the times of their Kafka records; topics keep their records for longer.
	DuplicateWindow time.Duration `koanf:"duplicate_window"`
	// BatchRecords, BatchBytes (of keys and values) and BatchWait end a batch, the first that is met: a batch is one insert of one partition into each
	// table. Large ones are cheap; BatchWait bounds how old a row gets while little comes in.
	BatchRecords int           `koanf:"batch_records"`
	BatchBytes   int           `koanf:"batch_bytes"`
	BatchWait    time.Duration `koanf:"batch_wait"`
	// BufferBytes bounds the keys and values that are held of all partitions of touchpoints; the other topics have a quarter of it each.
	BufferBytes int `koanf:"buffer_bytes"`
	// Inserts is how many partitions are decoded and inserted at once.
	Inserts int `koanf:"inserts"`
	// RetryWait is the longest pause of a partition between two attempts while ClickHouse refuses or does not answer.
	RetryWait time.Duration `koanf:"retry_wait"`
	// EventMonths, RejectedMonths and AuditMonths are how long events, rejected events and the audit of identities are kept.
	EventMonths    int `koanf:"event_months"`
	RejectedMonths int `koanf:"rejected_months"`
	AuditMonths    int `koanf:"audit_months"`
	// SightingMonths is how long it is known of an identifier where it was seen, after it was seen last.
	SightingMonths int `koanf:"sighting_months"`
	// ContactMonths and TraitMonths are how long clear contact values and traits are kept after they were last stated.
	ContactMonths int `koanf:"contact_months"`
	TraitMonths   int `koanf:"trait_months"`
	// AttributeMonths is how long the table attributes keeps what is known of a person or an area after it was last stated or imported; the topic is the enricher's.
	AttributeMonths int `koanf:"attribute_months"`
}

// DefaultConfig suits a machine of two cores, and the French supervisor's 25 months, and three years after the last contact.
func DefaultConfig() Config {
	return Config{
		ClickHouse:      warehouse.DefaultConfig(),
		DuplicateWindow: 48 * time.Hour,
		BatchRecords:    50_000,
		BatchBytes:      16 << 20,
		BatchWait:       time.Second,
		BufferBytes:     64 << 20,
		Inserts:         2,
		RetryWait:       10 * time.Second,
		EventMonths:     25,
		RejectedMonths:  3,
		AuditMonths:     25,
		SightingMonths:  25,
		ContactMonths:   36,
		TraitMonths:     36,
		AttributeMonths: 36,
	}
}

// bounded is a number of the configuration.
type bounded struct {
	name       string
	value      int
	least, max int
}

// longestWindow leaves two days of lag within the seven that the topics are kept.
const longestWindow = 5 * 24 * time.Hour

// Validate names the field that is wrong, its value and what to do.
func (c Config) Validate() error {
	if err := c.ClickHouse.Validate(); err != nil {
		return fmt.Errorf("sink.%w", err)
	}
	for _, field := range append([]bounded{
		{"batch_records", c.BatchRecords, 1, 1_000_000},
		{"batch_bytes", c.BatchBytes, 1 << 10, 1 << 30},
		{"buffer_bytes", c.BufferBytes, 1 << 16, 1 << 32},
		{"inserts", c.Inserts, 1, 64},
	}, c.months()...) {
		if field.value < field.least || field.value > field.max {
			return fmt.Errorf("sink.%s is %d: give %d to %d", field.name, field.value, field.least, field.max)
		}
	}
	if c.DuplicateWindow < time.Minute || c.DuplicateWindow > longestWindow {
		return fmt.Errorf("sink.duplicate_window is %s: give 1m to %s, less than topics keep their records", c.DuplicateWindow, longestWindow)
	}
	if c.BufferBytes < c.BatchBytes {
		return fmt.Errorf("sink.buffer_bytes is %d and sink.batch_bytes %d: a buffer holds at least one batch", c.BufferBytes, c.BatchBytes)
	}
	if c.BatchWait < 0 || c.BatchWait > time.Minute {
		return fmt.Errorf("sink.batch_wait is %s: give 0s to 1m", c.BatchWait)
	}
	if c.RetryWait < firstRetry || c.RetryWait > 5*time.Minute {
		return fmt.Errorf("sink.retry_wait is %s: give %s to 5m", c.RetryWait, firstRetry)
	}
	return nil
}
