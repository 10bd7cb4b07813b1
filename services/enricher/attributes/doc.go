// Package attributes remembers what is known of people, for the events that pass.
//
// A [Store] follows two topics from their start into a database on this instance's disk: attributes, what providers say of nodes and areas, and
// identity.map, which customer a node belongs to. Facts stand under the node that they were seen with and are joined over the nodes of the
// customer of now when they are asked for; so a merge, a cut or an erasure needs no rewriting.
//
// It promises:
//
//   - What it answers is what a beginning of both topics says, whole batches of it, with what this instance contributed itself. Positions are
//     written with what was read, so a crash loses a tail, which the topics replay. What does not fit the topics is thrown away and read anew.
//   - Contributions are held in memory until they are read back. A crash before that loses them here; whoever repeats the batch makes them again.
//   - Nothing that was said is lost to compaction: who reads a record that lacks something it knows of the same subject from this topic or
//     contributed itself, writes the two joined.
//   - Nothing is known of a node once it is erased, whatever comes late.
//
// Who opens a store closes it.
package attributes
