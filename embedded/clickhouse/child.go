//go:build linux || darwin

package clickhouse

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// childEnv carries the engine's configuration from the supervisor to its child; the password stays out of argv.
const childEnv = "PARCOURS_ENGINE_CONFIG"

// listenerFD is the descriptor at which the child finds the supervisor's listening socket.
const listenerFD = 3

// IsChild says whether this process was started by a supervisor to run the engine.
func IsChild() bool { return os.Getenv(childEnv) != "" }

// RunChild is what the process started by a supervisor does: it runs the engine on the supervisor's socket until
// SIGTERM or SIGINT, or until the supervisor is gone, which it notices by the end of its standard input.
func RunChild(ctx context.Context, log *zap.Logger) error {
	var cfg EngineConfig
	if err := json.Unmarshal([]byte(os.Getenv(childEnv)), &cfg); err != nil {
		return fmt.Errorf("read %s: %w; this command is for the supervisor to start", childEnv, err)
	}
	// The engine needs no copy of the secret in its environment.
	if err := os.Unsetenv(childEnv); err != nil {
		return fmt.Errorf("clear %s: %w", childEnv, err)
	}
	file := os.NewFile(listenerFD, "listener")
	listener, err := net.FileListener(file)
	if err != nil {
		return fmt.Errorf("take over the listening socket: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("take over the listening socket: %w", err)
	}
	cfg.Listener, cfg.Log = listener, log
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // Nothing is ever written: this returns when the parent is gone.
		cancel()
		// An engine that hangs must not outlive its parent either.
		time.AfterFunc(cfg.withDefaults().StopTimeout+5*time.Second, func() {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // Nobody is left to hear of an error.
		})
	}()
	return RunEngine(ctx, cfg)
}
