package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// question is one of the twelve that the warehouse must answer.
type question struct{ name, sql string }

func questions(t testing.TB) []question {
	t.Helper()
	files, err := filepath.Glob("questions/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	var all []question
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, question{strings.TrimSuffix(filepath.Base(file), ".sql"), string(text)})
	}
	return all
}

// answer is what ClickHouse says, with what it cost.
type answer struct {
	Data       []map[string]any
	Statistics struct {
		Elapsed  float64
		RowsRead int64 `json:"rows_read"`
		Bytes    int64 `json:"bytes_read"`
	}
}

// ask puts a question over HTTP, whose answers say what was read.
func (r *retail) ask(t testing.TB, sql, customer string) answer {
	t.Helper()
	var a answer
	if err := json.Unmarshal([]byte(r.text(t, sql+" FORMAT JSON SETTINGS output_format_json_quote_64bit_integers = 0", customer)), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// text is the answer in the format that the query states.
func (r *retail) text(t testing.TB, sql, customer string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), r.cfg.Timeout)
	defer cancel()
	where := url.URL{Scheme: "http", Host: r.cfg.Addresses[0], Path: "/", RawQuery: url.Values{"param_customer": {customer}}.Encode()}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, where.String(), strings.NewReader(sql))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s\n%s", sql, body)
	}
	return string(body)
}

// buyer is a customer who buys on the web and in shops.
func (r *retail) buyer(t testing.TB) string {
	t.Helper()
	found := r.ask(t, "SELECT toString(customer_id) AS customer FROM parcours.orders WHERE workspace = 'default' GROUP BY customer_id HAVING uniq(channel) > 1 ORDER BY count() DESC, customer_id LIMIT 1", "")
	if len(found.Data) == 0 {
		t.Fatal("nobody buys both on the web and in shops: the data set is wrong")
	}
	return found.Data[0]["customer"].(string)
}

// benchEvents is how many events a benchmark is to have.
func benchEvents(t testing.TB) int {
	t.Helper()
	text := os.Getenv(benchEventsEnv)
	if text == "" {
		return retailOriginals
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q: give a number of events", benchEventsEnv, text)
	}
	return n
}

// BenchmarkWarehouseQuestions asks the twelve questions, and says what the events take.
func BenchmarkWarehouseQuestions(b *testing.B) {
	r := newRetail(b, benchEvents(b))
	b.Logf("%d events; bytes an event:\n%s", r.count(b, "SELECT count() FROM parcours.events"), r.bytes(b, "parcours.events", 20))
	customer := r.buyer(b)
	for _, q := range questions(b) {
		b.Run(q.name, func(b *testing.B) {
			fastest, engine := time.Hour, engineCPU(b)
			var a answer
			for b.Loop() {
				a = r.ask(b, q.sql, customer)
				fastest = min(fastest, time.Duration(a.Statistics.Elapsed*float64(time.Second)))
			}
			b.ReportMetric(fastest.Seconds()*1000, "fastest_ms")
			b.ReportMetric(float64((engineCPU(b)-engine).Milliseconds())/float64(b.N), "engine_cpu_ms/op")
			b.ReportMetric(float64(a.Statistics.RowsRead), "rows_read")
			b.ReportMetric(float64(a.Statistics.Bytes)/1e6, "MB_read")
		})
	}
}

// bytes says what a table takes an event, by column, the largest first.
func (r *retail) bytes(t testing.TB, table string, top int) string {
	t.Helper()
	database, name, _ := strings.Cut(table, ".")
	where := fmt.Sprintf("active AND database = '%s' AND table = '%s'", database, name)
	var out strings.Builder
	total := r.ask(t, "SELECT sum(bytes_on_disk) / sum(rows) AS bytes, sum(secondary_indices_compressed_bytes + secondary_indices_marks_bytes) / sum(rows) AS indexes, sum(projected) / sum(rows) AS projections, count() AS parts FROM (SELECT *, (SELECT sum(bytes_on_disk) FROM system.projection_parts AS p WHERE p.active AND p.database = '"+database+"' AND p.table = '"+name+"') / count() OVER () AS projected FROM system.parts WHERE "+where+")", "").Data[0]
	fmt.Fprintf(&out, "%-24s %7.2f (indexes %.2f, projections %.2f; %v parts)\n", "all", total["bytes"], total["indexes"], number(total["projections"]), total["parts"])
	for _, row := range r.ask(t, fmt.Sprintf("SELECT column AS name, sum(column_data_compressed_bytes + column_marks_bytes) / sum(rows) AS bytes FROM system.parts_columns WHERE %s GROUP BY column ORDER BY bytes DESC LIMIT %d", where, top), "").Data {
		fmt.Fprintf(&out, "%-24s %7.2f\n", row["name"], row["bytes"])
	}
	return out.String()
}

// number reads a value of an answer; a decimal comes as a text or as a number.
func number(value any) float64 {
	switch v := value.(type) {
	case float64:
		return v
	case string:
		n, err := strconv.ParseFloat(v, 64)
		if err == nil {
			return n
		}
	}
	return 0
}
