package clickhouse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// libraryBackend runs libchdb in a child that inherits our listening socket: the port stays ours while the child is
// replaced, and clients that connect meanwhile wait for the next one.
type libraryBackend struct {
	cfg      Config
	listener *net.TCPListener
	socket   *os.File
}

func newLibraryBackend(ctx context.Context, cfg Config) (*libraryBackend, error) {
	l, err := listen(ctx, cfg.Engine.Listen)
	if err != nil {
		return nil, err
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("listen on %s: not a TCP address", cfg.Engine.Listen), l.Close())
	}
	socket, err := tcp.File()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("share the listening socket: %w", err), l.Close())
	}
	return &libraryBackend{cfg: cfg, listener: tcp, socket: socket}, nil
}

func (b *libraryBackend) name() string { return "libchdb " + b.cfg.Engine.Lib }

func (b *libraryBackend) address() string { return b.listener.Addr().String() }

func (b *libraryBackend) close() error { return errors.Join(b.socket.Close(), b.listener.Close()) }

func (b *libraryBackend) start(ctx context.Context) (*process, error) {
	command := b.cfg.Command
	if len(command) == 0 {
		exe, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program to run the engine with: %w", err)
		}
		command = []string{exe, "engine"}
	}
	config, err := json.Marshal(b.cfg.Engine)
	if err != nil {
		return nil, fmt.Errorf("encode the engine's configuration: %w", err)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), childEnv+"="+string(config))
	cmd.ExtraFiles = []*os.File{b.socket} // becomes listenerFD
	return launch(cmd, b.cfg.Log)
}

// portPatience is how long an address that is taken is asked for again: the child of a supervisor that was killed
// holds it for a moment longer.
const portPatience = 2 * time.Second

func listen(ctx context.Context, address string) (net.Listener, error) {
	ctx, stop := context.WithTimeout(ctx, portPatience)
	defer stop()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", address)
		if err == nil {
			return l, nil
		}
		select {
		case <-ticker.C:
			if errors.Is(err, syscall.EADDRINUSE) {
				continue
			}
		case <-ctx.Done():
		}
		return nil, fmt.Errorf("listen on %s: %w; choose another address or stop what listens there", address, err)
	}
}
