package schemaregistry

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// Error codes of Confluent's interface.
const (
	codeSubjectNotFound = 40401
	codeVersionNotFound = 40402
	codeSchemaNotFound  = 40403
	codeInvalidSchema   = 42201
	codeInvalidVersion  = 42202
	codeInvalidLevel    = 42203
	codeStore           = 50001
)

// fault is an error with its answer.
type fault struct {
	status  int
	code    int
	message string
}

func (f *fault) Error() string { return f.message }

const (
	mediaType    = "application/vnd.schemaregistry.v1+json"
	maxBodyBytes = 4 << 20
)

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.mux.ServeHTTP(w, req) }

type operation func(req *http.Request) (any, error)

func (r *Registry) routes() {
	r.mux = http.NewServeMux()
	handle := func(pattern string, op operation) {
		r.mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) {
			req.Body = http.MaxBytesReader(w, req.Body, maxBodyBytes)
			answer, err := op(req)
			write(w, answer, err)
		})
	}
	handle("GET /{$}", func(*http.Request) (any, error) { return struct{}{}, nil })
	handle("GET /schemas/types", func(*http.Request) (any, error) { return []string{"AVRO"}, nil })
	handle("GET /schemas/ids/{id}", r.schemaByID)
	handle("GET /schemas/ids/{id}/versions", r.usesOfID)
	handle("GET /subjects", r.listSubjects)
	handle("GET /subjects/{subject}/versions", r.listVersions)
	handle("GET /subjects/{subject}/versions/{version}", r.schemaByVersion)
	handle("POST /subjects/{subject}/versions", r.postVersion)
	handle("POST /subjects/{subject}", r.lookUp)
	handle("POST /compatibility/subjects/{subject}/versions", r.checkCompatibility)
	handle("POST /compatibility/subjects/{subject}/versions/{version}", r.checkCompatibility)
	handle("GET /config", r.readLevel)
	handle("PUT /config", r.setLevel)
	handle("GET /config/{subject}", r.readLevel)
	handle("PUT /config/{subject}", r.setLevel)
	handle("GET /mode", func(*http.Request) (any, error) { return map[string]string{"mode": "READWRITE"}, nil })
}

func write(w http.ResponseWriter, answer any, err error) {
	w.Header().Set("Content-Type", mediaType)
	if err != nil {
		f := &fault{http.StatusInternalServerError, codeStore, "internal error"}
		errors.As(err, &f)
		w.WriteHeader(f.status)
		answer = map[string]any{"error_code": f.code, "message": f.message}
	}
	// The only error is a client that went away.
	_ = json.NewEncoder(w).Encode(answer)
}

// posted is the body of a request that brings a schema.
type posted struct {
	Schema     string            `json:"schema"`
	SchemaType string            `json:"schemaType"`
	References []json.RawMessage `json:"references"`
}

func readSchema(req *http.Request) (string, error) {
	var body posted
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
		return "", &fault{http.StatusUnprocessableEntity, codeInvalidSchema, fmt.Sprintf("body is not JSON: %v", err)}
	}
	if body.SchemaType != "" && body.SchemaType != "AVRO" {
		return "", &fault{http.StatusUnprocessableEntity, codeInvalidSchema, fmt.Sprintf("schemaType %q: only AVRO is kept here", body.SchemaType)}
	}
	if len(body.References) > 0 {
		return "", &fault{http.StatusUnprocessableEntity, codeInvalidSchema, "references are not kept here: send the schema whole"}
	}
	return body.Schema, nil
}

func (r *Registry) schemaByID(req *http.Request) (any, error) {
	id, err := strconv.Atoi(req.PathValue("id"))
	r.mu.Lock()
	defer r.mu.Unlock()
	schema, known := r.byID[id]
	if err != nil || !known {
		return nil, &fault{http.StatusNotFound, codeSchemaNotFound, fmt.Sprintf("schema %s not found", req.PathValue("id"))}
	}
	return map[string]string{"schema": schema}, nil
}

func (r *Registry) usesOfID(req *http.Request) (any, error) {
	id, err := strconv.Atoi(req.PathValue("id"))
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.byID[id]; err != nil || !known {
		return nil, &fault{http.StatusNotFound, codeSchemaNotFound, fmt.Sprintf("schema %s not found", req.PathValue("id"))}
	}
	uses := []map[string]any{}
	for _, subject := range slices.Sorted(maps.Keys(r.subjects)) {
		for i, version := range r.subjects[subject] {
			if version == id {
				uses = append(uses, map[string]any{"subject": subject, "version": i + 1})
			}
		}
	}
	return uses, nil
}

func (r *Registry) listSubjects(*http.Request) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, slices.Sorted(maps.Keys(r.subjects))...), nil
}

// versions is called with the lock held.
func (r *Registry) versions(subject string) ([]int, error) {
	ids, known := r.subjects[subject]
	if !known {
		return nil, &fault{http.StatusNotFound, codeSubjectNotFound, fmt.Sprintf("subject %q not found", subject)}
	}
	return ids, nil
}

func (r *Registry) listVersions(req *http.Request) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids, err := r.versions(req.PathValue("subject"))
	if err != nil {
		return nil, err
	}
	numbers := make([]int, len(ids))
	for i := range ids {
		numbers[i] = i + 1
	}
	return numbers, nil
}

func (r *Registry) schemaByVersion(req *http.Request) (any, error) {
	subject, asked := req.PathValue("subject"), req.PathValue("version")
	r.mu.Lock()
	defer r.mu.Unlock()
	ids, err := r.versions(subject)
	if err != nil {
		return nil, err
	}
	version := len(ids)
	if asked != "latest" && asked != "-1" {
		version, err = strconv.Atoi(asked)
		if err != nil {
			return nil, &fault{http.StatusUnprocessableEntity, codeInvalidVersion, fmt.Sprintf("version %q is neither a number nor latest", asked)}
		}
	}
	if version < 1 || version > len(ids) {
		return nil, &fault{http.StatusNotFound, codeVersionNotFound, fmt.Sprintf("version %s of %q not found", asked, subject)}
	}
	return r.described(subject, version), nil
}

func (r *Registry) described(subject string, version int) map[string]any {
	id := r.subjects[subject][version-1]
	return map[string]any{"subject": subject, "version": version, "id": id, "schema": r.byID[id]}
}

func (r *Registry) postVersion(req *http.Request) (any, error) {
	schema, err := readSchema(req)
	if err != nil {
		return nil, err
	}
	id, err := r.register(req.PathValue("subject"), schema)
	if err != nil {
		return nil, err
	}
	return map[string]int{"id": id}, nil
}

func (r *Registry) lookUp(req *http.Request) (any, error) {
	schema, err := readSchema(req)
	if err != nil {
		return nil, err
	}
	subject := req.PathValue("subject")
	r.mu.Lock()
	defer r.mu.Unlock()
	ids, err := r.versions(subject)
	if err != nil {
		return nil, err
	}
	if at := slices.Index(ids, r.ids[schema]); at >= 0 {
		return r.described(subject, at+1), nil
	}
	return nil, &fault{http.StatusNotFound, codeSchemaNotFound, fmt.Sprintf("schema not found under subject %q", subject)}
}

func (r *Registry) checkCompatibility(req *http.Request) (any, error) {
	schema, err := readSchema(req)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	err = r.compatible(req.PathValue("subject"), schema)
	var refused *fault
	if errors.As(err, &refused) && refused.status == http.StatusConflict {
		return map[string]any{"is_compatible": false, "messages": []string{refused.message}}, nil
	}
	if err != nil {
		return nil, err
	}
	return map[string]any{"is_compatible": true}, nil
}

func (r *Registry) readLevel(req *http.Request) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return map[string]string{"compatibilityLevel": r.level(req.PathValue("subject"))}, nil
}

func (r *Registry) setLevel(req *http.Request) (any, error) {
	var body struct {
		Compatibility string `json:"compatibility"`
	}
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
		return nil, &fault{http.StatusUnprocessableEntity, codeInvalidLevel, fmt.Sprintf("body is not JSON: %v", err)}
	}
	if body.Compatibility != defaultLevel && body.Compatibility != "NONE" {
		return nil, &fault{http.StatusUnprocessableEntity, codeInvalidLevel, fmt.Sprintf("compatibility %q: only %s and NONE are kept here", body.Compatibility, defaultLevel)}
	}
	subject := req.PathValue("subject")
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.level(subject) != body.Compatibility {
		if err := r.keep(line{Subject: subject, Level: body.Compatibility}); err != nil {
			return nil, &fault{http.StatusInternalServerError, codeStore, err.Error()}
		}
	}
	return body, nil
}
