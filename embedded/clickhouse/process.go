package clickhouse

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// process is the engine's child process.
type process struct {
	cmd    *exec.Cmd
	alive  io.Closer // the child's standard input: it ends with us, whatever ends us
	exited chan struct{}
	err    error // of its exit; read after exited is closed

	mu   sync.Mutex
	tail []string
}

// keptLines is how many of the child's last lines an error quotes.
const keptLines = 20

// launch starts the command so that it cannot outlive us: its standard input is a pipe that closes with this
// process, and on Linux the kernel kills it as well.
func launch(cmd *exec.Cmd, log *zap.Logger) (*process, error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start engine process: %w", err)
	}
	out, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start engine process: %w", err)
	}
	cmd.Stdout, cmd.Stderr = write, write
	apart(cmd)
	p := &process{cmd: cmd, alive: stdin, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel's death signal is bound to the thread that started the child, not to the process: this one
		// stays until the child is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		closeErr := write.Close()
		started <- errors.Join(err, closeErr)
		if err != nil {
			_ = out.Close() // Nothing was written to it.
			return
		}
		p.read(out, log)
		p.err = cmd.Wait()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start engine process %s: %w", cmd.Path, err)
	}
	return p, nil
}

// read passes the child's output on to the log until the child has ended.
func (p *process) read(out io.ReadCloser, log *zap.Logger) {
	lines := bufio.NewScanner(out)
	lines.Buffer(make([]byte, 0, 4096), 1<<20)
	for lines.Scan() {
		line := lines.Text()
		log.Info("engine output", zap.String("line", line))
		p.mu.Lock()
		if p.tail = append(p.tail, line); len(p.tail) > keptLines {
			p.tail = p.tail[1:]
		}
		p.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, out) // A line too long to log must not block the child.
	_ = out.Close()                 // Read to its end.
}

// lastWords quotes what the child said before it ended.
func (p *process) lastWords() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.tail) == 0 {
		return nil
	}
	return errors.New(strings.Join(p.tail, "\n"))
}

// stop ends the child with SIGTERM, and with SIGKILL when it has not ended in time.
func (p *process) stop(timeout time.Duration) error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // It may have ended already.
	_ = p.alive.Close()                       // The pipe has no content to lose.
	// The child bounds its own end by the same time, and needs a moment more to close its tables.
	timer := time.NewTimer(timeout + 5*time.Second)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("kill engine process %d: %w", p.cmd.Process.Pid, err)
		}
		<-p.exited
		return fmt.Errorf("stop engine process %d: it did not end within %s and was killed", p.cmd.Process.Pid, timeout+5*time.Second)
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGTERM {
			return nil // It had not come to install its handler yet.
		}
	}
	if p.err != nil {
		return fmt.Errorf("stop engine process: %w", p.err)
	}
	return nil
}
