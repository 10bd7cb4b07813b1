//go:build linux || darwin

package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// awaitDirectory waits until no other engine has the data directory open: one whose supervisor was killed needs a
// moment to follow it. The engine's own lock (flock on its status file) is asked and left to the engine; the kernel
// drops it with its process, so a killed engine leaves none behind.
func awaitDirectory(ctx context.Context, dir string) error {
	file, err := os.OpenFile(filepath.Join(dir, "status"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the engine's lock: %w", err)
	}
	defer func() { _ = file.Close() }() // Nothing was written.
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("ask for the engine's lock in %s: %w", dir, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("open engine data directory %s: another engine is running on it; stop that one or choose another directory", dir)
		case <-ticker.C:
		}
	}
}
