package broker_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/embedded/broker"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
)

// kcat is a client of librdkafka, and so a second opinion on the protocol: the services all use another one.

// requireEnv set to 1 turns a missing tool into a failure.
const requireEnv = "PARCOURS_REQUIRE_TOOLS"

const patience = 30 * time.Second

// childEnv makes the test program a broker on the directory it names.
const childEnv = "PARCOURS_TEST_BROKER_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		b, err := broker.Start(context.Background(), broker.Config{DataDir: dir, Listen: "127.0.0.1:0", Sync: true}, zap.NewNop())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(b.Addr())
		bufio.NewReader(os.Stdin).ReadByte() //nolint:errcheck // The end of the input is the end of the parent.
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func lookKcat(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("kcat")
	if err != nil {
		if os.Getenv(requireEnv) == "1" {
			t.Fatalf("kcat is not installed and %s is 1: install the Debian package kcat", requireEnv)
		}
		t.Skip("kcat is not installed: install the Debian package kcat to run this test")
	}
	return path
}

// kcat runs the tool on a broker and returns what it printed.
func kcat(t *testing.T, address, input string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, lookKcat(t), append([]string{"-b", address}, args...)...)
	command.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	if err := command.Run(); err != nil {
		t.Fatalf("kcat %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

func lines(text string) []string {
	all := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if text == "" {
		all = nil
	}
	slices.Sort(all)
	return all
}

// consume reads a topic from its start to its end: partition, offset and value are left to the format.
func consume(t *testing.T, address, topic, format string) []string {
	t.Helper()
	return lines(kcat(t, address, "", "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", format+`\n`))
}

// consumeGroup reads what the group has not read yet, commits and leaves. The tool ends at the end of each partition.
func consumeGroup(t *testing.T, address, group, topic string) []string {
	t.Helper()
	return lines(kcat(t, address, "", "-X", "auto.offset.reset=earliest", "-X", "session.timeout.ms=6000", "-e", "-q", "-f", `%k=%s\n`, "-G", group, topic))
}

func start(t *testing.T, dir string) *broker.Broker {
	t.Helper()
	b, err := broker.Start(t.Context(), broker.Config{DataDir: dir, Listen: "127.0.0.1:0", Sync: true}, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// topics makes the topics of the pipeline, as the services do when they start.
func topics(t *testing.T, address string, partitions int, names ...string) *stream.Client {
	t.Helper()
	cfg := stream.DefaultConfig()
	cfg.Brokers, cfg.Partitions, cfg.ReplicationFactor = []string{address}, partitions, 1
	client, err := stream.Connect(cfg, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.EnsureTopics(t.Context(), names...); err != nil {
		t.Fatal(err)
	}
	return client
}

func same(t *testing.T, what string, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +kcat):\n%s", what, diff)
	}
}

func TestKcatListsMetadata(t *testing.T) {
	lookKcat(t)
	b := start(t, t.TempDir())
	topics(t, b.Addr(), 3, stream.Touchpoints)
	var metadata struct {
		Brokers []struct{ Name string }
		Topics  []struct {
			Topic      string
			Partitions []struct{ Leader int }
		}
	}
	if err := json.Unmarshal([]byte(kcat(t, b.Addr(), "", "-L", "-J")), &metadata); err != nil {
		t.Fatal(err)
	}
	if len(metadata.Brokers) != 1 || metadata.Brokers[0].Name != b.Addr() {
		t.Errorf("brokers %+v, want the one of %s", metadata.Brokers, b.Addr())
	}
	for _, topic := range metadata.Topics {
		if topic.Topic == stream.Touchpoints && len(topic.Partitions) == 3 {
			return
		}
	}
	t.Errorf("topics %+v, want %s with 3 partitions", metadata.Topics, stream.Touchpoints)
}

func TestKcatProducesAndConsumesKeysAndHeaders(t *testing.T) {
	lookKcat(t)
	b := start(t, t.TempDir())
	topics(t, b.Addr(), 3, stream.Touchpoints)
	kcat(t, b.Addr(), "a:one\nb:deux é\n", "-P", "-t", stream.Touchpoints, "-K:", "-H", "trace=1", "-H", "shop=Orléans", "-X", "acks=all")
	kcat(t, b.Addr(), "c:\n", "-P", "-t", stream.Touchpoints, "-K:", "-Z", "-X", "enable.idempotence=true")
	same(t, "records", []string{"a|1:a|3:one|trace=1,shop=Orléans", "b|1:b|7:deux é|trace=1,shop=Orléans", "c|1:c|-1:|"},
		consume(t, b.Addr(), stream.Touchpoints, `%k|%K:%k|%S:%s|%h`))
}

// The partition of a key is part of the contract: another client must find the events of a visitor where ours puts them.
func TestKeysMeetInOnePartitionWhoeverProduces(t *testing.T) {
	lookKcat(t)
	b := start(t, t.TempDir())
	client := topics(t, b.Addr(), 5, stream.Touchpoints)
	var input strings.Builder
	for i := range 40 {
		key := fmt.Sprintf("visitor-%d", i)
		if err := client.Produce(t.Context(), &stream.Record{Topic: stream.Touchpoints, Key: []byte(key), Value: []byte("v")}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&input, "%s:v\n", key)
	}
	kcat(t, b.Addr(), input.String(), "-P", "-t", stream.Touchpoints, "-K:", "-X", "topic.partitioner=murmur2_random")
	partitions := map[string][]string{}
	for _, line := range consume(t, b.Addr(), stream.Touchpoints, `%k %p`) {
		key, partition, _ := strings.Cut(line, " ")
		partitions[key] = append(partitions[key], partition)
	}
	if len(partitions) != 40 {
		t.Errorf("%d keys, want 40", len(partitions))
	}
	for key, seen := range partitions {
		if len(seen) != 2 || seen[0] != seen[1] {
			t.Errorf("key %s is in partitions %v", key, seen)
		}
	}
}

func TestKcatCompresses(t *testing.T) {
	lookKcat(t)
	b := start(t, t.TempDir())
	topics(t, b.Addr(), 1, stream.Touchpoints)
	var want []string
	for _, codec := range []string{"gzip", "snappy", "lz4", "zstd"} {
		value := codec + strings.Repeat(" parcours", 200)
		kcat(t, b.Addr(), value+"\n", "-P", "-t", stream.Touchpoints, "-z", codec)
		want = append(want, value)
	}
	slices.Sort(want)
	same(t, "records", want, consume(t, b.Addr(), stream.Touchpoints, `%s`))
}

func TestKcatConsumesInAGroupAndCommits(t *testing.T) {
	lookKcat(t)
	b := start(t, t.TempDir())
	client := topics(t, b.Addr(), 3, stream.Touchpoints)
	kcat(t, b.Addr(), "a:1\nb:2\nc:3\nd:4\n", "-P", "-t", stream.Touchpoints, "-K:")
	same(t, "first time", []string{"a=1", "b=2", "c=3", "d=4"}, consumeGroup(t, b.Addr(), "readers", stream.Touchpoints))
	committed, err := client.Committed(t.Context(), "readers", stream.Touchpoints)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, next := range committed {
		sum += next
	}
	if sum != 4 {
		t.Errorf("committed %v, want 4 records in all", committed)
	}
	same(t, "second time", nil, consumeGroup(t, b.Addr(), "readers", stream.Touchpoints))
	same(t, "another group", []string{"a=1", "b=2", "c=3", "d=4"}, consumeGroup(t, b.Addr(), "others", stream.Touchpoints))
	kcat(t, b.Addr(), "e:5\n", "-P", "-t", stream.Touchpoints, "-K:")
	same(t, "after one more", []string{"e=5"}, consumeGroup(t, b.Addr(), "readers", stream.Touchpoints))
}

func TestDataAndOffsetsAreThereAfterARestart(t *testing.T) {
	lookKcat(t)
	dir := t.TempDir()
	b := start(t, dir)
	topics(t, b.Addr(), 3, stream.Touchpoints)
	kcat(t, b.Addr(), "a:1\nb:2\n", "-P", "-t", stream.Touchpoints, "-K:", "-H", "trace=1")
	same(t, "before", []string{"a=1", "b=2"}, consumeGroup(t, b.Addr(), "readers", stream.Touchpoints))
	b.Close()

	b = start(t, dir)
	same(t, "records", []string{"a=1 trace=1", "b=2 trace=1"}, consume(t, b.Addr(), stream.Touchpoints, `%k=%s %h`))
	kcat(t, b.Addr(), "c:3\n", "-P", "-t", stream.Touchpoints, "-K:")
	same(t, "the group", []string{"c=3"}, consumeGroup(t, b.Addr(), "readers", stream.Touchpoints))
}

// What was acknowledged is there although the process had no time to close anything.
func TestAcknowledgedRecordsSurviveAKill(t *testing.T) {
	lookKcat(t)
	dir := t.TempDir()
	address, kill := startChild(t, dir)
	topics(t, address, 3, stream.Touchpoints)
	var input strings.Builder
	var want []string
	for i := range 500 {
		fmt.Fprintf(&input, "k%d:v%d\n", i, i)
		want = append(want, fmt.Sprintf("k%d=v%d", i, i))
	}
	kcat(t, address, input.String(), "-P", "-t", stream.Touchpoints, "-K:", "-X", "acks=all")
	read := consumeGroup(t, address, "readers", stream.Touchpoints)
	kill()

	b := start(t, dir)
	slices.Sort(want)
	same(t, "before the kill", want, read)
	same(t, "after the kill", want, consume(t, b.Addr(), stream.Touchpoints, `%k=%s`))
	same(t, "the group", nil, consumeGroup(t, b.Addr(), "readers", stream.Touchpoints))
}

// startChild runs a broker in a process of its own; kill ends it as a crash would.
func startChild(t *testing.T, dir string) (address string, kill func()) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), program)
	child.Env = append(os.Environ(), childEnv+"="+dir)
	child.Stderr = os.Stderr
	if _, err := child.StdinPipe(); err != nil { // Held open: the child ends with it.
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		if child.ProcessState == nil {
			child.Process.Kill() //nolint:errcheck // It may have ended by itself, which Wait tells.
			child.Wait()         //nolint:errcheck // A killed process is an error.
		}
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the broker's process did not start: %v", err)
	}
	return strings.TrimSpace(line), kill
}
