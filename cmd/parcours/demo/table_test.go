package demo

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestCells(t *testing.T) {
	f := func(as format, value, want string) {
		t.Helper()
		if got := as.cell(value); got != want {
			t.Errorf("%q is written %q, want %q", value, got, want)
		}
	}
	f(count, "0", "0")
	f(count, "999", "999")
	f(count, "1000", "1 000")
	f(count, "-1234567", "-1 234 567")
	f(money, "1234567.5", "1 234 567,50")
	f(money, "12", "12,00")
	f(money, "-7.05", "-7,05")
	f(money, "", "")
	f(percent, "41.2", "41,2 %")
	f(ratio, "1.41", "1,41")
	f(text, "LIL01", "LIL01")
}

func TestLayoutKeepsItsWidth(t *testing.T) {
	columns := []column{{"product", text}, {"sold", count}, {"", hidden}, {"remark", text}}
	rows := [][]string{
		{"Housse de couette lin lavé", "1234", "not shown", strings.Repeat("très long ", 12)},
		{"Vase", "7", "not shown", "court"},
	}
	got := layout(columns, rows, 60)
	want := []string{
		"product                     sold  remark",
		"Housse de couette lin la…  1 234  très long très long très …",
		"Vase                           7  court",
	}
	for i, line := range got {
		if n := utf8.RuneCountInString(line); n > 60 {
			t.Errorf("line %d is %d wide", i, n)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestWrap(t *testing.T) {
	want := []string{"un deux", "trois", "quatre"}
	if diff := cmp.Diff(want, wrap("un deux trois quatre", 8)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
