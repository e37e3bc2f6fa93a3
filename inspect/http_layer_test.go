package inspect_test

import (
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
	"sstpwarden/inspect/tlswire"
)

const (
	duplexPost = "SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n" +
		"Host: vpn.example\r\nContent-Length: 18446744073709551615\r\n" +
		"SSTPCORRELATIONID: {5DB2F1F0-0000-0000-0000-000000000001}\r\n\r\n"
	accepted = "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\nServer: Microsoft-HTTPAPI/2.0\r\n\r\n"
	get      = "GET /a HTTP/1.1\r\nHost: vpn.example\r\n\r\n"
	empty    = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	connect  = "CONNECT vpn.example:443 HTTP/1.1\r\nHost: vpn.example:443\r\nSSTPVERSION: 1.0\r\n\r\n"
	agreed   = "HTTP/1.1 200 Connection established\r\n\r\n"
)

var (
	callConnectRequest = string(sstp.AppendMessage(nil, sstp.CallConnectRequest{EncapsulatedProtocolID: sstp.EncapsulatedProtocolPPP}))
	callConnectAck     = string(sstp.AppendMessage(nil, sstp.CallConnectAck{CryptoBindingRequest: sstp.CryptoBindingRequest{HashProtocolBitmask: 3}}))
)

// frame is a data packet with a PPP message.
func frame(p ppp.Protocol, m ppp.Message) string {
	payload, err := m.Append(nil)
	if err != nil {
		panic(err)
	}
	return string(sstp.Packet{Data: ppp.Frame{Protocol: p, Payload: payload}.Append(nil)}.Append(nil))
}

var lcpRequest = frame(ppp.ProtocolLCP, ppp.Configure{Code: ppp.CodeConfigureRequest, Options: []ppp.Option{ppp.MRU(1400)}})

// setup is what both sides say behind the accepted request.
func setup() []inspect.Segment {
	return []inspect.Segment{c(callConnectRequest), s(callConnectAck), c(lcpRequest), s(lcpRequest)}
}

// behind is a tunnel behind other segments.
func behind(parts ...inspect.Segment) []inspect.Segment {
	return append(append(parts, c(duplexPost), s(accepted)), setup()...)
}

// chunk is one of a chunked body.
func chunk(data ...string) string {
	all := strings.Join(data, "")
	return fmt.Sprintf("%x;x=y\r\n%s\r\n", len(all), all)
}

func TestTunnelInClear(t *testing.T) {
	const (
		chunkedPost   = "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		chunkedAnswer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	)
	tests := []struct {
		name     string
		segments []inspect.Segment
	}{
		{"alone", behind()},
		{"all of the client's at once", append([]inspect.Segment{c(duplexPost, callConnectRequest), s(accepted, callConnectAck)}, setup()[2:]...)},
		{"behind a GET", behind(c(get), s(empty))},
		{"behind three", behind(c(get), s(empty), c(get), s(empty), c(get), s(empty))},
		{"behind a body", behind(c("POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"), s("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"))},
		{"behind a body that begins like SSTP", behind(c("POST /b HTTP/1.1\r\nContent-Length: 4\r\n\r\n\x10\x01\x00\x0e"), s(empty))},
		{"behind chunks with trailers", behind(
			c(chunkedPost, "5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nTrailer: a\r\nOther: b\r\n\r\n"),
			s("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))},
		{"behind 100 Continue", behind(
			c("POST /b HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"), s("HTTP/1.1 100 Continue\r\n\r\n"), c("hi"), s(empty))},
		{"behind HEAD", behind(c("HEAD / HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"))},
		{"behind 204", behind(c(get), s("HTTP/1.1 204 No Content\r\n\r\n"))},
		{"behind 304", behind(c(get), s("HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n"))},
		{"pipelined", append([]inspect.Segment{c(get, get, duplexPost), s(empty, empty, accepted)}, setup()...)},
		{"after a refusal", behind(c(duplexPost), s("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"))},
		{"response before the request", append([]inspect.Segment{s(accepted), c(duplexPost)}, setup()...)},
		{"empty lines in front", append([]inspect.Segment{c("\r\n\r\n", duplexPost), s(accepted)}, setup()...)},
		{"folded and oddly spelled", append([]inspect.Segment{
			c("Sstp_Duplex_Post\t/x  HTTP/1.0\nhost:a\n b\n\n"), s("HTTP/1.1 200 \r\n\r\n"),
		}, setup()...)},
		{"other method, endless", append([]inspect.Segment{
			c("POST /x HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n"),
		}, setup()...)},
		{"other method, no length", append([]inspect.Segment{c("FOO /x HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\n\r\n")}, setup()...)},
		{"other method, a length", append([]inspect.Segment{
			c("POST /x HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"),
		}, setup()...)},
		{"other method, a length beyond all", append([]inspect.Segment{
			c("POST /x HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
		}, setup()...)},
		{"other method, chunked by name only", append([]inspect.Segment{
			c("POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), s("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
		}, setup()...)},
		{"other method, chunked", []inspect.Segment{
			c(chunkedPost, chunk(callConnectRequest)), s(chunkedAnswer, chunk(callConnectAck)), c(chunk(lcpRequest)), s(chunk(lcpRequest)),
		}},
		{"other method, messages over chunks", []inspect.Segment{
			c(chunkedPost, chunk(callConnectRequest[:3]), chunk(callConnectRequest[3:], lcpRequest[:5])), s(chunkedAnswer, chunk(callConnectAck[:7])),
			s(chunk(callConnectAck[7:9]), chunk(callConnectAck[9:], lcpRequest)), c(chunk(lcpRequest[5:])),
		}},
		{"other method, chunks and a length", []inspect.Segment{
			c(chunkedPost, chunk(callConnectRequest)), s("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", callConnectAck), c(chunk(lcpRequest)), s(lcpRequest),
		}},
		{"other method, behind a page in chunks", []inspect.Segment{
			s(chunkedAnswer, chunk("<html>")), c(chunkedPost, chunk(callConnectRequest)), s(chunk(callConnectAck)), c(chunk(lcpRequest)), s(chunk(lcpRequest)),
		}},
		{"other method, chunked by both names and no chunks behind", []inspect.Segment{
			c(chunkedPost, chunk(callConnectRequest)), s(chunkedAnswer, callConnectAck), c(chunk(lcpRequest)), s(lcpRequest),
		}},
		{"Upgrade", append([]inspect.Segment{
			c("GET /x HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: sstp\r\n\r\n"), s("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
		}, setup()...)},
		{"no HTTP at all", setup()},
		{"bytes lost in a body in front", behind(
			c("POST /b HTTP/1.1\r\nContent-Length: 50\r\n\r\nhello"), after(40, c("tail!")), s(empty))},
		{"a body's end lost in front", append([]inspect.Segment{
			c("POST /b HTTP/1.1\r\nContent-Length: 50\r\n\r\nhello"), s(empty), after(45, c(duplexPost)), s(accepted),
		}, setup()...)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := inspectTalk(t, test.segments...)
			wantVerdict(t, f, inspect.VerdictConfirmed, inspect.KindTunnel)
			wantRules(t, f, "sstp.control", "sstp.ppp")
			o := f.Observation()
			if want := [2]int{1, 1}; o.SSTP.Control != want {
				t.Errorf("control messages %v, want %v", o.SSTP.Control, want)
			}
			if o.SSTP.Data != [2]uint64{1, 1} || o.PPP.MRU != [2]uint16{1400, 1400} {
				t.Errorf("data %v, MRU %v", o.SSTP.Data, o.PPP.MRU)
			}
			if o.SSTP.First.Before(start) || !o.SSTP.Last.After(o.SSTP.First) {
				t.Errorf("first %v, last %v", o.SSTP.First, o.SSTP.Last)
			}
		})
	}
}

// TestLossBeforeTunnel loses bytes where nothing can make up for them: what
// begins a segment later is read again.
func TestLossBeforeTunnel(t *testing.T) {
	in := newInspector(nil, true)
	segments := talk(append([]inspect.Segment{
		c("GET /a HTTP/1.1\r\nHo"), after(10, c("ple\r\n\r\n")), s("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"),
		after(8, s("lo")), c(duplexPost), s(accepted),
	}, setup()...)...)
	f := feed(in, connection{key: ends, start: start, segments: segments})
	wantVerdict(t, f, inspect.VerdictConfirmed, inspect.KindTunnel)
	if f.Observation().Lost != 18 {
		t.Errorf("%d bytes lost", f.Observation().Lost)
	}
}

func TestProbe(t *testing.T) {
	refusal := "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
	f := inspectTalk(t, c(get), s(empty), c(duplexPost), s(refusal), c(get), s(empty))
	if d := f.Detection(); d.Verdict == inspect.VerdictConfirmed || d.Kind != inspect.KindProbe {
		t.Error(dump(d))
	}
	wantRules(t, f, "http.sstp_duplex_post", "http.sstp_path", "http.endless_length", "http.correlation_id")
	h := f.Observation().HTTP
	if h.Request.Method != sstp.Method || h.Response.Status != 404 || h.Exchanges != 3 {
		t.Error(dump(h))
	}
	if got := f.Observation().SSTP.CorrelationID; got != "{5DB2F1F0-0000-0000-0000-000000000001}" {
		t.Errorf("correlation id %q", got)
	}
}

func TestAcceptedWithoutTunnel(t *testing.T) {
	f := inspectTalk(t, c(duplexPost), s(accepted))
	wantVerdict(t, f, inspect.VerdictConfirmed, inspect.KindAttempt)
	if f.Detection().Probability != 1 || f.Detection().Server != "softether" {
		t.Error(dump(f.Detection()))
	}
}

// TestShown wants the first exchange in the facts, or the one that asks for
// SSTP.
func TestShown(t *testing.T) {
	f := inspectTalk(t, c("GET /1 HTTP/1.1\r\n\r\n", "GET /2 HTTP/1.1\r\n\r\n"), s("HTTP/1.1 201 A\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 202 B\r\nContent-Length: 0\r\n\r\n"))
	h := f.Observation().HTTP
	if h.Request.Target != "/1" || h.Response.Status != 201 || h.Exchanges != 2 {
		t.Error(dump(h))
	}
	f = inspectTalk(t, c(get), s(empty), c("GET "+sstp.URIPath+"?tenantid=1 HTTP/1.1\r\n\r\n"), s("HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"))
	if h := f.Observation().HTTP; h.Response.Status != 400 || !strings.HasPrefix(h.Request.Target, sstp.URIPath) {
		t.Error(dump(h))
	}
	wantRules(t, f, "http.sstp_path")
}

func TestOneSidedHTTP(t *testing.T) {
	up := inspectTalk(t, c(duplexPost), c(callConnectRequest), c(lcpRequest))
	wantVerdict(t, up, inspect.VerdictSuspected, inspect.KindTunnel)
	wantRules(t, up, "sstp.control_one_sided")
	down := inspectTalk(t, s(accepted), s(callConnectAck), s(lcpRequest))
	if o := down.Observation(); o.SSTP.Control != [2]int{0, 1} || o.HTTP.Response.Status != 200 || o.Seen != [2]bool{false, true} {
		t.Error(dump(o))
	}
}

func TestOrdinaryHTTP(t *testing.T) {
	var segments []inspect.Segment
	for range 17 {
		segments = append(segments, c(get), s(empty))
	}
	f := inspectTalk(t, segments...)
	wantVerdict(t, f, inspect.VerdictCleared, inspect.KindNone)
	wantRules(t, f, "http.ordinary")
	wantVerdict(t, inspectTalk(t, behind(segments...)...), inspect.VerdictConfirmed, inspect.KindTunnel)
	// A CONNECT is judged by what is in it.
	f = inspectTalk(t, append(segments, c("CONNECT vpn.example:443 HTTP/1.1\r\n\r\n"), s(agreed), c(hello()))...)
	wantVerdict(t, f, inspect.VerdictUndetermined, inspect.KindNone)
	if f.Observation().TLS == nil {
		t.Error("no TLS in the tunnel")
	}
}

// TestManyExchanges holds no more of a long connection than of a short one.
func TestManyExchanges(t *testing.T) {
	f := newInspector(nil, false).Open(ends, start)
	exchange := func() {
		f.Feed(c("POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", chunk("abc"), "0\r\n\r\n"))
		f.Feed(s("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"))
	}
	for range 1000 {
		exchange()
	}
	var before, later runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 20_000 {
		exchange()
	}
	runtime.GC()
	runtime.ReadMemStats(&later)
	if n := int64(later.HeapAlloc) - int64(before.HeapAlloc); n > 1<<20 {
		t.Errorf("%d bytes more are held", n)
	}
	if f.Settled() || f.Observation().HTTP.Exchanges != 21_000 {
		t.Error(dump(f.Observation()))
	}
}

func TestGarbage(t *testing.T) {
	for _, garbage := range []string{
		"\x00\x01\x02\x03", "SSH-2.0-OpenSSH_9.2\r\n", "\x10\x01\x00\x0e\x00\x0a\x00\x00", "\x10\x01\x00\x0e\x01", "\x16\x03\x01\xff\xff",
		"220 mail.example ESMTP\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / FTP/1.1\r\n", "\x10\x00\x00\x0e\x00\x01\x00\x01", "\x10\x01\x00\x0e\x00\x01\x00\x02",
	} {
		f := inspectTalk(t, c(garbage))
		wantVerdict(t, f, inspect.VerdictCleared, inspect.KindNone)
		if f.Observation().Protocol != "other" || !hasRule(f, "stream.other") {
			t.Errorf("%q: %s", garbage, dump(f.Observation()))
		}
	}
	f := inspectTalk(t, c(get, "\x00\x01"), s(empty, "\x00\x01"))
	if !f.Settled() || f.Detection().Verdict != inspect.VerdictUndetermined {
		t.Errorf("settled %v: %s", f.Settled(), dump(f.Detection()))
	}
}

// TestLongOpening holds back no more than it says.
func TestLongOpening(t *testing.T) {
	f := inspectTalk(t, c("GET /"+strings.Repeat("a", 20_000)), c(" HTTP/1.1\r\n\r\n"), s(empty))
	if o := f.Observation(); o.Protocol != "http" || o.HTTP == nil || len(o.HTTP.Request.Target) != 20_001 {
		t.Errorf("protocol %s", o.Protocol)
	}
	f = inspectTalk(t, c(strings.Repeat("\r\n", 100)))
	wantVerdict(t, f, inspect.VerdictCleared, inspect.KindNone)
	var segments []inspect.Segment
	for range 100 {
		segments = append(segments, c("G"), s("H"))
	}
	segments = append(segments, s(strings.Repeat("x", 16<<10)))
	f = feed(newInspector(nil, true), connection{key: ends, start: start, segments: segments})
	if !f.Settled() {
		t.Error("goes on holding back")
	}
}

func TestManyRequests(t *testing.T) {
	f := inspectTalk(t, append([]inspect.Segment{c(strings.Repeat(get, 3), strings.Repeat("HEAD / HTTP/1.1\r\n\r\n", 97))},
		s(strings.Repeat(empty, 3), strings.Repeat(empty, 97)))...)
	if f.Observation().HTTP.Exchanges < 4 {
		t.Error(dump(f.Observation()))
	}
}

// hello is a TLS ClientHello in a record.
func hello() string {
	h := &tlswire.ClientHello{Version: tlswire.VersionTLS12, CipherSuites: []tlswire.CipherSuite{aesGCM12}, CompressionMethods: []uint8{0}}
	return string(record(tlswire.ContentHandshake, tlswire.Message{Type: tlswire.HandshakeClientHello, Body: h.Append(nil)}.Append(nil)))
}

func TestConnect(t *testing.T) {
	const plain = "CONNECT vpn.example:8443 HTTP/1.1\r\n\r\n"
	tests := []struct {
		name          string
		segments      []inspect.Segment
		status        int
		tunnel, hello bool
		kind          inspect.Kind
	}{
		{"agreed", []inspect.Segment{c(connect), s(agreed), c(hello())}, 200, true, true, inspect.KindAttempt},
		{"refused", []inspect.Segment{c(connect), s("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")}, 403, false, false, inspect.KindAttempt},
		{"asked again", []inspect.Segment{
			c(plain), s("HTTP/1.1 407 Authenticate\r\nContent-Length: 2\r\n\r\nno"), c(connect), s(agreed), c(hello()),
		}, 200, true, true, inspect.KindAttempt},
		{"early", []inspect.Segment{c(connect, hello()), s(agreed)}, 200, true, true, inspect.KindAttempt},
		{"early, then refused, then agreed", []inspect.Segment{
			c(plain, hello()), s("HTTP/1.1 407 Authenticate\r\nContent-Length: 2\r\n\r\nno"), c(connect), s(agreed), c(hello()),
		}, 200, true, true, inspect.KindAttempt},
		{"no answer captured", []inspect.Segment{c(connect), c(hello())}, 0, true, true, inspect.KindAttempt},
		{"behind GETs", []inspect.Segment{c(get), s(empty), c(get), s(empty), c(connect), s(agreed), c(hello())}, 200, true, true, inspect.KindAttempt},
		{"not announced", []inspect.Segment{c(plain), s(agreed), c(hello())}, 200, true, true, inspect.KindNone},
		{"through two proxies", []inspect.Segment{c(plain), s(agreed), c(connect), s(agreed), c(hello())}, 200, true, true, inspect.KindAttempt},
		{"SSTP without TLS", append([]inspect.Segment{c(connect), s(agreed), c(duplexPost), s(accepted)}, setup()...), 200, true, false, inspect.KindTunnel},
		{"something else in it", []inspect.Segment{c(plain), s(agreed), c("SSH-2.0-x\r\n"), s("SSH-2.0-y\r\n")}, 200, true, false, inspect.KindNone},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := inspectTalk(t, test.segments...)
			o := f.Observation()
			if o.Protocol != "connect" || o.Connect == nil || o.Connect.Host != "vpn.example" {
				t.Fatal(dump(o))
			}
			status := 0
			if o.Connect.Response != nil {
				status = o.Connect.Response.Status
			}
			if status != test.status || o.Connect.Tunnel != test.tunnel {
				t.Errorf("status %d, tunnel %v", status, o.Connect.Tunnel)
			}
			if got := o.TLS != nil && o.TLS.Hello; got != test.hello {
				t.Errorf("hello read: %v", got)
			}
			if f.Detection().Kind != test.kind || (f.Detection().Verdict == inspect.VerdictConfirmed) != hasRule(f, "connect.sstpversion") {
				t.Error(dump(f.Detection()))
			}
		})
	}
}

// TestConnectNested ends reading somewhere.
func TestConnectNested(t *testing.T) {
	var segments []inspect.Segment
	for range 1000 {
		segments = append(segments, c("CONNECT a:1 HTTP/1.1\r\n\r\n"), s(agreed))
	}
	f := inspectTalk(t, append(segments, c(duplexPost))...)
	if f.Observation().HTTP != nil {
		t.Error("read at any depth")
	}
}

// TestConnectServerOnly reads TLS behind the answer to a CONNECT that was not
// captured.
func TestConnectServerOnly(t *testing.T) {
	x := tlswire.ServerHello{Version: tlswire.VersionTLS12, CipherSuite: aesGCM12}
	m := tlswire.Message{Type: tlswire.HandshakeServerHello, Body: x.Append(nil)}
	f := inspectTalk(t, s(agreed), s(record(tlswire.ContentHandshake, m.Append(nil))))
	if o := f.Observation(); o.Protocol != "connect" || o.TLS == nil || !o.TLS.ServerHello {
		t.Error(dump(o))
	}
}

// TestCredentials keeps them out of the facts.
func TestCredentials(t *testing.T) {
	const password = "Correct-Horse-7"
	basic := base64.StdEncoding.EncodeToString([]byte("alice:" + password))
	f := inspectTalk(t,
		c("CONNECT vpn.example:443 HTTP/1.1\r\nProxy-Authorization: Basic ", basic[:20], "\n", basic[20:], "\r\nX: y\r\nCookie: ", password, "\r\n\r\n"),
		s("HTTP/1.1 407 No\r\nSet-Cookie: ", password, "\r\nProxy-Authenticate: Basic realm=a\r\nContent-Length: 0\r\n\r\n"),
		c("CONNECT vpn.example:443 HTTP/1.1\r\nProxy_authorization: Basic ", basic, "\r\nAuthorization: ", password, "\r\n\r\n"))
	facts := fmt.Sprintf("%#v %s", f.Observation().Connect, dump(f.Observation()))
	for _, secret := range []string{password, basic, basic[:20], basic[20:]} {
		if strings.Contains(facts, secret) {
			t.Errorf("facts hold %q: %s", secret, facts)
		}
	}
	f = inspectTalk(t, c("CONNECT vpn.example:443 HTTP/1.1\r\nProxy-Authorization: Basic ", basic, "\r\n\r\n"))
	if o := f.Observation().Connect; o.User != "alice" || o.Request.Fields.Get("Proxy-Authorization") != "Basic ..." {
		t.Error(dump(o))
	}
	f = inspectTalk(t, c("GET / HTTP/1.1\r\nAuthorization: Negotiate ", password, "\r\nCookie: a=", password, "\r\n\r\n"))
	if got := dump(f.Observation()); strings.Contains(got, password) || !strings.Contains(got, "Negotiate ...") {
		t.Error(got)
	}
}

// TestLongDetail bounds what evidence tells.
func TestLongDetail(t *testing.T) {
	f := inspectTalk(t, c("CONNECT a:1 HTTP/1.1\r\nSSTPVERSION: "+strings.Repeat("é", 10_000)+"\r\n\r\n"))
	wantRules(t, f, "connect.sstpversion")
	for _, e := range f.Detection().Evidence {
		if len(e.Detail) > 1000 || strings.ContainsRune(e.Detail, '\uFFFD') {
			t.Errorf("%d bytes: %q", len(e.Detail), e.Detail)
		}
	}
}
