package collector

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/quarantine"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// testNow is when tests receive what they send.
var testNow = time.Date(2026, 11, 21, 19, 13, 13, 0, time.UTC)

// direct is a collector without a network: requests go straight to its handler, records stay in memory.
type direct struct {
	*collector
	mu       sync.Mutex
	produced []stream.Record // with their bytes copied, as Kafka would
	fail     error           // what Kafka answers
}

func newDirect(t testing.TB, change func(*Config)) *direct {
	t.Helper()
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	reg := registrytest.Client(t)
	ctx := context.Background()
	id, err := reg.Register(ctx, stream.Touchpoints, schemas.TouchpointSchema())
	if err != nil {
		t.Fatal(err)
	}
	kept, err := quarantine.New(ctx, reg, "collector")
	if err != nil {
		t.Fatal(err)
	}
	ids, err := identifier.New(identifier.DefaultConfig(), testWorkspace())
	if err != nil {
		t.Fatal(err)
	}
	bodies, err := openBodies(cfg.Limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bodies.close)
	proxies, err := parsePrefixes(cfg.TrustedProxies)
	if err != nil {
		t.Fatal(err)
	}
	public, err := publicURL(cfg.PublicURL)
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{
		cfg: cfg, workspace: "default", identifiers: ids, quarantine: kept, schemaID: id, log: zap.NewNop(),
		metrics: newMetrics(prometheus.NewRegistry(), func() float64 { return 0 }),
		bodies:  bodies, proxies: proxies, public: public, now: func() time.Time { return testNow },
	}
	c.sources = openSources(cfg.Sources, c.metrics)
	c.desks.New = func() any { return new(desk) }
	d := &direct{collector: c}
	c.produce = func(_ context.Context, records ...*stream.Record) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.fail != nil {
			return d.fail
		}
		for _, r := range records {
			d.produced = append(d.produced, stream.Record{
				Topic: r.Topic, Key: append([]byte(nil), r.Key...), Value: append([]byte(nil), r.Value...),
			})
		}
		return nil
	}
	return d
}

// do hands a request to the handler and returns what it answers.
func (d *direct) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = "203.0.113.9:50000"
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		if headers[i] == "Key" {
			r.SetBasicAuth(headers[i+1], "")
			continue
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

// take returns what was produced since the last time.
func (d *direct) take(t testing.TB) (touchpoints []schemas.Touchpoint, rejections []schemas.RejectedTouchpoint, keys []string) {
	t.Helper()
	d.mu.Lock()
	produced := d.produced
	d.produced = nil
	d.mu.Unlock()
	decoder, rejected := decoders()
	for _, record := range produced {
		_, body, err := schemas.SplitHeader(record.Value)
		if err != nil {
			t.Fatal(err)
		}
		if record.Topic == stream.Rejected {
			var r schemas.RejectedTouchpoint
			if err := rejected.Decode(body, &r); err != nil {
				t.Fatal(err)
			}
			rejections = append(rejections, r)
			continue
		}
		var e schemas.EnrichedTouchpoint
		if err := decoder.Decode(body, &e); err != nil {
			t.Fatal(err)
		}
		touchpoints = append(touchpoints, e.Touchpoint)
		keys = append(keys, string(record.Key))
	}
	return touchpoints, rejections, keys
}

// one posts a call with a key and returns its touchpoint; it fails when there is none.
func (d *direct) one(t testing.TB, path, key, body string) schemas.Touchpoint {
	t.Helper()
	w := d.do(http.MethodPost, path, body, "Key", key)
	touchpoints, _, _ := d.take(t)
	if w.Code != http.StatusOK || len(touchpoints) != 1 {
		t.Fatalf("%s %s: %d %s", path, body, w.Code, w.Body)
	}
	return touchpoints[0]
}

// decoders are compiled once: fuzzing decodes often.
var decoders = sync.OnceValues(func() (*schemas.Decoder, *schemas.RejectedDecoder) {
	decoder, err := schemas.NewDecoder(schemas.TouchpointSchema())
	if err != nil {
		panic(err)
	}
	rejected, err := schemas.NewRejectedDecoder(schemas.RejectedTouchpointSchema())
	if err != nil {
		panic(err)
	}
	return decoder, rejected
})
