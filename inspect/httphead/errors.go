package httphead

import (
	"errors"
	"fmt"
)

// ErrHTTP2Preface says that the bytes begin with the request line of the HTTP/2
// connection preface, "PRI * HTTP/2.0" (RFC 9113, Section 3.4): not an HTTP/1.x
// head, yet no stranger either. Only requests give it.
var ErrHTTP2Preface = errors.New("httphead: HTTP/2 connection preface")

// A SyntaxError says why bytes cannot be what they were parsed as, whatever may
// follow them.
type SyntaxError struct {
	Section string // where the rule stands, e.g. "RFC 9112, Section 3.1"
	Field   string // the grammar's word for the element, e.g. "method"
	Offset  int    // of the first wrong byte, from the start of what was parsed
	Value   any    // what stood there or the bound exceeded: a byte, an int or at most 64 bytes of text
}

// Error implements error.
func (e *SyntaxError) Error() string {
	format := "httphead: invalid %s at offset %d: %v (%s)"
	switch e.Value.(type) {
	case byte:
		format = "httphead: invalid %s at offset %d: %#02x (%s)"
	case string:
		format = "httphead: invalid %s at offset %d: %q (%s)"
	case int:
		format = "httphead: %s at offset %d: more than %d (%s)"
	}
	return fmt.Sprintf(format, e.Field, e.Offset, e.Value, e.Section)
}

// excerpt bounds the text that an error holds on to.
func excerpt[T string | []byte](s T) string {
	const most = 64
	return string(s[:min(len(s), most)])
}
