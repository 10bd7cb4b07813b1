package simulate

import (
	"cmp"
	"container/heap"
	"math"
)

// Delivery is one request as a client sends it: one event of a browser, a batch of an app, a shop or a back office.
// It is read-only once yielded.
type Delivery struct {
	At     int64  // simulated moment of sending, milliseconds since 1970
	Source string // whose write key is used
	Events []*Event
	Repeat bool  // the same request once more: the client did not hear the answer
	Clock  int64 // error of the sender's clock, milliseconds
	Lane   uint64
	seq    uint64
}

// Browser tells whether the delivery is a browser's single event.
func (d *Delivery) Browser() bool { return d.Source == Web }

type deliveryHeap []*Delivery

func (h deliveryHeap) Len() int { return len(h) }
func (h deliveryHeap) Less(i, j int) bool {
	return h[i].At < h[j].At || h[i].At == h[j].At && h[i].seq < h[j].seq
}
func (h deliveryHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *deliveryHeap) Push(x any)   { *h = append(*h, x.(*Delivery)) }
func (h *deliveryHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}

// outbox holds what was made and not yet sent: visits in progress, batches that fill, shops that are offline.
type outbox struct {
	s       *Simulation
	d       *dice
	waiting deliveryHeap
	filling map[string]*Delivery // by source, shop and whether offline
	seq     uint64
	events  int // yielded, each once
	stopped bool
}

func newOutbox(s *Simulation) *outbox {
	return &outbox{s: s, d: throw(s.cfg.Seed, forDelivery, 0, 0), filling: map[string]*Delivery{}}
}

const (
	appBatch    = 20
	serverBatch = 100
	tillBatch   = 40
)

// take turns the events of a visit into deliveries.
func (o *outbox) take(c *scene) {
	switch c.source {
	case Web:
		sent := int64(0)
		for _, e := range c.events { // one connection: requests do not overtake each other
			sent = max(e.At+int64(o.d.between(40, 900)), sent+1)
			o.add(&Delivery{At: sent, Source: Web, Events: []*Event{e}, Clock: e.Clock, Lane: lane(cmp.Or(e.Anonymous, c.anon))})
		}
	case App:
		late := int64(0)
		if o.d.chance(.05) { // no network: the batches wait in the telephone
			late = int64(o.d.waiting(float64(5 * hour)))
		}
		for from := 0; from < len(c.events); from += appBatch {
			part := append([]*Event(nil), c.events[from:min(from+appBatch, len(c.events))]...)
			o.add(&Delivery{At: part[len(part)-1].At + late + int64(o.d.between(1000, 9000)), Source: App, Events: part, Clock: part[0].Clock, Lane: lane(cmp.Or(part[0].Anonymous, c.anon))})
		}
	case POS:
		for _, e := range c.events {
			r := e.Commerce.receipt()
			if r.Offline { // the shop's box uploads at night, once the line is back
				z := o.s.zone(paris)
				night := z.midnight[z.dayOf(e.At)] + 23*hour + int64(lane(r.Store)%(40*uint64(minute)))
				o.fill("offline/"+r.Store, e, max(night, e.At+5*minute), tillBatch)
				continue
			}
			o.fill("till/"+r.Store, e, e.At+3*minute, tillBatch)
		}
	default:
		for _, e := range c.events {
			o.fill(c.source, e, e.At+2*minute, serverBatch)
		}
	}
}

func (c *Commerce) receipt() *Receipt {
	if c == nil || c.Receipt == nil {
		return &Receipt{}
	}
	return c.Receipt
}

// fill appends an event to the batch of that name, which leaves at a time fixed when it was opened.
func (o *outbox) fill(name string, e *Event, leaves int64, size int) {
	b := o.filling[name]
	if b == nil || b.At <= e.At || len(b.Events) >= size {
		b = &Delivery{At: leaves, Source: e.Source, Clock: e.Clock, Lane: lane(name)}
		o.filling[name] = b
		o.add(b)
	}
	b.Events = append(b.Events, e)
}

func (o *outbox) add(d *Delivery) {
	o.seq++
	d.seq = o.seq
	heap.Push(&o.waiting, d)
}

// release yields what was sent before the given moment; nothing made later can be sent earlier.
func (o *outbox) release(before int64, yield func(*Delivery) bool) bool {
	for !o.stopped && len(o.waiting) > 0 && o.waiting[0].At < before {
		d := heap.Pop(&o.waiting).(*Delivery)
		if !d.Repeat {
			if limit := o.s.cfg.Events; limit > 0 && o.events+len(d.Events) >= limit {
				d.Events = d.Events[:limit-o.events]
				o.stopped = true
			}
			o.events += len(d.Events)
			o.repeat(d)
		}
		if !yield(d) {
			o.stopped = true
		}
	}
	return !o.stopped
}

// repeat decides whether the client will send the request once more: soon after a lost answer, or hours later when a
// browser finds it in its storage.
func (o *outbox) repeat(d *Delivery) {
	var wait float64
	switch x := o.d.float(); {
	case x < .012:
		wait = float64(20 * second)
	case x < .016:
		wait = float64(6 * hour)
	default:
		return
	}
	again := *d
	again.At, again.Repeat = d.At+second+int64(o.d.waiting(wait)), true
	o.add(&again)
}

func (o *outbox) finish(yield func(*Delivery) bool) { o.release(math.MaxInt64, yield) }

// lane keeps the requests of one sender in order when several are sent at once.
func lane(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return mix(h)
}
