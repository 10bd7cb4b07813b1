// Package kafkanode runs one node of the real Apache Kafka for tests: the broker's jars in a Java process, KRaft mode,
// no container. `make setup-kafka` fetches the jars.
//
// Start returns when the node answers clients; it dies with this process, however that ends. Whoever started it closes
// it.
package kafkanode

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Config says which Kafka runs, and where.
type Config struct {
	// Jars is the folder of the broker's jars.
	Jars string
	// DataDir keeps the log and the node's settings; a node that is started on it again has its topics.
	DataDir string
	// Listen is host:port of the clients' listener; port 0 takes a free one.
	Listen string
	// Log receives the node's own lines; nil drops them.
	Log io.Writer
	// StartTimeout is how long the node may take until it answers; 0 means a minute.
	StartTimeout time.Duration
}

// ErrNoJars says that Kafka has not been fetched, ErrNoJava that there is no Java to run it, ErrInUse that another node
// runs on the data directory: two would corrupt it before Kafka's own lock stops the second.
var (
	ErrNoJars = errors.New("no Apache Kafka jars")
	ErrNoJava = errors.New("no Java")
	ErrInUse  = errors.New("another node runs on this directory")
)

// Node is a running Kafka node.
type Node struct {
	addr string
	cmd  *exec.Cmd
	// lock on the data directory, freed when the process is gone.
	lock *os.File
	// ended is closed when the process is gone; err, read after that, says how it went.
	ended chan struct{}
	err   error
	// stopping tells an end that was asked for from a crash.
	stopping sync.Once
}

const (
	startTimeout = time.Minute
	stopTimeout  = 20 * time.Second
	// A port found free may be taken before Java binds it.
	attempts = 3
	tailSize = 40
)

// Start formats DataDir when it is new, runs the node and waits until it answers.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	if !hasKafka(cfg.Jars) {
		return nil, fmt.Errorf("start Apache Kafka: %w in %q: run `make setup-kafka`", ErrNoJars, cfg.Jars)
	}
	if _, err := exec.LookPath("java"); err != nil {
		return nil, fmt.Errorf("start Apache Kafka: %w on PATH: install a JRE of version 17 or later", ErrNoJava)
	}
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("start Apache Kafka: listen address %q: give host:port", cfg.Listen)
	}
	if cfg.Log == nil {
		cfg.Log = io.Discard
	}
	if cfg.StartTimeout == 0 {
		cfg.StartTimeout = startTimeout
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("start Apache Kafka: %w", err)
	}
	for attempt := 1; ; attempt++ {
		lock, err := lockDir(cfg.DataDir)
		if err != nil {
			return nil, fmt.Errorf("start Apache Kafka in %s: %w", cfg.DataDir, err)
		}
		node, err := start(ctx, cfg, lock, net.JoinHostPort(host, port))
		if err == nil {
			return node, nil
		}
		if attempt == attempts || !errors.Is(err, errTaken) {
			return nil, fmt.Errorf("start Apache Kafka on %s: %w", cfg.Listen, err)
		}
	}
}

// errTaken says that somebody took a port between its choice and Java's bind.
var errTaken = errors.New("a port was taken")

// start owns the lock: the node frees it when it is gone, and so does a start that fails.
func start(ctx context.Context, cfg Config, lock *os.File, listen string) (node *Node, err error) {
	started := false
	defer func() {
		if !started {
			err = errors.Join(err, lock.Close())
		}
	}()
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, err
	}
	addresses, err := bindable(ctx, listen, net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, err
	}
	properties, logging := filepath.Join(cfg.DataDir, "server.properties"), filepath.Join(cfg.DataDir, "log4j2.properties")
	if err := os.WriteFile(properties, []byte(serverProperties(cfg.DataDir, addresses[0], addresses[1])), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(logging, []byte(loggingProperties), 0o600); err != nil {
		return nil, err
	}
	java := []string{
		"-Xms256m", "-Xmx768m", "-XX:+UseSerialGC", "-Djava.awt.headless=true",
		"-Dlog4j2.configurationFile=" + logging, "-cp", filepath.Join(cfg.Jars, "*"),
	}
	if _, err := os.Stat(filepath.Join(cfg.DataDir, "log", "meta.properties")); errors.Is(err, os.ErrNotExist) {
		if err := format(ctx, java, properties); err != nil {
			return nil, err
		}
	}
	node = &Node{addr: addresses[0], lock: lock, ended: make(chan struct{})}
	node.cmd = exec.Command("java", append(java, "kafka.Kafka", properties)...) //nolint:noctx // the node outlives the start's context; Close ends it
	started = true
	return node, node.run(ctx, cfg)
}

// format gives the directory its cluster and makes this node its only voter.
func format(ctx context.Context, java []string, properties string) error {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: see crypto/rand
	args := append(java[:len(java):len(java)], "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", "--standalone",
		"--cluster-id="+base64.RawURLEncoding.EncodeToString(id[:]), "--config", properties)
	out, err := exec.CommandContext(ctx, "java", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("format the log directory: %w: %s", err, out)
	}
	return nil
}

// run starts the process and returns when it answers, or with its last words.
func (n *Node) run(ctx context.Context, cfg Config) error {
	output, err := n.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	n.cmd.Stderr = n.cmd.Stdout
	detach(n.cmd)
	started, ready := make(chan error, 1), make(chan struct{})
	last := &tail{}
	go func() {
		// The kernel takes a child down with the thread that made it, so that thread must live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(n.ended)
		defer n.lock.Close() //nolint:errcheck // an empty file, only its lock mattered
		err := n.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		copyLines(output, cfg.Log, last, ready)
		n.err = n.cmd.Wait()
	}()
	if err := <-started; err != nil {
		return err
	}
	timeout := time.NewTimer(cfg.StartTimeout)
	defer timeout.Stop()
	select {
	case <-ready:
		return nil
	case <-n.ended:
		err = fmt.Errorf("it ended at once (%w); its last lines:\n%s", n.err, last)
		if strings.Contains(last.String(), "Address already in use") {
			err = errors.Join(errTaken, err)
		}
		return err
	case <-timeout.C:
		err = fmt.Errorf("it did not answer within %s; its last lines:\n%s", cfg.StartTimeout, last)
	case <-ctx.Done():
		err = ctx.Err()
	}
	return errors.Join(err, n.Close())
}

// Addr is the host:port that clients connect to.
func (n *Node) Addr() string { return n.addr }

// Done is closed when the node is gone, whether it was asked to or not.
func (n *Node) Done() <-chan struct{} { return n.ended }

// Close stops the node as an operator would, and kills it when that takes too long.
func (n *Node) Close() error {
	asked := false
	n.stopping.Do(func() { asked = true })
	if !asked {
		<-n.ended
		return nil
	}
	select {
	case <-n.ended:
		return fmt.Errorf("stop Apache Kafka: it was gone already: %w", n.err)
	default:
	}
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop Apache Kafka: %w", err)
	}
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-n.ended:
		return nil
	case <-timeout.C:
		err := n.cmd.Process.Kill()
		<-n.ended
		return errors.Join(fmt.Errorf("stop Apache Kafka: it was killed after %s", stopTimeout), err)
	}
}

// Kill ends the node as a power cut would, for tests of what survives that.
func (n *Node) Kill() error {
	n.stopping.Do(func() {})
	if err := n.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill Apache Kafka: %w", err)
	}
	<-n.ended
	return nil
}

// copyLines hands on what the node prints until it ends, and closes ready at the line that says it answers.
func copyLines(from io.Reader, to io.Writer, last *tail, ready chan<- struct{}) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		last.add(line)
		_, _ = fmt.Fprintln(to, line) // the node must not stop because its log's reader did
		if ready != nil && strings.Contains(line, "Kafka Server started") {
			close(ready)
			ready = nil
		}
	}
	_, _ = io.Copy(io.Discard, from) // after a line beyond the buffer the pipe must still be drained
}

// tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == tailSize {
		t.lines = t.lines[1:]
	}
	t.lines = append(t.lines, line)
}

// String implements fmt.Stringer.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}

// bindable returns the addresses with port 0 replaced by a free one, and an error when one cannot be listened on. All
// are held until all are found, so that they differ.
func bindable(ctx context.Context, addresses ...string) ([]string, error) {
	var network net.ListenConfig
	found := make([]string, 0, len(addresses))
	for _, address := range addresses {
		listener, err := network.Listen(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		defer listener.Close() //nolint:errcheck // only its address was wanted
		found = append(found, listener.Addr().String())
	}
	return found, nil
}
