package collector

import (
	"strconv"
	"strings"

	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/collector/jsonindex"
)

// field is one typed field of T: exactly one of its accessors is set.
type field[T any] struct {
	text   func(*T) *string
	amount func(*T) *schemas.Optional[schemas.Decimal]
	whole  func(*T) *schemas.Optional[int32]
	date   func(*T) *schemas.Optional[schemas.Date]
	flag   func(*T) *schemas.Optional[bool]
}

// fields finds a typed field by its folded name, so that orderId, order_id and OrderID are one. Most keys
// that are looked up are in no table: first letter and length tell that without a hash.
type fields[T any] struct {
	names  []string
	fields []field[T]
	slots  [26][maxFolded + 1]uint8 // the place + 1 in names of the first of its first letter and length
	next   []uint8                  // the place + 1 of another one
}

func table[T any](known map[string]field[T]) *fields[T] {
	f := new(fields[T])
	for name, typed := range known {
		f.names, f.fields = append(f.names, name), append(f.fields, typed)
		slot := &f.slots[name[0]-'a'][len(name)]
		f.next = append(f.next, *slot)
		*slot = uint8(len(f.names))
	}
	return f
}

// at looks a folded key up.
func (f *fields[T]) at(folded []byte) (field[T], bool) {
	if len(folded) > 0 && folded[0] >= 'a' && folded[0] <= 'z' {
		for place := f.slots[folded[0]-'a'][len(folded)]; place > 0; place = f.next[place-1] {
			if f.names[place-1] == string(folded) {
				return f.fields[place-1], true
			}
		}
	}
	return field[T]{}, false
}

func text[T any](at func(*T) *string) field[T] { return field[T]{text: at} }

func amount[T any](at func(*T) *schemas.Optional[schemas.Decimal]) field[T] {
	return field[T]{amount: at}
}

func whole[T any](at func(*T) *schemas.Optional[int32]) field[T] { return field[T]{whole: at} }

func date[T any](at func(*T) *schemas.Optional[schemas.Date]) field[T] { return field[T]{date: at} }

func truth[T any](at func(*T) *schemas.Optional[bool]) field[T] { return field[T]{flag: at} }

const maxFolded = 40

// foldedByte is what becomes of each byte of a key: a small letter, or 0 for a separator, which is left out.
var foldedByte = func() (table [256]byte) {
	for c := range table {
		table[c] = byte(c)
	}
	for c := 'A'; c <= 'Z'; c++ {
		table[c] = byte(c - 'A' + 'a')
	}
	table['_'], table['-'], table[' '] = 0, 0, 0
	return table
}()

// fold writes a key in small letters without separators; keys that are longer than any we know fold to
// nothing.
func fold(key string, into *[maxFolded + 1]byte) []byte {
	n := 0
	for i := 0; i < len(key); i++ {
		if n > maxFolded {
			return nil
		}
		c := foldedByte[key[i]]
		into[n] = c
		if c != 0 {
			n++
		}
	}
	if n > maxFolded {
		return nil
	}
	return into[:n]
}

// outcome is what became of a member that a typed field was found for.
type outcome uint8

const (
	taken   outcome = iota // in its field; it leaves the JSON
	kept                   // not for this field: it stays in the JSON
	refused                // must be in this field and does not fit
)

// lift moves the members that the table knows into the typed fields of into. A value that does not fit
// is returned as a rejection when strict, and stays where it is otherwise. The first member of a field
// wins: a second spelling of it stays in the JSON. It reports whether it took anything.
func (f *fields[T]) lift(object jsonindex.Value, into *T, strict bool) (took bool, wrong jsonindex.Member, reason Reason) {
	for m := object.Members(); m.More(); m = m.Next() {
		if m.Lifted() {
			continue
		}
		var buf [maxFolded + 1]byte
		found, why := f.take(fold(m.Key(), &buf), m, into)
		if why != "" && strict {
			return took, m, why
		}
		took = took || found
	}
	return took, jsonindex.Member{}, ""
}

// take moves one member with its folded key into its typed field, if the table has one and it fits.
func (f *fields[T]) take(folded []byte, m jsonindex.Member, into *T) (took bool, refusal Reason) {
	typed, ok := f.at(folded)
	if !ok {
		return false, ""
	}
	switch result, why := typed.set(into, m.Value()); result {
	case taken:
		m.Lift()
		return true, ""
	case refused:
		return false, why
	}
	return false, ""
}

func (f field[T]) set(into *T, v jsonindex.Value) (outcome, Reason) {
	if v.Kind() == jsonindex.Null {
		return taken, "" // null says that there is nothing
	}
	switch {
	case f.text != nil:
		return setText(f.text(into), v), ""
	case f.amount != nil:
		return setAmount(f.amount(into), v)
	case f.whole != nil:
		return setWhole(f.whole(into), v)
	case f.date != nil:
		return setDate(f.date(into), v)
	default:
		return setFlag(f.flag(into), v)
	}
}

// setText takes texts, and the text of numbers: an order number sent as a number is an order number.
// Other kinds stay in the JSON, where nothing of them is lost.
func setText(at *string, v jsonindex.Value) outcome {
	switch v.Kind() {
	case jsonindex.String, jsonindex.Number:
	default:
		return kept
	}
	sent := v.Text()
	if *at != "" && *at != sent {
		return kept
	}
	*at = sent
	return taken
}

// numeral is the text of a number, sent as a number or as text; ok is false for other kinds.
func numeral(v jsonindex.Value) (text string, ok bool) {
	switch v.Kind() {
	case jsonindex.String, jsonindex.Number:
		return strings.TrimSpace(v.Text()), true
	}
	return "", false
}

func setAmount(at *schemas.Optional[schemas.Decimal], v jsonindex.Value) (outcome, Reason) {
	sent, ok := numeral(v)
	if !ok {
		return refused, ReasonInvalidAmount
	}
	if sent == "" {
		return taken, "" // tax: "" says that there is none
	}
	parsed, err := schemas.ParseDecimal(sent)
	if err != nil {
		return refused, ReasonInvalidAmount
	}
	if at.Valid && at.Value != parsed {
		return kept, ""
	}
	*at = schemas.Some(parsed)
	return taken, ""
}

func setWhole(at *schemas.Optional[int32], v jsonindex.Value) (outcome, Reason) {
	sent, ok := numeral(v)
	if !ok {
		return refused, ReasonInvalidNumber
	}
	if sent == "" {
		return taken, ""
	}
	parsed, err := strconv.ParseInt(strings.TrimSuffix(sent, ".0"), 10, 32)
	if err != nil {
		return refused, ReasonInvalidNumber
	}
	if at.Valid && at.Value != int32(parsed) {
		return kept, ""
	}
	*at = schemas.Some(int32(parsed))
	return taken, ""
}

func setDate(at *schemas.Optional[schemas.Date], v jsonindex.Value) (outcome, Reason) {
	if v.Kind() != jsonindex.String {
		return refused, ReasonInvalidDate
	}
	sent := strings.TrimSpace(v.Text())
	if sent == "" {
		return taken, ""
	}
	parsed, ok := parseDate(sent)
	if !ok {
		return refused, ReasonInvalidDate
	}
	if at.Valid && at.Value != parsed {
		return kept, ""
	}
	*at = schemas.Some(parsed)
	return taken, ""
}

func setFlag(at *schemas.Optional[bool], v jsonindex.Value) (outcome, Reason) {
	var parsed bool
	switch {
	case v.Kind() == jsonindex.True, v.Kind() == jsonindex.String && v.Text() == "true":
		parsed = true
	case v.Kind() == jsonindex.False, v.Kind() == jsonindex.String && v.Text() == "false":
	default:
		return refused, ReasonInvalidType
	}
	if at.Valid && at.Value != parsed {
		return kept, ""
	}
	*at = schemas.Some(parsed)
	return taken, ""
}
