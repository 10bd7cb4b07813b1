//go:build linux || darwin

package clickhouse

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is the C interface of libchdb (chdb.h of 26.7), bound without cgo. Pointers it returns belong to the
// library and are given back through its own functions.
type library struct {
	connect func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	close   func(conn unsafe.Pointer)
	version func() string
	signals func(enabled int32)

	query       func(conn, q unsafe.Pointer, qLen uintptr, f unsafe.Pointer, fLen uintptr, names, nameLens, values, valueLens unsafe.Pointer, n uintptr) unsafe.Pointer
	stream      func(conn, q unsafe.Pointer, qLen uintptr, f unsafe.Pointer, fLen uintptr, names, nameLens, values, valueLens unsafe.Pointer, n uintptr) unsafe.Pointer
	streamFetch func(conn, result unsafe.Pointer) unsafe.Pointer
	streamStop  func(conn, result unsafe.Pointer)

	insert        func(conn, q unsafe.Pointer, qLen uintptr, f unsafe.Pointer, fLen uintptr, names, nameLens, values, valueLens unsafe.Pointer, n uintptr) unsafe.Pointer
	insertAppend  func(stream, data unsafe.Pointer, length uintptr) int32
	insertDone    func(stream unsafe.Pointer) unsafe.Pointer
	insertError   func(stream unsafe.Pointer) string
	insertCancel  func(stream unsafe.Pointer)
	insertDestroy func(stream unsafe.Pointer)

	resultBuffer       func(result unsafe.Pointer) unsafe.Pointer
	resultLength       func(result unsafe.Pointer) uintptr
	resultError        func(result unsafe.Pointer) string
	resultRows         func(result unsafe.Pointer) uint64
	resultReadRows     func(result unsafe.Pointer) uint64
	resultReadBytes    func(result unsafe.Pointer) uint64
	resultWrittenRows  func(result unsafe.Pointer) uint64
	resultWrittenBytes func(result unsafe.Pointer) uint64
	resultDestroy      func(result unsafe.Pointer)
}

// openLibrary loads the engine into this process, which it never leaves again: libchdb cannot be unloaded.
func openLibrary(path string) (*library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load engine library %s: %w", path, err)
	}
	l := &library{}
	for name, target := range map[string]any{
		"chdb_connect":                     &l.connect,
		"chdb_close_conn":                  &l.close,
		"chdb_version":                     &l.version,
		"chdb_set_signal_handlers_enabled": &l.signals,
		"chdb_query_with_params_n":         &l.query,
		"chdb_stream_query_with_params_n":  &l.stream,
		"chdb_stream_fetch_result":         &l.streamFetch,
		"chdb_stream_cancel_query":         &l.streamStop,
		"chdb_stream_insert_with_params_n": &l.insert,
		"chdb_stream_append":               &l.insertAppend,
		"chdb_stream_done":                 &l.insertDone,
		"chdb_stream_insert_error":         &l.insertError,
		"chdb_stream_cancel_insert":        &l.insertCancel,
		"chdb_destroy_insert_stream":       &l.insertDestroy,
		"chdb_result_buffer":               &l.resultBuffer,
		"chdb_result_length":               &l.resultLength,
		"chdb_result_error":                &l.resultError,
		"chdb_result_rows_read":            &l.resultRows,
		"chdb_result_storage_rows_read":    &l.resultReadRows,
		"chdb_result_storage_bytes_read":   &l.resultReadBytes,
		"chdb_result_rows_written":         &l.resultWrittenRows,
		"chdb_result_bytes_written":        &l.resultWrittenBytes,
		"chdb_destroy_query_result":        &l.resultDestroy,
	} {
		if _, err := purego.Dlsym(handle, name); err != nil {
			return nil, fmt.Errorf("load engine library %s: it lacks %s; install the pinned version with `make setup`: %w", path, name, err)
		}
		purego.RegisterLibFunc(target, handle, name)
	}
	// Before the first connection: the Go runtime keeps its signal handlers, and a crash ends the process at once.
	l.signals(0)
	return l, nil
}

// open makes a connection with its own settings; arguments are as on clickhouse-local's command line.
func (l *library) open(args []string) unsafe.Pointer {
	argv := make([]*byte, len(args)+1)
	for i, arg := range args {
		argv[i] = unsafe.SliceData(append([]byte(arg), 0))
	}
	conn := l.connect(int32(len(args)), unsafe.Pointer(unsafe.SliceData(argv)))
	runtime.KeepAlive(argv)
	return conn
}

// text is a statement with its format and parameters as the library wants them.
type text struct {
	query, format        string
	names, values        []*byte
	nameLens, valueLens  []uintptr
	queryPtr, formatPtr  unsafe.Pointer
	namesPtr, valuesPtr  unsafe.Pointer
	nameLensPtr, valsPtr unsafe.Pointer
}

func newText(query, format string, params map[string]string) *text {
	t := &text{query: query, format: format}
	for name, value := range params {
		t.names = append(t.names, unsafe.StringData(name))
		t.nameLens = append(t.nameLens, uintptr(len(name)))
		// An empty string may have no address, which the library would read as "no values".
		t.values = append(t.values, unsafe.StringData(value+"\x00"))
		t.valueLens = append(t.valueLens, uintptr(len(value)))
	}
	t.queryPtr = unsafe.Pointer(unsafe.StringData(query))
	t.formatPtr = unsafe.Pointer(unsafe.StringData(format))
	t.namesPtr = unsafe.Pointer(unsafe.SliceData(t.names))
	t.valuesPtr = unsafe.Pointer(unsafe.SliceData(t.values))
	t.nameLensPtr = unsafe.Pointer(unsafe.SliceData(t.nameLens))
	t.valsPtr = unsafe.Pointer(unsafe.SliceData(t.valueLens))
	return t
}

type statementCall = func(conn, q unsafe.Pointer, qLen uintptr, f unsafe.Pointer, fLen uintptr, names, nameLens, values, valueLens unsafe.Pointer, n uintptr) unsafe.Pointer

func (t *text) call(f statementCall, conn unsafe.Pointer) unsafe.Pointer {
	out := f(conn, t.queryPtr, uintptr(len(t.query)), t.formatPtr, uintptr(len(t.format)),
		t.namesPtr, t.nameLensPtr, t.valuesPtr, t.valsPtr, uintptr(len(t.names)))
	runtime.KeepAlive(t)
	return out
}
