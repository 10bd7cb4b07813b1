// Package schemas owns the records that travel between the stages of the pipeline: their Avro schemas, their Go types, and
// the bytes.
//
// The sources are avro/touchpoint.avsc, avro/rejected_touchpoint.avsc, avro/attribute_set.avsc, and two suffixes: the fields
// that identity adds to a touchpoint and those that the enricher adds to that. Everything in files named *_gen.go, and the two full schemas of
// the derived records, follows from them by go generate; a test fails when it does not.
//
// # A stage that adds fields appends bytes
//
// Avro writes a record as the concatenation of its fields. So a stage decodes the few fields it needs ([Decoder.Select]
// also tells where they stand), copies the body as it came, and appends its own with AppendSuffix. It registers the schema
// of its output as the schema of its input plus its suffix ([ExtendIdentified], [ExtendEnriched]), so that a field that
// was added upstream flows through a stage that does not know it.
//
// # Promises
//
// What AppendAvro writes equals, byte for byte, what goavro writes for the same values. It allocates nothing beyond dst.
//
// A [Decoder] is compiled from the schema that a body was written with. Fields are matched by name at every level; the
// writer's other fields are passed over, ours that the writer lacks are zeroed. Any bytes may be fed to it: every
// length and count is checked against the rest of the body before it is believed, and a malformed body answers a
// [*DecodeError] that names field and offset. It does not check that strings are UTF-8.
//
// # Ownership
//
// Decoded strings, and the payload of a rejected touchpoint, alias the body they were read from: the body must stay
// unchanged for as long as they are in use, and keeping one keeps the whole body in memory (strings.Clone what lives
// longer). The slices of the record given to Decode are reused by the next Decode into it. Decoders and selections do
// not change and may be shared by goroutines; records may not.
//
// # Changing a schema
//
// Edit the .avsc sources, run go generate, then go test -run TestFixtures -write-fixtures, and commit the new fixture
// version. A new field needs a default, a doc, and its pii, purpose and retention. [CheckCompatible] says what may not
// change: readers of today read everything that was ever written (BACKWARD_TRANSITIVE).
package schemas
