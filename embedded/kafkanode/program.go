package kafkanode

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// Program runs one node in the foreground until SIGINT or SIGTERM and returns its exit code.
func Program(args []string) int {
	flags := flag.NewFlagSet("kafka-node", flag.ContinueOnError)
	cfg := Config{Log: os.Stderr}
	flags.StringVar(&cfg.Jars, "jars", ".cache/kafka/jars", "folder of the broker's jars")
	flags.StringVar(&cfg.DataDir, "data", ".cache/kafka/data", "folder of the node's data")
	flags.StringVar(&cfg.Listen, "listen", "127.0.0.1:9092", "host:port for clients; port 0 takes a free one")
	pidFile := flags.String("pid-file", "", "file that holds this process's id while the node runs")
	if flags.Parse(args) != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, cfg, *pidFile); err != nil {
		fmt.Fprintf(os.Stderr, "kafka-node: %v\n", err)
		return 1
	}
	return 0
}

func serve(ctx context.Context, cfg Config, pidFile string) (err error) {
	if pidFile != "" {
		if err := os.WriteFile(pidFile, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
			return fmt.Errorf("write pid file: %w", err)
		}
		defer func() {
			if gone := os.Remove(pidFile); err == nil && gone != nil {
				err = fmt.Errorf("remove pid file: %w", gone)
			}
		}()
	}
	node, err := Start(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "Apache Kafka answers on %s; Ctrl-C or `make kafka-stop` ends it.\n", node.Addr())
	select {
	case <-ctx.Done():
		return node.Close()
	case <-node.Done():
		return fmt.Errorf("apache Kafka ended by itself: %w", node.Close())
	}
}
