package simulate

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// LedgerLine is the answer to one event of one request: what was acknowledged must be found again.
type LedgerLine struct {
	MessageID string `json:"message_id"`
	Source    string `json:"source"`
	// Status is that of HTTP; 0 means that no answer came before the sender gave up, 200 also stands for Kafka's
	// acknowledgement.
	Status   int  `json:"status"`
	Attempts int  `json:"attempts"`
	Repeat   bool `json:"repeat,omitempty"`
	// Wrong names the mistake made on purpose: the event has to be found among the rejected ones.
	Wrong string `json:"wrong,omitempty"`
}

type ledger struct {
	mu   sync.Mutex
	out  *bufio.Writer
	json *json.Encoder
}

func newLedger(out io.Writer) *ledger {
	if out == nil {
		return nil
	}
	w := bufio.NewWriter(out)
	return &ledger{out: w, json: json.NewEncoder(w)}
}

// enter writes one line for each event and hands them to the operating system before the next delivery is sent.
func (l *ledger) enter(d *Delivery, status, attempts int) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range d.Events {
		line := LedgerLine{MessageID: e.MessageID, Source: e.Source, Status: status, Attempts: attempts, Repeat: d.Repeat, Wrong: e.Wrong}
		if err := l.json.Encode(line); err != nil {
			return fmt.Errorf("write ledger: %w", err)
		}
	}
	if err := l.out.Flush(); err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	return nil
}

// ReadLedger hands every line of a ledger to each.
func ReadLedger(in io.Reader, each func(LedgerLine) error) error {
	decoder := json.NewDecoder(bufio.NewReaderSize(in, 1<<16))
	for decoder.More() {
		var line LedgerLine
		if err := decoder.Decode(&line); err != nil {
			return fmt.Errorf("read ledger: %w", err)
		}
		if err := each(line); err != nil {
			return err
		}
	}
	return nil
}
