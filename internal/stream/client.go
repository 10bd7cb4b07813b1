package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kprom"
	"github.com/twmb/franz-go/plugin/kzap"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// The bounds of what one producer holds in memory; past them Produce waits.
const (
	maxBufferedRecords = 100_000
	maxBufferedBytes   = 128 << 20
)

// Client is a connection to Kafka: one producer, and the consumers that are started from it.
type Client struct {
	cfg      Config
	log      *zap.Logger
	reg      prometheus.Registerer
	producer *kgo.Client
	admin    *kadm.Client
	metrics  metrics
	clients  atomic.Int64 // numbers the consumers, for their metric labels
}

// Connect opens a client; it does not wait for a broker to answer, [Client.Ping] does.
func Connect(cfg Config, log *zap.Logger, reg prometheus.Registerer) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	codec, err := cfg.codec()
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, log: log, reg: reg, metrics: newMetrics(reg)}
	// Idempotence and acks=all are franz-go's defaults; RequiredAcks repeats it because promise 1
	// rests on it.
	c.producer, err = c.open("producer",
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(codec, kgo.NoCompression()),
		kgo.ProducerLinger(cfg.Linger),
		kgo.MaxBufferedRecords(maxBufferedRecords),
		kgo.MaxBufferedBytes(maxBufferedBytes),
		kgo.RecordPartitioner(newPartitioner()),
	)
	if err != nil {
		return nil, err
	}
	c.admin = kadm.NewClient(c.producer)
	return c, nil
}

// Close ends the producer after what it holds is written or has failed.
func (c *Client) Close() {
	c.producer.Close()
}

func (c *Client) open(role string, opts ...kgo.Opt) (*kgo.Client, error) {
	shared, err := c.cfg.dialOpts()
	if err != nil {
		return nil, err
	}
	labels := prometheus.Labels{"client": fmt.Sprintf("%s-%d", role, c.clients.Add(1))}
	hooks := kprom.NewMetrics("parcours_kafka", kprom.Registerer(prometheus.WrapRegistererWith(labels, c.reg)))
	shared = append(shared,
		kgo.WithHooks(hooks),
		kgo.WithLogger(kzap.New(c.log.WithOptions(zap.IncreaseLevel(zapcore.WarnLevel)))),
		// A topic may be seconds old when it is first used.
		kgo.MetadataMinAge(250*time.Millisecond),
	)
	client, err := kgo.NewClient(append(shared, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("open kafka %s: %w", role, err)
	}
	return client, nil
}

// Ping returns nil once a broker answers.
func (c *Client) Ping(ctx context.Context) error {
	if err := c.producer.Ping(ctx); err != nil {
		return fmt.Errorf("ping kafka at %v: %w", c.cfg.Brokers, err)
	}
	return nil
}

// Produce writes records and returns nil once all of them are acknowledged by every in-sync replica.
// On an error some of them may be written all the same: the caller tries the whole again, or answers
// that it is not known. The bytes of the records may be reused after nil only. The call returns with
// the context's error as soon as it ends, whatever the broker does.
func (c *Client) Produce(ctx context.Context, records ...*Record) error {
	if len(records) == 0 {
		return nil
	}
	began := time.Now()
	wait := &acknowledgement{done: make(chan struct{})}
	wait.left.Store(int64(len(records)))
	promise := wait.promise // One closure for all records, not one each.
	for _, record := range records {
		c.producer.Produce(ctx, record, promise)
	}
	select {
	case <-wait.done:
	case <-ctx.Done():
		c.metrics.produceErrors.Inc()
		return fmt.Errorf("produce %d records to %s: %w", len(records), records[0].Topic, context.Cause(ctx))
	}
	if err := wait.failure(); err != nil {
		c.metrics.produceErrors.Inc()
		return fmt.Errorf("produce %d records to %s: %w", len(records), records[0].Topic, err)
	}
	c.metrics.produced.Add(float64(len(records)))
	c.metrics.produceSeconds.Observe(time.Since(began).Seconds())
	return nil
}

// acknowledgement gathers the answers to the records of one call.
type acknowledgement struct {
	left  atomic.Int64
	done  chan struct{}
	mu    sync.Mutex
	first error
}

func (a *acknowledgement) promise(_ *kgo.Record, err error) {
	if err != nil {
		a.mu.Lock()
		if a.first == nil {
			a.first = err
		}
		a.mu.Unlock()
	}
	if a.left.Add(-1) == 0 {
		close(a.done)
	}
}

func (a *acknowledgement) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.first
}

// EndOffsets returns the offset after the last record of each partition of a topic.
func (c *Client) EndOffsets(ctx context.Context, topic string) (map[int32]int64, error) {
	listed, err := c.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("list end offsets of %s: %w", topic, err)
	}
	ends := make(map[int32]int64)
	for _, offset := range listed[topic] {
		if offset.Err != nil {
			return nil, fmt.Errorf("list end offsets of %s: %w", topic, offset.Err)
		}
		ends[offset.Partition] = offset.Offset
	}
	return ends, nil
}

// Committed returns the next offset a group will read, by partition; partitions never committed are absent.
func (c *Client) Committed(ctx context.Context, group, topic string) (map[int32]int64, error) {
	fetched, err := c.admin.FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return map[int32]int64{}, nil // nobody ever joined it
	}
	if err != nil {
		return nil, fmt.Errorf("fetch offsets of group %s: %w", group, err)
	}
	committed := make(map[int32]int64)
	for partition, offset := range fetched[topic] {
		if offset.Err != nil {
			return nil, fmt.Errorf("fetch offsets of group %s: %w", group, offset.Err)
		}
		if offset.At >= 0 {
			committed[partition] = offset.At
		}
	}
	return committed, nil
}

// GroupLag returns how many records of each of the topics a group has still to commit.
func (c *Client) GroupLag(ctx context.Context, group string, topics ...string) (map[string]int64, error) {
	lag := make(map[string]int64, len(topics))
	for _, topic := range topics {
		ends, err := c.EndOffsets(ctx, topic)
		if err != nil {
			return nil, err
		}
		committed, err := c.Committed(ctx, group, topic)
		if err != nil {
			return nil, err
		}
		for partition, end := range ends {
			lag[topic] += end - committed[partition]
		}
	}
	return lag, nil
}

var errStopped = errors.New("client is closed")
