package attributes

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	facts "github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/identitymap"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

func node(n int) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "node %d", n))
}

func testWorkspace() workspace.Config {
	ws := workspace.DefaultConfig()
	ws.HashKey = hex.EncodeToString([]byte(strings.Repeat("k", 32)))
	return ws
}

// topics are both topics as one list each, which tests write and compact by hand.
type topics struct {
	registry *registry.Registry
	records  [2][]*stream.Record
	next     [2]int64
}

func newTopics(t testing.TB) *topics { return &topics{registry: registrytest.Client(t)} }

func (l *topics) write(records ...*stream.Record) {
	for _, r := range records {
		topic := topicAttributes
		if r.Topic == stream.IdentityMap {
			topic = topicMap
		}
		r.Offset, r.Timestamp = l.next[topic], time.UnixMilli(l.next[topic])
		l.next[topic]++
		l.records[topic] = append(l.records[topic], r)
	}
}

// compact leaves the last record of each key, without what takes others back.
func (l *topics) compact() { l.compactSome(topicAttributes, topicMap) }

// compactAttributes leaves what the map says of those who were erased: it is kept for longer than anybody reads behind.
func (l *topics) compactAttributes() { l.compactSome(topicAttributes) }

func (l *topics) compactSome(which ...int) {
	for _, topic := range which {
		records := l.records[topic]
		last := map[string]int{}
		for i, r := range records {
			last[string(r.Key)] = i
		}
		var left []*stream.Record
		for i, r := range records {
			if last[string(r.Key)] == i && r.Value != nil {
				left = append(left, r)
			}
		}
		l.records[topic] = left
	}
}

// moved writes a row of the map.
func (l *topics) moved(n, customer uuid.UUID, version uint64) { l.mapped(n, customer, version, false) }

func (l *topics) mapped(n, customer uuid.UUID, version uint64, shared bool) {
	l.row(identitymap.Row{Workspace: "default", Node: n, Canonical: customer, Version: version, Reason: identitymap.Joined, Shared: shared})
}

func (l *topics) row(r identitymap.Row) {
	l.write(&stream.Record{Topic: stream.IdentityMap, Key: identitymap.AppendKey(nil, &r), Value: identitymap.Append(nil, &r)})
}

// erased writes what the publisher writes of an erased node.
func (l *topics) erased(n uuid.UUID, version uint64) {
	r := identitymap.Row{Workspace: "default", Node: n, Canonical: n, Version: version, Reason: identitymap.Erased}
	l.row(r)
	l.write(&stream.Record{Topic: stream.IdentityMap, Key: identitymap.AppendKey(nil, &r)})
}

// instance is a store that reads the lists when it is told to.
type instance struct {
	*Store
	topics *topics
	// at is the offset after the last record of each list that was read.
	at      [2]int64
	options Options
}

type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func (l *topics) options(dir string) Options {
	return Options{
		Config: Config{FilterBytes: 64 << 10, CacheBytes: 1 << 20, BlockCacheBytes: 1 << 20}, Dir: dir, Workspace: testWorkspace(),
		Registry: l.registry, Log: zap.NewNop(), Metrics: prometheus.NewRegistry(), restate: time.Nanosecond,
		extents: func(_ context.Context, topic string) (map[int32]stream.Extent, error) {
			at := topicAttributes
			if topic == stream.IdentityMap {
				at = topicMap
			}
			return map[int32]stream.Extent{0: {TopicID: topic, End: l.next[at]}}, nil
		},
	}
}

func (l *topics) open(t failer, o Options) *instance {
	t.Helper()
	s, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{Store: s, topics: l, options: o}
	for topic := range i.at {
		i.at[topic] = s.positions[topicPartition{byte(topic), 0}]
	}
	return i
}

func (i *instance) close(t failer) {
	t.Helper()
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
}

// reopened is the same folder after a stop: what was not read back is gone.
func (i *instance) reopened(t failer) *instance {
	t.Helper()
	i.close(t)
	o := i.options
	o.Metrics = prometheus.NewRegistry()
	return i.topics.open(t, o)
}

// read takes in at most n records of a list.
func (i *instance) read(t failer, topic, n int) {
	t.Helper()
	var records []*stream.Record
	for _, r := range i.topics.records[topic] {
		if r.Offset >= i.at[topic] && len(records) < n {
			records = append(records, r)
		}
	}
	if err := i.apply(context.Background(), byte(topic), records); err != nil {
		t.Fatal(err)
	}
	if len(records) > 0 {
		i.at[topic] = records[len(records)-1].Offset + 1
	}
}

// readAll takes in all, and writes again what is owed, until nothing is.
func readAll(t failer, instances ...*instance) {
	t.Helper()
	for range 20 {
		for _, i := range instances {
			i.read(t, topicAttributes, 1<<30)
			i.read(t, topicMap, 1<<30)
		}
		again := false
		for _, i := range instances {
			records, err := i.owing()
			if err != nil {
				t.Fatal(err)
			}
			again = again || len(records) > 0
			i.topics.write(records...)
		}
		if !again {
			return
		}
	}
	t.Fatal("what is owed does not end")
}

// says contributes one value.
func (i *instance) says(t failer, who Who, at int64, source, name, text string) bool {
	t.Helper()
	f := &Facts{Source: source, At: schemas.Millis(at)}
	if text == "" {
		f.TakeBack(name)
	} else {
		f.Add(name, facts.String, text)
	}
	return i.contribute(t, who, f)
}

func (i *instance) contribute(t failer, who Who, f *Facts) bool {
	t.Helper()
	changed, err := i.Contribute(who, f)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

// commit writes what was contributed.
func (i *instance) commit() {
	records := i.Take()
	i.topics.write(records...)
	i.Written(records)
}

func (i *instance) of(t failer, who Who) *Known {
	t.Helper()
	k, err := i.Of(who, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// alone is the person of an event with one identifier that the map does not have.
func alone(n uuid.UUID) Who { return Who{Anchor: n, Customer: n} }

// deleted has the topic of attributes begin later, or be another one.
func deleted(o *Options, l *topics, id string) {
	o.extents = func(_ context.Context, topic string) (map[int32]stream.Extent, error) {
		if topic == stream.IdentityMap {
			return map[int32]stream.Extent{0: {TopicID: topic, End: l.next[topicMap]}}, nil
		}
		return map[int32]stream.Extent{0: {TopicID: id, Start: l.next[topicAttributes], End: l.next[topicAttributes]}}, nil
	}
}
