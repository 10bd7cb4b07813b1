package evidence

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// check holds what every writer of a pair promises.
func (e *Edge) check() error {
	if e.Class > WorstClass {
		return fmt.Errorf("class %d is over %d", e.Class, WorstClass)
	}
	if e.Score > fullScore {
		return fmt.Errorf("score %d is over %d", e.Score, fullScore)
	}
	return errors.Join(
		checkPair(e.A.Node, e.B.Node),
		checkTime("first seen", e.FirstSeen),
		checkName("workspace", e.Workspace),
		checkName("type of the first node", e.A.Type),
		checkName("type of the second node", e.B.Type),
		checkText("source", e.Source, MaxText),
	)
}

func (c *Cut) check() error {
	return errors.Join(checkPair(c.A, c.B), checkName("workspace", c.Workspace), c.Note.check())
}

func (v *Verdict) check() error {
	if v.Ruling > Allowed {
		return fmt.Errorf("ruling %d is not known", v.Ruling)
	}
	return errors.Join(checkName("workspace", v.Workspace), v.Note.check())
}

func (e *Erase) check() error {
	if len(e.Nodes) == 0 {
		return errors.New("an erasure without nodes erases nothing")
	}
	if len(e.Nodes) > MaxErase {
		return tooManyNodes(len(e.Nodes))
	}
	return errors.Join(checkName("workspace", e.Workspace), e.Note.check())
}

func tooManyNodes(n int) error {
	return fmt.Errorf("an erasure of %d nodes: one has %d at most", n, MaxErase)
}

func (s *Suppress) check() error {
	return errors.Join(checkName("workspace", s.Workspace), checkTime("time of erasure", s.At))
}

func (r *Rules) check() error {
	return errors.Join(
		checkName("workspace", r.Workspace),
		checkText("configuration", r.Configuration, MaxText),
		r.Note.check(),
		r.Rules.check(),
	)
}

func (e *Engine) check() error {
	if e.Number == 0 {
		return errors.New("engines are numbered from 1")
	}
	return errors.Join(checkName("workspace", e.Workspace), e.Note.check())
}

func (d *Digest) check() error {
	if d.Position < 0 {
		return fmt.Errorf("position %d is before the log", d.Position)
	}
	return checkName("workspace", d.Workspace)
}

// check looks at the key alone: the rest of a tombstone's record is zero.
func (t *Tombstone) check() error {
	var workspace string
	var pair error
	switch of := t.Of.(type) {
	case *Edge:
		workspace, pair = of.Workspace, checkPair(of.A.Node, of.B.Node)
	case *Cut:
		workspace, pair = of.Workspace, checkPair(of.A, of.B)
	case *Verdict:
		workspace = of.Workspace
	case *Erase:
		workspace = of.Workspace
	case *Suppress:
		workspace = of.Workspace
	case *Rules:
		workspace = of.Workspace
	case *Engine:
		workspace = of.Workspace
	case *Digest:
		workspace = of.Workspace
	default:
		return fmt.Errorf("a tombstone of %T takes nothing back", t.Of)
	}
	if workspace != t.Workspace {
		return fmt.Errorf("a tombstone of workspace %q for a key of %q", t.Workspace, workspace)
	}
	return errors.Join(pair, checkName("workspace", workspace))
}

func (n Note) check() error {
	return errors.Join(
		checkTime("time of the ruling", n.At),
		checkText("author", n.Author, MaxText),
		checkText("reason", n.Reason, MaxReason),
	)
}

func checkPair(a, b uuid.UUID) error {
	if bytes.Compare(a[:], b[:]) >= 0 {
		return errors.New("the nodes are not two in ascending order")
	}
	return nil
}

func checkTime(what string, at int64) error {
	if at < 0 || at > MaxTime {
		return fmt.Errorf("%s %d is out of range", what, at)
	}
	return nil
}

// checkName refuses an empty text, too.
func checkName(what, text string) error {
	if text == "" {
		return fmt.Errorf("the %s is empty", what)
	}
	return checkText(what, text, MaxText)
}

func checkText(what, text string, longest int) error {
	if len(text) > longest {
		return fmt.Errorf("the %s is %d bytes long: give %d at most", what, len(text), longest)
	}
	return nil
}
