package sink_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/embedded/clickhouse"
	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/sink"
	"go.uber.org/zap/zaptest"
)

// grantsOf are the grants of a role as the statements have them, each with what follows its GRANT.
func grantsOf(t testing.TB, role string) []string {
	t.Helper()
	statements, err := sink.AccessStatements(role)
	if err != nil {
		t.Fatal(err)
	}
	var grants []string
	for _, statement := range statements {
		rest, isGrant := strings.CutPrefix(statement, "GRANT ")
		if !isGrant {
			rest, isGrant = strings.CutPrefix(statement, "GRANT\n")
		}
		if !isGrant {
			continue
		}
		what, to, ok := strings.Cut(strings.Join(strings.Fields(rest), " "), " TO "+role)
		if !ok {
			t.Fatalf("%s does not grant to %s", statement, role)
		}
		if slices.Contains(sink.AccessRoles(), what) {
			grants = append(grants, grantsOf(t, what)...)
			continue
		}
		if !strings.HasSuffix(to, "WITH REPLACE OPTION") {
			t.Errorf("role %s: what was granted before stays: say WITH REPLACE OPTION", role)
		}
		grants = append(grants, splitGrants(what)...)
	}
	return grants
}

// splitGrants cuts at the commas between grants, and not at those between columns.
func splitGrants(text string) []string {
	var parts []string
	depth, start := 0, 0
	for i, c := range text {
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				parts = append(parts, strings.TrimSpace(text[start:i]))
				start = i + 1
			}
		}
	}
	return append(parts, strings.TrimSpace(text[start:]))
}

// engineOf starts an engine of the test's own on a folder, whose only account that can be reached has just these
// grants. The views that run with the rights of their maker have one who may do everything.
func engineOf(t *testing.T, dir string, grants []string) string {
	t.Helper()
	config := t.TempDir()
	var users strings.Builder
	account := func(name string, grants []string) {
		fmt.Fprintf(&users, "<%s><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota><grants>", name)
		for _, grant := range grants {
			fmt.Fprintf(&users, "<query>GRANT %s</query>", grant)
		}
		fmt.Fprintf(&users, "</grants></%s>", name)
	}
	account("default", grants)
	account("maker", []string{"ALL ON *.*"})
	for name, text := range map[string]string{
		"users.xml": "<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users>" + users.String() + "</users></clickhouse>",
		// As a server is shipped: what is not granted of system is not seen, but for what everybody may see.
		"config.xml": "<clickhouse><users_config>" + filepath.Join(config, "users.xml") + "</users_config><access_control_improvements>" +
			"<select_from_system_db_requires_grant>true</select_from_system_db_requires_grant>" +
			"<select_from_information_schema_requires_grant>true</select_from_information_schema_requires_grant></access_control_improvements></clickhouse>",
	} {
		if err := os.WriteFile(filepath.Join(config, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := engineWith(t, dir, filepath.Join(config, "config.xml"))
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server.Addr()
}

// engineWith starts an engine with a configuration of its own; the caller closes it.
func engineWith(t *testing.T, dir, config string) *clickhouse.Server {
	t.Helper()
	cfg, err := enginetest.Config(dir)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Engine.ConfigFile = config
	server, err := clickhouse.Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// accessRig is a rig on an engine of its own, whose account has the grants.
func accessRig(t *testing.T, dir string, grants []string) *rig {
	t.Helper()
	r := newRig(t)
	r.cfg.ClickHouse.Addresses = []string{engineOf(t, dir, grants)}
	r.db = open(t, r.cfg.ClickHouse)
	return r
}

func stated(n byte, name string, granted, denied []string) *schemas.EnrichedTouchpoint {
	e := event(n, "Signed Up")
	e.Type = "identify"
	e.Consent.Valid = granted != nil || denied != nil
	e.Consent.Value.Granted, e.Consent.Value.Denied = granted, denied
	if name != "" {
		e.Person.Valid = true
		e.Person.Value.Email, e.Person.Value.LastName = name+"@example.org", name
		e.Person.Value.Phone, e.Person.Value.Street = "0612345678", "1 rue de la Paix"
	}
	return e
}

// filled is a data folder with a database, events and contacts of customers who agreed, refused, took it back, or said
// nothing.
func filled(t *testing.T) string {
	dir := t.TempDir()
	t.Run("fill", func(t *testing.T) {
		r := accessRig(t, dir, []string{"ALL ON *.*"})
		if err := warehouse.Migrate(t.Context(), r.cfg.ClickHouse, sink.Migrations(), zaptest.NewLogger(t)); err != nil {
			t.Fatal(err)
		}
		r.run()
		r.produce(
			stated(1, "granted", []string{"marketing"}, nil),
			stated(2, "refused", []string{"analytics"}, []string{"marketing"}),
			stated(3, "silent", nil, nil),
			stated(4, "withdrawn", []string{"marketing"}, nil),
			stated(5, "mailed", []string{"newsletter"}, nil),
			stated(6, "banner", []string{"analytics"}, nil),
		)
		withdrawal := stated(4, "", nil, []string{"*"})
		withdrawal.OccurredAt += 1000
		poison := event(7, "Broken")
		poison.Properties = "{"
		r.produce(withdrawal, poison)
		r.eventually("SELECT count() FROM events WHERE workspace = %s", "7")
		r.eventually("SELECT count() FROM contacts WHERE workspace = %s", "6")
		r.eventually("SELECT count() FROM rejected_events WHERE %s != ''", "1")
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		// The account of these tests' engine is always default: what runs with its maker's rights gets another.
		for _, row := range r.rows("SELECT name FROM system.tables WHERE %s != '' AND database = 'parcours' AND create_table_query LIKE '%%SQL SECURITY DEFINER%%'") {
			if err := r.db.Exec(t.Context(), "ALTER TABLE "+row[0]+" MODIFY SQL SECURITY DEFINER DEFINER = maker"); err != nil {
				t.Fatal(err)
			}
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	return dir
}

// may reports whether the account may run a statement. Whatever else is wrong with it ends the test.
func (r *rig) may(statement string) bool {
	r.t.Helper()
	var err error
	if strings.HasPrefix(statement, "SELECT") {
		_, err = r.db.Query(r.t.Context(), statement)
	} else {
		err = r.db.Exec(r.t.Context(), statement)
	}
	if err != nil && !strings.Contains(err.Error(), "Not enough privileges") {
		r.t.Errorf("%s: %v", statement, err)
	}
	return err == nil
}

// relations are the tables, views and dictionaries of the database.
func (r *rig) relations() []string {
	r.t.Helper()
	var names []string
	for _, row := range r.rows("SELECT name FROM system.tables WHERE %s != '' AND database = 'parcours' AND name NOT LIKE '.%%' AND name NOT LIKE '\\_tmp\\_replace%%' ORDER BY name") {
		names = append(names, row[0])
	}
	return names
}

func TestRolesSeeAndDoWhatTheyShould(t *testing.T) {
	dir := filled(t)
	var relations []string
	t.Run("all", func(t *testing.T) { relations = accessRig(t, dir, []string{"ALL ON *.*"}).relations() })
	for _, role := range []string{"analyst", "marketing"} {
		t.Run(role, func(t *testing.T) {
			r := accessRig(t, dir, grantsOf(t, role))
			hidden := withheld(t)
			if role == "marketing" {
				hidden = slices.DeleteFunc(hidden, func(name string) bool { return name == "contactable_contacts" })
			}
			for _, name := range relations {
				columns := "*"
				if name == "rejected_events" {
					columns = "stage, reason, detail"
				}
				if got, want := r.may("SELECT "+columns+" FROM "+name+" LIMIT 1"), !slices.Contains(hidden, name); got != want {
					t.Errorf("may read %s: %v, want %v", name, got, want)
				}
			}
			for _, statement := range []string{
				"SELECT payload FROM rejected_events",
				"SELECT * FROM rejected_events",
				"SELECT email FROM contacts",
				"SELECT email FROM customer_contacts",
				"INSERT INTO events (workspace) VALUES ('w')",
				"ALTER TABLE events DELETE WHERE 1",
				"ALTER TABLE events UPDATE customer_id = anchor WHERE 1",
				"DROP TABLE events",
				"DROP VIEW customers",
				"TRUNCATE TABLE events",
				"CREATE TABLE mine (a Int8) ENGINE = Memory",
				"CREATE VIEW mine AS SELECT email FROM contacts",
				"SYSTEM RELOAD DICTIONARY identity_map_dict",
			} {
				if r.may(statement) {
					t.Errorf("may %s", statement)
				}
			}
			if role == "analyst" {
				return
			}
			want := [][]string{
				{"granted", "['email','phone','post','sms']", "granted@example.org", "0612345678", "1 rue de la Paix"},
				{"mailed", "['email']", "mailed@example.org", "", ""},
			}
			if diff := cmp.Diff(want, r.rows("SELECT last_name, ways, email, phone, street FROM contactable_contacts WHERE %s != '' ORDER BY last_name")); diff != "" {
				t.Errorf("who may be contacted (-want +got):\n%s", diff)
			}
		})
	}
}

// The sink, squash and erasure run with the role writer, and it may read nothing of a customer.
func TestWriterRunsTheSink(t *testing.T) {
	dir := filled(t)
	r := accessRig(t, dir, grantsOf(t, "writer"))
	// Retention differs, so that it has to be set.
	r.cfg.EventMonths = 20
	r.run()
	r.produce(stated(20, "late", []string{"marketing"}, nil), event(21, "Product Viewed"))
	r.moved(1<<40, node(21), node(20))
	r.eventually("SELECT count() FROM events WHERE _offset >= 0 AND %s != ''", "9")
	squash := sink.Squash{ClickHouse: r.cfg.ClickHouse, Until: event(1, "").OccurredAt.Time().AddDate(0, 2, 0), Settled: event(1, "").OccurredAt.Time().AddDate(10, 0, 0), Report: func(sink.SquashStep) error { return nil }}
	r.eventually("SELECT count() FROM identity_map WHERE workspace = %s", "1")
	if err := squash.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.eventually("SELECT count() FROM events WHERE customer_id = '"+node(21).String()+"' AND workspace = %s", "2")
	r.eventually("SELECT count(anchor) FROM contacts WHERE workspace = %s", "1")
	r.mapped(identitymap.Row{Node: node(20), Canonical: node(20), Version: 1 << 41, Reason: identitymap.Erased, Previous: node(21)})
	r.eventually("SELECT count(anchor) FROM contacts WHERE workspace = %s", "0")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"SELECT properties FROM events",
		"SELECT email FROM contacts",
		"SELECT value FROM traits",
		"SELECT * FROM customers",
		"SELECT payload FROM rejected_events",
		"SELECT * FROM contactable_contacts",
		"ALTER TABLE events UPDATE name = 'x' WHERE 1",
		"ALTER TABLE events DELETE WHERE 1",
		"TRUNCATE TABLE events",
		"DROP TABLE events",
		"CREATE TABLE mine (a Int8) ENGINE = Memory",
	} {
		if r.may(statement) {
			t.Errorf("may %s", statement)
		}
	}
}

// The engine of these tests keeps no roles, but it reads the statements.
func TestClickHouseUnderstandsTheStatements(t *testing.T) {
	r := newRig(t)
	for _, role := range sink.AccessRoles() {
		statements, err := sink.AccessStatements(role)
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range statements {
			var text string
			if err := r.db.ScanRow(t.Context(), []any{&text}, "SELECT formatQuery(?)", statement); err != nil {
				t.Errorf("%s: %v", statement, err)
			}
		}
	}
}

// withheld are the tables and views that the analyst's statements name as such.
func withheld(t testing.TB) []string {
	t.Helper()
	body, err := os.ReadFile("access/analyst.sql")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(body)) {
		if rest, ok := strings.CutPrefix(line, "-- withheld parcours."); ok {
			name, why, _ := strings.Cut(rest, ": ")
			if strings.TrimSpace(why) == "" {
				t.Errorf("%s is withheld without a reason", name)
			}
			names = append(names, name)
		}
	}
	return names
}

// accessPage is what operators and the data protection officer read; it is made from the statements.
const accessPage = "../../docs/how-to/access.md"

// Every table and view of the database is granted to analysts or withheld from them for a reason, and what is withheld
// is granted to none but those who are meant.
func TestEveryTableIsDecidedUpon(t *testing.T) {
	r := newRig(t)
	granted := map[string]map[string][]string{} // relation, role, rights
	for _, role := range sink.AccessRoles() {
		for _, grant := range grantsOf(t, role) {
			right, on, _ := strings.Cut(grant, " ON parcours.")
			if granted[on] == nil {
				granted[on] = map[string][]string{}
			}
			granted[on][role] = append(granted[on][role], right)
		}
	}
	hidden := withheld(t)
	relations := r.relations()
	for _, name := range relations {
		rights := granted[name]["analyst"]
		if reads := slices.ContainsFunc(rights, func(right string) bool { return strings.HasPrefix(right, "SELECT") }); reads == slices.Contains(hidden, name) {
			t.Errorf("%s: decide in access/analyst.sql whether analysts may read it: grant SELECT, or say that it is withheld and why", name)
		}
	}
	for _, secret := range []string{"contacts", "customer_contacts", "golden_contacts"} {
		for role, rights := range granted[secret] {
			for _, right := range rights {
				if strings.HasPrefix(right, "SELECT") && right != "SELECT(workspace, anchor, customer_id, iv)" && right != "SELECT(stand_ins)" {
					t.Errorf("%s has %s on %s", role, right, secret)
				}
			}
		}
	}
	var matrix strings.Builder
	matrix.WriteString("| table or view | analyst | marketing | writer | admin |\n| --- | --- | --- | --- | --- |\n")
	for _, name := range relations {
		fmt.Fprintf(&matrix, "| `%s` |", name)
		for _, role := range sink.AccessRoles() {
			matrix.WriteString(" " + shortRights(granted[name][role], role) + " |")
		}
		matrix.WriteString("\n")
	}
	var statements strings.Builder
	for _, role := range sink.AccessRoles() {
		all, err := sink.AccessStatements(role)
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range all {
			statements.WriteString(statement + ";\n")
		}
	}
	have, err := os.ReadFile(accessPage)
	if err != nil {
		t.Fatal(err)
	}
	page := between(t, string(have), "matrix", matrix.String())
	page = between(t, page, "statements", "```sql\n"+statements.String()+"```\n")
	if *rewrite {
		if err := os.WriteFile(accessPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(have), page); diff != "" {
		t.Errorf("%s is not what the statements say; run go test -run TestEveryTableIsDecidedUpon -rewrite . (-page +statements):\n%s", accessPage, diff)
	}
}

// between puts text between the marks of a page.
func between(t *testing.T, page, mark, text string) string {
	t.Helper()
	head, rest, ok := strings.Cut(page, "<!-- "+mark+" -->\n")
	_, tail, closed := strings.Cut(rest, "<!-- end of "+mark+" -->\n")
	if !ok || !closed {
		t.Fatalf("%s has no place for %s", accessPage, mark)
	}
	return head + "<!-- " + mark + " -->\n" + text + "<!-- end of " + mark + " -->\n" + tail
}

// shortRights are the rights on one relation in a few words.
func shortRights(rights []string, role string) string {
	if role == "admin" {
		return "all"
	}
	var short []string
	for _, right := range rights {
		verb, columns, some := strings.Cut(right, "(")
		word := map[string]string{
			"SELECT": "read", "INSERT": "insert", "dictGet": "look up", "ALTER UPDATE": "update", "ALTER DELETE": "delete", "ALTER TTL": "retention",
			"ALTER MATERIALIZE TTL": "retention", "TRUNCATE": "empty", "CREATE DICTIONARY": "make anew", "DROP DICTIONARY": "make anew", "CREATE TABLE": "make anew",
		}[verb]
		if some && strings.Count(columns, ",") > 8 {
			word += " (but what was sent)"
		} else if some {
			word += " (" + strings.TrimSuffix(columns, ")") + ")"
		}
		if !slices.Contains(short, word) {
			short = append(short, word)
		}
	}
	if len(short) == 0 {
		return "-"
	}
	return strings.Join(short, ", ")
}
