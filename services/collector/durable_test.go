package collector

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	http.DefaultTransport.(*http.Transport).DisableKeepAlives = true
	goleak.VerifyTestMain(m)
}

// refuse answers a produce request with an error for every partition.
func refuse(request *kmsg.ProduceRequest, code int16) kmsg.Response {
	response := request.ResponseKind().(*kmsg.ProduceResponse)
	for _, topic := range request.Topics {
		told := kmsg.NewProduceResponseTopic()
		told.Topic, told.TopicID = topic.Topic, topic.TopicID
		for _, partition := range topic.Partitions {
			p := kmsg.NewProduceResponseTopicPartition()
			p.Partition, p.ErrorCode = partition.Partition, code
			told.Partitions = append(told.Partitions, p)
		}
		response.Topics = append(response.Topics, told)
	}
	return response
}

func TestEventsReachKafka(t *testing.T) {
	r := start(t, nil)
	status, answer := r.send("/v1/batch", "wk_dev_web", `{"batch":[`+goodEvent+`,{"type":"track","event":"Y"}]}`)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	if got := r.touchpoints(1); got[0].MessageID != "m" {
		t.Errorf("got %+v", got)
	}
	if got := r.rejections(1); got[0].Stage != "collector" || got[0].Reason != string(ReasonMissingIdentifier) {
		t.Errorf("got %+v", got)
	}
}

// The broker answers an error: one that may pass and one that will not. Neither is a 2xx.
func TestBrokerErrors(t *testing.T) {
	r := start(t, func(c *Config) { c.Timeouts.Produce = 500 * time.Millisecond })
	for _, failure := range []*kerr.Error{kerr.NotEnoughReplicas, kerr.TopicAuthorizationFailed, kerr.MessageTooLarge} {
		r.cluster.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
			r.cluster.KeepControl()
			return refuse(request.(*kmsg.ProduceRequest), failure.Code), nil, true
		})
		for _, body := range []string{goodEvent, `{"event":"X"}`} {
			if status, answer := r.send("/v1/track", "wk_dev_web", body); status != http.StatusServiceUnavailable {
				t.Errorf("%s: %d %s", failure.Message, status, answer)
			}
		}
		r.cluster.DropControl()
	}
}

// The answer comes after the acknowledgement, not after the call.
// The largest that the limits can be set to still fits a message of Kafka's.
func TestLargestBodyAndEventAreKept(t *testing.T) {
	r := start(t, func(c *Config) { c.Limits.BodyBytes, c.Limits.EventBytes = maxBodyBytes, maxEventBytes })
	if status, told := r.send("/v1/batch", "wk_dev_web", strings.Repeat("x", maxBodyBytes)); status != http.StatusBadRequest {
		t.Errorf("a body of no dialect: %d %s", status, told)
	}
	const frame = `{"event":"Order Completed","userId":"u","properties":{"products":[{}]}}`
	lines := `[{}` + strings.Repeat(`,{}`, (maxEventBytes-len(frame))/3) + `]` // what grows most
	event := strings.Replace(frame, `[{}]`, lines, 1)
	if status, told := r.send("/v1/track", "wk_dev_web", event); status != http.StatusOK || told != success {
		t.Errorf("an event of many lines: %d %s", status, told)
	}
}

func TestAnswerWaitsForTheAcknowledgement(t *testing.T) {
	r := start(t, nil)
	asked, acknowledge := make(chan struct{}), make(chan struct{})
	r.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(asked)
		<-acknowledge
		return nil, nil, false // now as usual
	})
	answered := make(chan int, 1)
	go func() {
		status, _ := r.send("/v1/track", "wk_dev_web", goodEvent)
		answered <- status
	}()
	<-asked
	select {
	case status := <-answered:
		t.Errorf("answered %d while the broker had acknowledged nothing", status)
	case <-time.After(200 * time.Millisecond):
	}
	close(acknowledge)
	select {
	case status := <-answered:
		if status != http.StatusOK {
			t.Errorf("after the acknowledgement: %d", status)
		}
	case <-time.After(10 * time.Second):
		t.Error("no answer after the acknowledgement")
	}
}

// A stop lets the requests in hand end, and Run returns nil.
func TestStopFinishesRequests(t *testing.T) {
	r := start(t, nil)
	asked, acknowledge := make(chan struct{}), make(chan struct{})
	r.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(asked)
		<-acknowledge
		return nil, nil, false
	})
	answered, stopped := make(chan int, 1), make(chan error, 1)
	go func() {
		status, _ := r.send("/v1/track", "wk_dev_web", goodEvent)
		answered <- status
	}()
	<-asked
	go func() { stopped <- r.stop() }()
	eventually(t, "the listener closes", func() bool {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(r.url, "http://"), time.Second)
		if err != nil {
			return true
		}
		_ = conn.Close()
		return false
	})
	select {
	case err := <-stopped:
		t.Fatalf("stopped (%v) with a request in hand", err)
	default:
	}
	close(acknowledge)
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the request in hand: %d", status)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
}

// dial opens a bare connection to the collector.
func (r *running) dial() net.Conn {
	r.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	return conn
}

func TestSlowClients(t *testing.T) {
	r := start(t, func(c *Config) {
		c.Timeouts.Header, c.Timeouts.Read, c.Timeouts.Idle = 100*time.Millisecond, 300*time.Millisecond, 200*time.Millisecond
	})
	f := func(what, sent, want string) {
		t.Helper()
		conn := r.dial()
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)               // until the collector closes
		if !strings.HasPrefix(string(answer), want) { // a reset after it is fine
			t.Errorf("%s: %v %.80q, want %q", what, err, answer, want)
		}
	}
	head := "POST /v1/track?writeKey=wk_dev_web HTTP/1.1\r\nHost: x\r\n"
	f("no request", "", "")
	f("slow headers", head, "")
	f("slow body", head+"Content-Length: 1000\r\n\r\n{", "HTTP/1.1 408 ")
	f("idle after a request", head+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(goodEvent), goodEvent), "HTTP/1.1 200 ")
	f("large headers", head+"X-Large: "+strings.Repeat("x", 40<<10)+"\r\n\r\n", "HTTP/1.1 431 ")
	f("announced too large", head+"Content-Length: 10000000\r\n\r\n", "HTTP/1.1 413 ")
}

func TestConnectionsPerIP(t *testing.T) {
	r := start(t, func(c *Config) { c.Limits.ConnectionsPerIP = 2 })
	ask := func(conn net.Conn) error {
		if _, err := io.WriteString(conn, "GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return err
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
		return err
	}
	first, second := r.dial(), r.dial()
	if err := ask(first); err != nil {
		t.Errorf("first: %v", err)
	}
	if err := ask(second); err != nil {
		t.Errorf("second: %v", err)
	}
	if err := ask(r.dial()); err == nil {
		t.Error("a third connection was served")
	}
	_ = first.Close()
	eventually(t, "a place is free again", func() bool { return ask(r.dial()) == nil })
}

// Personal data sent on purpose through every path must show nowhere but in Kafka.
func TestNoPersonalDataInLogsAndMetrics(t *testing.T) {
	r := start(t, func(c *Config) { c.Timeouts.Produce = 300 * time.Millisecond })
	canaries := []string{"canary@example.fr", "0698765432", "canary-user", "Canaryname", "192.0.2.77", "canary-message", "wk_dev_web", "canary-key"}
	event := `{"type":"identify","event":"X","userId":"canary-user","messageId":"canary-message","traits":{"email":"canary@example.fr","phone":"0698765432","firstName":"Canaryname"},"context":{"ip":"192.0.2.77"}}`
	bad := strings.Replace(event, `"type":"identify"`, `"type":"canary@example.fr"`, 1)
	send := func() {
		for _, body := range []string{event, `{"batch":[` + event + `,` + bad + `]}`, event[:40], strings.Replace(event, "{", "{\"Canaryname\":\"\xff\",", 1), strings.Repeat(event, 5000)} {
			for _, path := range []string{"/v1/batch", "/v1/identify", "/v1/m", "/v1/canary@example.fr", "/v1/t?writeKey=canary-key"} {
				r.send(path, "wk_dev_web", body, "X-Forwarded-For", "192.0.2.77", "Origin", "https://Canaryname.fr")
				r.send(path, "", body)
			}
		}
	}
	send()
	r.cluster.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.KeepControl()
		return refuse(request.(*kmsg.ProduceRequest), kerr.TopicAuthorizationFailed.Code), nil, true
	})
	send()
	var seen bytes.Buffer
	for _, entry := range r.logs.All() {
		fmt.Fprintf(&seen, "%s %v %s\n", entry.Message, entry.ContextMap(), entry.Stack)
	}
	if !strings.Contains(seen.String(), "could not be produced") {
		t.Error("a failing Kafka was not logged: the test saw no error path")
	}
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		fmt.Fprintln(&seen, family.String())
	}
	for _, canary := range canaries {
		if strings.Contains(seen.String(), canary) {
			t.Errorf("%s shows in logs or metrics", canary)
		}
	}
}

// A refusal is read by its sender even when the body is long and was not looked at.
func TestRefusalsReachTheirSenders(t *testing.T) {
	r := start(t, nil)
	long := strings.Repeat(" ", 3<<20)
	for range 5 {
		for path, want := range map[string]int{"/v1/track?writeKey=nobody": 401, "/v1/nowhere": 404, "/v1/track?writeKey=wk_dev_web": 413, "/v1/m": 400} {
			if status, answer := r.send(path, "", long); status != want {
				t.Errorf("%s: %d %s, want %d", path, status, answer, want)
			}
		}
	}
}
