package clickhouse

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"sort"
	"strings"

	"github.com/google/uuid"
)

type setting struct{ name, value string }

// request is what a client asked for beside the query's text.
type request struct {
	queryID   string
	query     string
	database  string
	format    string // the default one; "" when the client named none
	params    map[string]string
	settings  []setting
	compress  bool
	wholeBody bool // wait_end_of_query: answer only when the query is over
	readOnly  bool
	sessionID string
	session   url.Values
	revision  string // client_protocol_version
}

// reserved are the URL parameters which are no settings.
var reserved = map[string]bool{
	"query": true, "query_id": true, "database": true, "default_format": true, "user": true, "password": true, "quota_key": true,
	"compress": true, "decompress": true, "session_id": true, "session_timeout": true, "session_check": true,
	"wait_end_of_query": true, "buffer_size": true, "stacktrace": true, "role": true, "client_protocol_version": true,
	"enable_http_compression": true, "http_zlib_compression_level": true, "close_session": true, "framing": true,
	"send_progress_in_http_headers": true, "http_headers_progress_interval_ms": true, "http_wait_end_of_query": true,
	"http_response_buffer_size": true, "http_write_exception_in_output_format": true, "add_http_cors_header": true,
}

// markSetting carries our own name of a running query into system.processes, for KILL QUERY to find it. The setting
// means nothing here: it labels entries of the query cache, which the embedded engine has none of.
const markSetting = "query_cache_tag"

func parseRequest(r *http.Request) request {
	values := r.URL.Query()
	req := request{
		queryID:   values.Get("query_id"),
		query:     values.Get("query"),
		database:  first(values.Get("database"), r.Header.Get("X-ClickHouse-Database")),
		format:    first(values.Get("default_format"), r.Header.Get("X-ClickHouse-Format")),
		params:    map[string]string{},
		compress:  values.Get("compress") == "1",
		wholeBody: isOn(values.Get("wait_end_of_query")) || isOn(values.Get("http_wait_end_of_query")),
		readOnly:  r.Method == http.MethodGet || r.Method == http.MethodHead,
		sessionID: values.Get("session_id"),
		session:   values,
		revision:  values.Get("client_protocol_version"),
	}
	if req.queryID == "" {
		req.queryID = uuid.NewString()
	}
	for name := range values {
		switch {
		case strings.HasPrefix(name, "param_"):
			req.params[strings.TrimPrefix(name, "param_")] = values.Get(name)
		case !reserved[name] && name != markSetting:
			req.settings = append(req.settings, setting{name, values.Get(name)})
		}
	}
	sort.Slice(req.settings, func(i, j int) bool { return req.settings[i].name < req.settings[j].name })
	return req
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func isOn(value string) bool { return value == "1" || strings.EqualFold(value, "true") }

// authenticate checks the password, if there is one, in the three places a ClickHouse server looks.
func authenticate(r *http.Request, password string) *queryError {
	if password == "" {
		return nil
	}
	given := r.Header.Get("X-ClickHouse-Key")
	if _, basic, ok := r.BasicAuth(); ok {
		given = basic
	} else if given == "" {
		given = r.URL.Query().Get("password")
	}
	if subtle.ConstantTimeCompare([]byte(given), []byte(password)) == 1 {
		return nil
	}
	return newError(codeAuthentication, "AUTHENTICATION_FAILED", "Authentication failed: password is incorrect, or there is no user with such name")
}

// guardBrowser refuses what a web page of another site makes a browser send: without a password nothing else
// stands between such a page and this address. Programs send no Origin and name the address itself.
func guardBrowser(r *http.Request, password string) *queryError {
	if password != "" {
		return nil
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		return newError(codeAccessDenied, "ACCESS_DENIED", "Requests from web pages of other origins are refused")
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
			return newError(codeAccessDenied, "ACCESS_DENIED", "Requests from web pages of other origins are refused")
		}
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || host == "localhost" || strings.HasSuffix(host, ".localhost") || host == "" {
		return nil
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if tcp, ok := local.(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		return newError(codeAccessDenied, "ACCESS_DENIED", "Host %q is refused on the loopback address: use 127.0.0.1 or localhost", host)
	}
	return nil
}

var helloQuery = regexp.MustCompile(`^\s*SELECT displayName\(\), version\(\), revision\(\), timezone\(\)\s*;?\s*$`)
