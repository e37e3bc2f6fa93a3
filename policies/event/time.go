package event

import (
	"fmt"
	"time"
)

// layout is RFC 3339 with microseconds, the resolution of most captures. In
// UTC, times of one length sort as text.
const layout = "2006-01-02T15:04:05.000000Z07:00"

// A Time is written in RFC 3339, in UTC and with six digits of seconds. What
// is left of a microsecond is cut off.
type Time struct{ time.Time }

// NewTime gives t as an event writes it. Years that RFC 3339 cannot write,
// which a capture file may well claim, become the nearest that it can.
func NewTime(t time.Time) Time {
	t = t.UTC().Truncate(time.Microsecond)
	switch {
	case t.Year() < 0:
		t = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	case t.Year() > 9999:
		t = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	return Time{t}
}

// String gives t as it stands in events.
func (t Time) String() string { return t.UTC().Format(layout) }

// AppendText appends t as it stands in events, without quotes.
func (t Time) AppendText(b []byte) ([]byte, error) {
	return t.UTC().AppendFormat(b, layout), nil
}

// MarshalText gives t as it stands in events, without quotes.
func (t Time) MarshalText() ([]byte, error) { return t.AppendText(nil) }

// MarshalJSON gives t as it stands in events.
func (t Time) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, len(layout)+2)
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, layout)
	return append(b, '"'), nil
}

// UnmarshalJSON reads what MarshalJSON wrote, and any other RFC 3339 time.
func (t *Time) UnmarshalJSON(b []byte) error {
	var u time.Time
	if err := u.UnmarshalJSON(b); err != nil {
		return fmt.Errorf("reading event time: %w", err)
	}
	t.Time = u.UTC()
	return nil
}
