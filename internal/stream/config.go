package stream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Config says where Kafka is and how to speak to it.
type Config struct {
	// Brokers are host:port addresses of any brokers of the cluster.
	Brokers []string `koanf:"brokers"`
	// ClientID names this process in the broker's logs and quotas.
	ClientID string `koanf:"client_id"`
	// Partitions is the number of partitions of topics created here; replicas of a service should divide it.
	Partitions int `koanf:"partitions"`
	// ReplicationFactor is the number of copies of topics created here; -1 takes the broker's default.
	ReplicationFactor int `koanf:"replication_factor"`
	// Compression of produced batches: none, snappy, lz4, zstd or gzip.
	Compression string `koanf:"compression"`
	// Linger is how long a produce waits for company before it is sent.
	Linger time.Duration `koanf:"linger"`
	// TLS turns encryption on; CAFile, if set, replaces the system's authorities.
	TLS    bool   `koanf:"tls"`
	CAFile string `koanf:"ca_file"`
	// SASL mechanism: empty, plain, scram-sha-256 or scram-sha-512.
	SASL     string `koanf:"sasl"`
	Username string `koanf:"username"`
	Password string `koanf:"password" secret:"true"`
	// StopGrace bounds how long a batch in hand may take after a stop was asked for.
	StopGrace time.Duration `koanf:"stop_grace"`
	// RebalanceTimeout is how long a batch in hand may keep the others of its group waiting before its partitions go
	// to them, and how long they wait for one that is gone.
	RebalanceTimeout time.Duration `koanf:"rebalance_timeout"`
}

// DefaultConfig is right for a broker on this machine.
func DefaultConfig() Config {
	return Config{
		Brokers:           []string{"127.0.0.1:9092"},
		ClientID:          "parcours",
		Partitions:        12,
		ReplicationFactor: -1,
		Compression:       "lz4",
		Linger:            5 * time.Millisecond,
		StopGrace:         20 * time.Second,
		RebalanceTimeout:  2 * time.Minute,
	}
}

// Validate names the field that is wrong, its value and what to do.
func (c Config) Validate() error {
	if len(c.Brokers) == 0 {
		return errors.New("kafka.brokers is empty: give at least one host:port")
	}
	if c.Partitions < 1 {
		return fmt.Errorf("kafka.partitions is %d: give 1 or more (12, 24 or 48 divide well)", c.Partitions)
	}
	if c.ReplicationFactor == 0 || c.ReplicationFactor < -1 {
		return fmt.Errorf("kafka.replication_factor is %d: give 1 or more, or -1 for the broker's default", c.ReplicationFactor)
	}
	if _, err := c.codec(); err != nil {
		return err
	}
	if c.Linger < 0 || c.Linger > time.Second {
		return fmt.Errorf("kafka.linger is %s: give 0s to 1s", c.Linger)
	}
	if c.RebalanceTimeout < time.Second {
		return fmt.Errorf("kafka.rebalance_timeout is %s: give 1s or more", c.RebalanceTimeout)
	}
	switch c.SASL {
	case "", "plain", "scram-sha-256", "scram-sha-512":
	default:
		return fmt.Errorf("kafka.sasl is %q: use plain, scram-sha-256, scram-sha-512 or leave it empty", c.SASL)
	}
	if c.SASL != "" && (c.Username == "" || c.Password == "") {
		return errors.New("kafka.username and kafka.password must be set when kafka.sasl is")
	}
	return nil
}

func (c Config) codec() (kgo.CompressionCodec, error) {
	switch c.Compression {
	case "none":
		return kgo.NoCompression(), nil
	case "snappy":
		return kgo.SnappyCompression(), nil
	case "lz4":
		return kgo.Lz4Compression(), nil
	case "zstd":
		return kgo.ZstdCompression(), nil
	case "gzip":
		return kgo.GzipCompression(), nil
	}
	return kgo.CompressionCodec{}, fmt.Errorf("kafka.compression is %q: use none, snappy, lz4, zstd or gzip", c.Compression)
}

// dialOpts are the options that producers, consumers and followers share.
func (c Config) dialOpts() ([]kgo.Opt, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(c.Brokers...), kgo.ClientID(c.ClientID)}
	if c.TLS {
		conf := &tls.Config{MinVersion: tls.VersionTLS12}
		if c.CAFile != "" {
			pem, err := os.ReadFile(c.CAFile)
			if err != nil {
				return nil, fmt.Errorf("read kafka.ca_file: %w", err)
			}
			conf.RootCAs = x509.NewCertPool()
			if !conf.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("kafka.ca_file %s holds no PEM certificate", c.CAFile)
			}
		}
		opts = append(opts, kgo.DialTLSConfig(conf))
	}
	switch c.SASL {
	case "plain":
		opts = append(opts, kgo.SASL(plain.Auth{User: c.Username, Pass: c.Password}.AsMechanism()))
	case "scram-sha-256":
		opts = append(opts, kgo.SASL(scram.Auth{User: c.Username, Pass: c.Password}.AsSha256Mechanism()))
	case "scram-sha-512":
		opts = append(opts, kgo.SASL(scram.Auth{User: c.Username, Pass: c.Password}.AsSha512Mechanism()))
	}
	return opts, nil
}
