//go:build linux || darwin

package clickhouse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/google/uuid"
)

// ServeHTTP answers the paths of a ClickHouse server.
func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setExact(w.Header(), "X-ClickHouse-Server-Display-Name", e.host)
	if refused := guardBrowser(r, e.cfg.Password); refused != nil {
		writeError(w, refused)
		return
	}
	switch {
	case r.URL.Path == "/ping", r.URL.Path == "/replicas_status",
		r.URL.Path == "/" && r.Method != http.MethodPost && !r.URL.Query().Has("query"):
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		_, _ = io.WriteString(w, "Ok.\n") // A client that is gone needs no answer.
	case r.URL.Path != "/":
		http.Error(w, "There is no handle "+r.URL.Path+"\n\nUse / or /ping for health checks, and send queries with /?query= or POST.", http.StatusNotFound)
	case r.Method == http.MethodGet, r.Method == http.MethodHead, r.Method == http.MethodPost:
		e.serveQuery(w, r)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "Use GET or POST.", http.StatusMethodNotAllowed)
	}
}

// exchange is one query on its way: what was asked, and where the answer goes.
type exchange struct {
	request
	stmt  statement
	data  io.Reader // of an INSERT: what follows its head
	conn  *connection
	out   *response
	total counts
	begun time.Time
	// abandon cancels the query in the engine: its answer has nowhere to go.
	abandon func()
}

func (e *engine) serveQuery(w http.ResponseWriter, r *http.Request) {
	x := &exchange{request: parseRequest(r), begun: time.Now()}
	setExact(w.Header(), "X-ClickHouse-Query-Id", x.queryID)
	setExact(w.Header(), "X-ClickHouse-Timezone", e.timezone)
	refused := authenticate(r, e.cfg.Password)
	if refused == nil {
		refused = x.read(r, e.cfg.MaxBodyBytes)
	}
	if refused != nil {
		writeError(w, refused)
		return
	}
	x.respond(w, r)
	if x.revision != "" && x.stmt.format == "Native" && helloQuery.MatchString(x.stmt.text) {
		x.answer(hello(x.revision, e.host, e.version, e.timezone))
		return
	}
	if err := e.slot(r.Context()); err != nil {
		writeError(w, err)
		return
	}
	defer func() { <-e.slots }()
	if err := e.execute(r.Context(), x); err != nil {
		x.out.fail(err)
		return
	}
	_ = x.out.finish() // A client that is gone needs no answer.
}

// read takes the query from the URL, the body, or both, as a server does.
func (x *exchange) read(r *http.Request, maxBytes int64) *queryError {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return newError(codeNotImplemented, "NOT_IMPLEMENTED", "External tables (multipart/form-data) are not supported by the embedded engine")
	}
	body, refused := openBody(r, maxBytes)
	if refused != nil {
		return refused
	}
	x.data = body
	text := x.query
	complete := false
	if text == "" || !parseIsInsert(text) {
		head, err := io.ReadAll(io.LimitReader(body, maxHead+1))
		if err != nil {
			return bodyError(err)
		}
		if text != "" && len(head) > 0 {
			text += "\n"
		}
		text += string(head)
		complete = len(head) <= maxHead
	} else {
		text += "\n"
		complete = true
	}
	x.stmt = parseStatement(text)
	switch {
	case strings.TrimSpace(text) == "":
		return newError(codeSyntaxError, "SYNTAX_ERROR", "Syntax error: failed at position 1 (end of query): Empty query")
	case x.stmt.refused != nil:
		return x.stmt.refused
	case x.readOnly && x.sessionID != "" && !x.stmt.looks():
		// Without a session GET is made harmless by readonly = 2, which a session could not get rid of again.
		return newError(164, "READONLY", "Cannot execute query in readonly mode: send it with POST")
	case x.stmt.kind != kindInsert && !complete, x.stmt.kind == kindInsert && x.stmt.data == len(text) && !complete:
		return newError(codeQueryTooLarge, "QUERY_IS_TOO_LARGE", "The query is longer than %d bytes; send the data of an INSERT after its FORMAT", maxHead)
	}
	if x.stmt.kind == kindInsert {
		x.data = io.MultiReader(strings.NewReader(text[x.stmt.data:]), body)
		if x.stmt.format == "" {
			x.stmt.format = first(x.format, "Values")
		}
	} else if x.stmt.format == "" {
		x.stmt.format = first(x.format, "TabSeparated")
	}
	return nil
}

func parseIsInsert(text string) bool { return (&lexer{s: text}).next().is("INSERT") }

// respond prepares the answer's headers.
func (x *exchange) respond(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	x.out = &response{w: w, compress: x.compress, native: compress.LZ4, summary: x.summary}
	if strings.EqualFold(values.Get("network_compression_method"), "ZSTD") {
		x.out.native = compress.ZSTD
	}
	if isOn(values.Get("enable_http_compression")) {
		x.out.encoding = acceptedEncoding(r.Header.Get("Accept-Encoding"))
	}
	if x.stmt.kind != kindInsert {
		setExact(w.Header(), "X-ClickHouse-Format", x.stmt.format)
		w.Header().Set("Content-Type", contentType(x.stmt.format))
	} else {
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	}
}

func (x *exchange) answer(p []byte) {
	if _, err := x.out.Write(p); err == nil {
		_ = x.out.finish() // A client that is gone needs no answer.
	}
}

func (x *exchange) summary() string {
	text, err := json.Marshal(map[string]string{
		"read_rows": strconv.FormatUint(x.total.readRows, 10), "read_bytes": strconv.FormatUint(x.total.readBytes, 10),
		"written_rows": strconv.FormatUint(x.total.writtenRows, 10), "written_bytes": strconv.FormatUint(x.total.writtenBytes, 10),
		"total_rows_to_read": "0", "result_rows": strconv.FormatUint(x.total.resultRows, 10), "result_bytes": "0",
		"elapsed_ns": strconv.FormatInt(time.Since(x.begun).Nanoseconds(), 10),
	})
	if err != nil {
		return "{}"
	}
	return string(text)
}

// slot waits for a place among the running queries.
func (e *engine) slot(ctx context.Context) *queryError {
	timer := time.NewTimer(e.cfg.QueueTimeout)
	defer timer.Stop()
	select {
	case e.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return newError(394, "QUERY_WAS_CANCELLED", "The client left before the query began")
	case <-timer.C:
		return newError(codeTooManyQueries, "TOO_MANY_SIMULTANEOUS_QUERIES", "Too many simultaneous queries. Maximum: %d", cap(e.slots))
	}
}

// execute opens the connection, prepares it and runs the statement, which a client that leaves cancels.
func (e *engine) execute(ctx context.Context, x *exchange) *queryError {
	mark := uuid.NewString()
	giveBack, refused := e.prepare(x, mark)
	if refused != nil {
		return refused
	}
	defer giveBack()
	done := make(chan struct{})
	ctx, x.abandon = context.WithCancel(ctx)
	defer x.abandon()
	stop := context.AfterFunc(ctx, func() {
		e.killing.Go(func() { e.kill(mark, done) })
	})
	defer stop()
	defer close(done)
	var err error
	switch {
	case x.stmt.kind == kindInsert:
		err = x.insert()
	case x.stmt.kind != kindRead || x.wholeBody:
		err = x.run()
	case streamable(x.stmt.format):
		if err = x.stream(); errors.Is(err, errNotStreamable) {
			err = x.run()
		}
	default:
		// A syntax error may come from our own words in the query, and nothing ran then: the plain query tells.
		if err = x.pipe(); errorCode(err) == codeSyntaxError {
			err = x.run()
		}
	}
	return asQueryError(err)
}

// prepare gives the exchange a connection with its settings and database.
func (e *engine) prepare(x *exchange, mark string) (func(), *queryError) {
	known := []setting{{markSetting, mark}}
	var odd []setting
	for _, s := range x.settings {
		if e.settings[s.name] && x.sessionID == "" {
			known = append(known, s)
		} else {
			odd = append(odd, s)
		}
	}
	giveBack := func() { x.conn.close() }
	var err error
	if x.sessionID != "" {
		var refused *queryError
		x.conn, giveBack, refused = e.sessions.take(x.sessionID, x.session, func() (*connection, error) { return e.connection(nil) })
		if refused != nil {
			return nil, refused
		}
		odd = append(odd, setting{markSetting, mark})
	} else if x.conn, err = e.connection(known); err != nil {
		// Some value is wrong, and only SET tells which.
		if x.conn, err = e.connection(known[:1]); err != nil {
			return nil, asQueryError(err)
		}
		odd = append(odd, known[1:]...)
	}
	if err := x.setUp(odd); err != nil {
		giveBack()
		return nil, asQueryError(err)
	}
	return giveBack, nil
}

func (x *exchange) setUp(settings []setting) error {
	for _, s := range settings {
		if _, err := x.conn.exec(fmt.Sprintf("SET %s = %s", quoteName(s.name), quoteText(s.value))); err != nil {
			return err
		}
	}
	if x.database != "" && x.database != "default" {
		if _, err := x.conn.exec("USE " + quoteName(x.database)); err != nil {
			return err
		}
	}
	if x.readOnly && x.sessionID == "" {
		// As a server does for GET: nothing is changed by following a link.
		if _, err := x.conn.exec("SET readonly = 2"); err != nil {
			return err
		}
	}
	return nil
}

func quoteName(s string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(s) + "`"
}

func quoteText(s string) string {
	return "'" + strings.NewReplacer("\\", "\\\\", "'", "\\'").Replace(s) + "'"
}
