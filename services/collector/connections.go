package collector

import (
	"net"
	"net/netip"
	"sync"
)

// perIP is a listener that lets one address hold only so many connections.
type perIP struct {
	net.Listener
	limit   int
	proxies []netip.Prefix
	metrics *metrics

	mu   sync.Mutex
	open map[netip.Addr]int
}

func newPerIP(listener net.Listener, limit int, proxies []netip.Prefix, m *metrics) net.Listener {
	return &perIP{Listener: listener, limit: limit, proxies: proxies, metrics: m, open: make(map[netip.Addr]int)}
}

// Accept closes connections past the limit at once and waits for the next.
func (l *perIP) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := remoteAddr(conn.RemoteAddr().String())
		if !l.enter(address) {
			l.metrics.refused.WithLabelValues("connections_per_ip").Inc()
			_ = conn.Close() // nothing was said on it that could be lost
			continue
		}
		l.metrics.connections.Inc()
		return &countedConn{Conn: conn, leave: sync.OnceFunc(func() {
			l.leave(address)
			l.metrics.connections.Dec()
		})}, nil
	}
}

func (l *perIP) enter(address netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limit > 0 && l.open[address] >= l.limit && !contains(l.proxies, address) {
		return false
	}
	l.open[address]++
	return true
}

func (l *perIP) leave(address netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[address]--; l.open[address] <= 0 {
		delete(l.open, address)
	}
}

type countedConn struct {
	net.Conn
	leave func()
}

func (c *countedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// remoteAddr is the address of host:port; the zero address when it has none.
func remoteAddr(hostPort string) netip.Addr {
	parsed, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return netip.Addr{}
	}
	return parsed.Addr().Unmap()
}

func contains(prefixes []netip.Prefix, address netip.Addr) bool {
	for _, prefix := range prefixes {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}
