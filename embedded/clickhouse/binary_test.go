package clickhouse_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/parcours-cdp/parcours/embedded/clickhouse"
	"github.com/parcours-cdp/parcours/embedded/enginetest"
)

// fakeEnv makes the test program play `clickhouse server`.
const fakeEnv = "PARCOURS_TEST_FAKE_CLICKHOUSE"

// TestFakeServer reads the configuration as the real program would and answers on its port.
func TestFakeServer(t *testing.T) {
	path := os.Getenv(fakeEnv)
	if path == "" {
		t.Skip("this is the program that another test starts")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Port   int    `xml:"http_port"`
		Listen string `xml:"listen_host"`
		Path   string `xml:"path"`
		User   struct {
			Password string `xml:"password"`
		} `xml:"users>default"`
	}
	if err := xml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", fmt.Sprintf("%s:%d", config.Listen, config.Port))
	if err != nil {
		t.Fatal(err)
	}
	err = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != config.User.Password {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		if r.URL.Path == "/ping" {
			_, _ = w.Write([]byte("Ok.\n"))
			return
		}
		_, _ = fmt.Fprintln(w, map[string]string{"SELECT 1": "1", "path": config.Path}[r.URL.Query().Get("query")])
	}))
	t.Error(err)
}

func TestBinaryOnPathIsPreferred(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin, dir := t.TempDir(), t.TempDir()
	script := "#!/bin/sh\n[ \"$1\" = server ] || exit 3\n" + fakeEnv + "=\"${2#--config-file=}\" exec '" + exe + "' -test.run='^TestFakeServer$'\n"
	if err := os.WriteFile(filepath.Join(bin, "clickhouse"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	t.Setenv(clickhouse.LibEnv, "")
	cfg, err := enginetest.Config(dir)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Engine.Password = "<s3cret>"
	server, err := clickhouse.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	if !strings.HasPrefix(server.Backend(), "clickhouse "+bin) {
		t.Errorf("the backend is %q", server.Backend())
	}
	a := ask(t, "GET", server.Addr(), values("query", "path"), "", "Authorization", "Basic ZGVmYXVsdDo8czNjcmV0Pg==")
	if a.body != dir+"/\n" {
		t.Errorf("the server's data directory is %q, want %q", a.body, dir)
	}
	if info, err := os.Stat(filepath.Join(dir, "parcours-server.xml")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the configuration holds a password: %v, %v", info, err)
	}
	addr := server.Addr()
	if err := syscall.Kill(server.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server is restarted", func() bool { return server.Restarts() == 1 && server.Ready() })
	if server.Addr() != addr {
		t.Errorf("the address moved from %s to %s", addr, server.Addr())
	}
}

func TestStartTellsWhyTheEngineDidNot(t *testing.T) {
	f := func(change func(*clickhouse.Config), want string) {
		t.Helper()
		cfg, err := enginetest.Config(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		cfg.PreferBinary = false
		change(&cfg)
		server, err := clickhouse.Start(t.Context(), cfg)
		if err == nil {
			t.Errorf("the engine started: %v", server.Close())
			return
		}
		if errors.Is(err, clickhouse.ErrNoEngine) {
			enginetest.Missing(t, err)
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %q, want %q in it", err, want)
		}
	}
	broken := filepath.Join(t.TempDir(), "libchdb.so")
	if err := os.WriteFile(broken, []byte("no library"), 0o644); err != nil {
		t.Fatal(err)
	}
	f(func(c *clickhouse.Config) { c.Engine.Lib = broken }, "load engine library "+broken)
	f(func(c *clickhouse.Config) { c.Engine.Lib = broken + ".not" }, "is not a file")
	f(func(c *clickhouse.Config) { c.Engine.DataDir = "" }, "no data directory")
	f(func(c *clickhouse.Config) { c.Command = []string{"/bin/false"} }, "ended before it answered")
	f(func(c *clickhouse.Config) { c.Command = []string{"/no/such/program"} }, "/no/such/program")
	f(func(c *clickhouse.Config) { c.Engine.Listen = "256.0.0.1:1" }, "listen on 256.0.0.1:1")
}
