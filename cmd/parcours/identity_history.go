package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/services/identity/api"
)

// pastMoment is one line of the history that ClickHouse keeps.
type pastMoment struct {
	At       time.Time `json:"at" ch:"at"`
	Position uint64    `json:"position" ch:"position"`
	// What is a kind of identity_audit, or customer for a row of the identity map.
	What      string     `json:"what" ch:"what"`
	Node      uuid.UUID  `json:"node" ch:"node"`
	Type      string     `json:"type" ch:"type"`
	OtherNode *uuid.UUID `json:"other_node,omitempty" ch:"other_node"`
	OtherType string     `json:"other_type,omitempty" ch:"other_type"`
	By        string     `json:"by,omitempty" ch:"by"`
	Why       string     `json:"why,omitempty" ch:"why"`
	EventID   *uuid.UUID `json:"event_id,omitempty" ch:"event_id"`
}

const (
	// mostPast is how many lines are read at most, the newest.
	mostPast = 1000
	whatRow  = "customer"
)

// pastQuery wants the workspace twice and the nodes three times. What is delivered twice is told once.
const pastQuery = `
SELECT * FROM (
    SELECT DISTINCT a.at AS at, a.position AS position, a.sequence AS sequence, toString(a.kind) AS what, a.node AS node, toString(a.type) AS type,
        nullIf(a.other_node, toUUID('00000000-0000-0000-0000-000000000000')) AS other_node, toString(a.other_type) AS other_type,
        if(a.author != '', toString(a.author), toString(a.source)) AS by,
        multiIf(a.limited_by = '', a.reason, a.count = 0, toString(a.limited_by), concat(toString(a.limited_by), ': ', toString(a.count))) AS why,
        nullIf(a.event_id, toUUID('00000000-0000-0000-0000-000000000000')) AS event_id
    FROM parcours.identity_audit AS a
    WHERE a.workspace = ? AND (a.node IN (%[1]s) OR a.other_node IN (%[1]s))
    UNION ALL
    SELECT DISTINCT c.at, c.version, 4294967295, '` + whatRow + `', c.node, toString(c.type), c.canonical, '', '', toString(c.reason),
        nullIf(c.event_id, toUUID('00000000-0000-0000-0000-000000000000'))
    FROM parcours.identity_changes AS c
    WHERE c.workspace = ? AND c.node IN (%[1]s)
)
ORDER BY position DESC, sequence DESC, node DESC
LIMIT %[2]d`

// history asks ClickHouse what it knows of a customer's identifiers, the oldest first.
func (c identityShowCommand) history(ctx context.Context, g globals, customer *api.Customer) (past []pastMoment, err error) {
	cfg, err := c.load(g)
	if err != nil {
		return nil, err
	}
	db, err := warehouse.Open(cfg.Sink.ClickHouse)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	nodes := make([]string, len(customer.Members))
	for i := range customer.Members {
		nodes[i] = "'" + customer.Members[i].Node.String() + "'"
	}
	var rows []struct {
		pastMoment
		Sequence uint32 `ch:"sequence"`
	}
	query := fmt.Sprintf(pastQuery, strings.Join(nodes, ", "), mostPast)
	if err := db.Select(ctx, &rows, query, cfg.Workspace.Name, cfg.Workspace.Name); err != nil {
		return nil, fmt.Errorf("%w; without --history ClickHouse is not asked", err)
	}
	// Rulings are about nodes whose types they do not know.
	types := make(map[uuid.UUID]string, len(customer.Members))
	for i := range customer.Members {
		types[customer.Members[i].Node] = customer.Members[i].Type
	}
	for i := range rows {
		p := rows[len(rows)-1-i].pastMoment
		if p.Type == "" {
			p.Type = types[p.Node]
		}
		if p.OtherType == "" && p.OtherNode != nil && p.What != whatRow {
			p.OtherType = types[*p.OtherNode]
		}
		past = append(past, p)
	}
	return past, nil
}

func printPast(out io.Writer, past []pastMoment) error {
	var rows [][]string
	for i := range past {
		p := &past[i]
		other := ""
		switch {
		case p.OtherNode == nil:
		case p.What == whatRow:
			other = p.OtherNode.String()
		default:
			other = typed(p.OtherType, *p.OtherNode)
		}
		rows = append(rows, []string{moment(p.At), fmt.Sprint(p.Position), p.What, typed(p.Type, p.Node), other, p.By, p.Why, eventID(p.EventID)})
	}
	return section(out, "History", []string{"at", "position", "what", "of", "and", "by", "why", "event"}, rows)
}
