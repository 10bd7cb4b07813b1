package simulate

import (
	"container/heap"
	"fmt"
	"iter"
	"time"
)

// Simulation is a population ready to live. It is inert: every call of Deliveries lives the same days again.
type Simulation struct {
	cfg      Config
	lists    *lists
	zones    map[string]*days
	mailings []letter
}

// New checks the configuration and reads the embedded lists.
func New(cfg Config) (*Simulation, error) {
	cfg = cfg.withDefaults(time.Now())
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	l, err := readLists()
	if err != nil {
		return nil, fmt.Errorf("simulate: %w", err)
	}
	s := &Simulation{cfg: cfg, lists: l, zones: map[string]*days{}}
	for i := range l.towns {
		s.addZone(l.towns[i].zone)
	}
	for i := range l.stores {
		s.addZone(l.stores[i].zone)
	}
	s.addZone(paris)
	s.mailings = letters(s.zone(paris))
	return s, nil
}

// Config is the configuration with its defaults filled in.
func (s *Simulation) Config() Config { return s.cfg }

func (s *Simulation) addZone(at *time.Location) {
	if s.zones[at.String()] == nil {
		s.zones[at.String()] = newDays(s.cfg.Start, s.cfg.Days, at)
	}
}

// zone returns the days of one of the zones of the lists.
func (s *Simulation) zone(at *time.Location) *days { return s.zones[at.String()] }

// letter is one newsletter.
type letter struct {
	at            int64
	name, content string
	subject       string
}

var letterThemes = [...]letter{
	{name: "selection-de-la-semaine", content: "hero", subject: "La sélection de la semaine"},
	{name: "vente-privee-carte", content: "bandeau", subject: "Vente privée : votre carte vous ouvre la porte"},
	{name: "idees-cadeaux", content: "hero", subject: "Idées cadeaux à moins de 30 €"},
	{name: "nouveautes-maison", content: "mosaique", subject: "Les nouveautés maison sont là"},
	{name: "livraison-offerte", content: "bandeau", subject: "48 h de livraison offerte"},
	{name: "coin-des-enfants", content: "hero", subject: "Le coin des enfants"},
	{name: "carnet-du-jardin", content: "mosaique", subject: "Au jardin ce mois-ci"},
}

// letters: one on Tuesday and Thursday at nine, one on Saturday at half past ten.
func letters(z *days) []letter {
	var all []letter
	for i, weekday := range z.weekday[:len(z.weekday)-1] {
		at := map[int]int64{1: 9 * hour, 3: 9 * hour, 5: 10*hour + 30*minute}[weekday]
		if at == 0 {
			continue
		}
		m := letterThemes[len(all)%len(letterThemes)]
		m.at = z.midnight[i] + at
		m.name = time.UnixMilli(m.at).UTC().Format("0601-") + m.name
		all = append(all, m)
	}
	return all
}

// next is the next visit of somebody: sixteen bytes each, the only memory that grows with the population.
type next struct {
	at    int64
	who   int32 // index, or -1-n for the n-th bot
	visit int32 // place in the plan
}

type nextHeap []next

func (h nextHeap) Len() int { return len(h) }
func (h nextHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].who < h[j].who
}
func (h nextHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *nextHeap) Push(x any)   { *h = append(*h, x.(next)) }
func (h *nextHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

func (s *Simulation) bots() int { return 1 + s.cfg.Customers/400 }

// Deliveries yields every delivery in the order in which the collector would see it.
func (s *Simulation) Deliveries() iter.Seq[*Delivery] {
	return func(yield func(*Delivery) bool) {
		r := &run{s: s, out: newOutbox(s)}
		r.prepare()
		for len(r.queue) > 0 {
			if !r.out.release(r.queue[0].at, yield) {
				return
			}
			r.step()
		}
		r.out.finish(yield)
	}
}

// run is one pass through the days.
type run struct {
	s       *Simulation
	out     *outbox
	queue   nextHeap
	person  person
	visits  []visit
	loaded  int
	stage   scene
	hasPlan bool
}

func (r *run) load(who int) {
	if r.hasPlan && r.loaded == who {
		return
	}
	r.loaded, r.hasPlan = who, true
	if who < 0 {
		r.visits = r.s.botPlan(-1-who, r.visits)
		return
	}
	r.s.person(who, &r.person)
	r.visits = r.s.plan(&r.person, r.visits)
}

func (r *run) prepare() {
	r.queue = make(nextHeap, 0, r.s.cfg.Customers+r.s.bots())
	for who := -r.s.bots(); who < r.s.cfg.Customers; who++ {
		r.load(who)
		if len(r.visits) > 0 {
			r.queue = append(r.queue, next{at: r.visits[0].at, who: int32(who)})
		}
	}
	heap.Init(&r.queue)
}

// step plays the earliest visit and puts the next one of the same person into its place.
func (r *run) step() {
	n := r.queue[0]
	r.load(int(n.who))
	r.stage.play(r.s, &r.person, r.visits, int(n.visit), int(n.who), r.out)
	if n.visit++; int(n.visit) < len(r.visits) {
		n.at = r.visits[n.visit].at
		r.queue[0] = n
		heap.Fix(&r.queue, 0)
		return
	}
	heap.Pop(&r.queue)
}
