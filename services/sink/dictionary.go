package sink

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/parcours-cdp/parcours/internal/warehouse"
)

const dictionaryMigration = "00004_identity_map_dict.sql"

// ownDictionary gives the identity dictionary the sink's account to read its table with, where that is not the server's
// default one. A password has no place in a migration, and it may change from one start to the next.
func (s *sink) ownDictionary(ctx context.Context) error {
	account := s.cfg.ClickHouse
	if account.Username == warehouse.DefaultConfig().Username && account.Password == "" {
		return nil
	}
	statement, err := dictionaryStatement(account.Username, account.Password)
	if err != nil {
		return err
	}
	if err := s.warehouse.Exec(ctx, statement); err != nil {
		return fmt.Errorf("give the identity dictionary the account of sink.clickhouse: %w", err)
	}
	return nil
}

// dictionaryStatement is the migration's, with an account in its source.
func dictionaryStatement(username, password string) (string, error) {
	body, err := fs.ReadFile(Migrations(), dictionaryMigration)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", dictionaryMigration, err)
	}
	_, statement, _ := strings.Cut(string(body), "-- +goose Up\n")
	const source = "SOURCE(CLICKHOUSE(\n"
	if !strings.Contains(statement, source) {
		return "", fmt.Errorf("read %s: it has no %q", dictionaryMigration, source)
	}
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	account := fmt.Sprintf("%s    USER '%s'\n    PASSWORD '%s'\n", source, quote.Replace(username), quote.Replace(password))
	return strings.TrimSuffix(strings.TrimSpace(strings.Replace(statement, source, account, 1)), ";"), nil
}
