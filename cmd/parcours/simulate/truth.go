package simulate

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"
)

// TruthLine is one line of the truth: a person when first met, or one of their events. The events of a person follow
// its line; every event of the simulation stands here once, however often it was delivered.
type TruthLine struct {
	Kind   string `json:"kind"` // person or event
	Person string `json:"person"`

	// Of a person.
	Persona     string       `json:"persona,omitempty"`
	Household   string       `json:"household,omitempty"`
	Name        string       `json:"name,omitempty"`
	Identifiers []Identifier `json:"identifiers,omitempty"`
	Devices     []string     `json:"devices,omitempty"`
	Cards       []string     `json:"cards,omitempty"`
	Shares      []string     `json:"shares,omitempty"`

	// Of an event.
	MessageID string    `json:"message_id,omitempty"`
	Source    string    `json:"source,omitempty"`
	EventName string    `json:"event,omitempty"`
	At        time.Time `json:"at,omitzero"`
	// IDs are the identifiers that the event shows.
	IDs []Identifier `json:"ids,omitempty"`
	// Wrong names the mistake made on purpose; such an event has to be refused.
	Wrong string `json:"wrong,omitempty"`
	// Cases name the hard cases of real life that touch the event, as [Case] has them.
	Cases []string `json:"cases,omitempty"`
}

// Kinds of truth lines.
const (
	TruthPerson = "person"
	TruthEvent  = "event"
)

// truthWriter writes people when first met. Memory: one bit a person.
type truthWriter struct {
	s    *Simulation
	out  *bufio.Writer
	json *json.Encoder
	met  []uint64
	p    person
}

func newTruthWriter(s *Simulation, out io.Writer) *truthWriter {
	w := bufio.NewWriterSize(out, 1<<16)
	t := &truthWriter{s: s, out: w, json: json.NewEncoder(w), met: make([]uint64, (s.cfg.Customers+s.bots())/64+1)}
	t.json.SetEscapeHTML(false)
	return t
}

// WriteTruth lives the days once more and writes who is really who, without sending anything.
func (s *Simulation) WriteTruth(out io.Writer) error {
	t := newTruthWriter(s, out)
	for d := range s.Deliveries() {
		if err := t.delivery(d); err != nil {
			return err
		}
	}
	return t.flush()
}

func personName(who int) string {
	if who < 0 {
		return "bot-" + strconv.Itoa(-who)
	}
	return "p-" + strconv.Itoa(who)
}

func (t *truthWriter) delivery(d *Delivery) error {
	if d.Repeat {
		return nil
	}
	for _, e := range d.Events {
		at := e.Person + t.s.bots()
		if bit := uint64(1) << (at % 64); t.met[at/64]&bit == 0 {
			t.met[at/64] |= bit
			if err := t.json.Encode(t.describe(e.Person)); err != nil {
				return fmt.Errorf("write truth: %w", err)
			}
		}
		line := TruthLine{
			Kind: TruthEvent, Person: personName(e.Person), MessageID: e.MessageID, Source: e.Source, EventName: e.Name, At: e.Occurred(),
			IDs: e.Identifiers(), Wrong: e.Wrong, Cases: e.Cases.names(),
		}
		if err := t.json.Encode(&line); err != nil {
			return fmt.Errorf("write truth: %w", err)
		}
	}
	return nil
}

func (t *truthWriter) flush() error {
	if err := t.out.Flush(); err != nil {
		return fmt.Errorf("write truth: %w", err)
	}
	return nil
}

// describe says who somebody is; what others use as well is named in Shares.
func (t *truthWriter) describe(who int) *TruthLine {
	l := &TruthLine{Kind: TruthPerson, Person: personName(who), Persona: crawler.String()}
	if who < 0 {
		return l
	}
	p := &t.p
	t.s.person(who, p)
	l.Persona, l.Household, l.Name = p.persona.String(), "h-"+strconv.Itoa(p.house.head), p.first+" "+p.house.last
	add := func(kind, value string) {
		if value != "" {
			l.Identifiers = append(l.Identifiers, Identifier{Type: kind, Value: value})
		}
	}
	add("user_id", p.userID)
	add("loyalty_card", p.card)
	add("email", p.email)
	add("email", p.variant)
	add("email", p.second)
	add("phone", p.phone)
	add("payment_reference", p.bank)
	if p.card != "" {
		l.Cards = []string{p.card}
	}
	for slot, v := range p.devices {
		if v == nil {
			continue
		}
		l.Devices = append(l.Devices, deviceNames[slot])
		switch slot {
		case app:
			add("device_id", t.s.installation(v))
		case tablet, lentPhone, usedLaptop, kiosk:
			l.Shares = append(l.Shares, deviceNames[slot])
		}
		add("anonymous_id", t.s.cookie(v, 0))
	}
	if p.house.card && p.card != "" {
		l.Shares = append(l.Shares, "loyalty card")
	}
	for _, shared := range []struct {
		is   bool
		what string
	}{{p.house.bankCard, "bank card"}, {p.family, "e-mail address"}, {p.landLine, "land line"}, {p.house.sharedPhone && p.index < p.house.head+2, "phone"}} {
		if shared.is {
			l.Shares = append(l.Shares, shared.what)
		}
	}
	return l
}

var deviceNames = [slots]string{"computer", "phone", "app", "household tablet", "lent phone", "second-hand computer", "kiosk"}

// ReadTruth hands every line of a truth to each.
func ReadTruth(in io.Reader, each func(*TruthLine) error) error {
	decoder := json.NewDecoder(bufio.NewReaderSize(in, 1<<16))
	for n := 1; decoder.More(); n++ {
		var line TruthLine
		if err := decoder.Decode(&line); err != nil {
			return fmt.Errorf("read truth, line %d: %w", n, err)
		}
		if err := each(&line); err != nil {
			return err
		}
	}
	return nil
}
