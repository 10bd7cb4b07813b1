//go:build linux || darwin

package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// engine is the loaded library with its data directory open.
type engine struct {
	cfg      EngineConfig
	lib      *library
	anchor   *connection // keeps the engine running while no request has a connection
	settings map[string]bool
	version  string
	timezone string
	host     string
	slots    chan struct{}
	sessions *sessions
	log      *zap.Logger
	killing  sync.WaitGroup
}

// RunEngine loads the engine and serves ClickHouse's HTTP interface until ctx ends. It is meant for a process of
// its own: the library cannot be unloaded, and one process can open one data directory.
func RunEngine(ctx context.Context, cfg EngineConfig) error {
	cfg = cfg.withDefaults()
	// The engine's own threads write answers into pipes whose reader may be gone: that must be an error there, and
	// not the end of the process, which Go makes of SIGPIPE on a foreign thread.
	signal.Ignore(syscall.SIGPIPE)
	e, err := openEngine(ctx, cfg)
	if err != nil {
		return err
	}
	listener := cfg.Listener
	if listener == nil {
		var lc net.ListenConfig
		if listener, err = lc.Listen(ctx, "tcp", cfg.Listen); err != nil {
			return fmt.Errorf("listen for ClickHouse HTTP on %s: %w", cfg.Listen, err)
		}
	}
	// Requests are cancelled only when the time to end them by themselves is over.
	requests, cancelRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelRequests()
	server := &http.Server{
		Handler:           e,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    1 << 20,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ErrorLog:          zap.NewStdLog(e.log),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	reloads := make(chan struct{})
	reloadCtx, stopReloads := context.WithCancel(ctx)
	go func() {
		defer close(reloads)
		e.reloadDictionaries(reloadCtx)
	}()
	defer func() { stopReloads(); <-reloads }()
	e.log.Info("engine serves", zap.String("address", listener.Addr().String()), zap.String("version", e.version))
	select {
	case err = <-served:
		err = fmt.Errorf("serve ClickHouse HTTP: %w", err)
	case <-ctx.Done():
	}
	stopCtx, stop := context.WithTimeout(context.WithoutCancel(ctx), cfg.StopTimeout)
	defer stop()
	if server.Shutdown(stopCtx) != nil {
		// Queries are still running: cancel them, which ends their requests.
		cancelRequests()
		last, end := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer end()
		err = errors.Join(err, server.Shutdown(last))
	}
	if err == nil {
		e.close()
	}
	return err
}

func openEngine(ctx context.Context, cfg EngineConfig) (*engine, error) {
	path, err := LocateLibrary(cfg.Lib)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(cfg.DataDir)
	if err != nil || cfg.DataDir == "" {
		return nil, fmt.Errorf("open engine data directory %q: give a path", cfg.DataDir)
	}
	cfg.DataDir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create engine data directory: %w", err)
	}
	// The library reads a config.xml of the working directory; ours is empty of such.
	if err := os.Chdir(dir); err != nil {
		return nil, fmt.Errorf("enter engine data directory: %w", err)
	}
	lib, err := openLibrary(path)
	if err != nil {
		return nil, err
	}
	// A predecessor has its StopTimeout to end.
	waiting, stop := context.WithTimeout(ctx, cfg.StopTimeout+time.Second)
	defer stop()
	if err := awaitDirectory(waiting, dir); err != nil {
		return nil, err
	}
	e := &engine{cfg: cfg, lib: lib, slots: make(chan struct{}, cfg.MaxQueries), log: cfg.Log}
	e.sessions = newSessions()
	if e.anchor, err = connect(lib, append(e.serverArgs(), e.queryArgs()...)); err != nil {
		return nil, fmt.Errorf("open engine data directory %s: %w; its files may be of a newer engine or not readable", dir, err)
	}
	return e, e.learn()
}

// learn asks the engine once for what every answer needs.
func (e *engine) learn() error {
	facts, err := e.anchor.exec("SELECT version(), timezone(), hostName()")
	if err != nil {
		return err
	}
	parts := strings.Split(strings.TrimRight(facts, "\n"), "\t")
	if len(parts) != 3 {
		return fmt.Errorf("ask engine for its version: unexpected answer %q", facts)
	}
	e.version, e.timezone, e.host = parts[0], parts[1], parts[2]
	names, err := e.anchor.exec("SELECT name FROM system.settings")
	if err != nil {
		return err
	}
	e.settings = map[string]bool{}
	for name := range strings.Lines(names) {
		e.settings[strings.TrimRight(name, "\n")] = true
	}
	return nil
}

func (e *engine) close() {
	e.killing.Wait()
	e.sessions.closeAll()
	e.anchor.close()
}

// serverArgs configure the engine itself, for a small machine that does other work too: the pools follow the
// number of cores instead of a server's dozens of threads, caches are tens of megabytes instead of gigabytes, and
// the memory limit leaves room for the pipeline.
func (e *engine) serverArgs() []string {
	cores := runtime.NumCPU()
	merges := min(max(2, cores), 8)
	return append(e.baseArgs(),
		fmt.Sprintf("--max_server_memory_usage_to_ram_ratio=%.2f", e.cfg.MemoryRatio),
		"--cache_size_to_ram_max_ratio=0.1",
		"--mark_cache_size=67108864",
		"--uncompressed_cache_size=0",
		"--index_mark_cache_size=16777216",
		"--index_uncompressed_cache_size=0",
		"--mmap_cache_size=64",
		"--query_condition_cache_size=16777216",
		"--compiled_expression_cache_size=16777216",
		fmt.Sprintf("--background_pool_size=%d", merges),
		fmt.Sprintf("--background_schedule_pool_size=%d", 2*merges),
		"--background_move_pool_size=1",
		"--background_fetches_pool_size=1",
		"--background_common_pool_size=2",
		"--background_buffer_flush_schedule_pool_size=1",
		"--background_message_broker_schedule_pool_size=1",
		"--background_distributed_schedule_pool_size=1",
		"--tables_loader_foreground_pool_size=2",
		"--tables_loader_background_pool_size=2",
		"--max_thread_pool_free_size=16",
		"--max_io_thread_pool_free_size=0",
		"--memory_worker_period_ms=1000",
	)
}

// baseArgs say which engine a connection is to.
func (e *engine) baseArgs() []string {
	args := []string{"parcours-engine", "--path=" + e.cfg.DataDir}
	if e.cfg.ConfigFile != "" {
		args = append(args, "--config-file="+e.cfg.ConfigFile)
	}
	return args
}

// queryArgs are the defaults of every connection, which a request's own settings override.
func (e *engine) queryArgs() []string {
	return []string{
		// What clickhouse-local changes for its user is set back to a server's defaults.
		"--implicit_select=0",
		"--allow_introspection_functions=0",
		// An acknowledged INSERT is in its table: nothing waits in memory.
		"--async_insert=0",
		// No profiler signals in a process that Go's runtime shares.
		"--query_profiler_real_time_period_ns=0",
		"--query_profiler_cpu_time_period_ns=0",
	}
}

// connection opens a session with settings that the engine knows by name.
func (e *engine) connection(settings []setting) (*connection, error) {
	args := append(e.baseArgs(), e.queryArgs()...)
	for _, s := range settings {
		args = append(args, "--"+s.name+"="+s.value)
	}
	return connect(e.lib, args)
}

// kill cancels the query that carries a mark, until done is closed: it may not have reached the engine's list yet.
func (e *engine) kill(mark string, done <-chan struct{}) {
	c, err := e.connection(nil)
	if err != nil {
		e.log.Warn("cannot cancel a query of a client that left", zap.Error(err))
		return
	}
	defer c.close()
	wait := 5 * time.Millisecond
	for {
		if _, err := c.exec("KILL QUERY WHERE Settings['" + markSetting + "'] = '" + mark + "' ASYNC FORMAT Null"); err != nil {
			e.log.Warn("cannot cancel a query of a client that left", zap.Error(err))
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-done:
			timer.Stop()
			return
		case <-timer.C:
			wait = min(2*wait, time.Second)
		}
	}
}
