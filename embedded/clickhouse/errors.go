package clickhouse

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// Codes of ClickHouse's src/Common/ErrorCodes.cpp which this package answers with itself.
const (
	codeNotImplemented    = 48
	codeSyntaxError       = 62
	codeUnknownCompressed = 89
	codeIncorrectData     = 117
	codeTooManyQueries    = 202
	codeQueryTooLarge     = 229
	codeSessionNotFound   = 372
	codeSessionLocked     = 373
	codeInvalidSession    = 374
	codeAccessDenied      = 497
	codeAuthentication    = 516
	codeUnknownException  = 1002
)

// queryError is an error with ClickHouse's code and text.
type queryError struct {
	code int
	text string
}

func (e *queryError) Error() string { return e.text }

var codeText = regexp.MustCompile(`^Code: (\d+)\. `)

// engineError reads the engine's own text. The engine adds its version to some messages only; a server does to all.
func engineError(text string) *queryError {
	text = strings.TrimRight(text, "\n")
	m := codeText.FindStringSubmatch(text)
	if m == nil {
		return &queryError{code: codeUnknownException, text: "Code: 1002. DB::Exception: " + text + " (UNKNOWN_EXCEPTION)"}
	}
	code, err := strconv.Atoi(m[1])
	if err != nil {
		code = codeUnknownException
	}
	return &queryError{code: code, text: text}
}

func newError(code int, name, format string, args ...any) *queryError {
	return &queryError{code: code, text: fmt.Sprintf("Code: %d. DB::Exception: %s. (%s)", code, fmt.Sprintf(format, args...), name)}
}

// asQueryError gives any error a code and a text; nil stays nil.
func asQueryError(err error) *queryError {
	if err == nil {
		return nil
	}
	var known *queryError
	if errors.As(err, &known) {
		return known
	}
	return newError(codeUnknownException, "UNKNOWN_EXCEPTION", "%s", err)
}

func errorCode(err error) int {
	if e := asQueryError(err); e != nil {
		return e.code
	}
	return 0
}

// statusOf maps codes to HTTP as ClickHouse's exceptionCodeToHTTPStatus does; every other code is a 500.
func statusOf(code int) int {
	switch code {
	case 194: // REQUIRED_PASSWORD
		return http.StatusUnauthorized
	case 192, 193, codeAccessDenied, 512, codeAuthentication: // UNKNOWN_USER, WRONG_PASSWORD, SET_NON_GRANTED_ROLE
		return http.StatusForbidden
	case 6, 25, 26, 27, 38, 41, 72, 376, 441, 675, 676, // CANNOT_PARSE_*
		8, 15, 36, 37, 44, 53, codeSyntaxError, codeIncorrectData, 123, 167, 168, 223, 321, 427:
		return http.StatusBadRequest
	case 46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511: // UNKNOWN_*
		return http.StatusNotFound
	case codeQueryTooLarge:
		return http.StatusRequestEntityTooLarge
	case codeNotImplemented:
		return http.StatusNotImplemented
	case 76, 209, 439: // CANNOT_OPEN_FILE, SOCKET_TIMEOUT, CANNOT_SCHEDULE_TASK
		return http.StatusServiceUnavailable
	case 381: // HTTP_LENGTH_REQUIRED
		return http.StatusLengthRequired
	case 159: // TIMEOUT_EXCEEDED
		return http.StatusRequestTimeout
	}
	return http.StatusInternalServerError
}
