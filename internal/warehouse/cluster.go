package warehouse

import (
	"fmt"
	"sort"
	"strings"
)

// A cluster has every table twice: X_local, replicated, holds the rows of a shard, and X, Distributed, stands before the
// shards. So every query that names X stays as it is. See docs/adr/0009-cluster.md.
const localSuffix = "_local"

// The one place where it is said how a statement for one server becomes one for a cluster. The statements are our own;
// one of a kind that is not known here is refused.
type cluster struct {
	name string
	// path is where Keeper has a table, with <table> in it.
	path string
}

func (c Config) cluster() cluster { return cluster{name: c.Cluster, path: c.ReplicaPath} }

// on says that each server of the cluster runs the statement.
func (c cluster) on() string { return " ON CLUSTER '" + c.name + "'" }

// edit puts text in the place of a part of a statement.
type edit struct {
	start, end int
	text       string
}

func apply(sql string, edits []edit) string {
	sort.SliceStable(edits, func(i, j int) bool { return edits[i].start < edits[j].start })
	var b strings.Builder
	at := 0
	for _, e := range edits {
		b.WriteString(sql[at:e.start] + e.text)
		at = e.end
	}
	return b.String() + sql[at:]
}

// statement is one with its tokens, while it is read from its head.
type statement struct {
	sql    string
	tokens []token
	at     int
}

func parse(sql string) *statement {
	all := tokens(sql)
	for len(all) > 0 && all[len(all)-1].text == ";" {
		sql, all = sql[:all[len(all)-1].start], all[:len(all)-1]
	}
	return &statement{sql: strings.TrimRight(sql, " \t\r\n"), tokens: all}
}

func (s *statement) peek(ahead int) token {
	if s.at+ahead < len(s.tokens) {
		return s.tokens[s.at+ahead]
	}
	return token{start: len(s.sql), end: len(s.sql)}
}

// skip passes the words if they come next.
func (s *statement) skip(words ...string) bool {
	for i, word := range words {
		if !s.peek(i).is(word) {
			return false
		}
	}
	s.at += len(words)
	return true
}

// table passes a name of the database and returns its last part.
func (s *statement) table() (token, error) {
	if s.skip(Database, ".") && s.peek(0).isWord() {
		s.at++
		return s.tokens[s.at-1], nil
	}
	return token{}, fmt.Errorf("%q stands where a name as %s.x should", s.peek(0).text, Database)
}

// find is the first token of these at the depth of the statement itself, from where we are.
func (s *statement) find(words ...string) (int, bool) {
	for i := s.at; i < len(s.tokens); i++ {
		if s.tokens[i].depth == 0 && s.tokens[i].is(words...) {
			return i, true
		}
	}
	return 0, false
}

// rewrite makes a statement for one server those for the cluster. What only reads or inserts stays as it is.
func (c cluster) rewrite(sql string) ([]string, error) {
	if c.name == "" {
		return []string{sql}, nil
	}
	s := parse(sql)
	var all []string
	var err error
	switch first := s.peek(0); {
	case first.is("SELECT", "WITH", "INSERT", "DESCRIBE", "SHOW", "EXISTS", "EXPLAIN", "SET", "("):
		return []string{sql}, nil
	case first.is("CREATE", "DROP", "ALTER", "TRUNCATE", "OPTIMIZE", "DETACH", "ATTACH"):
		s.at++
		all, err = c.definition(s, strings.ToUpper(first.text))
	case first.is("DELETE"):
		s.at++
		all, err = c.deletion(s)
	case first.is("GRANT", "REVOKE"):
		all = c.grant(s, first)
	case first.is("SYSTEM"):
		all = c.system(s)
	default:
		err = fmt.Errorf("it is not known what %s means on a cluster", first.text)
	}
	if err != nil {
		return nil, fmt.Errorf("rewrite %s for cluster %s: %w", verb(sql), c.name, err)
	}
	return all, nil
}

// deletion takes rows from the table of every shard.
func (c cluster) deletion(s *statement) ([]string, error) {
	if !s.skip("FROM") {
		return nil, fmt.Errorf("%q stands where FROM should", s.peek(0).text)
	}
	name, err := s.table()
	if err != nil {
		return nil, err
	}
	return []string{apply(s.sql, []edit{{name.end, name.end, localSuffix + c.on()}})}, nil
}

func (c cluster) definition(s *statement, verb string) ([]string, error) {
	s.skip("OR", "REPLACE")
	switch {
	case s.skip("DATABASE"):
		c.skipIf(s)
		s.at++
		return c.once(s, s.tokens[s.at-1].end), nil
	case s.skip("VIEW"), s.skip("DICTIONARY"):
		return c.named(s)
	case s.skip("MATERIALIZED", "VIEW"):
		return c.view(s)
	case s.skip("TABLE"):
		c.skipIf(s)
		name, err := s.table()
		if err != nil {
			return nil, err
		}
		switch verb {
		case "CREATE":
			return c.create(s, name)
		case "ALTER":
			return c.alter(s, name)
		case "DROP":
			return []string{apply(s.sql, []edit{{name.end, name.end, c.on()}}), c.local(s, name)}, nil
		}
		return []string{c.local(s, name)}, nil
	case s.skip("ROLE"), s.skip("USER"), s.skip("SETTINGS", "PROFILE"), s.skip("QUOTA"), s.skip("FUNCTION"):
		c.skipIf(s)
		for s.at++; s.peek(0).is(","); {
			s.at += 2
		}
		return c.once(s, s.tokens[s.at-1].end), nil
	case s.skip("ROW", "POLICY"), s.skip("POLICY"):
		return c.policy(s)
	}
	return nil, fmt.Errorf("it is not known what %s %s means on a cluster", verb, s.peek(0).text)
}

func (c cluster) skipIf(s *statement) {
	_ = s.skip("IF", "NOT", "EXISTS") || s.skip("IF", "EXISTS") || s.skip("OR", "REPLACE")
}

// once is the statement on all servers.
func (c cluster) once(s *statement, after int) []string {
	return []string{apply(s.sql, []edit{{after, after, c.on()}})}
}

// local is the statement about the tables that hold the rows.
func (c cluster) local(s *statement, name token) string {
	return apply(s.sql, []edit{{name.end, name.end, localSuffix + c.on()}})
}

func (c cluster) named(s *statement) ([]string, error) {
	c.skipIf(s)
	name, err := s.table()
	if err != nil {
		return nil, err
	}
	return c.once(s, name.end), nil
}

// create makes a table two: one that is replicated and holds the rows of a shard, and one that stands before all shards.
func (c cluster) create(s *statement, name token) ([]string, error) {
	edits := []edit{{name.end, name.end, localSuffix + c.on()}}
	at, found := s.find("ENGINE")
	if !found {
		return nil, fmt.Errorf("table %s states no engine", name.text)
	}
	if at++; s.tokens[at].text == "=" {
		at++
	}
	engine := s.tokens[at]
	if !strings.HasSuffix(engine.text, "MergeTree") {
		return c.once(s, name.end), nil // it holds no rows of its own
	}
	args := "'" + strings.ReplaceAll(c.path, "<table>", name.text) + "', '{replica}'"
	edits = append(edits, edit{engine.start, engine.start, "Replicated"})
	switch next := at + 1; {
	case next < len(s.tokens) && s.tokens[next].text == "(" && s.tokens[next+1].text == ")":
		edits = append(edits, edit{s.tokens[next].end, s.tokens[next].end, args})
	case next < len(s.tokens) && s.tokens[next].text == "(":
		edits = append(edits, edit{s.tokens[next].end, s.tokens[next].end, args + ", "})
	default:
		edits = append(edits, edit{engine.end, engine.end, "(" + args + ")"})
	}
	for _, t := range s.tokens {
		if t.depth == 0 && t.is("non_replicated_deduplication_window") {
			edits = append(edits, edit{t.start, t.end, fmt.Sprintf("replicated_deduplication_window_seconds = %d, replicated_deduplication_window", int(tokenFor.Seconds()))})
		}
	}
	key, err := shardingKey(s)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name.text, err)
	}
	front := fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s.%s%s AS %s.%s%s\nENGINE = Distributed('%s', %s, %s%s, %s)",
		Database, name.text, c.on(), Database, name.text, localSuffix, c.name, Database, name.text, localSuffix, key)
	if comment, has := s.find("COMMENT"); has && comment+1 < len(s.tokens) {
		front += "\nCOMMENT " + s.tokens[comment+1].text
	}
	return []string{apply(s.sql, edits), front}, nil
}

// shardingKey puts the rows of one partition of the log on one shard, so that a range is one insert into one shard and
// its token is known there. Tables that know no partition are spread by their own key.
func shardingKey(s *statement) (string, error) {
	for i := s.at; i < len(s.tokens) && s.tokens[i].depth > 0 || i == s.at; i++ {
		if s.tokens[i].depth == 1 && s.tokens[i].is("_partition") && s.tokens[i+1].isWord() {
			return "_partition", nil
		}
	}
	order, found := s.find("ORDER")
	if !found || !s.tokens[order+1].is("BY") {
		return "", fmt.Errorf("states no ORDER BY")
	}
	first := s.tokens[order+2]
	end := order + 3
	for end < len(s.tokens) && (s.tokens[end].depth > 0 || s.tokens[end].text == ")") {
		end++
	}
	key := s.sql[first.start:s.tokens[end-1].end]
	if first.is("tuple") {
		return "rand()", nil
	}
	if first.text != "(" {
		key = "(" + key + ")"
	}
	return "cityHash64" + key, nil
}

// alter changes what holds the rows; columns are changed in front of it as well, where they must not be named before they
// are there, nor after they are gone.
func (c cluster) alter(s *statement, name token) ([]string, error) {
	local := c.local(s, name)
	var columns, others int
	drops := s.peek(0).is("DROP")
	for i := s.at; i+1 < len(s.tokens); i++ {
		if s.tokens[i].depth > 0 || i > s.at && s.tokens[i-1].text != "," {
			continue
		}
		if s.tokens[i].is("ADD", "DROP", "MODIFY", "RENAME", "COMMENT", "ALTER") && s.tokens[i+1].is("COLUMN") {
			columns++
		} else if s.tokens[i].is("ADD", "DROP", "MODIFY", "RENAME", "COMMENT", "ALTER", "DELETE", "UPDATE", "CLEAR", "MATERIALIZE", "RESET") {
			others++
		}
	}
	switch {
	case columns == 0:
		return []string{local}, nil
	case others > 0:
		return nil, fmt.Errorf("table %s: change its columns in a statement of their own", name.text)
	}
	front := c.once(s, name.end)[0]
	if drops {
		return []string{front, local}, nil
	}
	return []string{local, front}, nil
}

// view is a trigger on the rows of each shard. One that refreshes is no trigger: each server has a whole answer of its own.
func (c cluster) view(s *statement) ([]string, error) {
	c.skipIf(s)
	name, err := s.table()
	if err != nil {
		return nil, err
	}
	if _, refreshes := s.find("REFRESH"); refreshes {
		if s.peek(0).is("TO") {
			return nil, fmt.Errorf("view %s refreshes a table: let it keep its rows itself", name.text)
		}
		return c.once(s, name.end), nil
	}
	if s.peek(0).text == "" {
		return c.once(s, name.end), nil // it is dropped
	}
	edits := []edit{{name.end, name.end, c.on()}}
	if !s.skip("TO") {
		return nil, fmt.Errorf("view %s keeps its rows itself: let it write TO a table", name.text)
	}
	into, err := s.table()
	if err != nil {
		return nil, err
	}
	edits = append(edits, edit{into.end, into.end, localSuffix})
	from, found := s.find("FROM")
	if !found {
		return nil, fmt.Errorf("view %s reads no table", name.text)
	}
	for s.at = from + 1; s.peek(0).text == "("; {
		for s.at++; s.peek(0).text != "" && !s.peek(0).is("FROM"); {
			s.at++
		}
		s.at++
	}
	source, err := s.table()
	if err != nil {
		return nil, err
	}
	return []string{apply(s.sql, append(edits, edit{source.end, source.end, localSuffix}))}, nil
}

// policy holds for the rows where they are and in front of them.
func (c cluster) policy(s *statement) ([]string, error) {
	c.skipIf(s)
	name := s.peek(0)
	s.at++
	if !s.skip("ON") {
		return nil, fmt.Errorf("policy %s names no table", name.text)
	}
	if s.peek(2).text == "*" {
		return c.once(s, name.end), nil
	}
	table, err := s.table()
	if err != nil {
		return nil, err
	}
	on := edit{name.end, name.end, c.on()}
	return []string{apply(s.sql, []edit{on}), apply(s.sql, []edit{on, {table.end, table.end, localSuffix}})}, nil
}

// grant gives what is given on all servers. Queries before the shards run behind them with the same rights, so rights to
// a table are given for its rows as well; where there is no such table, as behind a view, ClickHouse takes that too. It
// stays one statement, because what replaces all that was given before is said once.
func (c cluster) grant(s *statement, first token) []string {
	edits := []edit{{first.end, first.end, c.on()}}
	depth, from := 0, -1 // where the right begins that is looked at
	for i, t := range s.tokens[s.at+1:] {
		rest := s.tokens[s.at+1+i:]
		if from < 0 {
			from = t.start
		}
		switch {
		case t.text == "(":
			depth++
		case t.text == ")":
			depth--
		case t.text == "," && depth == 0:
			from = -1
		case t.is("ON") && len(rest) > 4 && rest[1].is(Database) && rest[3].text != "*" && rest[4].text != "*":
			name := rest[3]
			edits = append(edits, edit{name.end, name.end, ", " + s.sql[from:name.end] + localSuffix})
		}
	}
	return []string{apply(s.sql, edits)}
}

func (c cluster) system(s *statement) []string {
	if s.skip("SYSTEM", "RELOAD", "DICTIONARY") {
		at := s.tokens[s.at-1].end
		return c.once(s, at)
	}
	return []string{s.sql}
}
