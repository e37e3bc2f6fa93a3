package pppauth_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref/pppauth"
)

func one(t *testing.T, messages []ppp.Message) ppp.Message {
	t.Helper()
	if len(messages) != 1 {
		t.Fatalf("%d messages, want 1: %v", len(messages), messages)
	}
	return messages[0]
}

func TestPAPIdentifiers(t *testing.T) {
	peer := newPeer(t, pppauth.PAP, pppauth.Credentials{Name: "alice", Password: "secret"})
	first := one(t, peer.Start()).(ppp.PAPRequest)
	second := one(t, peer.Timeout()).(ppp.PAPRequest)
	if second.Identifier != first.Identifier+1 { // RFC 1334, Section 2.2.1
		t.Errorf("identifiers %d and %d, want a new one each time", first.Identifier, second.Identifier)
	}
	for _, id := range []uint8{first.Identifier - 1, second.Identifier + 1} {
		peer.Receive(ppp.PAPAck{Identifier: id})
		peer.Receive(ppp.PAPNak{Identifier: id})
	}
	wantState(t, "after answers to others' requests, the peer", peer.Outcome(), pppauth.Pending)
	peer.Receive(ppp.PAPAck{Identifier: first.Identifier}) // a slow one
	wantState(t, "peer", peer.Outcome(), pppauth.Succeeded)
}

// RFC 1334, Section 2.2.1: what was decided is said again to any further request.
func TestPAPDecidesOnce(t *testing.T) {
	server := newServer(t, pppauth.PAP, pppauth.Authenticator{Password: users("alice", "secret"), SuccessText: "Welcome"})
	right := ppp.PAPRequest{Identifier: 1, PeerID: "alice", Password: ppp.NewSecret([]byte("secret"))}
	wrong := ppp.PAPRequest{Identifier: 2, PeerID: "alice", Password: ppp.NewSecret([]byte("wrong"))}
	for _, m := range []ppp.PAPRequest{right, wrong} {
		if got := one(t, server.Receive(m)); got != (ppp.PAPAck{Identifier: m.Identifier, Message: "Welcome"}) {
			t.Errorf("answer %#v, want an Ack", got)
		}
	}
	server = newServer(t, pppauth.PAP, pppauth.Authenticator{Password: users("alice", "secret"), FailureText: "No"})
	for _, m := range []ppp.PAPRequest{wrong, right} {
		if got := one(t, server.Receive(m)); got != (ppp.PAPNak{Identifier: m.Identifier, Message: "No"}) {
			t.Errorf("answer %#v, want a Nak", got)
		}
	}
	wantState(t, "server", server.Outcome(), pppauth.Failed)
}

// RFC 1994, Section 4.2: every response with the identifier gets the reply of the first.
func TestCHAPDecidesOnce(t *testing.T) {
	for _, m := range []pppauth.Method{pppauth.CHAPMD5, pppauth.MSCHAPv2} {
		t.Run(m.String(), func(t *testing.T) {
			server := newServer(t, m, pppauth.Authenticator{Password: users("alice", "secret")})
			challenge := one(t, server.Start()).(ppp.CHAPChallenge)
			wrong := one(t, newPeer(t, m, pppauth.Credentials{Name: "alice", Password: "wrong"}).Receive(challenge))
			right := one(t, newPeer(t, m, pppauth.Credentials{Name: "alice", Password: "secret"}).Receive(challenge))
			other := right.(ppp.CHAPResponse)
			other.Identifier++
			if got := server.Receive(other); got != nil {
				t.Errorf("a response to no challenge got %v", got)
			}
			first := one(t, server.Receive(wrong))
			if got := one(t, server.Receive(right)); got != first {
				t.Errorf("a second response got %#v, the first %#v", got, first)
			}
			wantState(t, "server", server.Outcome(), pppauth.Failed)
			if got := one(t, server.Receive(wrong)); got != first {
				t.Errorf("a late duplicate got %#v, want %#v", got, first)
			}
		})
	}
}

// RFC 1994, Section 2: the authenticator may challenge again at any time.
func TestChallengeAfterSuccess(t *testing.T) {
	for _, m := range []pppauth.Method{pppauth.CHAPMD5, pppauth.MSCHAPv2} {
		t.Run(m.String(), func(t *testing.T) {
			peer := newPeer(t, m, pppauth.Credentials{Name: "alice", Password: "secret"})
			(&line{t: t}).converse(keepOpen{peer}, newServer(t, m, pppauth.Authenticator{Password: users("alice", "secret")}))
			wantState(t, "peer", peer.Outcome(), pppauth.Succeeded)
			before := peer.Outcome()
			atPeer, atServer := (&line{t: t}).converse(peer, newServer(t, m, pppauth.Authenticator{Password: users("alice", "secret")}))
			wantState(t, "second server", atServer, pppauth.Succeeded)
			if atPeer != before {
				t.Errorf("the outcome changed from %+v to %+v", before, atPeer)
			}
		})
	}
}

// keepOpen is a party that outlives a conversation.
type keepOpen struct{ pppauth.Party }

func (keepOpen) Close() {}

func TestMutualProof(t *testing.T) {
	success := func(text string) func(id uint8) ppp.Message {
		return func(id uint8) ppp.Message { return ppp.CHAPSuccess{Identifier: id, Message: text} }
	}
	const unproven = "mschapv2: the server could not prove that it knows the password"
	for name, answer := range map[string]func(uint8) ppp.Message{
		"wrong proof": success("S=" + strings.Repeat("00", 20)),
		"no proof":    success("welcome"),
	} {
		t.Run(name, func(t *testing.T) {
			peer := newPeer(t, pppauth.MSCHAPv2, pppauth.Credentials{Name: "alice", Password: "secret"})
			peer.Receive(answer(9)) // before any challenge: passed over
			wantState(t, "peer", peer.Outcome(), pppauth.Pending)
			response := one(t, peer.Receive(ppp.CHAPChallenge{Identifier: 9, Value: make([]byte, 16)})).(ppp.CHAPResponse)
			peer.Receive(answer(response.Identifier + 1))
			wantState(t, "peer", peer.Outcome(), pppauth.Pending)
			peer.Receive(answer(response.Identifier))
			var e *pppauth.Error
			if !errors.As(peer.Outcome().Err, &e) || e.Reason != pppauth.Unproven || !strings.HasPrefix(e.Error(), unproven) {
				t.Errorf("error %v, want %q", peer.Outcome().Err, unproven)
			}
			if got := peer.Receive(ppp.CHAPChallenge{Identifier: 10, Value: make([]byte, 16)}); got != nil {
				t.Errorf("a peer that has failed answers %v", got)
			}
		})
	}
}

func TestFailureTexts(t *testing.T) {
	tests := []struct {
		method     pppauth.Method
		text, want string
		code       ppp.MSCHAPError
	}{
		{pppauth.CHAPMD5, "", "chap-md5: the server refused the name or the password", 0},
		{pppauth.CHAPMD5, "go\x1b[31maway", `chap-md5: the server refused the name or the password, saying "go\x1b[31maway"`, 0},
		{
			pppauth.MSCHAPv2, "E=691 R=0 V=3 M=Authentication failure", // accel-ppp 1.14
			`mschapv2: the server refused the name or the password (691, authentication failure), saying "Authentication failure"`, 691,
		},
		{
			pppauth.MSCHAPv2, "E=691 R=0 C=D61EC90C4359266C64D7A6170622D36B V=3", // SoftEther 4.44
			"mschapv2: the server refused the name or the password (691, authentication failure)", 691,
		},
		{pppauth.MSCHAPv2, "E=646 R=0", "mschapv2: the server refused the login (646, outside the hours in which the account may log on)", 646},
		{pppauth.MSCHAPv2, "E=647 R=0", "mschapv2: the server refused the login (647, the account is disabled)", 647},
		{
			pppauth.MSCHAPv2, "E=648 R=1 C=D61EC90C4359266C64D7A6170622D36B V=3",
			"mschapv2: the server refused the login (648, the password has expired: change it where the account is kept)", 648,
		},
		{pppauth.MSCHAPv2, "E=649 R=0", "mschapv2: the server refused the login (649, the account has no permission to dial in)", 649},
		{pppauth.MSCHAPv2, "E=709 R=0", "mschapv2: the server refused the login (709, the password could not be changed)", 709},
		{pppauth.MSCHAPv2, "E=999 R=0", "mschapv2: the server refused the login (999, a code that RFC 2759 does not know)", 999},
		{pppauth.MSCHAPv2, "no", `mschapv2: the server refused the name or the password, saying "no"`, 0},
		{
			pppauth.MSCHAPv2, strings.Repeat("ö", 200),
			fmt.Sprintf("mschapv2: the server refused the name or the password, saying %q", strings.Repeat("ö", 127)+"..."), 0,
		},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			peer := newPeer(t, tt.method, pppauth.Credentials{Name: "alice", Password: "secret"})
			peer.Receive(ppp.CHAPChallenge{Identifier: 3, Value: make([]byte, 16)})
			if got := peer.Receive(ppp.CHAPFailure{Identifier: 3, Message: tt.text}); got != nil {
				t.Errorf("answered a Failure with %v", got)
			}
			wantError(t, peer.Outcome().Err, pppauth.Refused, tt.want)
			if e := peer.Outcome().Err.(*pppauth.Error); e.Code != tt.code { //nolint:errorlint // wantError has seen that it is one
				t.Errorf("code %d, want %d", e.Code, tt.code)
			}
		})
	}
}

// RFC 2759, Section 6: with R=1 the next response is to the challenge in the Failure.
func TestRetry(t *testing.T) {
	for _, m := range []pppauth.Method{pppauth.MSCHAPv2, pppauth.EAPMSCHAPv2} {
		for _, tt := range []struct {
			name    string
			retries int
			typed   []string
			want    pppauth.State
			asked   int
		}{
			{"right at the second", 1, []string{"secret"}, pppauth.Succeeded, 1},
			{"right at the third", 2, []string{"wrong", "secret"}, pppauth.Succeeded, 2},
			{"too late", 1, []string{"wrong", "secret"}, pppauth.Failed, 1},
			{"none offered", 0, []string{"secret"}, pppauth.Failed, 0},
			{"user gives up", 2, nil, pppauth.Failed, 1},
		} {
			t.Run(fmt.Sprint(m, " ", tt.name), func(t *testing.T) {
				conversation := func(l *line) (atPeer, atServer pppauth.Outcome, asked int) {
					typed := tt.typed
					c := pppauth.Credentials{Name: "alice", Password: "first", Again: func(e *pppauth.Error) (string, bool) {
						if e.Code != ppp.ErrorAuthenticationFailure {
							t.Errorf("asked again because of %v", e)
						}
						asked++
						if len(typed) == 0 {
							return "", false
						}
						password := typed[0]
						typed = typed[1:]
						return password, true
					}}
					a := pppauth.Authenticator{Password: users("alice", "secret"), Retries: tt.retries}
					atPeer, atServer = l.converse(newPeer(t, m, c), newServer(t, m, a))
					return atPeer, atServer, asked
				}
				for lost := -1; ; lost++ {
					l := &line{t: t, drop: func(n int) bool { return n == lost }}
					atPeer, atServer, asked := conversation(l)
					wantState(t, "peer", atPeer, tt.want)
					wantState(t, "server", atServer, tt.want)
					if asked != tt.asked || atPeer.HLAK != atServer.HLAK {
						t.Errorf("asked %d times, want %d; keys %x and %x", asked, tt.asked, atPeer.HLAK, atServer.HLAK)
					}
					if lost >= l.carried {
						break
					}
				}
			})
		}
	}
}

// A user who thinks for a minute is not timed out, and is not told again that the password was wrong.
func TestRetryTakesTime(t *testing.T) {
	server := newServer(t, pppauth.MSCHAPv2, pppauth.Authenticator{Password: users("alice", "secret"), Retries: 1})
	peer := newPeer(t, pppauth.MSCHAPv2, pppauth.Credentials{Name: "alice", Password: "wrong"})
	server.Receive(one(t, peer.Receive(one(t, server.Start()))))
	for range 20 {
		if got := server.Timeout(); got != nil {
			t.Fatalf("sent %v while the user types", got)
		}
	}
	wantState(t, "server", server.Outcome(), pppauth.Pending)
	for range 10 {
		server.Timeout()
	}
	wantState(t, "server", server.Outcome(), pppauth.Failed)
}

// RFC 2759, Section 7.
func TestChangePasswordIsRefused(t *testing.T) {
	const text = "the client wants to change its password, which this server does not do"
	server := newServer(t, pppauth.MSCHAPv2, pppauth.Authenticator{Password: users("alice", "secret")})
	change := ppp.Packet{Code: 7, Identifier: 5, Data: make([]byte, 582)}
	if got := server.Receive(change); got != nil {
		t.Errorf("before any challenge: %v", got)
	}
	server.Start()
	failure := one(t, server.Receive(change)).(ppp.CHAPFailure)
	f, err := ppp.ParseMSCHAPFailure(failure.Message)
	if err != nil || f.Error != ppp.ErrorChangingPassword || f.Retry || failure.Identifier != 5 {
		t.Errorf("answered %#v", failure)
	}
	wantError(t, server.Outcome().Err, pppauth.PasswordChange, "mschapv2: "+text)

	server = newServer(t, pppauth.EAPMSCHAPv2, pppauth.Authenticator{Password: users("alice", "secret")})
	identity := one(t, server.Start()).(ppp.EAP)
	challenge := one(t, server.Receive(response(identity, ppp.EAPIdentity("alice")))).(ppp.EAP)
	opaque := ppp.EAPOpaque{Type: ppp.EAPTypeMSCHAPv2, Data: ppp.NewSecret([]byte{7, 9, 0, 4})}
	refusal := one(t, server.Receive(response(challenge, opaque))).(ppp.EAP)
	if m, ok := refusal.Data.(ppp.EAPMSCHAPv2); !ok || m.OpCode != ppp.EAPMSCHAPv2Failure || m.Message.(ppp.CHAPFailure).Identifier != 9 {
		t.Errorf("answered %#v", refusal)
	}
	end := one(t, server.Receive(response(refusal, ppp.EAPMSCHAPv2{OpCode: ppp.EAPMSCHAPv2Failure}))).(ppp.EAP)
	if end.Code != ppp.EAPFailure {
		t.Errorf("ended with %v", end)
	}
	wantError(t, server.Outcome().Err, pppauth.PasswordChange, "eap-mschapv2: "+text)
}

func response(to ppp.EAP, d ppp.EAPData) ppp.EAP {
	return ppp.EAP{Code: ppp.EAPResponse, Identifier: to.Identifier, Data: d}
}

func TestMalformedChallengesAndResponses(t *testing.T) {
	peer := newPeer(t, pppauth.MSCHAPv2, pppauth.Credentials{Name: "alice", Password: "secret"})
	if got := peer.Receive(ppp.CHAPChallenge{Identifier: 1, Value: make([]byte, 8)}); got != nil {
		t.Errorf("a challenge of MS-CHAP version 1 is answered: %v", got)
	}
	wantError(t, peer.Outcome().Err, pppauth.BadMessage, "mschapv2: the server's challenge has not the 16 octets of MS-CHAP-V2")

	server := newServer(t, pppauth.MSCHAPv2, pppauth.Authenticator{Password: users("alice", "secret")})
	challenge := one(t, server.Start()).(ppp.CHAPChallenge)
	failure := one(t, server.Receive(ppp.CHAPResponse{Identifier: challenge.Identifier, Value: ppp.NewSecret(make([]byte, 16)), Name: "alice"}))
	if f, err := ppp.ParseMSCHAPFailure(failure.(ppp.CHAPFailure).Message); err != nil || f.Error != ppp.ErrorAuthenticationFailure {
		t.Errorf("answered %#v", failure)
	}
	wantError(t, server.Outcome().Err, pppauth.BadMessage, "mschapv2: the client's response cannot be read: unexpected EOF")
}

func TestStoredPasswordThatIsNotUTF8(t *testing.T) {
	server := newServer(t, pppauth.MSCHAPv2, pppauth.Authenticator{Password: users("alice", "\xff")})
	peer := newPeer(t, pppauth.MSCHAPv2, pppauth.Credentials{Name: "alice", Password: "\ufffd"})
	atPeer, atServer := (&line{t: t}).converse(peer, server)
	wantError(t, atServer.Err, pppauth.Internal,
		`mschapv2: the password kept for "alice" cannot be used: the password is not UTF-8, which MS-CHAP-V2 needs`)
	wantState(t, "peer", atPeer, pppauth.Failed)
}

// failing is a source of randomness that dries up.
type failing struct{ left int }

func (f *failing) Read(b []byte) (int, error) {
	if f.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n := min(len(b), f.left)
	f.left -= n
	return n, nil
}

func TestNoRandomness(t *testing.T) {
	a := pppauth.Authenticator{Password: users("alice", "secret"), Retries: 1}
	for left := range 33 {
		a.Rand = &failing{left}
		if _, err := pppauth.NewAuthenticator(pppauth.MSCHAPv2, a); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d octets of randomness: error %v", left, err)
		}
	}
	a.Rand = &failing{33} // enough for a first try, not for a second
	c := pppauth.Credentials{Name: "alice", Password: "wrong"}
	_, atServer := (&line{t: t}).converse(newPeer(t, pppauth.MSCHAPv2, c), newServer(t, pppauth.MSCHAPv2, a))
	wantError(t, atServer.Err, pppauth.WrongPassword, `mschapv2: wrong password for "alice"`)

	c.Rand = &failing{5}
	peer := newPeer(t, pppauth.MSCHAPv2, c)
	peer.Receive(ppp.CHAPChallenge{Value: make([]byte, 16)})
	wantError(t, peer.Outcome().Err, pppauth.Internal, "mschapv2: reading randomness for a challenge: unexpected EOF")
}
