package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/cmd/parcours/simulate"
	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/internal/warehouse"
)

// binary builds the program under test once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "parcours-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "parcours")
	build := exec.Command("go", "build", "-o", path, "github.com/parcours-cdp/parcours/cmd/parcours")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build parcours: %w\n%s", err, output)
	}
	return path, nil
})

func program(t *testing.T) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// process is `parcours up` as a user runs it.
type process struct {
	up.Addresses
	command *exec.Cmd
	output  *lockedBuffer
	exited  chan error
}

type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// launch starts the program on a data folder and waits until it is ready.
func launch(t *testing.T, dataDir string, flags ...string) *process {
	t.Helper()
	addresses := filepath.Join(t.TempDir(), "addresses.json")
	args := append([]string{"up", "--data-dir", dataDir, "--ports", "auto", "--addr-file", addresses}, flags...)
	p := &process{command: exec.Command(program(t), args...), output: &lockedBuffer{}, exited: make(chan error, 1)}
	p.command.Stdout, p.command.Stderr = p.output, p.output
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.exited <- p.command.Wait() }()
	t.Cleanup(func() {
		// Already ended when the test did its work.
		_ = p.command.Process.Kill()
		if t.Failed() {
			t.Log(p.output.String())
		}
	})
	until(t, func() (string, bool) {
		select {
		case err := <-p.exited:
			t.Fatalf("parcours up ended before it was ready: %v\n%s", err, p.output)
		default:
		}
		var err error
		p.Addresses, err = up.ReadAddresses(addresses)
		return fmt.Sprintf("parcours up is not ready: %v\n%s", err, p.output), err == nil
	})
	return p
}

// end sends a signal to the process, or what Ctrl-C on a terminal and a service manager send to all of its group, and
// waits for the exit.
func (p *process) end(t *testing.T, signal syscall.Signal) error {
	t.Helper()
	to := p.command.Process.Pid
	if signal != syscall.SIGKILL {
		to = -to
	}
	if err := syscall.Kill(to, signal); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.exited:
		return err
	case <-time.After(patience):
		t.Fatalf("parcours up did not end within %s of %v\n%s", patience, signal, p.output)
		return nil
	}
}

// TestEndInMidLoad: whatever ends the process while events come in, everything that was acknowledged is in ClickHouse
// once it runs again.
func TestEndInMidLoad(t *testing.T) {
	enginetest.Start(t) // Skips where there is no engine.
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) { endInMidLoad(t, signal) })
	}
}

func endInMidLoad(t *testing.T, signal syscall.Signal) {
	dir := t.TempDir()
	first := launch(t, dir)
	_, port, err := net.SplitHostPort(first.Collector)
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	simulation, err := simulate.New(simulate.Config{Seed: 7, Customers: 600, Days: 3, Trouble: 1})
	if err != nil {
		t.Fatal(err)
	}
	var acknowledged atomic.Int64
	var ledger bytes.Buffer
	sent := make(chan error, 1)
	go func() {
		_, err := simulate.Send(ctx, simulation, simulate.Options{
			Target: "http://" + first.Collector, Ledger: &ledger,
			Progress: func(p simulate.Progress) { acknowledged.Store(p.Acknowledged) },
		})
		sent <- err
	}()
	until(t, func() (string, bool) {
		n := acknowledged.Load()
		return fmt.Sprintf("%d events are acknowledged", n), n > 2000
	})
	err = first.end(t, signal)
	if signal == syscall.SIGTERM && err != nil {
		t.Errorf("SIGTERM ended parcours up with %v, want exit code 0\n%s", err, first.output)
	}
	var exit *exec.ExitError
	if signal == syscall.SIGKILL && !errors.As(err, &exit) {
		t.Errorf("SIGKILL ended parcours up with %v", err)
	}
	select {
	case err := <-sent:
		t.Fatalf("the load ended before the kill, which then showed nothing: %v", err)
	default:
	}

	second := launch(t, dir, "--set", "collector.listen=127.0.0.1:"+port)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	want := make(map[string]bool)
	if err := simulate.ReadLedger(&ledger, func(line simulate.LedgerLine) error {
		if line.Status >= 200 && line.Status < 300 {
			want[line.Source+" "+line.MessageID] = true
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(want) < 5000 {
		t.Fatalf("only %d events were acknowledged", len(want))
	}
	db := database(t, warehouse.DefaultConfig(), second.ClickHouse)
	until(t, func() (string, bool) {
		lost := missingFrom(t, db, want)
		return fmt.Sprintf("%d of %d acknowledged events are not in ClickHouse, for example %v", len(lost), len(want), lost[:min(5, len(lost))]), len(lost) == 0
	})
	t.Logf("%d events acknowledged, all there after %v; %s rows", len(want), signal, query(t, db, "SELECT count() FROM parcours.events"))
	if strings.Contains(first.output.String(), "engine died") {
		t.Errorf("the engine ended before the services that write to it:\n%s", first.output)
	}
	if err := second.end(t, syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM at rest ended parcours up with %v\n%s", err, second.output)
	}
}

// missingFrom returns which of the events are neither stored nor quarantined.
func missingFrom(t *testing.T, db *warehouse.Warehouse, want map[string]bool) []string {
	t.Helper()
	stored := query(t, db, `SELECT DISTINCT source || ' ' || message_id FROM
		(SELECT source, message_id FROM parcours.events UNION ALL SELECT source, message_id FROM parcours.rejected_events)`)
	found := make(map[string]bool)
	for _, line := range strings.Split(stored, "\n") {
		found[line] = true
	}
	var lost []string
	for event := range want {
		if !found[event] {
			lost = append(lost, event)
		}
	}
	return lost
}

// TestSecondSignal: the first Ctrl-C waits for the requests in hand, a second one does not.
func TestSecondSignal(t *testing.T) {
	enginetest.Start(t) // Skips where there is no engine.
	p := launch(t, t.TempDir(), "--set", "collector.timeouts.read=10m", "--set", "collector.timeouts.stop=10m")
	var dialer net.Dialer
	connection, err := dialer.DialContext(t.Context(), "tcp", p.Collector)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := fmt.Fprintf(connection, "POST /v1/track HTTP/1.1\r\nHost: parcours\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	// "Continue" says that the collector waits for the body.
	if _, err := connection.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := p.command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	until(t, func() (string, bool) {
		probe, err := dialer.DialContext(t.Context(), "tcp", p.Collector)
		if err == nil {
			return "the collector takes connections after a signal", probe.Close() != nil
		}
		return "", true
	})
	select {
	case err := <-p.exited:
		t.Fatalf("parcours up ended with a request in hand: %v\n%s", err, p.output)
	default:
	}
	var exit *exec.ExitError
	if err := p.end(t, syscall.SIGINT); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Errorf("a second signal ended parcours up with %v, want an end by the signal", err)
	}
}
