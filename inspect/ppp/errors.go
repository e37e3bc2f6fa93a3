package ppp

import (
	"errors"
	"fmt"
)

// A SyntaxError says which field of the input breaks the specification. Whatever followed the input could not mend it.
type SyntaxError struct {
	Section string // where the specification describes the field: "RFC 1661, Section 5"
	Field   string // the field's name there: "Length"
	Offset  int    // where the field begins, in octets from the start of what was parsed
	Value   any    // what the field held, an integer or a piece of text; never a secret
}

// Error returns one line of text.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("ppp: invalid %s %v at offset %d (%s)", e.Field, e.Value, e.Offset, e.Section)
}

// ErrUnencodable is what the errors of the Append methods wrap: a value that has no form on the wire, such as a name
// that is longer than its length octet can say. What the parsers return can always be appended.
var ErrUnencodable = errors.New("ppp: value cannot be encoded")

func unencodable(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnencodable, fmt.Sprintf(format, args...))
}
