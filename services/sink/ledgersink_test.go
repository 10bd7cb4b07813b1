package sink

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
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

// lives runs one sink after the other under one name, each killed at the next step of the queue, until ctx ends.
func (l *ledger) lives(ctx context.Context, name string, rng *rand.Rand) {
	folder, logFile := filepath.Join(l.dir, name), filepath.Join(l.dir, name+".log")
	failures := 0
	for life := 0; ctx.Err() == nil; life++ {
		if life > 0 && rng.IntN(4) == 0 {
			if err := os.RemoveAll(folder); err != nil {
				l.giveUp("remove the index: %v", err)
				return
			}
			l.count("index lost")
		}
		step := l.nextStep()
		told := ledgerSink{Name: name, Brokers: l.brokers, Registry: l.url, ClickHouse: l.wire.address, DataDir: folder, Step: step, Occurrence: 1 + rng.Int64N(4)}
		if strings.HasPrefix(step, "asked/") {
			told.Occurrence = 1
		}
		lived := time.Now()
		process, err := told.launch(logFile)
		if err != nil {
			l.giveUp("launch a sink: %v", err)
			return
		}
		longest := time.NewTimer(time.Duration(8+rng.IntN(6)) * time.Second)
		expired := longest.C
		if step == "" {
			expired = nil
		}
		select {
		case <-process.ended:
		case <-expired:
			process.end(6 * time.Second)
		case <-ctx.Done():
			process.end(15 * time.Second)
		}
		longest.Stop()
		killed := process.killed.Load()
		switch {
		case killed != nil:
			l.count(killedAt + *killed)
			failures = 0
			l.bury(name)
		case ctx.Err() != nil:
			return
		default:
			l.queue(step)
			if time.Since(lived) > 3*time.Second {
				failures = 0
			}
			l.count("ended without a kill")
			l.bury(name)
			if failures++; failures > 12 {
				l.giveUp("sink %s does not stay up: %v\n%s", name, process.err, lastWords(logFile, 12))
				return
			}
		}
	}
}

// bury lets the groups know that a member is gone, which they would find out after its session.
func (l *ledger) bury(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for group := range ledgerGroups {
		_, _ = streamtest.TryExpel(ctx, l.brokers, name, group) // or its session ends
	}
}

func (l *ledger) nextStep() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queued) == 0 {
		return ""
	}
	step := l.queued[0]
	l.queued = l.queued[1:]
	return step
}

func (l *ledger) queue(step string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if step != "" {
		l.queued = append(l.queued, step)
	}
}
