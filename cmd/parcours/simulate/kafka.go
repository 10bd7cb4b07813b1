package simulate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// kafkaCarrier writes touchpoints to Kafka as the collector does, without its HTTP: for load tests of what lies behind.
// Events that are wrong on purpose stay behind, because the collector would have kept them back.
type kafkaCarrier struct {
	client   *stream.Client
	schema   int32
	counters *counters
	book     *ledger
	make     touchpoints
	waiting  []*Delivery
	records  []stream.Record
	refs     []*stream.Record
	arena    []byte
	count    int
}

// kafkaBatch is how many events wait for each other before they are produced.
const kafkaBatch = 2000

func kafkaCarriers(ctx context.Context, target *url.URL, opts Options, c *counters, book *ledger) (func() (carrier, error), func(), error) {
	at := target.Query().Get("registry")
	if at == "" {
		return nil, nil, errors.New("simulate: target names no registry: want kafka://host:port?registry=http://host:port")
	}
	ws := workspace.DefaultConfig()
	ws.Name, ws.HashKey = opts.Workspace, opts.HashKey
	ids, err := identifier.New(identifier.DefaultConfig(), ws)
	if err != nil {
		return nil, nil, fmt.Errorf("simulate: hash key of the workspace (--hash-key, as the pipeline has it): %w", err)
	}
	conf := stream.DefaultConfig()
	conf.Brokers, conf.ClientID = strings.Split(target.Host, ","), "parcours-simulate"
	where := registry.DefaultConfig()
	where.URL = at
	reg, err := registry.New(where, zap.NewNop())
	if err != nil {
		return nil, nil, err
	}
	client, err := stream.Connect(conf, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		return nil, nil, err
	}
	id, err := prepareTopic(ctx, client, reg)
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	return func() (carrier, error) {
		return &kafkaCarrier{client: client, schema: id, counters: c, book: book, make: touchpoints{ids: ids, workspace: opts.Workspace}}, nil
	}, client.Close, nil
}

func prepareTopic(ctx context.Context, client *stream.Client, reg *registry.Registry) (int32, error) {
	if err := client.EnsureTopics(ctx, stream.Touchpoints); err != nil {
		return 0, err
	}
	return reg.Register(ctx, stream.Touchpoints, schemas.TouchpointSchema())
}

func (k *kafkaCarrier) carry(ctx context.Context, d *Delivery) error {
	if d = right(d); len(d.Events) == 0 {
		return nil
	}
	k.waiting = append(k.waiting, d)
	if k.count += len(d.Events); k.count < kafkaBatch {
		return nil
	}
	return k.rest(ctx)
}

// right is the delivery without what the collector would have kept back.
func right(d *Delivery) *Delivery {
	isWrong := func(e *Event) bool { return e.Wrong != "" }
	if !slices.ContainsFunc(d.Events, isWrong) {
		return d
	}
	kept := *d
	kept.Events = slices.DeleteFunc(slices.Clone(d.Events), isWrong)
	return &kept
}

// rest produces what waits; when it returns, Kafka has acknowledged all of it and its memory can be used again.
func (k *kafkaCarrier) rest(ctx context.Context) error {
	if len(k.waiting) == 0 {
		return nil
	}
	if cap(k.records) < k.count {
		k.records, k.refs = make([]stream.Record, 0, k.count), make([]*stream.Record, 0, k.count)
	}
	k.records, k.refs, k.arena = k.records[:0], k.refs[:0], k.arena[:0]
	for _, d := range k.waiting {
		for _, e := range d.Events {
			if err := k.add(e); err != nil {
				return err
			}
		}
	}
	produced := k.client.Produce(ctx, k.refs...)
	status := http.StatusOK
	if produced != nil {
		status = 0
	}
	var err error
	for _, d := range k.waiting {
		k.counters.settle(d, status)
		err = errors.Join(err, k.book.enter(d, status, 1))
	}
	k.waiting, k.count = k.waiting[:0], 0
	if produced != nil {
		return errors.Join(fmt.Errorf("simulate: %w", produced), err)
	}
	k.counters.requests.Add(1)
	return err
}

// add encodes one event behind the others. The arena may move when it grows: earlier records keep the old one.
func (k *kafkaCarrier) add(e *Event) error {
	t := k.make.touchpoint(e, time.Now())
	node, _, ok := k.make.ids.Anchor(t.Identifiers)
	if !ok && t.Context.Store.ReceiptID != "" { // a made-up address alone: the ticket stands in for its buyer
		store := t.Context.Store
		t.Identifiers = append(t.Identifiers, schemas.Identifier{Type: identifier.TillRecord, Value: store.StoreID + "/" + store.RegisterID + "/" + store.ReceiptID})
		node, _, ok = k.make.ids.Anchor(t.Identifiers)
	}
	if !ok {
		return fmt.Errorf("simulate: event %s has no usable identifier", e.MessageID)
	}
	from := len(k.arena)
	k.arena = appendUUID(k.arena, node)
	key := k.arena[from:len(k.arena):len(k.arena)]
	from = len(k.arena)
	k.arena = t.AppendAvro(schemas.AppendHeader(k.arena, k.schema))
	value := k.arena[from:len(k.arena):len(k.arena)]
	k.counters.bytes.Add(int64(len(value)))
	k.records = append(k.records, stream.Record{Topic: stream.Touchpoints, Key: key, Value: value, Timestamp: time.Now()})
	k.refs = append(k.refs, &k.records[len(k.records)-1])
	return nil
}

func appendUUID(dst []byte, id uuid.UUID) []byte {
	text, err := id.MarshalText()
	if err != nil { // it has no way to fail: sixteen bytes are always a UUID
		return dst
	}
	return append(dst, text...)
}
