package clickhouse

import (
	"context"
	"encoding/xml"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"go.uber.org/zap"
)

// binaryBackend runs a `clickhouse server` with a configuration of ours: HTTP only, on our address, with its data
// in our directory.
type binaryBackend struct {
	binary string
	cfg    Config
	host   string
	port   int
}

func newBinaryBackend(ctx context.Context, binary string, cfg Config) (*binaryBackend, error) {
	// The server opens its port itself. A free one is found by opening and closing it; it is kept for restarts.
	l, err := listen(ctx, cfg.Engine.Listen)
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return &binaryBackend{binary: binary, cfg: cfg, host: host, port: port}, nil
}

func (b *binaryBackend) name() string { return "clickhouse " + b.binary }

func (b *binaryBackend) address() string { return net.JoinHostPort(b.host, strconv.Itoa(b.port)) }

func (b *binaryBackend) close() error { return nil }

func (b *binaryBackend) start(ctx context.Context) (*process, error) {
	path := filepath.Join(b.cfg.Engine.DataDir, "parcours-server.xml")
	config, err := b.config()
	if err != nil {
		return nil, fmt.Errorf("write the server's configuration: %w", err)
	}
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return nil, fmt.Errorf("write the server's configuration: %w", err)
	}
	cmd := exec.CommandContext(ctx, b.binary, "server", "--config-file="+path)
	cmd.Dir = b.cfg.Engine.DataDir
	return launch(cmd, b.cfg.Log.With(zap.String("server", "clickhouse")))
}

// config is a whole server configuration; the users part is in it, so that no other file is read.
func (b *binaryBackend) config() ([]byte, error) {
	type access struct {
		Password   string `xml:"password"`
		Network    string `xml:"networks>ip"`
		Profile    string `xml:"profile"`
		Quota      string `xml:"quota"`
		Management int    `xml:"access_management"`
	}
	type profile struct {
		AsyncInsert int `xml:"async_insert"`
		LogQueries  int `xml:"log_queries"`
	}
	config := struct {
		XMLName    xml.Name `xml:"clickhouse"`
		LogLevel   string   `xml:"logger>level"`
		LogConsole int      `xml:"logger>console"`
		Listen     string   `xml:"listen_host"`
		Port       int      `xml:"http_port"`
		Path       string   `xml:"path"`
		Temporary  string   `xml:"tmp_path"`
		UserFiles  string   `xml:"user_files_path"`
		Formats    string   `xml:"format_schema_path"`
		Ratio      string   `xml:"max_server_memory_usage_to_ram_ratio"`
		MarkCache  int      `xml:"mark_cache_size"`
		Queries    int      `xml:"max_concurrent_queries"`
		Users      string   `xml:"user_directories>users_xml>path"`
		Default    access   `xml:"users>default"`
		Profile    profile  `xml:"profiles>default"`
		Quota      struct{} `xml:"quotas>default"`
	}{
		LogLevel: "warning", LogConsole: 1, Listen: b.host, Port: b.port,
		Path: b.dir(""), Temporary: b.dir("tmp"), UserFiles: b.dir("user_files"), Formats: b.dir("format_schemas"),
		Ratio: strconv.FormatFloat(b.cfg.Engine.MemoryRatio, 'f', 2, 64), MarkCache: 64 << 20, Queries: b.cfg.Engine.MaxQueries,
		Users:   filepath.Join(b.cfg.Engine.DataDir, "parcours-server.xml"),
		Default: access{Password: b.cfg.Engine.Password, Network: "::/0", Profile: "default", Quota: "default", Management: 1},
	}
	return xml.MarshalIndent(config, "", "  ")
}

func (b *binaryBackend) dir(name string) string {
	return filepath.Join(b.cfg.Engine.DataDir, name) + string(filepath.Separator)
}
