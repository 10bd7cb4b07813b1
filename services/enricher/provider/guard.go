package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// errNotAllowed marks an address that no provider may have.
var errNotAllowed = errors.New("the address is not a public one, and no network that is allowed holds it")

// notPublic are networks inside of what looks public: special uses (RFC 6890 and its register), and IPv6 forms that carry another address, which
// a gateway may take anywhere.
var notPublic = func() []netip.Prefix {
	var all []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"2001::/23",     // Teredo, ORCHID, benchmarking and other protocol assignments
		"2001:db8::/32", // documentation
		"2002::/16",     // 6to4
		"2620:4f:8000::/48",
		"3fff::/20", // documentation
	} {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}()

// globalUnicast is all of IPv6 that is given out. What lies outside (loopback, mapped and NAT64 forms, link-local, unique local, multicast) is
// refused without being listed.
var globalUnicast = netip.MustParsePrefix("2000::/3")

// guard decides which machines may be spoken to. A name is resolved once for a connection, and the address that is dialled is the one that was
// checked: a name that changes its meaning in between gains nothing.
type guard struct {
	allowed  []netip.Prefix
	resolver resolver
	dialer   net.Dialer
}

// resolver is what net.Resolver and a test's table have.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

func newGuard(allowed []netip.Prefix, names resolver, timeout time.Duration) *guard {
	g := &guard{allowed: allowed, resolver: names}
	g.dialer = net.Dialer{Timeout: timeout, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		return g.checkDialled(address)
	}}
	return g
}

// permits says whether an address may be spoken to.
func (g *guard) permits(address netip.Addr) bool {
	if address.Zone() != "" {
		return false
	}
	// An address inside of another form is judged as the system will treat it: mapped ones are dialled as IPv4.
	address = address.Unmap()
	for _, network := range g.allowed {
		if network.Contains(address) {
			return true
		}
	}
	if address.Is6() && !globalUnicast.Contains(address) {
		return false
	}
	for _, network := range notPublic {
		if network.Contains(address) {
			return false
		}
	}
	return true
}

// checkDialled is the last word, on the address that the system is about to connect to.
func (g *guard) checkDialled(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !g.permits(at.Addr()) {
		return errNotAllowed
	}
	return nil
}

// dial connects to the first permitted address of a host.
func (g *guard) dial(ctx context.Context, network, hostport string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, fmt.Errorf("dial the provider: %w", err)
	}
	addresses := []netip.Addr{}
	if literal, err := netip.ParseAddr(host); err == nil {
		addresses = append(addresses, literal)
	} else if addresses, err = g.resolver.LookupNetIP(ctx, "ip", host); err != nil {
		return nil, fmt.Errorf("resolve the provider's host: %w", err)
	}
	last := error(errNotAllowed)
	for _, address := range addresses {
		if !g.permits(address) {
			continue
		}
		conn, err := g.dialer.DialContext(ctx, network, net.JoinHostPort(address.Unmap().String(), port))
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, last
}
