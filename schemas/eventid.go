package schemas

import "github.com/google/uuid"

// eventSpace makes the ids of events differ from every other name-based id.
var eventSpace = uuid.MustParse("0b6a4f0e-95a1-5f0c-8e55-5d1f0b1c7a42")

// EventID is the event_id of an event that was sent with a message id: the message id itself where it is a UUID, and a
// name made of workspace, source and message id where it is something else. It is false where the message id names
// nothing: such an event is named by what it holds.
func EventID(workspace, source, messageID string) (UUID, bool) {
	if messageID == "" {
		return UUID{}, false
	}
	if len(messageID) == len(uuid.Nil.String()) {
		if id, err := uuid.Parse(messageID); err == nil {
			return id, id != uuid.Nil
		}
	}
	return uuid.NewSHA1(eventSpace, []byte(workspace+"\x1f"+source+"\x1f"+messageID)), true
}
