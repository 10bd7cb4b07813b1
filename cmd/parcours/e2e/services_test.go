package e2e

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/embedded/backend"
	"github.com/parcours-cdp/parcours/internal/warehouse"
)

// alone is one service as a process of its own.
type alone struct {
	name    string
	command *exec.Cmd
	output  *lockedBuffer
	exited  chan error
}

// logged returns the address in the log line with this message, empty as long as there is none.
func (a *alone) logged(message string) string {
	for line := range strings.Lines(a.output.String()) {
		var entry struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == message {
			return entry.Address
		}
	}
	return ""
}

// TestServicesAlone runs the four services as four processes that share nothing but Kafka, registry and ClickHouse.
func TestServicesAlone(t *testing.T) {
	kafka, clickHouse, registry := backend.Kafka(t), backend.ClickHouse(t), backend.Registry(t)
	common := []string{
		"--set", "workspace.hash_key=" + hashKey, "--set", "admin.listen=127.0.0.1:0",
		"--set", "kafka.brokers=" + strings.Join(kafka.Brokers, ","), "--set", "kafka.partitions=3", "--set", "kafka.replication_factor=1",
		"--set", "registry.url=" + registry,
	}
	own := map[string][]string{
		"collector": {"--set", "collector.listen=127.0.0.1:0"},
		"sink":      {"--set", "sink.clickhouse.addresses=" + clickHouse.Addr, "--set", "sink.clickhouse.username=" + clickHouse.User},
	}
	if clickHouse.Password != "" {
		own["sink"] = append(own["sink"], "--set", "sink.clickhouse.password="+clickHouse.Password)
	}
	var services []*alone
	for _, name := range []string{"collector", "identity", "enricher", "sink"} {
		a := &alone{name: name, output: &lockedBuffer{}, exited: make(chan error, 1)}
		a.command = exec.Command(program(t), append(append([]string{name}, common...), own[name]...)...)
		a.command.Stdout, a.command.Stderr = a.output, a.output
		if err := a.command.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { a.exited <- a.command.Wait() }()
		t.Cleanup(func() {
			// Already ended when the test did its work.
			_ = a.command.Process.Kill()
			if t.Failed() {
				t.Logf("%s:\n%s", a.name, a.output)
			}
		})
		services = append(services, a)
	}
	p := &pipeline{}
	for _, a := range services {
		until(t, func() (string, bool) {
			admin := a.logged("admin listener open")
			if admin == "" {
				return a.name + " has no admin listener\n" + a.output.String(), false
			}
			status, body := p.get(t, "http://"+admin+"/readyz")
			return a.name + " is not ready: " + body, status == http.StatusOK
		})
	}
	p.Addresses = up.Addresses{Collector: services[0].logged("collector listener open")}
	cfg := warehouse.DefaultConfig()
	cfg.Username, cfg.Password = clickHouse.User, clickHouse.Password
	p.db = database(t, cfg, clickHouse.Addr)
	p.accept(t, "wk_dev_web", "/v1/page", `{"anonymousId":"alone-cookie","messageId":"alone-1","name":"Accueil"}`)
	p.accept(t, "wk_dev_web", "/v1/identify", `{"anonymousId":"alone-cookie","userId":"alone-user","messageId":"alone-2"}`)
	p.eventually(t, "2\t1", `SELECT count(), uniqExact(customer_id) FROM parcours.customer_events WHERE message_id LIKE 'alone-%'`)

	for _, a := range services {
		if err := a.command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range services {
		select {
		case err := <-a.exited:
			if err != nil {
				t.Errorf("SIGTERM ended %s with %v\n%s", a.name, err, a.output)
			}
		case <-time.After(patience):
			t.Errorf("%s did not end within %s of SIGTERM\n%s", a.name, patience, a.output)
		}
	}
}
