package clickhouse

import "strings"

// streamable says whether documents of a format may be joined to one: what the engine's streaming gives is one
// document a block. Formats with a header, a frame or a footer are written whole instead.
func streamable(format string) bool {
	switch strings.ToLower(format) {
	case "tabseparated", "tsv", "tabseparatedraw", "tsvraw", "csv", "tskv", "native", "rowbinary", "jsoneachrow", "jsonlines",
		"ndjson", "jsoncompacteachrow", "jsoncompactstringseachrow", "jsonstringseachrow", "lineasstring", "rawblob", "msgpack", "null":
		return true
	}
	return false
}

// contentType is what a ClickHouse server names for a format.
func contentType(format string) string {
	f := strings.ToLower(format)
	switch {
	case strings.HasPrefix(f, "tabseparated"), strings.HasPrefix(f, "tsv"):
		return "text/tab-separated-values; charset=UTF-8"
	case strings.HasPrefix(f, "csvwithnames"):
		return "text/csv; charset=UTF-8; header=present"
	case strings.HasPrefix(f, "csv"):
		return "text/csv; charset=UTF-8; header=absent"
	case strings.HasPrefix(f, "json") && strings.Contains(f, "eachrow"), f == "ndjson", f == "jsonlines":
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(f, "json"):
		return "application/json; charset=UTF-8"
	case f == "xml":
		return "application/xml; charset=UTF-8"
	case f == "html", f == "prettyhtml":
		return "text/html; charset=UTF-8"
	case f == "native", strings.HasPrefix(f, "rowbinary"), f == "parquet", f == "arrow", f == "arrowstream", f == "orc", f == "avro",
		f == "msgpack", f == "npy", strings.HasPrefix(f, "protobuf"), f == "bsoneachrow", f == "rawblob":
		return "application/octet-stream"
	}
	return "text/plain; charset=UTF-8"
}
