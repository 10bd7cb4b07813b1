package kafkanode

import (
	"os/exec"
	"syscall"
)

// detach asks the kernel to kill the child when the thread that starts it is gone, and gives it a process group of its
// own: a Ctrl-C at the terminal is for this program, which then stops the node.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
