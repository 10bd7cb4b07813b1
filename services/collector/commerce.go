package collector

import (
	"strings"

	"github.com/parcours-cdp/parcours/schemas"
)

// shape says which typed fields the properties of a known event hold.
type shape uint8

const (
	shapeOther   shape = iota // not in the e-commerce vocabulary
	shapeOrder                // commerce fields, products
	shapeProduct              // one product at the top level, and commerce fields
	shapeList                 // commerce fields, products, and category is the list's
	shapeReview               // feedback on a product
	shapeSurvey               // feedback
)

// knownEvent is an event of the vocabulary under its current name.
type knownEvent struct {
	name  string
	shape shape
	share bool   // it names a recipient
	kind  string // of feedback
	scale int    // of feedback when it is not stated: 0 none
}

// knownEvents finds an event by its current or its former name, in small letters.
var knownEvents = vocabulary(
	shapeOrder, "Products Searched",
	shapeList, "Product List Viewed = Viewed Product Category = Viewed Product List",
	shapeList, "Product List Filtered = Filtered Product List",
	shapeOrder, "Promotion Viewed = Viewed Promotion",
	shapeOrder, "Promotion Clicked = Clicked Promotion",
	shapeProduct, "Product Clicked = Clicked Product",
	shapeProduct, "Product Viewed = Viewed Product",
	shapeProduct, "Product Added = Added Product",
	shapeProduct, "Product Removed = Removed Product",
	shapeOrder, "Cart Viewed = Viewed Cart",
	shapeOrder, "Checkout Started = Started Order = Started Checkout",
	shapeOrder, "Checkout Step Viewed = Viewed Checkout Step",
	shapeOrder, "Checkout Step Completed = Completed Checkout Step",
	shapeOrder, "Payment Info Entered = Entered Payment Info",
	shapeOrder, "Order Updated = Updated Order",
	shapeOrder, "Order Completed = Completed Order",
	shapeOrder, "Order Refunded = Refunded Order",
	shapeOrder, "Order Cancelled = Cancelled Order",
	shapeOrder, "Coupon Entered = Entered Coupon",
	shapeOrder, "Coupon Applied = Applied Coupon",
	shapeOrder, "Coupon Denied = Denied Coupon",
	shapeOrder, "Coupon Removed = Removed Coupon",
	shapeProduct, "Product Added to Wishlist = Added Product to Wishlist",
	shapeProduct, "Product Removed from Wishlist = Removed Product from Wishlist",
	shapeProduct, "Wishlist Product Added to Cart = Added Wishlist Product to Cart",
	shapeProduct, "Product Shared = Shared Product",
	shapeOrder, "Cart Shared = Shared Cart",
	shapeReview, "Product Reviewed = Reviewed Product",
	shapeSurvey, "Survey Answered",
	shapeSurvey, "Survey Submitted",
	shapeSurvey, "Survey Completed",
	shapeSurvey, "Feedback Submitted",
	shapeSurvey, "NPS Answered",
	shapeSurvey, "NPS Submitted",
	shapeSurvey, "CSAT Answered",
	shapeSurvey, "CSAT Submitted",
	shapeSurvey, "CES Answered",
	shapeSurvey, "CES Submitted",
)

func vocabulary(pairs ...any) map[string]knownEvent {
	known := make(map[string]knownEvent)
	for i := 0; i < len(pairs); i += 2 {
		names := strings.Split(pairs[i+1].(string), " = ")
		event := knownEvent{name: names[0], shape: pairs[i].(shape), share: strings.HasSuffix(names[0], " Shared")}
		switch word, _, _ := strings.Cut(names[0], " "); {
		case event.shape == shapeReview:
			event.kind = "review"
		case word == "NPS":
			event.kind, event.scale = "nps", 10 // an NPS is asked from 0 to 10 by definition
		case word == "CSAT", word == "CES":
			event.kind = strings.ToLower(word)
		}
		for _, name := range names {
			known[strings.ToLower(name)] = event
		}
	}
	return known
}

const maxKnownName = 64

// known finds an event of the vocabulary, whatever the case of its letters.
func known(name string) knownEvent {
	var buf [maxKnownName]byte
	if len(name) > maxKnownName {
		return knownEvent{}
	}
	lower := buf[:len(name)]
	for i := range lower {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return knownEvents[string(lower)]
}

type (
	optionalAmount = *schemas.Optional[schemas.Decimal]
	optionalWhole  = *schemas.Optional[int32]
)

// commerceFields are the properties of commerce events that have a typed home. products and tender are
// lists and have theirs in segment_commerce.go.
var commerceFields = table(commerceKeys)

var commerceKeys = map[string]field[schemas.Commerce]{
	"orderid":        text(func(c *schemas.Commerce) *string { return &c.OrderID }),
	"cartid":         text(func(c *schemas.Commerce) *string { return &c.CartID }),
	"checkoutid":     text(func(c *schemas.Commerce) *string { return &c.CheckoutID }),
	"affiliation":    text(func(c *schemas.Commerce) *string { return &c.Affiliation }),
	"currency":       text(func(c *schemas.Commerce) *string { return &c.Currency }),
	"value":          amount(func(c *schemas.Commerce) optionalAmount { return &c.Value }),
	"subtotal":       amount(func(c *schemas.Commerce) optionalAmount { return &c.Subtotal }),
	"revenue":        amount(func(c *schemas.Commerce) optionalAmount { return &c.Revenue }),
	"total":          amount(func(c *schemas.Commerce) optionalAmount { return &c.Total }),
	"shipping":       amount(func(c *schemas.Commerce) optionalAmount { return &c.Shipping }),
	"tax":            amount(func(c *schemas.Commerce) optionalAmount { return &c.Tax }),
	"discount":       amount(func(c *schemas.Commerce) optionalAmount { return &c.Discount }),
	"coupon":         text(func(c *schemas.Commerce) *string { return &c.Coupon }),
	"couponid":       text(func(c *schemas.Commerce) *string { return &c.Coupon }),
	"reason":         text(func(c *schemas.Commerce) *string { return &c.Reason }),
	"paymentmethod":  text(func(c *schemas.Commerce) *string { return &c.PaymentMethod }),
	"shippingmethod": text(func(c *schemas.Commerce) *string { return &c.ShippingMethod }),
	"step":           whole(func(c *schemas.Commerce) optionalWhole { return &c.Step }),
	"listid":         text(func(c *schemas.Commerce) *string { return &c.ListID }),
	"query":          text(func(c *schemas.Commerce) *string { return &c.Query }),
	"wishlistid":     text(func(c *schemas.Commerce) *string { return &c.WishlistID }),
	"promotionid":    text(func(c *schemas.Commerce) *string { return &c.PromotionID }),
	"businessdate":   date(func(c *schemas.Commerce) *schemas.Optional[schemas.Date] { return &c.BusinessDate }),
	"offline":        truth(func(c *schemas.Commerce) *schemas.Optional[bool] { return &c.Offline }),
}

// listFields are what the events on a list of products add.
var listFields = table(map[string]field[schemas.Commerce]{
	"category": text(func(c *schemas.Commerce) *string { return &c.ListCategory }),
})

// customFields are read from track events that are not in the vocabulary, where they fit: the three that
// the Segment specification reserves on every track call, and the till's.
var customFields = table(map[string]field[schemas.Commerce]{
	"value":        commerceKeys["value"],
	"revenue":      commerceKeys["revenue"],
	"currency":     commerceKeys["currency"],
	"businessdate": commerceKeys["businessdate"],
	"offline":      commerceKeys["offline"],
})

// itemFields are those of one product, in products[] or at the top level of an event about one product.
// id is the former name of product_id.
var itemFields = table(map[string]field[schemas.Item]{
	"productid": text(func(i *schemas.Item) *string { return &i.ProductID }),
	"id":        text(func(i *schemas.Item) *string { return &i.ProductID }),
	"sku":       text(func(i *schemas.Item) *string { return &i.SKU }),
	"name":      text(func(i *schemas.Item) *string { return &i.Name }),
	"category":  text(func(i *schemas.Item) *string { return &i.Category }),
	"brand":     text(func(i *schemas.Item) *string { return &i.Brand }),
	"variant":   text(func(i *schemas.Item) *string { return &i.Variant }),
	"price":     amount(func(i *schemas.Item) optionalAmount { return &i.Price }),
	"quantity":  amount(func(i *schemas.Item) optionalAmount { return &i.Quantity }),
	"discount":  amount(func(i *schemas.Item) optionalAmount { return &i.Discount }),
	"coupon":    text(func(i *schemas.Item) *string { return &i.Coupon }),
	"position":  whole(func(i *schemas.Item) optionalWhole { return &i.Position }),
	"url":       text(func(i *schemas.Item) *string { return &i.URL }),
	"imageurl":  text(func(i *schemas.Item) *string { return &i.ImageURL }),
})

// tenderFields are those of one means of payment of a ticket.
var tenderFields = table(map[string]field[schemas.Tender]{
	"type":      text(func(t *schemas.Tender) *string { return &t.Type }),
	"amount":    amount(func(t *schemas.Tender) optionalAmount { return &t.Amount }),
	"cardtoken": text(func(t *schemas.Tender) *string { return &t.Reference }),
	"reference": text(func(t *schemas.Tender) *string { return &t.Reference }),
	"token":     text(func(t *schemas.Tender) *string { return &t.Reference }),
	"par":       text(func(t *schemas.Tender) *string { return &t.Reference }),
})

// surveyFields are the answer to a survey.
var surveyFields = table(map[string]field[schemas.Feedback]{
	"surveyid":   text(func(f *schemas.Feedback) *string { return &f.SurveyID }),
	"kind":       text(func(f *schemas.Feedback) *string { return &f.Kind }),
	"surveytype": text(func(f *schemas.Feedback) *string { return &f.Kind }),
	"metric":     text(func(f *schemas.Feedback) *string { return &f.Kind }),
	"question":   text(func(f *schemas.Feedback) *string { return &f.Question }),
	"score":      amount(func(f *schemas.Feedback) optionalAmount { return &f.Score }),
	"rating":     amount(func(f *schemas.Feedback) optionalAmount { return &f.Score }),
	"scale":      amount(func(f *schemas.Feedback) optionalAmount { return &f.Scale }),
	"maxscore":   amount(func(f *schemas.Feedback) optionalAmount { return &f.Scale }),
	"comment":    text(func(f *schemas.Feedback) *string { return &f.Comment }),
	"verbatim":   text(func(f *schemas.Feedback) *string { return &f.Comment }),
	"productid":  text(func(f *schemas.Feedback) *string { return &f.ProductID }),
})

// reviewFields are the review of a product.
var reviewFields = table(map[string]field[schemas.Feedback]{
	"productid":  text(func(f *schemas.Feedback) *string { return &f.ProductID }),
	"reviewid":   text(func(f *schemas.Feedback) *string { return &f.ReviewID }),
	"reviewbody": text(func(f *schemas.Feedback) *string { return &f.Comment }),
	"comment":    text(func(f *schemas.Feedback) *string { return &f.Comment }),
	"rating":     amount(func(f *schemas.Feedback) optionalAmount { return &f.Score }),
	"score":      amount(func(f *schemas.Feedback) optionalAmount { return &f.Score }),
	"scale":      amount(func(f *schemas.Feedback) optionalAmount { return &f.Scale }),
})

// storeFields are the till's own, in the properties of any event.
var storeFields = table(storeKeys)

var storeKeys = map[string]field[schemas.Store]{
	"storeid":    text(func(s *schemas.Store) *string { return &s.StoreID }),
	"registerid": text(func(s *schemas.Store) *string { return &s.RegisterID }),
	"receiptid":  text(func(s *schemas.Store) *string { return &s.ReceiptID }),
	"cashierid":  text(func(s *schemas.Store) *string { return &s.CashierID }),
}
