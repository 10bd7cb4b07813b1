package warehouse

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// valued are columns of each kind whose rows are appended one by one.
type valued struct {
	text  *Strings
	word  *Words
	whole *Int32s
	maybe *Nullable[int64, *Int64s]
	flag  *Bools
	id    *UUIDs
	words *Array[*Words]
}

func addValued(b *Block, prefix string) *valued {
	return &valued{
		text: Add(b, prefix+"text", NewStrings()), word: Add(b, prefix+"word", NewWords()), whole: Add(b, prefix+"whole", NewInt32s()),
		maybe: Add(b, prefix+"maybe", NewNullable[int64](NewInt64s())), flag: Add(b, prefix+"flag", NewBools()), id: Add(b, prefix+"id", NewUUIDs()),
		words: Add(b, prefix+"words", NewArray(NewWords())),
	}
}

// append adds the row of n; that of 0 has no values.
func (v *valued) append(n int32) {
	var id uuid.UUID
	word := ""
	if n > 0 {
		id[0], word = byte(n), string(rune('a'+n))
		v.words.Items.Append(word)
	}
	v.text.Append(word)
	v.word.Append(word)
	v.whole.Append(n)
	v.maybe.Append(int64(n), n > 0)
	v.flag.Append(n > 0)
	v.id.Append(id)
	v.words.End()
}

// A block with sections has the rows of one without, but for the columns of a section that no row has: they are not sent.
func TestSectionsAreFilledIn(t *testing.T) {
	plain, sectioned := NewBlock("sample"), NewBlock("sample")
	plainParts := []*valued{addValued(plain, "a_"), addValued(plain, "b_"), addValued(plain, "c_")}
	var parts [3]*valued
	parts[0] = addValued(sectioned, "a_")
	var sections [3]*Section
	for i, prefix := range []string{1: "b_", 2: "c_"} {
		if prefix != "" {
			sections[i] = sectioned.Section(func() { parts[i] = addValued(sectioned, prefix) })
		}
	}
	const width = 7
	rapid.Check(t, func(t *rapid.T) {
		plain.Reset()
		sectioned.Reset()
		rows := rapid.IntRange(0, 8).Draw(t, "rows")
		var seen [3]bool
		seen[0] = true
		for range rows {
			for i, n := range rapid.SliceOfN(rapid.Int32Range(0, 3), 3, 3).Draw(t, "row") {
				plainParts[i].append(n)
				switch {
				case sections[i] == nil:
					parts[i].append(n)
				case n == 0:
					sections[i].Absent()
				default:
					seen[i] = true
					sections[i].Present()
					parts[i].append(n)
				}
			}
			plain.EndRow()
			sectioned.EndRow()
		}
		var wantNames []string
		var keep []int
		for i, name := range plain.Columns() {
			if seen[i/width] {
				wantNames, keep = append(wantNames, name), append(keep, i)
			}
		}
		body, err := plain.Encode(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var want [][]any
		for _, row := range decodeBlock(t, body) {
			var kept []any
			for _, i := range keep {
				kept = append(kept, row[i])
			}
			want = append(want, kept)
		}
		for range 2 { // an attempt that failed is made again
			if diff := cmp.Diff(wantNames, sectioned.Columns()); diff != "" {
				t.Fatalf("columns (-want +got):\n%s", diff)
			}
			if body, err = sectioned.Encode(time.Now()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, decodeBlock(t, body)); diff != "" {
				t.Fatalf("rows (-want +got):\n%s", diff)
			}
		}
	})
}
