package quarantine_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
)

func TestRejectionsKeepTheirBytesAndTheirIds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	reg := registrytest.Client(t)
	q, err := quarantine.New(ctx, reg, "identity")
	if err != nil {
		t.Fatal(err)
	}
	read := func(record *stream.Record) schemas.RejectedTouchpoint {
		t.Helper()
		id, body, err := schemas.SplitHeader(record.Value)
		if err != nil {
			t.Fatal(err)
		}
		text, err := reg.Schema(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		decoder, err := schemas.NewRejectedDecoder(text)
		if err != nil {
			t.Fatal(err)
		}
		var rejected schemas.RejectedTouchpoint
		if err := decoder.Decode(body, &rejected); err != nil {
			t.Fatal(err)
		}
		return rejected
	}
	poison := &stream.Record{Topic: stream.Touchpoints, Partition: 3, Offset: 42, Key: []byte("a key"), Value: []byte{1, 2, 0, 255}}
	first := read(q.FromRecord(poison, "undecodable", "", "the record is no Avro"))
	if diff := cmp.Diff(poison.Value, first.Payload); diff != "" {
		t.Errorf("the original bytes changed: %s", diff)
	}
	if first.Stage != "identity" || first.Topic != stream.Touchpoints || first.Partition.Value != 3 || first.Offset.Value != 42 {
		t.Errorf("the record's place is lost: %+v", first)
	}
	if string(first.Key) != "a key" {
		t.Errorf("the record's key is %q: a replay would not find its partition", first.Key)
	}
	known := quarantine.EventOf(&schemas.Touchpoint{Workspace: "w", Source: "web", MessageID: "m", Type: "track", Name: "N", ReceivedAt: 7})
	told := read(q.FromRecord(poison, "undecodable", "", "the record is no Avro", known))
	if told.Workspace != "w" || told.Source != "web" || told.MessageID != "m" || told.Type != "track" || told.Name != "N" || told.ReceivedAt.Value != 7 {
		t.Errorf("what is known of the event is lost: %+v", told)
	}
	if told.RejectionID != first.RejectionID {
		t.Error("the id of a rejection depends on what could be read of the event")
	}
	// Redelivery rejects the same record again: the row must be the same.
	if again := read(q.FromRecord(poison, "undecodable", "", "the record is no Avro")); again.RejectionID != first.RejectionID {
		t.Error("one fault at one place in the log has two ids")
	}
	other := *poison
	other.Offset++
	if next := read(q.FromRecord(&other, "undecodable", "", "")); next.RejectionID == first.RejectionID {
		t.Error("faults at two places in the log share an id")
	}
	// Of a body that was too large nothing is kept but when it came.
	large := schemas.RejectedTouchpoint{Source: "web", Reason: "body_too_large", ReceivedAt: schemas.Some(schemas.Millis(1))}
	one := read(q.Record(large))
	large.ReceivedAt = schemas.Some(schemas.Millis(2))
	if two := read(q.Record(large)); two.RejectionID == one.RejectionID {
		t.Error("two bodies without bytes are one row")
	}
}
