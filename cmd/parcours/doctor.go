package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/embedded/clickhouse"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/enricher"
	"github.com/parcours-cdp/parcours/services/identity"
	"github.com/parcours-cdp/parcours/services/sink"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

type doctorCommand struct {
	running
	Timeout time.Duration `help:"How long each server may take to answer." default:"5s"`
}

// finding is the result of one check; advice is what to do when it is not well.
type finding struct {
	check, result, detail, advice string
}

const (
	well   = "ok"
	unwell = "FAILED"
	noted  = "note"
)

func (c doctorCommand) Run(ctx context.Context, g globals, std streams) error {
	findings := c.examine(ctx, g)
	rows := make([][]string, len(findings))
	sick := false
	for i, f := range findings {
		rows[i] = []string{f.check, f.result, f.detail, f.advice}
		sick = sick || f.result == unwell
	}
	if err := table(std.out, g.Output, []string{"check", "result", "detail", "what to do"}, rows); err != nil {
		return err
	}
	if sick {
		return errReported
	}
	return nil
}

func (c doctorCommand) examine(ctx context.Context, g globals) []finding {
	cfg, err := c.load(g)
	if err != nil {
		return []finding{failed("configuration", err, "correct the key that is named; parcours config print shows all")}
	}
	var servers []finding
	for _, check := range []func(context.Context, up.Config) []finding{
		examineKafka, examineRegistry, examineClickHouse, examineServices,
	} {
		limited, cancel := context.WithTimeout(ctx, c.Timeout)
		servers = append(servers, check(limited, cfg)...)
		cancel()
	}
	findings := []finding{ok("configuration", "workspace "+cfg.Workspace.Name)}
	if cfg.Embedded.ClickHouse {
		findings = append(findings, dispensable(examineLibrary(), servers))
	}
	findings = append(findings, examineDataDir(cfg.Embedded.DataDir))
	return append(findings, servers...)
}

// dispensable makes a note of an engine that is missing here while a ClickHouse answers: only up would start one.
func dispensable(engine finding, servers []finding) finding {
	if engine.result == unwell && slices.ContainsFunc(servers, func(f finding) bool {
		return f.check == checkClickHouse && f.result == well
	}) {
		engine.result = noted
		engine.advice = "nothing, unless parcours up is to run here: then " + engine.advice
	}
	return engine
}

func ok(check, detail string) finding { return finding{check: check, result: well, detail: detail} }

func failed(check string, err error, advice string) finding {
	return finding{check: check, result: unwell, detail: strings.ReplaceAll(err.Error(), "\n", "; "), advice: advice}
}

func examineLibrary() finding {
	if binary := clickhouse.LocateBinary(); binary != "" {
		return ok("engine", binary)
	}
	library, err := clickhouse.LocateLibrary("")
	if err != nil {
		return failed("engine", err, "make setup-engine")
	}
	return ok("engine", library)
}

// lowDisk is where ClickHouse merges begin to be at risk.
const lowDisk = 2 << 30

func examineDataDir(dir string) finding {
	const check = "data folder"
	path, err := filepath.Abs(dir)
	if err != nil {
		return failed(check, err, "name another folder as embedded.data_dir")
	}
	at := path
	for {
		if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		at = filepath.Dir(at)
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(at, &disk); err != nil {
		return failed(check, err, "name another folder as embedded.data_dir")
	}
	free := disk.Bavail * uint64(disk.Bsize)
	detail := fmt.Sprintf("%s, %d GiB free", path, free>>30)
	if free < lowDisk {
		return finding{check, unwell, detail, "free some space: at least 2 GiB"}
	}
	return ok(check, detail)
}

// consumerGroup is a group and what it reads.
type consumerGroup struct{ service, group, topic string }

// groups are the consumer groups of a workspace's pipeline, in the order of the path.
func groups(workspace string) []consumerGroup {
	return []consumerGroup{
		{"identity", identity.Group, stream.Touchpoints},
		{"identity map", identity.PublisherGroup(workspace), stream.Evidence},
		{"enricher", enricher.Group, stream.Identified},
		{"sink", sink.GroupTouchpoints, stream.Enriched},
		{"sink map", sink.GroupIdentityMap, stream.IdentityMap},
		{"sink audit", sink.GroupIdentityAudit, stream.IdentityAudit},
		{"sink attributes", sink.GroupAttributes, stream.Attributes},
		{"sink rejects", sink.GroupRejected, stream.Rejected},
	}
}

func examineKafka(ctx context.Context, cfg up.Config) []finding {
	const check = "kafka"
	advice := "start it, or correct kafka.brokers; parcours up runs one of its own"
	client, err := stream.Connect(cfg.Kafka, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		return []finding{failed(check, err, advice)}
	}
	defer client.Close()
	if err := client.Ping(ctx); err != nil {
		return []finding{failed(check, err, advice)}
	}
	findings := []finding{ok(check, strings.Join(cfg.Kafka.Brokers, ", "))}
	for _, g := range groups(cfg.Workspace.Name) {
		lag, err := client.GroupLag(ctx, g.group, g.topic)
		if err != nil {
			findings = append(findings, finding{g.service + " lag", noted, "not known yet", "start the services: they create topic " + g.topic})
			continue
		}
		findings = append(findings, ok(g.service+" lag", fmt.Sprintf("%d records of %s", lag[g.topic], g.topic)))
	}
	return findings
}

func examineRegistry(ctx context.Context, cfg up.Config) []finding {
	const check = "schema registry"
	advice := "start it, or correct registry.url; parcours up runs one of its own"
	reg, err := registry.New(cfg.Registry, zap.NewNop())
	if err != nil {
		return []finding{failed(check, err, advice)}
	}
	if err := reg.Ping(ctx); err != nil {
		return []finding{failed(check, err, advice)}
	}
	for _, s := range ours() {
		history, err := reg.History(ctx, s.topic)
		if err == nil {
			err = schemas.CheckCompatible(history, s.schema)
		}
		if err != nil {
			return []finding{failed(check, fmt.Errorf("schema of %s: %w", s.topic, err), "run the version that registered it; parcours schema check tells more")}
		}
	}
	return []finding{ok(check, cfg.Registry.URL)}
}

const checkClickHouse = "clickhouse"

func examineClickHouse(ctx context.Context, cfg up.Config) []finding {
	const check = checkClickHouse
	advice := "start it, or correct sink.clickhouse; parcours up runs one of its own"
	db, err := warehouse.Open(cfg.Sink.ClickHouse)
	if err != nil {
		return []finding{failed(check, err, advice)}
	}
	version, events, err := clickHouseState(ctx, db)
	if err := errors.Join(err, db.Close()); err != nil {
		return []finding{failed(check, err, advice)}
	}
	findings := []finding{ok(check, "version "+version)}
	if events == "" {
		return append(findings, finding{"tables", noted, "not there yet", "start the sink: it creates them"})
	}
	return append(findings, ok("tables", events+" events"))
}

// clickHouseState returns the server's version and the number of events, empty without the table.
func clickHouseState(ctx context.Context, db *warehouse.Warehouse) (version, events string, err error) {
	if err := db.Ping(ctx); err != nil {
		return "", "", err
	}
	if err := db.ScanRow(ctx, []any{&version}, "SELECT version()"); err != nil {
		if warehouse.IsUnknownDatabase(err) {
			return "reachable", "", nil
		}
		return "", "", err
	}
	var rows uint64
	var found uint8
	exists := fmt.Sprintf("EXISTS TABLE %s.events", warehouse.Database)
	if err := db.ScanRow(ctx, []any{&found}, exists); err != nil || found == 0 {
		return version, "", err
	}
	if err := db.ScanRow(ctx, []any{&rows}, fmt.Sprintf("SELECT count() FROM %s.events", warehouse.Database)); err != nil {
		return version, "", err
	}
	return version, fmt.Sprint(rows), nil
}

func examineServices(ctx context.Context, cfg up.Config) []finding {
	const check = "services"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+cfg.Admin.Listen+"/readyz", nil)
	if err != nil {
		return []finding{failed(check, err, "correct admin.listen")}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return []finding{{check, noted, "no parcours up answers on " + cfg.Admin.Listen, "start it, or ask the admin listener of each service"}}
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return []finding{{check, unwell, "not ready: " + response.Status, "http://" + cfg.Admin.Listen + "/readyz names what they wait for"}}
	}
	return []finding{ok(check, "ready")}
}
