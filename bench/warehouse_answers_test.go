package bench

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

// smallRetail is enough for every question to have an answer.
const smallRetail = 20_000

// TestQuestions asks the twelve questions of a small retailer, and holds the answers to what must be true of any.
func TestQuestions(t *testing.T) {
	if testing.Short() {
		t.Skip("the whole pipeline runs")
	}
	r := newRetail(t, smallRetail)
	customer := r.buyer(t)
	all := questions(t)
	page := pageHead
	if len(all) != len(sense) {
		t.Fatalf("%d questions in questions/, and %d are known", len(all), len(sense))
	}
	for _, q := range all {
		t.Run(q.name, func(t *testing.T) {
			rows := r.ask(t, q.sql, customer).Data
			page += r.section(t, q, customer)
			if len(rows) == 0 {
				t.Fatal("no answer")
			}
			check := sense[q.name]
			if check == nil {
				t.Fatalf("nothing is known of %s: say in this test what must hold of its answer", q.name)
			}
			for i, row := range rows {
				if wrong := check(row, rows[:i]); wrong != "" {
					t.Errorf("row %d, %v: %s", i+1, row, wrong)
				}
			}
		})
	}
	if *rewrite && !t.Failed() {
		if err := os.WriteFile(questionsPage, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

var rewrite = flag.Bool("rewrite", false, "write the page of the twelve questions anew, with the answers of TestQuestions")

const (
	questionsPage = "../docs/how-to/twelve-questions.md"
	// pageRows is how much of each answer the page shows.
	pageRows = 8
	pageHead = `# Twelve questions

What a retailer's analyst asks first, as SQL on the views. The files are in ` + "`bench/questions`" + `; what each costs on two million events is in
[bench/RESULTS.md](../../bench/RESULTS.md) ("Warehouse layout"). The answers are those of a small simulated retailer, cut to their first rows.
` + "`go test -run TestQuestions -rewrite .`" + ` in ` + "`bench`" + ` writes this page.
`
)

// section is what the page shows of a question.
func (r *retail) section(t testing.TB, q question, customer string) string {
	t.Helper()
	title, _, _ := strings.Cut(strings.TrimPrefix(q.sql, "-- "), ":")
	text := r.text(t, fmt.Sprintf("SELECT * FROM (%s) LIMIT %d FORMAT TSVWithNames", q.sql, pageRows), customer)
	var table strings.Builder
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		cells := strings.Split(line, "\t")
		fmt.Fprintf(&table, "| %s |\n", strings.Join(cells, " | "))
		if i == 0 {
			table.WriteString("|" + strings.Repeat(" --- |", len(cells)) + "\n")
		}
	}
	return fmt.Sprintf("\n## %s\n\n```sql\n%s```\n\n%s", title, q.sql, table.String())
}

// row is one row of an answer; is reads a number of it.
type row = map[string]any

func is(r row, column string) float64 { return number(r[column]) }

// say returns the first complaint that holds.
func say(complaints ...string) string {
	for _, complaint := range complaints {
		if complaint != "" {
			return complaint
		}
	}
	return ""
}

func unless(holds bool, format string, args ...any) string {
	if holds {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// share of something lies between 0 and 1.
func share(r row, columns ...string) string {
	for _, column := range columns {
		if v := is(r, column); v < 0 || v > 1 {
			return fmt.Sprintf("%s is %g, no share", column, v)
		}
	}
	return ""
}

func sum(rows []row, column string) (total float64) {
	for _, r := range rows {
		total += is(r, column)
	}
	return total
}

// sense says of each question what must hold of a row of its answer, given the rows before.
var sense = map[string]func(r row, before []row) string{
	"01-funnel": func(r row, before []row) string {
		if step := is(r, "step"); step > 1 {
			return say(share(r, "of_first", "of_previous"),
				unless(is(r, "customers") <= is(before[len(before)-1], "customers"), "more customers than in the step before"))
		}
		return unless(is(r, "customers") > 0, "nobody looked at a product")
	},
	"02-retention": func(r row, _ []row) string {
		if is(r, "months_since") == 0 {
			return unless(is(r, "retained") == is(r, "customers") && is(r, "customers") > 0, "not all of a cohort bought in its own month")
		}
		return say(share(r, "share"), unless(is(r, "retained") <= is(r, "customers"), "more retained than there were"))
	},
	"03-channel-mix": func(r row, before []row) string {
		all := append(before[:len(before):len(before)], r)
		return say(share(r, "share", "revenue_share"), unless(sum(all, "share") <= 1.001, "the shares exceed 1"),
			unless(is(r, "orders_a_customer") >= 1, "a buyer without order"))
	},
	"04-rfm": func(r row, before []row) string {
		return say(share(r, "revenue_share"), unless(is(r, "customers") > 0, "an empty segment"),
			unless(sum(before, "revenue_share")+is(r, "revenue_share") <= 1.001, "the shares exceed 1"))
	},
	"05-journey": func(r row, before []row) string {
		return say(unless(r["what"] != "", "an event without name"),
			unless(len(before) == 0 || before[len(before)-1]["occurred_at"].(string) >= r["occurred_at"].(string), "out of order"))
	},
	"06-top-products": func(r row, _ []row) string {
		return say(unless(is(r, "place") >= 1 && is(r, "place") <= 5, "place %v", r["place"]),
			unless(is(r, "customers") > 0 && is(r, "quantity") >= is(r, "customers"), "less bought than there are buyers"))
	},
	"07-basket-pairs": func(r row, _ []row) string {
		return say(share(r, "support", "confidence_ab", "confidence_ba"), unless(is(r, "lift") > 0, "no lift"),
			unless(is(r, "support") <= is(r, "confidence_ab")+0.001, "a pair more frequent than its first product"))
	},
	"08-abandoned-carts": func(r row, _ []row) string {
		return say(share(r, "recovered_share"), unless(is(r, "carts") > 0 && is(r, "value") > 0, "carts of no worth"))
	},
	"09-campaign-effect": func(r row, _ []row) string {
		return say(unless(is(r, "clicked") <= is(r, "opened") && is(r, "opened") <= is(r, "delivered"), "more clicked than opened, or opened than delivered"),
			unless(is(r, "buyers") <= is(r, "orders"), "more buyers than orders"))
	},
	"10-nps-by-store": func(r row, _ []row) string {
		return say(unless(is(r, "promoters")+is(r, "passives")+is(r, "detractors") == is(r, "answers"), "the parts do not make the whole"),
			unless(is(r, "nps") >= -100 && is(r, "nps") <= 100, "nps %v", r["nps"]))
	},
	"11-income": func(r row, _ []row) string {
		decile := is(r, "decile")
		return say(share(r, "web_share"), unless(r["decile"] == "unknown" || decile >= 1 && decile <= 10, "no decile"), unless(is(r, "customers") > 0, "a decile without customers"),
			unless(is(r, "web_only")+is(r, "store_only")+is(r, "multichannel") == is(r, "customers"), "the parts do not make the whole"))
	},
	"12-freshness": func(r row, _ []row) string {
		return say(unless(is(r, "p50_s") >= 0 && is(r, "p50_s") <= is(r, "p95_s") && is(r, "p95_s") <= is(r, "max_s"), "the quantiles are out of order"),
			unless(is(r, "last_hour") <= is(r, "last_day"), "more in an hour than in a day"))
	},
}

// What the how-to page shows is what is measured.
func TestQuestionsPage(t *testing.T) {
	text, err := os.ReadFile(questionsPage)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range questions(t) {
		if !strings.Contains(string(text), "```sql\n"+q.sql+"```") {
			t.Errorf("docs/how-to/twelve-questions.md does not show bench/questions/%s.sql as it is: copy it there, with its answer", q.name)
		}
	}
}
