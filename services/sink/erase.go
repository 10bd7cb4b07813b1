package sink

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/warehouse"
)

// erasedAtOnce bounds the nodes that one statement names.
const erasedAtOnce = 1000

// erase takes away what the tables hold of erased nodes beside their pseudonymous events: clear values, traits, how the nodes hung together, and
// on the events the pseudonym of the household. Rows are gone for every query once it returns, and from the disk after the next step that
// ClickHouse takes on its own. It may be repeated.
func (s *sink) erase(ctx context.Context, erased []identitymap.Row) error {
	for from := 0; from < len(erased); from += erasedAtOnce {
		part := erased[from:min(from+erasedAtOnce, len(erased))]
		for _, statement := range eraseStatements(part) {
			if err := s.warehouse.Exec(ctx, statement); err != nil {
				return err
			}
		}
		s.metrics.erased.Add(float64(len(part)))
	}
	return nil
}

// eraseStatements are what each table wants done. Values that were stated on an anchor that is nobody's belong to the
// erased person where one of the person's nodes stood beside it.
func eraseStatements(rows []identitymap.Row) []string {
	nodes := make([]string, len(rows))
	versions := make([]string, len(rows))
	for i := range rows {
		nodes[i] = node(rows[i].Workspace, rows[i].Node)
		versions[i] = fmt.Sprintf("(%s, toUUID(%s), %d)", quote(rows[i].Workspace), quote(rows[i].Node.String()), rows[i].Version)
	}
	set := "(" + strings.Join(nodes, ", ") + ")"
	shared := "dictGetOrDefault('" + warehouse.Database + ".identity_map_dict', 'shared', (workspace, anchor), false)"
	stated := "(workspace, anchor) IN " + set + " OR (" + shared + " AND arrayExists(n -> (workspace, n) IN " + set + ", stand_ins))"
	// The audit keeps that somebody was erased, and nothing of who was seen with whom.
	paired := "kind NOT IN ('erased') AND ((workspace, node) IN " + set + " OR (workspace, other_node) IN " + set + ")"
	before := "arrayExists(e -> e.1 = workspace AND e.2 = node AND version < e.3, [" + strings.Join(versions, ", ") + "]) AND (workspace, node) IN " + set
	var statements []string
	for _, t := range []struct{ table, where string }{
		{"contacts", stated},
		{"traits", stated},
		{"identity_audit", paired},
		{"identity_changes", before},
		{"attributes", "subject_kind = 'node' AND (workspace, node) IN " + set},
	} {
		name := warehouse.Database + "." + t.table
		statements = append(statements,
			"DELETE FROM "+name+" WHERE "+t.where+" SETTINGS allow_nondeterministic_mutations = 1",
			"ALTER TABLE "+name+" APPLY DELETED MASK SETTINGS mutations_sync = 0")
	}
	// Events stay, but not by what their person shares with others: it would lead to the family, and to the person who comes back. Only parts that
	// hold such events are written anew, and of these one column.
	return append(statements, "ALTER TABLE "+warehouse.Database+".events UPDATE profile_household_id = '' WHERE profile_household_id != '' AND ("+stated+
		") SETTINGS allow_nondeterministic_mutations = 1, mutations_sync = 2")
}

func node(workspace string, id uuid.UUID) string {
	return "(" + quote(workspace) + ", toUUID(" + quote(id.String()) + "))"
}

var escape = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

func quote(text string) string { return "'" + escape.Replace(text) + "'" }
