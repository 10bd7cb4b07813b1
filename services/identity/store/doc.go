// Package store remembers on disk what a workspace's graph cannot compute: the joined evidence, rulings,
// suppressed nodes, rules and engine; the outbox; how much of the log is in it; and the sums of the graph
// at that point.
//
// It is a cache of the log. It promises that what it answers is what a beginning of the log left, whole
// batches of it and none missing in between, and that its position says which beginning. Losing the tail in
// a crash is allowed; the log replays it. Whatever else is found is [ErrUnusable], for which there is one
// cure: [Discard], and read the log anew.
//
// What is caught where:
//
//   - Bytes that changed, in tables and in the log of writes: by Pebble's checksums, when they are read.
//     [Open] reads the log of writes and the outbox, [Store.Records] everything else.
//   - Files that went, or came back older: by Pebble where its manifest names them, otherwise by the numbers
//     that batches carry: [Open] looks for each of the last of them.
//   - Another topic, workspace or format: by the file STORE beside the database, in [Open].
//   - Files of a snapshot: by the checksums of its manifest, in [Restore].
//   - Evidence that is not what the graph had, for whatever reason: by the caller, who compares the sums of
//     the loaded graph with [Store.Sums].
//   - A position after the end of the log, or a store that slept for longer than the log keeps tombstones
//     ([Store.LastWritten]): by the caller, who knows the log.
//
// Who opens a store closes it.
package store
