// Package backend gives end-to-end tests the Kafka, the schema registry and the ClickHouse that they run on, of the kind
// which the environment asks for:
//
//	PARCOURS_TEST_KAFKA       embedded (default), process (the real Apache Kafka of `make setup-kafka`), container, or host:port,...
//	PARCOURS_TEST_CLICKHOUSE  embedded (default), container, or host:port of an HTTP interface
//	PARCOURS_TEST_REGISTRY    embedded (default), or a URL
//
// Everything ends with the test that asked for it. Each test logs what it was given; PARCOURS_TEST_REPORT names a file
// that gathers the same lines for a whole run. What is not there skips the test with the reason, or fails it when
// PARCOURS_REQUIRE_KAFKA (the process kind), PARCOURS_REQUIRE_ENGINE or PARCOURS_REQUIRE_CONTAINERS is 1.
package backend

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap/zaptest"

	"github.com/parcours-cdp/parcours/embedded/broker"
	"github.com/parcours-cdp/parcours/embedded/kafkanode"
	"github.com/parcours-cdp/parcours/embedded/schemaregistry"
)

// The environment variables of this package.
const (
	KafkaEnv    = "PARCOURS_TEST_KAFKA"
	RegistryEnv = "PARCOURS_TEST_REGISTRY"
	// RequireKafkaEnv and RequireContainersEnv set to 1 make a missing backend of the process or the container kind a
	// failure instead of a skip, as CI wants it.
	RequireKafkaEnv      = "PARCOURS_REQUIRE_KAFKA"
	RequireContainersEnv = "PARCOURS_REQUIRE_CONTAINERS"
	// WipeEnv set to 1 allows a test to delete the topics of Parcours on a broker, and its database on a ClickHouse, that
	// it did not start.
	WipeEnv = "PARCOURS_TEST_WIPE"
	// ReportEnv names a file to which each test appends a line with its backends.
	ReportEnv = "PARCOURS_TEST_REPORT"
)

// Kinds of backends.
const (
	Embedded  = "embedded"
	Process   = "process"
	Container = "container"
	External  = "external"
)

// KafkaServer is a broker without topics.
type KafkaServer struct {
	Brokers []string
	Kind    string
}

// Kafka gives the test a broker of its own, of the kind that PARCOURS_TEST_KAFKA names. An external one is shared
// with whoever else uses it: see WipeEnv.
func Kafka(t testing.TB) KafkaServer {
	t.Helper()
	switch kind := os.Getenv(KafkaEnv); kind {
	case "", Embedded:
		return used(t, "kafka", Embedded+" kfake", KafkaServer{embeddedKafka(t), Embedded})
	case Process:
		return used(t, "kafka", Process+" Apache Kafka", KafkaServer{processKafka(t), Process})
	case Container:
		return used(t, "kafka", Container+" "+KafkaImage, KafkaServer{containerKafka(t), Container})
	default:
		brokers := strings.Split(kind, ",")
		for _, address := range brokers {
			if !strings.Contains(address, ":") {
				t.Fatalf("%s is %q: use embedded, process, container or host:port", KafkaEnv, kind)
			}
		}
		wipeKafka(t, brokers)
		return used(t, "kafka", External+" "+kind, KafkaServer{brokers, External})
	}
}

// Registry gives the test the URL of a schema registry.
func Registry(t testing.TB) string {
	t.Helper()
	switch kind := os.Getenv(RegistryEnv); kind {
	case "", Embedded:
		registry, err := schemaregistry.Open("")
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(registry)
		t.Cleanup(func() {
			server.Close()
			if err := registry.Close(); err != nil {
				t.Error(err)
			}
		})
		return used(t, "registry", Embedded, server.URL)
	default:
		if !strings.HasPrefix(kind, "http") {
			t.Fatalf("%s is %q: use embedded or a URL", RegistryEnv, kind)
		}
		return used(t, "registry", External+" "+kind, strings.TrimSuffix(kind, "/"))
	}
}

func embeddedKafka(t testing.TB) []string {
	t.Helper()
	node, err := broker.Start(t.Context(), broker.Config{DataDir: t.TempDir(), Listen: "127.0.0.1:0"}, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Close)
	return []string{node.Addr()}
}

func processKafka(t testing.TB) []string {
	t.Helper()
	node := StartKafkaProcess(t, t.TempDir())
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	})
	return []string{node.Addr()}
}

// StartKafkaProcess runs the real Apache Kafka on a data directory, for tests that stop and start it themselves; they
// close the node. Without its jars or Java the test is skipped, or fails when PARCOURS_REQUIRE_KAFKA=1.
func StartKafkaProcess(t testing.TB, dataDir string) *kafkanode.Node {
	t.Helper()
	jars, err := kafkanode.Locate()
	if err != nil {
		missing(t, RequireKafkaEnv, err.Error())
	}
	node, err := kafkanode.Start(t.Context(), kafkanode.Config{
		Jars: jars, DataDir: filepath.Clean(dataDir), Listen: "127.0.0.1:0", Log: testLog{t},
	})
	if err != nil {
		t.Fatal(err)
	}
	return node
}

// missing skips the test for want of a backend, or fails it when the environment requires that backend.
func missing(t testing.TB, requireEnv, reason string) {
	t.Helper()
	if os.Getenv(requireEnv) == "1" {
		t.Fatalf("%s, and %s=1 requires it", reason, requireEnv)
	}
	t.Skip(reason)
}

// used reports which backend a test got and passes it on.
func used[B any](t testing.TB, what, which string, it B) B {
	t.Helper()
	t.Logf("backend: %s %s", what, which)
	name := os.Getenv(ReportEnv)
	if name == "" {
		return it
	}
	report, err := os.OpenFile(filepath.Clean(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatalf("open the report that %s names: %v", ReportEnv, err)
	}
	_, err = fmt.Fprintf(report, "%s %s\n", what, which)
	if closing := report.Close(); err != nil || closing != nil {
		t.Fatalf("write the report that %s names: %v %v", ReportEnv, err, closing)
	}
	return it
}

// testLog hands a process's output to the test's log.
type testLog struct{ t testing.TB }

// Write implements io.Writer.
func (l testLog) Write(line []byte) (int, error) {
	l.t.Log(strings.TrimRight(string(line), "\n"))
	return len(line), nil
}
