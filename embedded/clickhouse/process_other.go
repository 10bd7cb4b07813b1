//go:build unix && !linux

package clickhouse

import (
	"os/exec"
	"syscall"
)

// apart puts the child into a process group of its own, so that Ctrl-C on a terminal reaches the parent alone, which
// stops the child last. The pipe on standard input ends the child with its parent.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
