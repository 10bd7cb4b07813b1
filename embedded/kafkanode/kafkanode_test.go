package kafkanode_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parcours-cdp/parcours/embedded/backend"
	"github.com/parcours-cdp/parcours/embedded/kafkanode"
)

func TestStartSaysWhatIsMissing(t *testing.T) {
	_, err := kafkanode.Start(t.Context(), kafkanode.Config{Jars: t.TempDir(), DataDir: t.TempDir(), Listen: "127.0.0.1:0"})
	if !errors.Is(err, kafkanode.ErrNoJars) || !strings.Contains(err.Error(), "make setup-kafka") {
		t.Fatalf("want an error that says how to fetch Kafka: %v", err)
	}
	jars := t.TempDir()
	if err := os.WriteFile(filepath.Join(jars, "kafka_2.13-0.jar"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	_, err = kafkanode.Start(t.Context(), kafkanode.Config{Jars: jars, DataDir: t.TempDir(), Listen: "127.0.0.1:0"})
	if !errors.Is(err, kafkanode.ErrNoJava) {
		t.Fatalf("want an error that names Java: %v", err)
	}
}

// A node that cannot run is an error with the node's own last words, not a wait for the timeout.
func TestStartReturnsTheNodesLastWords(t *testing.T) {
	dir := t.TempDir()
	node := backend.StartKafkaProcess(t, dir)
	jars, err := kafkanode.Locate()
	if err != nil {
		t.Fatal(err)
	}
	_, err = kafkanode.Start(t.Context(), kafkanode.Config{Jars: jars, DataDir: dir, Listen: "127.0.0.1:0"})
	if err == nil || !strings.Contains(err.Error(), "lock") {
		t.Errorf("want the second node on a directory to fail on its lock: %v", err)
	}
	if err := node.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-node.Done():
	default:
		t.Error("the node is still there after Close")
	}
}
