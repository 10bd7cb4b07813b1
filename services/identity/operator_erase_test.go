package identity_test

import (
	"testing"

	"github.com/parcours-cdp/parcours/internal/identifier"
	"github.com/parcours-cdp/parcours/services/identity/api"
)

// What is derived of an address goes with it, however the address is named: the person who comes back has another.
func TestErasingAnAddressErasesWhatIsDerivedOfIt(t *testing.T) {
	for name, of := range map[string]func(mail, user api.Customer) api.EraseRequest{
		"by node": func(mail, _ api.Customer) api.EraseRequest {
			node := byID(mail.Asked.Node)
			return api.EraseRequest{One: api.One{Identifier: &node}, Note: note}
		},
		"with its customer": func(_, user api.Customer) api.EraseRequest {
			yes := true
			return api.EraseRequest{CustomerID: user.CustomerID.String(), WholeCustomer: &yes, Note: note}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			mail, user := ref("email", "j.doe+shop@gmail.com"), ref("user_id", "u-1")
			d.collect(d.touch(1, id(mail.Type, mail.Value), id(user.Type, user.Value)))
			d.untilEvents(1)
			canon := d.node(identifier.EmailCanon, "j.doe+shop@gmail.com")
			if !d.show(byID(canon)).Asked.Known {
				t.Fatal("nothing is derived of the address")
			}
			d.order("erase", of(d.show(mail), d.show(user)))
			if got := d.show(byID(canon)); got.Asked.Known || got.Asked.ErasedAt == nil {
				t.Errorf("what was derived of the address is %+v", got.Asked)
			}
		})
	}
}
