// Package warehouse owns ClickHouse: it is the one package that knows the driver. It opens the database,
// migrates it, answers queries as text or as typed rows, and inserts blocks that were built column by column.
//
// Blocks are written in ClickHouse's own Native format from buffers of this package, because a row costs the
// driver's own columns several times what it costs the server. An insert is one request over HTTP or the native protocol, one block and one
// deduplication token; the caller says what the token is, and asks [Classify] whether trying again can help.
package warehouse
