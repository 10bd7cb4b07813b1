// Package graph computes F: who is one customer, from the evidence of one workspace, its operators' rulings and
// its rules. It holds the partition in memory and carries it on record by record.
//
// The partition after every record is what F, as docs/adr/0006-constrained-identity.md has it, makes of the
// records so far; package graphtest has F a second time, in one piece, and the tests hold one against the other.
// Where to read what of F:
//
//	step 1, what is left out           hubs.go       left, live
//	step 2, hubs                       hubs.go       revise
//	step 3, bound the work             component.go  place, reach, form
//	step 4, constrained Kruskal        kruskal.go    solve
//	step 5, who names the customer     component.go  better
//
// and what carries it on:
//
//	a record comes in                  apply.go
//	a new pair, without conflict       insert.go
//	what changed, and why              effect.go
//	erasure, and what stays of it      erase.go
//	all of it anew                     rebuild.go
//
// Operators are answered by explain.go, why.go and around.go.
//
// Nothing in it reads a clock, starts a goroutine, or lets the order of arrival, of memory or of a Go map show:
// nodes are numbered inside, and outside everything is in the order of their ids. A Graph has no lock: Apply,
// ApplyRules and Load change it, everything else only reads, and its user holds a read-write lock accordingly.
package graph
