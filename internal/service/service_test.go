package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func common(t *testing.T) service.Common {
	t.Helper()
	c := service.DefaultCommon("127.0.0.1:0")
	c.Kafka = streamtest.Config(streamtest.Broker(t))
	c.Registry.URL = registrytest.Serve(t)
	c.Workspace.HashKey = strings.Repeat("ab", 32)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

// get asks the host's admin listener.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	var network net.ListenConfig
	listener, err := network.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// A service that fails is started again, with the same metrics and without being ready in between.
func TestSuperviseStartsAFailedServiceAgain(t *testing.T) {
	c := common(t)
	host := service.NewHost(zaptest.NewLogger(t))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	listener := listen(t)
	served := make(chan error, 1)
	go func() { served <- host.Serve(ctx, listener, "") }()
	url := "http://" + listener.Addr().String()

	host.Expect("tester")
	if code, body := get(t, url+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "tester.start") {
		t.Errorf("/readyz answered %d %s before the service was started", code, body)
	}

	second, warm := make(chan struct{}), make(chan struct{})
	starts := 0
	ended := make(chan error, 1)
	go func() {
		ended <- host.Supervise(ctx, "tester", c, func(ctx context.Context, p service.Platform) error {
			counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "parcours_tester_total", Help: "Test."})
			p.Metrics.MustRegister(counter)
			counter.Inc()
			if starts++; starts == 1 {
				return errors.New("broken once")
			}
			p.Ready.Set("work", false, "warming up")
			close(second)
			<-warm
			p.Ready.Set("work", true, "")
			warm <- struct{}{}
			<-ctx.Done()
			return nil
		})
	}()
	<-second
	if code, body := get(t, url+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "tester.work: warming up") {
		t.Errorf("/readyz answered %d %s while a part is warming up", code, body)
	}
	warm <- struct{}{}
	<-warm
	code, body := get(t, url+"/readyz")
	var answer map[string]any
	if err := json.Unmarshal([]byte(body), &answer); err != nil || code != http.StatusOK {
		t.Errorf("/readyz answered %d %s, want 200 and JSON", code, body)
	}
	if code, _ := get(t, url+"/healthz"); code != http.StatusOK {
		t.Errorf("/healthz answered %d", code)
	}
	code, metrics := get(t, url+"/metrics")
	for _, want := range []string{`parcours_service_restarts_total{service="tester"} 1`, `parcours_tester_total{service="tester"} 1`} {
		if code != http.StatusOK || !strings.Contains(metrics, want) {
			t.Errorf("/metrics answered %d without %s", code, want)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Supervise returned %v after a stop", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v after a stop", err)
	}
}

func TestCommonNamesWhatIsWrong(t *testing.T) {
	f := func(change func(*service.Common), want string) {
		t.Helper()
		c := service.DefaultCommon("127.0.0.1:0")
		c.Workspace.HashKey = strings.Repeat("ab", 32)
		if err := c.Validate(); err != nil {
			t.Fatalf("the defaults are refused: %v", err)
		}
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one that names %s", err, want)
		}
	}
	f(func(c *service.Common) { c.Workspace.Name = "Été" }, "workspace.name")
	f(func(c *service.Common) { c.Workspace.Currency = "euro" }, "workspace.currency")
	f(func(c *service.Common) { c.Workspace.Timezone = "Paris" }, "workspace.timezone")
	f(func(c *service.Common) { c.Workspace.Region = "France" }, "workspace.region")
	f(func(c *service.Common) { c.Workspace.HashKey = "" }, "workspace.hash_key")
	f(func(c *service.Common) { c.Workspace.HashKey = "abcd" }, "workspace.hash_key")
	f(func(c *service.Common) { c.Identifiers.PhoneCache = -1 }, "identifiers.phone_cache")
	f(func(c *service.Common) { c.Kafka.Brokers = nil }, "kafka.brokers")
	f(func(c *service.Common) { c.Kafka.Compression = "rar" }, "kafka.compression")
	f(func(c *service.Common) { c.Kafka.SASL = "gssapi" }, "kafka.sasl")
	f(func(c *service.Common) { c.Registry.URL = "localhost" }, "registry.url")
	f(func(c *service.Common) { c.Log.Level = "loud" }, "log.level")
	f(func(c *service.Common) { c.Admin.Listen = "9600" }, "admin.listen")
	f(func(c *service.Common) { c.Admin.Token = "fifteen-letters" }, "admin.token")
	f(func(c *service.Common) { c.Admin.Token = "sixteen letters and spaces" }, "admin.token")
	f(func(c *service.Common) { c.Admin.Token = "sixteen-létters-and-marks" }, "admin.token")
}

// A part that works with less than it should is ready, and says what it lacks.
func TestNotesAreToldOfWhatIsReady(t *testing.T) {
	r := service.NewReadiness()
	r.Set("data", true, "")
	if notes := r.Notes(); len(notes) > 0 {
		t.Errorf("notes %v, want none", notes)
	}
	r.Set("data", true, "a file is refused")
	r.Set("work", false, "warming up")
	if notes := r.Notes(); len(notes) != 1 || notes[0] != "data: a file is refused" {
		t.Errorf("notes %v, want that of the data only", notes)
	}
	if waiting := r.Waiting(); len(waiting) != 1 {
		t.Errorf("waiting for %v, want the work only", waiting)
	}
}
