package collector

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parcours-cdp/parcours/schemas"
	"pgregory.net/rapid"
)

func TestRejections(t *testing.T) {
	d := newDirect(t, nil)
	f := func(event string, reason Reason, field string) {
		t.Helper()
		// Between two right events, which must go on.
		body := `{"batch":[{"type":"track","event":"A","userId":"u"},` + event + `,{"type":"track","event":"B","userId":"u"}]}`
		w := d.do(http.MethodPost, "/v1/batch", body, "Key", "wk_dev_server")
		touchpoints, rejections, _ := d.take(t)
		if w.Code != http.StatusOK || len(touchpoints) != 2 || len(rejections) != 1 {
			t.Errorf("%s: %d %s: %d touchpoints, %d rejections", event, w.Code, w.Body, len(touchpoints), len(rejections))
			return
		}
		got := rejections[0]
		if Reason(got.Reason) != reason || got.Field != field {
			t.Errorf("%s: %s at %q, want %s at %q", event, got.Reason, got.Field, reason, field)
		}
		if string(got.Payload) != event {
			t.Errorf("payload %s, want %s", got.Payload, event)
		}
		if got.Detail == "" || !strings.Contains(w.Body.String(), `"index":1,`) {
			t.Errorf("%s: detail %q, answer %s", event, got.Detail, w.Body)
		}
	}
	f(`[]`, ReasonNotAnObject, "")
	f(`null`, ReasonNotAnObject, "")
	f(`"track"`, ReasonNotAnObject, "")
	f(`{}`, ReasonUnknownType, "type")
	f(`{"type":"buy","userId":"u"}`, ReasonUnknownType, "type")
	f(`{"type":{},"userId":"u"}`, ReasonUnknownType, "type")
	f(`{"type":"track","userId":"u"}`, ReasonMissingName, "event")
	f(`{"type":"track","event":"","userId":"u"}`, ReasonMissingName, "event")
	f(`{"type":"track","event":null,"userId":"u"}`, ReasonMissingName, "event")
	f(`{"type":"track","event":["x"],"userId":"u"}`, ReasonInvalidType, "event")
	f(`{"type":"group","userId":"u"}`, ReasonMissingGroup, "groupId")
	f(`{"type":"alias","userId":"u"}`, ReasonMissingPrevious, "previousId")
	f(`{"type":"alias","previousId":"p"}`, ReasonMissingUser, "userId")
	f(`{"type":"track","event":"X"}`, ReasonMissingIdentifier, "userId")
	f(`{"type":"track","event":"X","userId":"","anonymousId":null}`, ReasonMissingIdentifier, "userId")
	f(`{"type":"track","event":"X","userId":"null","anonymousId":"00000000-0000-0000-0000-000000000000"}`, ReasonUnusableIdentifier, "userId")
	f(`{"type":"track","event":"X","userId":{"id":1}}`, ReasonInvalidType, "userId")
	f(`{"type":"track","event":"X","userId":true}`, ReasonInvalidType, "userId")
	f(`{"type":"track","event":"X","userId":"u","messageId":"`+strings.Repeat("m", 101)+`"}`, ReasonMessageIDTooLong, "messageId")
	f(`{"type":"track","event":"X","userId":"u","properties":[1]}`, ReasonInvalidType, "properties")
	f(`{"type":"track","event":"X","userId":"u","context":"c"}`, ReasonInvalidType, "context")
	f(`{"type":"identify","userId":"u","traits":"t"}`, ReasonInvalidType, "traits")
	f(`{"type":"track","event":"X","userId":"u","timestamp":"yesterday"}`, ReasonInvalidTimestamp, "timestamp")
	f(`{"type":"track","event":"X","userId":"u","timestamp":"2026-02-30T00:00:00Z"}`, ReasonInvalidTimestamp, "timestamp")
	f(`{"type":"track","event":"X","userId":"u","timestamp":"1795000000.5th"}`, ReasonInvalidTimestamp, "timestamp")
	f(`{"type":"track","event":"X","userId":"u","timestamp":1e300}`, ReasonInvalidTimestamp, "timestamp")
	f(`{"type":"track","event":"X","userId":"u","timestamp":{}}`, ReasonInvalidTimestamp, "timestamp")
	f(`{"type":"track","event":"X","userId":"u","originalTimestamp":"0001-01-01T00:00:00Z"}`, ReasonInvalidTimestamp, "originalTimestamp")
	f(`{"type":"track","event":"X","userId":"u","sentAt":"9999-01-01T00:00:00Z"}`, ReasonInvalidTimestamp, "sentAt")
	f(`{"type":"track","event":"Order Completed","userId":"u","properties":{"total":"abc"}}`, ReasonInvalidAmount, "properties.total")
	f(`{"type":"track","event":"Order Completed","userId":"u","properties":{"total":{}}}`, ReasonInvalidAmount, "properties.total")
	f(`{"type":"track","event":"Order Completed","userId":"u","properties":{"total":1e300}}`, ReasonInvalidAmount, "properties.total")
	f(`{"type":"track","event":"completed order","userId":"u","properties":{"orderTotal":1,"Revenue":"€12"}}`, ReasonInvalidAmount, "properties.Revenue")
	f(`{"type":"track","event":"Order Completed","userId":"u","properties":{"products":[{},{"price":"free"}]}}`, ReasonInvalidAmount, "properties.products[1].price")
	f(`{"type":"track","event":"Order Completed","userId":"u","properties":{"products":"p1,p2"}}`, ReasonInvalidType, "properties.products")
	f(`{"type":"track","event":"Order Completed","userId":"u","properties":{"products":[{"sku":"a"},7]}}`, ReasonInvalidType, "properties.products[1]")
	f(`{"type":"track","event":"Order Completed","userId":"u","properties":{"tender":[{"amount":"much"}]}}`, ReasonInvalidAmount, "properties.tender[0].amount")
	f(`{"type":"track","event":"Order Completed","userId":"u","properties":{"business_date":"today"}}`, ReasonInvalidDate, "properties.business_date")
	f(`{"type":"track","event":"Order Completed","userId":"u","properties":{"offline":"maybe"}}`, ReasonInvalidType, "properties.offline")
	f(`{"type":"track","event":"Checkout Step Viewed","userId":"u","properties":{"step":"two"}}`, ReasonInvalidNumber, "properties.step")
	f(`{"type":"track","event":"Product Viewed","userId":"u","properties":{"price":"x"}}`, ReasonInvalidAmount, "properties.price")
	f(`{"type":"track","event":"Product Reviewed","userId":"u","properties":{"rating":"good"}}`, ReasonInvalidAmount, "properties.rating")
	f(`{"type":"track","event":"X","userId":"u","context":{"externalIds":[{"id":"1"}]}}`, ReasonInvalidType, "context.externalIds")
	f(`{"type":"track","event":"X","context":{"externalIds":[`+strings.TrimSuffix(repeat(`{"id":"%d","type":"t"},`, 33), ",")+`]}}`, ReasonTooManyIdentifiers, "context.externalIds")
	// Faults of the text, each in its event only.
	f(`{"type":"track","event":"X","userId":"u","properties":{"a":{"b":1,"b":2}}}`, ReasonDuplicateKey, "properties.a.b")
	f("{\"type\":\"track\",\"event\":\"X\",\"userId\":\"u\",\"properties\":{\"a\":\"\xc3(\"}}", ReasonInvalidUTF8, "properties.a")
	f(`{"type":"track","event":"X","userId":"u","properties":{"a":1e999}}`, ReasonNumberOutOfRange, "properties.a")
	deep := strings.Repeat(`{"a":`, 30) + "1" + strings.Repeat("}", 30)
	f(`{"type":"track","event":"X","userId":"u","properties":`+deep+`}`, ReasonTooDeep, "properties"+strings.Repeat(".a", 19))
	many := strings.TrimSuffix(repeat(`"k%d":1,`, 2000), ",")
	f(`{"type":"track","event":"X","userId":"u","properties":{`+many+`}}`, ReasonTooManyKeys, "properties.k1996")
	f(`{"type":"track","event":"X","userId":"u","properties":{"a":"`+strings.Repeat("x", 33<<10)+`"}}`, ReasonEventTooLarge, "")
}

func repeat(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestEveryReasonHasADetail(t *testing.T) {
	for reason, detail := range details {
		if detail == "" {
			t.Errorf("reason %s has no detail", reason)
		}
	}
}

func TestCommerce(t *testing.T) {
	d := newDirect(t, nil)
	f := func(name, properties, wantName, want, rest string) {
		t.Helper()
		got := d.one(t, "/v1/track", "wk_dev_web", `{"event":"`+name+`","userId":"u","properties":`+properties+`}`)
		text := ""
		if got.Commerce.Valid {
			text = asJSON(t, got.Commerce.Value)
		}
		if got.Name != wantName || text != want || compact(t, got.Properties) != rest {
			t.Errorf("%s %s:\n got %s %s rest %s\nwant %s %s rest %s", name, properties, got.Name, text, got.Properties, wantName, want, rest)
		}
	}
	f("Order Completed", `{"order_id":"o","total":"12.90","revenue":10,"a":1}`, "Order Completed", `{"order_id":"o","revenue":10,"total":12.9}`, `{"a":1}`)
	f("completed order", `{"orderId":7,"products":[{"id":"p","price":"1.10"}]}`, "Order Completed", `{"order_id":"7","items":[{"product_id":"p","price":1.1}]}`, ``)
	f("ORDER COMPLETED", `{"total":0.1}`, "Order Completed", `{"total":0.1}`, ``)
	f("Order Completed", `{"total":null,"tax":"","coupon":null,"products":[]}`, "Order Completed", `{}`, ``)
	f("Order Completed", `{"coupon":["a"],"order_id":"o"}`, "Order Completed", `{"order_id":"o"}`, `{"coupon":["a"]}`)
	f("Order Completed", `{"order_id":"o","orderId":"other"}`, "Order Completed", `{"order_id":"o"}`, `{"orderId":"other"}`)
	f("Order Completed", `{"products":[{"sku":"a","size":"L"},{"sku":"b"}]}`, "Order Completed", `{"items":[{"sku":"a"},{"sku":"b"}]}`, `{"products":[{"size":"L"},{}]}`)
	f("Product Viewed", `{"product_id":"p","name":"Pull","category":"C","price":5,"currency":"EUR","value":5,"colour":"x"}`, "Product Viewed", `{"currency":"EUR","value":5,"items":[{"product_id":"p","name":"Pull","category":"C","price":5}]}`, `{"colour":"x"}`)
	f("viewed product", `{}`, "Product Viewed", `{}`, ``)
	f("Product Added", `{"cart_id":"c","sku":"s","quantity":"2","coupon":"K","position":3}`, "Product Added", `{"cart_id":"c","items":[{"sku":"s","quantity":2,"coupon":"K","position":3}]}`, ``)
	f("Product List Viewed", `{"list_id":"l","category":"Deals","products":[{"product_id":"p","position":1}]}`, "Product List Viewed", `{"list_id":"l","list_category":"Deals","items":[{"product_id":"p","position":1}]}`, ``)
	f("Products Searched", `{"query":"pull"}`, "Products Searched", `{"query":"pull"}`, ``)
	f("Promotion Clicked", `{"promotion_id":"p","creative":"c","name":"n","position":"top"}`, "Promotion Clicked", `{"promotion_id":"p"}`, `{"creative":"c","name":"n","position":"top"}`)
	f("Coupon Denied", `{"coupon_id":"c","coupon_name":"n","reason":"expired"}`, "Coupon Denied", `{"coupon":"c","reason":"expired"}`, `{"coupon_name":"n"}`)
	f("Checkout Step Completed", `{"checkout_id":"c","step":2,"shipping_method":"relay","payment_method":"card"}`, "Checkout Step Completed", `{"checkout_id":"c","payment_method":"card","shipping_method":"relay","step":2}`, ``)
	f("Product Added to Wishlist", `{"wishlist_id":"w","wishlist_name":"n","product_id":"p"}`, "Product Added to Wishlist", `{"wishlist_id":"w","items":[{"product_id":"p"}]}`, `{"wishlist_name":"n"}`)
	f("Product Shared", `{"share_via":"email","recipient":"friend@example.fr","product_id":"p"}`, "Product Shared", `{"items":[{"product_id":"p"}]}`, `{"share_via":"email"}`)
	f("Order Completed", `{"Products":[{"sku":"a"}],"products":[{"sku":"b"}],"Tender":[{"amount":5}]}`, "Order Completed", `{"tender":[{"amount":5}],"items":[{"sku":"a"}]}`, `{"products":[{"sku":"b"}]}`)
	f("Product Shared", `{"Recipient":"friend@example.fr","product_id":"p"}`, "Product Shared", `{"items":[{"product_id":"p"}]}`, ``)
	// An event of the sender's own: what the specification reserves is typed where it fits.
	f("Subscribed", `{"revenue":"9.90","currency":"EUR","price":"free","products":"x"}`, "Subscribed", `{"currency":"EUR","revenue":9.9}`, `{"price":"free","products":"x"}`)
	f("Subscribed", `{"revenue":"a lot"}`, "Subscribed", ``, `{"revenue":"a lot"}`)
	f("Played", `{"title":"x"}`, "Played", ``, `{"title":"x"}`)
}

// asJSON writes without the empty fields.
func asJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFeedback(t *testing.T) {
	d := newDirect(t, nil)
	f := func(name, properties, want, rest string) {
		t.Helper()
		got := d.one(t, "/v1/track", "wk_dev_survey", `{"event":"`+name+`","userId":"u","properties":`+properties+`}`)
		if text := asJSON(t, got.Feedback.Value); !got.Feedback.Valid || text != want || compact(t, got.Properties) != rest {
			t.Errorf("%s: got %s rest %s, want %s rest %s", name, text, got.Properties, want, rest)
		}
	}
	f("Product Reviewed", `{"product_id":"p","review_id":"r","review_body":"Très bien","rating":"4"}`, `{"kind":"review","score":4,"comment":"Très bien","review_id":"r","product_id":"p"}`, ``)
	f("NPS Submitted", `{"score":9,"comment":"ok","survey_id":"s"}`, `{"survey_id":"s","kind":"nps","score":9,"scale":10,"comment":"ok"}`, ``)
	f("Survey Answered", `{"score":3,"scale":5,"kind":"csat","question":"Satisfied?","lang":"fr"}`, `{"kind":"csat","question":"Satisfied?","score":3,"scale":5}`, `{"lang":"fr"}`)
}

func TestPerson(t *testing.T) {
	d := newDirect(t, nil)
	f := func(path, event, person, identifiers, traits, properties string) {
		t.Helper()
		got := d.one(t, path, "wk_dev_crm", event)
		text := ""
		if got.Person.Valid {
			text = asJSON(t, got.Person.Value)
		}
		ids := asPairs(got.Identifiers)
		if text != person || ids != identifiers || compact(t, got.Traits) != traits || compact(t, got.Properties) != properties {
			t.Errorf("%s:\n got %s | %s | %s | %s\nwant %s | %s | %s | %s", event, text, ids, got.Traits, got.Properties, person, identifiers, traits, properties)
		}
	}
	f("/v1/identify", `{"userId":"u","traits":{"email":"a@b.fr","firstName":"Jo","last_name":"Du","plan":"gold","age":33}}`,
		`{"user_id":"u","email":"a@b.fr","first_name":"Jo","last_name":"Du"}`, "user_id=u email=a@b.fr", `{"plan":"gold","age":33}`, ``)
	f("/v1/identify", `{"userId":"u","traits":{"birthday":"29/02/1984"}}`, `{"user_id":"u","birth_date":"1984-02-29"}`, "user_id=u", ``, ``)
	f("/v1/identify", `{"userId":"u","traits":{"birthday":"02/29/1984"}}`, `{"user_id":"u"}`, "user_id=u", `{"birthday":"02/29/1984"}`, ``)
	f("/v1/identify", `{"userId":"u","traits":{"plan":"gold"}}`, `{"user_id":"u"}`, "user_id=u", `{"plan":"gold"}`, ``)
	f("/v1/identify", `{"anonymousId":"a","traits":{"phone":612345678,"loyaltyId":"29"}}`,
		`{"loyalty_card":"29","phone":"612345678"}`, "anonymous_id=a phone=612345678 loyalty_card=29", ``, ``)
	f("/v1/identify", `{"userId":"u","traits":{"address":{"street":"1 rue X","postalCode":"75001","city":"Paris","country":"FR","floor":2},"company":{"name":"Acme","plan":"pro"},"birthday":"1980-05-31T00:00:00Z"}}`,
		`{"user_id":"u","birth_date":"1980-05-31","street":"1 rue X","postal_code":"75001","city":"Paris","country":"FR","company":"Acme"}`, "user_id=u", `{"address":{"floor":2},"company":{"plan":"pro"}}`, ``)
	f("/v1/identify", `{"userId":"u","traits":{"birthday":"May","name":"Jo Du","title":"DG","gender":"F","civility":"Mme","address":"1 rue X"}}`,
		`{"user_id":"u","civility":"Mme","full_name":"Jo Du","gender":"F","street":"1 rue X","title":"DG"}`, "user_id=u", `{"birthday":"May"}`, ``)
	f("/v1/identify", `{"userId":"u","traits":{"\u0065mail":["a@b.fr","c@d.fr",null],"phone":["0612345678",{"x":1}],"first_name":[]}}`,
		`{"user_id":"u","email":"a@b.fr","phone":"0612345678"}`, "user_id=u email=a@b.fr email=c@d.fr phone=0612345678", `{"phone":["0612345678",{"x":1}]}`, ``)
	// The person's other values leave the JSON too, and identify.
	f("/v1/track", `{"event":"Signed Up","userId":"u","properties":{"email":"new@b.fr","ok":true},"context":{"traits":{"email":"old@b.fr","plan":"gold"}}}`,
		`{"user_id":"u","email":"new@b.fr"}`, "user_id=u email=new@b.fr email=old@b.fr", `{"plan":"gold"}`, `{"ok":true}`)
	// An address of delivery may be a friend's: it fills a gap, and its name and telephone identify nobody.
	f("/v1/track", `{"event":"Gift Sent","userId":"u","properties":{"gift":true,"shipping_address":{"first_name":"Zoé","phone":"0612345679","line1":"2 rue Y","zip":"69001","city":"Lyon","door":"3B"},"billingAddress":"9 rue Z, Paris"}}`,
		`{"user_id":"u","street":"2 rue Y","postal_code":"69001","city":"Lyon"}`, "user_id=u", ``, `{"gift":true,"shipping_address":{"door":"3B"}}`)
	f("/v1/track", `{"event":"Ticket","properties":{"loyalty_card":"29","store_id":"s","receipt_id":"r"}}`, `{"loyalty_card":"29"}`, "loyalty_card=29", ``, ``)
	f("/v1/track", `{"event":"Ticket","properties":{"store_id":"s","receipt_id":"r"}}`, ``, "till_record=s//r", ``, ``)
	f("/v1/track", `{"event":"Ticket","context":{"store":{"id":"s","register_id":"1","receipt_id":"r"}}}`, ``, "till_record=s/1/r", ``, ``)
	f("/v1/alias", `{"userId":"u","previousId":"old"}`, ``, "user_id=u anonymous_id=old", ``, ``)
	// What a group says of itself is not the person's.
	f("/v1/group", `{"userId":"u","groupId":"g","traits":{"name":"Acme","email":"info@acme.fr","employees":3}}`,
		`{"user_id":"u","company":"Acme"}`, "user_id=u", `{"email":"info@acme.fr","employees":3}`, ``)
	f("/v1/track", `{"event":"X","context":{"externalIds":[{"id":"1","type":"erp","collection":"users","encoding":"none"},{"id":"2","type":"acc","collection":"accounts"},{"id":"f","type":"email","encoding":"md5"},{"id":"d","type":"ios.id"}]},"userId":"u"}`,
		``, "user_id=u erp=1 email.md5=f device_id=d", ``, ``)
	// A card number is no token.
	f("/v1/track", `{"event":"Order Completed","userId":"u","properties":{"tender":[{"card_token":"4242 4242 4242 4242"},{"card_token":"tok_1"}]}}`,
		``, "user_id=u payment_reference=tok_1", ``, ``)
}

func TestContext(t *testing.T) {
	d := newDirect(t, nil)
	f := func(key, context, want, rest string) {
		t.Helper()
		got := d.one(t, "/v1/track", key, `{"event":"X","userId":"u","context":`+context+`}`)
		if text := asJSON(t, got.Context); text != want || compact(t, got.Properties) != rest {
			t.Errorf("%s: got %s rest %s, want %s rest %s", context, text, got.Properties, want, rest)
		}
	}
	f("wk_dev_server", `{}`, `{}`, ``)
	f("wk_dev_web", `{}`, `{"ip":"203.0.113.9"}`, ``)
	f("wk_dev_web", `{"ip":"192.0.2.1"}`, `{"ip":"203.0.113.9"}`, ``)
	f("wk_dev_web", `{"ip":"0.0.0.0"}`, `{}`, ``)
	f("wk_dev_server", `{"ip":"192.0.2.1"}`, `{"ip":"192.0.2.1"}`, ``)
	f("wk_dev_server", `{"ip":"2001:db8::1"}`, `{"ip":"2001:db8::1"}`, ``)
	f("wk_dev_server", `{"ip":"here"}`, `{}`, ``)
	f("wk_dev_server", `{"direct":true}`, `{"ip":"203.0.113.9"}`, ``)
	f("wk_dev_server", `{"page":{"url":"https://x.fr/","tab":2},"campaign":{"name":"n","source":"s","medium":"m","term":"t","content":"c","id":"i","partner":"p"}}`,
		`{"page":{"url":"https://x.fr/"},"campaign":{"name":"n","source":"s","medium":"m","term":"t","content":"c","id":"i"}}`, `{"context":{"page":{"tab":2},"campaign":{"partner":"p"}}}`)
	f("wk_dev_server", `{"userAgent":"UA","locale":"fr-FR","timezone":"Europe/Paris","sessionId":17,"groupId":"g","os":{"name":"iOS","version":17.4},"library":{"name":"l","version":"1"}}`,
		`{"user_agent":"UA","locale":"fr-FR","timezone":"Europe/Paris","library":{"name":"l","version":"1"},"os":{"name":"iOS","version":"17.4"},"session_id":"17","group_id":"g"}`, ``)
	f("wk_dev_server", `{"screen":{"width":393.4,"height":"852","density":2.5,"innerWidth":300}}`, `{"screen":{"width":393,"height":852,"density":2.5}}`, `{"context":{"screen":{"innerWidth":300}}}`)
	f("wk_dev_server", `{"device":{"type":"android","manufacturer":"Samsung","model":"SM","name":"a52","token":"secret"}}`, `{"device":{"type":"android","manufacturer":"Samsung","model":"SM","name":"a52"}}`, ``)

	got := d.one(t, "/v1/track", "wk_dev_server", `{"event":"X","userId":"u","context":{"channel":"call_center"}}`)
	if got.Channel != "call_center" {
		t.Errorf("a server may say its channel: got %s", got.Channel)
	}
	got = d.one(t, "/v1/track", "wk_dev_web", `{"event":"X","userId":"u","channel":"server","context":{"channel":"call_center"},"properties":{"context":{"mine":1}}}`)
	if got.Channel != "web" || compact(t, got.Properties) != `{"context":{"mine":1},"context_":{"channel":"call_center"}}` {
		t.Errorf("a browser may not say its channel: got %s, %s", got.Channel, got.Properties)
	}
	got = d.one(t, "/v1/page", "wk_dev_web", `{"name":"Home","category":"Shop","anonymousId":"a","properties":{"name":"Home","category":"Shop","url":"https://new.fr/","keywords":["k"]},"context":{"page":{"url":"https://old.fr/","title":"T"}}}`)
	if got.Name != "Home" || got.Context.Page != (schemas.Page{URL: "https://new.fr/", Title: "T", Category: "Shop"}) || compact(t, got.Properties) != `{"keywords":["k"]}` {
		t.Errorf("page: got %+v %s", got.Context.Page, got.Properties)
	}
}

func TestConsent(t *testing.T) {
	d := newDirect(t, nil)
	f := func(consent, want string) {
		t.Helper()
		got := d.one(t, "/v1/track", "wk_dev_web", `{"event":"X","userId":"u","context":{"consent":`+consent+`}}`)
		text := ""
		if got.Consent.Valid {
			text = asJSON(t, got.Consent.Value)
		}
		if text != want {
			t.Errorf("%s: got %s, want %s", consent, text, want)
		}
	}
	f(`null`, ``)
	f(`{}`, ``)
	f(`{"categoryPreferences":{"A":true,"B":false,"C":"true"}}`, `{"granted":["A"],"denied":["B","C"],"source":"context.consent"}`)
	f(`{"categoryPreferences":{}}`, `{"denied":["*"],"source":"context.consent"}`)
}

func TestEventIDs(t *testing.T) {
	d := newDirect(t, nil)
	id := func(key, members string) string {
		t.Helper()
		return d.one(t, "/v1/track", key, `{"event":"X","userId":"u"`+members+`}`).EventID.String()
	}
	const sent = `,"sentAt":"2026-11-21T19:13:13Z"`
	const sentLater = `,"sentAt":"2026-11-21T19:14:13Z","_metadata":{"retryCount":1}`
	same := func(what, a, b string) {
		t.Helper()
		if a != b {
			t.Errorf("%s: %s and %s", what, a, b)
		}
	}
	other := func(what, a, b string) {
		t.Helper()
		if a == b {
			t.Errorf("%s: both %s", what, a)
		}
	}
	const uuid = `0b6a4f0e-95a1-4f0c-8e55-5d1f0b1c7a42`
	same("a UUID is the id", id("wk_dev_web", `,"messageId":"`+strings.ToUpper(uuid)+`"`), uuid)
	same("retry with messageId", id("wk_dev_web", `,"messageId":"m"`+sent), id("wk_dev_web", `,"messageId":"m"`+sentLater))
	other("two sources", id("wk_dev_web", `,"messageId":"m"`), id("wk_dev_app", `,"messageId":"m"`))
	other("two messages", id("wk_dev_web", `,"messageId":"m"`), id("wk_dev_web", `,"messageId":"n"`))
	const at = `,"timestamp":"2026-11-21T19:00:00Z"`
	same("retry without messageId", id("wk_dev_web", at+sent), id("wk_dev_web", at+sentLater))
	other("two times", id("wk_dev_web", at), id("wk_dev_web", `,"timestamp":"2026-11-21T19:00:01Z"`))
	const zero = `,"messageId":"00000000-0000-0000-0000-000000000000"`
	other("the nil UUID names nothing", id("wk_dev_web", zero+at), id("wk_dev_web", zero+`,"timestamp":"2026-11-21T19:00:01Z"`))

	// Without messageId and time nothing tells a repetition from a second event: both stay.
	w := d.do(http.MethodPost, "/v1/batch", `{"batch":[{"type":"track","event":"X","userId":"u"},{"type":"track","event":"X","userId":"u"}]}`, "Key", "wk_dev_web")
	both, _, _ := d.take(t)
	if w.Code != http.StatusOK || len(both) != 2 || both[0].EventID == both[1].EventID {
		t.Errorf("two events without name and time: %d %d", w.Code, len(both))
	}
}

// A batch means what its events mean alone, each with the batch's context under its own.
func TestBatchIsItsEvents(t *testing.T) {
	d := newDirect(t, nil)
	contexts := rapid.MapOfN(rapid.SampledFrom([]string{"page", "campaign", "os", "traits", "network", "locale", "device"}),
		rapid.OneOf(
			rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"name", "url", "version", "email", "wifi"}), rapid.StringMatching(`[a-z@.]{1,6}`), 0, 4), func(m map[string]string) any { return m }),
			rapid.Map(rapid.StringMatching(`[a-z]{1,6}`), func(s string) any { return s }),
		), 0, 5)
	rapid.Check(t, func(rt *rapid.T) {
		shared := contexts.Draw(rt, "shared")
		var items, alone []string
		for i := range rapid.IntRange(1, 4).Draw(rt, "events") {
			own := contexts.Draw(rt, "own")
			event := map[string]any{"type": "track", "event": "X", "userId": "u", "messageId": fmt.Sprint(i), "properties": map[string]any{"i": i}}
			event["context"] = own
			items = append(items, asJSON(t, event))
			event["context"] = mergeObjects(viaJSON(t, own), viaJSON(t, shared))
			alone = append(alone, asJSON(t, event))
		}
		body := `{"batch":[` + strings.Join(items, ",") + `],"context":` + asJSON(t, shared) + `}`
		if w := d.do(http.MethodPost, "/v1/batch", body, "Key", "wk_dev_server"); w.Code != http.StatusOK {
			rt.Fatalf("%d %s", w.Code, w.Body)
		}
		batch, batchRejected, batchKeys := d.take(t)
		for _, event := range alone {
			d.do(http.MethodPost, "/v1/track", event, "Key", "wk_dev_server")
		}
		single, singleRejected, singleKeys := d.take(t)
		if len(batchRejected) != len(singleRejected) || len(batch)+len(batchRejected) != len(items) {
			rt.Fatalf("%d and %d rejected of %d", len(batchRejected), len(singleRejected), len(items))
		}
		for _, all := range [][]schemas.Touchpoint{batch, single} {
			for i := range all {
				all[i].Properties, all[i].Traits = sorted(t, all[i].Properties), sorted(t, all[i].Traits)
			}
		}
		if diff := cmp.Diff(single, batch) + cmp.Diff(singleKeys, batchKeys); diff != "" {
			rt.Fatalf("%s (-alone +batch)\n%s", body, diff)
		}
	})
}

func viaJSON(t testing.TB, v any) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(asJSON(t, v)), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func mergeObjects(over, under map[string]any) map[string]any {
	merged := make(map[string]any)
	for key, value := range under {
		merged[key] = value
	}
	for key, value := range over {
		inner, ok1 := value.(map[string]any)
		below, ok2 := under[key].(map[string]any)
		if ok1 && ok2 {
			merged[key] = mergeObjects(inner, below)
		} else {
			merged[key] = value
		}
	}
	return merged
}

// sorted writes JSON with its keys in order.
func sorted(t testing.TB, text string) string {
	t.Helper()
	if text == "" {
		return ""
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return asJSON(t, v)
}
