package pppauth_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"testing"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// A way is a method with the version of TLS, if it has one.
type way struct {
	method pppauth.Method
	tls    uint16
}

var ways = []way{
	{pppauth.PAP, 0},
	{pppauth.CHAPMD5, 0},
	{pppauth.MSCHAPv2, 0},
	{pppauth.EAPMSCHAPv2, 0},
	{pppauth.EAPTLS, tls.VersionTLS12},
	{pppauth.EAPTLS, tls.VersionTLS13},
}

func (w way) String() string {
	if w.tls != 0 {
		return fmt.Sprintf("%v %s", w.method, tls.VersionName(w.tls))
	}
	return w.method.String()
}

func (w way) credentials(t testing.TB) pppauth.Credentials {
	c := testCertificates(t)
	return pppauth.Credentials{
		Name: "alice", Password: "gränslös",
		Certificate: c.alice, Roots: c.ca.pool(), ServerName: "vpn.example.test",
		Tuning: pppauth.Tuning{MaxTLS: w.tls, Time: atNoon},
	}
}

func (w way) authenticator(t testing.TB) pppauth.Authenticator {
	c := testCertificates(t)
	return pppauth.Authenticator{
		Name: "lab", Password: users("alice", "gränslös"),
		Certificate: c.server, ClientCAs: c.ca.pool(),
		Tuning: pppauth.Tuning{MaxTLS: w.tls, Time: atNoon},
	}
}

// keyed says whether the way makes a key.
func (w way) keyed() bool { return w.method >= pppauth.MSCHAPv2 }

// wantLogin checks that both ends came to the same good end.
func wantLogin(t *testing.T, w way, atPeer, atServer pppauth.Outcome) {
	t.Helper()
	wantState(t, "peer", atPeer, pppauth.Succeeded)
	wantState(t, "server", atServer, pppauth.Succeeded)
	if atPeer.Name != "alice" || atServer.Name != "alice" {
		t.Errorf("names %q and %q, want alice", atPeer.Name, atServer.Name)
	}
	if atPeer.HLAK != atServer.HLAK {
		t.Errorf("keys differ: %x and %x", atPeer.HLAK, atServer.HLAK)
	}
	if keyed := atPeer.HLAK != (sstp.HLAK{}); keyed != w.keyed() {
		t.Errorf("a key: %v, want %v", keyed, w.keyed())
	}
	if atPeer.Err != nil || atServer.Err != nil {
		t.Errorf("errors %v and %v after success", atPeer.Err, atServer.Err)
	}
}

func TestLogin(t *testing.T) {
	for _, w := range ways {
		t.Run(w.String(), func(t *testing.T) {
			l := &line{t: t}
			atPeer, atServer := l.converse(newPeer(t, w.method, w.credentials(t)), newServer(t, w.method, w.authenticator(t)))
			wantLogin(t, w, atPeer, atServer)
		})
	}
}

// Every answer that is lost is sent again; a Success is had by sending the response again (RFC 1334, Section 2.2.1; RFC 1994,
// Section 4.2), and in EAP from the method itself (RFC 4137, Section 4.4).
func TestEveryMessageLostOnce(t *testing.T) {
	for _, w := range ways {
		t.Run(w.String(), func(t *testing.T) {
			for lost := 0; ; lost++ {
				l := &line{t: t, drop: func(n int) bool { return n == lost }}
				atPeer, atServer := l.converse(newPeer(t, w.method, w.credentials(t)), newServer(t, w.method, w.authenticator(t)))
				wantLogin(t, w, atPeer, atServer)
				if lost >= l.carried {
					break
				}
			}
		})
	}
}

func TestEveryMessageTwice(t *testing.T) {
	for _, w := range ways {
		t.Run(w.String(), func(t *testing.T) {
			l := &line{t: t, twice: true}
			atPeer, atServer := l.converse(newPeer(t, w.method, w.credentials(t)), newServer(t, w.method, w.authenticator(t)))
			wantLogin(t, w, atPeer, atServer)
		})
	}
}

func TestNothingArrives(t *testing.T) {
	texts := map[pppauth.Method][2]string{
		pppauth.PAP:         {"pap: the server did not answer the name and password", "pap: the client sent no name and password"},
		pppauth.CHAPMD5:     {"chap-md5: the server sent no challenge", "chap-md5: the client did not answer the challenge"},
		pppauth.MSCHAPv2:    {"mschapv2: the server sent no challenge", "mschapv2: the client did not answer the challenge"},
		pppauth.EAPMSCHAPv2: {"eap: the server sent no request", "eap: the client stopped answering"},
		pppauth.EAPTLS:      {"eap: the server sent no request", "eap: the client stopped answering"},
	}
	for _, w := range ways {
		t.Run(w.String(), func(t *testing.T) {
			l := &line{t: t, drop: func(int) bool { return true }}
			atPeer, atServer := l.converse(newPeer(t, w.method, w.credentials(t)), newServer(t, w.method, w.authenticator(t)))
			wantError(t, atPeer.Err, pppauth.NoAnswer, texts[w.method][0])
			wantError(t, atServer.Err, pppauth.NoAnswer, texts[w.method][1])
			if l.carried > 20 {
				t.Errorf("%d messages were sent, want at most ten from each end", l.carried)
			}
		})
	}
}

// The server goes silent after each of its messages in turn: the peer gives up, and neither end hangs.
func TestOtherEndGoesSilent(t *testing.T) {
	for _, w := range ways {
		t.Run(w.String(), func(t *testing.T) {
			whole := &line{t: t}
			whole.converse(newPeer(t, w.method, w.credentials(t)), newServer(t, w.method, w.authenticator(t)))
			for last := range whole.carried {
				l := &line{t: t, drop: func(n int) bool { return n >= last }}
				atPeer, atServer := l.converse(newPeer(t, w.method, w.credentials(t)), newServer(t, w.method, w.authenticator(t)))
				if atPeer.State == pppauth.Pending || atServer.State == pppauth.Pending {
					t.Errorf("cut at message %d: peer %v, server %v", last, atPeer.State, atServer.State)
				}
			}
		})
	}
}

func TestWrongPassword(t *testing.T) {
	const code = " (691, authentication failure)"
	tests := []struct{ method, peer, server string }{
		{"pap", "pap: the server refused the name or the password", `pap: wrong password for "alice"`},
		{"chap-md5", "chap-md5: the server refused the name or the password", `chap-md5: wrong password for "alice"`},
		{"mschapv2", "mschapv2: the server refused the name or the password" + code, `mschapv2: wrong password for "alice"`},
		{"eap-mschapv2", "eap-mschapv2: the server refused the name or the password" + code, `eap-mschapv2: wrong password for "alice"`},
	}
	for _, tt := range tests {
		t.Run(tt.method, func(t *testing.T) {
			m, err := pppauth.ParseMethods(tt.method)
			if err != nil {
				t.Fatal(err)
			}
			w := way{method: m[0]}
			c := w.credentials(t)
			c.Password = "Gränslös"
			atPeer, atServer := (&line{t: t}).converse(newPeer(t, w.method, c), newServer(t, w.method, w.authenticator(t)))
			wantError(t, atPeer.Err, pppauth.Refused, tt.peer)
			wantError(t, atServer.Err, pppauth.WrongPassword, tt.server)
			if atPeer.HLAK != (sstp.HLAK{}) || atServer.HLAK != (sstp.HLAK{}) || atServer.Name != "alice" {
				t.Errorf("a key or no name after failure: %+v, %+v", atPeer, atServer)
			}
		})
	}
}

// What is sent to somebody whose name is wrong, whose password is wrong and who may not log in is the same but for
// challenges.
func TestRefusalsLookAlike(t *testing.T) {
	limit := errors.New("too many failed logins from 192.0.2.1")
	for _, m := range []pppauth.Method{pppauth.PAP, pppauth.CHAPMD5, pppauth.MSCHAPv2, pppauth.EAPMSCHAPv2} {
		t.Run(m.String(), func(t *testing.T) {
			w := way{method: m}
			tests := []struct {
				name, user, password string
				allow                func(string) error
				reason               pppauth.Reason
				text                 string
			}{
				{"name", "bob", "gränslös", nil, pppauth.UnknownUser, m.String() + `: no such user "bob"`},
				{"decoy of nobody", "bob", "", nil, pppauth.UnknownUser, m.String() + `: no such user "bob"`},
				{"password", "alice", "wrong", nil, pppauth.WrongPassword, m.String() + `: wrong password for "alice"`},
				{
					"limit", "alice", "gränslös", func(string) error { return limit }, pppauth.NotAllowed,
					m.String() + `: "alice" may not log in: too many failed logins from 192.0.2.1`,
				},
			}
			var peers []string
			for _, tt := range tests {
				c, a := w.credentials(t), w.authenticator(t)
				c.Name, c.Password, a.Allow, a.FailureText = tt.user, tt.password, tt.allow, "Authentication failure"
				a.Rand = constant(7)
				l := &line{t: t}
				atPeer, atServer := l.converse(newPeer(t, m, c), newServer(t, m, a))
				wantError(t, atServer.Err, tt.reason, tt.text)
				if tt.allow != nil && !errors.Is(atServer.Err, limit) {
					t.Errorf("error %v does not wrap %v", atServer.Err, limit)
				}
				wantState(t, "peer", atPeer, pppauth.Failed)
				peers = append(peers, fmt.Sprint(atPeer.Err, len(l.seen), l.seen[len(l.seen)-1]))
			}
			for _, text := range peers {
				if text != peers[0] {
					t.Errorf("the client is told %s, elsewhere %s", text, peers[0])
				}
			}
		})
	}
}

// constant is a source of not very random bytes.
type constant byte

func (c constant) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(c)
	}
	return len(b), nil
}

func TestAllowIsAskedForTheKnownName(t *testing.T) {
	tests := []struct{ claimed, asked string }{
		{"alice", "alice"},
		{`DOM\alice`, "alice"},
		{`OTHER\alice`, "alice"},
		{`CORP\carol`, `CORP\carol`}, // who is known with the domain
		{`DOM\nobody`, "nobody"},
	}
	for _, m := range []pppauth.Method{pppauth.PAP, pppauth.CHAPMD5, pppauth.MSCHAPv2, pppauth.EAPMSCHAPv2} {
		for _, tt := range tests {
			t.Run(fmt.Sprint(m, " ", tt.claimed), func(t *testing.T) {
				var asked []string
				c := pppauth.Credentials{Name: tt.claimed, Password: "pw"}
				a := pppauth.Authenticator{
					Password: users("alice", "pw", `CORP\carol`, "pw"),
					Allow:    func(name string) error { asked = append(asked, name); return nil },
				}
				_, atServer := (&line{t: t}).converse(newPeer(t, m, c), newServer(t, m, a))
				if len(asked) != 1 || asked[0] != tt.asked {
					t.Errorf("Allow was asked for %q, want %q", asked, tt.asked)
				}
				if atServer.State == pppauth.Succeeded && atServer.Name != tt.asked {
					t.Errorf("logged in as %q, want %q", atServer.Name, tt.asked)
				}
				if known := tt.asked != "nobody"; known != (atServer.State == pppauth.Succeeded) {
					t.Errorf("%v: %v", atServer.State, atServer.Err)
				}
			})
		}
	}
}

func TestClosedPartiesAreSilent(t *testing.T) {
	for _, w := range ways {
		t.Run(w.String(), func(t *testing.T) {
			peer, server := newPeer(t, w.method, w.credentials(t)), newServer(t, w.method, w.authenticator(t))
			l := &line{t: t}
			l.converse(peer, server)
			before := [2]pppauth.State{peer.Outcome().State, server.Outcome().State}
			for _, p := range []pppauth.Party{peer, server} {
				p.Close()
				for _, m := range l.seen {
					if got := p.Receive(m); got != nil {
						t.Errorf("a closed party answers %v", got)
					}
				}
				if got := append(p.Start(), p.Timeout()...); got != nil {
					t.Errorf("a closed party sends %v", got)
				}
			}
			if after := [2]pppauth.State{peer.Outcome().State, server.Outcome().State}; after != before {
				t.Errorf("closing changed the outcomes from %v to %v", before, after)
			}
		})
	}
}
