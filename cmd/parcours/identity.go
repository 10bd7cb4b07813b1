package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/services/identity/api"
	"github.com/parcours-cdp/parcours/services/identity/evidence"
	"go.yaml.in/yaml/v3"
)

// identityCommands run the service, or ask a running one.
type identityCommands struct {
	Serve   identityCommand        `cmd:"" default:"1" name:"run" help:"Run the identity service alone; what parcours identity does without more words."`
	Show    identityShowCommand    `cmd:"" help:"Show the customer of an identifier or of any id: its identifiers, evidence, rulings and history."`
	Explain identityExplainCommand `cmd:"" help:"Say why two identifiers are, or are not, one customer."`
	Cut     identityCutCommand     `cmd:"" help:"Rule that two identifiers are never one customer."`
	Block   identityBlockCommand   `cmd:"" help:"Rule that an identifier is nobody's own and carries no links."`
	Allow   identityAllowCommand   `cmd:"" help:"Take back a cut (two identifiers) or a block, or exempt a hub (one)."`
	Erase   identityEraseCommand   `cmd:"" help:"Forget an identifier, or with --whole-customer all of its customer."`
	Rules   struct {
		Show rulesShowCommand `cmd:"" help:"Print the rules in force."`
		Set  rulesSetCommand  `cmd:"" help:"Put other rules in force."`
	} `cmd:"" help:"Look at the rules, or change them live."`
	Status identityStatusCommand `cmd:"" help:"Print how far the service is and what its graph holds."`
}

// toJSON prints an answer as the service gave it.
func toJSON(out io.Writer, answer any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(answer)
}

type identityShowCommand struct {
	operating
	Identifier *reference `arg:"" optional:"" help:"type:value, or an id; with - for the value it is read from standard input."`
	Type       string     `help:"Type of the identifier, with --value." placeholder:"TYPE"`
	Value      string     `help:"The identifier itself." placeholder:"VALUE"`
	ID         string     `help:"Any id that was ever handed out: customer_id, anchor, node." name:"id" placeholder:"UUID"`
	History    bool       `help:"Add the history that ClickHouse keeps: what was linked, refused, split and ruled, and which customer each identifier had."`
}

// reference is the one way in which the identifier was named.
func (c *identityShowCommand) reference() (*reference, error) {
	var ways []*reference
	if c.Identifier != nil {
		ways = append(ways, c.Identifier)
	}
	if c.ID != "" {
		ways = append(ways, &reference{Reference: api.Reference{Node: c.ID}, text: c.ID})
	}
	if c.Type != "" || c.Value != "" {
		ways = append(ways, &reference{Reference: api.Reference{Type: c.Type, Value: c.Value}, text: c.Type + ":" + c.Value})
	}
	if len(ways) != 1 {
		return nil, errors.New("name one identifier, as type:value, with --type and --value, or with --id")
	}
	return ways[0], nil
}

// Validate makes it a wrong command line to name none, or two.
func (c *identityShowCommand) Validate() error {
	_, err := c.reference()
	return err
}

func (c identityShowCommand) Run(ctx context.Context, g globals, std streams) error {
	ref, err := c.reference()
	if err != nil {
		return err
	}
	if err := fill(&lines{std.in}, ref); err != nil {
		return err
	}
	client, err := c.client(g)
	if err != nil {
		return err
	}
	var customer api.Customer
	if err := client.call(ctx, http.MethodPost, "lookup", ref.Reference, &customer); err != nil {
		return err
	}
	var past []pastMoment
	if c.History {
		if past, err = c.history(ctx, g, &customer); err != nil {
			return err
		}
	}
	if g.Output == "json" {
		return toJSON(std.out, struct {
			*api.Customer
			Past []pastMoment `json:"clickhouse_history,omitempty"`
		}{&customer, past})
	}
	if err := printCustomer(std.out, &customer, ref.text); err != nil {
		return err
	}
	return printPast(std.out, past)
}

type identityExplainCommand struct {
	operating
	A reference `arg:"" help:"type:value, or an id."`
	B reference `arg:"" help:"The other one."`
}

func (c identityExplainCommand) Run(ctx context.Context, g globals, std streams) error {
	if err := fill(&lines{std.in}, &c.A, &c.B); err != nil {
		return err
	}
	client, err := c.client(g)
	if err != nil {
		return err
	}
	var explanation api.Explanation
	if err := client.call(ctx, http.MethodPost, "explain", api.Both{A: &c.A.Reference, B: &c.B.Reference}, &explanation); err != nil {
		return err
	}
	if g.Output == "json" {
		return toJSON(std.out, explanation)
	}
	// On the operator's own screen identifiers are called as they were typed.
	typed := map[uuid.UUID]string{explanation.A.Node: c.A.text, explanation.B.Node: c.B.text}
	for _, sentence := range explanation.Tell(func(n uuid.UUID) string { return typed[n] }) {
		fmt.Fprintln(std.out, sentence)
	}
	return nil
}

// rule sends a ruling and prints what it did.
func (o operating) rule(ctx context.Context, g globals, std streams, path string, request any) error {
	client, err := o.client(g)
	if err != nil {
		return err
	}
	var outcome api.Outcome
	if err := client.call(ctx, http.MethodPost, path, request, &outcome); err != nil {
		return err
	}
	if g.Output == "json" {
		return toJSON(std.out, outcome)
	}
	return printOutcome(std.out, &outcome)
}

type identityCutCommand struct {
	operating
	reasoned
	A reference `arg:"" help:"type:value, or an id."`
	B reference `arg:"" help:"The other one."`
}

func (c identityCutCommand) Run(ctx context.Context, g globals, std streams) error {
	if err := fill(&lines{std.in}, &c.A, &c.B); err != nil {
		return err
	}
	return c.rule(ctx, g, std, "cut", api.CutRequest{Both: api.Both{A: &c.A.Reference, B: &c.B.Reference}, Note: c.note()})
}

type identityBlockCommand struct {
	operating
	reasoned
	Identifier reference `arg:"" help:"type:value, or an id."`
}

func (c identityBlockCommand) Run(ctx context.Context, g globals, std streams) error {
	if err := fill(&lines{std.in}, &c.Identifier); err != nil {
		return err
	}
	return c.rule(ctx, g, std, "block", api.BlockRequest{One: api.One{Identifier: &c.Identifier.Reference}, Note: c.note()})
}

type identityAllowCommand struct {
	operating
	reasoned
	Identifier reference  `arg:"" help:"type:value, or an id."`
	Other      *reference `arg:"" optional:"" help:"The other one of a cut that is taken back."`
	Ruling     string     `help:"For one identifier: neutral takes back what operators ruled, allowed exempts it from hubs and blocked values; without it what fits." placeholder:"neutral|allowed"`
}

func (c identityAllowCommand) Run(ctx context.Context, g globals, std streams) error {
	if err := fill(&lines{std.in}, &c.Identifier, c.Other); err != nil {
		return err
	}
	request := api.AllowRequest{Ruling: c.Ruling, Note: c.note()}
	if c.Other != nil {
		request.A, request.B = &c.Identifier.Reference, &c.Other.Reference
	} else {
		request.Identifier = &c.Identifier.Reference
	}
	return c.rule(ctx, g, std, "allow", request)
}

type identityEraseCommand struct {
	operating
	reasoned
	Identifier    reference `arg:"" help:"type:value, or an id."`
	WholeCustomer bool      `help:"Erase every identifier of the customer it belongs to."`
	Yes           bool      `help:"Do not ask."`
}

func (c identityEraseCommand) Run(ctx context.Context, g globals, std streams) error {
	in := &lines{std.in}
	if err := fill(in, &c.Identifier); err != nil {
		return err
	}
	if !c.Yes {
		if err := c.confirm(ctx, g, in, std); err != nil {
			return err
		}
	}
	return c.rule(ctx, g, std, "erase", api.EraseRequest{
		One: api.One{Identifier: &c.Identifier.Reference}, WholeCustomer: &c.WholeCustomer, Note: c.note(),
	})
}

// confirm shows what would be erased and wants the word for it.
func (c identityEraseCommand) confirm(ctx context.Context, g globals, in *lines, std streams) error {
	if !isTerminal(std.in) {
		return errors.New("identity erase: nobody can be asked here: say --yes if you mean it, nothing brings back what is erased")
	}
	client, err := c.client(g)
	if err != nil {
		return err
	}
	var customer api.Customer
	if err := client.call(ctx, http.MethodPost, "lookup", c.Identifier.Reference, &customer); err != nil {
		return err
	}
	if c.WholeCustomer {
		fmt.Fprintf(std.err, "This erases customer %s with its %d identifiers:\n", customer.CustomerID, len(customer.Members))
		for i := range customer.Members {
			fmt.Fprintf(std.err, "  %s\n", nodeName(&customer.Members[i]))
		}
	} else {
		fmt.Fprintf(std.err, "This erases %s, which belongs to customer %s with %d identifiers.\n", c.Identifier.text, customer.CustomerID, len(customer.Members))
	}
	fmt.Fprint(std.err, "Nothing brings it back. Type erase to go on: ")
	if word, err := in.next(); err != nil || word != "erase" {
		return errors.New("identity erase: nothing was erased")
	}
	return nil
}

// isTerminal tells whether somebody can be asked.
func isTerminal(in io.Reader) bool {
	file, is := in.(*os.File)
	if !is {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

type rulesShowCommand struct {
	operating
	Configured bool `help:"Print the rules of the configuration of the instance that answers instead, as JSON that rules set takes."`
}

func (c rulesShowCommand) Run(ctx context.Context, g globals, std streams) error {
	client, err := c.client(g)
	if err != nil {
		return err
	}
	var rules api.Rules
	if err := client.call(ctx, http.MethodGet, "rules", nil, &rules); err != nil {
		return err
	}
	if c.Configured {
		return toJSON(std.out, cmp.Or(rules.ConfiguredRules, &rules.Rules))
	}
	if g.Output == "json" {
		return toJSON(std.out, rules)
	}
	return printRules(std.out, &rules)
}

type rulesSetCommand struct {
	operating
	reasoned
	File string `arg:"" help:"All the rules as JSON or YAML, as rules show --output json prints them." type:"existingfile"`
}

// rulesFile is what rules show printed, or the rules alone.
type rulesFile struct {
	Rules       *evidence.Ruleset `json:"rules"`
	Fingerprint string            `json:"fingerprint"`
}

func (c rulesSetCommand) Run(ctx context.Context, g globals, std streams) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return fmt.Errorf("identity rules set: %w", err)
	}
	file, err := parseRules(text)
	if err != nil {
		return fmt.Errorf("identity rules set: %s: %w", c.File, err)
	}
	client, err := c.client(g)
	if err != nil {
		return err
	}
	var outcome api.RulesOutcome
	request := api.RulesRequest{Rules: file.Rules, Replaces: file.Fingerprint, Note: c.note()}
	if err := client.call(ctx, http.MethodPost, "rules", request, &outcome); err != nil {
		return err
	}
	if g.Output == "json" {
		return toJSON(std.out, outcome)
	}
	printRulesOutcome(std.out, &outcome)
	return nil
}

// parseRules reads JSON or YAML, of which JSON is a part.
func parseRules(text []byte) (rulesFile, error) {
	var file rulesFile
	var whole map[string]any
	if err := yaml.Unmarshal(text, &whole); err != nil {
		return file, fmt.Errorf("it holds no object with the rules: %w", err)
	}
	bare := whole
	if inner, wrapped := whole["rules"].(map[string]any); wrapped {
		bare = inner
		file.Fingerprint, _ = whole["fingerprint"].(string)
	}
	plain, err := json.Marshal(bare)
	if err != nil {
		return file, err
	}
	decoder := json.NewDecoder(strings.NewReader(string(plain)))
	decoder.DisallowUnknownFields()
	file.Rules = new(evidence.Ruleset)
	if err := decoder.Decode(file.Rules); err != nil {
		return file, err
	}
	return file, file.Rules.Validate()
}

type identityStatusCommand struct{ operating }

func (c identityStatusCommand) Run(ctx context.Context, g globals, std streams) error {
	client, err := c.client(g)
	if err != nil {
		return err
	}
	var status api.Status
	if err := client.call(ctx, http.MethodGet, "status", nil, &status); err != nil {
		return err
	}
	if g.Output == "json" {
		return toJSON(std.out, status)
	}
	return printStatus(std.out, &status)
}
