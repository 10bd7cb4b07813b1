package warehouse

import (
	"errors"

	"github.com/ClickHouse/clickhouse-go/v2"
)

const codeUnknownDatabase = 81

// dataErrors are the codes of ClickHouse's ErrorCodes.cpp that blame a value: the same row is refused for ever.
// Everything else, a missing table or a full disk too, may pass once somebody has looked after it, and so the rows
// wait. A code is here only if no fault of the server, the network or the table can cause it.
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

// IsDataError reports whether the server blames a value of the rows, so that trying them again is in vain.
func IsDataError(err error) bool {
	_, blamed := dataErrors[codeOf(err)]
	return blamed
}

// Reason is the name of the server's error, for metrics and quarantine; "clickhouse" when it has none.
func Reason(err error) string {
	if name, known := dataErrors[codeOf(err)]; known {
		return name
	}
	var exception *clickhouse.Exception
	if errors.As(err, &exception) && exception.CodeName != "" {
		return exception.CodeName
	}
	return "clickhouse"
}

// IsAnswer reports whether the error is the server's own: it has done nothing. Without an answer nobody knows.
func IsAnswer(err error) bool { return codeOf(err) != 0 }

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
