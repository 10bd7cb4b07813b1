package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/schemas"
)

// Replay sends rejected events again: what the collector rejected to the collector, as their source, and what a later
// stage rejected to the topic that the stage had it from, as the bytes and under the key that it had. It may be stopped
// anywhere and repeated: an event arrives once.
type Replay struct {
	Warehouse *warehouse.Warehouse
	Kafka     *stream.Client
	Registry  *registry.Registry
	// Collector is the address that events are posted to, such as http://127.0.0.1:8080.
	Collector string
	// Sources are the collector's, by name.
	Sources map[string]ReplaySource
	// BatchEvents and BatchBytes bound one request to the collector.
	BatchEvents, BatchBytes int
	Filter                  RejectionFilter
	Edit                    Edit
	// DryRun sends and notes nothing.
	DryRun bool
	// Report is told of each rejection what became of it; its error ends the run.
	Report func(ReplayOutcome) error
}

// What became of a rejection.
const (
	OutcomeReplayed = "replayed"
	OutcomeStored   = "stored already"
	OutcomeAgain    = "rejected again"
	OutcomeCannot   = "not sent"
	OutcomeDry      = "would be sent"
)

// ReplayOutcome says what became of a rejection.
type ReplayOutcome struct {
	Rejection
	Result string `json:"result"`
	// To is where it went.
	To string `json:"to,omitempty"`
	// Why says why it was not sent, or what is still wrong.
	Why string `json:"why,omitempty"`
	// Events is how many it stands for.
	Events  int      `json:"events"`
	Changes []Change `json:"changes,omitempty"`
}

// replayPage bounds what is held at once.
const replayPage = 100

// replayable are the topics that bytes may go back to; the others are state, which an old record would take back.
var replayable = []string{stream.Touchpoints, stream.Identified, stream.Enriched, stream.Rejected}

// replayItem is a rejection on its way.
type replayItem struct {
	ReplayOutcome
	events []replayEvent  // for the collector
	record *stream.Record // for Kafka
	ids    []schemas.UUID // of the events, as far as they are known
	again  []string       // what the collector said of each that it rejected again
	same   bool           // what was rejected again is the very same rejection
	sent   bool
}

// Run replays what the filter means, page by page:
//
//  1. read the rejections, and prepare what is sent. A crash here has done nothing.
//  2. ask ClickHouse which of the events it has: those are only noted.
//  3. send the others, and wait until Kafka has them. A crash here, or before step 4 is done, leaves them pending: they are
//     sent again under the same ids, and meet their first copy at the sink, or step 2 finds them.
//  4. note the state. It returns when ClickHouse has written it.
func (r *Replay) Run(ctx context.Context) error {
	ids := slices.Clone(r.Filter.IDs)
	if len(ids) == 0 {
		found, err := Rejections(ctx, r.Warehouse, r.Filter)
		if err != nil {
			return err
		}
		for i := range found {
			ids = append(ids, found[i].ID)
		}
	}
	for page := range slices.Chunk(ids, replayPage) {
		if err := r.replay(ctx, page); err != nil {
			return err
		}
	}
	return nil
}

func (r *Replay) replay(ctx context.Context, ids []uuid.UUID) error {
	filter := r.Filter
	filter.IDs, filter.Payload, filter.OldestFirst, filter.Limit = ids, true, true, 0
	rejections, err := Rejections(ctx, r.Warehouse, filter) // 1
	if err != nil {
		return err
	}
	items := make([]*replayItem, len(rejections))
	for i := range rejections {
		items[i] = &replayItem{ReplayOutcome: ReplayOutcome{Rejection: rejections[i], Events: 1}}
		if err := r.prepare(ctx, items[i]); err != nil {
			return err
		}
	}
	if err := r.dropStored(ctx, items); err != nil { // 2
		return err
	}
	if r.DryRun {
		for _, item := range items {
			if item.Result == "" {
				item.Result = OutcomeDry
			}
		}
		return r.report(items)
	}
	sending := r.send(ctx, items) // 3; what was acknowledged is noted, whatever became of the rest
	var done []uuid.UUID
	for _, item := range items {
		if item.Result == "" {
			item.settle(sending)
		}
		if item.Result == OutcomeReplayed || item.Result == OutcomeStored || item.Result == OutcomeAgain && !item.same {
			done = append(done, item.ID)
		}
	}
	if err := SetReplayState(ctx, r.Warehouse, ReplayReplayed, done...); err != nil { // 4
		return errors.Join(sending, err)
	}
	return errors.Join(sending, r.report(items))
}

// settle says what became of an item that was to be sent.
func (i *replayItem) settle(failure error) {
	switch {
	case !i.sent:
		i.Result = OutcomeCannot
		if i.Why == "" && failure != nil {
			i.Why = failure.Error()
		}
	case len(i.again) > 0:
		i.Result, i.Why = OutcomeAgain, i.again[0]
	default:
		i.Result = OutcomeReplayed
	}
}

func (r *Replay) report(items []*replayItem) error {
	for _, item := range items {
		if err := r.Report(item.ReplayOutcome); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes what is sent. It fails only for what is the platform's fault.
func (r *Replay) prepare(ctx context.Context, item *replayItem) error {
	cannot := func(why string) error {
		item.Result, item.Why = OutcomeCannot, why
		return nil
	}
	if item.Stage != "collector" {
		return r.prepareRecord(ctx, item, cannot)
	}
	source, known := r.Sources[item.Source]
	if !known {
		return cannot("source " + item.Source + " is not configured here: add it under collector.sources, or name the configuration that has it")
	}
	item.To = "collector, as " + item.Source
	events, err := collected(&item.Rejection, source, r.Edit, time.Now())
	if err != nil {
		return cannot(err.Error())
	}
	item.events, item.Events = events, len(events)
	for i := range events {
		item.ids = append(item.ids, events[i].id)
		for _, change := range events[i].changes {
			if len(events) > 1 {
				change.Path = fmt.Sprintf("[%d].%s", i, change.Path)
			}
			item.Changes = append(item.Changes, change)
		}
	}
	return nil
}

func (r *Replay) prepareRecord(ctx context.Context, item *replayItem, cannot func(string) error) error {
	switch {
	case r.Edit.given:
		return cannot("its payload is Avro, which --put and --patch do not change: without them it is sent as it was")
	case !slices.Contains(replayable, item.OriginTopic):
		return cannot("it came from topic " + item.OriginTopic + ", which is written by its own service only")
	}
	item.To = item.OriginTopic
	item.record = &stream.Record{Topic: item.OriginTopic, Value: []byte(item.Payload)}
	if item.OriginKey != "" {
		item.record.Key = []byte(item.OriginKey)
	}
	if item.OriginTopic != stream.Rejected {
		id, known, err := identifyTouchpoints(r.Registry)(ctx, item.record)
		if err != nil {
			return err
		}
		if known {
			item.ids = []schemas.UUID{id}
		}
	}
	if item.Stage == "sink" {
		// The record that was rejected still stands in the log in which the sink finds repetitions.
		item.record.Headers = []stream.Header{{Key: ReplayHeader, Value: []byte(item.ID.String())}}
	}
	return nil
}

// dropStored takes out the events that ClickHouse has.
func (r *Replay) dropStored(ctx context.Context, items []*replayItem) error {
	var ids []uuid.UUID
	for _, item := range items {
		if item.Result == "" {
			ids = append(ids, item.ids...)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	stored := make(map[uuid.UUID]bool)
	for part := range slices.Chunk(ids, erasedAtOnce) {
		var rows []struct {
			ID uuid.UUID `ch:"event_id"`
		}
		if err := r.Warehouse.Select(ctx, &rows, "SELECT DISTINCT event_id FROM "+warehouse.Database+".events WHERE event_id IN ("+uuids(part)+")"); err != nil {
			return fmt.Errorf("ask which events are stored: %w", err)
		}
		for i := range rows {
			stored[rows[i].ID] = true
		}
	}
	for _, item := range items {
		if item.Result != "" || len(item.ids) == 0 {
			continue
		}
		item.events = slices.DeleteFunc(item.events, func(e replayEvent) bool { return stored[e.id] })
		if !slices.ContainsFunc(item.ids, func(id uuid.UUID) bool { return !stored[id] }) {
			item.Result, item.Changes = OutcomeStored, nil
		}
	}
	return nil
}
