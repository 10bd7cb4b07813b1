package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// running is a collector on a broker and a registry of its own.
type running struct {
	t       testing.TB
	url     string
	cluster *kfake.Cluster
	metrics *prometheus.Registry
	logs    *observer.ObservedLogs
	stop    func() error // waits for Run to return

	mu       sync.Mutex
	arrived  []*stream.Record
	rejected []*stream.Record
}

func testWorkspace() workspace.Config {
	ws := workspace.DefaultConfig()
	ws.HashKey = strings.Repeat("0123456789abcdef", 4)
	return ws
}

// start runs a collector until the test ends; change may adapt its configuration.
func start(t testing.TB, change func(*Config)) *running {
	t.Helper()
	cluster := streamtest.Cluster(t)
	client := streamtest.Client(t, cluster.ListenAddrs())
	core, logs := observer.New(zap.DebugLevel)
	r := &running{t: t, cluster: cluster, metrics: prometheus.NewRegistry(), logs: logs}
	cfg := DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	if change != nil {
		change(&cfg)
	}
	address := make(chan string, 1)
	cfg.OnListen = func(a string) { address <- a }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, cfg, service.Platform{
			Workspace: testWorkspace(), Identifiers: identifier.DefaultConfig(), Kafka: client, Registry: registrytest.Client(t),
			Log: zap.New(core), Metrics: r.metrics, Ready: service.NewReadiness(),
		})
	}()
	r.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(30 * time.Second):
			return context.DeadlineExceeded
		}
	})
	select {
	case a := <-address:
		r.url = "http://" + a
	case err := <-ended:
		t.Fatalf("run: %v", err)
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	r.follow(client)
	return r
}

// follow gathers what reaches the topics.
func (r *running) follow(client *stream.Client) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for topic, into := range map[string]*[]*stream.Record{stream.Touchpoints: &r.arrived, stream.Rejected: &r.rejected} {
		group.Go(func() {
			err := client.Follow(ctx, topic, func(_ context.Context, records []*stream.Record) error {
				r.mu.Lock()
				defer r.mu.Unlock()
				*into = append(*into, records...)
				return nil
			})
			if err != nil && ctx.Err() == nil {
				r.t.Errorf("follow %s: %v", topic, err)
			}
		})
	}
	r.t.Cleanup(func() { cancel(); group.Wait() })
}

// send posts a body with a write key as Basic authentication and returns status and answer.
func (r *running) send(path, key, body string, headers ...string) (int, string) {
	r.t.Helper()
	status, answer, _ := r.request(http.MethodPost, path, key, strings.NewReader(body), headers...)
	return status, answer
}

func (r *running) request(method, path, key string, body io.Reader, headers ...string) (int, string, http.Header) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, r.url+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	if key != "" {
		req.SetBasicAuth(key, "")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatalf("%s %s: read answer: %v", method, path, err)
	}
	return res.StatusCode, string(answer), res.Header
}

// eventually polls until ok, at most ten seconds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: not within ten seconds", what)
		}
	}
}

// touchpoints waits for n touchpoints and returns all that came.
func (r *running) touchpoints(n int) []schemas.Touchpoint {
	r.t.Helper()
	eventually(r.t, "touchpoints", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.arrived) >= n })
	r.mu.Lock()
	defer r.mu.Unlock()
	decoder, err := schemas.NewDecoder(schemas.TouchpointSchema())
	if err != nil {
		r.t.Fatal(err)
	}
	var all []schemas.Touchpoint
	for _, record := range r.arrived {
		_, body, err := schemas.SplitHeader(record.Value)
		if err != nil {
			r.t.Fatal(err)
		}
		var enriched schemas.EnrichedTouchpoint
		if err := decoder.Decode(body, &enriched); err != nil {
			r.t.Fatal(err)
		}
		all = append(all, enriched.Touchpoint)
	}
	return all
}

// rejections waits for n rejections and returns all that came.
func (r *running) rejections(n int) []schemas.RejectedTouchpoint {
	r.t.Helper()
	eventually(r.t, "rejections", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.rejected) >= n })
	r.mu.Lock()
	defer r.mu.Unlock()
	decoder, err := schemas.NewRejectedDecoder(schemas.RejectedTouchpointSchema())
	if err != nil {
		r.t.Fatal(err)
	}
	var all []schemas.RejectedTouchpoint
	for _, record := range r.rejected {
		_, body, err := schemas.SplitHeader(record.Value)
		if err != nil {
			r.t.Fatal(err)
		}
		var one schemas.RejectedTouchpoint
		if err := decoder.Decode(body, &one); err != nil {
			r.t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// compact is JSON without white space, so that texts compare.
func compact(t testing.TB, text string) string {
	t.Helper()
	if text == "" {
		return ""
	}
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(text)); err != nil {
		t.Fatalf("%q is not JSON: %v", text, err)
	}
	return out.String()
}
