package enricher

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/parcours-cdp/parcours/schemas"
)

// lastField is the last field of an identified touchpoint as we know it. It is read with every event so that the whole body is walked over:
// our fields must not be appended to a body that ends too early, or too late.
const lastField = "ignored_identifiers"

// transform turns the bodies of one writer's schema into enriched ones.
type transform struct {
	outputID  int32
	selection *schemas.Selection
	// decoder reads the whole of a body whose writer has fields after lastField; nil when it has none.
	decoder *schemas.Decoder
	last    int
}

// newTransform compiles the reading of what the chain wants.
func newTransform(decoder *schemas.Decoder, schema string, outputID int32, reads []string) (*transform, error) {
	fields := append(append([]string(nil), reads...), lastField)
	selection, err := decoder.Select(fields...)
	if err != nil {
		return nil, fmt.Errorf("select the fields to read: %w", err)
	}
	t := &transform{outputID: outputID, selection: selection, last: len(fields) - 1}
	var record struct {
		Fields []struct {
			Name string `json:"name"`
		} `json:"fields"`
	}
	if err := json.Unmarshal([]byte(schema), &record); err != nil {
		return nil, fmt.Errorf("read the writer's schema: %w", err)
	}
	if n := len(record.Fields); n == 0 || record.Fields[n-1].Name != lastField {
		t.decoder = decoder
	}
	return t, nil
}

// worker is the memory that one goroutine enriches with.
type worker struct {
	chain *Chain
	event schemas.EnrichedTouchpoint
	whole schemas.EnrichedTouchpoint
	added Suffix
	spans []schemas.Span
}

var errTrailing = errors.New("the body does not end where its schema says")

// append writes the enriched message of a body behind dst: the header, the body as it is, and the fields of the chain. It is a pure function of
// the body, the schema and the data of the enrichments. On an error dst is returned as it was.
func (w *worker) append(dst []byte, t *transform, body []byte) ([]byte, error) {
	var err error
	if w.spans, err = t.selection.Decode(body, &w.event, w.spans); err != nil {
		return dst, err
	}
	if t.decoder != nil {
		if err := t.decoder.Decode(body, &w.whole); err != nil {
			return dst, err
		}
	} else if w.spans[t.last].End != len(body) {
		return dst, errTrailing
	}
	if err := w.chain.Run(&w.event, &w.added); err != nil {
		return dst, err
	}
	dst = schemas.AppendHeader(dst, t.outputID)
	dst = append(dst, body...)
	return w.event.AppendSuffix(dst), nil
}
