package pppauth_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref/pppauth"
)

var tlsWays = []way{{pppauth.EAPTLS, tls.VersionTLS12}, {pppauth.EAPTLS, tls.VersionTLS13}}

func TestCertificates(t *testing.T) {
	k := testCertificates(t)
	const (
		authority = "x509: certificate signed by unknown authority"
		expired   = "x509: certificate has expired or is not yet valid: current time 2025-06-01T12:00:00Z is after 2025-05-31T12:00:00Z"
	)
	tests := []struct {
		name         string
		change       func(c *pppauth.Credentials, a *pppauth.Authenticator)
		peer, server pppauth.Reason // 0: success
		says         string         // who found fault: a part of its error
	}{
		{"valid", func(*pppauth.Credentials, *pppauth.Authenticator) {}, 0, 0, ""},
		{
			"client's expired", func(c *pppauth.Credentials, _ *pppauth.Authenticator) { c.Certificate = k.expired },
			pppauth.CertificateRefused, pppauth.Certificate,
			`eap-tls: the client's certificate, of "alice", is not accepted: ` + expired,
		},
		{
			"client's of another authority", func(c *pppauth.Credentials, _ *pppauth.Authenticator) { c.Certificate = k.alien },
			pppauth.CertificateRefused, pppauth.Certificate,
			`eap-tls: the client's certificate, of "alice", is not accepted: ` + authority,
		},
		{
			"client's is a server's", func(c *pppauth.Credentials, _ *pppauth.Authenticator) { c.Certificate = k.server },
			pppauth.CertificateRefused, pppauth.Certificate,
			"x509: certificate specifies an incompatible key usage",
		},
		{
			"server's of another authority", func(_ *pppauth.Credentials, a *pppauth.Authenticator) { a.Certificate = k.alienServer },
			pppauth.Certificate, pppauth.CertificateRefused,
			`eap-tls: the server's certificate, of "vpn.example.test", is not accepted: ` + authority,
		},
		{
			"server's of another authority, no name wanted", func(c *pppauth.Credentials, a *pppauth.Authenticator) {
				c.ServerName, a.Certificate = "", k.alienServer
			}, pppauth.Certificate, pppauth.CertificateRefused,
			`eap-tls: the server's certificate, of "vpn.example.test", is not accepted: ` + authority,
		},
		{
			"server's for another name", func(c *pppauth.Credentials, _ *pppauth.Authenticator) { c.ServerName = "other.example.test" },
			pppauth.Certificate, pppauth.CertificateRefused,
			"x509: certificate is valid for vpn.example.test, not other.example.test",
		},
		{
			"server's is a client's", func(c *pppauth.Credentials, a *pppauth.Authenticator) { c.ServerName, a.Certificate = "", k.alice },
			pppauth.Certificate, pppauth.CertificateRefused,
			"x509: certificate specifies an incompatible key usage",
		},
		{"no name wanted", func(c *pppauth.Credentials, _ *pppauth.Authenticator) { c.ServerName = "" }, 0, 0, ""},
		{
			"insecure", func(c *pppauth.Credentials, a *pppauth.Authenticator) {
				c.Insecure, c.ServerName, a.Certificate = true, "other.example.test", k.alienServer
			}, 0, 0, "",
		},
	}
	for _, w := range tlsWays {
		for _, tt := range tests {
			t.Run(fmt.Sprint(w, " ", tt.name), func(t *testing.T) {
				c, a := w.credentials(t), w.authenticator(t)
				tt.change(&c, &a)
				atPeer, atServer := (&line{t: t}).converse(newPeer(t, w.method, c), newServer(t, w.method, a))
				if tt.peer == 0 {
					wantLogin(t, w, atPeer, atServer)
					return
				}
				found := atPeer.Err
				if tt.server == pppauth.Certificate {
					found = atServer.Err
				}
				for _, end := range []struct {
					who  string
					err  error
					want pppauth.Reason
				}{{"peer", atPeer.Err, tt.peer}, {"server", atServer.Err, tt.server}} {
					var e *pppauth.Error
					if !errors.As(end.err, &e) || e.Reason != end.want {
						t.Errorf("%s: error %v, want one of reason %v", end.who, end.err, end.want)
					}
				}
				if !strings.Contains(found.Error(), tt.says) {
					t.Errorf("error %v\nwant %s", found, tt.says)
				}
			})
		}
	}
}

func TestCertificateNames(t *testing.T) {
	k := testCertificates(t)
	named := k.ca.issue(func(c *x509.Certificate) {
		c.Subject.CommonName, c.EmailAddresses, c.DNSNames = "Alice A.", []string{"alice@example.test"}, []string{"laptop.example.test"}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
	nameless := k.ca.issue(func(c *x509.Certificate) {
		c.Subject.Organization, c.ExtKeyUsage = []string{"Example"}, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
	tests := []struct {
		name, claimed string
		certificate   tls.Certificate
		want          string
		asked         string // whom Allow was asked for
	}{
		{"claimed is the common name", "alice", k.alice, "alice", "[alice]"},
		{"claimed is another's", "bob", k.alice, "alice", "[bob alice]"},
		{"none claimed", "", k.alice, "alice", "[alice]"},
		{"claimed is a DNS name, in other case", "LAPTOP.example.test", named, "laptop.example.test", "[LAPTOP.example.test laptop.example.test]"},
		{"the first of several", "somebody", named, "alice@example.test", "[somebody alice@example.test]"},
		{"no name but the subject", "somebody", nameless, "O=Example", "[somebody O=Example]"},
	}
	for _, w := range tlsWays {
		for _, tt := range tests {
			t.Run(fmt.Sprint(w, " ", tt.name), func(t *testing.T) {
				c, a := w.credentials(t), w.authenticator(t)
				c.Name, c.Certificate = tt.claimed, tt.certificate
				var asked []string
				a.Allow = func(name string) error { asked = append(asked, name); return nil }
				_, atServer := (&line{t: t}).converse(newPeer(t, w.method, c), newServer(t, w.method, a))
				wantState(t, "server", atServer, pppauth.Succeeded)
				if atServer.Name != tt.want || fmt.Sprint(asked) != tt.asked {
					t.Errorf("name %q after asking for %s, want %q after %s", atServer.Name, asked, tt.want, tt.asked)
				}
			})
		}
	}
}

func TestAllowInTLS(t *testing.T) {
	for _, w := range tlsWays {
		for _, refused := range []string{"bob", "alice"} { // before the handshake, after it
			t.Run(fmt.Sprint(w, " ", refused), func(t *testing.T) {
				c, a := w.credentials(t), w.authenticator(t)
				c.Name = "bob"
				a.Allow = func(name string) error {
					if name == refused {
						return errors.New("the account is closed")
					}
					return nil
				}
				atPeer, atServer := (&line{t: t}).converse(newPeer(t, w.method, c), newServer(t, w.method, a))
				wantState(t, "peer", atPeer, pppauth.Failed)
				wantError(t, atServer.Err, pppauth.NotAllowed, fmt.Sprintf("eap-tls: %q may not log in: the account is closed", refused))
			})
		}
	}
}

// RFC 5216, Section 2.1.5: fragments both ways, each acknowledged; the length in the first; none over the limit.
func TestFragmentation(t *testing.T) {
	for _, w := range tlsWays {
		for _, mtu := range []int{64, 100, 333, 1020, 4000, 65535} {
			t.Run(fmt.Sprint(w, " ", mtu), func(t *testing.T) {
				c, a := w.credentials(t), w.authenticator(t)
				c.EAPMTU, a.EAPMTU = mtu, mtu
				l := &line{t: t}
				atPeer, atServer := l.converse(newPeer(t, w.method, c), newServer(t, w.method, a))
				wantLogin(t, w, atPeer, atServer)
				for _, code := range []ppp.EAPCode{ppp.EAPRequest, ppp.EAPResponse} {
					checkFragments(t, l.seen, code, mtu)
				}
			})
		}
	}
}

func checkFragments(t *testing.T, seen []ppp.Message, code ppp.EAPCode, mtu int) {
	t.Helper()
	var flight []byte
	var announced uint32
	cut := 0
	for _, m := range seen {
		e := m.(ppp.EAP)
		d, ok := e.Data.(ppp.EAPTLS)
		if !ok || e.Code != code {
			continue
		}
		if b, _ := e.Append(nil); len(b) > mtu {
			t.Errorf("a packet of %d octets, with a limit of %d", len(b), mtu)
		}
		more, length := d.Flags&ppp.EAPTLSMoreFragments != 0, d.Flags&ppp.EAPTLSLengthIncluded != 0
		if length != (more && len(flight) == 0) {
			t.Errorf("flags %#x with %d octets before", d.Flags, len(flight))
		}
		if length {
			announced = d.Length
			cut++
		}
		flight = append(flight, d.Fragment...)
		if !more && len(flight) > 0 {
			if announced != 0 && int(announced) != len(flight) {
				t.Errorf("announced %d octets, sent %d", announced, len(flight))
			}
			flight, announced = nil, 0
		}
	}
	if mtu <= 100 && cut == 0 {
		t.Error("nothing was cut in fragments")
	}
}

// Each end drops what does not fit into the conversation and ends it where it cannot go on.
func TestHostileFragments(t *testing.T) {
	data := func(flags ppp.EAPTLSFlags, length uint32, n int) ppp.EAPTLS {
		return ppp.EAPTLS{Type: ppp.EAPTypeTLS, Flags: flags, Length: length, Fragment: bytes.Repeat([]byte{0x16}, n)}
	}
	const l, m = ppp.EAPTLSLengthIncluded, ppp.EAPTLSMoreFragments
	const prefix = "eap-tls: the other end's fragments do not fit: "
	big := make([]ppp.EAPTLS, 70)
	for i := range big {
		big[i] = data(m, 0, 1000)
	}
	tests := []struct {
		name  string
		sends []ppp.EAPTLS
		want  string
	}{
		{"length too large", []ppp.EAPTLS{data(l|m, 1<<31, 10)}, prefix + "a flight has more than 65536 octets"},
		{"too much", big, prefix + "a flight has more than 65536 octets"},
		{"more than announced", []ppp.EAPTLS{data(l|m, 20, 10), data(m, 0, 11)}, prefix + "a flight of 20 octets was announced, and another came"},
		{"less than announced", []ppp.EAPTLS{data(l|m, 20, 10), data(0, 0, 9)}, prefix + "a flight of 20 octets was announced, and another came"},
		{"two lengths", []ppp.EAPTLS{data(l|m, 20, 10), data(l, 21, 11)}, prefix + "one fragment says that the flight has 20 octets, another 21"},
		{"empty", []ppp.EAPTLS{data(m, 0, 0)}, prefix + "a fragment is empty and not the last"},
		{
			"no TLS",
			[]ppp.EAPTLS{data(0, 0, 100)},
			"eap-tls: the TLS handshake with the client failed: tls: unsupported SSLv2 handshake received",
		},
		{"nothing", []ppp.EAPTLS{data(0, 0, 0)}, "eap-tls: the client gave up in the middle of the TLS handshake"},
	}
	w := tlsWays[1]
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := newServer(t, w.method, w.authenticator(t))
			last := one(t, server.Receive(response(one(t, server.Start()).(ppp.EAP), ppp.EAPIdentity("alice")))).(ppp.EAP)
			if got := server.Receive(response(last, tlsStart)); got != nil {
				t.Errorf("a Start from a client got %v", got)
			}
			for _, d := range tt.sends {
				if last.Code != ppp.EAPRequest {
					break
				}
				last = one(t, server.Receive(response(last, d))).(ppp.EAP)
			}
			for range 3 { // an alert may come first
				if last.Code == ppp.EAPRequest {
					last = one(t, server.Receive(response(last, data(0, 0, 0)))).(ppp.EAP)
				}
			}
			var e *pppauth.Error
			if !errors.As(server.Outcome().Err, &e) || last.Code != ppp.EAPFailure {
				t.Fatalf("ended with %v and %v", last, server.Outcome().Err)
			}
			if e.Reason != pppauth.BadMessage || tt.name != "no TLS" && e.Error() != tt.want {
				t.Errorf("error %v, %v\nwant %s", e.Reason, e, tt.want)
			}
		})
	}
	t.Run("peer", func(t *testing.T) {
		peer := newPeer(t, w.method, w.credentials(t))
		if got := peer.Receive(request(1, data(0, 0, 5))); got != nil {
			t.Errorf("data before the Start got %v", got)
		}
		one(t, peer.Receive(request(2, tlsStart)))
		if got := peer.Receive(request(3, tlsStart)); got != nil {
			t.Errorf("a second Start got %v", got)
		}
		if got := peer.Receive(request(4, data(l|m, 1<<30, 1))); got != nil {
			t.Errorf("a huge flight got %v", got)
		}
		wantError(t, peer.Outcome().Err, pppauth.BadMessage, prefix+"a flight has more than 65536 octets")
	})
}

// Data where an acknowledgement is due is passed over, at both ends, and the conversation goes on.
func TestDataInsteadOfAcknowledgement(t *testing.T) {
	w := tlsWays[0]
	c, a := w.credentials(t), w.authenticator(t)
	c.EAPMTU, a.EAPMTU = 100, 100
	peer, server := newPeer(t, w.method, c), newServer(t, w.method, a)
	data := ppp.EAPTLS{Type: ppp.EAPTypeTLS, Fragment: []byte{1}}
	cut := func(m ppp.EAP) bool {
		d, ok := m.Data.(ppp.EAPTLS)
		return ok && d.Flags&ppp.EAPTLSMoreFragments != 0
	}
	tried := 0
	m := one(t, server.Start()).(ppp.EAP)
	for m.Code == ppp.EAPRequest {
		if cut(m) {
			tried++
			if got := server.Receive(response(m, data)); got != nil {
				t.Errorf("the server takes data for an acknowledgement: %v", got)
			}
		}
		r := one(t, peer.Receive(m)).(ppp.EAP)
		if cut(r) {
			tried++
			if got := peer.Receive(request(m.Identifier+1, data)); got != nil {
				t.Errorf("the peer takes data for an acknowledgement: %v", got)
			}
		}
		m = one(t, server.Receive(r)).(ppp.EAP)
	}
	peer.Receive(m)
	wantLogin(t, w, peer.Outcome(), server.Outcome())
	if tried < 10 {
		t.Errorf("only %d fragments", tried)
	}
}

// The goroutine of TLS ends with the party at whatever point it is closed: TestMain looks for one that is left.
func TestCloseAtEveryPoint(t *testing.T) {
	for _, w := range tlsWays {
		t.Run(w.String(), func(t *testing.T) {
			for after := 0; ; after++ {
				peer, server := newPeer(t, w.method, w.credentials(t)), newServer(t, w.method, w.authenticator(t))
				l := &line{t: t, drop: func(n int) bool { return n >= after }}
				l.carry(peer, server, server.Start())
				states := [2]pppauth.State{peer.Outcome().State, server.Outcome().State}
				peer.Close()
				server.Close()
				if got := [2]pppauth.State{peer.Outcome().State, server.Outcome().State}; got != states {
					t.Errorf("closing after %d messages: from %v to %v", after, states, got)
				}
				if l.carried <= after {
					break
				}
			}
		})
	}
}

// Inside a bubble of synctest, where a goroutine that waits for ever is an error and the clock stands in 2000.
func TestInBubble(t *testing.T) {
	testCertificates(t) // made outside, once for all
	synctest.Test(t, func(t *testing.T) {
		for _, w := range tlsWays {
			c, a := w.credentials(t), w.authenticator(t)
			atPeer, atServer := (&line{t: t}).converse(newPeer(t, w.method, c), newServer(t, w.method, a))
			wantLogin(t, w, atPeer, atServer)
			c.Time, a.Time = nil, time.Now
			atPeer, atServer = (&line{t: t}).converse(newPeer(t, w.method, c), newServer(t, w.method, a))
			wantState(t, "peer", atPeer, pppauth.Failed)
			wantState(t, "server", atServer, pppauth.Failed)
		}
	})
}

// A server of TLS 1.3 that sends its Success without the octet that commits it has not succeeded: RFC 9190, Section 2.1.1.
func TestSuccessWithoutCommitment(t *testing.T) {
	w := tlsWays[1]
	peer, server := newPeer(t, w.method, w.credentials(t)), newServer(t, w.method, w.authenticator(t))
	m := one(t, server.Start())
	for {
		r := one(t, peer.Receive(m)).(ppp.EAP)
		peer.Receive(ppp.EAP{Code: ppp.EAPSuccess, Identifier: r.Identifier})
		peer.Timeout()
		if d, ok := r.Data.(ppp.EAPTLS); ok && len(d.Fragment) == 0 && peer.Outcome().State == pppauth.Succeeded {
			one(t, server.Receive(r))
			break // the acknowledgement of the commitment: from here on it may
		}
		wantState(t, "peer", peer.Outcome(), pppauth.Pending)
		m = one(t, server.Receive(r))
	}
	wantLogin(t, w, peer.Outcome(), server.Outcome())
}

// What a peer says when a Success was all that it got.
func TestOnlySuccess(t *testing.T) {
	const early = "the server's Success came before it had proven anything"
	for _, tt := range []struct {
		way  way
		want string
	}{
		{tlsWays[1], "eap-tls: the server's Success came without the commitment that RFC 9190, Section 2.1.1 wants: try with TLS 1.2 at most"},
		{tlsWays[0], "eap-tls: " + early},
		{way{method: pppauth.EAPMSCHAPv2}, "eap-mschapv2: " + early},
	} {
		peer, server := newPeer(t, tt.way.method, tt.way.credentials(t)), newServer(t, tt.way.method, tt.way.authenticator(t))
		m := one(t, server.Receive(one(t, peer.Receive(one(t, server.Start())))))
		peer.Receive(ppp.EAP{Code: ppp.EAPSuccess, Identifier: one(t, peer.Receive(m)).(ppp.EAP).Identifier})
		for range 10 {
			peer.Timeout()
		}
		wantError(t, peer.Outcome().Err, pppauth.NoAnswer, tt.want)
	}
}

// A flight in two messages, without a flag in the first to say that there is more: both ends ask for the rest.
func TestFlightInTwoMessages(t *testing.T) {
	w := tlsWays[1]
	peer, server := newPeer(t, w.method, w.credentials(t)), newServer(t, w.method, w.authenticator(t))
	halve := func(to pppauth.Party, m ppp.EAP) ppp.EAP {
		d, ok := m.Data.(ppp.EAPTLS)
		if !ok || len(d.Fragment) < 100 || d.Flags != 0 {
			return one(t, to.Receive(m)).(ppp.EAP)
		}
		first, second := d, d
		first.Fragment, second.Fragment = d.Fragment[:50], d.Fragment[50:]
		a := m
		a.Data = first
		ask := one(t, to.Receive(a)).(ppp.EAP)
		if got, ok := ask.Data.(ppp.EAPTLS); !ok || len(got.Fragment) != 0 {
			t.Fatalf("half a flight got %v", ask)
		}
		m.Data = second
		if m.Code == ppp.EAPResponse {
			m.Identifier = ask.Identifier
		} else {
			m.Identifier += 100 // as of a server of its own
		}
		return one(t, to.Receive(m)).(ppp.EAP)
	}
	m := one(t, server.Start()).(ppp.EAP)
	for m.Code == ppp.EAPRequest {
		id := m.Identifier
		r := halve(peer, m)
		r.Identifier = id
		m = halve(server, r)
	}
	wantState(t, "server", server.Outcome(), pppauth.Succeeded)
}

// Data in place of the acknowledgement of the handshake's end: an alert, as crypto/tls sends none then but others do.
func TestAlertAtTheEnd(t *testing.T) {
	for _, w := range tlsWays {
		peer, server := newPeer(t, w.method, w.credentials(t)), newServer(t, w.method, w.authenticator(t))
		m := one(t, server.Start()).(ppp.EAP)
		for {
			r := one(t, peer.Receive(m)).(ppp.EAP)
			if d, ok := r.Data.(ppp.EAPTLS); ok && len(d.Fragment) == 0 && d.Flags == 0 {
				d.Fragment = []byte{0x15, 3, 3, 0, 2, 2, 40}
				peer.Timeout() // it is content
				one(t, server.Receive(response(m, d)))
				break
			}
			m = one(t, server.Receive(r)).(ppp.EAP)
		}
		wantError(t, server.Outcome().Err, pppauth.Refused, "eap-tls: the client did not take the end of the TLS handshake")
	}
}
