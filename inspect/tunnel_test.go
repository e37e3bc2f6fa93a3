package inspect_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

// control is a control message as sent.
func control(m sstp.Message) string { return string(sstp.AppendMessage(nil, m)) }

// inTunnel inspects what is said behind an accepted request.
func inTunnel(t *testing.T, segments ...inspect.Segment) *inspect.Flow {
	t.Helper()
	return inspectTalk(t, append([]inspect.Segment{c(duplexPost), s(accepted)}, segments...)...)
}

func TestControlMessages(t *testing.T) {
	status := &sstp.StatusInfo{AttribID: sstp.AttributeNoError, Status: sstp.StatusNegotiationTimeout}
	f := inTunnel(t,
		c(control(sstp.CallConnectRequest{EncapsulatedProtocolID: 7})),
		s(control(sstp.CallConnectNak{StatusInfo: []sstp.StatusInfo{{AttribID: sstp.AttributeEncapsulatedProtocolID, Status: sstp.StatusValueNotSupported}}})),
		c(callConnectRequest), s(callConnectAck),
		c(control(sstp.CallConnected{CryptoBinding: sstp.CryptoBinding{HashProtocol: sstp.HashProtocolSHA256}})),
		c(control(sstp.EchoRequest{})), s(control(sstp.EchoResponse{}), control(sstp.EchoRequest{})), c(control(sstp.EchoResponse{}), control(sstp.EchoRequest{})),
		s(control(sstp.CallAbort{StatusInfo: status})), c(control(sstp.CallDisconnect{})), s(control(sstp.CallDisconnectAck{})))
	got := *f.Observation().SSTP
	want := inspect.SSTPFacts{
		Control: [2]int{7, 6},
		Messages: []string{
			"call_connect_request", "call_connect_nak", "call_connect_request", "call_connect_ack", "call_connected",
			"echo_request", "echo_response", "echo_request", "echo_response", "echo_request", "call_abort", "call_disconnect", "call_disconnect_ack",
		},
		Encapsulated: 1, HashOffered: 3, HashUsed: 2, BindingUnknown: "no TLS on this side of the server",
		End: "abort", EndBy: server, EndStatus: "negotiation_timeout", NAK: "value_not_supported", Echo: [2]int{2, 1},
		CorrelationID: "{5DB2F1F0-0000-0000-0000-000000000001}", First: start.Add(2 * time.Millisecond), Last: start.Add(12 * time.Millisecond),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	wantVerdict(t, f, inspect.VerdictConfirmed, inspect.KindAttempt)
}

func TestCallEnds(t *testing.T) {
	status := &sstp.StatusInfo{Status: sstp.StatusUnacceptedFrameReceived}
	tests := []struct {
		name          string
		segments      []inspect.Segment
		end, endedFor string
		by            inspect.Direction
	}{
		{"client disconnects", []inspect.Segment{c(control(sstp.CallDisconnect{StatusInfo: &sstp.StatusInfo{}}))}, "disconnect", "no_error", client},
		{"server disconnects", []inspect.Segment{s(control(sstp.CallDisconnect{}))}, "disconnect", "", server},
		{"client aborts", []inspect.Segment{c(control(sstp.CallAbort{StatusInfo: status})), s(control(sstp.CallAbort{}))}, "abort", "unaccepted_frame_received", client},
		{"server aborts bare", []inspect.Segment{s(control(sstp.CallAbort{})), c(control(sstp.CallAbort{StatusInfo: status}))}, "abort", "", server},
		{"neither", []inspect.Segment{s(control(sstp.CallDisconnectAck{}))}, "", "", 0},
	}
	for _, test := range tests {
		o := inTunnel(t, test.segments...).Observation().SSTP
		if o.End != test.end || o.EndBy != test.by || o.EndStatus != test.endedFor {
			t.Errorf("%s: %q by %v: %q", test.name, o.End, o.EndBy, o.EndStatus)
		}
	}
}

func TestManyControlMessages(t *testing.T) {
	f := inTunnel(t, c(strings.Repeat(control(sstp.EchoRequest{}), 1000)))
	if o := f.Observation().SSTP; o.Control[0] != 1000 || o.Echo[0] != 1000 || len(o.Messages) != 16 {
		t.Error(dump(o))
	}
}

// TestMalformed is of packets that are no messages: they are counted or passed
// over, and what follows is read.
func TestMalformed(t *testing.T) {
	unknown := sstp.Packet{Control: true, Data: []byte{0, 99, 0, 0}}.Append(nil)
	short := sstp.Packet{Control: true, Data: []byte{0}}.Append(nil)
	lying := sstp.Packet{Control: true, Data: []byte{0, 4, 0, 1, 0, 3, 0, 200, 1, 2, 3}}.Append(nil)
	badFrames := slices.Concat(sstp.Packet{}.Append(nil), sstp.Packet{Data: []byte{0xff}}.Append(nil), sstp.Packet{Data: []byte{0xc0, 0x21, 1}}.Append(nil))
	f := inTunnel(t, c(callConnectRequest), c(unknown, short, lying, badFrames), s(callConnectAck), c(lcpRequest))
	o := f.Observation()
	if o.SSTP.Control != [2]int{3, 1} || o.SSTP.Data != [2]uint64{4, 0} || o.PPP == nil || o.PPP.MRU[0] != 1400 {
		t.Error(dump(o))
	}
}

func TestReservedBits(t *testing.T) {
	p := sstp.Packet{LengthReserved: 8, Data: []byte{0xc0, 0x21, 9, 0, 0, 8, 0, 0, 0, 0}}.Append(nil)
	f := inTunnel(t, c(callConnectRequest), s(callConnectAck), c(p))
	if !f.Observation().SSTP.Reserved {
		t.Error("not seen")
	}
	wantRules(t, f, "sstp.client_mihomo")
	if f := inTunnel(t, setup()...); f.Observation().SSTP.Reserved {
		t.Error("reserved bits of nothing")
	}
}

// TestResync loses bytes: packets are read again from the first segment on
// that begins with one.
func TestResync(t *testing.T) {
	echo := control(sstp.EchoRequest{})
	big := string(sstp.Packet{Data: append([]byte{0x00, 0x21}, make([]byte, 1000)...)}.Append(nil))
	conn := connection{key: ends, start: start, segments: talk(
		c(duplexPost), s(accepted), c(callConnectRequest), s(callConnectAck), c(big[:100]),
		after(500, c(big[600:])),              // the rest of a packet, no packet
		c("\x10\x00\x00\x08\x00\x00\x00\x00"), // a length, and no frame behind it
		c("\x10\x01\xf0\x08\x00\x08\x00\x00"), // reserved bits that nobody sets
		c("\x10\x01\x00\x08\x00\x63\x00\x00"), // no such message
		c(echo[:5]),                           // not whole
		c(big), c(echo, lcpRequest), after(3, s(lcpRequest)))}
	f := feed(newInspector(nil, true), conn)
	o := f.Observation()
	if o.SSTP.Echo[0] != 1 || o.SSTP.Data != [2]uint64{2, 1} || o.PPP.MRU != [2]uint16{1400, 1400} || o.PPP.IPPackets[0] != 1 || o.Lost != 503 {
		t.Error(dump(o))
	}
}

func auth(p ppp.Protocol, a ppp.CHAPAlgorithm) inspect.Segment {
	return c(frame(ppp.ProtocolLCP, ppp.Configure{Code: ppp.CodeConfigureAck, Options: []ppp.Option{ppp.AuthenticationProtocol{Protocol: p, Algorithm: a}}}))
}

const (
	secretText      = "pass-W0RD-of-alice"
	challengeText   = "challenge-sixteen" // 17 bytes with its end
	authenticatorOK = "S=0123456789ABCDEF0123456789ABCDEF01234567"
)

// response is a CHAP response whose value is secret.
func response(name string) ppp.CHAPResponse {
	return ppp.CHAPResponse{Value: ppp.NewSecret(append([]byte(secretText), make([]byte, 31)...)), Name: name}
}

func TestAuthentication(t *testing.T) {
	challenge := ppp.CHAPChallenge{Value: []byte(challengeText), Name: "gateway"}
	eap := func(d func(...string) inspect.Segment, m ppp.EAP) inspect.Segment {
		return d(frame(ppp.ProtocolEAP, m))
	}
	mschap := func(op ppp.EAPMSCHAPv2OpCode, m ppp.Message) ppp.EAPData {
		return ppp.EAPMSCHAPv2{OpCode: op, Message: m}
	}
	chap := func(m ppp.Message) string { return frame(ppp.ProtocolCHAP, m) }
	tests := []struct {
		name     string
		segments []inspect.Segment
		want     inspect.PPPFacts
	}{
		{"PAP", []inspect.Segment{
			c(frame(ppp.ProtocolPAP, ppp.PAPRequest{PeerID: "alice", Password: ppp.NewSecret([]byte(secretText))})), s(frame(ppp.ProtocolPAP, ppp.PAPAck{Message: "welcome"})),
		}, inspect.PPPFacts{Auth: "pap", User: "alice", Result: "success", Message: "welcome"}},
		{"PAP refused", []inspect.Segment{
			c(frame(ppp.ProtocolPAP, ppp.PAPRequest{PeerID: "alice", Password: ppp.NewSecret([]byte(secretText))})), s(frame(ppp.ProtocolPAP, ppp.PAPNak{Message: "no\x00"})),
		}, inspect.PPPFacts{Auth: "pap", User: "alice", Result: "failure"}},
		{"PAP rejected", []inspect.Segment{
			c(frame(ppp.ProtocolPAP, ppp.PAPRequest{PeerID: "alice", Password: ppp.NewSecret([]byte(secretText))})),
			s(frame(ppp.ProtocolLCP, ppp.ProtocolReject{Protocol: ppp.ProtocolPAP, Rejected: ppp.NewSecret([]byte(secretText))})),
		}, inspect.PPPFacts{Auth: "pap", User: "alice"}},
		{"CHAP-MD5", []inspect.Segment{
			auth(ppp.ProtocolCHAP, ppp.CHAPMD5), s(chap(challenge)), c(chap(response("alice"))), s(chap(ppp.CHAPSuccess{Message: "hello"})),
		}, inspect.PPPFacts{Auth: "chap-md5", User: "alice", Authenticator: "gateway", Result: "success", Message: "hello"}},
		{"MS-CHAP", []inspect.Segment{
			auth(ppp.ProtocolCHAP, ppp.CHAPMSCHAP), s(chap(challenge)), c(chap(response(`DOM\alice`))), s(chap(ppp.CHAPFailure{Message: "E=691 R=0 C=0011223344556677 V=2"})),
		}, inspect.PPPFacts{Auth: "ms-chap", User: `DOM\alice`, Authenticator: "gateway", Result: "failure", Message: "ERROR_AUTHENTICATION_FAILURE"}},
		{"MS-CHAPv2", []inspect.Segment{
			auth(ppp.ProtocolCHAP, ppp.CHAPMSCHAPv2), s(chap(challenge)), c(chap(response("alice"))), s(chap(ppp.CHAPSuccess{Message: authenticatorOK + " M=Welcome"})),
		}, inspect.PPPFacts{Auth: "ms-chapv2", User: "alice", Authenticator: "gateway", Result: "success", Message: "Welcome"}},
		{"MS-CHAPv2 refused", []inspect.Segment{
			auth(ppp.ProtocolCHAP, ppp.CHAPMSCHAPv2), s(chap(challenge)), c(chap(response("alice"))),
			s(chap(ppp.CHAPFailure{Message: "E=691 R=1 C=" + hex.EncodeToString([]byte(challengeText)) + " V=3 M=Wrong"})),
		}, inspect.PPPFacts{Auth: "ms-chapv2", User: "alice", Authenticator: "gateway", Result: "failure", Message: "Wrong"}},
		{"CHAP, LCP not read, answer of no known form", []inspect.Segment{
			s(chap(challenge)), c(chap(response("alice"))), s(chap(ppp.CHAPSuccess{Message: authenticatorOK + "?"})),
		}, inspect.PPPFacts{Auth: "chap", User: "alice", Authenticator: "gateway", Result: "success"}},
		{"EAP identity", []inspect.Segment{
			eap(s[string], ppp.EAP{Code: ppp.EAPRequest, Data: ppp.EAPIdentity("who?")}), eap(c[string], ppp.EAP{Code: ppp.EAPResponse, Data: ppp.EAPIdentity("alice")}),
			eap(s[string], ppp.EAP{Code: ppp.EAPFailure}),
		}, inspect.PPPFacts{Auth: "eap", User: "alice", Result: "failure"}},
		{"EAP-MSCHAPv2", []inspect.Segment{
			eap(c[string], ppp.EAP{Code: ppp.EAPResponse, Data: ppp.EAPIdentity("anonymous")}),
			eap(s[string], ppp.EAP{Code: ppp.EAPRequest, Data: ppp.EAPMD5Challenge{Value: ppp.NewSecret([]byte(challengeText)), Name: "x"}}),
			eap(c[string], ppp.EAP{Code: ppp.EAPResponse, Data: ppp.EAPNak{ppp.EAPTypeMSCHAPv2}}),
			eap(s[string], ppp.EAP{Code: ppp.EAPRequest, Data: mschap(ppp.EAPMSCHAPv2Challenge, challenge)}),
			eap(c[string], ppp.EAP{Code: ppp.EAPResponse, Data: mschap(ppp.EAPMSCHAPv2Response, response("alice"))}),
			eap(s[string], ppp.EAP{Code: ppp.EAPRequest, Data: mschap(ppp.EAPMSCHAPv2Success, ppp.CHAPSuccess{Message: authenticatorOK + " M=In"})}),
			eap(c[string], ppp.EAP{Code: ppp.EAPResponse, Data: mschap(ppp.EAPMSCHAPv2Success, nil)}),
			eap(s[string], ppp.EAP{Code: ppp.EAPSuccess}),
		}, inspect.PPPFacts{Auth: "eap-mschapv2", User: "alice", Authenticator: "gateway", Result: "success", Message: "In"}},
		{"EAP-TLS", []inspect.Segment{
			eap(c[string], ppp.EAP{Code: ppp.EAPResponse, Data: ppp.EAPIdentity("host/pc")}),
			eap(s[string], ppp.EAP{Code: ppp.EAPRequest, Data: ppp.EAPTLS{Type: ppp.EAPTypeTLS, Flags: ppp.EAPTLSStart}}),
			eap(s[string], ppp.EAP{Code: ppp.EAPRequest, Data: ppp.EAPNotification("soon")}),
		}, inspect.PPPFacts{Auth: "eap-tls", User: "host/pc"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := inTunnel(t, append([]inspect.Segment{c(callConnectRequest), s(callConnectAck)}, test.segments...)...)
			got := *f.Observation().PPP
			got.Protocols = nil
			if d := cmp.Diff(test.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
				t.Error(d)
			}
			noSecrets(t, f)
		})
	}
}

// noSecrets looks for material of passwords in everything that a flow tells.
func noSecrets(t *testing.T, f *inspect.Flow) {
	t.Helper()
	o := f.Observation()
	told := strings.ToLower(fmt.Sprintf("%+v %#v %+v %#v %s %+v", o, o, o.PPP, o.SSTP, dump(o), f.Detection()))
	response, _ := hex.DecodeString(authenticatorOK[2:])
	for _, secret := range [][]byte{[]byte(secretText), []byte(challengeText), response, {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77}} {
		numbers := strings.Trim(fmt.Sprintf("%d", secret), "[]")
		for _, form := range []string{string(secret), hex.EncodeToString(secret), base64.StdEncoding.EncodeToString(secret)[:len(secret)], numbers} {
			if strings.Contains(told, strings.ToLower(form)) {
				t.Errorf("told %q: %s", form, told)
			}
		}
	}
}

func TestNetworkControl(t *testing.T) {
	ipcp := func(code ppp.Code, options ...ppp.Option) string {
		return frame(ppp.ProtocolIPCP, ppp.Configure{Code: code, Options: options})
	}
	addr := func(t ppp.IPCPAddressType, a string) ppp.Option {
		return ppp.IPCPAddress{Type: t, Addr: netip.MustParseAddr(a)}
	}
	zero := []ppp.Option{addr(ppp.IPAddress, "0.0.0.0"), addr(ppp.PrimaryDNS, "0.0.0.0"), addr(ppp.SecondaryDNS, "0.0.0.0"), addr(ppp.PrimaryNBNS, "0.0.0.0")}
	given := []ppp.Option{addr(ppp.IPAddress, "10.0.0.7"), addr(ppp.PrimaryDNS, "10.0.0.53"), addr(ppp.SecondaryDNS, "10.0.0.53"), addr(ppp.PrimaryNBNS, "10.0.0.9")}
	ip := string(sstp.Packet{Data: append([]byte{0x21}, make([]byte, 20)...)}.Append(nil))
	f := inTunnel(t, c(callConnectRequest), s(callConnectAck),
		c(ipcp(ppp.CodeConfigureRequest, zero...)), s(ipcp(ppp.CodeConfigureNak, given...)),
		c(ipcp(ppp.CodeConfigureRequest, given...)), s(ipcp(ppp.CodeConfigureAck, given...)),
		s(ipcp(ppp.CodeConfigureRequest, addr(ppp.IPAddress, "10.0.0.1"))), c(ipcp(ppp.CodeConfigureAck, addr(ppp.IPAddress, "10.0.0.1"))),
		c(frame(ppp.ProtocolIPV6CP, ppp.Configure{Code: ppp.CodeConfigureRequest, Options: []ppp.Option{ppp.InterfaceIdentifier{0, 0, 0, 0, 0, 0, 0, 9}}})),
		s(frame(ppp.ProtocolIPV6CP, ppp.Configure{Code: ppp.CodeConfigureAck, Options: []ppp.Option{ppp.InterfaceIdentifier{0, 0, 0, 0, 0, 0, 0, 7}}})),
		c(frame(ppp.ProtocolLCP, ppp.Identification{Message: "MSRASV5.20"}), frame(ppp.ProtocolLCP, ppp.Identification{Message: "\x00\x01"})),
		c(strings.Repeat(ip, 3)), s(ip), c(string(sstp.Packet{Data: []byte{0x40, 0x21, 1, 2}}.Append(nil))))
	got := f.Observation().PPP
	want := &inspect.PPPFacts{
		ClientAddress: netip.MustParseAddr("10.0.0.7"), ServerAddress: netip.MustParseAddr("10.0.0.1"), ClientAddress6: netip.MustParseAddr("fe80::7"),
		DNS: []netip.Addr{netip.MustParseAddr("10.0.0.53")}, Identification: []string{"MSRASV5.20"},
		Protocols: []string{"ipcp", "ipv6cp", "lcp", "ipv4", "0x4021"}, IPPackets: [2]uint64{3, 1}, IPBytes: [2]uint64{60, 20},
	}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Error(d)
	}
	wantRules(t, f, "sstp.client_windows")
}

// TestFactsAreBounded sends more of everything than is kept.
func TestFactsAreBounded(t *testing.T) {
	var frames bytes.Buffer
	for i := range 200 {
		frames.WriteString(frame(ppp.ProtocolLCP, ppp.Identification{Message: fmt.Sprint("peer ", i)}))
		frames.WriteString(string(sstp.Packet{Data: []byte{0x40 + byte(i/100)*2, byte(i%100)<<1 | 1, 0}}.Append(nil)))
	}
	o := inTunnel(t, c(callConnectRequest), c(frames.Bytes())).Observation()
	if len(o.PPP.Identification) != 8 || len(o.PPP.Protocols) != 16 {
		t.Errorf("%d identifications, %d protocols", len(o.PPP.Identification), len(o.PPP.Protocols))
	}
}
