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
//   - Bytes that changed: by the checksums of Pebble's tables and manifest, when they are read. [Open] reads the
//     manifest, the state and the outbox, [Store.Records] everything else.
//   - Files that went: by Pebble, whose manifest names them, in [Open]. A manifest that lost its end, or a table
//     that was not written before a crash, leave an earlier position with what belonged to it: tables are made
//     of whole batches in their order, and there is no other log of writes than the evidence log.
//   - Another topic, workspace or format: by the file STORE beside the database, in [Open].
//   - Files of a snapshot: by the checksums of its manifest, in [Restore].
//   - Evidence that is not what the graph had, for whatever reason: by the caller, who compares the sums of
//     the loaded graph with [Store.Sums].
//   - A position after the end of the log, or a store that slept for longer than the log keeps tombstones
//     ([Store.LastWritten]): by the caller, who knows the log.
//
// Who opens a store closes it.
package store
