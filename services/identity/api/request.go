package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

// Reference names an identifier in a request: by type and clear value, or by any id that was ever handed out, as
// node or as customer_id, which are of one kind: a customer's id is one of its nodes.
type Reference struct {
	Type       string `json:"type,omitempty"`
	Value      string `json:"value,omitempty"`
	Node       string `json:"node,omitempty"`
	CustomerID string `json:"customer_id,omitempty"`
}

// NewReference makes a reference of what people write: an id, or type:value.
func NewReference(text string) (Reference, error) {
	if id, err := uuid.Parse(text); err == nil && len(text) == 36 {
		return Reference{Node: id.String()}, nil
	}
	typ, value, found := strings.Cut(text, ":")
	if !found || typ == "" || value == "" {
		return Reference{}, errors.New("write an identifier as type:value, for example email:lea@example.com, or give an id")
	}
	return Reference{Type: typ, Value: value}, nil
}

// Subject is a reference that is well formed.
type Subject struct {
	// Field is where the request has it, for problems.
	Field string
	// Type and Value are of a subject that is named in clear.
	Type  string
	Value string
	// Node is that of a subject that is named by its id, otherwise zero.
	Node uuid.UUID
}

// String hides the value: subjects end up in errors.
func (s Subject) String() string {
	if s.Value != "" {
		return s.Field + " (" + s.Type + ")"
	}
	return s.Field + " " + s.Node.String()
}

// GoString hides the value from %#v as well.
func (s Subject) GoString() string { return s.String() }

// Problem is one with the subject, at the given part of it.
func (s Subject) Problem(status int, part, title, detail string) *service.Problem {
	field := part
	if s.Field != "" {
		field = s.Field + "." + part
	}
	return &service.Problem{Status: status, Field: field, Title: title, Detail: detail}
}

// maxValue is longer than any identifier that is one.
const maxValue = 4096

func (r *Reference) subject(field string) (Subject, error) {
	s := Subject{Field: field, Type: r.Type, Value: r.Value}
	ids := 0
	for _, id := range []struct{ part, text string }{{"node", r.Node}, {"customer_id", r.CustomerID}} {
		if id.text == "" {
			continue
		}
		ids++
		node, err := uuid.Parse(id.text)
		if err != nil || len(id.text) != 36 || node == uuid.Nil {
			return s, s.Problem(http.StatusUnprocessableEntity, id.part, "This is no id", "Give a UUID of 36 characters, as customer_id, anchor and node are.")
		}
		s.Node = node
	}
	switch {
	case ids > 1:
		return s, s.Problem(http.StatusUnprocessableEntity, "node", "Two ids", "Give either node or customer_id.")
	case ids == 1 && (r.Type != "" || r.Value != ""):
		return s, s.Problem(http.StatusUnprocessableEntity, "type", "An id and an identifier", "Give either an id, or type and value.")
	case ids == 1:
		return s, nil
	case r.Type == "" && r.Value == "":
		return s, s.Problem(http.StatusUnprocessableEntity, "type", "No identifier", "Give type and value, or node, or customer_id.")
	case r.Type == "":
		return s, s.Problem(http.StatusUnprocessableEntity, "type", "The type is missing", "Give the type of the identifier, for example email.")
	case r.Value == "":
		return s, s.Problem(http.StatusUnprocessableEntity, "value", "The value is missing", "Give the identifier itself.")
	case len(r.Value) > maxValue || !utf8.ValidString(r.Value):
		return s, s.Problem(http.StatusUnprocessableEntity, "value", "The value is no identifier", fmt.Sprintf("Give UTF-8 of at most %d bytes.", maxValue))
	}
	return s, nil
}

// Note is who asks for a change and why.
type Note struct {
	Author string `json:"author"`
	Reason string `json:"reason"`
}

// What looks like an e-mail address, and like a phone number; a ticket's number is neither.
var (
	address     = regexp.MustCompile(`[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+`)
	phoneNumber = regexp.MustCompile(`(?:^|[^\w])[+0][0-9](?:[ .-]?[0-9]){7,}`)
)

// check refuses notes that are missing, too long, or that put personal data of customers into the log.
func (n *Note) check(subjects ...Subject) error {
	n.Author, n.Reason = strings.TrimSpace(n.Author), strings.TrimSpace(n.Reason)
	for _, text := range []struct {
		field, value string
		most         int
	}{{"author", n.Author, evidence.MaxText}, {"reason", n.Reason, evidence.MaxReason}} {
		switch {
		case text.value == "":
			return &service.Problem{
				Status: http.StatusUnprocessableEntity, Field: text.field, Title: "The " + text.field + " is missing",
				Detail: "A ruling is kept with who made it and why: give author and reason.",
			}
		case len(text.value) > text.most || !utf8.ValidString(text.value):
			return &service.Problem{
				Status: http.StatusUnprocessableEntity, Field: text.field, Title: "The " + text.field + " is too long",
				Detail: fmt.Sprintf("Give UTF-8 of at most %d bytes.", text.most),
			}
		}
	}
	if address.MatchString(n.Reason) || phoneNumber.MatchString(n.Reason) || names(n.Reason, subjects) || names(n.Author, subjects) {
		return &service.Problem{
			Status: http.StatusUnprocessableEntity, Field: "reason", Title: "Personal data in the reason",
			Detail: "Reasons are kept in the log and in ClickHouse: write them without addresses, numbers and identifiers, a ticket's number is best.",
		}
	}
	return nil
}

// names tells whether a text holds a subject's clear value.
func names(text string, subjects []Subject) bool {
	for _, s := range subjects {
		value := strings.ToLower(strings.TrimSpace(s.Value))
		if len(value) >= 5 && strings.Contains(strings.ToLower(text), value) {
			return true
		}
	}
	return false
}

// read decodes a request's body, strictly.
func read(r *http.Request, into any) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return &service.Problem{Status: http.StatusUnsupportedMediaType, Title: "The body is not said to be JSON", Detail: "Send Content-Type: application/json."}
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err = decoder.Decode(into)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = errTrailing
		}
	}
	return unreadable(err)
}

var embedded = regexp.MustCompile(`^(One|Both|Note)\.`)

var errTrailing = errors.New("more than one JSON value")

// unreadable says why a body cannot be read, without the part of it that decoders quote.
func unreadable(err error) *service.Problem {
	p := &service.Problem{Status: http.StatusBadRequest, Title: "The body is not the JSON that is wanted"}
	var tooLarge *http.MaxBytesError
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &tooLarge):
		p.Status, p.Title = http.StatusRequestEntityTooLarge, "The body is too large"
		p.Detail = fmt.Sprintf("Send at most %d bytes.", tooLarge.Limit)
	case errors.As(err, &kind):
		// Parts that requests share are embedded, which is no business of the client's.
		p.Field, p.Detail = embedded.ReplaceAllString(kind.Field, ""), "Give a JSON "+wanted(kind)+" here."
	case errors.As(err, &syntax):
		p.Detail = fmt.Sprintf("It breaks off or is no JSON at byte %d.", syntax.Offset)
	case errors.Is(err, errTrailing):
		p.Detail = "Send one JSON object and nothing behind it."
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		p.Detail = "It is empty or breaks off: send one JSON object."
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		// The name of a field is the client's, and no value.
		p.Detail = "It has a field that is not known; docs/reference/identity-api.md lists those that are."
		if name := strings.Trim(strings.TrimPrefix(err.Error(), "json: unknown field "), `"`); len(name) <= 40 && !strings.ContainsAny(name, "@+ ") {
			p.Field = name
		}
	default:
		p.Detail = "It could not be read to its end."
	}
	return p
}

func wanted(err *json.UnmarshalTypeError) string {
	switch err.Type.Kind().String() {
	case "struct", "map":
		return "object"
	case "slice", "array":
		return "list"
	case "bool":
		return "true or false"
	case "string":
		return "text"
	default:
		return err.Type.Kind().String()
	}
}
