//go:build !linux

package kafkanode

import (
	"os"
	"os/exec"
	"path/filepath"
)

// detach can only be asked for on Linux; elsewhere a killed test leaves its node behind.
func detach(*exec.Cmd) {}

// lockDir locks on Linux only; elsewhere one node a directory is the caller's duty.
func lockDir(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "node.lock"), os.O_CREATE|os.O_RDWR, 0o600)
}
