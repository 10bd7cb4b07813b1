package kafkanode_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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

// Two nodes on one directory would corrupt it, so the second is refused before it touches anything.
func TestOneNodeADirectory(t *testing.T) {
	dir := t.TempDir()
	node := backend.StartKafkaProcess(t, dir)
	jars := locate(t)
	_, err := kafkanode.Start(t.Context(), kafkanode.Config{Jars: jars, DataDir: dir, Listen: "127.0.0.1:0"})
	if !errors.Is(err, kafkanode.ErrInUse) {
		t.Errorf("want %v: %v", kafkanode.ErrInUse, err)
	}
	_, err = kafkanode.Start(t.Context(), kafkanode.Config{Jars: jars, DataDir: t.TempDir(), Listen: node.Addr()})
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("want %v for a port that is taken: %v", syscall.EADDRINUSE, err)
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

// A node that cannot run is an error with the node's own last words, not a wait for the timeout.
func TestStartReturnsTheNodesLastWords(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "log"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "log", "meta.properties"), []byte("version=none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := kafkanode.Start(ctx, kafkanode.Config{Jars: locate(t), DataDir: dir, Listen: "127.0.0.1:0", StartTimeout: time.Hour})
	if err == nil || !strings.Contains(err.Error(), "meta.properties") {
		t.Fatalf("want an error that names the broken file: %v", err)
	}
}

// locate is for tests that need the jars and Java, and a node only later.
func locate(t *testing.T) string {
	t.Helper()
	jars, err := kafkanode.Locate()
	if err != nil {
		if os.Getenv(backend.RequireKafkaEnv) == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return jars
}
