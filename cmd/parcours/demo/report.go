package demo

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/parcours-cdp/parcours/cmd/parcours/simulate"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"golang.org/x/term"
)

//go:embed queries
var queries embed.FS

// Database answers queries; *warehouse.Warehouse is one.
type Database interface {
	Query(ctx context.Context, query string, args ...any) (warehouse.Table, error)
}

// Run is what was simulated: its sums and who is really who.
type Run struct {
	Config simulate.Config
	Result simulate.Result
	Truth  io.Reader
}

// Options say how the report is printed.
type Options struct {
	// SQL prints the query above each table.
	SQL bool
	// Output is table or json.
	Output string
	// Width is where tables end; 0 takes 100.
	Width int
	// Color is for terminals; Report turns it on for one unless NO_COLOR is set.
	Color bool
}

// section is one table of the report.
type section struct {
	Name    string     `json:"name"`
	Title   string     `json:"title"`
	Says    string     `json:"says"`
	SQL     string     `json:"sql,omitempty"`
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`

	columns []column
	after   []string
}

// Report asks ClickHouse for the analysts' tables and prints them. The simulation must have been stored to its end.
func Report(ctx context.Context, db Database, run Run, out io.Writer, opts Options) error {
	r := reporter{db: db}
	for _, ask := range []func(context.Context) error{
		func(ctx context.Context) error { return r.pipeline(ctx, run) },
		r.channelMix, r.profiles, r.segments, r.bestCustomers, r.journey, r.topProducts, r.campaigns, r.research, r.rejected,
		func(ctx context.Context) error { return r.identity(ctx, run.Truth) },
	} {
		if err := ask(ctx); err != nil {
			return fmt.Errorf("demo report: %w", err)
		}
	}
	if opts.Output == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(struct {
			Sections []*section `json:"sections"`
			Identity Quality    `json:"identity"`
		}{r.sections, r.quality})
	}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" {
		opts.Color = true
	}
	if opts.Width == 0 {
		opts.Width = 100
	}
	if err := write(out, r.sections, opts); err != nil || opts.SQL {
		return err
	}
	_, err := io.WriteString(out, "parcours demo --sql prints the query of each table; --stay keeps everything up for your own.\n")
	return err
}

// reporter gathers the sections.
type reporter struct {
	db       Database
	sections []*section
	quality  Quality
}

func sqlOf(name string) (string, error) {
	text, err := queries.ReadFile("queries/" + name + ".sql")
	return strings.TrimSpace(string(text)), err
}

// table adds a section from a query whose columns are described in order.
func (r *reporter) table(ctx context.Context, s *section, replace ...string) (*section, error) {
	query, err := sqlOf(s.Name)
	if err != nil {
		return nil, err
	}
	s.SQL = strings.NewReplacer(replace...).Replace(query)
	answer, err := r.db.Query(ctx, s.SQL)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	if len(answer.Columns) != len(s.columns) {
		return nil, fmt.Errorf("%s: %d columns came, %d are described", s.Name, len(answer.Columns), len(s.columns))
	}
	s.Columns, s.Rows = answer.Columns, answer.Rows
	r.sections = append(r.sections, s)
	return s, nil
}

func (r *reporter) pipeline(ctx context.Context, run Run) error {
	query, err := sqlOf("pipeline")
	if err != nil {
		return err
	}
	answer, err := r.db.Query(ctx, query)
	if err != nil {
		return fmt.Errorf("pipeline: %w", err)
	}
	if len(answer.Rows) != 1 || len(answer.Rows[0]) != 6 {
		return fmt.Errorf("pipeline: %d rows came, one was asked for", len(answer.Rows))
	}
	stored, distinct, rejected := number(answer.Rows[0][0]), number(answer.Rows[0][1]), number(answer.Rows[0][2])
	res := run.Result
	whole := func(n int64) string { return strconv.FormatInt(n, 10) }
	missing := res.Acknowledged - distinct - rejected
	s := &section{
		Name: "pipeline", Title: "What went through",
		Says: fmt.Sprintf("%d people, %d days from %s, sent over HTTP by browsers, apps, tills and back offices.", run.Config.Customers, run.Config.Days, run.Config.Start.Format("2 January 2006")),
		SQL:  query, Columns: []string{"what", "events", "remark"}, columns: []column{{"", text}, {"events", count}, {"", text}},
		Rows: [][]string{
			{"sent", whole(res.Events), fmt.Sprintf("%s events/s, %s requests", grouped(whole(int64(res.EventsPerSecond()))), grouped(whole(res.Requests)))},
			{"sent once more on purpose", whole(res.Repeats), "the same message ids: a client that did not hear the answer"},
			{"acknowledged", whole(res.Acknowledged), verdict(res.Acknowledged == res.Events, "all of them", "not all of them")},
			{"stored", whole(distinct), fmt.Sprintf("as %s customers with %s orders worth %s €", grouped(answer.Rows[0][3]), grouped(answer.Rows[0][4]), money.cell(answer.Rows[0][5]))},
			{"stored twice", whole(stored - distinct), verdict(stored == distinct, "none: what was sent again was dropped", "a repetition is a row")},
			{"rejected", whole(rejected), fmt.Sprintf("%s are wrong on purpose; see below why", grouped(whole(res.Wrong)))},
			{"missing", whole(missing), verdict(missing == 0, "every acknowledged event is a row", "acknowledged events are no rows")},
		},
	}
	r.sections = append(r.sections, s)
	return nil
}

func verdict(good bool, yes, no string) string {
	if good {
		return yes
	}
	return "! " + no
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1 // shows as a wrong count, which it is
	}
	return n
}

func (r *reporter) channelMix(ctx context.Context) error {
	_, err := r.table(ctx, &section{
		Name: "channel_mix", Title: "Channel mix",
		Says: "Who buys where. Revenue is what was kept after refunds.",
		columns: []column{
			{"bought in", text},
			{"customers", count},
			{"orders", count},
			{"revenue €", money},
			{"average order €", money},
			{"orders each", ratio},
			{"each €", money},
		},
	})
	return err
}

// dimensions are what the buyers are divided by, in the words of the reader.
var dimensions = map[string]string{"age_band": "age", "income_decile": "income", "region": "region"}

// profiles says who buys where. Income is that of the area and needs files that their publisher gives away and nobody may ship.
func (r *reporter) profiles(ctx context.Context) error {
	s, err := r.table(ctx, &section{
		Name: "profiles", Title: "Who they are, and where they buy",
		Says: "Buyers by age, by the decile of income of the commune where they live (10 is the best off; of its people together, not of the person) and by region. Whoever left no address, or did not allow it, is unknown.",
		columns: []column{
			{"", text},
			{"", text},
			{"customers", count},
			{"online", percent},
			{"in store", percent},
			{"both", percent},
			{"orders", count},
			{"basket €", money},
		},
	})
	if err != nil {
		return err
	}
	seen, incomes := "", false
	for _, row := range s.Rows {
		incomes = incomes || row[0] == "income_decile" && row[1] != "unknown"
		if row[0] == seen {
			row[0] = ""
			continue
		}
		seen = row[0]
		row[0] = dimensions[seen]
	}
	s.after = append(s.after, "A number that stands for fewer than five customers is hidden, and so is one that would give it away.")
	if !incomes {
		s.after = append(s.after, "No incomes are known: `parcours data list` says where their publisher has them; name the folder with --reference.")
	}
	return nil
}

func (r *reporter) segments(ctx context.Context) error {
	_, err := r.table(ctx, &section{
		Name: "segments", Title: "Segments",
		Says: "Buyers by how recently they bought, how often and for how much (RFM). Tickets that name nobody are left out.",
		columns: []column{
			{"segment", text},
			{"customers", count},
			{"days since", ratio},
			{"orders each", ratio},
			{"spent each €", money},
			{"left a cart", count},
		},
	})
	return err
}

func (r *reporter) bestCustomers(ctx context.Context) error {
	_, err := r.table(ctx, &section{
		Name: "best_customers", Title: "Best customers",
		Says: "Cookies, accounts, cards and addresses (identities) that turned out to be one customer.",
		columns: []column{
			{"customer", text},
			{"spent €", money},
			{"orders", count},
			{"in store", count},
			{"online", count},
			{"identities", count},
			{"seen on", text},
		},
	})
	return err
}

func (r *reporter) journey(ctx context.Context) error {
	query, err := sqlOf("choose_journey")
	if err != nil {
		return err
	}
	chosen, err := r.db.Query(ctx, query)
	if err != nil {
		return fmt.Errorf("choose_journey: %w", err)
	}
	if len(chosen.Rows) == 0 {
		return nil // a population too small or too short to have such a customer
	}
	customer := chosen.Rows[0][0]
	_, err = r.table(ctx, &section{
		Name: "journey", Title: "One customer's journey, web and store",
		Says: "Customer " + customer + ". What a visit showed (known by) may be a bare cookie: it is theirs all the same.",
		columns: []column{
			{"Paris time", text},
			{"channel", text},
			{"known by", text},
			{"", hidden},
			{"", hidden},
			{"", hidden},
			{"", hidden},
			{"", hidden},
			{"what", text},
			{"amount €", money},
		},
	}, "{customer}", customer)
	return err
}

func (r *reporter) topProducts(ctx context.Context) error {
	_, err := r.table(ctx, &section{
		Name: "top_products", Title: "Top products",
		Says: "By revenue, web, app and tills together.",
		columns: []column{
			{"product", text},
			{"category", text},
			{"sold", count},
			{"revenue €", money},
			{"in store", percent},
			{"customers", count},
		},
	})
	return err
}

func (r *reporter) campaigns(ctx context.Context) error {
	_, err := r.table(ctx, &section{
		Name: "campaigns", Title: "Newsletters, and what they sold, in shops as well",
		Says: "An order counts once: for the last click of the 7 days before it, else for the last opening.",
		columns: []column{
			{"letter", text},
			{"delivered", count},
			{"opened", percent},
			{"clicked", percent},
			{"left", count},
			{"orders: click", count},
			{"opening", count},
			{"revenue €", money},
		},
	})
	return err
}

func (r *reporter) research(ctx context.Context) error {
	_, err := r.table(ctx, &section{
		Name: "research", Title: "Looked at on one side, bought on the other",
		Says: "Orders after a visit to the site or app, or to a shop, by the same customer in 30 days.",
		columns: []column{
			{"bought", text},
			{"orders", count},
			{"after a visit", count},
			{"share", percent},
			{"same category", count},
			{"same product", count},
			{"revenue €", money},
		},
	})
	return err
}

func (r *reporter) rejected(ctx context.Context) error {
	s, err := r.table(ctx, &section{
		Name: "rejected", Title: "Rejected, and why",
		Says: "Kept with their original bytes, to be repaired and replayed.",
		columns: []column{
			{"reason", text},
			{"sent by", text},
			{"field", text},
			{"events", count},
			{"what to do", hidden},
		},
	})
	if err != nil {
		return err
	}
	for _, row := range s.Rows {
		s.after = append(s.after, row[0]+": "+row[4])
	}
	return nil
}

// identity compares the customers found with who is really who.
func (r *reporter) identity(ctx context.Context, in io.Reader) error {
	truth, err := ReadTruth(in)
	if err != nil {
		return err
	}
	query, err := sqlOf("identity")
	if err != nil {
		return err
	}
	answer, err := r.db.Query(ctx, query)
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	customerOf := make(map[string]string, len(answer.Rows))
	for _, row := range answer.Rows {
		customerOf[row[0]] = row[1]
	}
	q := truth.Compare(customerOf)
	r.quality = q
	scores := func(name string, s Score) []string {
		row := []string{name}
		for _, v := range []float64{s.Precision, s.Recall, s.F1} {
			row = append(row, hundredths(v))
		}
		return row
	}
	s := &section{
		Name: "identity", Title: "Identity against the truth",
		Says: fmt.Sprintf("%s people became %s customers, over %s events; crawlers are left out, and what nobody signed in for at a shared screen counts alone. %s people are exactly one customer; %s customers hold more than one person.",
			grouped(strconv.Itoa(q.People)), grouped(strconv.Itoa(q.Customers)), grouped(strconv.Itoa(q.Events)), grouped(strconv.Itoa(q.Whole)), grouped(strconv.Itoa(q.Mixed))),
		SQL: query, Columns: []string{"measure", "precision", "recall", "f1"},
		columns: []column{{"", text}, {"precision", percent}, {"recall", percent}, {"F1", percent}},
		Rows: [][]string{
			scores("pairs of events", q.Pairwise), scores("pairs that some identifier connects", q.Linkable), scores("B-cubed, event by event", q.BCubed),
		},
		after: []string{
			"Wrongly together: " + told(q.Wrong) + ".",
			"Wrongly apart: " + told(q.Missed) + ".",
		},
	}
	r.sections = append(r.sections, s)
	return nil
}

func hundredths(v float64) string { return strconv.FormatFloat(v*100, 'f', 1, 64) }

// toldCauses is how many causes of errors the report names; the rest are in its JSON.
const toldCauses = 6

// told writes errors by cause, in pairs of events.
func told(causes []Cause) string {
	total, shown := int64(0), int64(0)
	for _, c := range causes {
		total += c.Pairs
	}
	if total == 0 {
		return "no pair of events"
	}
	part := func(name string, pairs int64) string {
		// In one word, so that no line breaks inside it.
		return name + " " + strings.ReplaceAll(percent.cell(hundredths(float64(pairs)/float64(total))), " ", "")
	}
	words := []string{}
	for _, c := range causes[:min(len(causes), toldCauses)] {
		words = append(words, part(c.Name, c.Pairs))
		shown += c.Pairs
	}
	if shown < total {
		words = append(words, part("all others", total-shown))
	}
	return fmt.Sprintf("%s pairs of events, because of %s", grouped(strconv.FormatInt(total, 10)), strings.Join(words, ", "))
}
