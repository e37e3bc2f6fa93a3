package rules_test

import (
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/profile"
)

// heads gives what the inspector makes of a request and its response in clear.
func heads(t *testing.T, request, response []byte) inspect.Detection {
	t.Helper()
	f := inspector(t).Open(ends, start)
	f.Feed(inspect.Segment{Direction: inspect.ClientToServer, Time: start, Data: request})
	f.Feed(inspect.Segment{Direction: inspect.ServerToClient, Time: start, Data: response})
	return f.Detection()
}

// TestNames wants the heads of each implementation to give its name, or none
// where others have the same ones.
func TestNames(t *testing.T) {
	const host, port = "vpn.example", 443
	ids := [][16]byte{{15: 1}, {1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff}}
	ok := []byte("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n")
	clients := map[string]string{"windows": "windows", "windows7": "windows", "sstpc": "sstpc", "osc": "osc"}
	for _, name := range profile.ClientNames() {
		p, err := profile.ClientByName(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			request := p.Request(host, port, id, sstp.URIPath).Append(nil)
			if d := heads(t, request, ok); d.Verdict != inspect.VerdictConfirmed || d.Client != clients[name] || d.Server != "" {
				t.Errorf("%s: %v, client %q, server %q, want %q\n%s", name, d.Verdict, d.Client, d.Server, clients[name], request)
			}
		}
	}
	servers := map[string]string{"rras": "rras", "softether": "softether", "accel": "accel", "mikrotik": "mikrotik"}
	responses := map[string][]byte{
		// captures
		"accel-ppp 1.14.0": []byte("HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 11:26:31 GMT\r\nContent-Length: 18446744073709551615\r\n\r\n"),
		"accel-ppp, later": []byte("HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 11:26:31 GMT\r\nContent-Length: 18446744073709551615\r\nConnection: keep-alive\r\n\r\n"),
	}
	servers["accel-ppp 1.14.0"], servers["accel-ppp, later"] = "accel", "accel"
	for _, name := range profile.ServerNames() {
		p, err := profile.ServerByName(name)
		if err != nil {
			t.Fatal(err)
		}
		responses[name] = p.Response(time.Now()).Append(nil)
	}
	for name, response := range responses {
		if d := heads(t, []byte(request), response); d.Verdict != inspect.VerdictConfirmed || d.Server != servers[name] {
			t.Errorf("%s: %v, server %q, want %q\n%s", name, d.Verdict, d.Server, servers[name], response)
		}
	}
}
