// Package stream owns Kafka: its connection, its topics, the one produce call and the consume loops.
//
// It promises that [Client.Produce] returns nil only after every in-sync replica has each record, and
// that [Client.Consume] commits an offset only after the handler returned nil for everything before
// it. [Client.ConsumeRanges] hands every record over in one planned range, the same whoever dies meanwhile.
// Whoever called [Connect] closes the client; consumers end with their context.
package stream

import (
	"github.com/twmb/franz-go/pkg/kgo"
)

// Record is a Kafka record. Bytes handed to Produce belong to the client until it returns nil.
type Record = kgo.Record

// Header is a Kafka record header.
type Header = kgo.RecordHeader
