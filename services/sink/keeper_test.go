package sink_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/embedded/enginetest"
	"github.com/parcours-cdp/parcours/services/sink"
)

// zookeeperJar is where Debian's package zookeeper has it, with all that it needs beside it.
const zookeeperJar = "/usr/share/java/zookeeper.jar"

// startKeeper runs an Apache ZooKeeper of the test's own and returns its port.
func startKeeper(t *testing.T) string {
	t.Helper()
	java, err := exec.LookPath("java")
	if _, missing := os.Stat(zookeeperJar); err != nil || missing != nil {
		if os.Getenv("PARCOURS_REQUIRE_KEEPER") == "1" {
			t.Fatalf("%v, and PARCOURS_REQUIRE_KEEPER=1 requires it: make test-keeper", errors.Join(err, missing))
		}
		t.Skip("no Apache ZooKeeper is installed: make test-keeper")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "zoo.cfg")
	text := "tickTime=2000\ndataDir=" + filepath.Join(dir, "data") + "\nclientPort=" + port + "\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	said, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	keeper := exec.CommandContext(ctx, java, "-cp", zookeeperJar, "org.apache.zookeeper.server.quorum.QuorumPeerMain", conf)
	keeper.Stdout, keeper.Stderr = said, said
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = keeper.Wait() // it was killed
		_ = said.Close()
	})
	var answer string
	poll(t, func() bool {
		answer, err = keeperSays("127.0.0.1:" + port)
		return strings.Contains(answer, "Mode: standalone")
	}, func() string {
		words, _ := os.ReadFile(said.Name())
		return fmt.Sprintf("zookeeper is not ready: %q, %v\n%s", answer, err, words)
	})
	return port
}

// keeperSays is the answer to one of its words of four letters: the port is open before it serves.
func keeperSays(address string) (string, error) {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return "", err
	}
	err = errors.Join(conn.SetDeadline(time.Now().Add(time.Second)), func() error { _, err := conn.Write([]byte("srvr")); return err }())
	answer, read := io.ReadAll(conn)
	return string(answer), errors.Join(err, read, conn.Close())
}

// TestClusterTablesAreMadeInKeeper runs what a cluster runs on the real engine and a real ZooKeeper, as one server of it: the
// replicas register themselves. Two things are left out, because the engine is no server: it takes no orders from others (ON
// CLUSTER), and replicas whose parts nobody could fetch stay read-only, so that nothing is altered or inserted.
func TestClusterTablesAreMadeInKeeper(t *testing.T) {
	port := startKeeper(t)
	config := filepath.Join(t.TempDir(), "config.xml")
	text := "<clickhouse><zookeeper><node><host>127.0.0.1</host><port>" + port + "</port></node></zookeeper><macros><shard>1</shard><replica>a</replica></macros>" +
		"<remote_servers><analytics><shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>9000</port></replica></shard></analytics></remote_servers></clickhouse>"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	server := engineWith(t, t.TempDir(), config)
	t.Cleanup(func() { _ = server.Close() }) // with replicas that never came up the engine's end is not a clean one
	enginetest.Exec(t, server.Addr(), "CREATE DATABASE parcours")
	cfg := sink.DefaultConfig().ClickHouse
	cfg.Addresses = []string{server.Addr()}
	db := open(t, cfg)
	cfg.Cluster = "analytics"
	rewritten := cfg.ClusterMigrations(sink.Migrations())
	files, err := fs.Glob(sink.Migrations(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	var want [][]string
	for _, name := range files {
		body, err := fs.ReadFile(rewritten, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range statementsOf(string(body)) {
			if strings.HasPrefix(statement, "ALTER") {
				continue
			}
			here := strings.ReplaceAll(statement, " ON CLUSTER 'analytics'", "")
			if here == statement {
				t.Errorf("%s: a statement is not for the whole cluster: %.60s", name, statement)
			}
			if err := db.Exec(t.Context(), here); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if rest, table := strings.CutPrefix(here, "CREATE TABLE IF NOT EXISTS parcours."); table {
				if whole, isLocal := strings.CutSuffix(strings.Fields(rest)[0], "_local"); isLocal {
					want = append(want, []string{whole + "_local", "/clickhouse/tables/1/parcours/" + whole, "a"})
				}
			}
		}
	}
	slices.SortFunc(want, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	if len(want) < 8 {
		t.Errorf("%d replicated tables were found in the migrations: the test is blind", len(want))
	}
	got, err := db.Query(t.Context(), "SELECT table, zookeeper_path, replica_name FROM system.replicas WHERE database = 'parcours' AND total_replicas = 1 ORDER BY table")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Rows); diff != "" {
		t.Errorf("replicas in Keeper (-want +got):\n%s", diff)
	}
	// Each has one that stands before all shards.
	fronts, err := db.Query(t.Context(), "SELECT count() FROM system.tables WHERE database = 'parcours' AND engine = 'Distributed' AND as_select = '' AND name || '_local' IN (SELECT table FROM system.replicas)")
	if err != nil {
		t.Fatal(err)
	}
	if fronts.Rows[0][0] != fmt.Sprint(len(want)) {
		t.Errorf("%s tables stand before the shards, want %d", fronts.Rows[0][0], len(want))
	}
}
