package schemas

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/parcours-cdp/parcours/schemas/internal/avsc"
)

var records = map[string]func() string{
	"touchpoint":            TouchpointSchema,
	"identified_touchpoint": IdentifiedTouchpointSchema,
	"enriched_touchpoint":   EnrichedTouchpointSchema,
	"rejected_touchpoint":   RejectedTouchpointSchema,
	"attribute_set":         AttributeSetSchema,
}

// eachField visits the fields of a record and of the records in it.
func eachField(t *avsc.Type, path string, visit func(path string, f *avsc.Field)) {
	switch t.Kind {
	case avsc.Union:
		for _, branch := range t.Branches {
			eachField(branch, path, visit)
		}
	case avsc.Array:
		eachField(t.Items, path+"[]", visit)
	case avsc.Record:
		for i := range t.Fields {
			f := &t.Fields[i]
			visit(path+"."+f.Name, f)
			eachField(f.Type, path+"."+f.Name, visit)
		}
	}
}

func TestEveryFieldIsDescribed(t *testing.T) {
	allowed := map[string][]string{
		"pii":       {"none", "pseudonym", "indirect", "direct"},
		"purpose":   {"analytics", "compliance", "contact", "identity", "operations", "profiling", "security"},
		"retention": {"attributes", "contacts", "events", "quarantine"},
	}
	for name, schema := range records {
		root, err := avsc.Parse(schema())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		fields := 0
		eachField(root, name, func(path string, f *avsc.Field) {
			fields++
			if strings.TrimSpace(f.Doc) == "" || !strings.HasSuffix(f.Doc, ".") && !strings.HasSuffix(f.Doc, "...") {
				t.Errorf("%s: doc %q is not a sentence; say what the field holds", path, f.Doc)
			}
			for property, value := range map[string]string{"pii": f.PII, "purpose": f.Purpose, "retention": f.Retention} {
				if !slices.Contains(allowed[property], value) {
					t.Errorf("%s: %s is %q and not one of %v", path, property, value, allowed[property])
				}
			}
			if f.Retention == "contacts" && f.PII == "none" {
				t.Errorf("%s: what is kept with the contacts is personal; set pii", path)
			}
			if strings.ContainsFunc(f.Name, unicode.IsUpper) {
				t.Errorf("%s: names are in snake_case", path)
			}
			if f.Type.Kind == avsc.Union {
				if _, null, ok := f.Type.Nullable(); !ok || null != 0 || !f.HasDefault {
					t.Errorf("%s: a value that may be missing is [\"null\", type] with default null", path)
				}
			}
		})
		if fields < 15 {
			t.Errorf("%s: %d fields were visited", name, fields)
		}
	}
}

// TestStagesAreSuffixes: each record begins with all fields of the one before, in the same order.
func TestStagesAreSuffixes(t *testing.T) {
	stages := []string{TouchpointSchema(), IdentifiedTouchpointSchema(), EnrichedTouchpointSchema()}
	for i := 1; i < len(stages); i++ {
		before, err := avsc.Parse(stages[i-1])
		if err != nil {
			t.Fatal(err)
		}
		after, err := avsc.Parse(stages[i])
		if err != nil {
			t.Fatal(err)
		}
		if len(after.Fields) <= len(before.Fields) {
			t.Fatalf("%s adds no field to %s", after.Name, before.Name)
		}
		if diff := cmp.Diff(before.Fields, after.Fields[:len(before.Fields)]); diff != "" {
			t.Errorf("%s does not begin with %s (-want +got):\n%s", after.Name, before.Name, diff)
		}
	}
}

func TestSchemasAreCompactJSONThatGoavroReads(t *testing.T) {
	for name, schema := range records {
		if strings.Contains(schema(), "\n") {
			t.Errorf("%s is not compact", name)
		}
		newOracle(t, schema())
	}
}
