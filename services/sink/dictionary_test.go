package sink

import (
	"strings"
	"testing"

	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"go.uber.org/zap/zaptest"
)

// The dictionary with an account in its source is the same dictionary: it loads, and it stays the server's own.
func TestDictionaryReadsWithAnAccount(t *testing.T) {
	cfg := warehouse.DefaultConfig()
	cfg.Addresses = []string{enginetest.Start(t)}
	if err := warehouse.Migrate(t.Context(), cfg, Migrations(), zaptest.NewLogger(t)); err != nil {
		t.Fatal(err)
	}
	statement, err := dictionaryStatement(dictionaryMigrations[0], "default", "")
	if err != nil {
		t.Fatal(err)
	}
	exec := func(query string) string { return enginetest.Exec(t, cfg.Addresses[0], query) }
	exec(statement)
	exec("INSERT INTO parcours.identity_map (workspace, node, canonical, version, _ingested_at) VALUES ('account', '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002', 1, now64(3))")
	exec("SYSTEM RELOAD DICTIONARY parcours.identity_map_dict")
	if got := exec("SELECT dictGet('parcours.identity_map_dict', 'canonical', ('account', toUUID('00000000-0000-0000-0000-000000000001')))"); got != "00000000-0000-0000-0000-000000000002" {
		t.Errorf("got %s", got)
	}
	// Whoever reads the definition sees the account and not its password, whatever stands in it.
	if statement, err = dictionaryStatement(dictionaryMigrations[0], "nobody", `it's a \secret`); err != nil {
		t.Fatal(err)
	}
	exec(statement)
	if got := exec("SHOW CREATE DICTIONARY parcours.identity_map_dict FORMAT TSVRaw"); !strings.Contains(got, "USER 'nobody'") || strings.Contains(got, "secret") {
		t.Errorf("the dictionary is %s: want the user, and the password hidden", got)
	}
	exec("DROP DATABASE parcours SYNC")
}
