package schemas

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// UUID is an Avro fixed of 16 bytes.
type UUID = uuid.UUID

// Millis is a moment, in milliseconds since 1970-01-01T00:00:00Z.
type Millis int64

// MillisOf returns the moment of t, cut to the millisecond.
func MillisOf(t time.Time) Millis { return Millis(t.UnixMilli()) }

// Time returns the moment in UTC.
func (m Millis) Time() time.Time { return time.UnixMilli(int64(m)).UTC() }

// Date is a day of the calendar without a time zone, in days since 1970-01-01.
type Date int32

const secondsPerDay = 24 * 60 * 60

// DateOf returns the day of a civil date; values out of range are normalised as time.Date does.
func DateOf(year int, month time.Month, day int) Date {
	return Date(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay)
}

// Time returns the start of the day in UTC.
func (d Date) Time() time.Time { return time.Unix(int64(d)*secondsPerDay, 0).UTC() }

// Optional is a value that may be missing: the union of null and T. Value means something only when Valid.
type Optional[T any] struct {
	Value T
	Valid bool
}

// Some returns an Optional that holds v.
func Some[T any](v T) Optional[T] { return Optional[T]{Value: v, Valid: true} }

// IsZero reports whether the value is missing, for "omitzero" in JSON.
func (o Optional[T]) IsZero() bool { return !o.Valid }

// MarshalJSON writes the value, or null.
func (o Optional[T]) MarshalJSON() ([]byte, error) {
	if !o.Valid {
		return []byte("null"), nil
	}
	return json.Marshal(o.Value)
}

// MarshalText writes RFC 3339 in UTC, with milliseconds.
func (m Millis) MarshalText() ([]byte, error) {
	return m.Time().AppendFormat(nil, "2006-01-02T15:04:05.000Z07:00"), nil
}

// MarshalText writes year-month-day.
func (d Date) MarshalText() ([]byte, error) { return d.Time().AppendFormat(nil, time.DateOnly), nil }

// MarshalJSON writes an exact JSON number.
func (d Decimal) MarshalJSON() ([]byte, error) { return d.append(nil), nil }
