package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/services/enricher"
	"github.com/parcours-cdp/parcours/services/identity"
	"github.com/parcours-cdp/parcours/services/sink"
)

// scene is a day of a shop in which everything happens that makes identity hard: kiosks, shared cards, a till's test
// address, two people on one telephone, typos. Each event is one line of a batch.
type scene struct {
	began  time.Time
	events []json.RawMessage
}

// add appends an event a minute after the last; ids are its userId, anonymousId, email, phone and loyalty_id.
func (s *scene) add(t *testing.T, kind string, ids map[string]string) string {
	t.Helper()
	message := fmt.Sprintf("%s-%03d", kind, len(s.events))
	event := map[string]any{
		"type": "track", "event": "Product Viewed", "messageId": message,
		"timestamp": s.began.Add(time.Duration(len(s.events)) * time.Minute).Format(time.RFC3339),
	}
	properties := map[string]any{}
	for name, value := range ids {
		switch name {
		case "userId", "anonymousId":
			event[name] = value
		default:
			properties[name] = value
		}
	}
	event["properties"] = properties
	body, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	s.events = append(s.events, body)
	return message
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{began: time.Now().Add(-12 * time.Hour).Truncate(time.Second)}
	person := func(i int) (user, cookie, email string) {
		return fmt.Sprintf("user-%d", i), fmt.Sprintf("cookie-%d", i), fmt.Sprintf("client.%d@free.fr", i)
	}
	for i := range 9 {
		user, cookie, email := person(i)
		s.add(t, "browse", map[string]string{"anonymousId": cookie})
		s.add(t, "login", map[string]string{"anonymousId": cookie, "userId": user, "email": email})
		// Everybody signs in on the shop's tablet.
		s.add(t, "kiosk", map[string]string{"anonymousId": "tablet", "userId": user})
		// The cashier types the same address for everybody, and it outranks their cookies.
		s.add(t, "till", map[string]string{"anonymousId": cookie, "email": "caisse@magasin.fr"})
		s.add(t, "refused", map[string]string{"userId": user, "email": "caisse@magasin.fr"})
	}
	s.add(t, "tablet", map[string]string{"anonymousId": "tablet"})
	// Two accounts on one card: the card goes with the one first seen with it.
	s.add(t, "card", map[string]string{"userId": "user-1", "loyalty_id": "2990000000017"})
	s.add(t, "card", map[string]string{"userId": "user-0", "loyalty_id": "2990000000017"})
	s.add(t, "buy", map[string]string{"anonymousId": "till-slip-1", "loyalty_id": "2990000000017", "email": "client.0@free.fr"})
	// One telephone, two people, and a guest who gives an address that is somebody's.
	s.add(t, "phone", map[string]string{"anonymousId": "shared-phone", "userId": "user-2"})
	s.add(t, "phone", map[string]string{"anonymousId": "shared-phone", "userId": "user-3"})
	s.add(t, "guest", map[string]string{"anonymousId": "guest", "email": "client.3@free.fr", "phone": "06 12 34 56 71"})
	s.add(t, "guest", map[string]string{"anonymousId": "guest-2", "phone": "+33 6 12 34 56 71", "email": "client.4@free.fr"})
	return s
}

// shape sends the same events in another order, other requests, other numbers of times.
type shape struct {
	name string
	// requests makes the batches; workers is how many are under way at once.
	requests func(events []json.RawMessage) [][]json.RawMessage
	workers  int
}

func shapes() []shape {
	shuffled := func(seed uint64, copies int, events []json.RawMessage) []json.RawMessage {
		many := slices.Repeat(events, copies)
		random := rand.New(rand.NewPCG(seed, seed))
		random.Shuffle(len(many), func(i, j int) { many[i], many[j] = many[j], many[i] })
		return many
	}
	return []shape{
		{"one by one", func(events []json.RawMessage) [][]json.RawMessage {
			return slices.Collect(slices.Chunk(events, 1))
		}, 1},
		{"backwards in batches", func(events []json.RawMessage) [][]json.RawMessage {
			backwards := slices.Clone(events)
			slices.Reverse(backwards)
			return slices.Collect(slices.Chunk(backwards, 7))
		}, 1},
		{"shuffled twice at once", func(events []json.RawMessage) [][]json.RawMessage {
			return slices.Collect(slices.Chunk(shuffled(7, 2, events), 5))
		}, 4},
		{"shuffled all in one", func(events []json.RawMessage) [][]json.RawMessage {
			return [][]json.RawMessage{shuffled(11, 1, events)}
		}, 1},
	}
}

// TestSameRequestsInAnyShapeGiveTheSameCustomers sends one set of events permuted, repeated and split into other
// requests to pipelines of their own, and reads the customers in ClickHouse.
func TestSameRequestsInAnyShapeGiveTheSameCustomers(t *testing.T) {
	s := newScene(t)
	var want string
	for _, shape := range shapes() {
		t.Run(shape.name, func(t *testing.T) {
			p := start(t)
			var senders errgroup.Group
			senders.SetLimit(shape.workers)
			for _, batch := range shape.requests(s.events) {
				senders.Go(func() error {
					body, err := json.Marshal(map[string]any{"batch": batch})
					if err == nil {
						p.accept(t, "wk_dev_web", "/v1/batch", string(body))
					}
					return err
				})
			}
			if err := senders.Wait(); err != nil {
				t.Fatal(err)
			}
			p.eventually(t, fmt.Sprint(len(s.events)), "SELECT uniqExact(message_id) FROM parcours.customer_events")
			p.drained(t)
			got := p.query(t, `SELECT message_id, arrayStringConcat(arraySort(groupUniqArray(toString(customer_id))), ' or ')
				FROM parcours.customer_events GROUP BY message_id ORDER BY message_id`)
			if want == "" {
				want = got
				s.plausible(t, p)
				return
			}
			if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("customers differ from those of the events sent %s (-want +got)\n%s", shapes()[0].name, diff)
			}
		})
	}
}

// plausible holds that the scene says something: people are told apart on the tablet, and joined where they should be.
func (s *scene) plausible(t *testing.T, p *pipeline) {
	t.Helper()
	f := func(want, sql string) {
		t.Helper()
		if got := p.query(t, sql); got != want {
			t.Errorf("%s\nanswers %s, want %s", sql, got, want)
		}
	}
	f("9", "SELECT uniqExact(customer_id) FROM parcours.customer_events WHERE startsWith(message_id, 'login-')")
	f("9", "SELECT uniqExact(customer_id) FROM parcours.customer_events WHERE startsWith(message_id, 'kiosk-')")
	// An address of everybody names nobody: these events go to the cookie's person.
	f("9", "SELECT uniqExact(customer_id) FROM parcours.customer_events WHERE startsWith(message_id, 'till-')")
	f("9", `SELECT uniqExact(customer_id) FROM parcours.customer_events WHERE match(message_id, '^(browse|login|kiosk|till|refused)-')`)
	f("0", `SELECT count() FROM parcours.customer_events WHERE startsWith(message_id, 'tablet-') AND customer_id IN
		(SELECT customer_id FROM parcours.customer_events WHERE startsWith(message_id, 'login-'))`)
}

// drained waits until every stage has committed all that stands before it, and the views know.
func (p *pipeline) drained(t *testing.T) {
	t.Helper()
	cfg := stream.DefaultConfig()
	cfg.Brokers = p.brokers
	kafka, err := stream.Connect(cfg, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	groups := []struct{ group, topic string }{
		{identity.Group, stream.Touchpoints},
		{identity.PublisherGroup("default"), stream.Evidence},
		{enricher.Group, stream.Identified},
		{sink.GroupTouchpoints, stream.Enriched},
		{sink.GroupIdentityMap, stream.IdentityMap},
	}
	until(t, func() (string, bool) {
		seen, behind := "", int64(0)
		for _, g := range groups {
			lag, err := kafka.GroupLag(ctx, g.group, g.topic)
			if err != nil {
				t.Fatal(err)
			}
			behind += lag[g.topic]
			seen += fmt.Sprintf("%s is %d behind; ", g.group, lag[g.topic])
		}
		return seen, behind == 0
	})
	p.eventually(t, "0", `SELECT count() FROM parcours.identity_map AS m
		WHERE dictGetOrDefault('parcours.identity_map_dict', 'version', (m.workspace, m.node), toUInt64(0)) < m.version`)
}
