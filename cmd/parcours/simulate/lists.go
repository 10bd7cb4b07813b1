package simulate

import (
	"embed"
	"fmt"
	"strconv"
	"strings"
	"time"
)

//go:embed data
var files embed.FS

type firstName struct {
	name string
	sex  byte
	peak int
}

type store struct {
	id, name, street, postcode, city string
	zone                             *time.Location
	opens, closes                    int
	sunday                           bool
	registers, weight                int
}

type town struct {
	city, postcode string
	weight         int
	store          int // index in stores, -1 when none is near
	zone           *time.Location
	overseas       string // 97 prefix of the department, empty in the metropole
}

type product struct {
	id, category, brand, name, slug string
	price, weight                   int // cents
	variants                        []string
}

type agent struct {
	kind          string
	weight        int
	width, height int
	userAgent     string
}

type handset struct {
	os                           string
	weight                       int
	manufacturer, model, version string
	width, height                int
}

// lists are the embedded tables, read once.
type lists struct {
	firstNames []firstName
	lastNames  []string
	stores     []store
	towns      []town
	products   []product
	agents     map[string][]agent
	handsets   []handset

	townWeights, productWeights, storeWeights, handsetWeights weights
	agentWeights                                              map[string]weights
}

// table hands each line of an embedded file to row, split at tabs.
func table(name string, columns int, row func(field []string) error) error {
	text, err := files.ReadFile("data/" + name)
	if err != nil {
		return fmt.Errorf("read embedded list: %w", err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		field := strings.Split(line, "\t")
		if len(field) != columns {
			return fmt.Errorf("embedded list %s line %d: %d columns, want %d", name, i+1, len(field), columns)
		}
		if err := row(field); err != nil {
			return fmt.Errorf("embedded list %s line %d: %w", name, i+1, err)
		}
	}
	return nil
}

// numbers parses fields into destinations.
func numbers(field []string, into ...*int) error {
	for i, at := range into {
		n, err := strconv.Atoi(field[i])
		if err != nil {
			return err
		}
		*at = n
	}
	return nil
}

func screen(text string, width, height *int) error {
	w, h, _ := strings.Cut(text, "x")
	return numbers([]string{w, h}, width, height)
}

func readLists() (*lists, error) {
	l := &lists{agents: map[string][]agent{}, agentWeights: map[string]weights{}}
	for _, read := range []func() error{l.readNames, l.readStores, l.readTowns, l.readProducts, l.readDevices} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	l.townWeights = newWeights(l.towns, func(t *town) int { return t.weight })
	l.productWeights = newWeights(l.products, func(p *product) int { return p.weight })
	l.storeWeights = newWeights(l.stores, func(s *store) int { return s.weight })
	l.handsetWeights = newWeights(l.handsets, func(h *handset) int { return h.weight })
	for kind, list := range l.agents {
		l.agentWeights[kind] = newWeights(list, func(a *agent) int { return a.weight })
	}
	return l, nil
}

func (l *lists) readNames() error {
	err := table("first_names.tsv", 3, func(f []string) error {
		n := firstName{name: f[0], sex: f[1][0]}
		l.firstNames = append(l.firstNames, n)
		return numbers(f[2:], &l.firstNames[len(l.firstNames)-1].peak)
	})
	if err != nil {
		return err
	}
	return table("last_names.txt", 1, func(f []string) error {
		l.lastNames = append(l.lastNames, f[0])
		return nil
	})
}

func (l *lists) readStores() error {
	return table("stores.tsv", 11, func(f []string) error {
		zone, err := time.LoadLocation(f[5])
		if err != nil {
			return err
		}
		s := store{id: f[0], name: f[1], street: f[2], postcode: f[3], city: f[4], zone: zone, sunday: f[8] == "1"}
		if err := numbers(f[6:], &s.opens, &s.closes); err != nil {
			return err
		}
		err = numbers(f[9:], &s.registers, &s.weight)
		l.stores = append(l.stores, s)
		return err
	})
}

func (l *lists) readTowns() error {
	return table("towns.tsv", 5, func(f []string) error {
		zone, err := time.LoadLocation(f[4])
		if err != nil {
			return err
		}
		t := town{city: f[0], postcode: f[1], store: -1, zone: zone}
		if strings.HasPrefix(t.postcode, "97") {
			t.overseas = t.postcode[:3]
		}
		for i := range l.stores {
			if l.stores[i].id == f[3] {
				t.store = i
			}
		}
		if t.store < 0 && f[3] != "-" {
			return fmt.Errorf("no store %q", f[3])
		}
		err = numbers(f[2:], &t.weight)
		l.towns = append(l.towns, t)
		return err
	})
}

func (l *lists) readProducts() error {
	return table("products.tsv", 7, func(f []string) error {
		p := product{id: f[0], category: f[1], brand: f[2], name: f[3]}
		p.slug = slug(p.name)
		p.variants = strings.Split(f[6], ";")
		err := numbers(f[4:], &p.price, &p.weight)
		l.products = append(l.products, p)
		return err
	})
}

func (l *lists) readDevices() error {
	err := table("agents.tsv", 4, func(f []string) error {
		a := agent{kind: f[0], userAgent: f[3]}
		if err := screen(f[2], &a.width, &a.height); err != nil {
			return err
		}
		err := numbers(f[1:], &a.weight)
		l.agents[a.kind] = append(l.agents[a.kind], a)
		return err
	})
	if err != nil {
		return err
	}
	return table("phones.tsv", 6, func(f []string) error {
		h := handset{os: f[0], manufacturer: f[2], model: f[3], version: f[4]}
		if err := screen(f[5], &h.width, &h.height); err != nil {
			return err
		}
		err := numbers(f[1:], &h.weight)
		l.handsets = append(l.handsets, h)
		return err
	})
}

var unaccented = strings.NewReplacer("à", "a", "â", "a", "ä", "a", "ç", "c", "è", "e", "é", "e", "ê", "e", "ë", "e",
	"î", "i", "ï", "i", "ô", "o", "ö", "o", "ù", "u", "û", "u", "ü", "u", "œ", "oe", "'", "", "’", "", " ", "")

// plain is a name as people write it in an e-mail address.
func plain(name string) string { return unaccented.Replace(strings.ToLower(name)) }

// slug is a name as a shop writes it in an address.
func slug(name string) string {
	spaced := strings.NewReplacer(" ", "-", "'", "-", "%", "pct", "/", "-", ",", "-").Replace(strings.ToLower(name))
	return unaccented.Replace(spaced)
}
