package tlswire

import "fmt"

// A SyntaxError says that bytes cannot be, nor become, what they were parsed
// as.
type SyntaxError struct {
	Section string // where the rule stands: "RFC 8446, Section 5.1"
	Field   string // the field that broke it, as the specification names it
	Offset  int    // of the field, in bytes from the start of what was parsed
	Value   any    // what was found there, nil where only the length is wrong
}

func (e *SyntaxError) Error() string {
	if e.Value == nil {
		return fmt.Sprintf("tlswire: %s at offset %d does not fit (%s)", e.Field, e.Offset, e.Section)
	}
	return fmt.Sprintf("tlswire: %s at offset %d is %v (%s)", e.Field, e.Offset, e.Value, e.Section)
}
