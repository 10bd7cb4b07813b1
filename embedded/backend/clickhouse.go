package backend

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/parcours-cdp/parcours/embedded/clickhouse"
	"github.com/parcours-cdp/parcours/embedded/enginetest"
)

// User and password of an external ClickHouse.
const (
	ClickHouseEnv         = enginetest.AddressEnv
	ClickHouseUserEnv     = "PARCOURS_TEST_CLICKHOUSE_USER"
	ClickHousePasswordEnv = "PARCOURS_TEST_CLICKHOUSE_PASSWORD"
)

// database is the one that the services make and fill; its name is part of the product.
const database = "parcours"

// ClickHouseServer is the HTTP interface of a ClickHouse without the database parcours.
type ClickHouseServer struct {
	Addr     string
	User     string
	Password string
	Kind     string
}

// ClickHouse gives the test a ClickHouse of its own, of the kind that PARCOURS_TEST_CLICKHOUSE names. The embedded
// engine runs in a child of the test program, whose TestMain must call enginetest.Main. An external one is shared with
// whoever else uses it: see WipeEnv.
func ClickHouse(t testing.TB) ClickHouseServer {
	t.Helper()
	switch kind := os.Getenv(ClickHouseEnv); kind {
	case "", Embedded:
		it, engine := embeddedClickHouse(t)
		return used(t, "clickhouse", Embedded+" "+engine, it)
	case Container:
		return used(t, "clickhouse", Container+" "+ClickHouseImage, containerClickHouse(t))
	default:
		if !strings.Contains(kind, ":") {
			t.Fatalf("%s is %q: use embedded, container or host:port", ClickHouseEnv, kind)
		}
		user := os.Getenv(ClickHouseUserEnv)
		if user == "" {
			user = "default"
		}
		it := ClickHouseServer{Addr: kind, User: user, Password: os.Getenv(ClickHousePasswordEnv), Kind: External}
		it.wipe(t)
		return used(t, "clickhouse", External+" "+kind, it)
	}
}

func embeddedClickHouse(t testing.TB) (ClickHouseServer, string) {
	t.Helper()
	cfg, err := enginetest.Config(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// It must outlive the test's context: what the test cleans up still talks to it.
	server, err := clickhouse.Start(context.WithoutCancel(t.Context()), cfg)
	if errors.Is(err, clickhouse.ErrNoEngine) {
		enginetest.Missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	engine, _, _ := strings.Cut(server.Backend(), " ") // the rest is a path of this machine
	return ClickHouseServer{Addr: server.Addr(), User: "default", Kind: Embedded}, engine
}

// wipe drops the database parcours before and after the test. Before it, on a server that the test did not start, that
// destroys data, so it must be allowed in so many words; after it, a failed test's rows stay to be looked at.
func (c ClickHouseServer) wipe(t testing.TB) {
	t.Helper()
	if there := c.Query(t, "SELECT count() FROM system.databases WHERE name = '"+database+"'"); there != "0" {
		if os.Getenv(WipeEnv) != "1" {
			t.Fatalf("the ClickHouse at %s has the database %s already: give an empty one, or set %s=1 to have the tests drop it",
				c.Addr, database, WipeEnv)
		}
		c.Query(t, "DROP DATABASE "+database+" SYNC")
	}
	t.Cleanup(func() {
		if !t.Failed() {
			c.Query(t, "DROP DATABASE IF EXISTS "+database+" SYNC")
		}
	})
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
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("query ClickHouse at %s: %v", c.Addr, err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("query ClickHouse at %s: %s: %s: %s", c.Addr, query, resp.Status, body)
	}
	return strings.TrimSuffix(string(body), "\n")
}
