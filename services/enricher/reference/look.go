package reference

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"
)

// holding is one data set of a library.
type holding struct {
	dataset Dataset
	keep    keep
	// table in force; nil when there is none.
	table *table
	// seen is the mark of the last look and sum the checksum of then; changed is when the youngest file was written.
	seen, sum string
	changed   time.Time
	// settled is the mark about which is decided: taken or refused.
	settled string
	// why the file is not in force; empty when it is, or when there never was one. told is what was said of which look.
	why, told string
	// rows of the last edition that was in force.
	rows int
}

// Why a file is refused, as the metric has it.
const (
	Unreadable = "unreadable"
	Malformed  = "malformed"
	TooFewRows = "too_few_rows"
	LostRows   = "lost_rows"
)

// refusal says why files do not come into force.
type refusal struct {
	reason string
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// look tells whether another edition is to come into force.
func (l *Library) look(h *holding) bool {
	if l.cfg.excluded(h.dataset.Name) {
		return false
	}
	found, err := l.cfg.find(h.dataset)
	if err != nil {
		l.refuse(h, &refusal{Unreadable, err})
		return false
	}
	if len(found) == 0 {
		l.gone(h)
		return false
	}
	mark := markOf(found)
	switch {
	case mark == h.settled:
		return false
	case mark != h.seen:
		l.first(h, found, mark)
		return false
	}
	edition, err := l.second(h, found)
	if errors.Is(err, errChanging) {
		h.seen = "" // Begin again.
		return false
	}
	var refused *refusal
	if errors.As(err, &refused) {
		if refused.reason != Unreadable { // Which may end without a change of the file.
			h.settled = mark
		}
		l.refuse(h, refused)
		return false
	}
	h.settled = mark
	l.accept(h)
	if edition == nil {
		return false // What is in force already.
	}
	l.force(h, *edition)
	return true
}

// first is the first look at files: their checksum is noted.
func (l *Library) first(h *holding, found []candidate, mark string) {
	sum, err := checksum(filesOf(found))
	if err != nil {
		l.refuse(h, &refusal{Unreadable, err})
		return
	}
	h.seen, h.sum, h.changed = mark, sum, time.Time{}
	for _, c := range found {
		if c.changed.After(h.changed) {
			h.changed = c.changed
		}
	}
}

// second is the second look: the files are copied, and if they are what the first look showed they are loaded. It returns nil for the edition in force.
func (l *Library) second(h *holding, found []candidate) (*Edition, error) {
	name := h.dataset.Name
	if h.table != nil && h.table.Sum == h.sum {
		sum, err := checksum(filesOf(found))
		switch {
		case err != nil:
			return nil, &refusal{Unreadable, err}
		case sum != h.sum:
			return nil, errChanging
		}
		return nil, nil
	}
	copies, sum, err := h.keep.copy(filesOf(found))
	if err != nil {
		return nil, &refusal{Unreadable, fmt.Errorf("take over the file: %w", err)}
	}
	discard := func() {
		if h.table != nil && h.table.Sum == sum {
			return
		}
		if err := os.RemoveAll(h.keep.edition(sum)); err != nil {
			l.log.Warn("a copy of reference data could not be removed", zap.String("dataset", name), zap.Error(err))
		}
	}
	again, err := l.cfg.find(h.dataset)
	if err != nil || markOf(again) != h.seen || sum != h.sum {
		discard()
		return nil, errChanging
	}
	loaded, err := l.cfg.judge(h.dataset, copies, h.rows)
	if err != nil {
		discard()
		return nil, err
	}
	if err := h.keep.take(record{Sum: sum, Rows: loaded.Rows, Files: names(copies)}); err != nil {
		l.log.Warn("reference data is in force, but a restart may not find its copy", zap.String("dataset", name), zap.Error(err))
	}
	return &Edition{Dataset: name, Sum: sum, Loaded: loaded}, nil
}

// judge loads files and refuses what cannot be right. Before is how many rows the edition in force has.
func (c Config) judge(d Dataset, files []File, before int) (Loaded, error) {
	loaded, err := d.load(files)
	if err != nil {
		return Loaded{}, &refusal{Malformed, err}
	}
	least, given := c.Least[d.Name]
	if !given {
		least = max(d.Least, 1)
	}
	var refused *refusal
	switch {
	case loaded.Rows < least:
		refused = &refusal{TooFewRows, fmt.Errorf("it has %d rows and a whole edition %d or more; if it is whole, set enricher.reference.least.%s", loaded.Rows, least, d.Name)}
	case !given && loaded.Rows*2 < before:
		refused = &refusal{LostRows, fmt.Errorf("it has %d rows and the one in force %d; if that is right, set enricher.reference.least.%s to %d", loaded.Rows, before, d.Name, loaded.Rows)}
	default:
		return loaded, nil
	}
	if loaded.Close != nil {
		refused.err = errors.Join(refused.err, loaded.Close())
	}
	return Loaded{}, refused
}

// refuse leaves in force what is, and says so once for each cause.
func (l *Library) refuse(h *holding, r *refusal) {
	l.amiss(h, "the file is refused: "+oneLine(r.Error()), func() {
		l.metrics.refusals.WithLabelValues(h.dataset.Name, r.reason).Inc()
		l.log.Warn("reference data refused; repair or replace the file, or put the one before back", zap.String("dataset", h.dataset.Name),
			zap.String("reason", r.reason), zap.String("in_force", h.inForce()), zap.Error(r.err))
	})
}

// gone is for files that were there once.
func (l *Library) gone(h *holding) {
	h.seen, h.settled = "", ""
	if h.table == nil {
		l.accept(h)
		return
	}
	l.amiss(h, "the file is gone and its last good copy in use", func() {
		l.log.Warn("the file of reference data is gone and its last good copy stays in force; put it back, or leave the data set out with an empty path in enricher.reference.files",
			zap.String("dataset", h.dataset.Name), zap.String("in_force", h.inForce()))
	})
}

func (l *Library) amiss(h *holding, why string, tell func()) {
	h.why = why
	told := h.seen + why
	if h.told == told {
		return
	}
	h.told = told
	l.metrics.refused.WithLabelValues(h.dataset.Name).Set(1)
	tell()
}

func (l *Library) accept(h *holding) {
	h.why, h.told = "", ""
	l.metrics.refused.WithLabelValues(h.dataset.Name).Set(0)
}

func (h *holding) inForce() string {
	if h.table == nil {
		return "none"
	}
	return h.table.Version()
}

func names(files []File) []string {
	var all []string
	for _, file := range files {
		all = append(all, file.Name)
	}
	return all
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "; ") }
