package schemaregistry_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/embedded/schemaregistry"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/twmb/franz-go/pkg/sr"
)

const subject = "touchpoints-value"

// serve opens the registry of a folder and returns a client of franz-go, the one that the services use.
func serve(t *testing.T, dir string) (client *sr.Client, stop func()) {
	t.Helper()
	registry, err := schemaregistry.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry)
	client, err = sr.NewClient(sr.URLs(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	return client, func() {
		server.Close()
		if err := registry.Close(); err != nil {
			t.Error(err)
		}
	}
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func avro(text string) sr.Schema { return sr.Schema{Schema: text, Type: sr.TypeAvro} }

// wider is the touchpoint of a later version.
func wider(t *testing.T) string {
	t.Helper()
	return strings.Replace(schemas.TouchpointSchema(), `{"name":"message_id"`, `{"name":"colour","type":"string","default":"","doc":"New."},{"name":"message_id"`, 1)
}

// Ids must survive as long as the records that name them.
func TestIDsSurviveRestarts(t *testing.T) {
	dir, ctx := t.TempDir(), deadline(t)
	client, stop := serve(t, dir)
	first, err := client.CreateSchema(ctx, subject, avro(schemas.TouchpointSchema()))
	if err != nil {
		t.Fatal(err)
	}
	second, err := client.CreateSchema(ctx, subject, avro(wider(t)))
	if err != nil {
		t.Fatal(err)
	}
	again, err := client.CreateSchema(ctx, subject, avro(schemas.TouchpointSchema()))
	if err != nil || again.ID != first.ID || again.Version != 1 {
		t.Errorf("registering again gave id %d version %d (%v), want id %d version 1", again.ID, again.Version, err, first.ID)
	}
	other, err := client.CreateSchema(ctx, "other-value", avro(schemas.TouchpointSchema()))
	if err != nil || other.ID != first.ID {
		t.Errorf("one schema under two subjects has ids %d and %d (%v)", first.ID, other.ID, err)
	}
	stop()

	// A crash in the middle of a write leaves half a line, which nobody was told of.
	file := filepath.Join(dir, "schemas.ndjson")
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(kept, `{"subject":"half","id":3,"sch`...), 0o600); err != nil {
		t.Fatal(err)
	}

	client, stop = serve(t, dir)
	defer stop()
	for _, want := range []sr.SubjectSchema{first, second} {
		got, err := client.SchemaByVersion(ctx, subject, want.Version)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("version %d changed over a restart: %s", want.Version, diff)
		}
	}
	third, err := client.CreateSchema(ctx, "third-value", avro(schemas.RejectedTouchpointSchema()))
	if err != nil || third.ID <= second.ID {
		t.Errorf("a new schema got id %d (%v), want one past %d", third.ID, err, second.ID)
	}
	subjects, err := client.Subjects(ctx)
	if diff := cmp.Diff([]string{"other-value", "third-value", subject}, subjects); diff != "" || err != nil {
		t.Errorf("subjects: %v %s", err, diff)
	}
}

func TestIncompatibleSchemasAreRefused(t *testing.T) {
	ctx := deadline(t)
	client, stop := serve(t, "")
	defer stop()
	if _, err := client.CreateSchema(ctx, subject, avro(schemas.TouchpointSchema())); err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(schemas.TouchpointSchema(), `"name":"message_id","type":"string"`, `"name":"message_id","type":"long"`, 1)
	_, err := client.CreateSchema(ctx, subject, avro(changed))
	var refused *sr.ResponseError
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusConflict || !strings.Contains(refused.Message, "message_id") {
		t.Errorf("an incompatible schema was answered %v, want 409 that names message_id", err)
	}
	verdict, err := client.CheckCompatibility(ctx, subject, -1, avro(changed))
	if err != nil || verdict.Is {
		t.Errorf("an incompatible schema is called compatible (%v)", err)
	}
	if _, err := client.CreateSchema(ctx, subject, avro(`{"type":"nonsense"}`)); err == nil {
		t.Error("a text that is no schema was registered")
	}
}

func TestUnknownThingsAreNotFound(t *testing.T) {
	ctx := deadline(t)
	client, stop := serve(t, "")
	defer stop()
	f := func(want int, err error) {
		t.Helper()
		var answer *sr.ResponseError
		if !errors.As(err, &answer) || answer.ErrorCode != want {
			t.Errorf("answered %v, want error code %d", err, want)
		}
	}
	_, err := client.SchemaByID(ctx, 7)
	f(40403, err)
	_, err = client.SchemaByVersion(ctx, subject, 1)
	f(40401, err)
	if _, err := client.CreateSchema(ctx, subject, avro(schemas.TouchpointSchema())); err != nil {
		t.Fatal(err)
	}
	_, err = client.SchemaByVersion(ctx, subject, 9)
	f(40402, err)
	_, err = client.LookupSchema(ctx, subject, avro(schemas.RejectedTouchpointSchema()))
	f(40403, err)
}
