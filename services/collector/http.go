package collector

import (
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/parcours-cdp/parcours/schemas"
	"go.uber.org/zap"
)

// endpoint is a path that takes events.
type endpoint struct {
	name  string // label of metrics
	typ   string // of its one event; empty for a batch
	drops bool   // what it takes is counted and goes no further
}

var eventTypes = []string{"identify", "track", "page", "screen", "group", "alias"}

// endpoints by path, long and short.
var endpoints = func() map[string]endpoint {
	all := map[string]endpoint{
		"/v1/batch":  {name: "batch"},
		"/v1/b":      {name: "batch"},
		"/v1/import": {name: "import"},
		"/v1/m":      {name: "metrics", drops: true},
	}
	for _, typ := range eventTypes {
		all["/v1/"+typ] = endpoint{name: typ, typ: typ}
		all["/v1/"+typ[:1]] = endpoint{name: typ, typ: typ}
	}
	return all
}()

// answer is what a request is told.
type answer struct {
	status     int
	body       []byte
	retryAfter int // seconds; 0 is not said
	close      bool
}

// ServeHTTP never redirects: an SDK takes any answer below 400 for success.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.metrics.inFlight.Inc()
	defer c.metrics.inFlight.Dec()
	name := "other"
	defer func() {
		if failure := recover(); failure != nil {
			c.log.Error("request ended in a panic", zap.ByteString("stack", debug.Stack()))
			c.write(w, name, refusal(http.StatusInternalServerError, "internal error"))
		}
	}()
	c.allowOrigin(w.Header(), r)
	path := r.URL.Path
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	target, takesEvents := endpoints[path]
	key, isSettings := settingsKey(path)
	switch {
	case r.Method == http.MethodOptions:
		name = "preflight"
		c.preflight(w, r)
		c.write(w, name, answer{status: http.StatusNoContent})
	case takesEvents:
		name = target.name
		c.write(w, name, drained(r, c.post(r, target)))
	case isSettings:
		name = "settings"
		c.write(w, name, c.get(r, func() answer { return c.settings(w.Header(), r, key) }))
	case path == "/":
		name = "root"
		c.write(w, name, c.get(r, func() answer { return plainText(w.Header(), greeting) }))
	case path == "/robots.txt":
		name = "robots"
		c.write(w, name, c.get(r, func() answer { return plainText(w.Header(), robots) }))
	default:
		c.write(w, name, drained(r, refusal(http.StatusNotFound, "no such path: send events to /v1/batch or /v1/track")))
	}
}

const (
	greeting = "Parcours collector. Events go to POST /v1/batch, /v1/track, /v1/identify, /v1/page, /v1/screen, /v1/group and /v1/alias.\n"
	robots   = "User-agent: *\nDisallow: /\n"
)

func (c *collector) post(r *http.Request, target endpoint) answer {
	switch {
	case r.Method != http.MethodPost:
		return refusal(http.StatusMethodNotAllowed, "this path takes POST")
	case target.drops:
		return c.drop(r)
	}
	return c.ingest(r, target)
}

// maxDrained is how much of a refused body is read, so that its sender learns of the refusal.
const maxDrained = 4 << 20

// drained reads the rest of a body that was refused. A client that still writes when the connection
// closes never reads the answer, takes it for a broken network, and sends it all again.
func drained(r *http.Request, told answer) answer {
	overloaded := told.status == http.StatusServiceUnavailable && told.close
	if told.status >= 400 && told.status != http.StatusRequestTimeout && !overloaded {
		_, _ = io.CopyN(io.Discard, r.Body, maxDrained) // whatever it fails with, there is an answer to give
	}
	return told
}

func (c *collector) get(r *http.Request, answer func() answer) answer {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return refusal(http.StatusMethodNotAllowed, "this path takes GET")
	}
	return answer()
}

// write sends an answer and counts it.
func (c *collector) write(w http.ResponseWriter, endpoint string, a answer) {
	h := w.Header()
	if len(a.body) > 0 && h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	if a.status == http.StatusMethodNotAllowed {
		h.Set("Allow", allowedMethods)
	}
	if a.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(a.retryAfter))
	}
	if a.close {
		h.Set("Connection", "close")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that has gone has had its events kept all the same
	c.metrics.requests.WithLabelValues(endpoint, strconv.Itoa(a.status)).Inc()
}

// refusal is an answer that says why.
func refusal(status int, why string) answer {
	body, _ := json.Marshal(struct { // strings always marshal
		Success bool   `json:"success"`
		Error   string `json:"error"`
	}{Error: why})
	return answer{status: status, body: body}
}

func plainText(h http.Header, body string) answer {
	h.Set("Content-Type", "text/plain; charset=utf-8")
	return answer{status: http.StatusOK, body: []byte(body)}
}

const allowedMethods = "GET, HEAD, POST, OPTIONS"

// allowOrigin echoes the origin of a browser that some source takes events from; the exact source is
// known only later, and then its own list decides. Errors carry it too: without it a browser cannot tell
// a refusal from a broken network, and tries for ever.
func (c *collector) allowOrigin(h http.Header, r *http.Request) {
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !c.sources.allowOrigin(origin) {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", "Retry-After")
}

// preflight lets a browser send whatever headers its SDK wants to: lists of names go out of date.
func (c *collector) preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Access-Control-Request-Method")
	h.Add("Vary", "Access-Control-Request-Headers")
	if h.Get("Access-Control-Allow-Origin") == "" {
		return
	}
	h.Set("Access-Control-Allow-Methods", allowedMethods)
	if wanted := strings.Join(r.Header["Access-Control-Request-Headers"], ", "); wanted != "" {
		h.Set("Access-Control-Allow-Headers", wanted)
	}
	h.Set("Access-Control-Max-Age", "86400")
}

// client is who sent the request, behind whatever proxies are trusted.
func (c *collector) client(r *http.Request) client {
	sender := client{userAgent: header(r, "User-Agent")}
	if address := c.clientAddr(r); address.IsValid() {
		sender.ip = address.String()
	}
	sender.hints = schemas.ClientHints{
		Brands:          header(r, "Sec-CH-UA"),
		Platform:        unquote(header(r, "Sec-CH-UA-Platform")),
		PlatformVersion: unquote(header(r, "Sec-CH-UA-Platform-Version")),
		Model:           unquote(header(r, "Sec-CH-UA-Model")),
	}
	if mobile := r.Header.Get("Sec-CH-UA-Mobile"); mobile != "" {
		sender.hints.Mobile = schemas.Some(mobile == "?1")
	}
	return sender
}

// header is a header's value as a touchpoint may carry it: HTTP allows bytes that are no text.
func header(r *http.Request, name string) string {
	return strings.ToValidUTF8(r.Header.Get(name), "\ufffd")
}

func unquote(header string) string { return strings.Trim(header, `"`) }

// clientAddr walks X-Forwarded-For from its end, where our own proxies wrote, as long as they are ours.
func (c *collector) clientAddr(r *http.Request) netip.Addr {
	address := remoteAddr(r.RemoteAddr)
	if !contains(c.proxies, address) {
		return address
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		address = hop.Unmap()
		if !contains(c.proxies, address) {
			break
		}
	}
	return address
}
