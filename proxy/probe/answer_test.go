package probe

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestImplementations gives the heads of real servers.
func TestImplementations(t *testing.T) {
	const httpSys, date = "Server: Microsoft-HTTPAPI/2.0", "Date: Tue, 04 Mar 2025 10:11:12 GMT"
	for _, tt := range []struct {
		name, head, want string
		size             int
	}{
		{"RRAS", head("HTTP/1.1 200 ", endless, httpSys, date), "rras", 123},
		{"MikroTik", head("HTTP/1.1 200 ", endless, "Server: MikroTik-SSTP", date), "mikrotik", 115},
		{"SoftEther", head("HTTP/1.1 200 OK", endless, date, httpSys), "softether", 125},
		{"accel-ppp, master", head("HTTP/1.1 200 OK", date, endless, "Connection: keep-alive"), "accel", 118},
		{"accel-ppp, 1.14.0", head("HTTP/1.1 200 OK", date, endless), "accel", 94},
		{"sorz", head("HTTP/1.1 200 OK", endless, "Server: SSTP-Server/0.7.2"), "sorz", 84},
		{"ogital", head("HTTP/1.1 200 OK", endless, httpSys, date), "ogital", 125},
		{"sstp-go", head("HTTP/1.1 200 OK", "Date: Thu, 09 Nov 2006 00:51:09 GMT", httpSys, endless), "sstp-go", 125},
		{"Bread Experts", head("HTTP/1.1 200", "Content-Length:18446744073709551615"), "bread", 53},
		{"unknown", head("HTTP/1.1 200 OK", "X-Powered-By: x", endless), "", 74},
		{"bare LF", "HTTP/1.1 200 OK\n" + endless + "\nServer: SSTP-Server/1\n\n", "sorz", 76},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := ask(t, &Prober{}, Target{Addr: listen(t, answering(tt.head))})
			if r.SSTP != Yes || r.Implementation != tt.want || r.HTTP == nil || r.HTTP.Bytes != tt.size {
				t.Errorf("%v %q: %s %s %+v", r.SSTP, r.Implementation, r.Reason, r.Err, r.HTTP)
			}
			if e, ok := r.Learned(); !ok || !e.Proof || e.Rule != RuleAnswer || e.Weight <= 0 || !strings.Contains(e.Detail, tt.want) {
				t.Errorf("%+v", e)
			}
			if tt.want != "" && len(r.Evidence) != 2 {
				t.Errorf("evidence %+v", r.Evidence)
			}
		})
	}
}

// TestHeads gives answers that are not SSTP's.
func TestHeads(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       Answer
		reason     string // or the error
	}{
		{"nginx 400", head("HTTP/1.1 400 Bad Request", "Server: nginx/1.24.0", "Content-Type: text/html", "Content-Length: 4", "Connection: close") + "Oh!\n", No, "400 Bad Request to the request"},
		{"404", head("HTTP/1.1 404 Not Found", "Content-Length: 0"), No, "404"},
		{"405", head("HTTP/1.1 405 Method Not Allowed", "Allow: GET"), No, "405"},
		{"411", head("HTTP/1.1 411 Length Required"), No, "411"},
		{"413", head("HTTP/1.1 413 Request Entity Too Large"), No, "413"},
		{"501", head("HTTP/1.1 501 Not Implemented"), No, "501"},
		{"redirect", head("HTTP/1.1 301 Moved Permanently", "Location: https://www.example.org/"), No, "301"},
		{"switching", head("HTTP/1.1 101 Switching Protocols"), No, "101"},
		{"200 of anything", head("HTTP/1.1 200 OK", "Content-Length: 3") + "hi\n", No, "any method"},
		{"200 in chunks", head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + "0\r\n\r\n", No, "any method"},
		{"one byte less", head("HTTP/1.1 200 OK", "Content-Length: 18446744073709551614"), No, "any method"},
		{"too long", head("HTTP/1.1 200 OK", "Content-Length: 18446744073709551616"), No, "any method"},
		{"two lengths", head("HTTP/1.1 200 OK", endless, "Content-Length: 3"), No, "any method"},
		{"endless, and refused", head("HTTP/1.1 404 Not Found", endless), No, "404"},
		{"204, endless", head("HTTP/1.1 204 No Content", endless), No, "204"},
		{"forbidden", head("HTTP/1.1 403 Forbidden"), Unclear, "403 Forbidden, which says nothing"},
		{"too many", head("HTTP/1.1 429 Too Many Requests", "Retry-After: 1"), Unclear, "429"},
		{"unavailable", head("HTTP/1.1 503 Service Unavailable"), Unclear, "503"},
		{"interim", head("HTTP/1.1 100 Continue") + head("HTTP/1.1 405 No"), No, "405"},
		{"interims without end", strings.Repeat(head("HTTP/1.1 102 Processing"), 9), Unclear, "more than 4 heads"},
		{"HTTP/2", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00d", No, "no HTTP/1"},
		{"HTTP/2 in words", "HTTP/2 200 OK\r\n\r\n", No, "no HTTP/1"},
		{"SSH", "SSH-2.0-OpenSSH_9.2\r\n", No, `answered with \"SSH-2.0-OpenSSH_9.2\"`},
		{"SSTP at once", "\x10\x01\x00\x30\x00\x02", No, "no HTTP/1"},
		{"flood of fields", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 1<<18), No, "more than 256"},
		{"flood of a field", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("b", 1<<20), No, "more than 65536"},
		{"hostile text", head("HTTP/1.1 400 \x1b[31m\xff\xfe"+"x"+strings.Repeat("\u20ac", 999), "Server: "+strings.Repeat("\xe2\x82", 500)), No, "400"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := ask(t, &Prober{}, Target{Name: "vpn.example", Addr: listen(t, answering(tt.text))})
			if r.SSTP != tt.want || !strings.Contains(r.Reason+r.Err, strings.ReplaceAll(tt.reason, `\"`, `"`)) {
				t.Errorf("%v: %q %q", r.SSTP, r.Reason, r.Err)
			}
			e, ok := r.Learned()
			if ok != (tt.want == No) || ok && (e.Proof || e.Weight != weightNo) {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestEnds gives connections that end, or do not.
func TestEnds(t *testing.T) {
	reset := func(c net.Conn) {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	readAll := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	first := func(text string, then func(net.Conn)) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, text)
			then(c)
		}
	}
	inside := func(text string, then func(*tls.Conn)) func(net.Conn) {
		return overTLS(nil, func(c *tls.Conn, _ string) {
			_, _ = io.WriteString(c, text)
			then(c)
		})
	}
	for _, tt := range []struct {
		name   string
		handle func(net.Conn)
		want   Answer
		step   Step
		say    string // part of the reason or the error
	}{
		{"plain HTTP", first(head("HTTP/1.1 400 Bad Request", "Connection: close"), readAll), No, StepTLS, `answered TLS with "HTTP/1.1 400 Bad Request"`},
		{"SSH", func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n"); readAll(c) }, No, StepTLS, `with "SSH-2.0-OpenSSH_9.2"`},
		{"zeros", first(strings.Repeat("\x00", 99), readAll), No, StepTLS, "speaks no TLS"},
		{"no handshake", func(net.Conn) {}, Unclear, StepTLS, ""},
		{"reset in the handshake", first("", reset), Unclear, StepTLS, "reset"},
		{"silent", readAll, Unclear, StepTLS, "nothing within"},
		{"takes no cipher suite", first("\x15\x03\x03\x00\x02\x02\x28", readAll), Unclear, StepTLS, "MikroTik"},
		{"wants another name", first("\x15\x03\x03\x00\x02\x02\x70", readAll), Unclear, StepTLS, "another name"},
		{"closes by an alert", first("\x15\x03\x00\x00\x02\x02\x00", readAll), Unclear, StepTLS, "no handshake"},
		{"broken TLS", first("\x16\x03\x03\x00\x04\x02\x00\x00\x00", readAll), Unclear, StepTLS, "no handshake"},
		{"handshake without end", first(strings.Repeat("\x16\x03\x03\x40\x00"+strings.Repeat("\x00", 1<<14), 64), readAll), Unclear, StepTLS, "no handshake"},
		{"closes at the request", inside("", func(*tls.Conn) {}), Unclear, StepAnswer, "closed the connection instead"},
		{"resets at the request", inside("", func(c *tls.Conn) { reset(c.NetConn()) }), Unclear, StepAnswer, "no answer"},
		{"silent at the request", inside("", func(c *tls.Conn) { readAll(c) }), Unclear, StepAnswer, "nothing within"},
		{"half a head", inside("HTTP/1.1 200 OK\r\nConte", func(c *tls.Conn) { _ = c.CloseWrite() }), Unclear, StepAnswer, "within the head"},
		{"stops in the head", inside("HTTP/1.1 200 OK\r\nConte", func(c *tls.Conn) { readAll(c) }), Unclear, StepAnswer, "nothing within"},
		{"a byte at a time", inside("HTTP/1.1 200 OK\r\nA: ", func(c *tls.Conn) {
			for {
				if _, err := c.Write([]byte("b")); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		}), Unclear, StepAnswer, "nothing within"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := ask(t, &Prober{Timeout: 300 * time.Millisecond}, Target{Name: "vpn.example", Addr: listen(t, tt.handle)})
			if r.SSTP != tt.want || r.Step != tt.step || !strings.Contains(r.Reason+" "+r.Err, tt.say) {
				t.Errorf("%v at %q: %q %q", r.SSTP, r.Step, r.Reason, r.Err)
			}
		})
	}
}

func TestConnect(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := ln.Addr().(*net.TCPAddr).AddrPort()
	ln.Close()
	for _, addr := range []netip.AddrPort{closed, {}, netip.AddrPortFrom(closed.Addr(), 0)} {
		r := ask(t, &Prober{}, Target{Addr: addr})
		if r.SSTP != Unclear || r.Step != StepConnect || r.Err == "" {
			t.Errorf("%v: %v at %q: %s", addr, r.SSTP, r.Step, r.Err)
		}
	}
}

// TestWebServers asks what net/http serves, which sees no request in it.
func TestWebServers(t *testing.T) {
	for name, protocols := range map[string][]string{"h1": {"http/1.1"}, "h2": {"h2", "http/1.1"}, "h2 alone": {"h2"}} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				t.Errorf("served %s", r.Method)
				_, _ = io.WriteString(w, "hello")
			}))
			s.TLS = &tls.Config{NextProtos: protocols}
			s.EnableHTTP2 = slices.Contains(protocols, "h2")
			s.StartTLS()
			defer s.Close()
			r := ask(t, &Prober{}, Target{Addr: s.Listener.Addr().(*net.TCPAddr).AddrPort()})
			if r.SSTP != No || !strings.Contains(r.Reason, "asked without a name") {
				t.Errorf("%v: %s: %s", r.SSTP, r.Reason, r.Err)
			}
		})
	}
}

// TestRequest looks at what a server gets, and that nothing follows.
func TestRequest(t *testing.T) {
	requests := make(chan string, 1)
	ended := make(chan error, 1)
	names := make(chan string, 1)
	addr := listen(t, overTLS(nil, func(c *tls.Conn, request string) {
		names <- c.ConnectionState().ServerName
		requests <- request
		_, _ = io.WriteString(c, head("HTTP/1.1 200 OK", endless))
		rest, err := io.ReadAll(c)
		if len(rest) > 0 {
			t.Errorf("more came: %q", rest)
		}
		ended <- err
	}))
	const guid = `\{[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}\}`
	var seen []string
	for _, tt := range []struct{ name, sni, host string }{
		{"vpn.example", "vpn.example", "vpn.example"},
		{"VPN.Example.", "vpn.example", "vpn.example"},
		{"", "", "127.0.0.1"},
		{"192.0.2.1", "", "127.0.0.1"},
		{"no name\r\nX: y", "", "127.0.0.1"},
	} {
		if r := ask(t, &Prober{}, Target{Name: tt.name, Addr: addr}); r.SSTP != Yes {
			t.Fatalf("%s: %s", r.Reason, r.Err)
		}
		want := regexp.MustCompile(`^SSTP_DUPLEX_POST /sra_\{BA195980-CD49-458b-9E23-C84EE0ADCD75\}/ HTTP/1\.1\r\n` +
			`SSTPCORRELATIONID: (` + guid + `)\r\nContent-Length: 18446744073709551615\r\nHost: ` + regexp.QuoteMeta(tt.host) + `\r\n\r\n$`)
		request := <-requests
		if m := want.FindStringSubmatch(request); m == nil || slices.Contains(seen, m[1]) {
			t.Errorf("%q", request)
		} else {
			seen = append(seen, m[1])
		}
		if sni := <-names; sni != tt.sni {
			t.Errorf("SNI %q, want %q", sni, tt.sni)
		}
		if err := <-ended; err != nil { // no close_notify, or a reset
			t.Errorf("the connection ended with %v", err)
		}
	}
	v6 := newRequest(Target{Addr: netip.MustParseAddrPort("[fe80::7%eth0]:443")})
	if host := v6.Fields.Get("Host"); host != "[fe80::7]" {
		t.Errorf("Host %q", host)
	}
}

// TestGoodbye has a web server that sends its page and wants to see the client
// leave in good order.
func TestGoodbye(t *testing.T) {
	ended := make(chan error, 1)
	page := head("HTTP/1.1 404 Not Found", "Content-Length: 20000") + strings.Repeat("x", 20000)
	addr := listen(t, overTLS(nil, func(c *tls.Conn, _ string) {
		_, _ = io.WriteString(c, page)
		_, err := io.ReadAll(c)
		ended <- err
	}))
	if r := ask(t, &Prober{}, Target{Addr: addr}); r.SSTP != No {
		t.Fatalf("%s: %s", r.Reason, r.Err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the connection ended with %v", err)
	}
}

// TestPagesWithoutEnd has servers that go on sending behind the head.
func TestPagesWithoutEnd(t *testing.T) {
	for _, status := range []string{"404 Not Found", "200 OK"} {
		addr := listen(t, overTLS(nil, func(c *tls.Conn, _ string) {
			_, _ = io.WriteString(c, head("HTTP/1.1 "+status))
			for block := make([]byte, 1<<14); ; {
				if _, err := c.Write(block); err != nil {
					return
				}
			}
		}))
		if r := ask(t, &Prober{}, Target{Addr: addr}); r.SSTP != No {
			t.Errorf("%s: %s", r.Reason, r.Err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(head("HTTP/1.1 200 ", endless, "Server: Microsoft-HTTPAPI/2.0")), uint8(7))
	f.Add([]byte(head("HTTP/1.1 100 Continue")+head("HTTP/1.0 503", "A : b")), uint8(1))
	f.Add([]byte("HTTP/1.1 200 OK\n"+endless+"\n\n"), uint8(0))
	f.Add(binary.BigEndian.AppendUint64(nil, 1), uint8(3))
	names := newNamer(nil)
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		r := Result{Time: now(), Target: "192.0.2.1:443", Server: netip.MustParseAddrPort("192.0.2.1:443"), TLS: &TLS{Version: "TLS 1.2", Cipher: "x"}}
		a := attempt{result: &r, stopped: func() error { return nil }}
		got, err := readAnswer(&pieces{b, int(cut) + 1})
		a.judge(got, err)
		r.Implementation, r.Evidence = names.name(session{response: got.bytes})
		checkSchema(t, &r)
		text := strings.ToLower(string(b))
		if r.SSTP == Yes && (!strings.Contains(text, "18446744073709551615") || !strings.Contains(text, " 200")) {
			t.Errorf("yes to %q", b)
		}
		if whole, err2 := readAnswer(&pieces{b, 1 << 20}); (err == nil) != (err2 == nil) || whole.size != got.size {
			t.Errorf("it depends on how it is cut: %v, %v", err, err2)
		}
	})
}

// pieces gives b in pieces of n bytes.
type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(b []byte) (int, error) {
	n := copy(b, p.b[:min(p.n, len(p.b))])
	p.b = p.b[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
