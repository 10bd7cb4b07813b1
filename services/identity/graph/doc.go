// Package graph partitions nodes into customers: a pure function of the evidence it was given and of
// its rules.
//
// It owns the layout of evidence records and the state made of them, in memory. It promises that the
// partition depends on the set of evidence alone, not on its order, its repetition or the number of
// readers: evidence about one pair is joined by minimum, customers are the connected components of the
// pairs that link, and a customer's id is its best member. Nothing in it reads a clock, knows Kafka or
// starts a goroutine; a Graph is not safe for concurrent use, its caller holds the lock.
//
// The seam for another engine is three methods: [Graph.Apply], [Graph.Missing] and [Graph.Customer].
package graph
