package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/parcours-cdp/parcours/cmd/parcours/simulate"
	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/services/sink"
	"go.uber.org/zap"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

const patience = 90 * time.Second

// Reference data: what make installs, and the publishers' own files beside the project.
var installed, published = filepath.Join("..", "..", "..", ".cache", "reference"), filepath.Join("..", "..", "..", "..", "shared", "data")

// pipeline runs everything on the tests' engine and returns where it is.
func pipeline(t *testing.T) (up.Addresses, *warehouse.Warehouse) {
	t.Helper()
	engine := enginetest.Start(t)
	cfg := up.DefaultConfig()
	cfg.AutoPorts()
	cfg.Embedded.DataDir, cfg.Embedded.Sync, cfg.Embedded.ClickHouse = t.TempDir(), false, false
	cfg.Sink.ClickHouse.Addresses = []string{engine}
	cfg.Enricher.Reference.Dirs = []string{installed, published}
	// Everybody is described, so that what is missing is missing in the data.
	cfg.Enricher.Purposes.Profiling.Enabled = true
	cfg.Enricher.Purposes.Profiling.Consent, cfg.Enricher.Purposes.Analytics.Consent = nil, nil
	db, err := warehouse.Open(cfg.Sink.ClickHouse)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan up.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- up.Run(ctx, cfg, up.Options{Log: zap.NewNop(), Ready: func(a up.Addresses) { ready <- a }})
	}()
	select {
	case a := <-ready:
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("pipeline: %v", err)
			}
		})
		return a, db
	case err := <-ended:
		cancel()
		t.Fatalf("pipeline ended: %v", err)
	case <-time.After(patience):
		cancel()
		t.Fatalf("pipeline was not ready after %s: %v", patience, <-ended)
	}
	return up.Addresses{}, nil
}

// waitStored polls until as many distinct events and rejections are rows.
func waitStored(t *testing.T, db *warehouse.Warehouse, want int64) {
	t.Helper()
	query, err := sqlOf("pipeline")
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		answer, err := db.Query(t.Context(), query)
		if err == nil && number(answer.Rows[0][1])+number(answer.Rows[0][2]) >= want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d events are not stored after %s: %v, %v", want, patience, answer.Rows, err)
		}
		<-ticker.C
	}
}

// TestReportOfARealRun sends a small population through everything and reads what an analyst would.
func TestReportOfARealRun(t *testing.T) {
	if testing.Short() {
		t.Skip("the whole pipeline runs, as it does in the end-to-end tests")
	}
	a, db := pipeline(t)
	s, err := simulate.New(simulate.Config{Seed: 7, Customers: 250, Days: 4, Trouble: 1})
	if err != nil {
		t.Fatal(err)
	}
	var truth bytes.Buffer
	result, err := simulate.Send(t.Context(), s, simulate.Options{Target: "http://" + a.Collector, Truth: &truth, Workers: 32})
	if err != nil || result.Err() != nil {
		t.Fatal(err, result.Err())
	}
	waitStored(t, db, result.Acknowledged)
	if _, err := sink.RefreshViews(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	run := func() Run {
		return Run{Config: s.Config(), Result: result, Truth: bytes.NewReader(truth.Bytes())}
	}
	var asJSON bytes.Buffer
	if err := Report(t.Context(), db, run(), &asJSON, Options{Output: "json"}); err != nil {
		t.Fatal(err)
	}
	var report struct {
		Sections []section `json:"sections"`
		Identity Quality   `json:"identity"`
	}
	if err := json.Unmarshal(asJSON.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	rows := map[string][][]string{}
	for _, s := range report.Sections {
		rows[s.Name] = s.Rows
		if len(s.Rows) == 0 {
			t.Errorf("%s has no rows", s.Name)
		}
	}
	for _, row := range rows["pipeline"] {
		if row[0] == "missing" && row[1] != "0" {
			t.Errorf("%s acknowledged events are missing", row[1])
		}
	}
	rejected := int64(0)
	for _, row := range rows["rejected"] {
		rejected += number(row[3])
	}
	if rejected != result.Wrong {
		t.Errorf("%d events rejected, %d are wrong on purpose", rejected, result.Wrong)
	}
	t.Logf("identity against the truth: %+v, linkable %+v, B-cubed %+v", report.Identity.Pairwise, report.Identity.Linkable, report.Identity.BCubed)
	if q := report.Identity; q.Lost != 0 || q.Pairwise.Precision < .85 || q.Linkable.Recall < .9 || q.Pairwise.Recall < .5 {
		t.Errorf("identity against the truth: %+v", q)
	}
	clicks, across := int64(0), int64(0)
	for _, row := range rows["campaigns"] {
		clicks += number(row[5])
	}
	for _, row := range rows["research"] {
		across += number(row[2])
	}
	if clicks == 0 || across == 0 {
		t.Errorf("%d orders after a click, %d after a visit on the other side: views were not refreshed, or nothing meets", clicks, across)
	}
	buyers, scored := int64(0), int64(0)
	for _, row := range rows["channel_mix"] {
		if number(row[2]) > 0 {
			buyers += number(row[1])
		}
	}
	for _, row := range rows["segments"] {
		scored += number(row[1])
	}
	if scored == 0 || scored > buyers {
		t.Errorf("%d customers bought, %d have a segment", buyers, scored)
	}
	orders := int64(0)
	for _, row := range rows["channel_mix"] {
		orders += number(row[2])
	}
	if want := completed(s); orders != want {
		t.Errorf("%d orders in the channel mix, %d were completed", orders, want)
	}

	described(t, db)

	var printed bytes.Buffer
	if err := Report(t.Context(), db, run(), &printed, Options{SQL: true}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(printed.String(), "SELECT\n") + strings.Count(printed.String(), "SELECT "); n < len(report.Sections)-2 {
		t.Errorf("--sql shows %d queries for %d tables", n, len(report.Sections))
	}
	within(t, printed.String())
	printed.Reset()
	if err := Report(t.Context(), db, run(), &printed, Options{}); err != nil {
		t.Fatal(err)
	}
	within(t, printed.String())
	for _, want := range []string{"Channel mix", "web and store", "Best customers", "journey", "Rejected", "missing_identifier", "B-cubed"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("the report does not say %q", want)
		}
	}
	if strings.Contains(printed.String(), "SELECT") || strings.Contains(printed.String(), "\x1b") {
		t.Error("the report shows SQL or colours nobody asked for")
	}
}

// described wants the income and the region of nearly all customers whose postcode is known.
func described(t *testing.T, db *warehouse.Warehouse) {
	t.Helper()
	for _, file := range []string{filepath.Join(installed, "communes.json"), filepath.Join(published, "filosofi-2021-communes.csv")} {
		if _, err := os.Stat(file); err != nil {
			if filepath.Dir(file) == installed && os.Getenv("PARCOURS_REQUIRE_TOOLS") == "1" {
				t.Fatalf("%v, and PARCOURS_REQUIRE_TOOLS=1 requires it: make data", err)
			}
			t.Logf("what is known of places is not looked at: %v", err)
			return
		}
	}
	answer, err := db.Query(t.Context(), `SELECT count(), countIf(p.area_median_income IS NOT NULL AND p.area_income_quintile IS NOT NULL), countIf(p.home_region != '')
		FROM parcours.golden_contacts AS g LEFT JOIN parcours.customer_profiles AS p ON p.workspace = g.workspace AND p.customer_id = g.customer_id
		WHERE g.postal_code != ''`)
	if err != nil {
		t.Fatal(err)
	}
	customers, incomes, regions := number(answer.Rows[0][0]), number(answer.Rows[0][1]), number(answer.Rows[0][2])
	t.Logf("of %d customers with a postcode, %d have median income and quintile, %d a region", customers, incomes, regions)
	if customers == 0 || float64(incomes) < .97*float64(customers) || float64(regions) < .97*float64(customers) {
		t.Errorf("of %d customers with a postcode, %d have median income and quintile, %d a region; 97 %% are wanted", customers, incomes, regions)
	}
}

// within holds what is printed to a terminal of a hundred columns.
func within(t *testing.T, printed string) {
	t.Helper()
	for _, line := range strings.Split(printed, "\n") {
		if n := utf8.RuneCountInString(line); n > 100 {
			t.Errorf("line of %d: %s", n, line)
		}
	}
}

// completed counts the orders that were really placed.
func completed(s *simulate.Simulation) int64 {
	orders := map[string]bool{}
	for d := range s.Deliveries() {
		for _, e := range d.Events {
			if e.Name == "Order Completed" && e.Wrong == "" {
				orders[e.Commerce.OrderID] = true
			}
		}
	}
	return int64(len(orders))
}

// TestReportSaysWhichQueryFailed: an operator's error names the table it was for.
func TestReportSaysWhichQueryFailed(t *testing.T) {
	err := Report(t.Context(), broken{}, Run{Truth: strings.NewReader("")}, &bytes.Buffer{}, Options{})
	if err == nil || !strings.Contains(err.Error(), "pipeline") {
		t.Errorf("error %v, want one that names the table", err)
	}
}

type broken struct{}

func (broken) Query(context.Context, string, ...any) (warehouse.Table, error) {
	return warehouse.Table{}, context.DeadlineExceeded
}
