package export

import (
	"cmp"
	"fmt"
	"math"

	"sstpwarden/inspect"
)

// Reasons of a proxy, which sees requests and, where it reads it, a hello.
func beyondProxy(r *inspect.Rule) string {
	m := &r.Match
	if reason := cmp.Or(tellsNothing(r), beyond(r)); reason != "" {
		return reason
	}
	switch {
	case len(r.Requires) > 0:
		return "holds only after another rule on the connection, and a proxy judges requests one by one"
	case m.Dialogue != nil || m.Run != nil:
		return sizes + ", which a proxy does not see"
	case m.SSTP != nil:
		return "asks for messages of SSTP, and a proxy looks at no more than heads"
	case m.Certificate != nil:
		return certificates
	case m.HTTP != nil:
		return cmp.Or(beyondHead(m.HTTP), beyondLength(m.HTTP))
	case m.Connect != nil:
		return cmp.Or(beyondHead(m.Connect), beyondLength(m.Connect))
	}
	return ""
}

func beyondLength(m *inspect.HeadMatch) string {
	switch {
	case m.ContentLength != nil && *m.ContentLength > math.MaxInt64:
		return fmt.Sprintf("asks for a Content-Length of %d, which this proxy refuses by itself", *m.ContentLength)
	case m.Value != nil && m.ValueLength != nil:
		return "asks for the form and the length of one value"
	case !words(m.Method, m.Header):
		return "asks for a method or a header that is none in HTTP"
	}
	return ""
}
