package clickhouse

import (
	"encoding/binary"
	"strconv"
)

// Protocol revisions at which ClickHouse's Native format gained parts.
const (
	revisionBlockInfo           = 51903
	revisionCustomSerialization = 54454
)

// hello answers clickhouse-go's first query. The client reads this one answer at its own protocol revision and all
// later ones at the revision it is told here; the engine writes blocks of revision 0, so that is what it is told.
func hello(revision, name, version, timezone string) []byte {
	rev, err := strconv.Atoi(revision)
	if err != nil {
		rev = 0
	}
	var b []byte
	if rev >= revisionBlockInfo {
		b = append(b, 1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0)
	}
	b = append(b, 4, 1) // columns, rows
	column := func(name, typ string) {
		b = appendString(appendString(b, name), typ)
		if rev >= revisionCustomSerialization {
			b = append(b, 0)
		}
	}
	column("displayName()", "String")
	b = appendString(b, name)
	column("version()", "String")
	b = appendString(b, version)
	column("revision()", "UInt32")
	b = append(b, 0, 0, 0, 0)
	column("timezone()", "String")
	return appendString(b, timezone)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
