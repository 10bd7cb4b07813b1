package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/warehouse"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/parcours-cdp/parcours/services/sink"
	"go.uber.org/zap"
)

// rejectedCommands look at what was rejected, and send it again.
type rejectedCommands struct {
	List   rejectedListCommand   `cmd:"" help:"Print what was rejected, and why."`
	Replay rejectedReplayCommand `cmd:"" help:"Send rejected events again, repaired where they need it, or dismiss them."`
}

// rejectedFilter are the flags that say which rejections are meant.
type rejectedFilter struct {
	ID     []string `help:"This rejection only; may be repeated." name:"id" placeholder:"UUID"`
	Stage  string   `help:"Rejected at this stage: collector, identity, enricher or sink." enum:",collector,identity,enricher,sink" default:""`
	Reason string   `help:"Rejected for this reason." placeholder:"CODE"`
	Source string   `help:"Sent by this source." placeholder:"NAME"`
	Field  string   `help:"With this field at fault." placeholder:"PATH"`
	Since  string   `help:"Rejected since: a duration back from now (36h), a day or a time (2026-11-03T09:30:00Z)." placeholder:"WHEN"`
	Until  string   `help:"Rejected before." placeholder:"WHEN"`
	State  string   `help:"In this state: pending, replayed, dismissed or any." enum:"pending,replayed,dismissed,any" default:"pending"`
}

func (c rejectedFilter) filter(now time.Time) (f sink.RejectionFilter, err error) {
	f = sink.RejectionFilter{Stage: c.Stage, Reason: c.Reason, Source: c.Source, Field: c.Field, State: c.State}
	if c.State == "any" {
		f.State = ""
	}
	for _, text := range c.ID {
		id, err := uuid.Parse(text)
		if err != nil {
			return f, fmt.Errorf("--id is %q: give the UUID that parcours rejected list prints", text)
		}
		f.IDs = append(f.IDs, id)
	}
	if f.Since, err = when("--since", c.Since, now); err != nil {
		return f, err
	}
	f.Until, err = when("--until", c.Until, now)
	return f, err
}

// when reads a duration back from now, a day or a time; an empty text is no time.
func when(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if back, err := time.ParseDuration(text); err == nil && back >= 0 {
		return now.Add(-back), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s is %q: give a duration such as 36h, a day such as 2026-11-03 or a time such as 2026-11-03T09:30:00Z", flag, text)
}

type rejectedListCommand struct {
	running
	rejectedFilter
	Limit   int    `help:"How many at most, the newest first." default:"100"`
	Show    string `help:"Print all that is known of this one." placeholder:"UUID"`
	Payload bool   `help:"Print the original bytes too; they may hold personal data."`
}

func (c rejectedListCommand) Run(ctx context.Context, g globals, std streams) (err error) {
	if c.Show != "" {
		c.rejectedFilter = rejectedFilter{ID: []string{c.Show}, State: "any"}
	}
	filter, err := c.filter(time.Now())
	if err != nil {
		return fmt.Errorf("rejected list: %w", err)
	}
	filter.Limit, filter.Payload = c.Limit, c.Payload
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	db, err := warehouse.Open(cfg.Sink.ClickHouse)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	found, err := sink.Rejections(ctx, db, filter)
	if err != nil {
		return fmt.Errorf("rejected list: %w", err)
	}
	if c.Show != "" && len(found) == 0 {
		return fmt.Errorf("rejected list: there is no rejection %s", c.Show)
	}
	printed := make([]printedRejection, len(found))
	for i := range found {
		printed[i] = printedRejection{Rejection: found[i]}
		if c.Payload {
			printed[i].setPayload(ctx, cfg)
		}
	}
	switch {
	case g.Output == "json":
		return toJSON(std.out, printed)
	case c.Show != "":
		return showRejection(std, &printed[0], c.Payload)
	}
	rows := make([][]string, len(printed))
	header := []string{"rejected at", "stage", "reason", "field", "message id", "source", "state", "id"}
	if c.Payload {
		header = append(header, "payload")
	}
	for i := range printed {
		r := &printed[i]
		rows[i] = []string{r.RejectedAt.UTC().Format(clock), r.Stage, r.Reason, r.Field, oneLine(r.MessageID), r.Source, r.State, r.ID.String()}
		if c.Payload {
			rows[i] = append(rows[i], oneLine(r.Payload))
		}
	}
	if err := table(std.out, g.Output, header, rows); err != nil {
		return err
	}
	if c.Limit > 0 && len(found) == c.Limit {
		fmt.Fprintf(std.err, "There may be more: --limit is %d.\n", c.Limit)
	}
	return nil
}

// printedRejection is a rejection with its payload as people can read it.
type printedRejection struct {
	sink.Rejection
	Payload string          `json:"payload,omitempty"`
	Bytes   []byte          `json:"payload_base64,omitempty"`
	Event   json.RawMessage `json:"event,omitempty"`
}

// setPayload prints text as it is, and Avro as the event that it is, where that can be read.
func (p *printedRejection) setPayload(ctx context.Context, cfg up.Config) {
	raw := []byte(p.Rejection.Payload)
	if p.OriginTopic == "" {
		p.Payload = strings.ToValidUTF8(p.Rejection.Payload, "\ufffd")
		return
	}
	p.Bytes = raw
	p.Payload = fmt.Sprintf("%x", raw)
	id, body, err := schemas.SplitHeader(raw)
	if err != nil {
		return
	}
	reg, err := registry.New(cfg.Registry, zap.NewNop())
	if err != nil {
		return
	}
	decoder, err := reg.Decoder(ctx, id)
	if err != nil {
		return
	}
	var event schemas.EnrichedTouchpoint
	if decoder.Decode(body, &event) != nil {
		return
	}
	if text, err := json.Marshal(&event); err == nil {
		p.Event, p.Payload = text, string(text)
	}
}

func oneLine(text string) string {
	return strings.NewReplacer("\n", " ", "\t", " ", "\r", " ").Replace(text)
}

func showRejection(std streams, r *printedRejection, payload bool) error {
	rows := [][]string{
		{"id", r.ID.String()},
		{"state", r.State},
		{"rejected at", r.RejectedAt.UTC().Format(clock)},
		{"received at", maybe(r.ReceivedAt)},
		{"stage", r.Stage},
		{"reason", r.Reason},
		{"field", r.Field},
		{"detail", r.Detail},
		{"source", r.Source},
		{"message id", oneLine(r.MessageID)},
		{"type", oneLine(r.Type)},
		{"name", oneLine(r.Name)},
		{"replayed at", maybe(r.ReplayedAt)},
	}
	if r.OriginTopic != "" && r.OriginPartition != nil && r.OriginOffset != nil {
		rows = append(rows, []string{"read from", fmt.Sprintf("%s/%d/%d", r.OriginTopic, *r.OriginPartition, *r.OriginOffset)})
	}
	if err := table(std.out, "table", []string{"what", "value"}, rows); err != nil {
		return err
	}
	if payload {
		fmt.Fprintf(std.out, "\n%s\n", r.Payload)
		return nil
	}
	fmt.Fprintln(std.out, "\nIts bytes may hold personal data: --payload prints them.")
	return nil
}

func maybe(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.UTC().Format(clock)
}

type rejectedReplayCommand struct {
	running
	rejectedFilter
	Limit     int      `help:"How many at most, the oldest first." default:"1000"`
	Put       []string `help:"Put a value into the event before it is sent: properties.products[0].price=12.90. May be repeated; a value that is no JSON is text." placeholder:"PATH=VALUE" sep:"none"`
	Patch     string   `help:"JSON merge patch (RFC 7396) to apply to the event before it is sent." placeholder:"FILE" type:"existingfile"`
	DryRun    bool     `help:"Print what would be sent and what would change in it, and send nothing."`
	Payload   bool     `help:"With --dry-run, print the values that would change too; they may be personal data."`
	Dismiss   bool     `help:"Send nothing, and note them as dismissed: they were repaired otherwise, or are not worth it."`
	Yes       bool     `help:"Do not ask."`
	Collector string   `help:"Address of the collector, such as https://collect.example.fr; without it that of --at, or collector.listen of the configuration." placeholder:"URL"`
}

func (c rejectedReplayCommand) Run(ctx context.Context, g globals, std streams) (err error) {
	filter, err := c.filter(time.Now())
	if err != nil {
		return fmt.Errorf("rejected replay: %w", err)
	}
	filter.Limit, filter.OldestFirst = c.Limit, true
	edit, err := c.edit()
	if err != nil {
		return fmt.Errorf("rejected replay: %w", err)
	}
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	servers, err := connect(ctx, cfg)
	if err != nil {
		return fmt.Errorf("rejected replay: %w", err)
	}
	defer func() { err = errors.Join(err, servers.close()) }()
	found, err := sink.Rejections(ctx, servers.db, filter)
	if err != nil {
		return fmt.Errorf("rejected replay: %w", err)
	}
	if err := c.confirm(found, std); err != nil {
		return err
	}
	filter.IDs = nil
	for i := range found {
		filter.IDs = append(filter.IDs, found[i].ID)
	}
	if c.Dismiss {
		if c.DryRun {
			fmt.Fprintf(std.err, "%d would be dismissed.\n", len(found))
			return nil
		}
		if err := sink.SetReplayState(ctx, servers.db, sink.ReplayDismissed, filter.IDs...); err != nil {
			return fmt.Errorf("rejected replay: %w", err)
		}
		fmt.Fprintf(std.err, "%d dismissed.\n", len(found))
		return nil
	}
	var outcomes []sink.ReplayOutcome
	replay := sink.Replay{
		Warehouse: servers.db, Kafka: servers.kafka, Registry: servers.registry, Collector: c.collector(cfg), Sources: make(map[string]sink.ReplaySource),
		BatchEvents: cfg.Collector.Limits.BatchEvents, BatchBytes: cfg.Collector.Limits.BodyBytes / 2,
		Filter: filter, Edit: edit, DryRun: c.DryRun,
		Report: func(o sink.ReplayOutcome) error {
			outcomes = append(outcomes, c.visible(o))
			return nil
		},
	}
	for _, source := range cfg.Collector.Sources {
		replay.Sources[source.Name] = sink.ReplaySource{WriteKey: source.WriteKey, Server: source.Server}
	}
	if len(found) > 0 {
		err = replay.Run(ctx)
	}
	if err != nil {
		err = fmt.Errorf("rejected replay: %w; what was acknowledged is noted, run it again", err)
	}
	return errors.Join(err, printOutcomes(std, g.Output, outcomes))
}

func (c rejectedReplayCommand) edit() (sink.Edit, error) {
	var patch []byte
	if c.Patch != "" {
		var err error
		if patch, err = os.ReadFile(c.Patch); err != nil {
			return sink.Edit{}, fmt.Errorf("read --patch: %w", err)
		}
		if len(strings.TrimSpace(string(patch))) == 0 {
			return sink.Edit{}, fmt.Errorf("--patch %s is empty: give a JSON object", c.Patch)
		}
	}
	return sink.ParseEdit(c.Put, patch)
}

// confirm shows what would be sent and wants the word for it.
func (c rejectedReplayCommand) confirm(found []sink.Rejection, std streams) error {
	if c.Yes || c.DryRun || len(found) == 0 {
		return nil
	}
	word := "replay"
	if c.Dismiss {
		word = "dismiss"
	}
	if !isTerminal(std.in) {
		return fmt.Errorf("rejected replay: nobody can be asked here: look with --dry-run, then say --yes to %s %d rejections", word, len(found))
	}
	count := make(map[string]int)
	var kinds []string
	for i := range found {
		kind := fmt.Sprintf("%s, %s", found[i].Stage, found[i].Reason)
		if count[kind] == 0 {
			kinds = append(kinds, kind)
		}
		count[kind]++
	}
	for _, kind := range kinds {
		fmt.Fprintf(std.err, "  %d of %s\n", count[kind], kind)
	}
	fmt.Fprintf(std.err, "Type %s to go on with these %d: ", word, len(found))
	if said, err := (&lines{std.in}).next(); err != nil || said != word {
		return errors.New("rejected replay: nothing was done")
	}
	return nil
}

// collector is the address that events are sent to.
func (c rejectedReplayCommand) collector(cfg up.Config) string {
	if c.Collector != "" {
		return strings.TrimSuffix(c.Collector, "/")
	}
	host, port, err := net.SplitHostPort(cfg.Collector.Listen)
	if err != nil {
		return "http://" + cfg.Collector.Listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// visible leaves out the values that nobody asked to see: what stood in the event may be somebody's.
func (c rejectedReplayCommand) visible(o sink.ReplayOutcome) sink.ReplayOutcome {
	if c.Payload {
		return o
	}
	for i := range o.Changes {
		if before := string(o.Changes[i].Before); before != "null" {
			o.Changes[i].Before = json.RawMessage(`"hidden"`)
		}
	}
	return o
}

func printOutcomes(std streams, output string, outcomes []sink.ReplayOutcome) error {
	failed := 0
	rows := make([][]string, len(outcomes))
	results := make(map[string]int)
	for i := range outcomes {
		o := &outcomes[i]
		rows[i] = []string{o.ID.String(), o.Stage, o.Reason, oneLine(o.MessageID), strconv.Itoa(o.Events), o.To, o.Result, o.Why}
		results[o.Result]++
		if o.Result == sink.OutcomeCannot || o.Result == sink.OutcomeAgain {
			failed++
		}
	}
	if output == "json" {
		if err := toJSON(std.out, outcomes); err != nil {
			return err
		}
	} else {
		if err := table(std.out, output, []string{"id", "stage", "reason", "message id", "events", "to", "result", "why"}, rows); err != nil {
			return err
		}
		for i := range outcomes {
			for j, change := range outcomes[i].Changes {
				if outcomes[i].Result != sink.OutcomeDry {
					break
				}
				if j == 0 {
					fmt.Fprintf(std.out, "\n%s\n", outcomes[i].ID)
				}
				fmt.Fprintf(std.out, "  %s: %s -> %s\n", change.Path, change.Before, change.After)
			}
		}
	}
	var told []string
	for _, result := range []string{sink.OutcomeDry, sink.OutcomeReplayed, sink.OutcomeStored, sink.OutcomeAgain, sink.OutcomeCannot} {
		if results[result] > 0 {
			told = append(told, fmt.Sprintf("%d %s", results[result], result))
		}
	}
	if len(told) == 0 {
		told = []string{"nothing to replay"}
	}
	fmt.Fprintf(std.err, "%s.\n", strings.Join(told, ", "))
	if failed > 0 {
		return errReported
	}
	return nil
}
