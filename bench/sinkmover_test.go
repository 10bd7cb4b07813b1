package bench

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
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/services/sink"
)

// moverEnv tells a process of the test binary what to move into ClickHouse.
const moverEnv = "PARCOURS_BENCH_MOVER"

// mover is what brings events into ClickHouse, alone in a process of its own, so that its processor time and memory are
// its own: broker, registry and engine are elsewhere.
type mover struct {
	Kind       string
	Brokers    []string
	Registry   string
	ClickHouse string
	DataDir    string
	// Blocks are files of ready blocks, and Columns the names of theirs.
	Blocks  []string
	Columns []string
}

const (
	kindSink  = "sink"
	kindReady = "ready blocks"
	kindLoop  = "goavro loop"
)

// runMover works until SIGTERM or the end of the parent.
func runMover(told string) error {
	var m mover
	if err := json.Unmarshal([]byte(told), &m); err != nil {
		return fmt.Errorf("read %s: %w", moverEnv, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if m.Kind == kindReady {
		return m.ready(ctx, os.Stdin, os.Stdout)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
		stop()
	}()
	kafka, err := stream.Connect(moverKafka(m.Brokers), zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer kafka.Close()
	conf := registry.DefaultConfig()
	conf.URL = m.Registry
	reg, err := registry.New(conf, zap.NewNop())
	if err != nil {
		return err
	}
	if m.Kind == kindLoop {
		return m.loop(ctx, kafka, reg)
	}
	return sink.RunAlone(ctx, m.sink(), service.Platform{
		Workspace: workspace.DefaultConfig(), Kafka: kafka, Registry: reg,
		Log: zap.NewNop(), Metrics: prometheus.NewRegistry(), Ready: service.NewHost(zap.NewNop()).Ready,
	})
}

func (m mover) sink() sink.Config {
	cfg := sink.DefaultConfig()
	cfg.ClickHouse.Addresses = []string{m.ClickHouse}
	cfg.DataDir = m.DataDir
	return cfg
}

// moverKafka has as many partitions as a topic has by default.
func moverKafka(brokers []string) stream.Config {
	cfg := streamtest.Config(brokers)
	cfg.Partitions = stream.DefaultConfig().Partitions
	return cfg
}

// ready sends blocks from memory, as many at once as the sink does, for each number of rows that a line asks for.
func (m mover) ready(ctx context.Context, orders io.Reader, done io.Writer) error {
	db, err := warehouse.Open(m.sink().ClickHouse)
	if err != nil {
		return err
	}
	if _, err := db.RequireSettings(ctx, "events"); err != nil {
		return err
	}
	blocks, err := readBlocks(m.Blocks)
	if err != nil {
		return err
	}
	fmt.Fprintln(done, "ready")
	lines := bufio.NewScanner(orders)
	for next := 0; lines.Scan(); {
		left, err := strconv.Atoi(lines.Text())
		if err != nil {
			return err
		}
		var group errgroup.Group
		group.SetLimit(m.sink().Inserts)
		for left > 0 {
			block := blocks[next%len(blocks)]
			next, left = next+1, left-block.rows
			group.Go(func() error { return db.InsertNative(ctx, "events", m.Columns, uuid.NewString(), block.body) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
		fmt.Fprintln(done, "done")
	}
	return errors.Join(lines.Err(), db.Close())
}

// readyBlock is a block in Native format.
type readyBlock struct {
	rows int
	body []byte
}

func readBlocks(files []string) (blocks []readyBlock, err error) {
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		rows, body, found := bytes.Cut(body, []byte("\n"))
		n, err := strconv.Atoi(string(rows))
		if err != nil || !found {
			return nil, fmt.Errorf("%s does not begin with its rows: %w", file, err)
		}
		blocks = append(blocks, readyBlock{n, body})
	}
	return blocks, nil
}

// moverProcess is a mover at work.
type moverProcess struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	lines   *bufio.Scanner
	words   bytes.Buffer // what it says of itself
}

func (m mover) start(b *testing.B) *moverProcess {
	b.Helper()
	told, err := json.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	command := exec.Command(exe)
	command.Env = append(os.Environ(), moverEnv+"="+string(told))
	return startProcess(b, command)
}

// startProcess ends the process with the benchmark, unless stop has.
func startProcess(b *testing.B, command *exec.Cmd) *moverProcess {
	b.Helper()
	p := &moverProcess{command: command}
	command.Stderr = &p.words
	var err error
	if p.stdin, err = command.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	p.lines = bufio.NewScanner(out)
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = command.Process.Kill() }) // ended by stop unless the benchmark failed
	return p
}

func (p *moverProcess) pid() int { return p.command.Process.Pid }

// answers waits for a line.
func (p *moverProcess) answers(b *testing.B, want string) {
	b.Helper()
	if !p.lines.Scan() || p.lines.Text() != want {
		b.Fatalf("the process said %q, want %q; %v\n%s", p.lines.Text(), want, p.command.Wait(), p.words.String())
	}
}

func (p *moverProcess) order(b *testing.B, line string) {
	b.Helper()
	if _, err := fmt.Fprintln(p.stdin, line); err != nil {
		b.Fatal(err)
	}
}

func (p *moverProcess) signal(b *testing.B, signal os.Signal) {
	b.Helper()
	if err := p.command.Process.Signal(signal); err != nil {
		b.Fatalf("%v\n%s", err, p.words.String())
	}
}

func (p *moverProcess) stop(b *testing.B) {
	b.Helper()
	if err := p.stdin.Close(); err != nil {
		b.Fatal(err)
	}
	p.signal(b, syscall.SIGTERM)
	defer time.AfterFunc(30*time.Second, func() { _ = p.command.Process.Kill() }).Stop() // it may just have ended
	if err := p.command.Wait(); err != nil {
		b.Logf("the process ended with %v\n%s", err, p.words.String())
	}
}
