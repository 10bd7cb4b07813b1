package sink_test

import (
	"slices"
)

// OverlapKey is exported because it is compared as part of a row.
type OverlapKey struct {
	Workspace, Direction, Grain string
	Store                       string `json:"store_id"`
	Category                    string
	Product                     string `json:"product_id"`
	Currency                    string
}

type overlapRow struct {
	OverlapKey
	Orders, Customers     int
	Revenue               float64
	ResearchedOrders      int     `json:"researched_orders"`
	ResearchedCustomers   int     `json:"researched_customers"`
	ResearchedRevenue     float64 `json:"researched_revenue"`
	SameCategoryOrders    int     `json:"same_category_orders"`
	SameCategoryCustomers int     `json:"same_category_customers"`
	SameCategoryRevenue   float64 `json:"same_category_revenue"`
	SameProductOrders     int     `json:"same_product_orders"`
	SameProductCustomers  int     `json:"same_product_customers"`
	SameProductRevenue    float64 `json:"same_product_revenue"`
}

var looks = map[string]bool{"Product Viewed": true, "Product Added": true}

// seenBefore tells whether the customer was on the other side in the month before, with that category and that product, and in which shop last.
func (s *stock) seenBefore(o *storedOrder, line *storedLine) (visit, category, product bool, store string) {
	atTill, last := o.Channel == "store", int64(-1)
	for i := range s.events {
		e := &s.events[i]
		online := (e.Channel == "web" || e.Channel == "app") && (e.Type == "page" || e.Type == "screen" || e.Type == "track")
		if e.Customer != o.Customer || e.Shared || e.Bot || e.At > o.At || e.At < o.At-monthMillis || atTill && !online || !atTill && e.Channel != "store" {
			continue
		}
		visit = true
		if !atTill && (e.At > last || e.At == last && e.Store > store) {
			last, store = e.At, e.Store
		}
		if looks[e.Name] || !atTill {
			product = product || line.Product != "" && slices.Contains(e.Products, line.Product)
			category = category || line.Category != "" && slices.Contains(e.Categories, line.Category)
		}
		if e.Name == "Product List Viewed" && atTill {
			category = category || line.Category != "" && e.ListCategory == line.Category
		}
	}
	return visit, category, product, store
}

func (s *stock) overlap(workspace string) []overlapRow {
	rows := map[OverlapKey]*overlapRow{}
	type set = map[string]bool
	distinct := map[OverlapKey][]set{}
	for i := range s.orders {
		o := &s.orders[i]
		if o.Cancelled || o.Unseen || o.Channel != "store" && o.Channel != "web" && o.Channel != "app" && o.Channel != "server" {
			continue
		}
		direction := map[bool]string{true: "online_to_store", false: "store_to_online"}[o.Channel == "store"]
		type part struct{ category, product string }
		parts, amounts := map[part]int64{}, int64(0)
		for _, l := range o.Lines {
			parts[part{l.Category, l.Product}] += l.Amount
			amounts += l.Amount
		}
		rest := o.Revenue
		for p, a := range parts {
			parts[p] = 0
			if amounts > 0 {
				parts[p] = o.Revenue * a / amounts
			}
			rest -= parts[p]
		}
		parts[part{}] += rest
		for p, revenue := range parts {
			visit, category, product, seenAt := s.seenBefore(o, &storedLine{Category: p.category, Product: p.product})
			store := o.Store
			if o.Channel != "store" {
				store = seenAt
			}
			keys := []OverlapKey{{workspace, direction, "store", store, "", "", o.Currency}}
			if p != (part{}) {
				keys = append(keys, OverlapKey{workspace, direction, "category", store, p.category, "", o.Currency})
			}
			if p.product != "" {
				keys = append(keys, OverlapKey{workspace, direction, "product", "", p.category, p.product, o.Currency})
			}
			for _, k := range keys {
				row := rows[k]
				if row == nil {
					row = &overlapRow{OverlapKey: k}
					rows[k], distinct[k] = row, []set{{}, {}, {}, {}, {}, {}, {}, {}}
				}
				amount := float64(revenue) / 1e4
				for n, level := range []struct {
					in      bool
					revenue *float64
				}{{true, &row.Revenue}, {visit, &row.ResearchedRevenue}, {category, &row.SameCategoryRevenue}, {product, &row.SameProductRevenue}} {
					if level.in {
						*level.revenue += amount
						distinct[k][2*n][o.Key], distinct[k][2*n+1][o.Customer] = true, true
					}
				}
			}
		}
	}
	var all []overlapRow
	for k, row := range rows {
		for n, into := range []*int{&row.Orders, &row.Customers, &row.ResearchedOrders, &row.ResearchedCustomers, &row.SameCategoryOrders, &row.SameCategoryCustomers, &row.SameProductOrders, &row.SameProductCustomers} {
			*into = len(distinct[k][n])
		}
		all = append(all, *row)
	}
	return all
}
