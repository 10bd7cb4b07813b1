package simulate

// properties writes what an event is about, in the words of Segment's e-commerce vocabulary.
func (w *writer) properties(e *Event) {
	w.open('{')
	if e.Type == "page" {
		w.text("name", e.Name)
		w.text("category", e.Category)
		w.page(e.Context.Page)
	}
	if e.Commerce != nil {
		w.commerce(e, e.Commerce)
	}
	if f := e.Feedback; f != nil {
		w.text("survey_id", f.ID)
		w.text("kind", f.Kind)
		w.text("question", f.Question)
		w.number("score", f.Score)
		w.number("scale", f.Scale)
		w.text("comment", f.Comment)
	}
	for _, p := range e.Extra {
		if p.Text == "" {
			w.number(p.Key, p.Number)
			continue
		}
		w.text(p.Key, p.Text)
	}
	w.shut('}')
	w.comma()
}

func (w *writer) commerce(e *Event, c *Commerce) {
	w.text("order_id", c.OrderID)
	w.text("checkout_id", c.CheckoutID)
	w.text("cart_id", c.CartID)
	w.text("query", c.Query)
	w.text("promotion_id", c.Promotion)
	w.text("list_id", c.ListID)
	w.text("category", c.Category)
	if c.Step > 0 {
		w.number("step", c.Step)
	}
	w.text("shipping_method", c.Shipping)
	w.text("payment_method", c.Payment)
	w.text("reason", c.Reason)
	w.totals(e, c)
	if c.Coupon != "" {
		name := "coupon"
		if e.Name == "Coupon Applied" {
			name = "coupon_id"
			w.amount("discount", c.Discount, c.Text)
		}
		w.text(name, c.Coupon)
	}
	if c.Single && len(c.Lines) == 1 {
		w.line(&c.Lines[0], c.Text)
	} else if len(c.Lines) > 0 {
		w.key("products")
		w.open('[')
		for i := range c.Lines {
			w.open('{')
			w.line(&c.Lines[i], c.Text)
			w.shut('}')
			w.comma()
		}
		w.shut(']')
		w.comma()
	}
	if c.Receipt != nil {
		w.receipt(c, c.Receipt)
	}
}

func (w *writer) totals(e *Event, c *Commerce) {
	if c.Stated&statedValue != 0 {
		w.amount("value", c.Value, c.Text)
	}
	if c.Stated&statedTotals != 0 {
		if e.Wrong == "amount" {
			w.text("total", "douze euros")
		} else {
			w.amount("total", c.Total, c.Text)
		}
		w.amount("subtotal", c.Subtotal, c.Text)
		w.amount("revenue", c.Subtotal, c.Text)
		w.amount("tax", c.Tax, c.Text)
		w.amount("shipping", c.Fee, c.Text)
		if c.Discount > 0 {
			w.amount("discount", c.Discount, c.Text)
		}
	}
	if c.Stated != 0 {
		w.text("currency", "EUR")
	}
}

func (w *writer) line(l *Line, text bool) {
	p := l.Product
	w.text("product_id", p.id)
	w.text("sku", l.sku())
	w.text("name", p.name)
	w.text("brand", p.brand)
	w.text("category", p.category)
	w.text("variant", p.variants[l.Variant])
	w.amount("price", p.price, text)
	w.number("quantity", l.Quantity)
	if l.Position > 0 {
		w.number("position", l.Position)
	}
}

// sku is the product with the letter of its variant.
func (l *Line) sku() string { return l.Product.id + "-" + string(rune('A'+l.Variant)) }

func (w *writer) receipt(c *Commerce, r *Receipt) {
	w.text("affiliation", "Lucioles "+r.Store)
	w.text("store_id", r.Store)
	w.text("register_id", r.Register)
	w.text("receipt_id", r.Number)
	w.text("cashier_id", r.Cashier)
	w.text("business_date", r.Date)
	w.text("loyalty_id", r.Loyalty)
	w.text("email", r.Email)
	w.text("phone", r.Phone)
	w.flag("offline", r.Offline)
	w.key("tender")
	w.raw(`[{"type":`)
	w.quote(r.Tender)
	w.comma()
	w.amount("amount", c.Total, true)
	w.text("card_token", r.Token)
	w.trim()
	w.raw(`}],`)
}
