package bench

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// layoutRounds is how often each question is asked of each layout: the cheapest counts.
const layoutRounds = 2

// layout is another way to sort the events; index is what finds the events of an anchor when the key does not.
type layout struct{ name, key, index string }

const byAnchor = "INDEX by_anchor anchor TYPE bloom_filter(0.01) GRANULARITY 4"

// layouts are the keys among which docs/adr/0008-warehouse-layout.md chose.
var layouts = []layout{
	{name: "channel, anchor", key: "workspace, channel, anchor, occurred_at, event_id"},
	{name: "name, anchor", key: "workspace, type, name, anchor, occurred_at, event_id", index: byAnchor},
}

// cost is what the questions cost: of the engine's CPU the least, and the rows that were read.
type cost struct {
	cpu  time.Duration
	rows int64
}

// BenchmarkWarehouseLayouts sorts the same events by each of the keys, and asks each of them the twelve questions in turn, so
// that what else runs on the machine hits all alike.
func BenchmarkWarehouseLayouts(b *testing.B) {
	r := newRetail(b, benchEvents(b))
	r.exec(b, "CREATE DATABASE IF NOT EXISTS layouts")
	customer, all := r.buyer(b), questions(b)
	for i := range layouts {
		r.build(b, i)
	}
	// Refreshes of the views would be counted with the questions.
	r.exec(b, "SYSTEM STOP VIEWS")
	costs := make([][]cost, len(all))
	for i := range all {
		costs[i] = make([]cost, len(layouts))
	}
	for round := range layoutRounds {
		for i, q := range all {
			var rows []int
			for j := range layouts {
				r.as(b, j, func() {
					engine := engineCPU(b)
					a := r.ask(b, q.sql, customer)
					c := cost{engineCPU(b) - engine, a.Statistics.RowsRead}
					if round == 0 || c.cpu < costs[i][j].cpu {
						costs[i][j] = c
					}
					rows = append(rows, len(a.Data))
				})
				if rows[j] != rows[0] {
					b.Errorf("%s has %d rows by %s, and %d by %s", q.name, rows[j], layouts[j].name, rows[0], layouts[0].name)
				}
			}
		}
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d events, %d anchors, a load of %s\n%s", r.count(b, "SELECT count() FROM parcours.events"), r.count(b, "SELECT uniqExact(anchor) FROM parcours.events"),
		strings.Fields(string(load))[0], r.compare(b, all, costs))
}

// build sorts the events by another key, in a table of their own, unless an earlier run left it in a kept data set. What a
// layout has beside its key and the index by anchor is that of today's migration.
func (r *retail) build(t testing.TB, i int) {
	t.Helper()
	if r.built(t, i) {
		return
	}
	table := r.ask(t, "SELECT create_table_query AS query, sorting_key FROM system.tables WHERE database = 'parcours' AND name = 'events'", "").Data[0]
	today := "ORDER BY (" + table["sorting_key"].(string) + ")"
	query := table["query"].(string)
	if strings.Count(query, today) != 1 {
		t.Fatalf("the table events is not made with %q: %s", today, query)
	}
	query = strings.Replace(query, today, "ORDER BY ("+layouts[i].key+")", 1)
	query = strings.Replace(query, "TABLE parcours.events", "TABLE "+layoutTable(i), 1)
	query = strings.Replace(query, byAnchor+", ", "", 1)
	if index := layouts[i].index; index != "" {
		query = strings.Replace(query, "INDEX by_event", index+", INDEX by_event", 1)
	}
	r.exec(t, "DROP TABLE IF EXISTS "+layoutTable(i)+" SYNC")
	r.exec(t, query)
	r.exec(t, "INSERT INTO "+layoutTable(i)+" SELECT * FROM parcours.events SETTINGS max_insert_threads = 2, max_threads = 2")
	r.exec(t, "OPTIMIZE TABLE "+layoutTable(i)+" FINAL")
}

// built says that a table has this key and all the events. A kept data set is of one set of migrations, so nothing else differs.
func (r *retail) built(t testing.TB, i int) bool {
	t.Helper()
	const have = "SELECT count() FROM system.tables WHERE database = 'layouts' AND name = 'events_%d' AND sorting_key = '%s' AND create_table_query LIKE '%%%s%%' AND total_rows = (SELECT count() FROM parcours.events)"
	return r.count(t, fmt.Sprintf(have, i, layouts[i].key, layouts[i].index)) == 1
}

func layoutTable(i int) string { return fmt.Sprintf("layouts.events_%d", i) }

// as does something while the views read the events of a layout.
func (r *retail) as(t testing.TB, i int, do func()) {
	t.Helper()
	exchange := "EXCHANGE TABLES parcours.events AND " + layoutTable(i)
	r.exec(t, exchange)
	defer r.exec(t, exchange)
	do()
}

// compare is a table of what the questions cost by layout.
func (r *retail) compare(t testing.TB, all []question, costs [][]cost) string {
	t.Helper()
	var out strings.Builder
	line := func(first string, cell func(j int) string) {
		fmt.Fprintf(&out, "| %s |", first)
		for j := range layouts {
			fmt.Fprintf(&out, " %s |", cell(j))
		}
		out.WriteString("\n")
	}
	line("CPU s, rows read in M", func(j int) string { return layouts[j].name })
	line("---", func(int) string { return "---" })
	sums := make([]cost, len(layouts))
	for i, q := range all {
		line(q.name, func(j int) string { return costs[i][j].String() })
		for j, c := range costs[i] {
			sums[j].cpu, sums[j].rows = sums[j].cpu+c.cpu, sums[j].rows+c.rows
		}
	}
	line("all twelve", func(j int) string { return sums[j].String() })
	line("bytes an event", func(j int) string {
		first, _, _ := strings.Cut(r.bytes(t, layoutTable(j), 1), "\n")
		return strings.Join(strings.Fields(first)[1:], " ")
	})
	return out.String()
}

func (c cost) String() string {
	return fmt.Sprintf("%.2f, %.2f", c.cpu.Seconds(), float64(c.rows)/1e6)
}
