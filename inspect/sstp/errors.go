package sstp

import "fmt"

// SyntaxError says that bytes cannot be SSTP, whatever may follow them.
type SyntaxError struct {
	Section string // where the rule stands: "MS-SSTP 2.2.1"
	Field   string // the field in the specification's words: "Length"
	Offset  int    // of the field, in bytes from the start of the packet
	Value   any    // what the field holds, an integer; nil if it is missing
}

// Error names the field, its value and the section that rules it out.
func (e *SyntaxError) Error() string {
	if e.Value == nil {
		return fmt.Sprintf("sstp: no %s at byte %d (%s)", e.Field, e.Offset, e.Section)
	}
	return fmt.Sprintf("sstp: bad %s %#x at byte %d (%s)", e.Field, e.Value, e.Offset, e.Section)
}
