package backend

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/embedded/enginetest"
)

// User and password of an external ClickHouse.
const (
	ClickHouseEnv         = enginetest.AddressEnv
	ClickHouseUserEnv     = "PARCOURS_TEST_CLICKHOUSE_USER"
	ClickHousePasswordEnv = "PARCOURS_TEST_CLICKHOUSE_PASSWORD" //nolint:gosec // the variable's name
)

// ClickHouseServer is the HTTP interface of a ClickHouse, with an empty database for the test.
type ClickHouseServer struct {
	Addr     string
	User     string
	Password string
	Database string
	Kind     string
}

// ClickHouse gives the test a database of its own, on a ClickHouse of the kind that PARCOURS_TEST_CLICKHOUSE names.
// The embedded engine is shared by the tests of one program, whose TestMain must call enginetest.Main.
func ClickHouse(t testing.TB) ClickHouseServer {
	t.Helper()
	switch kind := os.Getenv(ClickHouseEnv); kind {
	case "":
		return used(t, "clickhouse", Embedded+" engine", prepared(t, ClickHouseServer{Addr: enginetest.Start(t), User: "default", Kind: Embedded}))
	case Container:
		return used(t, "clickhouse", Container+" "+clickhouseImage, prepared(t, containerClickHouse(t)))
	default:
		user := os.Getenv(ClickHouseUserEnv)
		if user == "" {
			user = "default"
		}
		return used(t, "clickhouse", External+" "+kind, prepared(t, ClickHouseServer{
			Addr: kind, User: user, Password: os.Getenv(ClickHousePasswordEnv), Kind: External,
		}))
	}
}

// prepared makes the test's database and drops it with the test.
func prepared(t testing.TB, it ClickHouseServer) ClickHouseServer {
	t.Helper()
	it.Database = "test_" + strings.ToLower(rand.Text())
	it.Query(t, "CREATE DATABASE "+it.Database)
	t.Cleanup(func() { it.Query(t, "DROP DATABASE IF EXISTS "+it.Database+" SYNC") })
	return it
}

// Query runs one statement and returns its answer without the last newline, in TSV unless it says FORMAT.
func (c ClickHouseServer) Query(t testing.TB, query string) string {
	t.Helper()
	// Not the test's context: it has ended when the clean-up drops the database.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.Addr+"/", strings.NewReader(query))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-ClickHouse-User", c.User)
	req.Header.Set("X-ClickHouse-Key", c.Password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("query ClickHouse at %s: %v", c.Addr, err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("query ClickHouse at %s: %v", c.Addr, err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("query ClickHouse at %s: %s: %s: %s", c.Addr, query, resp.Status, body)
	}
	return strings.TrimSuffix(string(body), "\n")
}
