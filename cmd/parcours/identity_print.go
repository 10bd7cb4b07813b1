package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/services/identity/api"
)

// idDigits is how much of an id people need to tell two apart; whole ones stand where they may be copied from.
const idDigits = 8

func short(id uuid.UUID) string { return id.String()[:idDigits] }

func nodeName(n *api.Node) string { return typed(n.Type, n.Node) }

func typed(typ string, node uuid.UUID) string {
	if typ == "" {
		typ = "identifier"
	}
	return typ + " " + short(node)
}

func moment(at time.Time) string { return at.UTC().Format(clock) }

// section prints a table under its name, and nothing for an empty one.
func section(out io.Writer, name string, header []string, rows [][]string) error {
	if len(rows) == 0 {
		return nil
	}
	fmt.Fprintf(out, "\n%s\n", name)
	return table(out, "table", header, rows)
}

func printCustomer(out io.Writer, c *api.Customer, asked string) error {
	fmt.Fprintf(out, "Customer %s, as of evidence position %d.\n", c.CustomerID, c.Position)
	switch {
	case !c.Asked.Known && c.Asked.ErasedAt != nil:
		fmt.Fprintf(out, "%s was erased on %s UTC, and the graph has no evidence of it since.\n", asked, moment(*c.Asked.ErasedAt))
	case !c.Asked.Known:
		fmt.Fprintf(out, "The graph has no evidence about %s: it was only ever seen alone, and is its own customer, or never.\n", asked)
	case c.Asked.Status == api.Hub || c.Asked.Status == api.Blocked:
		fmt.Fprintf(out, "%s is shared (%s): it carries no links and stands for nobody.\n", asked, c.Asked.Status)
	case c.Asked.Node != c.CustomerID && c.Asked.Node.String() == asked:
		fmt.Fprintf(out, "%s is one of its identifiers, and an id it had or could have had.\n", asked)
	}
	if err := section(out, "Identifiers", []string{"type", "status", "first seen", "rank", "ruling", "node"}, memberRows(c)); err != nil {
		return err
	}
	var rows [][]string
	for i := range c.Evidence {
		p := &c.Evidence[i]
		rows = append(rows, []string{moment(p.FirstSeen), typed(p.TypeA, p.A), typed(p.TypeB, p.B), p.Class, p.State, p.Source, eventID(p.EventID), p.Why})
	}
	if err := section(out, "Evidence", []string{"first seen", "seen together", "with", "class", "state", "source", "event", "why"}, rows); err != nil {
		return err
	}
	if len(c.Evidence) < c.EvidenceTotal {
		fmt.Fprintf(out, "... and %d more pairs.\n", c.EvidenceTotal-len(c.Evidence))
	}
	rows = nil
	for i := range c.Rulings {
		r := &c.Rulings[i]
		other, kind := "", r.Kind
		if r.B != nil {
			other = typed(r.TypeB, *r.B)
		}
		if r.Lifted {
			kind += ", lifted"
		}
		rows = append(rows, []string{moment(r.At), kind, typed(r.TypeA, r.A), other, r.Author, r.Reason})
	}
	return section(out, "Rulings", []string{"at", "ruling", "of", "and", "author", "reason"}, rows)
}

func memberRows(c *api.Customer) [][]string {
	var rows [][]string
	for i := range c.Members {
		m := &c.Members[i]
		typ, seen, rank := m.Type, "", ""
		if typ == "" {
			typ = "-"
		}
		if m.Weak {
			typ += " (weak)"
		}
		if m.FirstSeen != nil {
			seen = moment(*m.FirstSeen)
		}
		if m.Rank > 0 {
			rank = fmt.Sprint(m.Rank)
		}
		rows = append(rows, []string{typ, m.Status, seen, rank, m.Ruling, m.Node.String()})
	}
	return rows
}

func eventID(id *uuid.UUID) string {
	if id == nil {
		return ""
	}
	return id.String()
}

// done are the words for what was ruled.
var done = map[string]string{
	api.Cut: "The cut is made", api.CutLifted: "The cut is lifted", api.Blocked: "The identifier is blocked",
	api.Allowed: "The identifier is allowed", api.Neutral: "The identifier is left to the rules", api.Erased: "Erased",
}

func printOutcome(out io.Writer, o *api.Outcome) error {
	switch {
	case !o.Changed:
		fmt.Fprintf(out, "Nothing to do")
	case !o.Applied:
		fmt.Fprintf(out, "%s at position %d of the log, which the service has not reached yet", done[o.Kind], o.Recorded)
	default:
		fmt.Fprint(out, done[o.Kind])
	}
	fmt.Fprintf(out, ", as of evidence position %d.\n", o.Position)
	if o.Note != "" {
		fmt.Fprintln(out, o.Note)
	}
	var rows [][]string
	for i := range o.Before {
		b := &o.Before[i]
		after := "-"
		for j := range o.After {
			if o.After[j].Node == b.Node {
				after = o.After[j].CustomerID.String()
				if o.After[j].ErasedAt != nil && !o.After[j].Known {
					after = api.Erased
				}
			}
		}
		rows = append(rows, []string{nodeName(b), b.CustomerID.String(), after})
	}
	if err := section(out, "Named", []string{"identifier", "customer before", "customer now"}, rows); err != nil {
		return err
	}
	rows = nil
	for i := range o.Moved {
		m := &o.Moved[i]
		after := api.Erased
		if m.After != nil {
			after = m.After.String()
		}
		rows = append(rows, []string{typed(m.Type, m.Node), m.Before.String(), after})
	}
	if err := section(out, "Moved", []string{"identifier", "customer before", "customer now"}, rows); err != nil {
		return err
	}
	if len(o.Moved) < o.MovedTotal {
		fmt.Fprintf(out, "... and %d more.\n", o.MovedTotal-len(o.Moved))
	}
	return nil
}

// notConfiguredHere warns of instances whose configurations differ.
const notConfiguredHere = "They are not of the configuration of the instance that answers: give all instances the same identifiers and identity sections."

func printRules(out io.Writer, r *api.Rules) error {
	from := "given by " + r.Author
	if r.Configured {
		from = "from the configuration"
	}
	fmt.Fprintf(out, "Rules %s, %s on %s UTC, as of evidence position %d.\n", r.Fingerprint, from, moment(r.At), r.Position)
	if r.Reason != "" {
		fmt.Fprintf(out, "Reason: %s\n", r.Reason)
	}
	if !r.ThisInstanceConfigured {
		fmt.Fprintln(out, notConfiguredHere)
	}
	fmt.Fprintf(out, "link_class %d, max_cluster %d, max_component %d, %d blocked nodes.\n\n", r.Rules.LinkClass, r.Rules.MaxCluster, r.Rules.MaxComponent, len(r.Rules.Blocked))
	var rows [][]string
	names := slices.SortedFunc(maps.Keys(r.Rules.Types), func(a, b string) int {
		if byRank := int(r.Rules.Types[a].Rank) - int(r.Rules.Types[b].Rank); byRank != 0 {
			return byRank
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		rule := r.Rules.Types[name]
		limit, hubs := "none", []string(nil)
		if rule.Limit > 0 {
			limit = fmt.Sprint(rule.Limit)
		}
		for _, other := range slices.Sorted(maps.Keys(rule.Hubs)) {
			hubs = append(hubs, fmt.Sprintf("%s %d", other, rule.Hubs[other]))
		}
		rows = append(rows, []string{name, fmt.Sprint(rule.Rank), fmt.Sprint(rule.Class), limit, strings.Join(hubs, ", ")})
	}
	return table(out, "table", []string{"type", "rank", "class", "limit", "hub above"}, rows)
}

func printRulesOutcome(out io.Writer, o *api.RulesOutcome) {
	switch {
	case !o.Changed:
		fmt.Fprintf(out, "Nothing to do: rules %s are in force", o.Fingerprint)
	case !o.Applied:
		fmt.Fprintf(out, "Rules %s are at position %d of the log, which the service has not reached yet", o.Fingerprint, o.Recorded)
	default:
		fmt.Fprintf(out, "Rules %s are in force", o.Fingerprint)
	}
	fmt.Fprintf(out, ", as of evidence position %d.\n", o.Position)
	if o.Note != "" {
		fmt.Fprintln(out, o.Note)
	}
}

func printStatus(out io.Writer, s *api.Status) error {
	rows := [][]string{
		{"workspace", s.Workspace},
		{"evidence position", fmt.Sprint(s.Position)},
		{"end of the log", fmt.Sprint(s.End)},
		{"lag", fmt.Sprint(s.Lag)},
		{"engine", fmt.Sprint(s.Engine)},
		{"rules", s.RulesFingerprint},
		{"sum of the map", s.MapSum},
		{"sum of the evidence", s.EvidenceSum},
	}
	for _, name := range slices.Sorted(maps.Keys(s.Counts)) {
		rows = append(rows, []string{strings.ReplaceAll(name, "_", " "), fmt.Sprint(s.Counts[name])})
	}
	if err := table(out, "table", []string{"what", "value"}, rows); err != nil || s.ThisInstanceConfigured || s.RulesFingerprint == "" {
		return err
	}
	fmt.Fprintf(out, "\nRules: %s\n", notConfiguredHere)
	return nil
}
