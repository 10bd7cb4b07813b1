// Package sink moves the last topics of the pipeline into ClickHouse: enriched touchpoints become events, contacts and
// traits, rejected ones rejected_events, and identity.map the table and the dictionary that customers are resolved by.
//
// Every event is one row, counted without FINAL. Repetitions are left out as a function of the log (package dedup); a
// range of one partition is planned in the group's commit, and then inserted as one block into each table that it
// concerns, under a token made of the range; in doubt the table is asked what it has. So a crash anywhere loses no
// event and doubles none. What an event goes through stands in deliver.go, step by step.
//
// What repairs stands beside it: Reconcile proves the tables against Kafka, Replay sends again what was rejected, Squash
// writes what identity has learnt into the rows.
package sink
