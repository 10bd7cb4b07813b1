package clickhouse

import (
	"net"
	"runtime"
	"time"

	"go.uber.org/zap"
)

// EngineConfig is what the engine's own process needs.
type EngineConfig struct {
	// Lib is the path of libchdb; empty searches the usual places (see LocateLibrary).
	Lib string `json:"lib,omitempty"`
	// DataDir keeps the databases; it is created when missing, and one engine at a time can open it.
	DataDir string `json:"data_dir"`
	// Listen is the address of the HTTP interface; port 0 takes a free one.
	Listen string `json:"listen,omitempty"`
	// Listener is used instead of Listen when a parent has opened the socket already.
	Listener net.Listener `json:"-"`
	// Password is asked of every client when it is not empty; any user name is then accepted with it.
	Password string `json:"password,omitempty"`
	// MaxQueries bounds the queries that run at once; further ones wait for QueueTimeout and are refused then.
	MaxQueries int `json:"max_queries,omitempty"`
	// QueueTimeout is how long a query waits for its turn.
	QueueTimeout time.Duration `json:"queue_timeout,omitempty"`
	// MaxBodyBytes bounds one request's body after decompression.
	MaxBodyBytes int64 `json:"max_body_bytes,omitempty"`
	// MemoryRatio is the part of the machine's memory that the engine may use.
	MemoryRatio float64 `json:"memory_ratio,omitempty"`
	// ConfigFile is a configuration of ClickHouse itself (config.xml), for accounts and their rights; empty takes the
	// library's own, with one account that may do everything.
	ConfigFile string `json:"config_file,omitempty"`
	// StopTimeout is how long running queries may go on after the engine was told to stop.
	StopTimeout time.Duration `json:"stop_timeout,omitempty"`
	// Log receives the process's own messages; never query texts.
	Log *zap.Logger `json:"-"`
}

// DefaultEngineConfig returns the defaults for a small machine; DataDir has none.
func DefaultEngineConfig() EngineConfig {
	return EngineConfig{
		Listen:       "127.0.0.1:8123",
		MaxQueries:   max(8, 4*runtime.NumCPU()),
		QueueTimeout: 30 * time.Second,
		MaxBodyBytes: 4 << 30,
		MemoryRatio:  0.5,
		StopTimeout:  5 * time.Second,
	}
}

func (c EngineConfig) withDefaults() EngineConfig {
	d := DefaultEngineConfig()
	if c.Listen == "" {
		c.Listen = d.Listen
	}
	if c.MaxQueries <= 0 {
		c.MaxQueries = d.MaxQueries
	}
	if c.QueueTimeout <= 0 {
		c.QueueTimeout = d.QueueTimeout
	}
	if c.MaxBodyBytes <= 0 {
		c.MaxBodyBytes = d.MaxBodyBytes
	}
	if c.MemoryRatio <= 0 {
		c.MemoryRatio = d.MemoryRatio
	}
	if c.StopTimeout <= 0 {
		c.StopTimeout = d.StopTimeout
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	return c
}
