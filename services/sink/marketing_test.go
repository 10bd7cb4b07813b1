package sink_test

import (
	"cmp"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/services/sink"
)

// load reads rows of any shape; %s in the query is the workspace, quoted.
func load[T any](r *rig, query string) []T {
	r.t.Helper()
	body, err := r.db.Stream(r.t.Context(), "JSONEachRow", strings.ReplaceAll(query, "%s", "'"+r.workspace+"'")+
		" SETTINGS output_format_json_quote_64bit_integers = 0, output_format_json_quote_decimals = 0, output_format_json_named_tuples_as_objects = 0")
	if err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
	defer body.Close()
	var rows []T
	for decoder := json.NewDecoder(body); ; {
		var row T
		if err := decoder.Decode(&row); err == io.EOF {
			return rows
		} else if err != nil {
			r.t.Fatalf("%s: %v", query, err)
		}
		rows = append(rows, row)
	}
}

// same compares the rows of a view with what they should be, whatever their order.
func same[T any](r *rig, view string, want []T, key func(T) string) {
	r.t.Helper()
	got := load[T](r, "SELECT * FROM "+view+" WHERE workspace = %s")
	byKey := func(a, b T) int { return cmp.Compare(key(a), key(b)) }
	slices.SortFunc(got, byKey)
	slices.SortFunc(want, byKey)
	if len(want) == 0 {
		r.t.Errorf("%s: nothing is expected, so nothing is compared", view)
	}
	if diff := gocmp.Diff(want, got, cmpopts.EquateApprox(1e-9, 1e-6), cmpopts.EquateEmpty()); diff != "" {
		r.t.Errorf("%s (-recount +view):\n%.6000s", view, diff)
	}
}

// Each view equals a recount in plain Go of the events, orders and lines that it is made of: as it comes in, when identity has moved
// customers, and when everything is merged.
func TestMarketingViewsEqualARecount(t *testing.T) {
	r := newRig(t)
	r.run()
	m := &retailer{t: t, dice: rand.New(rand.NewPCG(4, 7)), now: time.Now().UTC()}
	m.weeks()
	m.edges()
	const batch = 500
	for i := 0; i < len(m.sent); i += batch {
		r.produce(m.sent[i:min(i+batch, len(m.sent))]...)
	}
	r.awaitCommitted(int64(len(m.sent)))
	r.reject(m.now)
	r.recount()

	// Customers 1 and 2 turn out to be one, and so do 40 and 43; the kiosk is nobody's.
	shared := identitymap.Row{Node: node(kiosk), Type: "anonymous_id", Canonical: node(kiosk), Version: 3, Reason: identitymap.Hub, Shared: true}
	r.moved(1, node(1), node(2))
	r.moved(2, node(40), node(43))
	r.mapped(shared)
	r.eventually("SELECT count() > 0 FROM customer_events WHERE workspace = %s AND shared", "1")
	r.recount()

	before := r.everything()
	for _, table := range []string{"events", "contacts", "traits", "identity_map", "identity_changes", "rejected_events"} {
		if err := r.db.Exec(t.Context(), "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
			t.Fatal(err)
		}
	}
	r.refreshed()
	if diff := gocmp.Diff(before, r.everything()); diff != "" {
		t.Errorf("views change when parts are merged (-before +after):\n%.4000s", diff)
	}
}

func (r *rig) refreshed() {
	r.t.Helper()
	if _, err := sink.RefreshViews(r.t.Context(), r.db); err != nil {
		r.t.Fatal(err)
	}
}

// settledOutliers leaves out the hours of the day around now: what is usual in them changes when an hour of the test is over.
const settledOutliers = "(SELECT * EXCEPT why FROM outliers WHERE kind != 'source_hour' OR toHour(at) BETWEEN toHour(now('UTC')) + 3 AND toHour(now('UTC')) + 21 OR toHour(at) BETWEEN toHour(now('UTC')) - 21 AND toHour(now('UTC')) - 3)"

// everything is a digest of each view, but for what is counted up to now. It is of the text, because a hash of a null is null, and a sum leaves it out.
func (r *rig) everything() [][]string {
	r.t.Helper()
	var all [][]string
	for _, view := range []string{"campaign_performance", "first_last_touch", "store_web_overlap", "basket_pairs", settledOutliers, "feedback_scores", "data_quality", "enrichment_outcomes", "(SELECT * EXCEPT freshness_s FROM pipeline_health)"} {
		for _, row := range r.rows("SELECT count(), sum(cityHash64(toString(tuple(*)))) FROM (SELECT * FROM " + view + " WHERE workspace = %s)") {
			all = append(all, append([]string{view}, row...))
		}
	}
	return all
}

// reject stores rejections of all stages, some of them old, one of a source that sends nothing else.
func (r *rig) reject(now time.Time) {
	r.t.Helper()
	for i, stage := range []string{"collector", "collector", "identity", "enricher", "sink", "collector"} {
		source, at := "web", now.Add(-5*time.Hour)
		switch i {
		case 4:
			source = "only wrong"
		case 5:
			at = now.Add(-26 * time.Hour)
		}
		err := r.db.Exec(r.t.Context(), "INSERT INTO rejected_events (rejection_id, rejected_at, workspace, source, stage, reason) VALUES (?, fromUnixTimestamp64Milli(?), ?, ?, ?, 'test')", uuid.NewString(), at.UnixMilli(), r.workspace, source, stage)
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

// What the page shows to be asked is understood by the engine.
func TestQueriesOfTheMarketingPage(t *testing.T) {
	r := newRig(t)
	page, err := os.ReadFile("../../docs/how-to/analyse-marketing.md")
	if err != nil {
		t.Fatal(err)
	}
	queries := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(queries) < 9 {
		t.Errorf("%d queries were found: the test looks in the wrong place", len(queries))
	}
	for _, q := range queries {
		if _, err := r.db.Query(t.Context(), q[1]); err != nil {
			t.Errorf("%s%v", q[1], err)
		}
	}
}
