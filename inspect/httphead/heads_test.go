package httphead_test

import (
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/httphead"
)

const (
	sstpMethod = "SSTP_DUPLEX_POST"
	sstpPath   = "/sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/"
	sstpLine   = sstpMethod + " " + sstpPath + " HTTP/1.1\r\n"
	lengthLine = "Content-Length: 18446744073709551615\r\n"
)

var lengthField = httphead.Field{Name: "Content-Length", Value: "18446744073709551615"}

func sstpRequest(fields ...httphead.Field) httphead.Request {
	return httphead.Request{Method: sstpMethod, Target: sstpPath, Version: httphead.HTTP11, Fields: fields}
}

// requests are heads that real clients send; "captured" ones are taken from
// captures, the others follow the client's source or MS-SSTP.
var requests = []struct {
	name    string
	raw     string
	want    httphead.Request
	size    int
	written string // by Append, if not raw
}{
	{
		name: "captured: Windows 7",
		raw: sstpLine + "SSTPCORRELATIONID: {0D528CAC-464E-423A-A399-9470E234BC54}\r\n" + lengthLine +
			"Host: n3zz-dc1.sstp-test.net\r\n\r\n",
		want: sstpRequest(
			httphead.Field{Name: "SSTPCORRELATIONID", Value: "{0D528CAC-464E-423A-A399-9470E234BC54}"},
			lengthField,
			httphead.Field{Name: "Host", Value: "n3zz-dc1.sstp-test.net"},
		),
		size: 179 + len("n3zz-dc1.sstp-test.net"),
	},
	{
		name: "captured: sstpc 1.0.18",
		raw: sstpLine + "Host: 10.9.0.1\r\n" + lengthLine +
			"SSTPCORRELATIONID: {778DCA0B-B0B7-49B4-6C1A61D1}\r\n\r\n",
		want: sstpRequest(
			httphead.Field{Name: "Host", Value: "10.9.0.1"},
			lengthField,
			httphead.Field{Name: "SSTPCORRELATIONID", Value: "{778DCA0B-B0B7-49B4-6C1A61D1}"},
		),
		size: 178,
	},
	{
		name: "captured: sstpc 1.0.18, a GUID one digit shorter",
		raw: sstpLine + "Host: 10.9.0.1\r\n" + lengthLine +
			"SSTPCORRELATIONID: {996C1F5-644E-443B-615ACD63}\r\n\r\n",
		want: sstpRequest(
			httphead.Field{Name: "Host", Value: "10.9.0.1"},
			lengthField,
			httphead.Field{Name: "SSTPCORRELATIONID", Value: "{996C1F5-644E-443B-615ACD63}"},
		),
		size: 177,
	},
	{
		name: "captured: sstp-proto 0.1.0",
		raw: sstpLine + "Host: vpn6.example.test:8443\r\n" + lengthLine +
			"SSTPCORRELATIONID: {08b7f2f4-149a-4809-b2a0-37dfd7890599}\r\n\r\n",
		want: sstpRequest(
			httphead.Field{Name: "Host", Value: "vpn6.example.test:8443"},
			lengthField,
			httphead.Field{Name: "SSTPCORRELATIONID", Value: "{08b7f2f4-149a-4809-b2a0-37dfd7890599}"},
		),
		size: 201,
	},
	{
		name: "Open SSTP Client",
		raw: sstpLine + lengthLine + "Host: vpn.example.test\r\n" +
			"SSTPCORRELATIONID: {a933f321-e39e-4758-badf-3cc6b6a03534}\r\n\r\n",
		want: sstpRequest(
			lengthField,
			httphead.Field{Name: "Host", Value: "vpn.example.test"},
			httphead.Field{Name: "SSTPCORRELATIONID", Value: "{a933f321-e39e-4758-badf-3cc6b6a03534}"},
		),
		size: 179 + len("vpn.example.test"),
	},
	{
		name: "mihomo",
		raw: sstpLine + "Host: vpn.example.test\r\n" + lengthLine +
			"SSTPCORRELATIONID: {a933f321-e39e-4758-badf-3cc6b6a03534}\r\n\r\n",
		want: sstpRequest(
			httphead.Field{Name: "Host", Value: "vpn.example.test"},
			lengthField,
			httphead.Field{Name: "SSTPCORRELATIONID", Value: "{a933f321-e39e-4758-badf-3cc6b6a03534}"},
		),
		size: 179 + len("vpn.example.test"),
	},
	{
		name: "SSToPer",
		raw: sstpLine + "Host: vpn.example.test\r\nSSTPCORRELATIONID: {6b8b4567-23c6-9869-66334873}\r\n" +
			lengthLine + "\r\n",
		want: sstpRequest(
			httphead.Field{Name: "Host", Value: "vpn.example.test"},
			httphead.Field{Name: "SSTPCORRELATIONID", Value: "{6b8b4567-23c6-9869-66334873}"},
			lengthField,
		),
		size: 170 + len("vpn.example.test"),
	},
	{
		name: "captured: sstpc's CONNECT, no Host and two ports",
		raw: "CONNECT 10.9.0.1:9443:443 HTTP/1.1\r\nSSTPVERSION: 1.0\r\n" +
			"Connection: keep-alive\r\nUser-Agent: sstp-client\r\n\r\n",
		want: httphead.Request{
			Method: "CONNECT", Target: "10.9.0.1:9443:443", Version: httphead.HTTP11,
			Fields: httphead.Fields{
				{Name: "SSTPVERSION", Value: "1.0"},
				{Name: "Connection", Value: "keep-alive"},
				{Name: "User-Agent", Value: "sstp-client"},
			},
			Oddities: httphead.MissingHost | httphead.DoublePort,
		},
		size: 105,
	},
	{
		name: "captured: sstpc's CONNECT with credentials that end with LF",
		raw: "CONNECT vpn.example.test:443 HTTP/1.1\r\nSSTPVERSION: 1.0\r\nConnection: keep-alive\r\n" +
			"User-Agent: sstp-client\r\nProxy-Authorization: Basic dXNlcjpwdw==\n\r\n",
		want: httphead.Request{
			Method: "CONNECT", Target: "vpn.example.test:443", Version: httphead.HTTP11,
			Fields: httphead.Fields{
				{Name: "SSTPVERSION", Value: "1.0"},
				{Name: "Connection", Value: "keep-alive"},
				{Name: "User-Agent", Value: "sstp-client"},
				{Name: "Proxy-Authorization", Value: "Basic dXNlcjpwdw=="},
			},
			Oddities: httphead.MissingHost | httphead.BareLF,
		},
		size: 148,
		written: "CONNECT vpn.example.test:443 HTTP/1.1\r\nSSTPVERSION: 1.0\r\nConnection: keep-alive\r\n" +
			"User-Agent: sstp-client\r\nProxy-Authorization: Basic dXNlcjpwdw==\r\n\r\n",
	},
	{
		name: "MS-SSTP 4.5: CONNECT",
		raw:  "CONNECT vpn.example.test:443 HTTP/1.1\r\nHost: vpn.example.test:443\r\nSSTPVERSION: 1.0\r\n\r\n",
		want: httphead.Request{
			Method: "CONNECT", Target: "vpn.example.test:443", Version: httphead.HTTP11,
			Fields: httphead.Fields{
				{Name: "Host", Value: "vpn.example.test:443"},
				{Name: "SSTPVERSION", Value: "1.0"},
			},
		},
		size: 87,
	},
	{
		name: "SSToPer's CONNECT",
		raw:  "CONNECT vpn.example.test:443 HTTP/1.0\r\nSSTPVERSION: 1.0\r\nUser-Agent: SSToPer-0.20\r\n\r\n",
		want: httphead.Request{
			Method: "CONNECT", Target: "vpn.example.test:443", Version: httphead.HTTP10,
			Fields: httphead.Fields{
				{Name: "SSTPVERSION", Value: "1.0"},
				{Name: "User-Agent", Value: "SSToPer-0.20"},
			},
		},
		size: 85,
	},
	{
		name: "empty lines first",
		raw:  "\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		want: httphead.Request{
			Method: "OPTIONS", Target: "*", Version: httphead.HTTP11,
			Fields:   httphead.Fields{{Name: "Host", Value: "a"}},
			Oddities: httphead.LeadingEmptyLine,
		},
		size:    34,
		written: "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	},
	{
		name: "no fields, bare LF",
		raw:  "GET * HTTP/1.0\n\n",
		want: httphead.Request{
			Method: "GET", Target: "*", Version: httphead.HTTP10, Fields: httphead.Fields{},
			Oddities: httphead.BareLF | httphead.InvalidTarget,
		},
		size:    16,
		written: "GET * HTTP/1.0\r\n\r\n",
	},
}

func TestRequests(t *testing.T) {
	for _, tt := range requests {
		t.Run(tt.name, func(t *testing.T) {
			got, n, err := httphead.ParseRequest([]byte(tt.raw + "\x16\x03\x01"))
			if err != nil || n != tt.size || n != len(tt.raw) {
				t.Fatalf("ParseRequest = %d, %v; want %d of %d bytes", n, err, tt.size, len(tt.raw))
			}
			want := tt.want
			want.Raw = tt.raw
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("ParseRequest (-want +got):\n%s", diff)
			}
			written := tt.written
			if written == "" {
				written = tt.raw
			}
			if diff := cmp.Diff("kept"+written, string(tt.want.Append([]byte("kept")))); diff != "" {
				t.Errorf("Append (-want +got):\n%s", diff)
			}
			if refused := got.MustRefuse(); refused != got.Oddities&httphead.InvalidTarget {
				t.Errorf("MustRefuse = %v", refused)
			}
			for i := range tt.raw {
				if _, n, err := httphead.ParseRequest([]byte(tt.raw[:i])); !errors.Is(err, io.ErrUnexpectedEOF) || n != 0 {
					t.Fatalf("ParseRequest of %d bytes = %d, %v", i, n, err)
				}
			}
		})
	}
}

const date = "Date: Mon, 21 Feb 2011 05:37:00 GMT\r\n"

var dateField = httphead.Field{Name: "Date", Value: "Mon, 21 Feb 2011 05:37:00 GMT"}

func okResponse(reason string, fields ...httphead.Field) httphead.Response {
	return httphead.Response{Version: httphead.HTTP11, Status: 200, Reason: reason, Fields: fields}
}

// responses are heads that real servers and proxies send.
var responses = []struct {
	name    string
	raw     string
	want    httphead.Response
	size    int
	written string
}{
	{
		name: "captured: RRAS on Windows Server 2008 R2",
		raw:  "HTTP/1.1 200 \r\n" + lengthLine + "Server: Microsoft-HTTPAPI/2.0\r\n" + date + "\r\n",
		want: okResponse("", lengthField, httphead.Field{Name: "Server", Value: "Microsoft-HTTPAPI/2.0"}, dateField),
		size: 123,
	},
	{
		name: "captured: SoftEther 4.44",
		raw:  "HTTP/1.1 200 OK\r\n" + lengthLine + date + "Server: Microsoft-HTTPAPI/2.0\r\n\r\n",
		want: okResponse("OK", lengthField, dateField, httphead.Field{Name: "Server", Value: "Microsoft-HTTPAPI/2.0"}),
		size: 125,
	},
	{
		name: "captured: accel-ppp 1.14.0",
		raw:  "HTTP/1.1 200 OK\r\n" + date + lengthLine + "Connection: keep-alive\r\n\r\n",
		want: okResponse("OK", dateField, lengthField, httphead.Field{Name: "Connection", Value: "keep-alive"}),
		size: 118,
	},
	{
		name: "sorz/sstp-server 0.7.2",
		raw:  "HTTP/1.1 200 OK\r\n" + lengthLine + "Server: SSTP-Server/0.7.2\r\n\r\n",
		want: okResponse("OK", lengthField, httphead.Field{Name: "Server", Value: "SSTP-Server/0.7.2"}),
		size: 84,
	},
	{
		name: "MikroTik RouterOS",
		raw:  "HTTP/1.1 200 \r\n" + lengthLine + "Server: MikroTik-SSTP\r\n" + date + "\r\n",
		want: okResponse("", lengthField, httphead.Field{Name: "Server", Value: "MikroTik-SSTP"}, dateField),
		size: 115,
	},
	{
		name: "Bread-Experts-Group/sstp: no space after status and colon",
		raw:  "HTTP/1.1 200\r\nContent-Length:18446744073709551615\r\n\r\n",
		want: httphead.Response{
			Version: httphead.HTTP11, Status: 200, Fields: httphead.Fields{lengthField},
			Oddities: httphead.MissingReasonSpace,
		},
		size:    53,
		written: "HTTP/1.1 200 \r\n" + lengthLine + "\r\n",
	},
	{
		name: "captured: squid 5.7",
		raw:  "HTTP/1.1 200 Connection established\r\n\r\n",
		want: okResponse("Connection established", []httphead.Field{}...),
		size: 39,
	},
	{
		name: "HTTP/1.0, reason of spaces, bare LF",
		raw:  "HTTP/1.0 099  \n\n",
		want: httphead.Response{
			Version: httphead.HTTP10, Status: 99, Reason: " ", Fields: httphead.Fields{}, Oddities: httphead.BareLF,
		},
		size:    16,
		written: "HTTP/1.0 099  \r\n\r\n",
	},
}

func TestResponses(t *testing.T) {
	for _, tt := range responses {
		t.Run(tt.name, func(t *testing.T) {
			got, n, err := httphead.ParseResponse([]byte(tt.raw + "\x10\x01\x00\x30"))
			if err != nil || n != tt.size || n != len(tt.raw) {
				t.Fatalf("ParseResponse = %d, %v; want %d of %d bytes", n, err, tt.size, len(tt.raw))
			}
			want := tt.want
			want.Raw = tt.raw
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("ParseResponse (-want +got):\n%s", diff)
			}
			written := tt.written
			if written == "" {
				written = tt.raw
			}
			if diff := cmp.Diff("kept"+written, string(tt.want.Append([]byte("kept")))); diff != "" {
				t.Errorf("Append (-want +got):\n%s", diff)
			}
			if refused := got.MustRefuse(); refused != 0 {
				t.Errorf("MustRefuse = %v", refused)
			}
			for i := range tt.raw {
				if _, n, err := httphead.ParseResponse([]byte(tt.raw[:i])); !errors.Is(err, io.ErrUnexpectedEOF) || n != 0 {
					t.Fatalf("ParseResponse of %d bytes = %d, %v", i, n, err)
				}
			}
		})
	}
}
