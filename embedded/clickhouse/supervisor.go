package clickhouse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Config is what the supervisor needs; the engine's part is handed on to the child.
type Config struct {
	Engine EngineConfig
	// Command starts the engine's process; it must end in RunChild. The default is this program with the argument
	// "engine".
	Command []string
	// PreferBinary runs a clickhouse program found on PATH instead of the library.
	PreferBinary bool
	// StartTimeout is how long the engine may take until it answers, at the first start and at each restart.
	StartTimeout time.Duration
	// Log receives the supervisor's messages and the engine's own output.
	Log *zap.Logger
}

// DefaultConfig returns the supervisor's defaults; Engine.DataDir has none.
func DefaultConfig() Config {
	return Config{Engine: DefaultEngineConfig(), PreferBinary: true, StartTimeout: time.Minute}
}

// Server is a running engine: one address for as long as it is open, whatever happens to the process behind it.
type Server struct {
	cfg      Config
	log      *zap.Logger
	backend  backend
	address  string
	cancel   context.CancelFunc
	done     chan struct{}
	restarts atomic.Int64
	ready    atomic.Bool

	mu    sync.Mutex
	child *process
	err   error
}

// backend is the kind of engine that is supervised. A process that it starts is ended by stop, not by ctx.
type backend interface {
	name() string
	address() string
	start(ctx context.Context) (*process, error)
	close() error
}

// Back-off between restarts: the first is almost at once, since most deaths are single ones.
const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 10 * time.Second
	// An engine that lived as long as this starts with the first back-off again.
	calm = time.Minute
)

// Start starts the engine and returns when it answers queries. It stops when ctx ends or Close is called.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if cfg.Engine.DataDir == "" {
		return nil, errors.New("start ClickHouse engine: no data directory given")
	}
	dir, err := filepath.Abs(cfg.Engine.DataDir)
	if err != nil {
		return nil, fmt.Errorf("start ClickHouse engine: data directory: %w", err)
	}
	cfg.Engine.DataDir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("start ClickHouse engine: create data directory: %w", err)
	}
	b, err := chooseBackend(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("start ClickHouse engine: %w", err)
	}
	s := &Server{cfg: cfg, log: cfg.Log, backend: b, address: b.address(), done: make(chan struct{})}
	ctx, s.cancel = context.WithCancel(ctx)
	started := make(chan error, 1)
	go s.supervise(ctx, started)
	if err := <-started; err != nil {
		s.cancel()
		<-s.done
		return nil, fmt.Errorf("start ClickHouse engine (%s) on %s: %w", b.name(), dir, err)
	}
	return s, nil
}

func chooseBackend(ctx context.Context, cfg Config) (backend, error) {
	if binary := LocateBinary(); binary != "" && cfg.PreferBinary && cfg.Engine.Lib == "" && os.Getenv(LibEnv) == "" {
		return newBinaryBackend(ctx, binary, cfg)
	}
	lib, err := LocateLibrary(cfg.Engine.Lib)
	if err != nil {
		return nil, err
	}
	cfg.Engine.Lib = lib
	return newLibraryBackend(ctx, cfg)
}

// Addr is the address of the HTTP interface, host:port.
func (s *Server) Addr() string { return s.address }

// Backend says what runs: "libchdb" or "clickhouse", with its path.
func (s *Server) Backend() string { return s.backend.name() }

// Restarts counts how often the engine's process was replaced.
func (s *Server) Restarts() int { return int(s.restarts.Load()) }

// Ready says whether the engine answered when it was asked last, after its start or restart.
func (s *Server) Ready() bool { return s.ready.Load() }

// PID is the engine's present process, 0 between two of them.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child == nil {
		return 0
	}
	return s.child.cmd.Process.Pid
}

// Done is closed when the engine is stopped for good.
func (s *Server) Done() <-chan struct{} { return s.done }

// Close stops the engine, first gently, and waits until its process is gone.
func (s *Server) Close() error {
	s.cancel()
	<-s.done
	return s.err
}

// supervise runs one process after another until ctx ends. started gets one value.
func (s *Server) supervise(ctx context.Context, started chan<- error) {
	defer close(s.done)
	defer func() { s.err = errors.Join(s.err, s.backend.close()) }()
	wasReady, err := s.runOnce(ctx, func() { started <- nil })
	if !wasReady {
		started <- cmp.Or(err, ctx.Err(), errors.New("the process ended before it answered"))
		return
	}
	backoff := firstBackoff
	for ctx.Err() == nil {
		restarts := s.restarts.Add(1)
		s.log.Warn("engine died and is restarted", zap.Error(err), zap.Duration("after", backoff), zap.Int64("restarts", restarts))
		timer := time.NewTimer(backoff)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		begun := time.Now()
		_, err = s.runOnce(ctx, func() {})
		backoff = min(2*backoff, lastBackoff)
		if time.Since(begun) > calm {
			backoff = firstBackoff
		}
	}
	s.err = err
}

// runOnce lives through one process: start, wait until it answers, wait until it ends or has to.
func (s *Server) runOnce(ctx context.Context, onReady func()) (wasReady bool, err error) {
	child, err := s.backend.start(context.WithoutCancel(ctx))
	if err != nil {
		return false, err
	}
	s.setChild(child)
	defer s.setChild(nil)
	readyCtx, cancel := context.WithTimeout(ctx, s.cfg.StartTimeout)
	defer cancel()
	if err := waitReady(readyCtx, s.address, s.cfg.Engine.Password, child.exited); err != nil {
		stopErr := child.stop(s.cfg.Engine.StopTimeout)
		if ctx.Err() != nil {
			return false, stopErr
		}
		return false, errors.Join(err, stopErr, child.lastWords())
	}
	s.ready.Store(true)
	defer s.ready.Store(false)
	onReady()
	select {
	case <-child.exited:
		return true, errors.Join(fmt.Errorf("engine process ended: %w", cmp.Or(child.err, errors.New("exit status 0"))), child.lastWords())
	case <-ctx.Done():
		return true, child.stop(s.cfg.Engine.StopTimeout)
	}
}

func (s *Server) setChild(child *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.child = child
}

// waitReady asks /ping and then SELECT 1 until both answer, the process ends, or ctx does.
func waitReady(ctx context.Context, address, password string, exited <-chan struct{}) error {
	// The socket is ours and accepts while nobody serves it: a question asked of a process that ends is taken back.
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-exited:
			cancel()
		case <-asking.Done():
		}
	}()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var last error
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 250*time.Millisecond) {
		if last = ask(asking, client, "http://"+address+"/ping", password, "Ok.\n"); last == nil {
			if last = ask(asking, client, "http://"+address+"/?query=SELECT+1", password, "1\n"); last == nil {
				return nil
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-exited:
			timer.Stop()
			return errors.New("the engine's process ended before it answered")
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("wait for the engine's first answer: %w (last: %w)", ctx.Err(), last)
		case <-timer.C:
		}
	}
}

func ask(ctx context.Context, client *http.Client, url, password, want string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if password != "" {
		req.SetBasicAuth("default", password)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // Read to its end below.
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || string(body) != want {
		return fmt.Errorf("engine answers %s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.Engine = c.Engine.withDefaults()
	if c.StartTimeout <= 0 {
		c.StartTimeout = DefaultConfig().StartTimeout
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	return c
}
