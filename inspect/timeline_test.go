package inspect_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

// moments gives what a timeline holds, and wants its times to be in order.
func moments(t *testing.T, f *inspect.Flow) (whats []string) {
	t.Helper()
	at := f.Start()
	for _, m := range f.Observation().Timeline {
		if m.At.Before(at) {
			t.Errorf("%s at %v, before %v", m.What, m.At, at)
		}
		at = m.At
		whats = append(whats, m.What)
	}
	return whats
}

func wantMoments(t *testing.T, f *inspect.Flow, want string) {
	t.Helper()
	if d := cmp.Diff(strings.Fields(want), moments(t, f)); d != "" {
		t.Error(d)
	}
}

// TestTimeline follows a call from its CONNECT to its end.
func TestTimeline(t *testing.T) {
	conf := func(p ppp.Protocol, code ppp.Code) string { return frame(p, ppp.Configure{Code: code}) }
	ip := string(sstp.Packet{Data: append([]byte{0x21}, make([]byte, 20)...)}.Append(nil))
	f := inspectTalk(t,
		c(connect), s(agreed), c(duplexPost), s(accepted),
		c(callConnectRequest), s(control(sstp.CallConnectNak{})), c(callConnectRequest), s(callConnectAck),
		c(conf(ppp.ProtocolLCP, ppp.CodeConfigureRequest)), s(conf(ppp.ProtocolLCP, ppp.CodeConfigureAck)),
		s(conf(ppp.ProtocolLCP, ppp.CodeConfigureRequest)), c(conf(ppp.ProtocolLCP, ppp.CodeConfigureAck)),
		c(frame(ppp.ProtocolPAP, ppp.PAPRequest{PeerID: "alice"})), s(frame(ppp.ProtocolPAP, ppp.PAPNak{})), s(frame(ppp.ProtocolPAP, ppp.PAPNak{})),
		c(frame(ppp.ProtocolPAP, ppp.PAPRequest{PeerID: "alice"})), s(frame(ppp.ProtocolPAP, ppp.PAPAck{})),
		c(control(sstp.CallConnected{})),
		c(conf(ppp.ProtocolIPV6CP, ppp.CodeConfigureAck)), c(conf(ppp.ProtocolIPCP, ppp.CodeConfigureAck)), c(conf(ppp.ProtocolIPCP, ppp.CodeConfigureAck)),
		s(conf(ppp.ProtocolIPCP, ppp.CodeConfigureAck)), s(conf(ppp.ProtocolIPV6CP, ppp.CodeConfigureAck)), s(conf(ppp.ProtocolCCP, ppp.CodeConfigureAck)),
		s(ip), c(ip), s(ip), s(control(sstp.EchoRequest{})), c(control(sstp.EchoResponse{})), c(control(sstp.EchoRequest{})),
		c(control(sstp.CallDisconnect{})), s(control(sstp.CallDisconnectAck{})))
	wantMoments(t, f, `connect_request connect_response http_request http_response
		call_connect_request call_connect_nak call_connect_request call_connect_ack
		ppp_lcp_up ppp_auth_failure ppp_auth_success call_connected ip_up first_data first_echo
		call_disconnect call_disconnect_ack`)
	got := f.Observation().Timeline
	if want := start.Add(31 * time.Millisecond); !got[len(got)-1].At.Equal(want) {
		t.Errorf("ended at %v, not at %v", got[len(got)-1].At, want)
	}
}

// TestTimelineOfHTTP has the exchange that the facts show, not every one.
func TestTimelineOfHTTP(t *testing.T) {
	wantMoments(t, inspectTalk(t, c(get), s(empty), c(get), s(empty), c(duplexPost), s(accepted)),
		"http_request http_response http_request http_response")
	wantMoments(t, inspectTalk(t, s(empty), s(empty)), "http_response")
}

// TestTimelineOfTLS has what an observer can know of a tunnel, and of what is
// none the hellos at most.
func TestTimelineOfTLS(t *testing.T) {
	in := newInspector(nil, true)
	ordinary := openSizes(in, aesGCM13).handshake().data(300, -80, 300, -80, 300, -9000)
	wantMoments(t, ordinary.flow, "tls_client_hello tls_server_hello")
	conns, keys := readCapture(t, captures(t, "positive/se-tls13-idle75.pcap")[0])
	f := feed(in, conns[0])
	whats := slices.DeleteFunc(moments(t, f), func(what string) bool { return strings.HasPrefix(what, "evidence tls.") })
	if d := cmp.Diff([]string{"tls_client_hello", "tls_server_hello"}, whats); d != "" {
		t.Error(d)
	}
	for _, what := range []string{"evidence tls.control_lengths", "evidence tls.call_connected", "evidence tls.sstp_keepalive"} {
		if !slices.Contains(moments(t, f), what) {
			t.Errorf("no %q: %v", what, moments(t, f))
		}
	}
	opened := moments(t, feed(newInspector(keys, true), conns[0]))
	if !slices.Contains(opened, "call_connected") || strings.Contains(strings.Join(opened, "\n"), "evidence") {
		t.Error(opened)
	}
}

// TestTimelineIsBounded keeps the first moments, and the ends.
func TestTimelineIsBounded(t *testing.T) {
	f := inTunnel(t, c(strings.Repeat(callConnectRequest, 100)), s(strings.Repeat(control(sstp.CallConnectNak{}), 100)),
		c(strings.Repeat(control(sstp.CallAbort{}), 3)), s(strings.Repeat(control(sstp.CallDisconnect{}), 100)))
	got := moments(t, f)
	if len(got) != 48 || got[39] != "call_connect_request" || got[40] != "call_abort" || got[47] != "call_disconnect" {
		t.Error(got)
	}
}
