package sink

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/parcours-cdp/parcours/internal/warehouse"
	"go.uber.org/zap"
)

//go:embed access/*.sql
var accessFiles embed.FS

// AccessRoles are the roles of the database, in the order in which they are made: a role stands after those that it has.
func AccessRoles() []string { return []string{"analyst", "marketing", "writer", "admin"} }

// AccessStatements are what makes a role. They are no migrations: roles belong to the server and not to the database, so
// a database that is restored elsewhere does not have them, and a number would say that they are there. They are run at
// each start and say the same each time: a role has what they grant, and what was granted to it beside that is taken
// away. Grants of one's own belong into roles of one's own.
func AccessStatements(role string) ([]string, error) {
	body, err := fs.ReadFile(accessFiles, path.Join("access", role+".sql"))
	if err != nil {
		return nil, fmt.Errorf("read the statements of role %s: %w", role, err)
	}
	var text strings.Builder
	for line := range strings.Lines(string(body)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			text.WriteString(line)
		}
	}
	var statements []string
	for statement := range strings.SplitSeq(text.String(), ";\n") {
		if statement = strings.TrimSpace(statement); statement != "" {
			statements = append(statements, statement)
		}
	}
	return statements, nil
}

// access makes the roles. A server that cannot keep them, or an account that may not make them, is no fault: then they
// are somebody else's to make, and the log says which.
func (s *sink) access(ctx context.Context) error {
	kept, err := s.keepsRoles(ctx)
	if err != nil {
		return err
	}
	for _, role := range AccessRoles() {
		if !kept {
			break
		}
		statements, err := AccessStatements(role)
		if err != nil {
			return err
		}
		for _, statement := range statements {
			err := s.warehouse.Exec(ctx, statement)
			switch {
			case warehouse.IsNoAccessStorage(err):
				kept = false
			case warehouse.IsAccessDenied(err):
				s.log.Warn("roles are left as they are: the account of sink.clickhouse may not make them; an administrator finds the statements in docs/how-to/access.md",
					zap.String("role", role), zap.String("username", s.cfg.ClickHouse.Username))
				return nil
			case err != nil:
				return fmt.Errorf("make role %s: %w", role, err)
			}
		}
	}
	if !kept {
		s.log.Info("roles are not made: this ClickHouse keeps no accounts but those of its configuration, and everybody who reaches it may do everything")
	}
	return nil
}

// keepsRoles asks whether the server has a place to write accounts to, as an engine in process has not. Who may not ask
// finds it out by trying.
func (s *sink) keepsRoles(ctx context.Context) (bool, error) {
	var places uint64
	err := s.warehouse.ScanRow(ctx, []any{&places}, "SELECT count() FROM system.user_directories WHERE type NOT IN ('users_xml', 'users.xml', 'ldap')")
	if warehouse.IsAccessDenied(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask where clickhouse keeps its accounts: %w", err)
	}
	return places > 0, nil
}

// migrate brings the database up to date. One that is already is left alone: the account then needs no right to make
// tables, which the role writer does not have.
func (s *sink) migrate(ctx context.Context) error {
	if s.upToDate(ctx) {
		return nil
	}
	if err := warehouse.Migrate(ctx, s.cfg.ClickHouse, Migrations(), s.log); err != nil {
		if warehouse.IsAccessDenied(err) {
			return fmt.Errorf("%w; the role writer may not migrate: start this version once with an account that has the role admin", err)
		}
		return err
	}
	return nil
}

var migrationNumber = regexp.MustCompile(`^0*(\d+)_`)

// upToDate reports whether the database has our migrations and no other. No table, no database: nothing was migrated.
// Whatever else is wrong, the migration will say.
func (s *sink) upToDate(ctx context.Context) bool {
	files, err := fs.Glob(Migrations(), "*.sql")
	if err != nil {
		return false
	}
	numbers := make([]string, 0, len(files))
	for _, file := range files {
		if found := migrationNumber.FindStringSubmatch(file); found != nil {
			numbers = append(numbers, found[1])
		}
	}
	var ours, others uint64
	err = s.warehouse.ScanRow(ctx, []any{&ours, &others}, "SELECT uniqExactIf(version_id, known), uniqExactIf(version_id, NOT known) FROM (SELECT version_id, version_id IN ("+strings.Join(numbers, ", ")+
		") AS known FROM "+warehouse.Database+".goose_db_version WHERE is_applied AND version_id > 0)")
	return err == nil && ours == uint64(len(numbers)) && others == 0
}
