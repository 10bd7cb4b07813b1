// Package enricher is the service that adds to identified touchpoints what reference data knows about them.
//
// It owns the chain of enrichments and the consumer group parcours-enricher. It promises that the bytes of an event are copied untouched and
// only appended to, that an optional enrichment never stops an event, and that what cannot be enriched is in quarantine. Run opens
// everything the service needs and gives it back when it returns.
package enricher

import (
	"context"
	"errors"
	"fmt"

	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/reference"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// Group is the consumer group; instances share its partitions.
const Group = "parcours-enricher"

// Reasons for quarantine.
const (
	reasonMalformed     = "malformed_record"
	reasonUnknownSchema = "unknown_schema"
	reasonRequired      = "required_enrichment_failed"
)

// Run enriches touchpoints until ctx ends.
func Run(ctx context.Context, cfg Config, p service.Platform) error {
	const part = "enrichments"
	p.Ready.Set(part, false, "loading the reference data")
	library, err := reference.Open(ctx, reference.Options{
		Config: cfg.Reference, Dir: cfg.ReferenceDir(), Datasets: Datasets(), Log: p.Log, Metrics: p.Metrics,
		Note: func(amiss string) { p.Ready.Set("reference data", true, amiss) },
	})
	if err != nil {
		return err
	}
	g := &garage{library: library, purposes: cfg.Purposes, metrics: newMetrics(p.Metrics), log: p.Log}
	defer func() {
		g.close()
		if err := library.Close(); err != nil {
			p.Log.Warn("the folder of reference data could not be removed", zap.Error(err))
		}
	}()
	made := parts{cfg: cfg, workspace: p.Workspace, identifiers: p.Identifiers, lasting: &lasting{}, log: p.Log}
	if made.lasting.providers, err = openProviders(ctx, cfg, p.Workspace, p.Registry, providerOptions(p.Log, p.Metrics)); err != nil {
		return err
	}
	if err := p.Kafka.EnsureTopics(ctx, stream.Identified, stream.Enriched, stream.Rejected, stream.Attributes, stream.IdentityMap); err != nil {
		return err
	}
	if g.people, err = openPeople(ctx, cfg, p); err != nil {
		return err
	}
	defer func() {
		if err := g.people.store.Close(); err != nil {
			p.Log.Warn("the attribute store could not be closed; it will be read anew", zap.Error(err))
		}
	}()
	made.lasting.store = g.people.store
	g.assemble = func(data *reference.Snapshot, before *engine) ([]Link, error) {
		made := made
		made.data = data
		return build(made, before)
	}
	if _, err := g.ready(); err != nil {
		return err
	}
	kept, err := quarantine.New(ctx, p.Registry, "enricher")
	if err != nil {
		return err
	}
	s := &stage{kafka: p.Kafka, registry: p.Registry, quarantine: kept, garage: g, providers: made.lasting.providers, metrics: g.metrics, unusable: map[int32]error{}}
	defer p.Ready.Set(part, false, "stopped")
	beside, stop := context.WithCancel(ctx)
	group, beside := errgroup.WithContext(beside)
	group.Go(func() error { return library.Run(beside) })
	group.Go(func() error { return made.lasting.providers.run(beside) })
	group.Go(func() error { return g.people.store.Run(beside) })
	group.Go(func() error {
		defer stop() // Nothing else has a use without the consumer.
		if err := g.people.wait(beside, p.Ready, part); err != nil {
			return stopped(beside, err)
		}
		p.Ready.Set(part, true, "")
		return p.Kafka.Consume(beside, stream.Consumer{
			Group: Group, Topics: []string{stream.Identified},
			MaxRecords: cfg.BatchRecords, MaxBytes: cfg.BatchBytes, MaxWait: cfg.BatchWait,
		}, s.handle)
	})
	return group.Wait()
}

// stopped is nil for an error that only says that the service was told to stop.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // It was told to stop, which is no fault.
	}
	return err
}

// stage is the shell around the chain: Kafka, the registry, metrics and the clock.
type stage struct {
	kafka      *stream.Client
	registry   *registry.Registry
	quarantine *quarantine.Quarantine
	metrics    *metrics
	garage     *garage
	providers  *providers
	// engine of the batch in hand.
	engine *engine
	// aside are the events of the batch in hand that wait for a provider.
	aside []aside
	// unusable are the schemas of the batch in hand that cannot be read, so that each is asked for once.
	unusable map[int32]error
	buffer   []byte
}

// handle enriches one batch. Offsets are committed by the caller after it returned nil, so a crash anywhere in here repeats the batch; the sink
// drops the copies that were written already.
func (s *stage) handle(ctx context.Context, batch []stream.Range) error {
	clear(s.unusable)
	var err error
	if s.engine, err = s.garage.ready(); err != nil {
		return err
	}
	s.providers.begin()
	s.aside = s.aside[:0]
	count := 0
	for _, part := range batch {
		count += len(part.Records)
	}
	// 1. Enrich in memory: the outputs of one partition in the order of its inputs.
	records := make([]stream.Record, count) // One allocation for the batch; Kafka's client owns them until it has answered.
	outputs := make([]*stream.Record, count)
	s.buffer = s.buffer[:0]
	enriched, place := 0, 0
	for _, part := range batch {
		for _, record := range part.Records {
			done, err := s.put(ctx, record, &records[place], &outputs[place])
			switch {
			case errors.Is(err, errAsked):
				s.aside = append(s.aside, aside{record: record, place: place, asked: s.engine.worker.chain.asked})
			case err != nil:
				return err
			}
			enriched += done
			place++
		}
	}
	// Events that wait for a provider go through again once it answered, or will not.
	if len(s.aside) > 0 {
		s.providers.wait(ctx)
	}
	for _, a := range s.aside {
		s.engine.worker.chain.again = a.asked
		done, err := s.put(ctx, a.record, &records[a.place], &outputs[a.place])
		if err != nil {
			return err
		}
		enriched += done
	}
	outputs = append(outputs, s.providers.records()...)
	// What the events said of people goes with them: once their offsets are committed nobody will say it again.
	said := s.garage.people.records()
	outputs = append(outputs, said...)
	// 2. Write, and wait for all the acknowledgements. A crash here leaves some of them written: the batch is repeated.
	if err := s.kafka.Produce(ctx, outputs...); err != nil {
		s.buffer = nil // Kafka's client may still hold it.
		return err
	}
	s.garage.people.written(said)
	s.metrics.events.WithLabelValues("enriched").Add(float64(enriched))
	s.metrics.events.WithLabelValues("quarantined").Add(float64(count - enriched))
	s.metrics.cache(s.engine.links)
	return nil
}

// aside is an event that waits for a provider: its record, its place among the outputs, and the links that asked.
type aside struct {
	record *stream.Record
	place  int
	asked  uint64
}

// put enriches a record into the memory at hand, or rejects it. An error is not the record's fault, or errAsked. Done is 1 for an enriched one.
func (s *stage) put(ctx context.Context, record, into *stream.Record, output **stream.Record) (done int, err error) {
	from := len(s.buffer)
	reason, err := s.enrich(ctx, record)
	switch {
	case err == nil:
		into.Topic, into.Key, into.Headers = stream.Enriched, record.Key, record.Headers
		into.Value = s.buffer[from:len(s.buffer):len(s.buffer)]
		*output = into
		return 1, nil
	case reason == "":
		return 0, err
	}
	s.metrics.rejected.WithLabelValues(reason).Inc()
	*output = s.reject(record, reason, err)
	return 0, nil
}

// enrich appends the enriched message to the buffer. An error with a reason is the record's fault; one without is not, and the batch has to be
// tried again.
func (s *stage) enrich(ctx context.Context, record *stream.Record) (reason string, err error) {
	id, body, err := schemas.SplitHeader(record.Value)
	if err != nil {
		return reasonMalformed, err
	}
	t, err := s.transform(ctx, id)
	if err != nil {
		if registry.IsUnavailable(err) || ctx.Err() != nil {
			return "", err
		}
		return reasonUnknownSchema, err
	}
	s.engine.observer.begin()
	s.buffer, err = s.engine.worker.append(s.buffer, t, body)
	var (
		required *RequiredError
		state    *stateError
	)
	switch {
	case err == nil:
		return "", nil
	case errors.Is(err, errAsked), errors.As(err, &state):
		return "", err
	case errors.As(err, &required):
		return reasonRequired, err
	}
	return reasonMalformed, err
}

// transform returns how to read the bodies of a schema, and the schema of what is written for them.
func (s *stage) transform(ctx context.Context, id int32) (*transform, error) {
	if t := s.engine.transforms[id]; t != nil {
		return t, nil
	}
	if err := s.unusable[id]; err != nil {
		return nil, err
	}
	t, err := s.compile(ctx, id)
	if err != nil {
		s.unusable[id] = err
		return nil, err
	}
	s.engine.transforms[id] = t
	return t, nil
}

func (s *stage) compile(ctx context.Context, id int32) (*transform, error) {
	schema, err := s.registry.Schema(ctx, id)
	if err != nil {
		return nil, err
	}
	decoder, err := s.registry.Decoder(ctx, id)
	if err != nil {
		return nil, err
	}
	output, err := s.registry.Derived(ctx, id, stream.Enriched, schemas.ExtendEnriched)
	if err != nil {
		return nil, err
	}
	t, err := newTransform(decoder, schema, output, s.engine.worker.chain.Reads())
	if err != nil {
		return nil, fmt.Errorf("prepare schema %d: %w", id, err)
	}
	return t, nil
}

// reject names the fault so that it can be repaired, without a value of the event.
func (s *stage) reject(record *stream.Record, reason string, err error) *stream.Record {
	var (
		required *RequiredError
		decode   *schemas.DecodeError
	)
	switch {
	case errors.As(err, &required):
		return s.quarantine.FromRecord(record, reason, required.Enrichment,
			"enrichment "+required.Enrichment+" is required and failed with "+required.Reason+": repair its data or make it optional, then replay")
	case errors.As(err, &decode):
		return s.quarantine.FromRecord(record, reason, decode.Field, "the record does not follow its schema: "+decode.Problem+"; repair the sender, then replay")
	case reason == reasonUnknownSchema:
		return s.quarantine.FromRecord(record, reason, "", "the schema of the record cannot be used: "+err.Error()+"; register it, then replay")
	}
	return s.quarantine.FromRecord(record, reason, "", "the record cannot be read: "+err.Error()+"; repair the sender, then replay")
}
