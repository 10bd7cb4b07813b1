package schemas

import "testing"

func TestRoundTrip(t *testing.T) {
	in := EnrichedTouchpoint{}
	in.MessageID = "m1"
	in.Commerce = Some(Commerce{Total: Some(Decimal(-129)), Items: []Item{{SKU: "s"}}})
	in.Traffic = Some(Traffic{Campaign: "c"})
	d, err := NewDecoder(EnrichedTouchpointSchema())
	if err != nil {
		t.Fatal(err)
	}
	var out EnrichedTouchpoint
	if err := d.Decode(in.AppendAvro(nil), &out); err != nil {
		t.Fatal(err)
	}
	if out.MessageID != "m1" || out.Commerce.Value.Total.Value != -129 || out.Commerce.Value.Items[0].SKU != "s" || out.Traffic.Value.Campaign != "c" {
		t.Fatalf("%+v", out)
	}
}
