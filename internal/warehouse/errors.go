package warehouse

import (
	"context"
	"errors"
	"net/http"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Class is what an error of an insert or a query says about trying again.
type Class string

const (
	// ClassData blames a value: the same rows are refused for ever.
	ClassData Class = "data"
	// ClassOverload says that the server has too much to do: less often, or in larger pieces, is better.
	ClassOverload Class = "overload"
	// ClassUnanswered says that nobody knows what happened: the rows may be there or not.
	ClassUnanswered Class = "unanswered"
	// ClassTransient is every other answer of the server: it did not do it, and may once somebody has looked after it.
	ClassTransient Class = "transient"
)

const codeUnknownDatabase = 81

// The codes stand in ClickHouse's ErrorCodes.cpp; a test asks the engine for each name.

// dataErrors blame a value. Everything else, a missing table or a full disk too, may pass once somebody has looked
// after it, and so the rows wait. A code is here only if no fault of the server, the network or the table can cause it.
var dataErrors = map[int32]string{
	6:   "CANNOT_PARSE_TEXT",
	25:  "CANNOT_PARSE_ESCAPE_SEQUENCE",
	26:  "CANNOT_PARSE_QUOTED_STRING",
	27:  "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
	38:  "CANNOT_PARSE_DATE",
	41:  "CANNOT_PARSE_DATETIME",
	69:  "ARGUMENT_OUT_OF_BOUND",
	70:  "CANNOT_CONVERT_TYPE",
	72:  "CANNOT_PARSE_NUMBER",
	117: "INCORRECT_DATA",
	128: "TOO_LARGE_ARRAY_SIZE",
	131: "TOO_LARGE_STRING_SIZE",
	190: "SIZES_OF_ARRAYS_DONT_MATCH",
	306: "TOO_DEEP_RECURSION",
	321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
	349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
	376: "CANNOT_PARSE_UUID",
	407: "DECIMAL_OVERFLOW",
	441: "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING",
	467: "CANNOT_PARSE_BOOL",
	469: "VIOLATED_CONSTRAINT",
	675: "CANNOT_PARSE_IPV4",
	676: "CANNOT_PARSE_IPV6",
}

// overloadErrors pass sooner when we send less often.
var overloadErrors = map[int32]string{
	159: "TIMEOUT_EXCEEDED",
	160: "TOO_SLOW",
	201: "QUOTA_EXCEEDED",
	202: "TOO_MANY_SIMULTANEOUS_QUERIES",
	241: "MEMORY_LIMIT_EXCEEDED",
	252: "TOO_MANY_PARTS",
	364: "RECEIVED_ERROR_TOO_MANY_REQUESTS",
	439: "CANNOT_SCHEDULE_TASK",
	692: "TOO_MANY_MUTATIONS",
	745: "SERVER_OVERLOADED",
}

// unsureErrors are answers that do not say whether the rows are there: the server itself lost an answer, of Keeper or
// of another server, or was interrupted. A doubt too many costs one query, a doubt too few doubles rows.
var unsureErrors = map[int32]string{
	209:  "SOCKET_TIMEOUT",
	210:  "NETWORK_ERROR",
	236:  "ABORTED",
	279:  "ALL_CONNECTION_TRIES_FAILED",
	286:  "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE",
	319:  "UNKNOWN_STATUS_OF_INSERT",
	394:  "QUERY_WAS_CANCELLED",
	999:  "KEEPER_EXCEPTION",
	1000: "POCO_EXCEPTION",
	1001: "STD_EXCEPTION",
	1002: "UNKNOWN_EXCEPTION",
}

// Classify tells what an error of this package's inserts and queries says about trying again.
func Classify(err error) Class {
	code := codeOf(err)
	if code == 0 {
		var answer *clickhouse.HTTPError
		if errors.As(err, &answer) && answer.StatusCode == http.StatusTooManyRequests {
			return ClassOverload // a proxy's words
		}
		return ClassUnanswered
	}
	if _, blamed := dataErrors[code]; blamed {
		return ClassData
	}
	if _, busy := overloadErrors[code]; busy {
		return ClassOverload
	}
	if _, unsure := unsureErrors[code]; unsure {
		return ClassUnanswered
	}
	return ClassTransient
}

// Reason is the name of the server's error, for metrics and quarantine. Without one it is "cancelled" when our own
// time was up, and else "unanswered".
func Reason(err error) string {
	code := codeOf(err)
	for _, names := range []map[int32]string{dataErrors, overloadErrors, unsureErrors} {
		if name, known := names[code]; known {
			return name
		}
	}
	var exception *clickhouse.Exception
	switch {
	case errors.As(err, &exception) && exception.CodeName != "":
		return exception.CodeName
	case code != 0:
		return "clickhouse"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "cancelled"
	}
	return "unanswered"
}

// IsAccessDenied reports whether the account may not do what it tried.
func IsAccessDenied(err error) bool { return codeOf(err) == 497 }

// IsNoAccessStorage reports whether the server has no place to keep roles and users in.
func IsNoAccessStorage(err error) bool { return codeOf(err) == 514 || codeOf(err) == 495 }

func codeOf(err error) int32 {
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		return exception.Code
	}
	return 0
}

// Message is the server's own sentence; it may quote values. Without one it is the whole error.
func Message(err error) string {
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		return exception.Message
	}
	return err.Error()
}
