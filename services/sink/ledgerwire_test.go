package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/embedded/clickhouse"
)

// ledgerTables are those that the sink inserts what it reads into.
var ledgerTables = []string{"events", "contacts", "traits", "rejected_events", "identity_map", "identity_changes", "identity_audit"}

// What may happen to an insert between the sink and ClickHouse.
const (
	wireLost    = "answer lost after the insert"
	wireBad     = "502 after the insert"
	wireRefused = "503 instead of the insert"
	wireParts   = "too many parts"
	wireStall   = "stalled, and never done"
	wireLate    = "stalled, and done after its repetition"
	wireHalf    = "cut in the middle of the block"
	wireKillIn  = "engine killed while the block comes in"
	wireKillAt  = "engine killed when it has the block"
)

// wire is the network between the sinks and ClickHouse.
type wire struct {
	address string
	engine  *clickhouse.Server
	client  *http.Client
	count   func(kind string)

	mu     sync.Mutex
	armed  []wireFault
	held   []*heldInsert
	gone   bool // nothing is held any more
	stalls sync.WaitGroup
}

type wireFault struct {
	kind, table string
	delay       time.Duration // of a kill
	met         chan struct{} // closed when an insert meets it
}

// heldInsert is a request that reaches ClickHouse after its repetition.
type heldInsert struct {
	token string
	send  func()
}

func newWire(t *testing.T, engine *clickhouse.Server, count func(kind string)) *wire {
	t.Helper()
	w := &wire{engine: engine, count: count, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
	others := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: engine.Addr()})
	others.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		table := insertedTable(r.URL.Query().Get("query"))
		if table == "" {
			others.ServeHTTP(rw, r)
			return
		}
		w.insert(rw, r, table)
	}))
	server.Config.ErrorLog = nil
	server.Start()
	t.Cleanup(func() {
		w.calm()
		server.CloseClientConnections()
		server.Close()
		w.client.CloseIdleConnections()
	})
	w.address = strings.TrimPrefix(server.URL, "http://")
	return w
}

// insertedTable is the table that a statement inserts rows of records into.
func insertedTable(query string) string {
	rest, inserts := strings.CutPrefix(query, "INSERT INTO parcours.")
	if !inserts {
		return ""
	}
	for _, table := range ledgerTables {
		if name, _, _ := strings.Cut(rest, " "); strings.Trim(name, "(`") == table {
			return table
		}
	}
	return ""
}

// arm has the next insert into a table meet a fault.
func (w *wire) arm(f wireFault) <-chan struct{} {
	f.met = make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = append(w.armed, f)
	return f.met
}

// disarm takes back what no insert has met.
func (w *wire) disarm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = nil
}

// calm ends the faults: what is still held is done now, or never.
func (w *wire) calm() {
	w.mu.Lock()
	w.armed, w.gone = nil, true
	held := w.held
	w.held = nil
	w.mu.Unlock()
	for _, late := range held {
		late.send()
	}
	w.stalls.Wait()
}

func (w *wire) next(table string) (fault wireFault, met bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, f := range w.armed {
		if f.table == table {
			w.armed = append(w.armed[:i:i], w.armed[i+1:]...)
			close(f.met)
			return f, true
		}
	}
	return wireFault{}, false
}

func (w *wire) insert(rw http.ResponseWriter, r *http.Request, table string) {
	block, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	token := table + " " + r.URL.Query().Get("insert_deduplication_token")
	fault, met := w.next(table)
	if met && fault.kind != wireLate {
		w.count(fault.kind)
	}
	switch fault.kind {
	case wireRefused:
		http.Error(rw, "no server is available", http.StatusServiceUnavailable)
	case wireParts:
		rw.Header().Set("X-ClickHouse-Exception-Code", "252")
		rw.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(rw, "Code: 252. DB::Exception: Too many parts (3001 with average size of 12.00 KiB) in table 'parcours.%s'. Merges are processing significantly slower than inserts. (TOO_MANY_PARTS) (version 26.7.1.1)", table)
	case wireStall:
		<-r.Context().Done()
	case wireLate:
		w.hold(r, token, block)
		<-r.Context().Done()
	case wireHalf:
		_, _ = w.forward(r, &brokenBody{Reader: bytes.NewReader(block[:len(block)/2])}, len(block))
		panic(http.ErrAbortHandler)
	case wireKillIn:
		half := &brokenBody{Reader: bytes.NewReader(block[:len(block)/2]), rest: bytes.NewReader(block[len(block)/2:]), between: w.kill}
		_, _ = w.forward(r, half, len(block))
		panic(http.ErrAbortHandler)
	case wireKillAt:
		timer := time.AfterFunc(fault.delay, w.kill)
		_, _ = w.forward(r, bytes.NewReader(block), len(block))
		if timer.Stop() {
			w.kill() // it has answered before
		}
		panic(http.ErrAbortHandler)
	default:
		answer, err := w.forward(r, bytes.NewReader(block), len(block))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if answer.status == http.StatusOK {
			defer w.done(token)
		}
		switch fault.kind {
		case wireLost:
			panic(http.ErrAbortHandler)
		case wireBad:
			http.Error(rw, "the server went away", http.StatusBadGateway)
		default:
			answer.write(rw)
		}
	}
}

// kill ends the engine's process as a crash does; its supervisor starts the next.
func (w *wire) kill() {
	if pid := w.engine.PID(); pid != 0 {
		// It may have ended by itself.
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// hold keeps an insert until another under the same token is done, which is how a slow network doubles rows.
func (w *wire) hold(r *http.Request, token string, block []byte) {
	w.stalls.Add(1)
	late := r.Clone(context.Background()) // who sent it has gone
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = append(w.held, &heldInsert{token: token, send: func() {
		defer w.stalls.Done()
		if answer, err := w.forward(late, bytes.NewReader(block), len(block)); err == nil && answer.status == http.StatusOK {
			w.count(wireLate)
		}
	}})
}

// done lets go of what was held for a repetition.
func (w *wire) done(token string) {
	w.mu.Lock()
	var due []*heldInsert
	kept := w.held[:0]
	for _, late := range w.held {
		if sameRange(late.token, token) {
			due = append(due, late)
		} else {
			kept = append(kept, late)
		}
	}
	w.held = kept
	w.mu.Unlock()
	for _, late := range due {
		late.send()
	}
}

// sameRange is whether two tokens name inserts of one table whose records overlap.
func sameRange(a, b string) bool {
	read := func(token string) (place string, from, to int64, ok bool) {
		fields := strings.Split(token, "/")
		if len(fields) < 3 {
			return "", 0, 0, false
		}
		_, err := fmt.Sscanf(fields[2], "%d-%d", &from, &to)
		return fields[0] + "/" + fields[1], from, to, err == nil
	}
	placeA, fromA, toA, okA := read(a)
	placeB, fromB, toB, okB := read(b)
	return okA && okB && placeA == placeB && fromA <= toB && fromB <= toA
}

type wireAnswer struct {
	status int
	header http.Header
	body   []byte
}

func (a *wireAnswer) write(rw http.ResponseWriter) {
	for name, values := range a.header {
		rw.Header()[name] = values
	}
	rw.WriteHeader(a.status)
	_, _ = rw.Write(a.body) // the client may be gone
}

func (w *wire) forward(r *http.Request, body io.Reader, length int) (*wireAnswer, error) {
	to := *r.URL
	to.Scheme, to.Host = "http", w.engine.Addr()
	request, err := http.NewRequestWithContext(r.Context(), r.Method, to.String(), io.NopCloser(body))
	if err != nil {
		return nil, err
	}
	request.Header, request.ContentLength = r.Header.Clone(), int64(length)
	response, err := w.client.Do(request)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	return &wireAnswer{status: response.StatusCode, header: response.Header, body: text}, nil
}

// brokenBody does something in its middle, and ends there unless it has a rest.
type brokenBody struct {
	io.Reader
	rest    io.Reader
	between func()
}

func (b *brokenBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if !errors.Is(err, io.EOF) || n > 0 {
		return n, err
	}
	if b.between != nil {
		b.between()
		b.between = nil
	}
	if b.rest == nil {
		return 0, errors.New("cut")
	}
	b.Reader, b.rest = b.rest, nil
	return b.Reader.Read(p)
}
