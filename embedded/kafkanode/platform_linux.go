package kafkanode

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// detach asks the kernel to kill the child when the thread that starts it is gone, and gives it a process group of its
// own: a Ctrl-C at the terminal is for this program, which then stops the node.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// lockDir takes the directory for one node; closing the file frees it, and so does the end of this process.
func lockDir(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, "node.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(ErrInUse, file.Close())
	}
	return file, nil
}
