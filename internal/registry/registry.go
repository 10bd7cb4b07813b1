// Package registry knows which schema has which number: it registers ours, checks that they are
// compatible with their past, and compiles decoders for whatever schema a record was written with.
//
// Schemas never change under an id, so everything is cached for the life of the process. It speaks to
// any registry with Confluent's HTTP interface.
package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/parcours-cdp/parcours/schemas"
	"github.com/twmb/franz-go/pkg/sr"
	"go.uber.org/zap"
)

// Config says where the schema registry is.
type Config struct {
	// URL of the registry.
	URL string `koanf:"url"`
	// Username and Password for Basic authentication, when the registry asks for it.
	Username string `koanf:"username"`
	Password string `koanf:"password" secret:"true"`
	// Timeout of one request.
	Timeout time.Duration `koanf:"timeout"`
}

// DefaultConfig is right for a registry on this machine.
func DefaultConfig() Config {
	return Config{URL: "http://127.0.0.1:8081", Timeout: 10 * time.Second}
}

// Validate names the field that is wrong, its value and what to do.
func (c Config) Validate() error {
	address, err := url.Parse(c.URL)
	if err != nil || address.Host == "" || (address.Scheme != "http" && address.Scheme != "https") {
		return fmt.Errorf("registry.url is %q: give an address such as http://127.0.0.1:8081", c.URL)
	}
	if c.Timeout <= 0 {
		return fmt.Errorf("registry.timeout is %s: give more than 0s", c.Timeout)
	}
	return nil
}

// Registry is a client with its cache; it is safe for concurrent use and needs no closing.
type Registry struct {
	client *sr.Client
	log    *zap.Logger

	mu       sync.Mutex
	schemas  map[int32]string
	decoders map[int32]*schemas.Decoder
	tolerant map[int32]*schemas.Decoder
	derived  map[derivation]int32
}

type derivation struct {
	input int32
	topic string
}

// New makes a client; the first request opens the connection.
func New(cfg Config, log *zap.Logger) (*Registry, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	opts := []sr.ClientOpt{sr.URLs(cfg.URL), sr.HTTPClient(&http.Client{Timeout: cfg.Timeout}), sr.UserAgent("parcours")}
	if cfg.Username != "" {
		opts = append(opts, sr.BasicAuth(cfg.Username, cfg.Password))
	}
	client, err := sr.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("open schema registry %s: %w", cfg.URL, err)
	}
	return &Registry{
		client:   client,
		log:      log,
		schemas:  make(map[int32]string),
		decoders: make(map[int32]*schemas.Decoder),
		tolerant: make(map[int32]*schemas.Decoder),
		derived:  make(map[derivation]int32),
	}, nil
}

// Subject is the name that a topic's values are registered under.
func Subject(topic string) string { return topic + "-value" }

// Register makes sure that the schema is registered for the topic's values and returns its id. The
// subject is held to BACKWARD_TRANSITIVE; compatibility is checked on this side as well, because not
// every registry does. It is safe to repeat.
func (r *Registry) Register(ctx context.Context, topic, schema string) (int32, error) {
	subject := Subject(topic)
	avro := sr.Schema{Schema: schema, Type: sr.TypeAvro}
	if found, err := r.client.LookupSchema(ctx, subject, avro); err == nil {
		r.remember(int32(found.ID), schema)
		return int32(found.ID), nil
	} else if !isNotFound(err) {
		return 0, fmt.Errorf("look up schema of %s: %w", subject, err)
	}
	history, err := r.History(ctx, topic)
	if err != nil {
		return 0, err
	}
	if err := schemas.CheckCompatible(history, schema); err != nil {
		return 0, fmt.Errorf("register schema of %s: %w", subject, err)
	}
	for _, result := range r.client.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatBackwardTransitive}, subject) {
		if result.Err != nil {
			return 0, fmt.Errorf("set compatibility of %s: %w", subject, result.Err)
		}
	}
	created, err := r.client.CreateSchema(ctx, subject, avro)
	if err != nil {
		return 0, fmt.Errorf("register schema of %s: %w", subject, err)
	}
	r.log.Info("schema registered", zap.String("subject", subject), zap.Int("schema_id", created.ID), zap.Int("version", created.Version))
	r.remember(int32(created.ID), schema)
	return int32(created.ID), nil
}

// History returns the schemas of a topic's values, oldest first; none for a new topic.
func (r *Registry) History(ctx context.Context, topic string) ([]string, error) {
	versions, err := r.client.Schemas(ctx, Subject(topic))
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list schemas of %s: %w", Subject(topic), err)
	}
	history := make([]string, len(versions))
	for i, version := range versions {
		history[i] = version.Schema.Schema
	}
	return history, nil
}

// Schema returns the text of the schema with this id.
func (r *Registry) Schema(ctx context.Context, id int32) (string, error) {
	r.mu.Lock()
	text, known := r.schemas[id]
	r.mu.Unlock()
	if known {
		return text, nil
	}
	schema, err := r.client.SchemaByID(ctx, int(id))
	if err != nil {
		return "", fmt.Errorf("fetch schema %d: %w", id, err)
	}
	r.remember(id, schema.Schema)
	return schema.Schema, nil
}

// Decoder returns the decoder for records written with the schema with this id.
func (r *Registry) Decoder(ctx context.Context, id int32) (*schemas.Decoder, error) {
	return r.compiled(ctx, id, r.decoders, schemas.NewDecoder)
}

// TolerantDecoder is Decoder for whoever takes a record although it has a field of another type than ours.
func (r *Registry) TolerantDecoder(ctx context.Context, id int32) (*schemas.Decoder, error) {
	return r.compiled(ctx, id, r.tolerant, schemas.NewTolerantDecoder)
}

func (r *Registry) compiled(ctx context.Context, id int32, decoders map[int32]*schemas.Decoder, compile func(string) (*schemas.Decoder, error)) (*schemas.Decoder, error) {
	r.mu.Lock()
	decoder, known := decoders[id]
	r.mu.Unlock()
	if known {
		return decoder, nil
	}
	text, err := r.Schema(ctx, id)
	if err != nil {
		return nil, err
	}
	decoder, err = compile(text)
	if err != nil {
		return nil, fmt.Errorf("compile schema %d: %w", id, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	decoders[id] = decoder
	return decoder, nil
}

// Derived returns the id of a stage's output schema for input written with inputID: extend makes the
// one from the other, so that a field added upstream flows through a stage that does not know it.
func (r *Registry) Derived(ctx context.Context, inputID int32, outputTopic string, extend func(string) (string, error)) (int32, error) {
	key := derivation{input: inputID, topic: outputTopic}
	r.mu.Lock()
	id, known := r.derived[key]
	r.mu.Unlock()
	if known {
		return id, nil
	}
	input, err := r.Schema(ctx, inputID)
	if err != nil {
		return 0, err
	}
	output, err := extend(input)
	if err != nil {
		return 0, fmt.Errorf("derive schema of %s from schema %d: %w", Subject(outputTopic), inputID, err)
	}
	id, err = r.Register(ctx, outputTopic, output)
	if err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.derived[key] = id
	return id, nil
}

// Ping returns nil when the registry answers.
func (r *Registry) Ping(ctx context.Context) error {
	if _, err := r.client.Subjects(ctx); err != nil {
		return fmt.Errorf("ask schema registry for its subjects: %w", err)
	}
	return nil
}

func (r *Registry) remember(id int32, schema string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.schemas[id] = schema
}

// isNotFound tells a subject or schema that is not there yet from a registry that fails.
func isNotFound(err error) bool {
	var answer *sr.ResponseError
	if !errors.As(err, &answer) {
		return false
	}
	const subjectNotFound, schemaNotFound = 40401, 40403
	return answer.ErrorCode == subjectNotFound || answer.ErrorCode == schemaNotFound || answer.StatusCode == http.StatusNotFound
}

// IsUnavailable tells a registry that cannot be reached or fails, which passes, from an answer that will
// not change, such as an unknown id.
func IsUnavailable(err error) bool {
	var answer *sr.ResponseError
	if errors.As(err, &answer) {
		return answer.StatusCode >= http.StatusInternalServerError || answer.StatusCode == http.StatusTooManyRequests
	}
	var transport *url.Error
	return errors.As(err, &transport) || errors.Is(err, context.DeadlineExceeded)
}
