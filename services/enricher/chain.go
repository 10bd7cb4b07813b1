package enricher

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/parcours-cdp/parcours/schemas"
)

// Enrichment adds fields to an event. It is a pure function of the event, of what the enrichments before it added, and of its data; it is
// safe for concurrent use. It must keep no string of the event after Apply, because they live in the memory of the batch.
type Enrichment interface {
	// Describe tells what the enrichment is. What it says does not change.
	Describe() Description
	// Apply reads the event, which it must not change, and writes into added. What it wrote counts only if it was applied.
	Apply(event *schemas.IdentifiedTouchpoint, added *Suffix) Outcome
}

// Description is what an enrichment declares.
type Description struct {
	Name string
	// Version of the rules and of the data sets, for example place-1+communes@0123456789ab.
	Version string
	// Purpose that has to be allowed for the link to run, one of the configuration; or PurposeOfProvider.
	Purpose string
	// Reads are paths of the event, as schemas.Decoder.Select takes them; only these are decoded.
	Reads []string
	// Writes are fields of Suffix, by the names of the schema.
	Writes []string
}

// What became of an enrichment, as it stands in the event.
const (
	StatusApplied = "applied"
	StatusSkipped = "skipped"
	StatusFailed  = "failed"

	// statusAsked stands on no event: it goes through the chain again once the answer is there.
	statusAsked = "asked"
)

// Reasons that the chain gives itself.
const (
	reasonPanic     = "panic"
	reasonNoOutcome = "no_outcome"
)

// Outcome is the answer of an enrichment. Reason is a constant of the enrichment's, never a value of the event: it becomes a metric label.
type Outcome struct {
	Status, Reason string
	// Version is that of the data that was used, when it differs from the described one.
	Version string

	fault *fault
}

// fault is what a panic leaves for the log.
type fault struct {
	cause string
	stack []byte
}

// Applied says that the fields are written.
func Applied() Outcome { return Outcome{Status: StatusApplied} }

// Skipped says that the event is none of this enrichment's business, and why.
func Skipped(reason string) Outcome { return Outcome{Status: StatusSkipped, Reason: reason} }

// Failed says that the fields should be there and are not, and why.
func Failed(reason string) Outcome { return Outcome{Status: StatusFailed, Reason: reason} }

// Link is an enrichment at its place in the chain.
type Link struct {
	Enrichment
	// Required sends an event whose enrichment fails into quarantine; otherwise it goes on without the fields.
	Required bool

	// data are the names of the data sets that the enrichment asked for when it was made.
	data map[string]bool
}

// Chain is a list of enrichments in the order in which they run. It belongs to one goroutine.
type Chain struct {
	links   []Link
	steps   []step
	reads   []string
	policy  *policy
	people  *people
	observe func(link int, outcome Outcome)
	// asked are the links that the last event waits for. again is set before such an event comes again: only these have not been observed.
	asked, again uint64
}

// step is what is needed of a link for each event.
type step struct {
	name, version string
	// fields that the link writes.
	fields []*field
	// purpose is the bit of the purpose; links whose purpose is that of each provider have none and always run.
	purpose uint64
}

// mostLinks is how many fit into the bits of Chain.asked.
const mostLinks = 64

// NewChain checks that the links fit together: names and written fields are of one link each, but for attributes, which several fill in. Observe is called after each link; it may be nil.
func NewChain(links []Link, purposes Purposes, observe func(link int, outcome Outcome)) (*Chain, error) {
	if observe == nil {
		observe = func(int, Outcome) {}
	}
	c := &Chain{links: links, policy: newPolicy(purposes), reads: []string{"consent"}, observe: observe}
	owner := map[string]string{}
	if len(links) > mostLinks {
		return nil, fmt.Errorf("build the chain: it has %d enrichments, give %d at most", len(links), mostLinks)
	}
	for _, link := range links {
		d := link.Describe()
		if d.Name == "" || d.Version == "" || d.Purpose == "" {
			return nil, fmt.Errorf("build the chain: enrichment %q does not declare a name, a version and a purpose", d.Name)
		}
		if slices.ContainsFunc(c.steps, func(s step) bool { return s.name == d.Name }) {
			return nil, fmt.Errorf("build the chain: enrichment %s stands in it twice; list it once", d.Name)
		}
		s := step{name: d.Name, version: d.Version, purpose: c.policy.bit(d.Purpose)}
		if s.purpose == 0 && d.Purpose != PurposeOfProvider {
			return nil, fmt.Errorf("build the chain: enrichment %s is for %q: %w", d.Name, d.Purpose, errNoPurpose)
		}
		for _, name := range d.Writes {
			f := fieldOf(name)
			if f == nil {
				return nil, fmt.Errorf("build the chain: %s writes %s, which is no field of the suffix", d.Name, name)
			}
			if other, taken := owner[name]; taken && !f.shared {
				return nil, fmt.Errorf("build the chain: %s and %s both write %s; enable one of them", other, d.Name, name)
			}
			owner[name] = d.Name
			s.fields = append(s.fields, f)
		}
		for _, path := range d.Reads {
			if !slices.Contains(c.reads, path) {
				c.reads = append(c.reads, path)
			}
		}
		c.steps = append(c.steps, s)
	}
	return c, nil
}

// Reads are the paths that the enrichments of the chain read.
func (c *Chain) Reads() []string { return slices.Clone(c.reads) }

// Names are the names of the enrichments, in order.
func (c *Chain) Names() []string {
	var names []string
	for _, s := range c.steps {
		names = append(names, s.name)
	}
	return names
}

// RequiredError tells that an enrichment without which no event may go on has failed.
type RequiredError struct{ Enrichment, Reason string }

func (e *RequiredError) Error() string {
	return fmt.Sprintf("required enrichment %s failed: %s", e.Enrichment, e.Reason)
}

// Run puts the event through the enrichments and fills in the fields of the suffix, with one entry for each enrichment. A *RequiredError says
// that the event must not go on, errAsked that it has to come again. Added is memory to work in.
func (c *Chain) Run(event *schemas.EnrichedTouchpoint, added *Suffix) error {
	added.clear()
	clearFields(event)
	event.Enrichments = event.Enrichments[:0]
	var err error
	if added.Known, err = c.people.meet(&event.IdentifiedTouchpoint); err != nil {
		return err
	}
	added.Permissions = c.policy.askFor(&event.IdentifiedTouchpoint, added.Known)
	var asked uint64
	again := c.again
	c.asked, c.again = 0, 0
	for i := range c.links {
		link, s := &c.links[i], &c.steps[i]
		before := added.Attributes
		outcome := c.attempt(link, s, event, added)
		if outcome.Status == StatusApplied {
			for _, f := range s.fields {
				f.copy(event, added)
			}
		} else { // Whatever it wrote before it gave up, its fields are as they were.
			for _, f := range s.fields {
				f.reset(added)
			}
			added.Attributes = before
		}
		if outcome.Status == statusAsked {
			asked |= 1 << i
			continue
		}
		if again == 0 || again&(1<<i) != 0 {
			c.observe(i, outcome)
		}
		if outcome.Status == StatusFailed && link.Required {
			return &RequiredError{Enrichment: s.name, Reason: outcome.Reason}
		}
		if outcome.Version == "" {
			outcome.Version = s.version
		}
		event.Enrichments = append(event.Enrichments, schemas.Enrichment{
			Name: s.name, Version: outcome.Version, Status: outcome.Status, Reason: outcome.Reason,
		})
	}
	if c.asked = asked; asked != 0 {
		return errAsked
	}
	return c.learn(event, added)
}

// learn keeps what the event says of its customer, which counts for the event itself.
func (c *Chain) learn(event *schemas.EnrichedTouchpoint, added *Suffix) error {
	news, err := c.people.learn(event, added)
	if err != nil || !news {
		return err
	}
	i := slices.IndexFunc(c.steps, func(s step) bool { return s.name == Customer })
	if i < 0 {
		return nil
	}
	if added.Known, err = c.people.meet(&event.IdentifiedTouchpoint); err != nil {
		return err
	}
	if outcome := c.attempt(&c.links[i], &c.steps[i], event, added); outcome.Status == StatusApplied {
		event.Customer = added.Customer
		event.Enrichments[i].Status, event.Enrichments[i].Reason = outcome.Status, outcome.Reason
	}
	return nil
}

// with has the chain know people; nil nobody.
func (c *Chain) with(p *people) *Chain {
	if c.people = p; p != nil {
		for _, path := range peopleReads {
			if !slices.Contains(c.reads, path) {
				c.reads = append(c.reads, path)
			}
		}
	}
	return c
}

// attempt runs a link if its purpose is allowed.
func (c *Chain) attempt(link *Link, s *step, event *schemas.EnrichedTouchpoint, added *Suffix) Outcome {
	if s.purpose != 0 {
		if reason := added.Permissions.refusal(s.purpose); reason != "" {
			return Skipped(reason)
		}
	}
	return apply(link.Enrichment, &event.IdentifiedTouchpoint, added)
}

// apply calls one enrichment. A fault of it must not stop the stream, so a panic is a failure like any other.
func apply(e Enrichment, event *schemas.IdentifiedTouchpoint, added *Suffix) (outcome Outcome) {
	defer func() {
		if cause := recover(); cause != nil {
			outcome = Failed(reasonPanic)
			outcome.fault = &fault{cause: causeOf(cause), stack: debug.Stack()}
		}
	}()
	outcome = e.Apply(event, added)
	switch outcome.Status {
	case StatusApplied, StatusSkipped, StatusFailed, statusAsked:
	default:
		outcome = Failed(reasonNoOutcome)
	}
	return outcome
}

// causeOf names a panic for the log. The text of an unknown value may hold personal data, so only its type is told.
func causeOf(cause any) string {
	if err, ok := cause.(error); ok {
		var fault runtime.Error
		if errors.As(err, &fault) {
			return fault.Error()
		}
	}
	return fmt.Sprintf("%T", cause)
}
