package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// LogConfig says how the log is written; it goes to standard error.
type LogConfig struct {
	// Level is debug, info, warn or error.
	Level string `koanf:"level"`
	// Format is json or console.
	Format string `koanf:"format"`
}

// Validate names the field that is wrong, its value and what to do.
func (c LogConfig) Validate() error {
	if _, err := zapcore.ParseLevel(c.Level); err != nil {
		return fmt.Errorf("log.level is %q: use debug, info, warn or error", c.Level)
	}
	if c.Format != "json" && c.Format != "console" {
		return fmt.Errorf("log.format is %q: use json or console", c.Format)
	}
	return nil
}

// Build makes the logger.
func (c LogConfig) Build() (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(c.Level)
	if err != nil {
		return nil, fmt.Errorf("log.level is %q: use debug, info, warn or error", c.Level)
	}
	conf := zap.NewProductionConfig()
	conf.Level = zap.NewAtomicLevelAt(level)
	conf.Encoding = c.Format
	conf.EncoderConfig.TimeKey = "time"
	conf.EncoderConfig.EncodeTime = zapcore.RFC3339TimeEncoder
	conf.DisableStacktrace = true
	conf.DisableCaller = true
	if c.Format == "console" {
		conf.EncoderConfig.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05")
		conf.EncoderConfig.EncodeLevel = zapcore.CapitalLevelEncoder
	}
	log, err := conf.Build()
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return log, nil
}

// Host is what a process has once, however many services run in it.
type Host struct {
	Log   *zap.Logger
	Ready *Readiness

	metrics  *gathering
	restarts *prometheus.CounterVec
	doors    *doors
}

// NewHost makes a host; nothing listens before Serve.
func NewHost(log *zap.Logger) *Host {
	h := &Host{
		Log:     log,
		Ready:   &Readiness{shared: &readiness{parts: make(map[string]part)}},
		metrics: newGathering(),
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parcours_service_restarts_total", Help: "Starts of a service after an error.",
		}, []string{"service"}),
	}
	h.doors = newDoors(log.Named("admin"), h.Ready)
	h.metrics.process.MustRegister(h.restarts, h.doors.refused, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return h
}

// Metrics is where parts of the process that are no service register their metrics.
func (h *Host) Metrics() prometheus.Registerer { return h.metrics.process }

// adminStopGrace lets a scrape in hand end.
const adminStopGrace = 2 * time.Second

// Serve answers on the admin listener until ctx ends, and closes it. The services' own paths are for whoever has the
// token; with an empty one, for nobody.
func (h *Host) Serve(ctx context.Context, listener net.Listener, token string) error {
	server := &http.Server{Handler: h.handler(token), ReadHeaderTimeout: 5 * time.Second}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), adminStopGrace)
		defer cancel()
		if err := server.Shutdown(grace); err != nil {
			h.Log.Warn("admin listener closed with requests in hand", zap.Error(err))
		}
	})
	err := server.Serve(listener)
	if !stop() {
		<-stopped
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve admin on %s: %w", listener.Addr(), err)
	}
	return nil
}

func (h *Host) handler(token string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", h.doors.behind(token))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		waiting := h.Ready.Waiting()
		if len(waiting) > 0 {
			answer(w, http.StatusServiceUnavailable, map[string]any{"status": "waiting", "waiting_for": waiting})
			return
		}
		ready := map[string]any{"status": "ready"}
		if notes := h.Ready.Notes(); len(notes) > 0 {
			ready["notes"] = notes
		}
		answer(w, http.StatusOK, ready)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The only error is a client that went away.
	_ = json.NewEncoder(w).Encode(body)
}

// Readiness is whether the parts of a process can do their work. It is safe for concurrent use.
type Readiness struct {
	prefix string
	shared *readiness
}

type readiness struct {
	mu    sync.Mutex
	parts map[string]part
}

type part struct {
	ready bool
	why   string
}

// NewReadiness makes one that belongs to no host, for tests of a service.
func NewReadiness() *Readiness {
	return &Readiness{shared: &readiness{parts: make(map[string]part)}}
}

// Set says whether a part is ready and, when it is not, what it waits for; a part that is ready may be noted to lack something. A service is starting until
// it reports its first ready part.
func (r *Readiness) Set(name string, ready bool, why string) {
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	r.shared.parts[r.prefix+name] = part{ready: ready, why: why}
	if ready {
		delete(r.shared.parts, r.prefix+starting)
	}
}

// starting is the part that a service waits for before it said anything itself.
const starting = "start"

// restart forgets what a service said of itself: it is starting again, or waits to.
func (r *Readiness) restart(why string) {
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	for name := range r.shared.parts {
		if strings.HasPrefix(name, r.prefix) {
			delete(r.shared.parts, name)
		}
	}
	r.shared.parts[r.prefix+starting] = part{why: why}
}

// Expect makes the host wait for services that have not started yet.
func (h *Host) Expect(services ...string) {
	for _, name := range services {
		h.Ready.part(name).restart("not started")
		h.doors.expect(name)
	}
}

// Waiting names the parts that are not ready and why, sorted; none means ready.
func (r *Readiness) Waiting() []string {
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	var waiting []string
	for name, p := range r.shared.parts {
		if !p.ready && strings.HasPrefix(name, r.prefix) {
			waiting = append(waiting, name+": "+p.why)
		}
	}
	slices.Sort(waiting)
	return waiting
}

// Notes names the parts that are ready and what they lack, sorted.
func (r *Readiness) Notes() []string {
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	var notes []string
	for name, p := range r.shared.parts {
		if p.ready && p.why != "" && strings.HasPrefix(name, r.prefix) {
			notes = append(notes, name+": "+p.why)
		}
	}
	slices.Sort(notes)
	return notes
}

func (r *Readiness) part(name string) *Readiness {
	return &Readiness{prefix: r.prefix + name + ".", shared: r.shared}
}

// gathering joins the metrics of the process with those of its services, each of which starts with a
// fresh registry whenever it is started again.
type gathering struct {
	process *prometheus.Registry

	mu       sync.Mutex
	services map[string]*prometheus.Registry
}

func newGathering() *gathering {
	return &gathering{process: prometheus.NewRegistry(), services: make(map[string]*prometheus.Registry)}
}

// open gives a service a registry of its own until done is called.
func (g *gathering) open(service string) (_ prometheus.Registerer, done func()) {
	registry := prometheus.NewRegistry()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.services[service] = registry
	return prometheus.WrapRegistererWith(prometheus.Labels{"service": service}, registry), func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.services[service] == registry {
			delete(g.services, service)
		}
	}
}

// Gather implements prometheus.Gatherer.
func (g *gathering) Gather() ([]*dto.MetricFamily, error) {
	g.mu.Lock()
	all := prometheus.Gatherers{g.process}
	for _, registry := range g.services {
		all = append(all, registry)
	}
	g.mu.Unlock()
	families, err := all.Gather()
	if err != nil {
		return families, fmt.Errorf("gather metrics: %w", err)
	}
	return families, nil
}
