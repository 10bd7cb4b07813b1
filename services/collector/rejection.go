package collector

import (
	"github.com/parcours-cdp/parcours/services/collector/jsonindex"
)

// Reason is the code of what is wrong with an event, as it stands in answers, metrics and quarantine.
type Reason string

// The reasons for which one event is quarantined. docs/reference/collector.md explains them to senders.
const (
	ReasonInvalidUTF8         = Reason(jsonindex.InvalidUTF8)
	ReasonDuplicateKey        = Reason(jsonindex.DuplicateKey)
	ReasonTooDeep             = Reason(jsonindex.TooDeep)
	ReasonTooManyKeys         = Reason(jsonindex.TooManyKeys)
	ReasonNumberOutOfRange    = Reason(jsonindex.NumberOutOfRange)
	ReasonNotAnObject         = Reason("not_an_object")
	ReasonEventTooLarge       = Reason("event_too_large")
	ReasonBatchTooLarge       = Reason("batch_too_large")
	ReasonTooManyEvents       = Reason("too_many_events")
	ReasonUnknownType         = Reason("unknown_type")
	ReasonMissingName         = Reason("missing_event_name")
	ReasonMissingGroup        = Reason("missing_group_id")
	ReasonMissingPrevious     = Reason("missing_previous_id")
	ReasonMissingUser         = Reason("missing_user_id")
	ReasonMissingIdentifier   = Reason("missing_identifier")
	ReasonUnusableIdentifier  = Reason("unusable_identifier")
	ReasonTooManyIdentifiers  = Reason("too_many_identifiers")
	ReasonMessageIDTooLong    = Reason("message_id_too_long")
	ReasonInvalidType         = Reason("invalid_type")
	ReasonInvalidTimestamp    = Reason("invalid_timestamp")
	ReasonInvalidAmount       = Reason("invalid_amount")
	ReasonInvalidNumber       = Reason("invalid_number")
	ReasonInvalidDate         = Reason("invalid_date")
	reasonInvalidJSON         = Reason("invalid_json")
	reasonNoBatch             = Reason("missing_batch")
	reasonBodyTooLarge        = Reason("body_too_large")
	reasonUnsupportedEncoding = Reason("unsupported_encoding")
	reasonInvalidEncoding     = Reason("invalid_encoding")
)

// details say what is wrong and what the sender should do; they never repeat a value.
var details = map[Reason]string{
	ReasonInvalidUTF8:         "a text is not UTF-8: encode the body as UTF-8",
	ReasonDuplicateKey:        "an object has the same key twice: send each key once",
	ReasonTooDeep:             "objects and arrays are nested too deeply: flatten them",
	ReasonTooManyKeys:         "the event has too many keys: send fewer, or split it",
	ReasonNumberOutOfRange:    "a number does not fit 64 bits, as a whole number or a float: send it as text",
	ReasonNotAnObject:         "an event is a JSON object",
	ReasonEventTooLarge:       "the event is over the published size: send less, or split it",
	ReasonBatchTooLarge:       "the context of the batch, repeated for each of its events, is too large: send it smaller",
	ReasonTooManyEvents:       "the batch has more events than one request may carry: send smaller batches",
	ReasonUnknownType:         "type is none of identify, track, page, screen, group and alias",
	ReasonMissingName:         "a track call needs the name of its event",
	ReasonMissingGroup:        "a group call needs groupId",
	ReasonMissingPrevious:     "an alias call needs previousId",
	ReasonMissingUser:         "an alias call needs userId",
	ReasonMissingIdentifier:   "nothing says whose event it is: send userId, anonymousId, an e-mail, a loyalty card or a ticket",
	ReasonUnusableIdentifier:  "no identifier is usable: they are empty, placeholders or not valid for their type",
	ReasonTooManyIdentifiers:  "the event names too many identifiers: send those of one person",
	ReasonMessageIDTooLong:    "messageId is over 100 characters",
	ReasonInvalidType:         "the value is of the wrong JSON type",
	ReasonInvalidTimestamp:    "the time is not ISO 8601, or not between the years 1900 and 2299",
	ReasonInvalidAmount:       "the amount is not a decimal number such as 12.90, or too large",
	ReasonInvalidNumber:       "the value is not a whole number",
	ReasonInvalidDate:         "the date is neither of the form 2026-05-31 nor of the form 31/05/2026",
	reasonInvalidJSON:         "the body is not JSON",
	reasonNoBatch:             "the body is not an object with an array named batch",
	reasonBodyTooLarge:        "the body is over the published size",
	reasonUnsupportedEncoding: "Content-Encoding is none of gzip, zstd and identity, or more than one",
	reasonInvalidEncoding:     "the body is not what Content-Encoding says",
}

// Rejection says why one event cannot be a touchpoint.
type Rejection struct {
	Reason Reason
	// Field is the path of the field at fault, in the sender's own words; empty when it is the whole event.
	Field string
}

// Detail is a sentence for the sender.
func (r Rejection) Detail() string { return details[r.Reason] }
