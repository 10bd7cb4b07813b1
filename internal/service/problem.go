package service

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Problem is an error as the admin listener answers it: RFC 9457, with what an operator needs to go on. It holds no
// personal data: a value that could be some is named by its field.
type Problem struct {
	// Status is the HTTP status.
	Status int `json:"status"`
	// Title is the same for all problems of a kind.
	Title string `json:"title"`
	// Detail says what is wrong with this request and what to do.
	Detail string `json:"detail,omitempty"`
	// Field is the field of the request that is wrong, dotted.
	Field string `json:"field,omitempty"`
	// Position is the evidence position at which it was found, for answers that depend on one.
	Position int64 `json:"position,omitempty"`
	// RetryAfter tells the client when to try again; zero for never.
	RetryAfter time.Duration `json:"-"`
}

// Error makes a Problem an error.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Title + ": " + p.Detail
}

// ServeHTTP answers with the problem.
func (p *Problem) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(p.RetryAfter.Round(time.Second)/time.Second)))
	}
	w.WriteHeader(p.Status)
	// The only error is a client that went away.
	_ = json.NewEncoder(w).Encode(p)
}
