package sheet

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	f := func(text, column, want string, line int) {
		t.Helper()
		s, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			return
		}
		last := s.Rows[len(s.Rows)-1]
		if got := last.Value(s.Column(column)); got != want || last.Line != line {
			t.Errorf("%q: got %q in line %d, want %q in %d", text, got, last.Line, want, line)
		}
	}
	f("a;b\n1;2\n", "b", "2", 2)
	f("a,b\r\n1, 2 \r\n", "b", "2", 2)
	f("a\tb\n1\t2\n", "b", "2", 2)
	f("\xef\xbb\xbfCode magasin;Horaires d'ouverture\n\nA;\"Mo, Tu\nx\"\n", "horaires_d_ouverture", "Mo, Tu\nx", 3)
	f("a;d\xe9partement\n1;H\xe9rault\n", "Departement", "Hérault", 2)
	f("a;b;c\n1\n", "c", "", 2)
	f("a;b\n1;2\n;\n \n", "b", "2", 2)
	f("a;b\n1;2\n", "c", "", 2)
	if _, err := Parse(nil); err == nil {
		t.Error("nothing was taken for a table")
	}
}

func TestTheFirstNameOfAColumnWins(t *testing.T) {
	s, err := Parse([]byte("code;ID\n1;2\n"))
	if err != nil {
		t.Fatal(err)
	}
	if at := s.Column("id", "code"); at != 1 {
		t.Errorf("got column %d", at)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a;b\n1;2\n")
	f.Add("\xef\xbb\xbf\"a\";b,c\n\"")
	f.Add("é\xff\n\n\n;")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse([]byte(text))
		if err != nil {
			return
		}
		for _, row := range s.Rows {
			empty := true
			for i := range row.values {
				empty = empty && strings.TrimSpace(row.values[i]) == ""
			}
			if empty || row.Line < 1 {
				t.Fatalf("%+v", row)
			}
		}
	})
}
