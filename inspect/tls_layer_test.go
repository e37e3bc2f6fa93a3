package inspect_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/sstp"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/inspect/tlswire"
)

// A wire carries a connection in memory and keeps what both ends write.
type wire struct {
	mu       sync.Mutex
	came     *sync.Cond
	waiting  [2]bytes.Buffer // by who reads: 0 the client
	segments []inspect.Segment
}

func newWire() *wire {
	w := &wire{}
	w.came = sync.NewCond(&w.mu)
	return w
}

// An end is one end of a wire.
type end struct {
	net.Conn
	w    *wire
	from inspect.Direction
}

func (e end) Write(b []byte) (int, error) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	reader := 1
	if e.from == server {
		reader = 0
	}
	e.w.waiting[reader].Write(b)
	e.w.segments = append(e.w.segments, inspect.Segment{Direction: e.from, Data: bytes.Clone(b)})
	e.w.came.Broadcast()
	return len(b), nil
}

func (e end) Read(b []byte) (int, error) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	reader := 0
	if e.from == server {
		reader = 1
	}
	for e.w.waiting[reader].Len() == 0 {
		e.w.came.Wait()
	}
	return e.w.waiting[reader].Read(b)
}

func (end) SetDeadline(time.Time) error      { return nil }
func (end) SetReadDeadline(time.Time) error  { return nil }
func (end) SetWriteDeadline(time.Time) error { return nil }
func (end) Close() error                     { return nil }

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "vpn.example"}, DNSNames: []string{"vpn.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// A dial is a TLS connection to be made, over a wire or over another one.
type dial struct {
	client, server *tls.Config
	clientOn       net.Conn
	serverOn       net.Conn
}

// connect shakes hands and gives both ends.
func (d dial) connect(t *testing.T, log io.Writer) (*tls.Conn, *tls.Conn) {
	t.Helper()
	cc, sc := d.client.Clone(), d.server.Clone()
	cc.InsecureSkipVerify, cc.KeyLogWriter = true, log
	sc.Certificates = []tls.Certificate{certificate()}
	client, server := tls.Client(d.clientOn, cc), tls.Server(d.serverOn, sc)
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// say writes parts in turn, each read by the other end before the next.
func say(t *testing.T, client, server net.Conn, parts ...inspect.Segment) {
	t.Helper()
	for _, p := range parts {
		from, to := client, server
		if p.Direction == inspect.ServerToClient {
			from, to = server, client
		}
		if _, err := from.Write(p.Data); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(to, make([]byte, len(p.Data))); err != nil {
			t.Fatal(err)
		}
	}
}

// overTLS gives what a wire carries when parts are said over TLS.
func overTLS(t *testing.T, cc, sc *tls.Config, parts ...inspect.Segment) (connection, *tlskeys.Keys) {
	t.Helper()
	w, log := newWire(), &bytes.Buffer{}
	client, server := dial{cc, sc, end{w: w, from: inspect.ClientToServer}, end{w: w, from: inspect.ServerToClient}}.connect(t, log)
	say(t, client, server, parts...)
	return connection{key: ends, start: start, segments: talk(w.segments...)}, keysOf(t, log.Bytes())
}

func keysOf(t *testing.T, log []byte) *tlskeys.Keys {
	t.Helper()
	keys := &tlskeys.Keys{}
	if _, err := keys.AddKeyLog(bytes.NewReader(log)); err != nil {
		t.Fatal(err)
	}
	return keys
}

func versions(v uint16) (*tls.Config, *tls.Config) {
	return &tls.Config{MinVersion: v, MaxVersion: v, ServerName: "vpn.example"}, &tls.Config{MinVersion: v, MaxVersion: v}
}

// connected is a Call Connected whose hash is of the certificate given.
func connected(h sstp.HashProtocol, der []byte) inspect.Segment {
	sum1, sum256 := sha1.Sum(der), sha256.Sum256(der)
	b := sstp.CryptoBinding{HashProtocol: h, CertHash: sum256[:]}
	if h == sstp.HashProtocolSHA1 {
		b.CertHash = sum1[:]
	}
	return c(control(sstp.CallConnected{CryptoBinding: b}))
}

// sstpSession is a tunnel's set-up.
func sstpSession(last ...inspect.Segment) []inspect.Segment {
	return append(append([]inspect.Segment{c(duplexPost), s(accepted)}, setup()...), last...)
}

func TestTunnelOverTLS(t *testing.T) {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(v), func(t *testing.T) {
			cc, sc := versions(v)
			conn, keys := overTLS(t, cc, sc, sstpSession(connected(sstp.HashProtocolSHA256, certificate().Certificate[0]))...)

			closed := feed(newInspector(nil, true), conn)
			wantRules(t, closed, "tls.control_lengths")
			o := closed.Observation()
			if o.TLS.SNI != "vpn.example" || uint16(o.TLS.Version) != v || !o.TLS.SizesExact || o.TLS.NotOpened != "" || o.HTTP != nil {
				t.Error(dump(o))
			}
			if d := closed.Detection(); d.Verdict != inspect.VerdictSuspected && d.Verdict != inspect.VerdictUndetermined || d.Probability >= 1 {
				t.Error(dump(d))
			}
			if v == tls.VersionTLS12 && o.TLS.Certificate.Subject.CommonName != "vpn.example" {
				t.Error(dump(o.TLS))
			}

			for _, n := range []int{1, 3, 1000, 100_000} {
				f := feed(newInspector(keys, true), cutEvery(conn, n))
				wantVerdict(t, f, inspect.VerdictConfirmed, inspect.KindTunnel)
				o := f.Observation()
				if !o.TLS.Opened || o.SSTP.Binding != inspect.BindingMatches || o.TLS.Certificate == nil || o.SSTP.BindingUnknown != "" {
					t.Error(dump(o))
				}
			}

			other := feed(newInspector(&tlskeys.Keys{}, true), conn)
			if n := other.Observation().TLS.NotOpened; !strings.Contains(n, "no secrets") {
				t.Errorf("not opened: %q", n)
			}
			other.Observation().TLS.NotOpened = ""
			same(t, closed, other)
		})
	}
}

func TestCryptoBinding(t *testing.T) {
	cc, sc := versions(tls.VersionTLS13)
	tests := []struct {
		name          string
		last          inspect.Segment
		want, unknown string
	}{
		{"SHA-1", connected(sstp.HashProtocolSHA1, certificate().Certificate[0]), inspect.BindingMatches, ""},
		{"another certificate", connected(sstp.HashProtocolSHA256, []byte("another")), inspect.BindingDiffers, ""},
		{"unknown hash", connected(4, nil), "", "hash protocol 4 is unknown"},
	}
	for _, test := range tests {
		conn, keys := overTLS(t, cc, sc, sstpSession(test.last)...)
		f := feed(newInspector(keys, true), conn)
		if o := f.Observation().SSTP; o.Binding != test.want || o.BindingUnknown != test.unknown {
			t.Errorf("%s: %q, %q", test.name, o.Binding, o.BindingUnknown)
		}
		if hasRule(f, "sstp.intercepted") != (test.want == inspect.BindingDiffers) {
			t.Errorf("%s: %s", test.name, dump(f.Detection()))
		}
	}
	// A resumed session shows no certificate.
	sc.SetSessionTicketKeys([][32]byte{{1}})
	cc.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	_, _ = overTLS(t, cc, sc, c("x"), s("y"))
	conn, keys := overTLS(t, cc, sc, sstpSession(connected(sstp.HashProtocolSHA256, certificate().Certificate[0]))...)
	f := feed(newInspector(keys, true), conn)
	if o := f.Observation().SSTP; o.Binding != "" || o.BindingUnknown != "the server's certificate was not seen" {
		t.Error(dump(o))
	}
}

// TestClearedYetConfirmed reads on in opened TLS, whatever came first.
func TestClearedYetConfirmed(t *testing.T) {
	var parts []inspect.Segment
	for range 20 {
		parts = append(parts, c(get), s(empty))
	}
	cc, sc := versions(tls.VersionTLS13)
	conn, keys := overTLS(t, cc, sc, append(parts, sstpSession()...)...)
	for _, follow := range []bool{true, false} {
		f := feed(newInspector(keys, follow), conn)
		wantVerdict(t, f, inspect.VerdictConfirmed, inspect.KindTunnel)
		wantRules(t, f, "http.ordinary")
		if f.Settled() == follow {
			t.Errorf("follow %v: settled %v", follow, f.Settled())
		}
	}
}

// TestHelloRetryRequest reads the ServerHello behind one, and the sizes.
func TestHelloRetryRequest(t *testing.T) {
	cc, sc := versions(tls.VersionTLS13)
	cc.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384}
	sc.CurvePreferences = []tls.CurveID{tls.CurveP384}
	conn, keys := overTLS(t, cc, sc, sstpSession()...)
	hellos := 0
	for _, s := range conn.segments {
		if s.Direction == client && bytes.HasPrefix(s.Data[5:], []byte{1, 0}) || bytes.Contains(s.Data, []byte{0x14, 3, 3, 0, 1, 1, 0x16}) {
			hellos++
		}
	}
	if hellos < 2 {
		t.Fatal("the server asked for no second hello")
	}
	for name, conn := range map[string]connection{"both": conn, "client only": sided(conn, client), "server only": sided(conn, server)} {
		f := feed(newInspector(nil, true), conn)
		same(t, f, feed(newInspector(nil, true), cutEvery(conn, 1)))
		o := f.Observation().TLS
		switch name {
		case "both":
			wantRules(t, f, "tls.control_lengths")
		case "client only":
			wantRules(t, f, "tls.client_only")
		}
		if name != "client only" && (!o.ServerHello || o.Version != tlswire.VersionTLS13) {
			t.Errorf("%s: %s", name, dump(o))
		}
	}
	wantVerdict(t, feed(newInspector(keys, true), conn), inspect.VerdictConfirmed, inspect.KindTunnel)
}

func sided(conn connection, d inspect.Direction) connection {
	conn.segments = slices.DeleteFunc(slices.Clone(conn.segments), func(s inspect.Segment) bool { return s.Direction != d })
	return conn
}

// TestClientCertificate passes over the client's encrypted flight.
func TestClientCertificate(t *testing.T) {
	cc, sc := versions(tls.VersionTLS13)
	cc.Certificates = []tls.Certificate{certificate()}
	sc.ClientAuth = tls.RequireAnyClientCert
	conn, _ := overTLS(t, cc, sc, sstpSession()...)
	wantRules(t, feed(newInspector(nil, true), conn), "tls.control_lengths")
}

// TestJoinedFlight has stacks that put the client's certificate, its proof and
// Finished into one record, with the request behind it before the server speaks,
// or after its tickets.
func TestJoinedFlight(t *testing.T) {
	const flight = 1400
	tests := []struct {
		name   string
		writes []int
		want   bool
	}{
		{"and the request", []int{flight, 190, -118, 14, -48}, true},
		{"and the request, tickets in front of the response", []int{flight, 190, -217, -217, -118, 14, -48}, true},
		{"tickets, then the request", []int{flight, -217, -217, 190, -118, 14, -48}, true},
		{"and a request in two", []int{flight, 100, 90, -118, 14, -48}, true},
		{"and a Finished", []int{flight, 36, 190, -118, 14, -48}, true},
		{"another length", []int{flight, 190, -118, 15, -48}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			x := openSizes(newInspector(nil, true), aesGCM13)
			x.clientHello()
			x.serverHello()
			x.data(-10, -60, -900, -264, -36)
			x.send(client, tlswire.ContentChangeCipherSpec, []byte{1})
			x.data(test.writes...)
			if got := hasRule(x.flow, "tls.control_lengths"); got != test.want {
				t.Errorf("held: %v, want %v: %s", got, test.want, dump(x.flow.Detection()))
			}
		})
	}
}

// TestHelloOverRecords cuts a hello's message into records of few bytes.
func TestHelloOverRecords(t *testing.T) {
	whole := []byte(hello())[5:]
	var b []byte
	for piece := range slices.Chunk(whole, 3) {
		b = append(b, record(tlswire.ContentHandshake, piece)...)
	}
	f := inspectTalk(t, c(b))
	if o := f.Observation(); o.Protocol != "tls" || !o.TLS.Hello || o.TLS.JA4 == "" || len(o.TLS.JA3) != 32 {
		t.Error(dump(o))
	}
	wantRules(t, f, "tls.no_alpn")
}

func TestBrokenTLS(t *testing.T) {
	alert := record(tlswire.ContentAlert, []byte{2, 40})
	f := inspectTalk(t, c(hello()), s(alert))
	if o := f.Observation(); o.Protocol != "tls" || f.Settled() || o.TLS.ServerHello {
		t.Error(dump(o))
	}
	f = inspectTalk(t, c(hello()), s("HTTP/1.1 400 Bad Request\r\n\r\n"))
	if o := f.Observation(); o.Protocol != "tls" || !f.Settled() || f.Detection().Verdict != inspect.VerdictUndetermined {
		t.Error(dump(o))
	}
	f = inspectTalk(t, c(hello(), "garbage"))
	if !f.Settled() {
		t.Error("goes on")
	}
	f = inspectTalk(t, c(string(alert), "garbage"))
	if o := f.Observation(); o.Protocol != "other" || o.TLS != nil || f.Detection().Verdict != inspect.VerdictCleared {
		t.Error(dump(o))
	}
	f = inspectTalk(t, c(connect), s(agreed), c(string(alert), "garbage"))
	if o := f.Observation(); o.Protocol != "connect" {
		t.Errorf("protocol %s", o.Protocol)
	}
}

// TestMidstream wants no judgement of sizes where the beginning is missing.
func TestMidstream(t *testing.T) {
	cc, sc := versions(tls.VersionTLS12)
	conn, _ := overTLS(t, cc, sc, sstpSession()...)
	conn.midstream = true
	conn.segments = conn.segments[4:]
	conn.segments[0].Data = conn.segments[0].Data[1:]
	f := feed(newInspector(nil, true), conn)
	o := f.Observation()
	if o.Protocol != "tls" || !o.Midstream || o.TLS.Records[0]+o.TLS.Records[1] == 0 || len(f.Detection().Evidence) > 0 {
		t.Error(dump(o), dump(f.Detection()))
	}
	lost := feed(newInspector(nil, true), connection{segments: []inspect.Segment{after(5, c("\x99\x98")), c(strings.Repeat("\x00", 70_000))}})
	if o := lost.Observation(); !o.Midstream || o.Protocol != "other" || !lost.Settled() {
		t.Error(dump(o))
	}
}

// TestNested opens TLS in TLS, as through an HTTPS proxy, and no deeper.
func TestNested(t *testing.T) {
	cc, sc := versions(tls.VersionTLS13)
	w, log := newWire(), &bytes.Buffer{}
	c1, s1 := dial{cc, sc, end{w: w, from: client}, end{w: w, from: server}}.connect(t, log)
	say(t, c1, s1, c(connect), s(agreed))
	c2, s2 := dial{cc, sc, c1, s1}.connect(t, log)
	outer := slices.Clone(w.segments)
	say(t, c2, s2, sstpSession(connected(sstp.HashProtocolSHA256, certificate().Certificate[0]))...)
	conn := connection{key: ends, start: start, segments: talk(w.segments...)}
	f := feed(newInspector(keysOf(t, log.Bytes()), true), conn)
	wantVerdict(t, f, inspect.VerdictConfirmed, inspect.KindTunnel)
	o := f.Observation()
	if o.Protocol != "tls" || o.Connect != nil || o.HTTP.Request.Method != sstp.Method || o.SSTP.Binding != inspect.BindingMatches {
		t.Error(dump(o))
	}
	c3, s3 := dial{cc, sc, c2, s2}.connect(t, log)
	say(t, c3, s3, sstpSession()...)
	deeper := append(outer, w.segments[len(outer)+len(sstpSession())+1:]...)
	f = feed(newInspector(keysOf(t, log.Bytes()), true), connection{key: ends, start: start, segments: talk(deeper...)})
	if f.Observation().SSTP != nil {
		t.Error("read three TLS sessions deep")
	}
}

// TestLostRecords opens what it can of a connection with a record missing.
func TestLostRecords(t *testing.T) {
	cc, sc := versions(tls.VersionTLS12)
	conn, keys := overTLS(t, cc, sc, append([]inspect.Segment{c("\x00\x01"), c("in the middle of a file"), s("a")}, sstpSession()...)...)
	first := slices.IndexFunc(conn.segments, func(s inspect.Segment) bool { return s.Data[0] == 23 })
	conn.segments = slices.Clone(conn.segments)
	conn.segments[first+1].Missing = len(conn.segments[first].Data)
	conn.segments = slices.Delete(conn.segments, first, first+1)
	f := feed(newInspector(keys, true), conn)
	wantVerdict(t, f, inspect.VerdictConfirmed, inspect.KindTunnel)
}

func TestH2(t *testing.T) {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cc, sc := versions(v)
		cc.NextProtos, sc.NextProtos = []string{"h2", "http/1.1"}, []string{"h2"}
		conn, keys := overTLS(t, cc, sc, c("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
		f := feed(newInspector(nil, true), conn)
		wantRules(t, f, "tls.h2_offered")
		if hasRule(f, "tls.h2_chosen") != (v == tls.VersionTLS12) {
			t.Errorf("%s: %s", tls.VersionName(v), dump(f.Detection()))
		}
		f = feed(newInspector(keys, true), conn)
		wantVerdict(t, f, inspect.VerdictCleared, inspect.KindNone)
		if f.Observation().TLS.ALPN != "h2" || f.Observation().HTTP != nil {
			t.Error(dump(f.Observation()))
		}
	}
}
