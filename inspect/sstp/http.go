package sstp

import "math"

// What the HTTP exchange in front of the SSTP stream is recognised by
// (MS-SSTP 3.2.4.1).
const (
	// Method is the method of the request.
	Method = "SSTP_DUPLEX_POST"
	// URIPath is the path of the request. A query, "?tenantid=...", may
	// follow it, and servers can be configured with another path.
	URIPath = "/sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/"
	// ContentLength is the value of the Content-Length field in both the
	// request and the response: ULONGLONG_MAX, 18446744073709551615.
	ContentLength uint64 = math.MaxUint64
	// HeaderCorrelationID is the field of the request that holds a GUID, new
	// with each attempt to connect.
	HeaderCorrelationID = "SSTPCORRELATIONID"
)

// What a client adds to the CONNECT request that it sends to an HTTP proxy,
// so that administrators can tell SSTP from other tunnels (MS-SSTP 4.5).
const (
	HeaderVersion      = "SSTPVERSION"
	HeaderVersionValue = "1.0"
)
