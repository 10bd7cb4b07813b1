package enginetest

import "testing"

func TestMain(m *testing.M) { Main(m) }

func TestStartSharesOneEngine(t *testing.T) {
	first := Start(t)
	if second := Start(t); second != first {
		t.Fatalf("a second Start gave %s, not %s", second, first)
	}
	a, b := Database(t, first), Database(t, first)
	Exec(t, first, "CREATE TABLE "+a+".x (n UInt8) ENGINE = MergeTree ORDER BY n")
	Exec(t, first, "INSERT INTO "+a+".x VALUES (1), (2)")
	if got := Exec(t, first, "SELECT sum(n) FROM "+a+".x"); got != "3" {
		t.Errorf("sum is %q, not 3", got)
	}
	if got := Exec(t, first, "SELECT count() FROM system.tables WHERE database = '"+b+"'"); got != "0" {
		t.Errorf("a new database has %s tables", got)
	}
}
