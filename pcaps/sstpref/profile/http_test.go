package profile_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/profile"
)

// guid reads 32 hexadecimal digits, with or without hyphens.
func guid(t *testing.T, digits string) (id [16]byte) {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(digits, "-", ""))
	if err != nil || copy(id[:], b) != len(id) {
		t.Fatalf("GUID %q: %v", digits, err)
	}
	return id
}

func client(t *testing.T, name string) profile.Client {
	t.Helper()
	c, err := profile.ClientByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func server(t *testing.T, name string) profile.Server {
	t.Helper()
	s, err := profile.ServerByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const requestLine = "SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n"

// What was on the wire in real captures, and what sources say where there is none.
func TestRequest(t *testing.T) {
	for _, tt := range []struct {
		client, host, correlation string
		port                      uint16
		want                      string
	}{
		{ // real capture
			"windows7", "n3zz-dc1.sstp-test.net", "0D528CAC-464E-423A-A399-9470E234BC54", 443,
			"SSTPCORRELATIONID: {0D528CAC-464E-423A-A399-9470E234BC54}\r\nContent-Length: 18446744073709551615\r\nHost: n3zz-dc1.sstp-test.net\r\n\r\n",
		},
		{ // FACTS 2
			"windows", "vpn.example", "0D528CAC-464E-423A-A399-9470E234BC54", 443,
			"SSTPCORRELATIONID: {0D528CAC-464E-423A-A399-9470E234BC54}\r\nContent-Length: 18446744073709551615\r\nHost: vpn.example\r\n\r\n",
		},
		{ // real capture
			"sstpc", "10.9.0.1", "2449A262-9070-8EB0-0000-000000E86B8E", 443,
			"Host: 10.9.0.1\r\nContent-Length: 18446744073709551615\r\nSSTPCORRELATIONID: {2449A262-9070-8EB0-E86B8E}\r\n\r\n",
		},
		{ // real capture, whose server has another port
			"sstpc", "vpn6.example.test", "1CD22362-38B4-82F9-0000-000045973C7D", 8443,
			"Host: vpn6.example.test\r\nContent-Length: 18446744073709551615\r\nSSTPCORRELATIONID: {1CD22362-38B4-82F9-45973C7D}\r\n\r\n",
		},
		{ // real capture
			"sstpc", "10.9.0.1", "55D6A1CC-0E16-7DAA-0000-000003E1BF86", 443,
			"Host: 10.9.0.1\r\nContent-Length: 18446744073709551615\r\nSSTPCORRELATIONID: {55D6A1CC-E16-7DAA-3E1BF86}\r\n\r\n",
		},
		{ // the source
			"osc", "vpn.example", "0D528CAC-464E-423A-A399-9470E234BC54", 8443,
			"Content-Length: 18446744073709551615\r\nHost: vpn.example\r\nSSTPCORRELATIONID: {0d528cac-464e-423a-a399-9470e234bc54}\r\n\r\n",
		},
		{ // the source
			"mihomo", "vpn.example", "0D528CAC-464E-423A-A399-9470E234BC54", 443,
			"Host: vpn.example\r\nContent-Length: 18446744073709551615\r\nSSTPCORRELATIONID: {0d528cac-464e-423a-a399-9470e234bc54}\r\n\r\n",
		},
		{
			"reference", "2001:db8::1", "0D528CAC-464E-423A-A399-9470E234BC54", 8443,
			"Host: [2001:db8::1]:8443\r\nContent-Length: 18446744073709551615\r\nSSTPCORRELATIONID: {0D528CAC-464E-423A-A399-9470E234BC54}\r\n\r\n",
		},
	} {
		t.Run(tt.client+" "+tt.host, func(t *testing.T) {
			got := client(t, tt.client).Request(tt.host, tt.port, guid(t, tt.correlation), sstp.URIPath).Append(nil)
			if diff := cmp.Diff(requestLine+tt.want, string(got)); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

// FACTS 2: the sizes of requests, H being that of the host.
func TestRequestSize(t *testing.T) {
	full := guid(t, "7FFFFFFF-FFFF-FFFF-FFFF-FFFF7FFFFFFF")
	for _, tt := range []struct {
		client string
		fixed  int
	}{
		{"windows", 179},
		{"windows7", 179},
		{"osc", 179},
		{"mihomo", 179},
		{"mikrotik", 179},
		{"reference", 179},
		{"sstpc", 170},
	} {
		for _, host := range []string{"a", "vpn.example", "n3zz-dc1.sstp-test.net"} {
			got := len(client(t, tt.client).Request(host, 443, full, sstp.URIPath).Append(nil))
			if want := tt.fixed + len(host); got != want {
				t.Errorf("%s with host %s: %d bytes, want %d", tt.client, host, got, want)
			}
		}
	}
	for id, want := range map[string]int{ // real captures: 27 to 29 characters in place of a GUID
		"2449A262-9070-8EB0-0000-000000E86B8E": 168,
		"1E8DB140-88C7-7828-0000-00000DFA11A9": 169,
		"100BCEF8-9E61-7B4C-0000-000017F09D71": 170,
	} {
		got := len(client(t, "sstpc").Request("10.9.0.1", 443, guid(t, id), sstp.URIPath).Append(nil))
		if got != want+len("10.9.0.1") {
			t.Errorf("sstpc with %s: %d bytes, want %d+H", id, got, want)
		}
	}
}

// MS-SSTP 3.2.4.1: whatever the client, the head parses, says what opens SSTP, and
// takes another path.
func TestRequestOpensSSTP(t *testing.T) {
	for _, name := range profile.ClientNames() {
		b := client(t, name).Request("vpn.example", 443, guid(t, "0D528CAC-464E-423A-A399-9470E234BC54"), "/other/").Append(nil)
		h, n, err := httphead.ParseRequest(b)
		if err != nil || n != len(b) || h.MustRefuse() != 0 {
			t.Errorf("%s: %d of %d bytes, %v, oddities %v", name, n, len(b), err, h.Oddities)
		}
		length, ok, err := h.Fields.ContentLength()
		if h.Method != sstp.Method || h.Target != "/other/" || length != sstp.ContentLength || !ok || err != nil {
			t.Errorf("%s: %s", name, h.Raw)
		}
	}
}

func TestConnect(t *testing.T) {
	const spec = "SSTPVERSION: 1.0\r\n"
	const sstpc = spec + "Connection: keep-alive\r\nUser-Agent: sstp-client\r\n"
	for _, tt := range []struct {
		client, host, user, password string
		port                         uint16
		want                         string
	}{
		// real captures, in front of squid
		{"sstpc", "vpn.example.test", "", "", 443, "CONNECT vpn.example.test:443 HTTP/1.1\r\n" + sstpc + "\r\n"},
		{"sstpc", "10.9.0.1", "", "", 9443, "CONNECT 10.9.0.1:9443:443 HTTP/1.1\r\n" + sstpc + "\r\n"},
		{"sstpc", "vpn.example.test", "user", "pw", 443, "CONNECT vpn.example.test:443 HTTP/1.1\r\n" + sstpc + "Proxy-Authorization: Basic dXNlcjpwdw==\n\r\n"},
		// its source
		{
			"sstpc", "vpn.example.test", strings.Repeat("u", 40), strings.Repeat("p", 10), 443,
			"CONNECT vpn.example.test:443 HTTP/1.1\r\n" + sstpc +
				"Proxy-Authorization: Basic dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dTpwcHBwcHBw\ncHBw\n\r\n",
		},
		// MS-SSTP 4.5
		{"windows", "vpn.example", "", "", 443, "CONNECT vpn.example:443 HTTP/1.1\r\nHost: vpn.example:443\r\n" + spec + "\r\n"},
		{"reference", "2001:db8::1", "", "", 8443, "CONNECT [2001:db8::1]:8443 HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n" + spec + "\r\n"},
		// its source
		{
			"osc", "vpn.example", "user", "pw", 443,
			"CONNECT vpn.example:443 HTTP/1.1\r\nHost: vpn.example:443\r\n" + spec + "Proxy-Authorization: Basic dXNlcjpwdw==\r\n\r\n",
		},
		// FACTS 3
		{"mihomo", "vpn.example", "", "", 443, "CONNECT vpn.example:443 HTTP/1.1\r\nHost: vpn.example:443\r\n\r\n"},
	} {
		t.Run(fmt.Sprint(tt.client, tt.port, tt.user), func(t *testing.T) {
			got := client(t, tt.client).Connect(tt.host, tt.port, tt.user, tt.password)
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("CONNECT (-want +got):\n%s", diff)
			}
			if _, n, err := httphead.ParseRequest(got); err != nil || n != len(got) {
				t.Errorf("ParseRequest takes %d of %d bytes: %v", n, len(got), err)
			}
		})
	}
}

// Real captures, but for that of MikroTik, which is from scanners' fingerprints
// (FACTS 2).
func TestResponse(t *testing.T) {
	for _, tt := range []struct {
		server string
		now    time.Time
		want   string
		size   int
	}{
		{
			"rras", time.Date(2011, 2, 21, 5, 37, 0, 0, time.UTC),
			"HTTP/1.1 200 \r\nContent-Length: 18446744073709551615\r\nServer: Microsoft-HTTPAPI/2.0\r\nDate: Mon, 21 Feb 2011 05:37:00 GMT\r\n\r\n",
			123,
		},
		{
			"softether", time.Date(2026, 11, 22, 3, 41, 35, 0, time.UTC),
			"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\nDate: Sun, 22 Nov 2026 03:41:35 GMT\r\nServer: Microsoft-HTTPAPI/2.0\r\n\r\n",
			125,
		},
		{
			"accel", time.Date(2026, 11, 22, 4, 27, 10, 0, time.FixedZone("", 3600)),
			"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 03:27:10 GMT\r\nContent-Length: 18446744073709551615\r\nConnection: keep-alive\r\n\r\n",
			118,
		},
		{
			"mikrotik", time.Date(2026, 11, 22, 3, 27, 10, 0, time.UTC),
			"HTTP/1.1 200 \r\nContent-Length: 18446744073709551615\r\nServer: MikroTik-SSTP\r\nDate: Sun, 22 Nov 2026 03:27:10 GMT\r\n\r\n",
			115,
		},
	} {
		t.Run(tt.server, func(t *testing.T) {
			got := server(t, tt.server).Response(tt.now).Append(nil)
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("response (-want +got):\n%s", diff)
			}
			if len(got) != tt.size {
				t.Errorf("%d bytes, FACTS says %d", len(got), tt.size)
			}
		})
	}
}

func TestResponseOpensSSTP(t *testing.T) {
	for _, name := range profile.ServerNames() {
		b := server(t, name).Response(time.Unix(0, 0)).Append(nil)
		h, n, err := httphead.ParseResponse(b)
		length, _, lengthErr := h.Fields.ContentLength()
		if err != nil || n != len(b) || h.Status != 200 || length != sstp.ContentLength || lengthErr != nil {
			t.Errorf("%s: %q: %v, %v", name, b, err, lengthErr)
		}
	}
}

// What servers answer to requests that are not SSTP's: the sources of SoftEther and
// accel-ppp, HTTP.sys, and nothing for MikroTik.
func TestRefusal(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 27, 10, 0, time.UTC)
	get := httphead.Request{Method: "GET", Target: "/", Version: httphead.HTTP11}
	post := httphead.Request{Method: "PUT", Target: "/", Version: httphead.HTTP10}
	const accel = "\r\nDate: Sun, 22 Nov 2026 03:27:10 GMT\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	for _, tt := range []struct {
		server  string
		request httphead.Request
		status  int
		want    string // how it begins
	}{
		{"accel", get, 405, "HTTP/1.1 404 Not Found" + accel},
		{"accel", post, 405, "HTTP/1.0 501 Not Implemented" + accel},
		{"accel", get, 400, "HTTP/1.1 400 Bad Request" + accel},
		{"softether", get, 404, "HTTP/1.1 404 Not Found\r\nDate: Sun, 22 Nov 2026 03:27:10 GMT\r\nKeep-Alive: timeout=15; max=19\r\nConnection: Keep-Alive\r\n"},
		{"softether", post, 405, "HTTP/1.1 501 Method Not Implemented\r\n"},
		{"softether", get, 405, "HTTP/1.1 404 Not Found\r\n"},
		{"rras", get, 405, "HTTP/1.1 404 Not Found\r\nContent-Type: text/html; charset=us-ascii\r\nServer: Microsoft-HTTPAPI/2.0\r\n"},
		{"rras", httphead.Request{}, 400, "HTTP/1.1 400 Bad Request\r\n"},
		{"reference", get, 503, "HTTP/1.1 503 Service Unavailable\r\n"},
	} {
		got := server(t, tt.server).Refusal(tt.request, tt.status, now)
		if !strings.HasPrefix(string(got), tt.want) {
			t.Errorf("%s to %s, %d: %q, want it to begin with %q", tt.server, tt.request.Method, tt.status, got, tt.want)
		}
		h, n, err := httphead.ParseResponse(got)
		length, ok, _ := h.Fields.ContentLength()
		if err != nil || !ok || length != uint64(len(got)-n) {
			t.Errorf("%s: a body of %d bytes, Content-Length %d: %v", tt.server, len(got)-n, length, err)
		}
	}
	if got := server(t, "mikrotik").Refusal(get, 405, now); got != nil {
		t.Errorf("mikrotik: %q, want nothing", got)
	}
}

func TestNames(t *testing.T) {
	wantClients := []string{"reference", "windows", "windows7", "sstpc", "osc", "mikrotik", "mihomo"}
	if diff := cmp.Diff(wantClients, profile.ClientNames()); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
	wantServers := []string{"reference", "rras", "softether", "accel", "mikrotik"}
	if diff := cmp.Diff(wantServers, profile.ServerNames()); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
	_, err := profile.ClientByName("Windows")
	if err == nil || !strings.Contains(err.Error(), "windows7, sstpc") || !strings.Contains(err.Error(), `"Windows"`) {
		t.Errorf("an unknown client: %v, want the names", err)
	}
	_, err = profile.ServerByName("")
	if err == nil || !strings.Contains(err.Error(), "rras, softether") {
		t.Errorf("an unknown server: %v, want the names", err)
	}
}
