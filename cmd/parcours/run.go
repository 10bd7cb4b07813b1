package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/embedded/clickhouse"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/services/collector"
	"github.com/parcours-cdp/parcours/services/enricher"
	"github.com/parcours-cdp/parcours/services/identity"
	"github.com/parcours-cdp/parcours/services/sink"
	"go.uber.org/zap"
)

type upCommand struct {
	DataDir  string `help:"Folder for topics, schemas and tables." placeholder:"DIR" type:"path"`
	Ports    string `help:"default: the ports of the configuration; auto: free ones." enum:"default,auto" default:"default"`
	AddrFile string `help:"Write the addresses to this file once everything is ready." placeholder:"FILE" type:"path"`
}

func (c upCommand) Run(ctx context.Context, g globals, std streams) error {
	cfg, err := up.Load(g.source())
	if err != nil {
		return err
	}
	if c.DataDir != "" {
		cfg.Embedded.DataDir = c.DataDir
	}
	if c.Ports == "auto" {
		cfg.AutoPorts()
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	var written error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err = up.Run(ctx, cfg, up.Options{Ready: func(a up.Addresses) {
		if c.AddrFile != "" {
			if written = a.Write(c.AddrFile); written != nil {
				cancel()
				return
			}
		}
		fmt.Fprint(std.err, banner(a, cfg))
	}})
	return errors.Join(err, written)
}

// banner tells a newcomer what to do next.
func banner(a up.Addresses, cfg up.Config) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nParcours is ready.\n\n")
	fmt.Fprintf(&b, "  collector   http://%s\n", a.Collector)
	fmt.Fprintf(&b, "  clickhouse  http://%s  (database %s)\n", a.ClickHouse, warehouse.Database)
	fmt.Fprintf(&b, "  kafka       %s\n", a.Kafka)
	fmt.Fprintf(&b, "  registry    http://%s\n", a.Registry)
	fmt.Fprintf(&b, "  admin       http://%s/metrics\n\n", a.Admin)
	if len(cfg.Collector.Sources) > 0 {
		key := cfg.Collector.Sources[0].WriteKey
		fmt.Fprintf(&b, "Send an event and ask for it:\n\n")
		fmt.Fprintf(&b, "  curl -u %s: http://%s/v1/track -d '{\"anonymousId\":\"a-1\",\"event\":\"Hello\"}'\n", key, a.Collector)
		fmt.Fprintf(&b, "  curl http://%s -d 'SELECT name, occurred_at FROM %s.customer_events FORMAT PrettyCompact'\n\n", a.ClickHouse, warehouse.Database)
	}
	return b.String()
}

// The services alone, as separate programs run them.
type (
	collectorCommand struct{}
	identityCommand  struct{}
	enricherCommand  struct{}
	sinkCommand      struct{}
)

func (collectorCommand) Run(ctx context.Context, g globals) error {
	return service.Program[collector.Config]{
		Name: "collector", Admin: "127.0.0.1:9601", Config: collector.DefaultConfig(), Run: collector.Run,
	}.Start(ctx, g.source())
}

func (identityCommand) Run(ctx context.Context, g globals) error {
	return service.Program[identity.Config]{
		Name: "identity", Admin: "127.0.0.1:9602", Config: identity.DefaultConfig(), Run: identity.Run,
	}.Start(ctx, g.source())
}

func (enricherCommand) Run(ctx context.Context, g globals) error {
	return service.Program[enricher.Config]{
		Name: "enricher", Admin: "127.0.0.1:9603", Config: enricher.DefaultConfig(), Run: enricher.Run,
	}.Start(ctx, g.source())
}

func (sinkCommand) Run(ctx context.Context, g globals) error {
	return service.Program[sink.Config]{
		Name: "sink", Admin: "127.0.0.1:9604", Config: sink.DefaultConfig(), Run: sink.RunAlone,
	}.Start(ctx, g.source())
}

type engineCommand struct{}

func (engineCommand) Run(ctx context.Context) error {
	log, err := service.LogConfig{Level: "warn", Format: "json"}.Build()
	if err != nil {
		return err
	}
	return clickhouse.RunChild(ctx, log.With(zap.String("process", "engine")))
}

type probeCommand struct {
	URL     string        `arg:"" help:"Address to ask." name:"url"`
	Timeout time.Duration `help:"How long to wait for the answer." default:"3s"`
}

func (c probeCommand) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("probe %s: answered %s", c.URL, response.Status)
	}
	return nil
}

type versionCommand struct{}

func (versionCommand) Run(g globals, std streams) error {
	rows := [][]string{{"parcours", version}, {"go", runtime.Version()}, {"platform", runtime.GOOS + "/" + runtime.GOARCH}}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range build.Deps {
			switch dep.Path {
			case "github.com/twmb/franz-go", "github.com/ClickHouse/clickhouse-go/v2", "github.com/linkedin/goavro/v2":
				rows = append(rows, []string{dep.Path[strings.Index(dep.Path, "/")+1:], dep.Version})
			}
		}
	}
	return table(std.out, g.Output, []string{"part", "version"}, rows)
}
