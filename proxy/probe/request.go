package probe

import (
	"crypto/rand"
	"fmt"
	"strconv"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/sstp"
)

// newRequest is the request of Windows' client (MS-SSTP 3.2.4.1), which every
// server takes: order and spelling of its fields, Host without a port. The
// correlation id is new each time.
func newRequest(t Target) httphead.Request {
	host := t.Name
	if host == "" {
		host = t.Addr.Addr().WithZone("").String()
		if t.Addr.Addr().Is6() {
			host = "[" + host + "]"
		}
	}
	return httphead.Request{
		Method: sstp.Method, Target: sstp.URIPath, Version: httphead.HTTP11,
		Fields: httphead.Fields{
			{Name: sstp.HeaderCorrelationID, Value: newGUID()},
			{Name: "Content-Length", Value: strconv.FormatUint(sstp.ContentLength, 10)},
			{Name: "Host", Value: host},
		},
	}
}

// newGUID makes up a GUID and writes it as Windows does (RFC 9562, Section 5.4).
func newGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("{%X-%X-%X-%X-%X}", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
