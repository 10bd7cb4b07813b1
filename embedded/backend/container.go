package backend

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// Images of the container kind; docker-compose.yml runs the same, and a house rule holds the two together.
const (
	KafkaImage      = "apache/kafka:4.3.1"
	ClickHouseImage = "clickhouse/clickhouse-server:26.7"
)

const (
	kafkaPort      = "9092/tcp"
	clickhousePort = "8123/tcp"
	// containerTimeout is for a container whose image is there already.
	containerTimeout = 2 * time.Minute
	// starter waits in the container for what only its host knows: the address under which clients reach it.
	starter     = "/tmp/start.sh"
	kafkaScript = `#!/bin/sh
export KAFKA_ADVERTISED_LISTENERS=CLIENTS://%s,INTERNAL://127.0.0.1:19092
exec /etc/kafka/docker/run
`
)

func containerKafka(t testing.TB) []string {
	t.Helper()
	requireImage(t, KafkaImage)
	start := func(ctx context.Context, container testcontainers.Container) error {
		address, err := mapped(ctx, container, kafkaPort)
		if err != nil {
			return err
		}
		return container.CopyToContainer(ctx, fmt.Appendf(nil, kafkaScript, address), starter, 0o755)
	}
	container := runContainer(t, KafkaImage,
		testcontainers.WithExposedPorts(kafkaPort),
		testcontainers.WithEntrypoint("sh", "-c", "while [ ! -s "+starter+" ]; do sleep 0.1; done; exec sh "+starter),
		testcontainers.WithEnv(map[string]string{
			"KAFKA_NODE_ID":                                  "1",
			"KAFKA_PROCESS_ROLES":                            "broker,controller",
			"KAFKA_LISTENERS":                                "CLIENTS://:9092,INTERNAL://127.0.0.1:19092,CONTROLLER://127.0.0.1:9093",
			"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP":           "CLIENTS:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
			"KAFKA_INTER_BROKER_LISTENER_NAME":               "INTERNAL",
			"KAFKA_CONTROLLER_LISTENER_NAMES":                "CONTROLLER",
			"KAFKA_CONTROLLER_QUORUM_VOTERS":                 "1@127.0.0.1:9093",
			"KAFKA_AUTO_CREATE_TOPICS_ENABLE":                "false",
			"KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS":             "4",
			"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR":         "1",
			"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
			"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR":            "1",
			"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS":         "0",
		}),
		testcontainers.WithAdditionalLifecycleHooks(testcontainers.ContainerLifecycleHooks{
			PostStarts: []testcontainers.ContainerHook{start},
		}),
		testcontainers.WithWaitStrategyAndDeadline(containerTimeout, wait.ForLog("Kafka Server started")),
	)
	return []string{address(t, container, kafkaPort)}
}

func containerClickHouse(t testing.TB) ClickHouseServer {
	t.Helper()
	requireImage(t, ClickHouseImage)
	it := ClickHouseServer{User: "parcours", Password: "parcours-test", Kind: Container}
	container := runContainer(t, ClickHouseImage,
		testcontainers.WithExposedPorts(clickhousePort),
		testcontainers.WithEnv(map[string]string{
			"CLICKHOUSE_USER": it.User, "CLICKHOUSE_PASSWORD": it.Password, "CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT": "1",
		}),
		testcontainers.WithWaitStrategyAndDeadline(containerTimeout, wait.ForHTTP("/ping").WithPort(clickhousePort)),
	)
	it.Addr = address(t, container, clickhousePort)
	return it
}

// requireImage skips or fails the test unless a Docker daemon answers and has the image: tests download nothing.
func requireImage(t testing.TB, image string) {
	t.Helper()
	// The reaper is one more image to have; the test's clean-up ends the container instead.
	t.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		missing(t, RequireContainersEnv, fmt.Sprintf("no container backend: no Docker daemon answers (%v)", err))
	}
	defer provider.Close() //nolint:errcheck // an idle client
	images, err := provider.ListImages(t.Context())
	if err != nil {
		missing(t, RequireContainersEnv, fmt.Sprintf("no container backend: no Docker daemon answers (%v)", err))
	}
	if !slices.ContainsFunc(images, func(i testcontainers.ImageInfo) bool { return i.Name == image }) {
		missing(t, RequireContainersEnv, fmt.Sprintf("no container backend: the Docker daemon has no image %s: run `docker pull %s`", image, image))
	}
}

func runContainer(t testing.TB, image string, options ...testcontainers.ContainerCustomizer) testcontainers.Container {
	t.Helper()
	container, err := testcontainers.Run(t.Context(), image, options...)
	testcontainers.CleanupContainer(t, container)
	if err != nil {
		t.Fatalf("run %s: %v", image, err)
	}
	return container
}

func address(t testing.TB, container testcontainers.Container, port string) string {
	t.Helper()
	found, err := mapped(t.Context(), container, port)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// mapped is the address under which the host reaches a container's port.
func mapped(ctx context.Context, container testcontainers.Container, port string) (string, error) {
	host, err := container.Host(ctx)
	if err != nil {
		return "", fmt.Errorf("find the container's host: %w", err)
	}
	on, err := container.MappedPort(ctx, port)
	if err != nil {
		return "", fmt.Errorf("find the container's port %s: %w", port, err)
	}
	return net.JoinHostPort(host, on.Port()), nil
}
