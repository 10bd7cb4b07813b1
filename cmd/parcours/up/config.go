// Package up runs the whole pipeline in one process: the four services, and the broker, the schema
// registry and the ClickHouse engine unless the configuration names servers of its own for them.
//
// It calls the same Run of each service as the separate programs do. Run returns after everything it
// started has ended.
package up

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"

	"github.com/parcours-cdp/parcours/internal/config"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/services/collector"
	"github.com/parcours-cdp/parcours/services/enricher"
	"github.com/parcours-cdp/parcours/services/identity"
	"github.com/parcours-cdp/parcours/services/sink"
)

// Embedded says which servers run inside of this process, and where.
type Embedded struct {
	// DataDir holds everything that must survive: topics, schemas, tables and the generated hash key.
	DataDir string `koanf:"data_dir"`
	// Kafka runs the embedded broker on KafkaListen; off, kafka.brokers is used.
	Kafka       bool   `koanf:"kafka"`
	KafkaListen string `koanf:"kafka_listen"`
	// Registry runs the embedded schema registry on RegistryListen; off, registry.url is used.
	Registry       bool   `koanf:"registry"`
	RegistryListen string `koanf:"registry_listen"`
	// ClickHouse runs the embedded engine on ClickHouseListen; off, sink.clickhouse is used.
	ClickHouse       bool   `koanf:"clickhouse"`
	ClickHouseListen string `koanf:"clickhouse_listen"`
	// Sync has every batch on disk before it is acknowledged, so that a power cut loses nothing either.
	Sync bool `koanf:"sync"`
}

// Config is the whole configuration: what all services share, and each one's own section.
type Config struct {
	service.Common
	Embedded  Embedded
	Collector collector.Config
	Identity  identity.Config
	Enricher  enricher.Config
	Sink      sink.Config
}

// DefaultConfig is the embedded default on the ports of the design.
func DefaultConfig() Config {
	cfg := Config{
		Common: service.DefaultCommon("127.0.0.1:9600"),
		Embedded: Embedded{
			DataDir:          "data",
			Kafka:            true,
			KafkaListen:      "127.0.0.1:9092",
			Registry:         true,
			RegistryListen:   "127.0.0.1:8081",
			ClickHouse:       true,
			ClickHouseListen: "127.0.0.1:8123",
			Sync:             true,
		},
		Collector: collector.DefaultConfig(),
		Identity:  identity.DefaultConfig(),
		Enricher:  enricher.DefaultConfig(),
		Sink:      sink.DefaultConfig(),
	}
	cfg.Log.Format = "console"
	// One process shares its partitions with nobody: fewer of them cost fewer syncs.
	cfg.Kafka.Partitions = 4
	return cfg
}

// Sections are all sections of the configuration, to be filled into c.
func (c *Config) Sections() []config.Section {
	return append(c.Common.Sections(),
		config.Section{Name: "embedded", Into: &c.Embedded},
		config.Section{Name: "collector", Into: &c.Collector},
		config.Section{Name: "identity", Into: &c.Identity},
		config.Section{Name: "enricher", Into: &c.Enricher},
		config.Section{Name: "sink", Into: &c.Sink},
	)
}

// Load lays the source over the defaults; Validate is the caller's next step.
func Load(source config.Source) (Config, error) {
	cfg := DefaultConfig()
	err := config.Load(source, cfg.Sections()...)
	return cfg, err
}

// Place gives the services that name no folder of their own one below embedded.data_dir, and has the enricher look for reference data there too.
func (c *Config) Place() {
	below := func(name string) string { return filepath.Join(c.Embedded.DataDir, name) }
	for own, name := range map[*string]string{
		&c.Identity.DataDir: "identity",
		&c.Enricher.DataDir: "enricher",
		&c.Sink.DataDir:     "sink",
	} {
		if *own == "" {
			*own = below(name)
		}
	}
	c.Enricher.Reference.Dirs = append(slices.Clone(c.Enricher.Reference.Dirs), below("reference"))
}

// Validate names the first field that is wrong, its value and what to do. An empty hash key is right here
// when there is a data directory to keep a generated one in.
func (c Config) Validate() error {
	common := c.Common
	if common.Workspace.HashKey == "" && c.Embedded.DataDir != "" {
		common.Workspace.HashKey = checkedLater
	}
	if err := common.Validate(); err != nil {
		return err
	}
	sections := []service.Validator{c.Embedded, c.Collector, c.Identity, c.Enricher, c.Sink}
	for _, section := range sections {
		if err := section.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// checkedLater stands for the key that Run generates.
const checkedLater = "0000000000000000000000000000000000000000000000000000000000000000"

// Validate names the field that is wrong, its value and what to do.
func (e Embedded) Validate() error {
	if e.DataDir == "" {
		return errors.New("embedded.data_dir is empty: name a folder that survives")
	}
	listens := []struct {
		on         bool
		key, value string
	}{
		{e.Kafka, "kafka_listen", e.KafkaListen},
		{e.Registry, "registry_listen", e.RegistryListen},
		{e.ClickHouse, "clickhouse_listen", e.ClickHouseListen},
	}
	for _, l := range listens {
		if _, _, err := net.SplitHostPort(l.value); l.on && err != nil {
			return fmt.Errorf("embedded.%s is %q: give host:port, port 0 for any free one", l.key, l.value)
		}
	}
	return nil
}

// AutoPorts has every listener that stands on its default port take a free one of its host.
func (c *Config) AutoPorts() {
	usual := DefaultConfig()
	for listen, usual := range map[*string]string{
		&c.Admin.Listen:              usual.Admin.Listen,
		&c.Collector.Listen:          usual.Collector.Listen,
		&c.Embedded.KafkaListen:      usual.Embedded.KafkaListen,
		&c.Embedded.RegistryListen:   usual.Embedded.RegistryListen,
		&c.Embedded.ClickHouseListen: usual.Embedded.ClickHouseListen,
	} {
		if host, _, err := net.SplitHostPort(usual); err == nil && *listen == usual {
			*listen = net.JoinHostPort(host, "0")
		}
	}
}
