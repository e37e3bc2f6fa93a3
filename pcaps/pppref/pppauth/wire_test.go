package pppauth_test

import (
	"errors"
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref/pppauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A line carries messages between two parties, over the wire's bytes.
type line struct {
	t       *testing.T
	drop    func(n int) bool // says whether the nth message, from 0, is lost
	twice   bool             // every message comes twice
	carried int
	seen    []ppp.Message // all that was sent
}

func protocolOf(m ppp.Message) ppp.Protocol {
	switch m.(type) {
	case ppp.PAPRequest, ppp.PAPAck, ppp.PAPNak:
		return ppp.ProtocolPAP
	case ppp.EAP:
		return ppp.ProtocolEAP
	default:
		return ppp.ProtocolCHAP
	}
}

// carry brings a message across, and its answers back, until both sides are silent.
func (l *line) carry(to, from pppauth.Party, messages []ppp.Message) {
	l.t.Helper()
	if len(messages) > 1 {
		l.t.Fatalf("%d messages in answer to one", len(messages))
	}
	for _, m := range messages {
		l.seen = append(l.seen, m)
		n := l.carried
		if l.carried++; l.carried > 10000 {
			l.t.Fatal("the conversation does not end")
		}
		if l.drop != nil && l.drop(n) {
			continue
		}
		times := 1
		if l.twice {
			times = 2
		}
		var first []ppp.Message
		for i := range times {
			answer := to.Receive(overTheWire(l.t, m))
			if i == 0 {
				first = answer
			} else {
				l.check(first, answer)
			}
		}
		l.carry(from, to, first)
	}
}

// check wants the answer to a repeated message to be the first one's, or none.
func (l *line) check(first, second []ppp.Message) {
	l.t.Helper()
	if len(second) > 0 && (len(first) != 1 || wire(l.t, first[0]) != wire(l.t, second[0])) {
		l.t.Errorf("a repeated message got %v, at first %v", second, first)
	}
}

func wire(t *testing.T, m ppp.Message) string {
	t.Helper()
	b, err := m.Append(nil)
	if err != nil {
		t.Fatalf("sent %#v: %v", m, err)
	}
	return fmt.Sprintf("%x", b)
}

func overTheWire(t *testing.T, m ppp.Message) ppp.Message {
	t.Helper()
	b, err := m.Append(nil)
	if err != nil {
		t.Fatalf("sent %#v: %v", m, err)
	}
	got, n, err := ppp.ParseMessage(protocolOf(m), b)
	if err != nil || n != len(b) {
		t.Fatalf("sent % x: %v", b, err)
	}
	return got
}

// converse runs both ends until both have decided, and closes them.
func (l *line) converse(peer, server pppauth.Party) (atPeer, atServer pppauth.Outcome) {
	l.t.Helper()
	defer peer.Close()
	defer server.Close()
	l.carry(peer, server, server.Start())
	l.carry(server, peer, peer.Start())
	for range 40 {
		if peer.Outcome().State != pppauth.Pending && server.Outcome().State != pppauth.Pending {
			break
		}
		l.carry(peer, server, server.Timeout())
		l.carry(server, peer, peer.Timeout())
	}
	return peer.Outcome(), server.Outcome()
}

func newPeer(t *testing.T, m pppauth.Method, c pppauth.Credentials) pppauth.Party {
	t.Helper()
	p, err := pppauth.NewPeer(m, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func newServer(t *testing.T, m pppauth.Method, a pppauth.Authenticator) pppauth.Party {
	t.Helper()
	p, err := pppauth.NewAuthenticator(m, a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// users is a Password function.
func users(pairs ...string) func(string) (string, bool) {
	known := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		known[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) {
		password, ok := known[name]
		return password, ok
	}
}

// wantError checks the reason and the whole text of an error.
func wantError(t *testing.T, got error, reason pppauth.Reason, text string) {
	t.Helper()
	var e *pppauth.Error
	if !errors.As(got, &e) {
		t.Fatalf("error %v (%T), want an *Error", got, got)
	}
	if e.Reason != reason || e.Error() != text {
		t.Errorf("error %v, %q\nwant %v, %q", e.Reason, e, reason, text)
	}
}

func wantState(t *testing.T, who string, o pppauth.Outcome, want pppauth.State) {
	t.Helper()
	if o.State != want {
		t.Fatalf("%s %v (%v), want %v", who, o.State, o.Err, want)
	}
}
