package sink

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/parcours-cdp/parcours/internal/warehouse"
)

// dictionaryMigrations make the dictionaries.
var dictionaryMigrations = []string{"00005_identity_map_dict.sql", "00006_identity_changes_dict.sql"}

// ownDictionary gives the identity dictionaries the sink's account to read their tables with, where that is not the
// server's default one. A password has no place in a migration, and it may change from one start to the next.
func (s *sink) ownDictionary(ctx context.Context) error {
	account := s.cfg.ClickHouse
	if account.Username == warehouse.DefaultConfig().Username && account.Password == "" {
		return nil
	}
	for _, migration := range dictionaryMigrations {
		statement, err := dictionaryStatement(migration, account.Username, account.Password)
		if err != nil {
			return err
		}
		if err := s.warehouse.Exec(ctx, statement); err != nil {
			return fmt.Errorf("give the identity dictionaries the account of sink.clickhouse: %w", err)
		}
	}
	return nil
}

// dictionaryStatement is the migration's, with an account in its source.
func dictionaryStatement(migration, username, password string) (string, error) {
	body, err := fs.ReadFile(Migrations(), migration)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", migration, err)
	}
	_, statement, _ := strings.Cut(string(body), "-- +goose Up\n")
	statement = strings.TrimSuffix(strings.TrimSpace(statement), ";")
	if username == warehouse.DefaultConfig().Username && password == "" {
		return statement, nil
	}
	const source = "SOURCE(CLICKHOUSE(\n"
	if !strings.Contains(statement, source) {
		return "", fmt.Errorf("read %s: it has no %q", migration, source)
	}
	account := fmt.Sprintf("%s    USER '%s'\n    PASSWORD '%s'\n", source, escape.Replace(username), escape.Replace(password))
	return strings.Replace(statement, source, account, 1), nil
}
