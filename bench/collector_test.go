package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/registry/registrytest"
	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/internal/stream/streamtest"
	"github.com/parcours-cdp/parcours/internal/workspace"
	"github.com/parcours-cdp/parcours/services/collector"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fastjson"
	"go.uber.org/zap"
)

// The collector against two limits of its hop, servers that read the same bodies off net/http and write
// as many records to a broker like its own. "limit" finds the events with the fastest JSON indexer for Go
// and writes each as it was sent, under its own key: what anything must do that keeps events apart.
// "blind" does not look at the body and writes equal shares of it. All run in this process with client
// and broker, in turns, because the machine's speed drifts; the ratios are the result.
func BenchmarkCollector(b *testing.B) {
	for _, events := range []int{100, 1} {
		b.Run(fmt.Sprintf("batch=%d", events), func(b *testing.B) {
			bodies := segmentBodies(events)
			servers := []struct{ name, address string }{
				{"", startCollector(b)}, {"limit-", startLimit(b, split)}, {"blind-", startLimit(b, blind(events))},
			}
			path := "/v1/batch"
			if events == 1 {
				path = "/v1/t"
			}
			requests := make([][]byte, len(bodies))
			for i, body := range bodies {
				requests[i] = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: c\r\nAuthorization: Basic d2tfZGV2X3dlYjo=\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
			}
			count := 120_000 / (events + 10) // about a second
			rates, costs, allocations := make([][]float64, len(servers)), make([][]float64, len(servers)), make([][]float64, len(servers))
			ratios := make([][]float64, len(servers))
			for _, server := range servers {
				offer(b, server.address, requests, count/4)
			}
			for b.Loop() {
				for i, server := range servers {
					rate, cost, allocated := offer(b, server.address, requests, count)
					rates[i] = append(rates[i], rate*float64(events))
					costs[i] = append(costs[i], cost/float64(events))
					allocations[i] = append(allocations[i], allocated/float64(events))
					ratios[i] = append(ratios[i], rates[0][len(rates[0])-1]/rates[i][len(rates[i])-1])
				}
			}
			for i, server := range servers {
				b.ReportMetric(middle(rates[i]), server.name+"events/s")
				b.ReportMetric(middle(costs[i]), server.name+"cpu-us/event")
				b.ReportMetric(middle(allocations[i]), server.name+"allocs/event")
				if i > 0 {
					b.ReportMetric(middle(ratios[i]), "of-"+strings.TrimSuffix(server.name, "-"))
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func middle(values []float64) float64 {
	sort.Float64s(values)
	return values[len(values)/2]
}

func startCollector(b *testing.B) (address string) {
	b.Helper()
	client := benchClient(b)
	cfg := collector.DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	listening := make(chan string, 1)
	cfg.OnListen = func(address string) { listening <- address }
	ws := workspace.DefaultConfig()
	ws.HashKey = strings.Repeat("0123456789abcdef", 4)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- collector.Run(ctx, cfg, service.Platform{
			Workspace: ws, Identifiers: identifier.DefaultConfig(), Kafka: client, Registry: registrytest.Client(b), Log: zap.NewNop(),
			Metrics: prometheus.NewRegistry(), Ready: service.NewReadiness(),
		})
	}()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Errorf("collector: %v", err)
		}
	})
	select {
	case address = <-listening:
	case err := <-ended:
		b.Fatalf("collector: %v", err)
	}
	return address
}

func benchClient(b *testing.B) *stream.Client {
	b.Helper()
	client, err := stream.Connect(streamtest.Config(streamtest.Broker(b)), zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	if err := client.EnsureTopics(context.Background(), stream.Touchpoints); err != nil {
		b.Fatal(err)
	}
	return client
}

// blind cuts a body into equal shares.
func blind(events int) func(body []byte, add func(key, value []byte)) error {
	return func(body []byte, add func(key, value []byte)) error {
		share := len(body) / events
		for i := range events {
			value := body[i*share : (i+1)*share]
			add(value[share/2:share/2+36], value)
		}
		return nil
	}
}

var parsers fastjson.ParserPool

// split finds the events of a body and the cookie of each.
func split(body []byte, add func(key, value []byte)) error {
	parser := parsers.Get()
	defer parsers.Put(parser)
	root, err := parser.ParseBytes(body)
	if err != nil {
		return err
	}
	if !root.Exists("batch") {
		add(root.GetStringBytes("anonymousId"), body)
		return nil
	}
	text := make([]byte, 0, len(body)) // fastjson does not say where a value stood: events are written anew
	for _, event := range root.GetArray("batch") {
		from := len(text)
		text = event.MarshalTo(text)
		add(bytes.Clone(event.GetStringBytes("anonymousId")), text[from:])
	}
	return nil
}

// startLimit serves a limit loop.
func startLimit(b *testing.B, cut func(body []byte, add func(key, value []byte)) error) (address string) {
	b.Helper()
	client := benchClient(b)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			http.Error(w, "read", http.StatusBadRequest)
			return
		}
		records := make([]stream.Record, 0, 128)
		if err := cut(body, func(key, value []byte) {
			records = append(records, stream.Record{Topic: stream.Touchpoints, Key: key, Value: value})
		}); err != nil {
			http.Error(w, "cut", http.StatusBadRequest)
			return
		}
		pointers := make([]*stream.Record, len(records))
		for i := range records {
			pointers[i] = &records[i]
		}
		if err := client.Produce(r.Context(), pointers...); err != nil {
			http.Error(w, "produce", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, `{"success":true}`)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	var done sync.WaitGroup
	done.Go(func() { _ = server.Serve(listener) })
	b.Cleanup(func() { _ = server.Close(); done.Wait() })
	return listener.Addr().String()
}

// offer sends count requests over 16 connections and returns requests a second, and microseconds of CPU
// and allocations of the whole process a request.
func offer(b *testing.B, address string, requests [][]byte, count int) (rate, cpu, allocations float64) {
	b.Helper()
	const connections = 16
	before, began := spentSoFar(b), time.Now()
	var group sync.WaitGroup
	for c := range connections {
		group.Go(func() {
			if err := sendAll(address, requests, c, count/connections); err != nil {
				b.Errorf("send: %v", err)
			}
		})
	}
	group.Wait()
	sent := float64(count / connections * connections)
	took := time.Since(began)
	cpu, allocations = before.since(b, sent)
	return sent / took.Seconds(), cpu, allocations
}

func sendAll(address string, requests [][]byte, first, count int) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	reader := bufio.NewReader(conn)
	for i := range count {
		if _, err := conn.Write(requests[(first+i)%len(requests)]); err != nil {
			return err
		}
		if err := readAnswer(reader); err != nil {
			return err
		}
	}
	return nil
}

// readAnswer reads one answer with as little as it takes.
func readAnswer(reader *bufio.Reader) error {
	length, first := 0, true
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
			return fmt.Errorf("answer %q", line)
		}
		first = false
		if rest, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			for _, c := range bytes.TrimSpace(rest) {
				length = length*10 + int(c-'0')
			}
		}
		if len(line) == 2 {
			_, err := reader.Discard(length)
			return err
		}
	}
}

// segmentBodies are requests of browsers: pages, products and orders of many visitors.
func segmentBodies(events int) [][]byte {
	const context = `"context":{"page":{"path":"/panier/confirmation","referrer":"https://www.example.fr/panier","search":"?utm_source=newsletter","title":"Merci pour votre commande","url":"https://www.example.fr/panier/confirmation?utm_source=newsletter"},"userAgent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36","locale":"fr-FR","library":{"name":"analytics.js","version":"next-1.84.3"},"campaign":{"source":"newsletter","medium":"email","name":"soldes"},"timezone":"Europe/Paris"}`
	kinds := []string{
		`"type":"page","name":"Home","properties":{"path":"/panier/confirmation","referrer":"https://www.example.fr/panier","search":"?utm_source=newsletter","title":"Merci pour votre commande","url":"https://www.example.fr/panier/confirmation?utm_source=newsletter"}`,
		`"type":"track","event":"Product Viewed","properties":{"product_id":"p-3381","sku":"3381-M","name":"Pull col rond laine","category":"Homme/Pulls","price":79.9,"currency":"EUR","colour":"marine","position":3}`,
		`"type":"track","event":"Order Completed","properties":{"order_id":"FR-881204","total":129.80,"revenue":"124.90","shipping":4.9,"tax":21.63,"currency":"EUR","coupon":"HIVER10","products":[{"product_id":"p-3381","sku":"3381-M","name":"Pull col rond laine","price":79.9,"quantity":1,"size":"M"},{"product_id":"p-1022","name":"Bonnet","price":45,"quantity":1}]}`,
	}
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	bodies := make([][]byte, 64)
	for i := range bodies {
		var body bytes.Buffer
		if events > 1 {
			body.WriteString(`{"batch":[`)
		}
		for e := range events {
			if e > 0 {
				body.WriteByte(',')
			}
			n := i*events + e
			fmt.Fprintf(&body, `{"timestamp":"%s","integrations":{},%s,%s,"messageId":"ajs-next-1795288392483-57612bb6-eb32-43da-8b62-%012d","userId":"u-%d","anonymousId":"4c8d87e6-5761-4bb6-ab32-%012d","_metadata":{"bundled":["Segment.io"],"unbundled":[],"bundledIds":[]}}`,
				now, kinds[n%len(kinds)], context, n, n%997, n%1999)
		}
		if events > 1 {
			fmt.Fprintf(&body, `],"sentAt":"%s"}`, now)
		}
		bodies[i] = body.Bytes()
	}
	return bodies
}
