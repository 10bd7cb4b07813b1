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
	//go:embed avro/identified_touchpoint.suffix.avsc
	identifiedSuffix string
	//go:embed avro/enriched_touchpoint.suffix.avsc
	enrichedSuffix string
)

// TouchpointSchema is the schema of the topic touchpoints: compact JSON with all docs and field properties.
func TouchpointSchema() string { return known().touchpointText }

// IdentifiedTouchpointSchema is the schema of the topic touchpoints.identified.
func IdentifiedTouchpointSchema() string { return known().identifiedText }

// EnrichedTouchpointSchema is the schema of the topic touchpoints.enriched.
func EnrichedTouchpointSchema() string { return known().enrichedText }

// RejectedTouchpointSchema is the schema of the topic touchpoints.rejected.
func RejectedTouchpointSchema() string { return known().rejectedText }

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

// ownSchemas are the schemas of this version. The enriched record holds the fields of all stages.
type ownSchemas struct {
	touchpointText, identifiedText, enrichedText, rejectedText string
	enriched, rejected                                         *avsc.Type
}

// known reads the schemas that are compiled in. They cannot be wrong in a build that passed its tests, so a fault there
// is a panic.
var known = sync.OnceValue(func() *ownSchemas {
	return &ownSchemas{
		touchpointText: must(avsc.Compact(touchpointSource)),
		identifiedText: must(avsc.Compact(identifiedSource)),
		enrichedText:   must(avsc.Compact(enrichedSource)),
		rejectedText:   must(avsc.Compact(rejectedSource)),
		enriched:       must(avsc.Parse(enrichedSource)),
		rejected:       must(avsc.Parse(rejectedSource)),
	}
})

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
