package sink

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// ledgerSinkEnv tells a process of the test binary that it is a sink of the ledger.
const ledgerSinkEnv = "PARCOURS_LEDGER_SINK"

// ledgerSink is what such a process is told.
type ledgerSink struct {
	Name       string
	Brokers    []string
	Registry   string
	ClickHouse string
	DataDir    string
	// Step and Occurrence say where the process kills itself; an empty step nowhere.
	Step       string
	Occurrence int64
}

// IsLedgerSink is for TestMain: whether this process is a sink and runs no tests.
func IsLedgerSink() bool { return os.Getenv(ledgerSinkEnv) != "" }

// RunLedgerSink runs the sink until SIGTERM, the end of the parent, or its own end at a step.
func RunLedgerSink() {
	if err := runLedgerSink(); err != nil {
		fmt.Fprintln(os.Stderr, "ledger sink:", err)
		os.Exit(1)
	}
}

func (l ledgerSink) config() Config {
	cfg := DefaultConfig()
	cfg.ClickHouse.Addresses = []string{l.ClickHouse}
	cfg.ClickHouse.Timeout = 4 * time.Second
	cfg.DataDir = l.DataDir
	cfg.BatchRecords, cfg.BatchWait = 40, 20*time.Millisecond
	cfg.RetryWait = 300 * time.Millisecond
	return cfg
}

func runLedgerSink() error {
	var l ledgerSink
	if err := json.Unmarshal([]byte(os.Getenv(ledgerSinkEnv)), &l); err != nil {
		return err
	}
	log, err := zap.NewDevelopment(zap.AddStacktrace(zap.DPanicLevel), zap.IncreaseLevel(zap.InfoLevel))
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
		os.Exit(1)
	}()
	metrics := prometheus.NewRegistry()
	kafka := streamtest.Config(l.Brokers)
	kafka.ClientID, kafka.StopGrace, kafka.RebalanceTimeout = l.Name, 2*time.Second, 6*time.Second
	client, err := stream.Connect(kafka, log, metrics)
	if err != nil {
		return err
	}
	defer client.Close()
	schemas := registry.DefaultConfig()
	schemas.URL = l.Registry
	reg, err := registry.New(schemas, log)
	if err != nil {
		return err
	}
	platform := service.Platform{
		Workspace: workspace.Config{Name: ledgerWorkspace, Currency: "EUR"},
		Kafka:     client, Registry: reg, Log: log, Metrics: metrics, Ready: service.NewHost(log).Ready,
	}
	var seen atomic.Int64
	return run(ctx, l.config(), platform, func(step string) error {
		if step == l.Step && seen.Add(1) == l.Occurrence {
			fmt.Println(killedAt + step)
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // nobody is left to hear of an error
			select {}
		}
		return nil
	})
}

const killedAt = "killed at "

// sinkLife is one process.
type sinkLife struct {
	command *exec.Cmd
	stdin   io.Closer
	log     *os.File
	killed  atomic.Pointer[string] // the step
	ended   chan struct{}
	err     error
}

// launch starts a sink; its log is appended to a file.
func (l ledgerSink) launch(logFile string) (*sinkLife, error) {
	told, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	life := &sinkLife{command: exec.Command(exe), ended: make(chan struct{})}
	life.command.Env = append(os.Environ(), ledgerSinkEnv+"="+string(told))
	if life.log, err = os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return nil, err
	}
	life.command.Stderr = life.log
	if life.stdin, err = life.command.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := life.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := life.command.Start(); err != nil {
		return nil, errors.Join(err, life.log.Close())
	}
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if step, killed := strings.CutPrefix(lines.Text(), killedAt); killed {
				life.killed.Store(&step)
			}
		}
		life.err = errors.Join(life.command.Wait(), life.log.Close())
		close(life.ended)
	}()
	return life, nil
}

// end asks the process to stop, and ends it when it does not.
func (s *sinkLife) end(within time.Duration) (gently bool) {
	// It may have ended by itself.
	_ = s.command.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-s.ended:
		return true
	case <-timer.C:
		_ = s.command.Process.Kill()
		<-s.ended
		return false
	}
}

// lastWords are the last lines of a log.
func lastWords(file string, lines int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}
