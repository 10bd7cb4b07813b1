package sink_test

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"pgregory.net/rapid"
)

// The columns of events whose path in the record is not found by the rules of pathOf.
var paths = map[string]string{
	"identifiers.node": "identifiers.value",
	"search_query":     "commerce.query",
	"checkout_step":    "commerce.step",
	"customer_id":      "customer_id",
	"commerce_reason":  "commerce.reason",
	"survey_id":        "feedback.survey_id",
	"review_id":        "feedback.review_id",
	"session_id":       "context.session_id",
	"group_id":         "context.group_id",
	"user_agent":       "context.user_agent",
	"ip":               "context.ip",
	"locale":           "context.locale",
	"timezone":         "context.timezone",
}

// pathOf is the flattening of the tables' page, written a second time: the oracle of the columns.
func pathOf(column string) string {
	if path, ok := paths[column]; ok {
		return path
	}
	for _, rule := range [][2]string{
		{"consent_", "consent."},
		{"page_", "context.page."},
		{"campaign_", "context.campaign."},
		{"client_hints_", "context.client_hints."},
		{"screen_", "context.screen."},
		{"app_", "context.app."},
		{"library_", "context.library."},
		{"context_device_", "context.device."},
		{"context_os_", "context.os."},
		{"feedback_", "feedback."},
		{"device_", "device."},
		{"traffic_", "traffic."},
		{"calendar_", "calendar."},
		{"network_", "network."},
		{"shop_", "shop."},
		{"home_", "home."},
		{"area_", "area."},
		{"profile_", "profile."},
		{"first_name_", "first_name."},
		{"customer_", "customer."},
		{"money_", "money."},
		{"items.", "commerce.items."},
		{"tender.", "commerce.tender."},
	} {
		if rest, ok := strings.CutPrefix(column, rule[0]); ok {
			return rule[1] + rest
		}
	}
	for _, store := range []string{"store_id", "register_id", "receipt_id", "cashier_id"} {
		if column == store {
			return "context.store." + column
		}
	}
	if _, ok := fieldByTag(reflect.ValueOf(schemas.EnrichedTouchpoint{}), strings.SplitN(column, ".", 2)[0]); ok {
		return column
	}
	return "commerce." + column
}

// fieldByTag finds a field by its name in the schema, also in embedded structs.
func fieldByTag(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Anonymous {
			if found, ok := fieldByTag(v.Field(i), name); ok {
				return found, true
			}
			continue
		}
		if tag, _, _ := strings.Cut(field.Tag.Get("json"), ","); tag == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

const null = "∅"

// expect is what a column should hold for a record: a text, or texts for an array.
func expect(v reflect.Value, path []string) any {
	if v.Kind() == reflect.Struct && v.NumField() == 2 && v.Type().Field(1).Name == "Valid" {
		if !v.Field(1).Bool() && len(path) == 0 {
			return null
		}
		inner := expect(v.Field(0), path)
		if !v.Field(1).Bool() && isScalar(inner) && nullWhenAbsent[strings.Join(path, ".")] {
			return null
		}
		return inner
	}
	if v.Kind() == reflect.Slice {
		list := []string{}
		for i := range v.Len() {
			list = append(list, expect(v.Index(i), path).(string))
		}
		return list
	}
	if len(path) > 0 {
		field, ok := fieldByTag(v, path[0])
		if !ok {
			panic("no field " + path[0] + " in " + v.Type().String())
		}
		return expect(field, path[1:])
	}
	return text(v.Interface())
}

// Fields of a nullable section that are null in their column when the section is.
var nullWhenAbsent = map[string]bool{"local_date": true, "hour": true, "weekday": true, "is_weekend": true}

func isScalar(v any) bool { _, ok := v.(string); return ok }

func text(v any) string {
	switch v := v.(type) {
	case schemas.Millis:
		return v.Time().Format("2006-01-02 15:04:05.000")
	case schemas.Date:
		return v.Time().Format(time.DateOnly)
	default:
		return fmt.Sprint(v)
	}
}

// wantRow is the whole row of a record. What the sink derives is derived here a second time.
func wantRow(t *schemas.EnrichedTouchpoint, columns map[string]string, record *stream.Record, schemaID int32) map[string]any {
	row := make(map[string]any)
	for column := range columns {
		switch column {
		case "properties", "traits", "customer_traits", "attributes", "_ingested_at":
		case "consent_stated":
			row[column] = fmt.Sprint(t.Consent.Valid)
		case "currency":
			row[column] = t.Commerce.Value.Currency
			if t.Commerce.Valid && t.Commerce.Value.Currency == "" {
				row[column] = "EUR"
			}
		case "ip":
			row[column] = map[string]string{"": "", "not an address": "", "203.0.113.77": "203.0.113.0", "2001:db8:1:2::3": "2001:db8:1::", "::ffff:198.51.100.9": "198.51.100.0"}[t.Context.IP]
		case "stand_ins":
			others := []string{}
			for _, i := range t.Identifiers {
				if i.Value != t.Anchor.String() {
					others = append(others, i.Value)
				}
			}
			row[column] = others
		case "_topic":
			row[column] = record.Topic
		case "_partition":
			row[column] = fmt.Sprint(record.Partition)
		case "_offset":
			row[column] = fmt.Sprint(record.Offset)
		case "_schema_id":
			row[column] = fmt.Sprint(schemaID)
		case "_produced_at":
			row[column] = text(schemas.MillisOf(record.Timestamp))
		default:
			row[column] = expect(reflect.ValueOf(*t), strings.Split(pathOf(column), "."))
		}
	}
	return row
}

// gotRow makes texts of what ClickHouse answered.
func gotRow(t testing.TB, answer map[string]any, columns map[string]string) (map[string]any, map[string]any) {
	row, docs := make(map[string]any), make(map[string]any)
	for column, value := range answer {
		switch column {
		case "properties", "traits", "customer_traits", "attributes":
			docs[column] = value
		case "_ingested_at":
		default:
			decimal := strings.Contains(columns[column], "Decimal")
			if list, ok := value.([]any); ok {
				texts := []string{}
				for _, v := range list {
					texts = append(texts, answerText(t, v, decimal))
				}
				row[column] = texts
				continue
			}
			row[column] = answerText(t, value, decimal)
		}
	}
	return row, docs
}

func answerText(t testing.TB, v any, decimal bool) string {
	if v == nil {
		return null
	}
	if decimal {
		d, err := schemas.ParseDecimal(fmt.Sprint(v))
		if err != nil {
			t.Fatal(err)
		}
		return d.String()
	}
	return fmt.Sprint(v)
}

func (r *rig) columns(table string) map[string]string {
	r.t.Helper()
	answer, err := r.db.Query(r.t.Context(), "SELECT name, type FROM system.columns WHERE database = 'parcours' AND table = ?", table)
	if err != nil {
		r.t.Fatal(err)
	}
	columns := make(map[string]string)
	for _, row := range answer.Rows {
		columns[row[0]] = row[1]
	}
	return columns
}

// objects answers a query as JSON objects.
func (r *rig) objects(query string) []map[string]any {
	r.t.Helper()
	stream, err := r.db.Stream(r.t.Context(), "JSONEachRow", query)
	if err != nil {
		r.t.Fatal(err)
	}
	defer stream.Close()
	decoder := json.NewDecoder(stream)
	decoder.UseNumber()
	var rows []map[string]any
	for {
		var row map[string]any
		if err := decoder.Decode(&row); err == io.EOF {
			return rows
		} else if err != nil {
			r.t.Fatal(err)
		}
		rows = append(rows, row)
	}
}

// TestEveryColumnHoldsItsField sends random touchpoints the whole way, over Kafka and through the running sink, and
// compares every column of the view with the record. A column without a rule fails, so a new one needs its line here.
func TestEveryColumnHoldsItsField(t *testing.T) {
	r := newRig(t)
	r.cfg.BatchWait = time.Millisecond
	r.run()
	columns := r.columns("events")
	sent := 0
	rapid.Check(t, func(rt *rapid.T) {
		var (
			records     []*stream.Record
			touchpoints []*schemas.EnrichedTouchpoint
		)
		for range rapid.IntRange(1, 6).Draw(rt, "touchpoints") {
			e := drawTouchpoint(rt)
			touchpoints = append(touchpoints, e)
			records = append(records, r.record(e))
		}
		r.send(records...)
		sent += len(records)
		r.eventually("SELECT count() FROM events WHERE workspace = %s", fmt.Sprint(sent))
		query := fmt.Sprintf("SELECT * FROM events WHERE workspace = '%s' AND _offset >= %d ORDER BY _offset SETTINGS output_format_json_quote_64bit_integers = 0", r.workspace, records[0].Offset)
		answers := r.objects(query)
		if len(answers) != len(records) {
			rt.Fatalf("%d rows for %d records", len(answers), len(records))
		}
		for i, answer := range answers {
			got, docs := gotRow(t, answer, columns)
			if diff := cmp.Diff(wantRow(touchpoints[i], columns, records[i], r.schemaID), got); diff != "" {
				rt.Fatalf("row %d (-want +got):\n%s", i, diff)
			}
			for column, sent := range map[string]string{
				"properties": touchpoints[i].Properties, "traits": touchpoints[i].Traits,
				"customer_traits": touchpoints[i].Customer.Value.Traits, "attributes": touchpoints[i].Attributes,
			} {
				if diff := cmp.Diff(decoded(rt, sent), docs[column]); diff != "" {
					rt.Fatalf("%s of row %d, sent as %s (-want +got):\n%s", column, i, sent, diff)
				}
			}
		}
	})
}

func decoded(t *rapid.T, object string) any {
	if object == "" {
		object = "{}"
	}
	decoder := json.NewDecoder(strings.NewReader(object))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return nested(v.(map[string]any))
}

// nested is how a JSON column keeps an object: a dot in a name opens an object.
func nested(object map[string]any) map[string]any {
	result := map[string]any{}
	for name, value := range object {
		if inner, ok := value.(map[string]any); ok {
			value = nested(inner)
		}
		if outer, rest, dotted := strings.Cut(name, "."); dotted {
			if result[outer] == nil {
				result[outer] = map[string]any{}
			}
			result[outer].(map[string]any)[rest] = value
			continue
		}
		result[name] = value
	}
	return result
}
