// Package sink moves the last topics of the pipeline into ClickHouse: enriched touchpoints become events, contacts and
// traits, rejected ones rejected_events, and identity.map the table and the dictionary that customers are resolved by.
//
// One contiguous range of offsets of one partition is one insert into each table that it concerns, under a token made
// of that range; offsets are committed only after all of them. So a crash anywhere repeats ranges and loses none.
package sink
