package sink

import (
	"encoding/json"
	"strconv"
	"strings"
	"sync"

	"github.com/parcours-cdp/parcours/schemas"
	"go.uber.org/zap"
)

// unknownName is the name in properties under which values stand whose fields this program does not know, or knows with
// another type. A sender that uses the name itself keeps it: ours gets underscores at its end until it is free.
const unknownName = "_unknown"

// unknowns keeps the values of fields that a writer's schema has and this program cannot put into their columns: the
// general ones in properties, personal ones in contacts. A schema without such fields costs nothing.
type unknowns struct {
	metrics *metrics
	log     *zap.Logger

	mu   sync.Mutex
	told map[int32]bool // schemas whose fields were logged
}

func newUnknowns(m *metrics, log *zap.Logger) *unknowns {
	return &unknowns{metrics: m, log: log, told: make(map[int32]bool)}
}

// tell logs each field of a schema once, when the first record of the schema comes.
func (u *unknowns) tell(id int32, fields []schemas.ForeignField) {
	u.mu.Lock()
	told := u.told[id]
	u.told[id] = true
	u.mu.Unlock()
	if told {
		return
	}
	for _, field := range fields {
		kept := zap.String("kept_in", "events.properties."+unknownName)
		if field.Personal {
			kept = zap.String("kept_in", "contacts.unknown")
		}
		if field.Conflict {
			u.log.Warn("a field of the records has a type that does not fit its column: the column stays empty and the value is kept apart",
				zap.Int32("schema_id", id), zap.String("field", field.Path), zap.String("why", field.Why), kept)
		} else {
			u.log.Warn("a field of the records is unknown to this program: its values are kept apart until a newer one has a column for it",
				zap.Int32("schema_id", id), zap.String("field", field.Path), kept)
		}
	}
}

// foreignValues are those of the record in hand, as JSON objects; empty when there are none.
type foreignValues struct {
	general, personal []byte
}

// read takes the foreign values of a record, and counts it by each field that its schema has.
func (u *unknowns) read(decoder *schemas.Decoder, fields []schemas.ForeignField, body []byte, into *foreignValues) error {
	var err error
	into.general, into.personal, err = decoder.AppendForeign(body, into.general[:0], into.personal[:0])
	if err != nil || len(into.general)+len(into.personal) == 0 {
		return err
	}
	for _, field := range fields {
		kind := "unknown"
		if field.Conflict {
			kind = "conflict"
		}
		u.metrics.unknown.WithLabelValues(field.Path, kind).Inc()
	}
	return nil
}

// withUnknown puts an object into the text of another, at its end, under a name that is free. A text that is no object
// is returned as it is: ClickHouse refuses the row, and the record goes to quarantine with all its bytes.
func withUnknown(text string, unknown []byte) string {
	if len(unknown) == 0 {
		return text
	}
	if text == "" {
		text = "{}"
	}
	p := jsonText{text: text}
	root, ok := p.value(0)
	p.space()
	if !ok || root.kind != '{' || p.at != len(text) {
		return text
	}
	name := strconv.Quote(unknownName)
	for taken := true; taken; {
		taken = false
		for _, sent := range root.names {
			if sameName(sent, name) {
				taken = true
				name = name[:len(name)-1] + `_"`
				break
			}
		}
	}
	root.names = append(root.names, name)
	root.escape = append(root.escape, false)
	root.inside = append(root.inside, &jsonNode{kind: 'a', text: string(unknown)})
	return string(root.append(make([]byte, 0, len(text)+len(unknown)+len(name)+2)))
}

// sameName compares two names as written: one and the same may be written with escapes, and a name with a dot after
// ours would read as what is in it.
func sameName(sent, ours string) bool {
	var name string
	if err := json.Unmarshal([]byte(sent), &name); err != nil {
		return false
	}
	ours = ours[1 : len(ours)-1]
	return name == ours || strings.HasPrefix(name, ours+".")
}
