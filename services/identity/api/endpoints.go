package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/parcours-cdp/parcours/internal/service"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
)

func (s *server) lookup(ctx context.Context, r *http.Request) (any, error) {
	var request Reference
	if err := read(r, &request); err != nil {
		return nil, err
	}
	subject, err := request.subject("")
	if err != nil {
		return nil, err
	}
	return s.operator.Show(ctx, subject)
}

func (s *server) customer(ctx context.Context, r *http.Request) (any, error) {
	subject, err := (&Reference{CustomerID: r.PathValue("id")}).subject("")
	if err != nil {
		return nil, err
	}
	return s.operator.Show(ctx, subject)
}

// Both are the subjects of a request about a pair.
type Both struct {
	A *Reference `json:"a,omitempty"`
	B *Reference `json:"b,omitempty"`
}

func (t *Both) subjects() (a, b Subject, err error) {
	for _, side := range []struct {
		name string
		ref  *Reference
		into *Subject
	}{{"a", t.A, &a}, {"b", t.B, &b}} {
		if side.ref == nil {
			return a, b, &service.Problem{
				Status: http.StatusUnprocessableEntity, Field: side.name, Title: "An identifier is missing", Detail: "Name both, as a and b.",
			}
		}
		if *side.into, err = side.ref.subject(side.name); err != nil {
			return a, b, err
		}
	}
	return a, b, nil
}

func (s *server) explain(ctx context.Context, r *http.Request) (any, error) {
	var request Both
	if err := read(r, &request); err != nil {
		return nil, err
	}
	a, b, err := request.subjects()
	if err != nil {
		return nil, err
	}
	explanation, err := s.operator.Explain(ctx, a, b)
	if err != nil {
		return nil, err
	}
	explanation.Sentences = explanation.Tell(nil)
	return explanation, nil
}

// CutRequest says that two identifiers are never one customer.
type CutRequest struct {
	Both
	Note
}

func (s *server) cut(ctx context.Context, r *http.Request) (any, error) {
	var request CutRequest
	if err := read(r, &request); err != nil {
		return nil, err
	}
	a, b, err := request.subjects()
	if err != nil {
		return nil, err
	}
	if err := request.check(a, b); err != nil {
		return nil, err
	}
	return s.operator.Rule(ctx, Order{Kind: Cut, A: a, B: b, Note: request.Note})
}

// One is the subject of a request about one identifier.
type One struct {
	Identifier *Reference `json:"identifier,omitempty"`
}

func (n *One) subject() (Subject, error) {
	if n.Identifier == nil {
		return Subject{}, &service.Problem{
			Status: http.StatusUnprocessableEntity, Field: "identifier", Title: "The identifier is missing",
			Detail: "Name it as an object with type and value, or with node.",
		}
	}
	return n.Identifier.subject("identifier")
}

// BlockRequest says that an identifier carries no links.
type BlockRequest struct {
	One
	Note
}

func (s *server) block(ctx context.Context, r *http.Request) (any, error) {
	var request BlockRequest
	if err := read(r, &request); err != nil {
		return nil, err
	}
	subject, err := request.subject()
	if err != nil {
		return nil, err
	}
	if err := request.check(subject); err != nil {
		return nil, err
	}
	return s.operator.Rule(ctx, Order{Kind: Blocked, A: subject, Note: request.Note})
}

// AllowRequest takes back a cut, named by its pair, or what keeps one identifier from carrying links.
type AllowRequest struct {
	Both
	One
	// Ruling is empty for what fits: neutral lifts an operator's block, allowed exempts from hubs and blocked values.
	Ruling string `json:"ruling,omitempty"`
	Note
}

func (s *server) allow(ctx context.Context, r *http.Request) (any, error) {
	var request AllowRequest
	if err := read(r, &request); err != nil {
		return nil, err
	}
	order := Order{Note: request.Note}
	var err error
	switch pair := request.A != nil || request.B != nil; {
	case pair && request.Identifier != nil:
		err = &service.Problem{
			Status: http.StatusUnprocessableEntity, Field: "identifier", Title: "A pair and an identifier",
			Detail: "Give a and b to lift a cut, or identifier to lift a block or exempt a hub.",
		}
	case pair:
		order.Kind = CutLifted
		order.A, order.B, err = request.subjects()
	default:
		order.Kind = Lifted
		order.A, err = request.subject()
	}
	if err != nil {
		return nil, err
	}
	switch {
	case request.Ruling == "":
	case order.Kind == Lifted && (request.Ruling == Neutral || request.Ruling == Allowed):
		order.Kind = request.Ruling
	default:
		return nil, &service.Problem{
			Status: http.StatusUnprocessableEntity, Field: "ruling", Title: "No such ruling",
			Detail: "With an identifier give neutral or allowed, or leave it out; a pair takes none.",
		}
	}
	if err := order.Note.check(order.A, order.B); err != nil {
		return nil, err
	}
	return s.operator.Rule(ctx, order)
}

// EraseRequest forgets an identifier, or the whole customer that it belongs to.
type EraseRequest struct {
	One
	CustomerID string `json:"customer_id,omitempty"`
	// WholeCustomer erases every identifier of the customer; with CustomerID it must be said, true or false.
	WholeCustomer *bool `json:"whole_customer,omitempty"`
	Note
}

func (s *server) erase(ctx context.Context, r *http.Request) (any, error) {
	var request EraseRequest
	if err := read(r, &request); err != nil {
		return nil, err
	}
	var subject Subject
	var err error
	switch {
	case request.CustomerID != "" && request.Identifier != nil:
		err = &service.Problem{
			Status: http.StatusUnprocessableEntity, Field: "customer_id", Title: "An id and an identifier", Detail: "Give either identifier or customer_id.",
		}
	case request.CustomerID != "" && request.WholeCustomer == nil:
		err = &service.Problem{
			Status: http.StatusUnprocessableEntity, Field: "whole_customer", Title: "Not said how much to erase",
			Detail: "With customer_id say true for every identifier of the customer, false for the one that names it.",
		}
	case request.CustomerID != "":
		subject, err = (&Reference{CustomerID: request.CustomerID}).subject("")
	default:
		subject, err = request.subject()
	}
	if err != nil {
		return nil, err
	}
	if err := request.check(subject); err != nil {
		return nil, err
	}
	whole := request.WholeCustomer != nil && *request.WholeCustomer
	return s.operator.Erase(ctx, subject, whole, request.Note)
}

func (s *server) rules(ctx context.Context, _ *http.Request) (any, error) {
	_, rules, err := s.operator.State(ctx)
	if err == nil && rules == nil {
		err = &service.Problem{
			Status: http.StatusNotFound, Title: "No rules yet",
			Detail: "The workspace's first instance logs those of its configuration when it starts.",
		}
	}
	return rules, err
}

// RulesRequest puts other rules in force.
type RulesRequest struct {
	Rules *evidence.Ruleset `json:"rules"`
	// Replaces is the fingerprint of the rules that these were made from; with others in force nothing is changed.
	Replaces string `json:"replaces,omitempty"`
	Note
}

func (s *server) replaceRules(ctx context.Context, r *http.Request) (any, error) {
	var request RulesRequest
	if err := read(r, &request); err != nil {
		return nil, err
	}
	if request.Rules == nil {
		return nil, &service.Problem{
			Status: http.StatusUnprocessableEntity, Field: "rules", Title: "The rules are missing",
			Detail: "Give all of them: GET " + Prefix + "rules answers with those in force.",
		}
	}
	if err := request.Rules.Validate(); err != nil {
		what, detail, _ := strings.Cut(strings.TrimPrefix(err.Error(), "rules: "), " is ")
		return nil, &service.Problem{
			Status: http.StatusUnprocessableEntity, Field: "rules." + what, Title: "The rules cannot be meant", Detail: "It is " + detail + ".",
		}
	}
	if len(request.Rules.Types) == 0 {
		return nil, &service.Problem{
			Status: http.StatusUnprocessableEntity, Field: "rules.types", Title: "The rules know no type",
			Detail: "Rules replace all that there are: start from those that GET " + Prefix + "rules answers with.",
		}
	}
	if err := request.check(); err != nil {
		return nil, err
	}
	return s.operator.Replace(ctx, *request.Rules, request.Replaces, request.Note)
}

func (s *server) status(ctx context.Context, _ *http.Request) (any, error) {
	status, _, err := s.operator.State(ctx)
	return status, err
}
