// Package clickhouse runs the real ClickHouse engine for `parcours up` and for tests.
//
// The engine is libchdb, loaded without cgo into a child process of its own, so that neither its crashes nor its
// threads are ours. The child answers ClickHouse's HTTP interface; the parent supervises it: it owns the listening
// socket, waits until the engine answers, restarts it on the same port when it dies and takes it down with itself.
// A `clickhouse` program found on PATH is run instead of the library, under the same supervisor.
//
// Whoever calls Start closes the Server. An INSERT that was answered 200 survives a kill of the engine and of its
// parent: its part is renamed into place before the answer, and the file system's cache outlives both. A power cut
// is another matter: tables that must survive one too have the settings fsync_after_insert = 1 and
// fsync_part_directory = 1 (a sixth to a fifth more time an insert, measured on a virtual disk).
package clickhouse
