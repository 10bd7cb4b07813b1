package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/parcours-cdp/parcours/cmd/parcours/up"
	"github.com/parcours-cdp/parcours/internal/attributes"
	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/internal/registry"
	"github.com/parcours-cdp/parcours/internal/stream"
	"github.com/parcours-cdp/parcours/schemas"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// importCommands bring files in.
type importCommands struct {
	Attributes importAttributesCommand `cmd:"" help:"Bring in what a provider knows of people or areas: CSV, NDJSON or Parquet. Clear keys are hashed on the way and never stored."`
}

type importAttributesCommand struct {
	running
	Provider   string `help:"Provider of the data, as its schema calls it." required:"" placeholder:"NAME"`
	Key        string `help:"What the lines are about: email, phone, loyalty, user_id, postcode, commune or iris." required:"" enum:"email,phone,loyalty,user_id,postcode,commune,iris"`
	KeyColumn  string `help:"Column of the key; without it that of the schema, or the one that is called like the key." placeholder:"COLUMN"`
	Schema     string `help:"YAML file that declares provider, purpose, licence and columns; without it the provider of enricher.providers." placeholder:"FILE" type:"existingfile"`
	Format     string `help:"auto goes by the name of the file." enum:"auto,csv,ndjson,parquet" default:"auto"`
	Encoding   string `help:"Of a text file; auto looks for a byte order mark, then whether it is UTF-8, else it is cp1252." enum:"auto,utf-8,cp1252,latin1" default:"auto"`
	Delimiter  string `help:"Of a CSV file; auto counts in its first line." enum:"auto,comma,semicolon,tab,pipe" default:"auto"`
	AsOf       string `help:"When the data was right: a day or a time; without it the time of the file. Newer data of the provider on a key is not replaced." placeholder:"WHEN"`
	Report     string `help:"Write which lines were refused, and what to do, to this file. It holds no values." placeholder:"FILE" type:"path"`
	Rejects    string `help:"Write the refused lines themselves to this file, to be mended and imported. It holds personal data." placeholder:"FILE" type:"path"`
	Checkpoint string `help:"Keep in this file how far the import is, and go on from there when it is run again." placeholder:"FILE" type:"path"`
	DryRun     bool   `help:"Read and check everything, and write nothing. Erasures are not looked up."`
	Remove     bool   `help:"Take back what the provider said of the keys in the file; without a file, of all."`
	File       string `arg:"" optional:"" help:"The file." type:"existingfile"`
}

// Validate makes it a wrong command line to name no file.
func (c *importAttributesCommand) Validate() error {
	if c.File == "" && !c.Remove {
		return errors.New("name the file to import")
	}
	return nil
}

// importBatch is how many records are written at once; what is in memory of a file is a few times as much.
const importBatch = 5_000

func (c importAttributesCommand) Run(ctx context.Context, g globals, std streams) error {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	if c.File == "" {
		return c.removeAll(ctx, g, std, cfg)
	}
	declared, err := c.declared(cfg)
	if err != nil {
		return fmt.Errorf("import attributes: %w", err)
	}
	asOf, err := c.asOf()
	if err != nil {
		return fmt.Errorf("import attributes: %w", err)
	}
	ids, err := identifier.New(cfg.Identifiers, cfg.Workspace)
	if err != nil {
		return fmt.Errorf("import attributes: %w", err)
	}
	load := &importLoad{
		command: c, declared: declared, workspace: cfg.Workspace.Name, region: cfg.Workspace.Region, ids: ids, asOf: asOf,
		seen: newKeySet(), progress: newImportProgress(std.err),
	}
	if !c.DryRun {
		closing, err := load.connect(ctx, cfg)
		if err != nil {
			return fmt.Errorf("import attributes: %w", err)
		}
		defer closing()
	}
	result, err := load.run(ctx)
	if err != nil {
		return fmt.Errorf("import attributes: %w", err)
	}
	return result.print(std, g.Output, c)
}

// asOf is when the data was right. It decides, so that the same file brought in twice is the same records.
func (c importAttributesCommand) asOf() (time.Time, error) {
	if c.AsOf != "" {
		return when("--as-of", c.AsOf, time.Now())
	}
	info, err := os.Stat(c.File)
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// importLoad is one import under way.
type importLoad struct {
	command   importAttributesCommand
	declared  *importSchema
	workspace string
	region    string
	ids       *identifier.Identifiers
	erased    erasedNodes
	asOf      time.Time
	seen      *keySet
	progress  *importProgress

	kafka  *stream.Client
	codec  *attributes.Codec
	batch  []*stream.Record
	result importResult
	// done is how many lines of the file an earlier run has brought in.
	done int64
}

func (l *importLoad) connect(ctx context.Context, cfg up.Config) (closing func(), err error) {
	reg, err := registry.New(cfg.Registry, zap.NewNop())
	if err != nil {
		return nil, err
	}
	if l.kafka, err = stream.Connect(cfg.Kafka, zap.NewNop(), prometheus.NewRegistry()); err != nil {
		return nil, err
	}
	err = l.kafka.Ping(ctx)
	if err == nil {
		err = l.kafka.EnsureTopics(ctx, stream.Attributes, stream.Evidence)
	}
	if err == nil {
		l.codec, err = attributes.NewCodec(ctx, reg)
	}
	if err == nil && l.declared.person() {
		l.erased, err = readErasures(ctx, l.kafka, l.workspace, l.ids)
	}
	if err != nil {
		l.kafka.Close()
		return nil, err
	}
	return l.kafka.Close, nil
}

// run reads the file line by line. Lines before the checkpoint are checked again, which is cheap, and not written.
func (l *importLoad) run(ctx context.Context) (result *importResult, err error) {
	point, err := openCheckpoint(l)
	if err != nil {
		return nil, err
	}
	l.done = point.Lines
	source, err := openImport(l.command, l.declared)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.close()) }()
	out, err := openRefusals(l.command, source.header())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	reader := l.declared.bind(source)
	if reader.err != nil {
		return nil, reader.err
	}
	l.progress.begin(source.size())
	defer l.progress.end()
	var row importRow
	for ctx.Err() == nil {
		refused, err := source.next(&row)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		l.result.Lines++
		if refused == nil {
			refused = l.take(reader, &row)
		}
		if refused != nil {
			l.result.refuse(refused)
			if err := out.write(refused, &row); err != nil {
				return nil, err
			}
		}
		l.progress.show(source.position(), &l.result)
		if len(l.batch) >= importBatch {
			if err := l.flush(ctx, point); err != nil {
				return nil, err
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.result.Refused = l.result.refused()
	point.Complete = true
	return &l.result, l.flush(ctx, point)
}

// take turns a row into a record of the batch.
func (l *importLoad) take(reader boundSchema, row *importRow) *refusal {
	subject, mark, refused := l.subject(reader, row)
	if refused != nil {
		return refused
	}
	if !l.seen.add(mark) {
		return &refusal{Line: row.line, Column: reader.keyName, Reason: "repeated", Advice: "the key stands on an earlier line, which counts; keep one line for each key"}
	}
	var record *stream.Record
	if l.command.Remove {
		record = attributes.Tombstone(attributes.AppendKey(nil, l.workspace, subject, l.declared.Provider))
	} else {
		set, refused := l.set(reader, row, subject)
		if refused != nil {
			return refused
		}
		if set == nil {
			l.result.Empty++
			return nil
		}
		if l.codec != nil {
			record = l.codec.Record(set)
		}
	}
	l.result.Imported++
	if l.command.DryRun || l.result.Lines <= l.done {
		return nil
	}
	l.batch = append(l.batch, record)
	return nil
}

func (l *importLoad) set(reader boundSchema, row *importRow, subject attributes.Subject) (*attributes.Set, *refusal) {
	set := attributes.For(l.workspace, subject, l.declared.Provider)
	set.Party, set.Licence, set.Purpose = l.declared.Party, l.declared.Licence, l.declared.Purpose
	set.UpdatedAt = schemas.MillisOf(l.asOf)
	var refused *refusal
	if set.ValidFrom, refused = reader.from.at(row); refused != nil {
		return nil, refused
	}
	if set.ValidUntil, refused = reader.until.at(row); refused != nil {
		return nil, refused
	}
	if set.ValidFrom.Valid && set.ValidUntil.Valid && set.ValidUntil.Value <= set.ValidFrom.Value {
		return nil, &refusal{Line: row.line, Column: reader.until.name, Reason: "bad_period", Advice: "it ends before it begins: give a later end"}
	}
	if set.Values, refused = reader.values(row, set.UpdatedAt); refused != nil {
		return nil, refused
	}
	if len(set.Values) == 0 {
		return nil, nil
	}
	if err := attributes.Validate(set); err != nil { // What a line can bring is checked by now; the rest is the schema's.
		return nil, &refusal{Line: row.line, Reason: "bad_record", Advice: "the schema makes a record of it that cannot be stored: look at its names and texts"}
	}
	return set, nil
}

// flush writes the batch and then notes how far the import is: a crash in between writes the same records again, which changes nothing.
func (l *importLoad) flush(ctx context.Context, point *checkpoint) error {
	if l.command.DryRun {
		return nil
	}
	if err := l.kafka.Produce(ctx, l.batch...); err != nil {
		return fmt.Errorf("write to %s: %w; run it again, what is in already is not changed by it", stream.Attributes, err)
	}
	clear(l.batch)
	l.batch = l.batch[:0]
	point.Lines = max(point.Lines, l.result.Lines)
	return point.save()
}

// removeAll takes back all that a provider said, by reading which keys there are.
func (c importAttributesCommand) removeAll(ctx context.Context, g globals, std streams, cfg up.Config) error {
	kafka, err := stream.Connect(cfg.Kafka, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer kafka.Close()
	if err := kafka.EnsureTopics(ctx, stream.Attributes); err != nil {
		return fmt.Errorf("import attributes --remove: %w", err)
	}
	ends, err := kafka.EndOffsets(ctx, stream.Attributes)
	if err != nil {
		return fmt.Errorf("import attributes --remove: %w", err)
	}
	removed := 0
	for partition := range ends {
		extent, err := kafka.Extent(ctx, stream.Attributes, partition)
		if err != nil {
			return fmt.Errorf("import attributes --remove: %w", err)
		}
		err = kafka.ReadBack(ctx, stream.Attributes, partition, extent.Start, extent.End, func(ctx context.Context, records []*stream.Record) error {
			var batch []*stream.Record
			for _, r := range records {
				workspace, subject, provider, err := attributes.ParseKey(r.Key)
				if err == nil && r.Value != nil && provider == c.Provider && workspace == cfg.Workspace.Name && c.concerns(subject.Kind) {
					batch = append(batch, attributes.Tombstone(slices.Clone(r.Key)))
				}
			}
			removed += len(batch)
			if c.DryRun {
				return nil
			}
			return kafka.Produce(ctx, batch...)
		})
		if err != nil {
			return fmt.Errorf("import attributes --remove: %w", err)
		}
	}
	return table(std.out, g.Output, []string{"what", "number"}, [][]string{{"records taken back", strconv.Itoa(removed)}})
}

// concerns says whether --key is about subjects of a kind.
func (c importAttributesCommand) concerns(kind attributes.SubjectKind) bool {
	switch c.Key {
	case "postcode", "commune", "iris":
		return string(kind) == c.Key
	}
	return kind == attributes.Node
}
