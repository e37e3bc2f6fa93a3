package httphead

import "fmt"

const (
	// MaxHeadLen is the longest head that is read, in bytes, its empty lines
	// included. Servers stop between 8 KiB and 64 KiB.
	MaxHeadLen = 64 << 10
	// MaxFields is the most field lines that a head may have, continuation lines
	// included. Browsers stay below 50.
	MaxFields = 256
	// MaxMethodLen is the longest method, in bytes; SSTP_DUPLEX_POST has 16. A
	// stream that begins with a longer word is no request.
	MaxMethodLen = 32

	// maxEmptyLines may come before a request line (RFC 9112, Section 2.2).
	maxEmptyLines = 4
)

// Version is the version of HTTP that a message names (RFC 9112, Section 2.3).
type Version struct {
	Major, Minor uint8 // one digit each; Major is 1 in a head that was read
}

// The versions of HTTP/1.
var (
	HTTP10 = Version{1, 0}
	HTTP11 = Version{1, 1}
)

// String returns the version as it stands in a start line, e.g. "HTTP/1.1".
func (v Version) String() string { return fmt.Sprintf("HTTP/%d.%d", v.Major, v.Minor) }

// A Request is the head of a request (RFC 9112, Section 3). Its strings share
// one copy of the head and stay valid for good.
type Request struct {
	Method   string  // case kept, 1 to MaxMethodLen bytes
	Target   string  // as sent, never decoded
	Version  Version // HTTP/1.x; the zero value is written as HTTP/1.1
	Fields   Fields  // in the order sent
	Oddities Oddity  // of the lines, of the target and of what the fields say together
	Raw      string  // the whole head as sent, credentials included; empty unless parsed
}

// ParseRequest parses the head of a request at the start of b. It returns the
// head and its length in bytes, the empty line included.
//
// The error is [io.ErrUnexpectedEOF] when b may be a prefix of a head,
// [ErrHTTP2Preface] when it begins an HTTP/2 connection, else a [*SyntaxError].
// When parsing a buffer that grows, use a [Scanner].
func ParseRequest(b []byte) (Request, int, error) {
	var s Scanner
	return s.Request(b)
}

// MustRefuse returns those of the request's oddities for which a strict server or
// proxy answers 400 (RFC 9112, Sections 2.2, 3, 5.1, 5.2 and 6). When
// there are none, all recipients agree on where the head written by Append ends
// and how long its body is; the head as sent may still have bare LF line ends.
//
// A missing Host is no reason in a CONNECT, whose target names the host anyway
// and which sstpc sends without; nor are a second port and an IPv6 address
// without brackets, as [ParseAuthority] reads them.
func (r Request) MustRefuse() Oddity {
	refuse := refuseRequest
	if r.Method == "CONNECT" {
		refuse &^= MissingHost
	}
	return r.Oddities & refuse
}

// A Response is the head of a response (RFC 9112, Section 4). Its strings share
// one copy of the head and stay valid for good.
type Response struct {
	Version  Version // HTTP/1.x; the zero value is written as HTTP/1.1
	Status   int     // three digits, 100 to 599 in a valid response
	Reason   string  // often empty; RRAS sends none
	Fields   Fields  // in the order sent
	Oddities Oddity  // of the lines and of what the fields say together
	Raw      string  // the whole head as sent; empty unless parsed
}

// ParseResponse parses the head of a response at the start of b. It returns the
// head and its length in bytes, the empty line included.
//
// The error is [io.ErrUnexpectedEOF] when b may be a prefix of a head, else a
// [*SyntaxError]. When parsing a buffer that grows, use a [Scanner].
func ParseResponse(b []byte) (Response, int, error) {
	var s Scanner
	return s.Response(b)
}

// MustRefuse returns those of the response's oddities for which a strict proxy
// answers 502 in its place (RFC 9112, Sections 2.2, 5.2 and 6). White space
// before a colon is not among them: Append removes it, as Section 5.1 wants.
func (r Response) MustRefuse() Oddity { return r.Oddities & refuseAlways }
