package sink_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/services/sink"
)

// Rows past the policy go and the others stay; a policy that changed holds from the next start, for old rows too.
func TestRetentionPolicy(t *testing.T) {
	r := newRig(t)
	before, after := sink.DefaultConfig(), sink.DefaultConfig()
	after.EventMonths, after.RejectedMonths, after.AuditMonths, after.SightingMonths, after.ContactMonths, after.TraitMonths, after.AttributeMonths = 6, 1, 7, 8, 9, 10, 11
	type policy struct {
		table, column, insert string
		before, after         int
	}
	// Each table, and how to put a row with a time into it.
	policies := []policy{
		{"events", "received_at", "workspace, occurred_at, received_at) SELECT %[1]s, now() - INTERVAL 1 DAY, %[2]s", before.EventMonths, after.EventMonths},
		{"rejected_events", "rejected_at", "workspace, rejected_at) SELECT %[1]s, %[2]s", before.RejectedMonths, after.RejectedMonths},
		{"identity_audit", "at", "workspace, position, at) SELECT %[1]s, %[3]d, %[2]s", before.AuditMonths, after.AuditMonths},
		{"identifier_sightings", "last_seen", "workspace, node, last_seen) SELECT %[1]s, generateUUIDv4(), %[2]s", before.SightingMonths, after.SightingMonths},
		{"contacts", "received_at", "workspace, anchor, received_at) SELECT %[1]s, generateUUIDv4(), %[2]s", before.ContactMonths, after.ContactMonths},
		{"traits", "received_at", "workspace, anchor, received_at) SELECT %[1]s, generateUUIDv4(), %[2]s", before.TraitMonths, after.TraitMonths},
		{"attributes", "updated_at", "workspace, node, updated_at) SELECT %[1]s, generateUUIDv4(), %[2]s", before.AttributeMonths, after.AttributeMonths},
	}
	exec := func(statement string) {
		t.Helper()
		if err := r.db.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	// left are the ages in months of the rows that a merge of everything leaves.
	left := func(p policy) []string {
		t.Helper()
		exec("OPTIMIZE TABLE " + p.table + " FINAL")
		ages := []string{}
		for _, row := range r.rows("SELECT age('month', toDateTime(" + p.column + "), now()) FROM " + p.table + " WHERE workspace = %s ORDER BY 1") {
			ages = append(ages, row[0])
		}
		return ages
	}
	start := func(cfg sink.Config) {
		t.Helper()
		cfg.ClickHouse, cfg.BatchWait, cfg.RetryWait = r.cfg.ClickHouse, r.cfg.BatchWait, r.cfg.RetryWait
		r.cfg = cfg
		r.run()
		// Attributes are the last.
		r.eventually("SELECT extract(engine_full, 'toIntervalMonth\\((\\d+)\\)') FROM system.tables WHERE %s != '' AND database = 'parcours' AND name = 'attributes'", fmt.Sprint(cfg.AttributeMonths))
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	}
	start(before)
	for i, p := range policies {
		for j, months := range []int{p.after - 1, p.after + 1, p.before + 1} {
			exec("INSERT INTO " + p.table + " (" + fmt.Sprintf(p.insert, "'"+r.workspace+"'", fmt.Sprintf("now() - INTERVAL %d MONTH - INTERVAL 1 DAY", months), 10*i+j))
		}
		if diff := cmp.Diff([]string{fmt.Sprint(p.after - 1), fmt.Sprint(p.after + 1)}, left(p)); diff != "" {
			t.Errorf("ages of %s under %d months (-want +got):\n%s", p.table, p.before, diff)
		}
	}
	start(after)
	for _, p := range policies {
		var ages []string
		poll(t, func() bool {
			ages = left(p)
			return cmp.Equal([]string{fmt.Sprint(p.after - 1)}, ages)
		}, func() string {
			return fmt.Sprintf("ages of %s after the policy fell to %d months are %v, want one less", p.table, p.after, ages)
		})
	}
	start(before)
}

func TestRetentionPolicyIsChecked(t *testing.T) {
	cfg := sink.DefaultConfig()
	cfg.ContactMonths = 0
	if err := cfg.Validate(); err == nil || err.Error() != "sink.contact_months is 0: give 1 to 1200" {
		t.Errorf("got %v", err)
	}
}
