package mitm

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"testing"
	"time"
)

// A resumer is a server that tells of each connection whether a session was resumed.
type resumer struct {
	address string
	resumed chan bool
}

func newResumer(t *testing.T, c *tls.Config) *resumer {
	t.Helper()
	if c.Certificates == nil {
		c.Certificates = []tls.Certificate{chain(goodChain()...)}
	}
	r := &resumer{resumed: make(chan bool, 1)}
	r.address = serve(t, func(raw net.Conn) {
		conn := tls.Server(raw, c)
		if conn.Handshake() != nil {
			return
		}
		r.resumed <- conn.ConnectionState().DidResume
		answer(conn)
	})
	return r
}

// visit makes a connection, has an answer, and says whether a session was resumed.
func (r *resumer) visit(t *testing.T, o UpstreamOptions) (bool, Upstream) {
	t.Helper()
	if o.ServerName == "" {
		o.ServerName = host
	}
	conn, up, err := Handshake(t.Context(), dialRaw(t, r.address), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(conn); err != nil || string(got) != reply {
		t.Fatalf("%q %v", got, err)
	}
	return <-r.resumed, up
}

func TestSessions(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			server := newResumer(t, &tls.Config{MinVersion: version, MaxVersion: version, NextProtos: []string{"http/1.1"}})
			roots := pool(testPKI().root.cert)
			now := time.Now()
			o := UpstreamOptions{Roots: roots, Sessions: new(Sessions), Clock: func() time.Time { return now }}
			first, shown := server.visit(t, o)
			if first {
				t.Fatal("the first is resumed")
			}
			again, up := server.visit(t, o)
			if !again {
				t.Error("the second is not resumed")
			}
			if up.VerifyErr != nil || len(up.Chain) != 2 || !up.Chain[0].Equal(shown.Chain[0]) || up.WantsClientCertificate {
				t.Errorf("a resumed session shows %+v", up)
			}
			// What the client was shown is what later connections are compared with.
			pinned := o
			pinned.Verify = Pin(shown)
			server.visit(t, pinned)
			pinned.Verify = func(tls.ConnectionState) error { return fmt.Errorf("not this one") }
			if _, _, err := Handshake(t.Context(), dialRaw(t, server.address), pinned); err == nil {
				t.Error("a resumed session was not asked about")
			}
			for name, other := range map[string]UpstreamOptions{
				"another name":    {ServerName: "other.example", Roots: roots},
				"no name":         {OmitServerName: true, Roots: roots},
				"other roots":     {Roots: pool(testPKI().root.cert)},
				"other protocols": {ALPN: []string{"http/1.1"}, Roots: roots},
				"classical":       {Classical: true, Roots: roots},
				"legacy":          {Legacy: true, Roots: roots},
			} {
				server.visit(t, o) // leaves a session
				other.Sessions, other.Clock = o.Sessions, o.Clock
				if resumed, _ := server.visit(t, other); resumed {
					t.Errorf("%s: resumed", name)
				}
			}
			elsewhere := newResumer(t, &tls.Config{MinVersion: version, MaxVersion: version})
			if resumed, _ := elsewhere.visit(t, o); resumed {
				t.Error("another address: resumed")
			}
		})
	}
}

// TestSessionsEnd has a certificate be shown anew in time, however often its session
// is resumed.
func TestSessionsEnd(t *testing.T) {
	server := newResumer(t, &tls.Config{})
	now := time.Now()
	o := UpstreamOptions{Roots: pool(testPKI().root.cert), Sessions: new(Sessions), Clock: func() time.Time { return now }}
	server.visit(t, o)
	for range 4 {
		now = now.Add(trustLifetime / 5)
		if resumed, _ := server.visit(t, o); !resumed {
			t.Fatal("not resumed in time")
		}
	}
	now = now.Add(trustLifetime / 5)
	if resumed, _ := server.visit(t, o); resumed {
		t.Error("resumed too late")
	}
}

// TestSessionsOfNobody remembers nothing of servers whose certificate is wrong, or
// who want one of the client.
func TestSessionsOfNobody(t *testing.T) {
	for name, c := range map[string]struct {
		config *tls.Config
		name   string
		roots  *x509.CertPool
	}{
		"unknown":    {&tls.Config{}, host, pool(testPKI().stranger.cert)},
		"other name": {&tls.Config{}, "other.example", pool(testPKI().root.cert)},
		"wants ours": {&tls.Config{ClientAuth: tls.RequestClientCert}, host, pool(testPKI().root.cert)},
	} {
		o := UpstreamOptions{ServerName: c.name, Roots: c.roots, Sessions: new(Sessions)}
		server := newResumer(t, c.config)
		for range 2 {
			if resumed, _ := server.visit(t, o); resumed {
				t.Errorf("%s: resumed", name)
			}
		}
		if len(o.Sessions.newer) > 0 {
			t.Errorf("%s: remembered", name)
		}
	}
}

// TestSessionsTooLong forgets what takes too much.
func TestSessionsTooLong(t *testing.T) {
	long := server(host, host)
	for i := range 600 {
		long.DNSNames = append(long.DNSNames, fmt.Sprintf("a-name-that-is-long-%d.%s", i, host))
	}
	for name, config := range map[string]*tls.Config{
		"chain": {Certificates: []tls.Certificate{chain(sign(long, testPKI().above, ecKey()), testPKI().above)}},
		"ticket": {WrapSession: func(tls.ConnectionState, *tls.SessionState) ([]byte, error) {
			return make([]byte, maxTicket+1), nil
		}},
	} {
		server := newResumer(t, config)
		o := UpstreamOptions{Roots: pool(testPKI().root.cert), Sessions: new(Sessions)}
		if _, up := server.visit(t, o); up.VerifyErr != nil {
			t.Error(up.VerifyErr)
		}
		if len(o.Sessions.newer) > 0 {
			t.Errorf("%s: remembered", name)
		}
	}
}

// TestSessionsBounded gives the latest sessions once each, and keeps no more than
// there is room for.
func TestSessionsBounded(t *testing.T) {
	var s Sessions
	now := time.Now()
	key := sessionKey{name: "busy.example"}
	states := make([]*tls.ClientSessionState, sessionTickets+3)
	for i := range states {
		states[i] = new(tls.ClientSessionState)
		s.add(key, session{states[i], now})
	}
	for i := range sessionTickets {
		got, ok := s.take(key, now)
		if want := states[len(states)-1-i]; !ok || got.state != want {
			t.Errorf("session %d is another", i)
		}
	}
	if _, ok := s.take(key, now); ok {
		t.Error("there are more than there is room for, or one twice")
	}
	for i := range 3 * sessionEntries {
		s.add(sessionKey{name: fmt.Sprint(i)}, session{states[0], now})
		if got := len(s.newer) + len(s.older); got > 2*sessionEntries {
			t.Fatalf("%d servers", got)
		}
	}
	for _, c := range []struct {
		server int
		want   bool
	}{{0, false}, {2*sessionEntries - 1, true}, {3*sessionEntries - 1, true}} {
		if _, ok := s.take(sessionKey{name: fmt.Sprint(c.server)}, now); ok != c.want {
			t.Errorf("server %d: %v", c.server, ok)
		}
	}
}
