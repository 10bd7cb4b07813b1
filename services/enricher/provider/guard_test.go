package provider

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
)

func TestGuardPermits(t *testing.T) {
	g := newGuard(nil, nil, 0)
	f := func(address string, want bool) {
		t.Helper()
		if got := g.permits(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
	for _, public := range []string{"1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4007::1", "::ffff:8.8.8.8"} {
		f(public, true)
	}
	for _, inside := range []string{
		"127.0.0.1", "127.8.9.10", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1",
		"100.127.255.255", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1",
		"255.255.255.255", "192.88.99.1",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1", "::7f00:1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254",
		"ff02::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001::1", "2001:db8::1", "100::1",
		"3fff::1", "5f00::1", "fe80::1%eth0", "2606:4700::1111%eth0",
	} {
		f(inside, false)
	}
	g = newGuard([]netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}, nil, 0)
	f("10.1.2.3", true)
	f("::ffff:10.1.2.3", true)
	f("fd00::5", true)
	f("10.2.0.1", false)
	f("127.0.0.1", false)
}

// table answers each look-up of a name with the next of its lists.
type table struct {
	asked   atomic.Int64
	answers [][]netip.Addr
}

func (t *table) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	n := int(t.asked.Add(1)) - 1
	return t.answers[min(n, len(t.answers)-1)], nil
}

func addresses(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

func TestHostsThatResolveInside(t *testing.T) {
	var asked atomic.Int64
	s := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	f := func(url string, names resolver) {
		t.Helper()
		cfg := config(strings.Replace(url, "http://", "https://", 1)) // Without allow the guard is asked about https alone.
		cfg.Allow = nil
		if got := run(t, cfg, names).ask(t, canary); got.Reason != ReasonNotAllowed {
			t.Errorf("%s: %s, want %s", url, got.Reason, ReasonNotAllowed)
		}
	}
	named := "http://data.example.com:" + port
	f(s.URL, nil)
	f("http://[::ffff:127.0.0.1]:"+port, nil)
	f("http://169.254.169.254", nil)
	f(named, &table{answers: [][]netip.Addr{addresses("127.0.0.1")}})
	f(named, &table{answers: [][]netip.Addr{addresses("::ffff:127.0.0.1", "::1")}})
	if asked.Load() != 0 {
		t.Errorf("the server was reached %d times", asked.Load())
	}
	// The same server is reached once its network is allowed, by its name as well.
	cfg := config(named)
	if got := run(t, cfg, &table{answers: [][]netip.Addr{addresses("127.0.0.1")}}).ask(t, canary); got.Reason == ReasonNotAllowed || asked.Load() != 1 {
		t.Errorf("an allowed network: %+v, the server was reached %d times", got, asked.Load())
	}
}

// A name that means a public machine when it is checked and one inside when it is dialled: the check and the dial use one answer, and what the
// system connects to is checked once more.
func TestRebinding(t *testing.T) {
	var asked atomic.Int64
	s := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	names := &table{answers: [][]netip.Addr{addresses("203.0.113.1"), addresses("127.0.0.1")}}
	cfg := config("http://data.example.com:" + port)
	cfg.Allow = []string{"203.0.113.1"} // Not reachable from anywhere; allowed, so that the first answer passes the check.
	cfg.Timeout = 100_000_000
	cfg.Breaker.Failures = 100
	p := run(t, cfg, names)
	for i := range 3 {
		got := p.ask(t, fmt.Sprint(i))
		if i == 0 && got.Reason == ReasonNotAllowed || i > 0 && got.Reason != ReasonNotAllowed {
			t.Errorf("attempt %d: %s", i, got.Reason)
		}
		if asks := names.asked.Load(); asks != int64(i+1) {
			t.Errorf("attempt %d: the name was resolved %d times in all, want once for a connection", i, asks)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("the server inside was reached %d times", asked.Load())
	}
	g := newGuard(nil, names, 0)
	if _, err := g.dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://")); err == nil {
		t.Error("the dialer connects to an address that was not checked before")
	}
}

func TestProxiesOfTheEnvironmentAreIgnored(t *testing.T) {
	var asked atomic.Int64
	proxy := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	p := run(t, config("http://data.example.com"), &table{answers: [][]netip.Addr{addresses("10.0.0.1")}})
	if got := p.ask(t, canary); got.Reason != ReasonNotAllowed || asked.Load() != 0 {
		t.Errorf("%s, the proxy was asked %d times", got.Reason, asked.Load())
	}
}
