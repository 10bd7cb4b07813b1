package sink

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/parcours-cdp/parcours/schemas"
)

var (
	receivedThen = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	replayedNow  = receivedThen.Add(72 * time.Hour)
	rejectionOne = uuid.MustParse("5f0c8e55-5d1f-5b1c-8a42-0b6a4f0e95a1")
)

func TestWhatGoesBackToTheCollector(t *testing.T) {
	f := func(name, payload, typ string, server bool, want ...string) {
		t.Helper()
		rejection := &Rejection{ID: rejectionOne, ReceivedAt: &receivedThen, Workspace: "w", Source: "web", Type: typ, Payload: payload}
		events, err := collected(rejection, ReplaySource{Server: server}, Edit{}, replayedNow)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		got := make([]string, len(events))
		for i := range events {
			got[i] = string(events[i].body)
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: sends\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		again, err := collected(rejection, ReplaySource{Server: server}, Edit{}, replayedNow.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for i := range again {
			if again[i].id != events[i].id {
				t.Errorf("%s: the second attempt is another event", name)
			}
		}
	}
	id := `"messageId":"` + rejectionOne.String() + `"`
	f("an event without anything happened when it was received",
		`{"event":"A"}`, "track", true, `{"event":"A",`+id+`,"timestamp":"2026-11-01T12:00:00Z","type":"track"}`)
	f("the path says the type, whatever the event does",
		`{"event":"A","type":"shout","messageId":"m","timestamp":1}`, "track", true, `{"event":"A","messageId":"m","timestamp":1,"type":"track"}`)
	f("an unknown type stays to be repaired",
		`{"type":"shout","messageId":"m","timestamp":1}`, "shout", true, `{"messageId":"m","timestamp":1,"type":"shout"}`)
	f("a clock lacks what it lacked, an hour, and not the days in quarantine",
		`{"messageId":"m","timestamp":"2026-11-01T10:30:00Z","sentAt":"2026-11-01T11:00:00Z"}`, "", true,
		`{"messageId":"m","sentAt":"2026-11-04T11:00:00.000Z","timestamp":"2026-11-01T10:30:00Z"}`)
	f("so does that of a batch",
		`{"batch":[{"messageId":"m","originalTimestamp":"2026-11-01T10:30:00Z"}],"sentAt":1793530800000}`, "", true,
		`{"messageId":"m","originalTimestamp":"2026-11-01T10:30:00Z","sentAt":"2026-11-04T11:00:00.000Z"}`)
	f("an unreadable sentAt corrects nothing",
		`{"messageId":"m","timestamp":1,"sentAt":"yesterday"}`, "", true, `{"messageId":"m","timestamp":1}`)
	f("the context of a batch is under the event's own",
		`{"batch":[{"messageId":"m","timestamp":1,"context":{"page":{"url":"own"},"locale":null}}],"context":{"page":{"url":"shared","title":"t"},"locale":"fr","app":1}}`, "", true,
		`{"context":{"app":1,"locale":null,"page":{"title":"t","url":"own"}},"messageId":"m","timestamp":1}`)
	f("our address is not the visitor's",
		`{"messageId":"m","timestamp":1}`, "", false, `{"context":{"ip":"0.0.0.0"},"messageId":"m","timestamp":1}`)
	f("nor of a visitor who speaks through a server directly",
		`{"messageId":"m","timestamp":1,"context":{"direct":true}}`, "", true, `{"context":{"direct":true,"ip":"0.0.0.0"},"messageId":"m","timestamp":1}`)
	f("a server says the address",
		`{"messageId":"m","timestamp":1,"context":{"ip":"203.0.113.7"}}`, "", true, `{"context":{"ip":"203.0.113.7"},"messageId":"m","timestamp":1}`)
	f("events past the limit of a batch have names of their own",
		`[{"timestamp":1},{"timestamp":1},{"timestamp":1,"messageId":7}]`, "", true,
		`{"messageId":"`+uuid.NewSHA1(rejectionOne, []byte("0")).String()+`","timestamp":1}`,
		`{"messageId":"`+uuid.NewSHA1(rejectionOne, []byte("1")).String()+`","timestamp":1}`,
		`{"messageId":7,"timestamp":1}`)
	f("of a repeated name the last holds; numbers stay as they are written",
		`{"messageId":"m","timestamp":1,"event":"A","event":"B","n":12345678901234567890.10}`, "", true, `{"event":"B","messageId":"m","n":12345678901234567890.10,"timestamp":1}`)
	f("the nil UUID names nothing",
		`{"messageId":"00000000-0000-0000-0000-000000000000","timestamp":1}`, "", true, `{`+id+`,"timestamp":1}`)
}

func TestWhatCannotGoBack(t *testing.T) {
	f := func(payload, says string, sets ...string) {
		t.Helper()
		edit, err := ParseEdit(sets, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = collected(&Rejection{ID: rejectionOne, Payload: payload}, ReplaySource{}, edit, replayedNow)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", payload, err, says)
		}
	}
	f("", "nothing was kept")
	f(`{"event":`, "no JSON")
	f("\x00\x01", "no JSON")
	f(`"track"`, "no JSON object")
	f(`[{},3]`, "event 2 of 2: the event is no JSON object")
	f(`{"properties":"x"}`, "put properties.total: total stands in what is no object", "properties.total=1")
}

// The very bytes that were rejected are told from others: rejected again, they are the same rejection.
func TestSameBytesAreTold(t *testing.T) {
	f := func(payload string, want bool) {
		t.Helper()
		events, err := collected(&Rejection{ID: rejectionOne, Payload: payload}, ReplaySource{Server: true}, Edit{}, replayedNow)
		if err != nil || len(events) != 1 || events[0].same != want || (len(events[0].changes) == 0) != want {
			t.Errorf("%s: %+v (%v), want same %v", payload, events, err, want)
		}
	}
	f(`{"messageId":"m"}`, true)
	f(`{}`, false)
}

// A replayed event is named as the collector names it.
func TestReplayedEventsAreFoundByTheirID(t *testing.T) {
	events, err := collected(&Rejection{ID: rejectionOne, Workspace: "w", Source: "web", Payload: `{"messageId":"m-1"}`}, ReplaySource{}, Edit{}, replayedNow)
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := schemas.EventID("w", "web", "m-1"); events[0].id != want {
		t.Errorf("id %s, want %s", events[0].id, want)
	}
}
