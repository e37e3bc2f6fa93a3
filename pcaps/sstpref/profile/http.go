package profile

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/sstp"
)

// httpDate is the form of the Date field (RFC 9110, Section 5.6.7).
const httpDate = "Mon, 02 Jan 2006 15:04:05 GMT"

func date(now time.Time) httphead.Field {
	return httphead.Field{Name: "Date", Value: now.UTC().Format(httpDate)}
}

// contentLength is the field that both heads of the exchange have.
func contentLength() httphead.Field {
	return httphead.Field{Name: "Content-Length", Value: strconv.FormatUint(sstp.ContentLength, 10)}
}

func hostField(value string) httphead.Field { return httphead.Field{Name: "Host", Value: value} }

func correlationField(value string) httphead.Field {
	return httphead.Field{Name: sstp.HeaderCorrelationID, Value: value}
}

func request(path string, fields ...httphead.Field) httphead.Request {
	return httphead.Request{Method: sstp.Method, Target: path, Version: httphead.HTTP11, Fields: fields}
}

// upperGUID and lowerGUID write a GUID in braces.
func upperGUID(id [16]byte) string { return strings.ToUpper(lowerGUID(id)) }

func lowerGUID(id [16]byte) string {
	h := hex.EncodeToString(id[:])
	return fmt.Sprintf("{%s-%s-%s-%s-%s}", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}

// guidBytes is a GUID as Windows lays it out in memory: the first three groups with
// their least significant byte first.
func guidBytes(id [16]byte) string {
	return string([]byte{id[3], id[2], id[1], id[0], id[5], id[4], id[7], id[6]}) + string(id[8:])
}

// bracketed puts an IPv6 address in brackets.
func bracketed(host string) string {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		return "[" + host + "]"
	}
	return host
}

// hostPort is a Host field with the port unless that is HTTPS's own, as RFC 9110,
// Section 7.2 has it.
func hostPort(host string, port uint16) string {
	if port == 443 {
		return bracketed(host)
	}
	return authority(host, port)
}

func authority(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func versionField() httphead.Field {
	return httphead.Field{Name: sstp.HeaderVersion, Value: sstp.HeaderVersionValue}
}

// connect returns a CONNECT of Host, then the given fields, then credentials.
func connect(host string, port uint16, user, password string, fields ...httphead.Field) []byte {
	to := authority(host, port)
	r := httphead.Request{Method: "CONNECT", Target: to, Version: httphead.HTTP11, Fields: append(httphead.Fields{hostField(to)}, fields...)}
	if user != "" {
		r.Fields = append(r.Fields, httphead.Field{Name: "Proxy-Authorization", Value: basic(user, password)})
	}
	return r.Append(nil)
}

// specifiedConnect is the CONNECT of MS-SSTP 4.5.
func specifiedConnect(host string, port uint16, user, password string) []byte {
	return connect(host, port, user, password, versionField())
}

// plainConnect is a CONNECT that says nothing of SSTP.
func plainConnect(host string, port uint16, user, password string) []byte {
	return connect(host, port, user, password)
}

// response is a head that accepts a request.
func response(reason string, fields ...httphead.Field) httphead.Response {
	return httphead.Response{Version: httphead.HTTP11, Status: 200, Reason: reason, Fields: fields}
}

// reasons are the phrases of the statuses that Refusal gets (RFC 9110, Section 15).
var reasons = map[int]string{400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}

// plainRefusal answers with a status and no body.
func plainRefusal(_ httphead.Request, status int, now time.Time) []byte {
	return httphead.Response{Version: httphead.HTTP11, Status: status, Reason: reasons[status], Fields: httphead.Fields{
		{Name: "Content-Length", Value: "0"}, date(now), {Name: "Connection", Value: "close"},
	}}.Append(nil)
}
