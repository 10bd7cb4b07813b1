// Package schemaregistry is the schema registry of the embedded default: the part of Confluent's HTTP
// interface that clients of Avro topics use, kept in one append-only file.
//
// Ids survive as long as the file, which must be kept as long as the broker's data: records name their
// schema by id. A schema is refused when it is incompatible with the subject's past.
package schemaregistry

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/parcours-cdp/parcours/schemas"
)

// Registry is a registry's state; it is an http.Handler. Whoever opened it closes it.
type Registry struct {
	mux *http.ServeMux

	mu       sync.Mutex
	file     *os.File // nil keeps everything in memory
	byID     map[int]string
	ids      map[string]int
	subjects map[string][]int // ids by version, the first being version 1
	levels   map[string]string
}

// line is one line of the file: a version of a subject, or a subject's compatibility level.
type line struct {
	Subject string `json:"subject"`
	ID      int    `json:"id,omitempty"`
	Schema  string `json:"schema,omitempty"`
	Level   string `json:"level,omitempty"`
}

const (
	fileName     = "schemas.ndjson"
	defaultLevel = "BACKWARD_TRANSITIVE"
	maxLine      = 4 << 20
	// globalSubject keeps the level of subjects that have none of their own.
	globalSubject = ""
)

// Open reads the registry kept in dir, or begins one; an empty dir keeps it in memory.
func Open(dir string) (*Registry, error) {
	r := &Registry{
		byID:     make(map[int]string),
		ids:      make(map[string]int),
		subjects: make(map[string][]int),
		levels:   make(map[string]string),
	}
	r.routes()
	if dir == "" {
		return r, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make registry directory: %w", err)
	}
	path := filepath.Join(dir, fileName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open registry: %w", err)
	}
	if err := r.load(file); err != nil {
		return nil, errors.Join(fmt.Errorf("read registry %s: %w", path, err), file.Close())
	}
	r.file = file
	return r, nil
}

// load replays the file. A last line without its end was never acknowledged and is cut off.
func (r *Registry) load(file *os.File) error {
	reader := bufio.NewReaderSize(file, maxLine)
	var whole int64
	for {
		raw, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if err := file.Truncate(whole); err != nil {
				return fmt.Errorf("cut unfinished line: %w", err)
			}
			_, err := file.Seek(whole, io.SeekStart)
			return err
		}
		if err != nil {
			return err
		}
		var l line
		if err := json.Unmarshal(raw, &l); err != nil {
			return fmt.Errorf("line at byte %d: %w", whole, err)
		}
		whole += int64(len(raw))
		r.apply(l)
	}
}

func (r *Registry) apply(l line) {
	if l.Level != "" {
		r.levels[l.Subject] = l.Level
		return
	}
	r.byID[l.ID] = l.Schema
	r.ids[l.Schema] = l.ID
	r.subjects[l.Subject] = append(r.subjects[l.Subject], l.ID)
}

// keep makes a change durable before it is applied and answered.
func (r *Registry) keep(l line) error {
	if r.file != nil {
		raw, err := json.Marshal(l)
		if err != nil {
			return fmt.Errorf("write registry: %w", err)
		}
		if _, err := r.file.Write(append(raw, '\n')); err != nil {
			return fmt.Errorf("write registry: %w", err)
		}
		if err := r.file.Sync(); err != nil {
			return fmt.Errorf("sync registry: %w", err)
		}
	}
	r.apply(l)
	return nil
}

// register adds a schema to a subject unless it is there, and returns its id.
func (r *Registry) register(subject, schema string) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id, known := r.ids[schema]; known {
		for _, version := range r.subjects[subject] {
			if version == id {
				return id, nil
			}
		}
	}
	if err := r.compatible(subject, schema); err != nil {
		return 0, err
	}
	id, known := r.ids[schema]
	if !known {
		id = len(r.byID) + 1
	}
	if err := r.keep(line{Subject: subject, ID: id, Schema: schema}); err != nil {
		return 0, &fault{http.StatusInternalServerError, codeStore, err.Error()}
	}
	return id, nil
}

// compatible is called with the lock held.
func (r *Registry) compatible(subject, schema string) error {
	if r.level(subject) == "NONE" {
		return nil
	}
	history := make([]string, 0, len(r.subjects[subject]))
	for _, id := range r.subjects[subject] {
		history = append(history, r.byID[id])
	}
	if err := schemas.CheckCompatible(history, schema); err != nil {
		if len(history) == 0 {
			return &fault{http.StatusUnprocessableEntity, codeInvalidSchema, err.Error()}
		}
		return &fault{http.StatusConflict, http.StatusConflict, err.Error()}
	}
	return nil
}

func (r *Registry) level(subject string) string {
	for _, from := range []string{subject, globalSubject} {
		if level, set := r.levels[from]; set {
			return level
		}
	}
	return defaultLevel
}

// Close closes the file; the registry must not be used any more.
func (r *Registry) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return nil
	}
	if err := r.file.Close(); err != nil {
		return fmt.Errorf("close registry: %w", err)
	}
	return nil
}
