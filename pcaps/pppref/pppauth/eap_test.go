package pppauth_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref/pppauth"
)

func request(id uint8, d ppp.EAPData) ppp.EAP {
	return ppp.EAP{Code: ppp.EAPRequest, Identifier: id, Data: d}
}

var tlsStart = ppp.EAPTLS{Type: ppp.EAPTypeTLS, Flags: ppp.EAPTLSStart}

// RFC 3748, Sections 2.1 and 5.3.1: peer and authenticator settle on a method that both have, the authenticator's choice
// among the peer's wishes.
func TestNegotiation(t *testing.T) {
	const ms, tls = pppauth.EAPMSCHAPv2, pppauth.EAPTLS
	tests := []struct {
		name         string
		peer, server []pppauth.Method
		types        string // of the server's requests, without repeats
		settles      bool
	}{
		{"the same", []pppauth.Method{ms}, []pppauth.Method{ms}, "Identity MSCHAPv2", true},
		{"server prefers TLS, peer has none", []pppauth.Method{ms}, []pppauth.Method{tls, ms}, "Identity TLS MSCHAPv2", true},
		{"server prefers MSCHAPv2, peer has none", []pppauth.Method{tls}, []pppauth.Method{ms, tls}, "Identity MSCHAPv2 TLS", true},
		{"peer takes the server's first", []pppauth.Method{ms, tls}, []pppauth.Method{tls, ms}, "Identity TLS", true},
		{"server has what is second to the peer", []pppauth.Method{tls, ms}, []pppauth.Method{ms}, "Identity MSCHAPv2", true},
		{"none", []pppauth.Method{tls}, []pppauth.Method{ms}, "Identity MSCHAPv2", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := way{method: pppauth.EAPTLS}
			c, a := w.credentials(t), w.authenticator(t)
			c.Also, a.Also = tt.peer[1:], tt.server[1:]
			l := &line{t: t}
			atPeer, atServer := l.converse(newPeer(t, tt.peer[0], c), newServer(t, tt.server[0], a))
			var types []string
			for _, m := range l.seen {
				if m := m.(ppp.EAP); m.Code == ppp.EAPRequest {
					if name := m.Data.EAPType().String(); len(types) == 0 || types[len(types)-1] != name {
						types = append(types, name)
					}
				}
			}
			if got := strings.Join(types, " "); got != tt.types {
				t.Errorf("requests %s, want %s", got, tt.types)
			}
			if tt.settles {
				wantLogin(t, w, atPeer, atServer)
				return
			}
			wantError(t, atPeer.Err, pppauth.NoCommonMethod, "eap: the server has none of the methods that are allowed here: eap-tls")
			wantError(t, atServer.Err, pppauth.NoCommonMethod,
				"eap: the client wants TLS, which this server does not offer: it has eap-mschapv2")
		})
	}
}

// A server that asks for what this peer has not: Windows with PEAP first, say.
func TestPeerNaks(t *testing.T) {
	c := way{method: pppauth.EAPTLS}.credentials(t)
	c.Also = []pppauth.Method{pppauth.EAPMSCHAPv2}
	peer := newPeer(t, pppauth.EAPTLS, c)
	wishes := ppp.EAPNak{ppp.EAPTypeTLS, ppp.EAPTypeMSCHAPv2}
	for id, d := range []ppp.EAPData{
		ppp.EAPTLS{Type: ppp.EAPTypePEAP, Flags: ppp.EAPTLSStart},
		ppp.EAPMD5Challenge{Value: ppp.NewSecret(make([]byte, 16))},
		ppp.EAPOpaque{Type: ppp.EAPTypeExpanded, Data: ppp.NewSecret(make([]byte, 8))},
	} {
		got := one(t, peer.Receive(request(uint8(id), d)))
		if diff := cmp.Diff(ppp.EAP{Code: ppp.EAPResponse, Identifier: uint8(id), Data: wishes}, got); diff != "" {
			t.Errorf("answer to %v (-want +got):\n%s", d.EAPType(), diff)
		}
	}
}

func TestServerAfterNak(t *testing.T) {
	tests := []struct {
		name   string
		wishes ppp.EAPNak
		want   string
	}{
		{"nothing", ppp.EAPNak{0}, "no method"},
		{"two others", ppp.EAPNak{ppp.EAPTypePEAP, ppp.EAPTypeTTLS}, "PEAP, TTLS"},
		{"the one just offered", ppp.EAPNak{ppp.EAPTypeMSCHAPv2}, "MSCHAPv2"},
		{"very many", ppp.EAPNak{4, 5, 6, 18, 21, 23, 25, 43, 50}, "MD5-Challenge, OTP, GTC, SIM, TTLS, AKA, PEAP, FAST, ..."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := newServer(t, pppauth.EAPMSCHAPv2, pppauth.Authenticator{Password: users()})
			identity := one(t, server.Start()).(ppp.EAP)
			if got := server.Receive(response(identity, tt.wishes)); got != nil {
				t.Errorf("a Nak to the Identity request got %v", got) // RFC 3748, Section 5.3.1
			}
			challenge := one(t, server.Receive(response(identity, ppp.EAPIdentity("alice")))).(ppp.EAP)
			end := one(t, server.Receive(response(challenge, tt.wishes)))
			if end != (ppp.EAP{Code: ppp.EAPFailure, Identifier: challenge.Identifier}) { // RFC 3748, Section 4.2
				t.Errorf("ended with %v", end)
			}
			wantError(t, server.Outcome().Err, pppauth.NoCommonMethod,
				"eap: the client wants "+tt.want+", which this server does not offer: it has eap-mschapv2")
		})
	}
}

// RFC 3748, Section 5.3.1: no Nak once the method has begun.
func TestNakInTheMiddle(t *testing.T) {
	w := way{method: pppauth.EAPTLS}
	a := w.authenticator(t)
	a.Also = []pppauth.Method{pppauth.EAPMSCHAPv2}
	server := newServer(t, pppauth.EAPTLS, a)
	peer := newPeer(t, pppauth.EAPTLS, w.credentials(t))
	m := one(t, server.Start())
	for range 2 {
		m = one(t, server.Receive(one(t, peer.Receive(m))))
	}
	if got := server.Receive(response(m.(ppp.EAP), ppp.EAPNak{ppp.EAPTypeMSCHAPv2})); got != nil {
		t.Errorf("a late Nak got %v", got)
	}
	wantState(t, "server", server.Outcome(), pppauth.Pending)
}

func TestIdentityAndNotification(t *testing.T) {
	peer := newPeer(t, pppauth.EAPMSCHAPv2, pppauth.Credentials{Name: `DOM\alice`, Password: "secret"})
	steps := []struct {
		in, out ppp.EAPData
	}{
		{ppp.EAPIdentity("who are you?"), ppp.EAPIdentity(`DOM\alice`)},
		{ppp.EAPNotification("closed\nat noon"), ppp.EAPNotification("")},
		{ppp.EAPIdentity(""), ppp.EAPIdentity(`DOM\alice`)},
		{ppp.EAPNak{26}, nil}, // never in a request: RFC 3748, Section 5.3.1
	}
	for i, s := range steps {
		got := peer.Receive(request(uint8(i), s.in))
		if s.out == nil {
			if got != nil {
				t.Errorf("step %d: %v, want nothing", i, got)
			}
			continue
		}
		if diff := cmp.Diff(ppp.Message(response(request(uint8(i), s.in), s.out)), one(t, got)); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", i, diff)
		}
	}
	peer.Receive(ppp.EAP{Code: ppp.EAPFailure, Identifier: 99}) // to another response
	wantState(t, "peer", peer.Outcome(), pppauth.Pending)
	peer.Receive(ppp.EAP{Code: ppp.EAPFailure, Identifier: 2})
	wantError(t, peer.Outcome().Err, pppauth.Refused,
		`eap: the server refused the name "DOM\\alice" before any method, saying "closed\nat noon"`)
}

// RFC 3748, Section 4.2: a Success that nothing has led to is discarded.
func TestCannedSuccess(t *testing.T) {
	c := way{method: pppauth.EAPTLS}.credentials(t)
	c.Also = []pppauth.Method{pppauth.EAPMSCHAPv2}
	peer := newPeer(t, pppauth.EAPTLS, c)
	try := func() {
		t.Helper()
		for code := range 256 {
			peer.Receive(ppp.EAP{Code: ppp.EAPSuccess, Identifier: uint8(code)})
		}
		peer.Timeout()
		wantState(t, "peer", peer.Outcome(), pppauth.Pending)
	}
	try()
	peer.Receive(request(1, ppp.EAPIdentity("")))
	try()
	peer.Receive(request(2, ppp.EAPMSCHAPv2{
		OpCode: ppp.EAPMSCHAPv2Challenge, Message: ppp.CHAPChallenge{Identifier: 2, Value: make([]byte, 16)},
	}))
	try()
	if got := peer.Receive(request(3, tlsStart)); got != nil {
		t.Errorf("a second method got %v", got) // RFC 3748, Section 2.1
	}
	peer.Receive(request(4, ppp.EAPMSCHAPv2{
		OpCode: ppp.EAPMSCHAPv2Success, Message: ppp.CHAPSuccess{Identifier: 2, Message: "S=" + strings.Repeat("0", 40)},
	}))
	wantError(t, peer.Outcome().Err, pppauth.Unproven, "eap-mschapv2: the server could not prove that it knows the password")
}

// pppd counts the identifier of its Success on.
func TestSuccessWithTheNextIdentifier(t *testing.T) {
	w := way{method: pppauth.EAPMSCHAPv2}
	peer, server := newPeer(t, w.method, w.credentials(t)), newServer(t, w.method, w.authenticator(t))
	m := one(t, server.Start())
	for m.(ppp.EAP).Code == ppp.EAPRequest {
		m = one(t, server.Receive(one(t, peer.Receive(m))))
	}
	success := m.(ppp.EAP)
	failure := success
	failure.Code = ppp.EAPFailure
	peer.Receive(failure) // forged: the server had proven itself, RFC 3748, Section 4.2
	wantState(t, "peer", peer.Outcome(), pppauth.Pending)
	if got := peer.Receive(request(success.Identifier+1, ppp.EAPMSCHAPv2{OpCode: ppp.EAPMSCHAPv2Success})); got != nil {
		t.Errorf("a request after the end got %v", got)
	}
	success.Identifier++
	peer.Receive(success)
	wantLogin(t, w, peer.Outcome(), server.Outcome())
}

// A client that cannot verify the server's proof says so with a Failure (as wpa_supplicant does).
func TestClientDoesNotBelieve(t *testing.T) {
	w := way{method: pppauth.EAPMSCHAPv2}
	server, peer := newServer(t, w.method, w.authenticator(t)), newPeer(t, w.method, w.credentials(t))
	m := one(t, server.Start())
	for range 2 {
		m = one(t, server.Receive(one(t, peer.Receive(m))))
	}
	success := m.(ppp.EAP)
	for _, d := range []ppp.EAPData{
		ppp.EAPIdentity("alice"), // another type, and then what makes no sense now
		ppp.EAPMSCHAPv2{OpCode: ppp.EAPMSCHAPv2Response, Message: ppp.CHAPResponse{Value: ppp.NewSecret(make([]byte, 49))}},
		ppp.EAPOpaque{Type: ppp.EAPTypeMSCHAPv2, Data: ppp.NewSecret([]byte{9})},
	} {
		if got := server.Receive(response(success, d)); got != nil {
			t.Errorf("%v got %v", d, got)
		}
	}
	one(t, server.Receive(response(success, ppp.EAPMSCHAPv2{OpCode: ppp.EAPMSCHAPv2Failure})))
	wantError(t, server.Outcome().Err, pppauth.Refused,
		"eap-mschapv2: the client did not take this server's proof that it knows the password")
}

func TestWrongEAPMessagesAreDiscarded(t *testing.T) {
	w := way{method: pppauth.EAPMSCHAPv2}
	server := newServer(t, w.method, w.authenticator(t))
	if got := server.Receive(response(request(0, ppp.EAPIdentity("")), ppp.EAPIdentity("alice"))); got != nil {
		t.Errorf("before the start: %v", got)
	}
	identity := one(t, server.Start()).(ppp.EAP)
	if got := server.Start(); got != nil {
		t.Errorf("a second start: %v", got)
	}
	late := identity
	late.Identifier--
	for _, m := range []ppp.Message{
		ppp.PAPAck{},
		identity,
		response(late, ppp.EAPIdentity("alice")),
		response(identity, ppp.EAPMSCHAPv2{OpCode: ppp.EAPMSCHAPv2Success}),
		ppp.EAP{Code: ppp.EAPSuccess, Identifier: identity.Identifier},
	} {
		if got := server.Receive(m); got != nil {
			t.Errorf("%#v got %v", m, got)
		}
	}
	challenge := one(t, server.Receive(response(identity, ppp.EAPIdentity("alice")))).(ppp.EAP)
	for _, d := range []ppp.EAPData{
		ppp.EAPIdentity("alice"), ppp.EAPMSCHAPv2{OpCode: ppp.EAPMSCHAPv2Success}, ppp.EAPMSCHAPv2{OpCode: ppp.EAPMSCHAPv2Failure},
	} {
		if got := server.Receive(response(challenge, d)); got != nil {
			t.Errorf("%#v got %v", d, got)
		}
	}
	wantState(t, "server", server.Outcome(), pppauth.Pending)
	if again := one(t, server.Timeout()); wire(t, again) != wire(t, challenge) {
		t.Errorf("sent again %v, want %v", again, challenge)
	}

	peer := newPeer(t, w.method, w.credentials(t))
	for _, m := range []ppp.Message{
		ppp.CHAPChallenge{},
		response(identity, ppp.EAPIdentity("x")),
		request(1, ppp.EAPMSCHAPv2{OpCode: ppp.EAPMSCHAPv2Success, Message: ppp.CHAPSuccess{}}),
		request(1, ppp.EAPMSCHAPv2{OpCode: ppp.EAPMSCHAPv2Failure, Message: ppp.CHAPFailure{}}),
		request(1, ppp.EAPOpaque{Type: ppp.EAPTypeMSCHAPv2}),
	} {
		if got := peer.Receive(m); got != nil {
			t.Errorf("%#v got %v", m, got)
		}
	}
	wantState(t, "peer", peer.Outcome(), pppauth.Pending)
}

func TestPeerEndsAnEndlessConversation(t *testing.T) {
	peer := newPeer(t, pppauth.EAPMSCHAPv2, pppauth.Credentials{Name: "alice", Password: "secret"})
	for i := range 10000 {
		peer.Receive(request(uint8(i), ppp.EAPNotification("wait")))
	}
	wantError(t, peer.Outcome().Err, pppauth.BadMessage, "eap: the other end sent more and more without coming to an end")
}
