package sink_test

import (
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/sink"
)

// said makes a record's set of a node.
func (r *rig) said(n byte, provider string, at time.Time, values ...attributes.Value) *attributes.Set {
	set := attributes.For(r.workspace, attributes.OfNode(node(n)), provider)
	set.Party, set.Licence, set.Purpose, set.UpdatedAt = attributes.ThirdParty, "contract 7", "profiling", schemas.MillisOf(at)
	if provider == attributes.Self {
		set.Party, set.Licence, set.Purpose = attributes.FirstParty, "", "analytics"
	}
	set.Values = values
	return set
}

func said(name, kind, text, source string, at time.Time) attributes.Value {
	return attributes.Value{Name: name, Type: kind, Text: text, Source: source, At: schemas.MillisOf(at)}
}

func (r *rig) attributes(records ...any) {
	r.t.Helper()
	codec, err := attributes.NewCodec(r.t.Context(), r.registry)
	if err != nil {
		r.t.Fatal(err)
	}
	var sent []*stream.Record
	for _, one := range records {
		switch one := one.(type) {
		case *attributes.Set:
			sent = append(sent, codec.Record(attributes.Canonical(one)))
		case *stream.Record:
			sent = append(sent, one)
		}
	}
	r.send(sent...)
}

// settled waits until all attributes are committed.
func (r *rig) settled() {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		lag, err := r.kafka.GroupLag(r.t.Context(), sink.GroupAttributes, stream.Attributes)
		if err == nil && lag[stream.Attributes] == 0 {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("attributes are not committed: lag %v, %v", lag, err)
		}
	}
}

// What holds now of a customer is seen once for each provider and name, whatever was said before, of which node, and in which order.
func TestAttributesFollowTheirRecords(t *testing.T) {
	r := newRig(t)
	r.priorities = []workspace.SourcePriority{{Source: "crm", Field: "tier", Priority: 5}}
	r.run()
	now := time.Now().UTC().Truncate(time.Second)
	ago := func(days int) time.Time { return now.AddDate(0, 0, -days) }
	over, later := r.said(1, "over", ago(9), said("x", "string", "was", "", ago(9))), r.said(1, "later", ago(9), said("x", "string", "will be", "", ago(9)))
	over.ValidUntil, later.ValidFrom = schemas.Some(schemas.MillisOf(ago(1))), schemas.Some(schemas.MillisOf(now.AddDate(0, 0, 2)))
	panel := r.said(1, "panel", ago(3), said("children", "number", "2", "", ago(3)), said("segment", "string", "families", "", ago(3)))
	panel.ValidUntil = schemas.Some(schemas.MillisOf(now.AddDate(1, 0, 0)))
	area := attributes.For(r.workspace, attributes.Subject{Kind: attributes.Commune, Code: "69383"}, "panel")
	area.UpdatedAt = schemas.MillisOf(ago(3))
	area.Values = []attributes.Value{said("gardens", "number", "0.1", "", ago(3))}
	gone := r.said(3, "panel", ago(1), said("segment", "string", "gone", "", ago(1)))
	r.attributes(gone)
	r.eventually("SELECT count() FROM attributes WHERE workspace = %s", "1")
	r.attributes(
		r.said(1, "panel", ago(5), said("children", "number", "1", "", ago(5)), said("dropped", "string", "old", "", ago(5))), panel,
		r.said(2, "panel", ago(4), said("children", "number", "3", "", ago(4)), said("car", "boolean", "true", "", ago(4))),
		r.said(1, attributes.Self, ago(1), said("tier", "string", "gold", "web", ago(1)), said("tier", "string", "silver", "crm", ago(8)), said("size", "string", "M", "web", ago(2))),
		r.said(2, attributes.Self, ago(1), said("size", "none", "", "app", ago(1))),
		over, later, area, attributes.Tombstone(attributes.KeyOf(gone)),
		r.said(9, "panel", ago(1), said("segment", "string", "of a kiosk", "", ago(1))),
	)
	// What was deleted is gone from the table before the record that says so is committed, whatever merges do.
	r.settled()
	r.golden("SELECT count() FROM attributes WHERE workspace = %s AND node = '"+node(3).String()+"' AND notEmpty(`values.text`)", [][]string{{"0"}})
	r.moved(5, node(1), node(2))
	r.mapped(identitymap.Row{Node: node(9), Canonical: node(9), Version: 6, Reason: identitymap.Hub, Previous: node(9), Shared: true})
	r.eventually("SELECT count() FROM identity_map WHERE workspace = %s", "2")
	r.eventually("SELECT uniqExact(subject_kind, node, code, provider) FROM attributes WHERE workspace = %s AND NOT deleted", "8")
	if err := r.db.Exec(t.Context(), "SYSTEM RELOAD DICTIONARY parcours.identity_map_dict"); err != nil {
		t.Fatal(err)
	}
	const holds = "SELECT customer_id, provider, name, type, value, source, party, licence, purpose, isNull(valid_until), node FROM customer_attributes WHERE workspace = %s ORDER BY provider, name"
	one, two := node(1).String(), node(2).String()
	want := [][]string{
		{one, "panel", "car", "boolean", "true", "", "third", "contract 7", "profiling", "1", two},
		{one, "panel", "children", "number", "2", "", "third", "contract 7", "profiling", "0", one},
		{one, "panel", "segment", "string", "families", "", "third", "contract 7", "profiling", "0", one},
		{one, "self", "tier", "string", "silver", "crm", "first", "", "analytics", "1", one},
	}
	r.golden(holds, want)
	r.golden("SELECT subject_kind, code, `values.name` FROM attributes WHERE workspace = %s AND subject_kind != 'node'", [][]string{{"commune", "69383", "['gardens']"}})
	if err := r.db.Exec(t.Context(), "OPTIMIZE TABLE attributes FINAL"); err != nil {
		t.Fatal(err)
	}
	r.golden(holds, want)
	// An erased person has none, and what others have stays.
	r.mapped(identitymap.Row{Node: node(1), Canonical: node(1), Version: 9, Reason: identitymap.Erased, Previous: node(1)})
	r.eventually("SELECT count() FROM attributes WHERE workspace = %s AND node = '"+one+"'", "0")
	r.golden("SELECT name FROM customer_attributes WHERE workspace = %s ORDER BY name", [][]string{{"car"}, {"children"}})
	// Broken records stand in quarantine and stop nothing.
	r.attributes(&stream.Record{Topic: stream.Attributes, Key: []byte("?"), Value: []byte("?")}, r.said(4, "panel", ago(1), said("car", "boolean", "false", "", ago(1))))
	r.eventually("SELECT count() FROM attributes WHERE workspace = %s AND node = '"+node(4).String()+"'", "1")
}
