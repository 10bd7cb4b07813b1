package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/parcours-cdp/parcours/cmd/parcours/simulate"
)

const (
	pipelineEvents  = 150_000
	pipelineBatch   = 100
	pipelineSenders = 8
	// idleFor is how long the pipeline rests before its memory at rest is read.
	idleFor = 5 * time.Second
)

// BenchmarkPipeline sends simulated events over HTTP to `parcours up`, a process of its own with a broker, a registry
// and the ClickHouse engine, and waits until every row can be counted. CPU time is that of the process and of its engine,
// from the first request to the last row; the sender's is not in it. Memory is resident memory.
func BenchmarkPipeline(b *testing.B) {
	program := filepath.Join(b.TempDir(), "parcours")
	build := exec.Command("go", "build", "-o", program, "github.com/parcours-cdp/parcours/cmd/parcours")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build parcours: %v\n%s", err, output)
	}
	batches, events := pipelineBodies(b)
	for b.Loop() {
		for _, sync := range []string{"true", "false"} {
			p := startPipeline(b, program, sync)
			began, up, engine := time.Now(), processCPU(b, p.pid), processCPU(b, p.engine)
			p.send(b, batches)
			acknowledged := time.Since(began)
			p.await(b, events)
			took := time.Since(began)
			perEvent := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(events) }
			up, engine = processCPU(b, p.pid)-up, processCPU(b, p.engine)-engine
			b.Logf("sync=%-5s acknowledged at %6.0f events/s, stored at %6.0f events/s; CPU us/event: services and broker %.1f, engine %.1f, all %.1f; memory MB at rest: %d + engine %d, under load: %d + engine %d",
				sync, float64(events)/acknowledged.Seconds(), float64(events)/took.Seconds(),
				perEvent(up), perEvent(engine), perEvent(up+engine), p.restUp, p.restEngine, p.memory(b, p.pid, "VmHWM"), p.memory(b, p.engine, "VmHWM"))
			b.ReportMetric(float64(events)/took.Seconds(), "sync_"+sync+"_events/s")
			b.ReportMetric(perEvent(up+engine), "sync_"+sync+"_cpu_us/event")
			p.stop(b)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// pipelineBodies are requests of a hundred simulated events each, in the order in which they happened.
func pipelineBodies(b *testing.B) (bodies [][]byte, events int) {
	b.Helper()
	simulation, err := simulate.New(simulate.Config{Seed: 3, Customers: simulate.CustomersFor(pipelineEvents, 7), Days: 7, Events: pipelineEvents, Trouble: 1})
	if err != nil {
		b.Fatal(err)
	}
	batch := &simulate.Delivery{Source: simulate.Server}
	flush := func() {
		if len(batch.Events) > 0 {
			bodies = append(bodies, batch.AppendBody(nil, "wk_dev_server", time.UnixMilli(batch.At)))
			events += len(batch.Events)
		}
		batch = &simulate.Delivery{Source: simulate.Server}
	}
	for delivery := range simulation.Deliveries() {
		if delivery.Repeat {
			continue
		}
		for _, event := range delivery.Events {
			if event.Wrong != "" {
				continue
			}
			batch.At = delivery.At
			if batch.Events = append(batch.Events, event); len(batch.Events) == pipelineBatch {
				flush()
			}
		}
	}
	flush()
	return bodies, events
}

type upProcess struct {
	command            *exec.Cmd
	output             bytes.Buffer
	pid, engine        int
	collector          string
	clickHouse         string
	restUp, restEngine int
}

func startPipeline(b *testing.B, program, sync string) *upProcess {
	b.Helper()
	dir := b.TempDir()
	addresses := filepath.Join(dir, "addresses.json")
	p := &upProcess{command: exec.Command(program, "up", "--data-dir", filepath.Join(dir, "data"), "--ports", "auto", "--addr-file", addresses, "--set", "embedded.sync="+sync, "--set", "log.level=warn")}
	p.command.Stdout, p.command.Stderr = &p.output, &p.output
	if err := p.command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if b.Failed() {
			b.Log(p.output.String())
		}
	})
	b.Cleanup(func() { _ = p.command.Process.Kill() }) // Ended by stop unless the benchmark failed.
	var where struct{ Collector, ClickHouse string }
	eventually(b, func() bool {
		text, err := os.ReadFile(addresses)
		return err == nil && json.Unmarshal(text, &where) == nil
	})
	p.pid, p.collector, p.clickHouse = p.command.Process.Pid, where.Collector, where.ClickHouse
	for _, child := range children(b, p.pid) {
		p.engine = child
	}
	<-time.After(idleFor)
	p.restUp, p.restEngine = p.memory(b, p.pid, "VmRSS"), p.memory(b, p.engine, "VmRSS")
	return p
}

func (p *upProcess) stop(b *testing.B) {
	b.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		b.Fatal(err)
	}
	if err := p.command.Wait(); err != nil {
		b.Fatalf("stop parcours up: %v\n%s", err, p.output.String())
	}
}

// send posts all bodies, several at once, and fails unless each is answered 200.
func (p *upProcess) send(b *testing.B, bodies [][]byte) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: pipelineSenders}}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	var group errgroup.Group
	for range pipelineSenders {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(bodies) {
					return nil
				}
				if err := post(client, "http://"+p.collector+"/v1/batch", bodies[i]); err != nil {
					return err
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}

func post(client *http.Client, url string, body []byte) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.SetBasicAuth("wk_dev_server", "")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("post %s: %s: %s", url, response.Status, text)
	}
	return nil
}

// await waits until all events can be counted, the few that the collector refuses included.
func (p *upProcess) await(b *testing.B, events int) {
	b.Helper()
	eventually(b, func() bool {
		response, err := http.Get("http://" + p.clickHouse + "/?query=SELECT+(SELECT+count()+FROM+parcours.events)%2B(SELECT+uniqExact(rejection_id)+FROM+parcours.rejected_events)")
		if err != nil {
			return false
		}
		text, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			return false
		}
		count, err := strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil && count >= events
	})
}

// memory is a figure of /proc/PID/status in MB.
func (p *upProcess) memory(b *testing.B, pid int, name string) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name+":" {
			kilobytes, err := strconv.Atoi(fields[1])
			if err != nil {
				b.Fatal(err)
			}
			return kilobytes >> 10
		}
	}
	b.Fatalf("process %d has no %s", pid, name)
	return 0
}

func eventually(b *testing.B, holds func() bool) {
	b.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			b.Fatal("waited for 2 minutes")
		}
		<-ticker.C
	}
}
