package sink

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func edited(t *testing.T, event, patch string, sets ...string) (string, error) {
	t.Helper()
	edit, err := ParseEdit(sets, []byte(patch))
	if err != nil {
		return "", err
	}
	value, err := decodeJSON([]byte(event))
	if err != nil {
		t.Fatal(err)
	}
	value, err = edit.apply(value)
	if err != nil {
		return "", err
	}
	text, err := encodeJSON(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), nil
}

// The examples of RFC 7396, appendix A, whose patch is an object.
func TestMergePatchesOfTheRFC(t *testing.T) {
	f := func(event, patch, want string) {
		t.Helper()
		if got, err := edited(t, event, patch); err != nil || got != want {
			t.Errorf("%s with %s is %s (%v), want %s", event, patch, got, err, want)
		}
	}
	f(`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`)
	f(`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`)
	f(`{"a":"b"}`, `{"a":null}`, `{}`)
	f(`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`)
	f(`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`)
	f(`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`)
	f(`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`)
	f(`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`)
	f(`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`)
	f(`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`)
	f(`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`)
	// Numbers stay as they are written.
	f(`{"total":12.90,"id":12345678901234567890123}`, `{"a":1.10}`, `{"a":1.10,"id":12345678901234567890123,"total":12.90}`)
}

func TestSettings(t *testing.T) {
	f := func(event, want string, sets ...string) {
		t.Helper()
		if got, err := edited(t, event, "", sets...); err != nil || got != want {
			t.Errorf("%s with %q is %s (%v), want %s", event, sets, got, err, want)
		}
	}
	f(`{}`, `{"userId":"u-1"}`, "userId=u-1")
	f(`{}`, `{"userId":12}`, "userId=12")
	f(`{}`, `{"userId":"12"}`, `userId="12"`)
	f(`{}`, `{"a":"b=c"}`, "a=b=c")
	f(`{}`, `{"a":""}`, "a=")
	f(`{"a":1}`, `{"a":null}`, "a=null")
	f(`{}`, `{"properties":{"total":12.90}}`, "properties.total=12.90")
	f(`{"p":{"x":[{"price":"a"},{"price":"b"}]}}`, `{"p":{"x":[{"price":"a"},{"price":3}]}}`, "p.x[1].price=3")
	f(`{"p":{"x":[1]}}`, `{"p":{"x":[1,2]}}`, "p.x[1]=2")
	f(`{}`, `{"m":[[1]]}`, "m[0][0]=1")
	f(`{}`, `{"a.b":{"c[0]":{"d=e":1}}}`, `a\.b.c\[0].d\=e=1`)
	f(`{"a":1}`, `{"a":3}`, "a=2", "a=3")
}

// A wrong path is named, with what is wrong with it.
func TestWrongSettingsAreNamed(t *testing.T) {
	f := func(set, says string) {
		t.Helper()
		_, err := edited(t, `{"properties":{"total":1,"list":[1]}}`, "", set)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), strings.SplitN(set, "=", 2)[0]) {
			t.Errorf("--put %s: %v, want %q and the path", set, err, says)
		}
	}
	f("userId", "no =")
	f("=1", "a name is missing")
	f(".a=1", "a name is missing")
	f("a..b=1", "a name is missing")
	f("a.=1", "a name is missing")
	f("a[=1", "not closed")
	f("a[x]=1", "no place in a list")
	f("a[-1]=1", "no place in a list")
	f("a[01]=1", "no place in a list")
	f("a[99999999]=1", "no place in a list")
	f("a[0]b=1", "a dot is missing")
	f(`a\`, "backslash")
	f("properties.total.x=1", "x stands in what is no object")
	f("properties[0]=1", "no list")
	f("properties.list[2]=1", "past the end of a list of 1")
	for patch, says := range map[string]string{`{`: "unexpected EOF", `[1]`: "no JSON object", `{} {}`: "more than one"} {
		if _, err := ParseEdit(nil, []byte(patch)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("patch %s: %v, want %q", patch, err, says)
		}
	}
}

func TestChanges(t *testing.T) {
	before, err := decodeJSON([]byte(`{"a":1,"b":{"c":"x","d":[1,{"e":2}]},"g":null,"same":[1]}`))
	if err != nil {
		t.Fatal(err)
	}
	after, err := decodeJSON([]byte(`{"a":2,"b":{"c":"x","d":[1,{"e":3},4],"f.f":true},"same":[1]}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes("", before, after) {
		got = append(got, c.Path+": "+string(c.Before)+" -> "+string(c.After))
	}
	if diff := cmp.Diff([]string{"a: 1 -> 2", "b.d[1].e: 2 -> 3", "b.d[2]: null -> 4", `b.f\.f: null -> true`}, got); diff != "" {
		t.Error(diff)
	}
}

// Whatever is set is found where it was set, and nothing else has changed.
func FuzzSet(f *testing.F) {
	for _, seed := range [][2]string{{"a.b[0]=1", `{"a":{"b":[2]}}`}, {`a\.b=x`, `{}`}, {"[0]=1", `[]`}, {"a[1]=", `{"a":[1]}`}} {
		f.Add(seed[0], []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, text string, event []byte) {
		edit, err := ParseEdit([]string{text}, nil)
		if err != nil {
			return
		}
		before, err := decodeJSON(event)
		if err != nil {
			return
		}
		kept, err := encodeJSON(before)
		if err != nil {
			return
		}
		after, err := edit.apply(before)
		if err != nil {
			return
		}
		at := after
		for _, s := range edit.sets[0].path {
			if s.list {
				at = at.([]any)[s.place]
			} else {
				at = at.(map[string]any)[s.name]
			}
		}
		got, err := encodeJSON(at)
		if err != nil {
			t.Fatal(err)
		}
		want, err := encodeJSON(edit.sets[0].value)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q set %s and not %s (%v)", text, got, want, err)
		}
		again, err := decodeJSON(kept)
		if err != nil {
			t.Fatal(err)
		}
		path := ""
		for _, s := range edit.sets[0].path {
			if s.list {
				path += fmt.Sprintf("[%d]", s.place)
			} else {
				path = join(path, s.name)
			}
		}
		for _, c := range changes("", again, after) {
			// What was not there before is reported as a whole.
			if !strings.HasPrefix(c.Path, path) && !strings.HasPrefix(path, c.Path) {
				t.Fatalf("%q changed %q", text, c.Path)
			}
		}
	})
}

// A patch holds in the result: what it names has its value, what it nulls is gone, and it changes nothing a second time.
func FuzzMergePatch(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1}}`), []byte(`{"a":{"b":null,"c":[1]}}`))
	f.Add([]byte(`[1]`), []byte(`{"a":{"b":null}}`))
	f.Fuzz(func(t *testing.T, event, patch []byte) {
		edit, err := ParseEdit(nil, patch)
		if err != nil || !edit.given {
			return
		}
		target, err := decodeJSON(event)
		if err != nil {
			return
		}
		once, err := edit.apply(target)
		if err != nil {
			t.Fatal(err)
		}
		holds(t, once, edit.patch)
		text, err := encodeJSON(once)
		if err != nil {
			t.Fatal(err)
		}
		// The patch is read anew: what is merged must not have become part of it.
		edit, err = ParseEdit(nil, patch)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := edit.apply(once)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := encodeJSON(twice); err != nil || !bytes.Equal(text, again) {
			t.Fatalf("%s becomes %s, and %s with the same patch (%v)", event, text, again, err)
		}
	})
}

func holds(t *testing.T, target, patch any) {
	t.Helper()
	members, is := patch.(map[string]any)
	if !is {
		a, err := encodeJSON(target)
		if err != nil {
			t.Fatal(err)
		}
		b, err := encodeJSON(patch)
		if err != nil || !bytes.Equal(a, b) {
			t.Fatalf("%s is not %s (%v)", a, b, err)
		}
		return
	}
	into, is := target.(map[string]any)
	if !is {
		t.Fatalf("%v is no object", target)
	}
	for name, value := range members {
		got, there := into[name]
		if value == nil {
			if there {
				t.Fatalf("%s is still there", name)
			}
			continue
		}
		holds(t, got, value)
	}
}
