package e2e

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/linkedin/goavro/v2"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/schemas"
	"go.uber.org/zap/zaptest"
)

// evolution: a collector of tomorrow writes one field more at the end of the touchpoint. The identity and
// enricher services of today must carry it to the enriched topic, and the sink must still store the row.
func (p *pipeline) evolution(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var schema map[string]any
	if err := json.Unmarshal([]byte(schemas.TouchpointSchema()), &schema); err != nil {
		t.Fatal(err)
	}
	schema["fields"] = append(schema["fields"].([]any), map[string]any{
		"name": "weather", "type": "string", "default": "", "doc": "Weather of tomorrow.",
		"pii": "none", "purpose": "analytics", "retention": "events",
	})
	text, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	cfg := registry.DefaultConfig()
	cfg.URL = "http://" + p.Registry
	reg, err := registry.New(cfg, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	id, err := reg.Register(ctx, stream.Touchpoints, string(text))
	if err != nil {
		t.Fatal(err)
	}
	const weather = "giboulées"
	event := schemas.Touchpoint{
		EventID: uuid.MustParse("0190a0a0-0000-7000-8000-000000000001"), MessageID: "evolution-1",
		Workspace: "default", Source: "web", Channel: "web", Type: "page", Name: "Demain",
		OccurredAt: 1767225600000, ReceivedAt: 1767225600000,
		Identifiers: []schemas.Identifier{{Type: "anonymous_id", Value: "evolution-cookie"}},
	}
	value := event.AppendAvro(schemas.AppendHeader(nil, id))
	value = append(append(value, byte(len(weather)<<1)), weather...) // An Avro string: zigzag length, bytes.
	kafka := streamtest.Client(t, []string{p.Kafka})
	if err := kafka.Produce(ctx, &stream.Record{Topic: stream.Touchpoints, Key: []byte("evolution"), Value: value}); err != nil {
		t.Fatal(err)
	}
	p.eventually(t, "Demain\tweb", `SELECT name, channel FROM parcours.customer_events WHERE message_id = 'evolution-1'`)

	follow, stop := context.WithCancel(ctx)
	defer stop()
	found := false
	err = kafka.Follow(follow, stream.Enriched, func(ctx context.Context, records []*stream.Record) error {
		for _, record := range records {
			if string(record.Key) != "evolution" {
				continue
			}
			found = true
			if got := field(ctx, t, reg, record.Value, "weather"); got != weather {
				t.Errorf("the enriched record has weather %q, want %q: a stage lost the field", got, weather)
			}
			stop()
		}
		return nil
	})
	if err != nil || !found {
		t.Fatalf("the record did not reach %s: %v", stream.Enriched, err)
	}
}

// field decodes a framed record generically, as any tool would, and returns one of its text fields.
func field(ctx context.Context, t *testing.T, reg *registry.Registry, value []byte, name string) string {
	t.Helper()
	id, body, err := schemas.SplitHeader(value)
	if err != nil {
		t.Fatal(err)
	}
	text, err := reg.Schema(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	codec, err := goavro.NewCodec(text)
	if err != nil {
		t.Fatal(err)
	}
	native, _, err := codec.NativeFromBinary(body)
	if err != nil {
		t.Fatal(err)
	}
	return native.(map[string]any)[name].(string)
}
