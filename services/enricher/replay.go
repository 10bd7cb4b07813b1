package enricher

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	facts "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher/provider"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// Replay asks a provider again for the events whose look-up failed, and writes what it answers to the topic attributes. Events are never written
// again. What is in the topic already is not asked for, so running it twice asks for what is still missing only.
type Replay struct {
	Config      Config
	Workspace   workspace.Config
	Identifiers identifier.Config
	Kafka       *stream.Client
	Registry    *registry.Registry
	// Provider is its name.
	Provider string
	// From and To bound the time at which the events came into Kafka; zero for no bound.
	From, To time.Time
	// Rate is how many are asked for in a second at most; 0 for as many as concurrency allows.
	Rate float64
	// DryRun finds and asks nobody.
	DryRun bool
	// Erased tells nodes that must not be asked for.
	Erased func(node uuid.UUID) bool
}

// ReplayReport is what came of it. Subjects are people or areas.
type ReplayReport struct {
	// Events that were read, and those of them whose look-up failed.
	Events int64 `json:"events"`
	Failed int64 `json:"failed"`
	// Subjects of the failed ones, each once, and those of them that are not asked for.
	Subjects int64 `json:"subjects"`
	Refused  int64 `json:"refused"`
	Erased   int64 `json:"erased"`
	Known    int64 `json:"known_meanwhile"`
	// Left are those who remain to be asked, also in a dry run.
	Left int64 `json:"left"`
	// Asked subjects by what came of them.
	Asked    int64            `json:"asked"`
	Answered int64            `json:"answered"`
	Unknown  int64            `json:"unknown"`
	Missed   map[string]int64 `json:"missed_by_reason,omitempty"`
}

// missing is what was found of the subjects.
type missing struct {
	values map[provider.Key]string
	// failed is when the last event of each subject happened that was missed, of whom its customer.
	failed map[provider.Key]schemas.Millis
	of     map[provider.Key]uuid.UUID
	// refused is when somebody refused last, by the nodes of that event and by its customer.
	refused map[uuid.UUID]schemas.Millis
}

// refusedSince tells whether the person of a subject refused when they were missed last, or since.
func (m *missing) refusedSince(key provider.Key) bool {
	for _, who := range []uuid.UUID{uuid.UUID(key), m.of[key]} {
		if at, refused := m.refused[who]; refused && at >= m.failed[key] {
			return true
		}
	}
	return false
}

// Run finds, asks and writes.
func (r Replay) Run(ctx context.Context) (*ReplayReport, error) {
	asked, link, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	report := &ReplayReport{Missed: map[string]int64{}}
	m := &missing{
		values: map[provider.Key]string{}, failed: map[provider.Key]schemas.Millis{}, of: map[provider.Key]uuid.UUID{}, refused: map[uuid.UUID]schemas.Millis{},
	}
	if err := r.find(ctx, link, m, report); err != nil {
		return nil, fmt.Errorf("find the events that %s missed: %w", r.Provider, err)
	}
	report.Subjects = int64(len(m.values))
	for key := range m.values {
		if provider.OfPerson(link.subject) && m.refusedSince(key) {
			delete(m.values, key)
			report.Refused++
		}
	}
	if provider.OfPerson(link.subject) && r.Erased != nil {
		for key := range m.values {
			if r.Erased(uuid.UUID(key)) {
				delete(m.values, key)
				report.Erased++
			}
		}
	}
	if err := r.dropKnown(ctx, asked, m, report); err != nil {
		return nil, fmt.Errorf("read what is known meanwhile: %w", err)
	}
	report.Left = int64(len(m.values))
	if r.DryRun {
		return report, nil
	}
	return report, r.ask(ctx, asked, link.provider, m.values, report)
}

func (r Replay) open(ctx context.Context) (*providers, *bought, error) {
	at := slices.IndexFunc(r.Config.Providers, func(c provider.Config) bool { return c.Name == r.Provider })
	if at < 0 {
		return nil, nil, fmt.Errorf("enricher.providers has no %q: name one of it", r.Provider)
	}
	cfg := r.Config
	cfg.Providers = cfg.Providers[at : at+1]
	if p := cfg.Purposes.named()[cfg.Providers[0].Purpose]; !p.Enabled {
		return nil, nil, fmt.Errorf("purpose %s of provider %s is not enabled: nothing may be asked", cfg.Providers[0].Purpose, r.Provider)
	}
	if cfg.Providers[0].DoNotStore {
		return nil, nil, fmt.Errorf("provider %s is one with do_not_store: its answers may not be written to the topic, and events are written once", r.Provider)
	}
	asked, err := openProviders(ctx, cfg, r.Workspace, r.Registry, providerOptions(zap.NewNop(), prometheus.NewRegistry()))
	if err != nil {
		return nil, nil, err
	}
	made, err := newBought(parts{
		name: Provider + "." + r.Provider, cfg: cfg, workspace: r.Workspace, identifiers: r.Identifiers, lasting: &lasting{providers: asked}, log: zap.NewNop(),
	})
	if err != nil {
		return nil, nil, err
	}
	link, is := made.(*bought)
	if !is {
		return nil, nil, errors.New("the link is not that of a provider")
	}
	return asked, link, r.Kafka.EnsureTopics(ctx, stream.Enriched, stream.Attributes)
}

// find reads the events.
func (r Replay) find(ctx context.Context, link *bought, m *missing, report *ReplayReport) error {
	ends, err := r.Kafka.EndOffsets(ctx, stream.Enriched)
	if err != nil {
		return err
	}
	for partition, end := range ends {
		extent, err := r.Kafka.Extent(ctx, stream.Enriched, partition)
		if err != nil {
			return err
		}
		from, to := extent.Start, end
		if !r.From.IsZero() {
			if from, err = r.Kafka.OffsetAt(ctx, stream.Enriched, partition, r.From); err != nil {
				return err
			}
		}
		if !r.To.IsZero() {
			if to, err = r.Kafka.OffsetAt(ctx, stream.Enriched, partition, r.To); err != nil {
				return err
			}
		}
		var event schemas.EnrichedTouchpoint
		err = r.Kafka.ReadBack(ctx, stream.Enriched, partition, from, end, func(ctx context.Context, records []*stream.Record) error {
			for _, record := range records {
				id, body, err := schemas.SplitHeader(record.Value)
				if err != nil {
					continue // The sink has it in quarantine.
				}
				decoder, err := r.Registry.Decoder(ctx, id)
				if registry.IsUnavailable(err) {
					return err
				}
				if err != nil || decoder.Decode(body, &event) != nil {
					continue // as above
				}
				if record.Offset >= to {
					m.refusal(link, &event) // Who refused later is not asked for either.
					continue
				}
				report.Events++
				m.see(link, &event, report)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// refusal notes an event whose consent does not cover the provider, and tells whether it is one.
func (m *missing) refusal(link *bought, event *schemas.EnrichedTouchpoint) bool {
	entry := entryOf(link, event)
	if entry.Status != StatusSkipped || (entry.Reason != reasonDenied && entry.Reason != reasonMissing) {
		return false
	}
	whose := []uuid.UUID{event.CustomerID}
	for i := range event.Identifiers {
		if node, err := uuid.Parse(event.Identifiers[i].Value); err == nil && event.Identifiers[i].Type == link.subject {
			whose = append(whose, node)
		}
	}
	for _, who := range whose {
		if at, before := m.refused[who]; !before || event.OccurredAt > at {
			m.refused[who] = event.OccurredAt
		}
	}
	return true
}

// entryOf is what became of the link on the event; empty when it was not there.
func entryOf(link *bought, event *schemas.EnrichedTouchpoint) schemas.Enrichment {
	at := slices.IndexFunc(event.Enrichments, func(e schemas.Enrichment) bool { return e.Name == link.description.Name })
	if at < 0 {
		return schemas.Enrichment{}
	}
	return event.Enrichments[at]
}

// see notes one event.
func (m *missing) see(link *bought, event *schemas.EnrichedTouchpoint, report *ReplayReport) {
	if m.refusal(link, event) || entryOf(link, event).Status != StatusFailed {
		return
	}
	added := Suffix{Home: event.Home}
	report.Failed++
	key, reason := link.key(&event.IdentifiedTouchpoint, &added)
	if reason != "" {
		return
	}
	if at, before := m.failed[key]; !before || event.OccurredAt >= at {
		m.failed[key], m.of[key] = event.OccurredAt, event.CustomerID
	}
	if _, there := m.values[key]; there {
		return
	}
	if value, reason := link.value(&event.IdentifiedTouchpoint, key); reason == "" {
		m.values[key] = value
	}
}

// dropKnown leaves out what the topic has by now, and has not run out.
func (r Replay) dropKnown(ctx context.Context, asked *providers, m *missing, report *ReplayReport) error {
	ends, err := r.Kafka.EndOffsets(ctx, stream.Attributes)
	if err != nil {
		return err
	}
	held := map[provider.Key]bool{}
	now := time.Now()
	for partition, end := range ends {
		extent, err := r.Kafka.Extent(ctx, stream.Attributes, partition)
		if err != nil {
			return err
		}
		err = r.Kafka.ReadBack(ctx, stream.Attributes, partition, extent.Start, end, func(ctx context.Context, records []*stream.Record) error {
			for _, record := range records {
				name, subject, by, err := facts.ParseKey(record.Key)
				if err != nil || by != r.Provider || name != r.Workspace.Name {
					continue
				}
				key := provider.Key(subject.Node)
				if subject.Kind != facts.Node {
					key, _ = provider.AreaKey(subject.Code)
				}
				if _, wanted := m.values[key]; !wanted {
					continue
				}
				set, err := asked.codec.Parse(ctx, record)
				if err != nil && !errors.Is(err, facts.ErrMalformed) {
					return err
				}
				held[key] = set != nil && facts.HoldsAt(set, now)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for key, holds := range held {
		if holds {
			delete(m.values, key)
			report.Known++
		}
	}
	return nil
}

// replayBatch is how many answers are written at once.
const replayBatch = 500

// ask asks for all of them, the same order each time, and stops when the provider does not answer any more.
func (r Replay) ask(ctx context.Context, asked *providers, one *provider.Provider, values map[provider.Key]string, report *ReplayReport) error {
	keys := slices.SortedFunc(maps.Keys(values), func(a, b provider.Key) int { return strings.Compare(string(a[:]), string(b[:])) })
	var tick <-chan time.Time
	if r.Rate > 0 {
		ticker := time.NewTicker(time.Duration(float64(time.Second) / r.Rate))
		defer ticker.Stop()
		tick = ticker.C
	}
	for len(keys) > 0 {
		batch := keys[:min(len(keys), replayBatch)]
		keys = keys[len(batch):]
		answers := make([]*provider.Answer, len(batch))
		var group errgroup.Group
		group.SetLimit(one.Config().Concurrency)
		for i, key := range batch {
			if tick != nil {
				select {
				case <-tick:
				case <-ctx.Done():
				}
			}
			if ctx.Err() != nil {
				break
			}
			group.Go(func() error {
				answers[i] = one.Fetch(ctx, provider.Subject{Key: key, Value: values[key]})
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		var records []*stream.Record
		stopped := ctx.Err() != nil
		for i, answer := range answers {
			if answer == nil {
				continue
			}
			report.Asked++
			switch {
			case answer.Reason != "":
				report.Missed[answer.Reason]++
				stopped = stopped || answer.Reason == provider.ReasonBreakerOpen || answer.Reason == provider.ReasonBudget || answer.Reason == provider.ReasonRateLimited
			case len(answer.Values) == 0:
				report.Unknown++
			default:
				report.Answered++
				records = append(records, asked.codec.Record(one.Set(r.Workspace.Name, provider.Stored{Key: batch[i], Answer: answer})))
			}
		}
		// What was paid for is written even when we are asked to stop.
		if err := r.Kafka.Produce(context.WithoutCancel(ctx), records...); err != nil {
			return fmt.Errorf("write the answers: %w", err)
		}
		if stopped {
			return ctx.Err()
		}
	}
	return nil
}
