package schemas

import (
	_ "embed"
	"sync"

	"github.com/parcours-cdp/parcours/schemas/internal/avsc"
)

// Full names of the records.
const (
	touchpointRecord = "io.parcours.Touchpoint"
	identifiedRecord = "io.parcours.IdentifiedTouchpoint"
	enrichedRecord   = "io.parcours.EnrichedTouchpoint"
	rejectedRecord   = "io.parcours.RejectedTouchpoint"
	attributesRecord = "io.parcours.AttributeSet"
)

var (
	//go:embed avro/touchpoint.avsc
	touchpointSource string
	//go:embed avro/identified_touchpoint.avsc
	identifiedSource string
	//go:embed avro/enriched_touchpoint.avsc
	enrichedSource string
	//go:embed avro/rejected_touchpoint.avsc
	rejectedSource string
	//go:embed avro/attribute_set.avsc
	attributesSource string
	//go:embed avro/identified_touchpoint.suffix.avsc
	identifiedSuffix string
	//go:embed avro/enriched_touchpoint.suffix.avsc
	enrichedSuffix string
)

// TouchpointSchema is the schema of the topic touchpoints: compact JSON with all docs and field properties.
func TouchpointSchema() string { return compact(touchpointSource) }

// IdentifiedTouchpointSchema is the schema of the topic touchpoints.identified.
func IdentifiedTouchpointSchema() string { return compact(identifiedSource) }

// EnrichedTouchpointSchema is the schema of the topic touchpoints.enriched.
func EnrichedTouchpointSchema() string { return compact(enrichedSource) }

// RejectedTouchpointSchema is the schema of the topic touchpoints.rejected.
func RejectedTouchpointSchema() string { return compact(rejectedSource) }

// AttributeSetSchema is the schema of the topic attributes.
func AttributeSetSchema() string { return compact(attributesSource) }

// compact cannot fail on the texts that are compiled in; were one no JSON, the registry would say so of it.
func compact(source string) string {
	text, err := avsc.Compact(source)
	if err != nil {
		return source
	}
	return text
}

// ExtendIdentified returns the schema that identity writes when it reads inputSchema: all fields of the input, also
// those this version does not know, then identity's own.
func ExtendIdentified(inputSchema string) (string, error) {
	return avsc.Extend(inputSchema, identifiedSuffix, touchpointRecord)
}

// ExtendEnriched returns the schema that the enricher writes when it reads inputSchema: all fields of the input, also
// those this version does not know, then the enricher's own.
func ExtendEnriched(inputSchema string) (string, error) {
	return avsc.Extend(inputSchema, enrichedSuffix, identifiedRecord)
}

// ownSchemas are the records that bodies are decoded into. The enriched one holds the fields of all stages.
type ownSchemas struct{ enriched, rejected, attributes *avsc.Type }

var known = sync.OnceValues(func() (own ownSchemas, err error) {
	if own.enriched, err = avsc.Parse(enrichedSource); err != nil {
		return own, err
	}
	if own.rejected, err = avsc.Parse(rejectedSource); err != nil {
		return own, err
	}
	own.attributes, err = avsc.Parse(attributesSource)
	return own, err
})
