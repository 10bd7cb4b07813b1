// Package clickhouse runs the real ClickHouse engine for `parcours up` and for tests.
//
// The engine is libchdb, loaded without cgo into a child process of its own, so that neither its crashes nor its
// threads are ours. The child answers ClickHouse's HTTP interface; the parent supervises it: it owns the listening
// socket, waits until the engine answers, restarts it on the same port when it dies and takes it down with itself.
// A `clickhouse` program found on PATH is run instead of the library, under the same supervisor.
//
// Whoever calls Start closes the Server. What an INSERT was answered 200 for survives a kill of the engine and of
// its parent (it is in the file system's cache); it survives a power cut only with FsyncInserts.
package clickhouse
