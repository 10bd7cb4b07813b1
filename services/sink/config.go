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
	// BatchRecords and BatchBytes end a batch; a batch holds one insert for each of its partitions, and large inserts are cheap.
	BatchRecords int `koanf:"batch_records"`
	BatchBytes   int `koanf:"batch_bytes"`
	// BatchWait ends a batch that does not fill: it bounds how old a row gets while little comes in.
	BatchWait time.Duration `koanf:"batch_wait"`
	// Inserts is how many partitions of a batch are decoded and inserted at once.
	Inserts int `koanf:"inserts"`
	// RetryWait is the longest pause between two attempts while ClickHouse refuses or does not answer.
	RetryWait time.Duration `koanf:"retry_wait"`
	// EventMonths, RejectedMonths and AuditMonths are how long events, rejected events and the audit of identities are kept.
	EventMonths    int `koanf:"event_months"`
	RejectedMonths int `koanf:"rejected_months"`
	AuditMonths    int `koanf:"audit_months"`
}

// DefaultConfig suits a machine of two cores, and the French supervisor's 25 months.
func DefaultConfig() Config {
	return Config{
		ClickHouse:     warehouse.DefaultConfig(),
		BatchRecords:   50_000,
		BatchBytes:     32 << 20,
		BatchWait:      time.Second,
		Inserts:        2,
		RetryWait:      10 * time.Second,
		EventMonths:    25,
		RejectedMonths: 3,
		AuditMonths:    25,
	}
}

// Validate names the field that is wrong, its value and what to do.
func (c Config) Validate() error {
	if err := c.ClickHouse.Validate(); err != nil {
		return fmt.Errorf("sink.%w", err)
	}
	for _, field := range []struct {
		name       string
		value      int
		least, max int
	}{
		{"batch_records", c.BatchRecords, 1, 1_000_000},
		{"batch_bytes", c.BatchBytes, 1 << 10, 1 << 30},
		{"inserts", c.Inserts, 1, 64},
		{"event_months", c.EventMonths, 1, 1200},
		{"rejected_months", c.RejectedMonths, 1, 1200},
		{"audit_months", c.AuditMonths, 1, 1200},
	} {
		if field.value < field.least || field.value > field.max {
			return fmt.Errorf("sink.%s is %d: give %d to %d", field.name, field.value, field.least, field.max)
		}
	}
	if c.BatchWait < 0 || c.BatchWait > time.Minute {
		return fmt.Errorf("sink.batch_wait is %s: give 0s to 1m", c.BatchWait)
	}
	if c.RetryWait < firstRetry || c.RetryWait > 5*time.Minute {
		return fmt.Errorf("sink.retry_wait is %s: give %s to 5m", c.RetryWait, firstRetry)
	}
	return nil
}
