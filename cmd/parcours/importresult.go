package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// refusal says why a line is not in, without a value of it.
type refusal struct {
	Line   int64  `json:"line"`
	Column string `json:"column,omitempty"`
	Reason string `json:"reason"`
	Advice string `json:"what_to_do"`
}

// importResult is what came of an import.
type importResult struct {
	Lines    int64 `json:"lines"`
	Imported int64 `json:"imported"`
	// Empty lines have a key and no value.
	Empty   int64            `json:"empty"`
	Refused int64            `json:"refused"`
	Reasons map[string]int64 `json:"refused_by_reason,omitempty"`
	// First refusals, for people without a report.
	First []refusal `json:"first_refused,omitempty"`
}

const shownRefusals = 20

func (r *importResult) refuse(why *refusal) {
	if r.Reasons == nil {
		r.Reasons = map[string]int64{}
	}
	r.Reasons[why.Reason]++
	if len(r.First) < shownRefusals {
		r.First = append(r.First, *why)
	}
}

func (r *importResult) refused() (n int64) {
	for _, count := range r.Reasons {
		n += count
	}
	return n
}

// print ends with errDifferences, and so exit code 3, when lines were refused.
func (r *importResult) print(std streams, output string, c importAttributesCommand) error {
	done := "imported"
	switch {
	case c.Remove:
		done = "taken back"
	case c.DryRun:
		done = "would be imported"
	}
	if output == "json" {
		if err := toJSON(std.out, r); err != nil {
			return err
		}
	} else {
		rows := [][]string{{"read", strconv.FormatInt(r.Lines, 10)}, {done, strconv.FormatInt(r.Imported, 10)}, {"without a value", strconv.FormatInt(r.Empty, 10)}}
		for _, reason := range slices.Sorted(maps.Keys(r.Reasons)) {
			rows = append(rows, []string{"refused: " + reason, strconv.FormatInt(r.Reasons[reason], 10)})
		}
		if err := table(std.out, output, []string{"lines", "number"}, rows); err != nil {
			return err
		}
	}
	if r.Refused == 0 {
		return nil
	}
	for _, f := range r.First {
		place := fmt.Sprintf("line %d", f.Line)
		if f.Column != "" { // A fault of the whole line has none.
			place += fmt.Sprintf(", column %q", f.Column)
		}
		fmt.Fprintf(std.err, "%s: %s\n", place, f.Advice)
	}
	if r.Refused > int64(len(r.First)) {
		fmt.Fprintf(std.err, "and %d more: --report FILE lists them all.\n", r.Refused-int64(len(r.First)))
	}
	return errDifferences
}

// refusals are the two files about refused lines.
type refusals struct {
	report  *csv.Writer
	rejects *bufio.Writer
	files   []*os.File
}

func openRefusals(c importAttributesCommand, header []byte) (*refusals, error) {
	r := &refusals{}
	open := func(path string) (io.Writer, error) {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		r.files = append(r.files, file)
		return file, nil
	}
	if c.Report != "" {
		to, err := open(c.Report)
		if err != nil {
			return nil, err
		}
		r.report = csv.NewWriter(to)
		if err := r.report.Write([]string{"line", "column", "reason", "what_to_do"}); err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	if c.Rejects != "" {
		to, err := open(c.Rejects)
		if err != nil {
			return nil, err
		}
		r.rejects = bufio.NewWriter(to)
		if header != nil {
			if _, err := r.rejects.Write(append(header, '\n')); err != nil {
				return nil, errors.Join(err, r.close())
			}
		}
	}
	return r, nil
}

func (r *refusals) write(why *refusal, row *importRow) error {
	if r.report != nil {
		if err := r.report.Write([]string{strconv.FormatInt(why.Line, 10), why.Column, why.Reason, why.Advice}); err != nil {
			return fmt.Errorf("write --report: %w", err)
		}
	}
	if r.rejects != nil {
		if _, err := r.rejects.Write(append(row.raw, '\n')); err != nil {
			return fmt.Errorf("write --rejects: %w", err)
		}
	}
	return nil
}

func (r *refusals) close() (err error) {
	if r.report != nil {
		r.report.Flush()
		err = r.report.Error()
	}
	if r.rejects != nil {
		err = errors.Join(err, r.rejects.Flush())
	}
	for _, file := range r.files {
		err = errors.Join(err, file.Close())
	}
	return err
}

// importProgress is a bar on a terminal, a line every few seconds elsewhere.
type importProgress struct {
	out   io.Writer
	bar   *progressbar.ProgressBar
	total int64
	shown time.Time
}

func newImportProgress(out io.Writer) *importProgress {
	return &importProgress{out: out, shown: time.Now()}
}

const (
	progressEvery = 5 * time.Second
	progressLines = 1024
)

func (p *importProgress) begin(total int64) {
	p.total = max(total, 1)
	if file, is := p.out.(*os.File); is && term.IsTerminal(int(file.Fd())) {
		p.bar = progressbar.NewOptions64(p.total, progressbar.OptionSetWriter(p.out), progressbar.OptionSetWidth(28), progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(80*time.Millisecond), progressbar.OptionSetElapsedTime(false))
	}
}

func (p *importProgress) show(position int64, r *importResult) {
	if r.Lines%progressLines != 0 {
		return
	}
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("%d lines, %d refused", r.Lines, r.refused()))
		_ = p.bar.Set64(min(position, p.total)) // a bar that cannot be drawn must not end the import
		return
	}
	if time.Since(p.shown) < progressEvery {
		return
	}
	p.shown = time.Now()
	fmt.Fprintf(p.out, "import attributes: %d lines, %d refused (%d %%)\n", r.Lines, r.refused(), 100*min(position, p.total)/p.total)
}

func (p *importProgress) end() {
	if p.bar != nil {
		_ = p.bar.Finish() // as above
	}
}
