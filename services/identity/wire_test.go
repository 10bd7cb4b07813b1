package identity_test

import (
	"encoding/binary"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
)

// wires are the connections to a broker. Each belongs to the client ID that its first request names, and the wires
// of one client can be broken, held, or cut for good.
type wires struct {
	mu    sync.Mutex
	ended bool
	of    map[string]*wire
}

// wire is all connections of one client.
type wire struct {
	lines map[*line]bool
	// cut: nothing comes through ever again. held is closed when what waits may go on; nil when nothing waits.
	cut  bool
	held chan struct{}
}

func newWires() *wires { return &wires{of: make(map[string]*wire)} }

// listen makes a broker's connections known to the wires.
func (w *wires) listen() kfake.Opt {
	return kfake.ListenFn(func(network, address string) (net.Listener, error) {
		inner, err := net.Listen(network, address)
		return &listener{inner, w}, err
	})
}

type listener struct {
	net.Listener
	wires *wires
}

func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &line{Conn: conn, wires: l.wires}, nil
}

// line is one connection, at the broker's end. Only the broker's reader uses head and wire.
type line struct {
	net.Conn
	wires *wires
	head  []byte
	wire  *wire
}

// The first request has its size, kind, version and number before the length of the client ID.
const beforeClientID = 4 + 2 + 2 + 4

func (l *line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if l.wire == nil {
		l.head = append(l.head, p[:n]...)
		if from := beforeClientID + 2; len(l.head) >= from {
			if to := from + int(binary.BigEndian.Uint16(l.head[beforeClientID:])); len(l.head) >= to {
				l.wire = l.wires.join(string(l.head[from:to]), l)
			}
		}
	}
	if l.wire != nil && !l.wires.pass(l.wire) {
		return 0, net.ErrClosed
	}
	return n, err
}

func (l *line) Close() error {
	l.wires.mu.Lock()
	for _, wire := range l.wires.of {
		delete(wire.lines, l)
	}
	l.wires.mu.Unlock()
	return l.Conn.Close()
}

// client is the wire of a client ID; it wants the lock held.
func (w *wires) client(id string) *wire {
	if w.of[id] == nil {
		w.of[id] = &wire{lines: make(map[*line]bool)}
	}
	return w.of[id]
}

func (w *wires) join(id string, l *line) *wire {
	w.mu.Lock()
	defer w.mu.Unlock()
	wire := w.client(id)
	wire.lines[l] = true
	return wire
}

// pass waits while the wire is held, and answers whether it carries.
func (w *wires) pass(of *wire) bool {
	for {
		w.mu.Lock()
		cut, held := of.cut, of.held
		w.mu.Unlock()
		if held == nil || cut {
			return !cut
		}
		<-held
	}
}

// broken closes a client's connections; it may come again unless it is cut for good.
func (w *wires) broken(id string, forGood bool) {
	w.mu.Lock()
	wire := w.client(id)
	wire.cut = wire.cut || forGood
	var lines []*line
	for l := range wire.lines {
		lines = append(lines, l)
	}
	w.mu.Unlock()
	for _, l := range lines {
		_ = l.Conn.Close() // it may be closed already, which is what is wanted
	}
}

// hold stops what a client says on its way to the broker.
func (w *wires) hold(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if wire := w.client(id); wire.held == nil && !w.ended {
		wire.held = make(chan struct{})
	}
}

// release lets through what was held.
func (w *wires) release(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if wire := w.client(id); wire.held != nil {
		close(wire.held)
		wire.held = nil
	}
}

// end releases everything.
func (w *wires) end() {
	w.mu.Lock()
	w.ended = true
	ids := make([]string, 0, len(w.of))
	for id := range w.of {
		ids = append(ids, id)
	}
	w.mu.Unlock()
	for _, id := range ids {
		w.release(id)
	}
}
