package warehouse

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Database is where all tables are; views and dictionaries name it, so it is no setting.
const Database = "parcours"

// Config says where ClickHouse is and how to speak to it.
type Config struct {
	// Addresses are host:port of the interfaces of one or more replicas, tried in order: those of the protocol.
	Addresses []string `koanf:"addresses"`
	// Protocol is http (port 8123, 8443 with TLS) or native (9000, 9440 with TLS).
	Protocol string `koanf:"protocol"`
	// Cluster is the name of a cluster, whose servers keep replicated tables; empty for one server.
	Cluster string `koanf:"cluster"`
	// ReplicaPath is where Keeper has a table of a cluster: with the macro {shard}, and <table> in the place of its name.
	ReplicaPath string `koanf:"replica_path"`
	// Username and Password of an account that may create, read and write the database parcours.
	Username string `koanf:"username"`
	Password string `koanf:"password" secret:"true"`
	// TLS turns encryption on; CAFile, if set, replaces the system's authorities.
	TLS    bool   `koanf:"tls"`
	CAFile string `koanf:"ca_file"`
	// Compression of inserts and results on the wire: none, lz4 or zstd; over HTTP also gzip. It pays on slow networks only.
	Compression string `koanf:"compression"`
	// Connections is how many requests may be under way at once.
	Connections int `koanf:"connections"`
	// DialTimeout bounds the opening of a connection.
	DialTimeout time.Duration `koanf:"dial_timeout"`
	// Timeout bounds the wait for the answer to one request, an insert or a query.
	Timeout time.Duration `koanf:"timeout"`
}

// DefaultConfig is right for a server on this machine.
func DefaultConfig() Config {
	return Config{
		Addresses:   []string{"127.0.0.1:8123"},
		ReplicaPath: "/clickhouse/tables/{shard}/parcours/<table>",
		Username:    "default",
		Protocol:    "http",
		Compression: "none",
		Connections: 16,
		DialTimeout: 5 * time.Second,
		Timeout:     2 * time.Minute,
	}
}

// Validate names the field that is wrong, its value and what to do.
func (c Config) Validate() error {
	if len(c.Addresses) == 0 {
		return errors.New("clickhouse.addresses is empty: give at least one host:port")
	}
	if strings.ContainsAny(c.Cluster, `'\`) {
		return fmt.Errorf("clickhouse.cluster is %q: give a name without quotes", c.Cluster)
	}
	if c.Cluster != "" && (!strings.Contains(c.ReplicaPath, "{shard}") || !strings.Contains(c.ReplicaPath, "<table>") || strings.ContainsAny(c.ReplicaPath, `'\`)) {
		return fmt.Errorf("clickhouse.replica_path is %q: give a path without quotes that has {shard} and <table> in it, so that each table of each shard has its own", c.ReplicaPath)
	}
	if _, err := c.protocol(); err != nil {
		return err
	}
	if _, err := c.compression(); err != nil {
		return err
	}
	if c.Connections < 1 {
		return fmt.Errorf("clickhouse.connections is %d: give 1 or more", c.Connections)
	}
	if c.DialTimeout <= 0 {
		return fmt.Errorf("clickhouse.dial_timeout is %s: give more than 0s", c.DialTimeout)
	}
	if c.Timeout <= 0 {
		return fmt.Errorf("clickhouse.timeout is %s: give more than 0s", c.Timeout)
	}
	if c.CAFile != "" && !c.TLS {
		return errors.New("clickhouse.ca_file is set and clickhouse.tls is not: set clickhouse.tls, or leave ca_file empty")
	}
	return nil
}

func (c Config) protocol() (clickhouse.Protocol, error) {
	switch c.Protocol {
	case "http":
		return clickhouse.HTTP, nil
	case "native":
		return clickhouse.Native, nil
	}
	return 0, fmt.Errorf("clickhouse.protocol is %q: use http or native", c.Protocol)
}

func (c Config) compression() (*clickhouse.Compression, error) {
	switch {
	case c.Compression == "none":
		return nil, nil
	case c.Compression == "lz4":
		return &clickhouse.Compression{Method: clickhouse.CompressionLZ4}, nil
	case c.Compression == "zstd":
		return &clickhouse.Compression{Method: clickhouse.CompressionZSTD, Level: 1}, nil
	case c.Compression == "gzip" && c.Protocol != "native":
		return &clickhouse.Compression{Method: clickhouse.CompressionGZIP, Level: 1}, nil
	}
	return nil, fmt.Errorf("clickhouse.compression is %q: use none, lz4, zstd, or over http gzip", c.Compression)
}

// clusterSession is what queries need that reach several shards: an insert is answered when the shard has it, and a
// subquery sees all shards.
var clusterSession = clickhouse.Settings{
	"distributed_foreground_insert": 1,
	"distributed_product_mode":      "global",
}

// options are the driver's, for a session in the given database.
func (c Config) options(database string) (*clickhouse.Options, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	protocol, err := c.protocol()
	if err != nil {
		return nil, err
	}
	compression, err := c.compression()
	if err != nil {
		return nil, err
	}
	opts := &clickhouse.Options{
		Protocol:        protocol,
		TransportFunc:   func(through *http.Transport) (http.RoundTripper, error) { return poster{through}, nil },
		Addr:            c.Addresses,
		Auth:            clickhouse.Auth{Database: database, Username: c.Username, Password: c.Password},
		ClientInfo:      clickhouse.ClientInfo{Products: []struct{ Name, Version string }{{Name: "parcours"}}},
		Compression:     compression,
		DialTimeout:     c.DialTimeout,
		ReadTimeout:     c.Timeout,
		MaxOpenConns:    c.Connections,
		MaxIdleConns:    c.Connections,
		ConnMaxLifetime: time.Hour,
	}
	if c.Cluster != "" {
		opts.Settings = clusterSession
	}
	if !c.TLS {
		return opts, nil
	}
	opts.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read clickhouse.ca_file: %w", err)
		}
		opts.TLS.RootCAs = x509.NewCertPool()
		if !opts.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("clickhouse.ca_file %s holds no PEM certificate", c.CAFile)
		}
	}
	return opts, nil
}
