package pppref

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref/pppauth"
)

var equateAddr = cmpopts.EquateComparable(netip.Addr{})

func configureRequest(id uint8, o ...ppp.Option) ppp.Configure {
	return ppp.Configure{Code: ppp.CodeConfigureRequest, Identifier: id, Options: o}
}

// judged returns the answer of a link's LCP to a first request.
func judged(t *testing.T, cfg Config, asked ...ppp.Option) ppp.Configure {
	t.Helper()
	cfg.Quirks.PassiveLCP = true
	e := newEnd(t, "x", cfg)
	e.Open(epoch)
	e.say(t, epoch, ppp.ProtocolLCP, configureRequest(5, asked...))
	got := e.heard(t)
	return got[len(got)-1].(ppp.Configure)
}

func TestLCPAnswers(t *testing.T) {
	pap := ppp.AuthenticationProtocol{Protocol: ppp.ProtocolPAP}
	chap := ppp.AuthenticationProtocol{Protocol: ppp.ProtocolCHAP, Algorithm: ppp.CHAPMSCHAPv2}
	cbcp := ppp.Callback{Operation: ppp.CallbackCBCP}
	multilink := []ppp.Option{ppp.MRRU(1614), ppp.EndpointDiscriminator{Class: ppp.EndpointLocal, Address: []byte{1}}}
	raw := func(t uint8, data ...byte) ppp.Option { return ppp.RawOption{Type: t, Data: append([]byte{}, data...)} }
	for _, tt := range []struct {
		name  string
		cfg   func(*Config)
		asked []ppp.Option
		code  ppp.Code
		want  []ppp.Option // nil: what was asked
	}{
		{name: "nothing", code: ppp.CodeConfigureAck},
		{name: "all that can be had", asked: []ppp.Option{ppp.MRU(4091), ppp.ACCM(0), chap, ppp.MagicNumber(1), ppp.ProtocolFieldCompression{}, ppp.AddressAndControlFieldCompression{}}, code: ppp.CodeConfigureAck},
		{name: "callback and multilink", asked: append([]ppp.Option{ppp.MRU(1500), cbcp}, multilink...), code: ppp.CodeConfigureReject, want: append([]ppp.Option{cbcp}, multilink...)},
		{name: "callback taken", cfg: func(c *Config) { c.Quirks.Callback = true }, asked: []ppp.Option{cbcp}, code: ppp.CodeConfigureAck},
		{name: "another callback", cfg: func(c *Config) { c.Quirks.Callback = true }, asked: []ppp.Option{ppp.Callback{Operation: ppp.CallbackE164}}, code: ppp.CodeConfigureReject},
		{name: "small MRU", asked: []ppp.Option{ppp.MRU(127)}, code: ppp.CodeConfigureNak, want: []ppp.Option{ppp.MRU(128)}},
		{name: "large MRU", cfg: func(c *Config) { c.Quirks.MaxPeerMRU = 1452 }, asked: []ppp.Option{ppp.MRU(4091)}, code: ppp.CodeConfigureNak, want: []ppp.Option{ppp.MRU(1452)}},
		{name: "MRU of one octet", asked: []ppp.Option{raw(1, 9)}, code: ppp.CodeConfigureNak, want: []ppp.Option{ppp.MRU(1500)}},
		{name: "another method", asked: []ppp.Option{pap}, code: ppp.CodeConfigureNak, want: []ppp.Option{chap}},
		{name: "a method of no length", asked: []ppp.Option{raw(3)}, code: ppp.CodeConfigureNak, want: []ppp.Option{chap}},
		{name: "a client without methods", cfg: func(c *Config) { c.Methods, c.Quirks.SkipAuthentication = nil, true }, asked: []ppp.Option{pap}, code: ppp.CodeConfigureReject},
		{name: "a server has nothing to prove", cfg: func(c *Config) { *c = serverConfig() }, asked: []ppp.Option{chap}, code: ppp.CodeConfigureReject},
		{name: "rejection before nak", asked: []ppp.Option{ppp.MRU(1), raw(99)}, code: ppp.CodeConfigureReject, want: []ppp.Option{raw(99)}},
		{name: "twice the same", asked: []ppp.Option{ppp.MRU(1500), ppp.MRU(1400)}, code: ppp.CodeConfigureReject, want: []ppp.Option{ppp.MRU(1400)}},
		{name: "PFC with data", asked: []ppp.Option{raw(7, 1)}, code: ppp.CodeConfigureReject},
		{name: "as SoftEther", cfg: func(c *Config) { c.Quirks.RejectLCP = []uint8{2, 5, 7, 8} }, asked: []ppp.Option{ppp.ACCM(0), ppp.MagicNumber(6), ppp.ProtocolFieldCompression{}, ppp.AddressAndControlFieldCompression{}}, code: ppp.CodeConfigureReject},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := clientConfig()
			if tt.cfg != nil {
				tt.cfg(&cfg)
			}
			want := tt.want
			if want == nil {
				want = tt.asked
			}
			got := judged(t, cfg, tt.asked...)
			if d := cmp.Diff(ppp.Configure{Code: tt.code, Identifier: 5, Options: want}, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	for _, o := range []ppp.Option{ppp.MagicNumber(0), raw(5, 1, 2)} {
		got := judged(t, clientConfig(), o)
		if m, ok := got.Options[0].(ppp.MagicNumber); got.Code != ppp.CodeConfigureNak || !ok || m == 0 {
			t.Errorf("%v is answered by %v", o, got)
		}
	}
}

// RFC 1661, Section 4.6: after Max-Failure Naks, a Configure-Reject.
func TestMaxFailure(t *testing.T) {
	cfg := clientConfig()
	cfg.MaxFailure = 2
	e := newEnd(t, "client", cfg)
	e.Open(epoch)
	e.heard(t)
	for i, want := range []ppp.Code{ppp.CodeConfigureNak, ppp.CodeConfigureNak, ppp.CodeConfigureReject, ppp.CodeConfigureReject} {
		e.say(t, epoch, ppp.ProtocolLCP, configureRequest(uint8(i), ppp.MRU(5)))
		if got := e.heard(t)[0].(ppp.Configure); got.Code != want {
			t.Errorf("answer %d is %v", i, got)
		}
	}
	e.say(t, epoch, ppp.ProtocolLCP, configureRequest(8))
	e.say(t, epoch, ppp.ProtocolLCP, configureRequest(9, ppp.MRU(5)))
	if got := e.heard(t); got[0].(ppp.Configure).Code != ppp.CodeConfigureAck || got[1].(ppp.Configure).Code != ppp.CodeConfigureNak {
		t.Errorf("after an Ack: %v", got)
	}
}

// What a client asks for after the peer's Naks and Rejects.
func TestLCPRequests(t *testing.T) {
	cfg := clientConfig()
	cfg.LCP = []ppp.Option{
		ppp.MRU(4091), ppp.ACCM(0), ppp.MagicNumber(5),
		ppp.ProtocolFieldCompression{},
		ppp.AddressAndControlFieldCompression{},
		ppp.Callback{Operation: ppp.CallbackCBCP},
	}
	e := newEnd(t, "client", cfg)
	e.Open(epoch)
	asked := e.heard(t)[0].(ppp.Configure)
	if d := cmp.Diff(cfg.LCP, asked.Options); d != "" {
		t.Errorf("first request (-want +got):\n%s", d)
	}
	refuse := func(code ppp.Code, o ...ppp.Option) []ppp.Option {
		e.say(t, epoch, ppp.ProtocolLCP, ppp.Configure{Code: code, Identifier: asked.Identifier, Options: o})
		asked = e.heard(t)[0].(ppp.Configure)
		return asked.Options
	}
	got := refuse(ppp.CodeConfigureNak, ppp.MRU(1400), ppp.ACCM(0xa0000), ppp.Callback{}, ppp.MRRU(1500))
	want := []ppp.Option{ppp.MRU(1400), ppp.ACCM(0xa0000), ppp.MagicNumber(5), ppp.ProtocolFieldCompression{}, ppp.AddressAndControlFieldCompression{}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("after a Nak (-want +got):\n%s", d)
	}
	got = refuse(ppp.CodeConfigureNak, ppp.MRU(5000), ppp.MagicNumber(5))
	if m := got[2].(ppp.MagicNumber); m == 5 || m == 0 || got[0] != ppp.MRU(1400) {
		t.Errorf("after a Nak of the magic number: %v", got)
	}
	got = refuse(ppp.CodeConfigureReject, got[1:]...)
	if d := cmp.Diff([]ppp.Option{ppp.MRU(1400)}, got); d != "" || e.options.magic != 0 {
		t.Errorf("after a Reject, with magic number %d (-want +got):\n%s", e.options.magic, d)
	}
}

// The place of the method among a server's options, and which one comes next.
func TestServerMethodOption(t *testing.T) {
	cfg := serverConfig()
	cfg.Methods = []pppauth.Method{pppauth.EAPMSCHAPv2, pppauth.CHAPMD5, pppauth.MSCHAPv2, pppauth.PAP}
	cfg.LCP = []ppp.Option{ppp.MRU(4091), ppp.AuthenticationProtocol{Protocol: ppp.ProtocolPAP}, ppp.MagicNumber(5)}
	e := newEnd(t, "server", cfg)
	e.Open(epoch)
	asked := e.heard(t)[0].(ppp.Configure)
	for _, step := range []struct {
		code ppp.Code
		with ppp.Option
		next pppauth.Method
	}{
		{0, nil, pppauth.EAPMSCHAPv2},
		{ppp.CodeConfigureNak, pppauth.MSCHAPv2.Option(), pppauth.MSCHAPv2},
		{ppp.CodeConfigureNak, ppp.AuthenticationProtocol{Protocol: ppp.ProtocolCHAP, Algorithm: ppp.CHAPMSCHAP}, pppauth.CHAPMD5},
		{ppp.CodeConfigureReject, pppauth.CHAPMD5.Option(), pppauth.PAP},
	} {
		if step.code != 0 {
			e.say(t, epoch, ppp.ProtocolLCP, ppp.Configure{Code: step.code, Identifier: asked.Identifier, Options: []ppp.Option{step.with}})
			asked = e.heard(t)[0].(ppp.Configure)
		}
		if asked.Options[1] != step.next.Option() || len(asked.Options) != 3 {
			t.Errorf("after %v of %v: %v", step.code, step.with, asked.Options)
		}
	}
	e.say(t, epoch, ppp.ProtocolLCP, ppp.Configure{Code: ppp.CodeConfigureNak, Identifier: asked.Identifier, Options: []ppp.Option{ppp.AuthenticationProtocol{Protocol: ppp.ProtocolSPAP}}})
	if c, _ := find[Terminating](e); c.Err == nil || !strings.Contains(c.Err.Error(), "refused EAP, CHAP MD5, CHAP MS-CHAP-V2, PAP and last wanted SPAP") {
		t.Errorf("%v", c.Err)
	}

	cfg.LCP = cfg.LCP[2:]
	e = newEnd(t, "server", cfg)
	e.Open(epoch)
	if got := e.heard(t)[0].(ppp.Configure).Options; len(got) != 2 || got[1] != pppauth.EAPMSCHAPv2.Option() {
		t.Errorf("without a place: %v", got)
	}
}

// network returns the server's or the client's end of a link whose network protocols
// have just begun, and says what its IPCP or IPV6CP answers.
func network(t *testing.T, cfg Config) *end {
	t.Helper()
	cfg.Methods, cfg.Quirks.SkipAuthentication = nil, true
	cfg.LCP = []ppp.Option{}
	cfg.Quirks.PassiveNCP = true
	e := newEnd(t, "x", cfg)
	e.Open(epoch)
	asked := e.heard(t)[0].(ppp.Configure)
	e.say(t, epoch, ppp.ProtocolLCP, ppp.Configure{Code: ppp.CodeConfigureAck, Identifier: asked.Identifier})
	e.say(t, epoch, ppp.ProtocolLCP, configureRequest(1))
	e.sent = nil
	if e.Phase() != Network {
		t.Fatalf("phase %v: %v", e.Phase(), e.events)
	}
	return e
}

func ip(t ppp.IPCPAddressType, s string) ppp.Option {
	return ppp.IPCPAddress{Type: t, Addr: addr(s)}
}

func TestIPCPAnswers(t *testing.T) {
	const zero = "0.0.0.0"
	vj := ppp.IPCompressionProtocol{MaxSlotID: 15, CompSlotID: true}
	nbns := func(c *Config) {
		c.Assign = func(string) (Addresses, error) {
			a, _ := assign("")
			a.DNS = a.DNS[:1]
			a.NBNS = []netip.Addr{addr("10.0.0.60"), addr("10.0.0.61")}
			return a, nil
		}
	}
	for _, tt := range []struct {
		name   string
		client bool
		cfg    func(*Config)
		asked  []ppp.Option
		code   ppp.Code
		want   []ppp.Option // nil: what was asked
	}{
		{name: "right address", asked: []ppp.Option{ip(ppp.IPAddress, "10.0.0.2")}, code: ppp.CodeConfigureAck},
		{name: "asks for all", asked: []ppp.Option{ip(ppp.IPAddress, zero), ip(ppp.PrimaryDNS, zero), ip(ppp.SecondaryDNS, zero)}, code: ppp.CodeConfigureNak, want: []ppp.Option{ip(ppp.IPAddress, "10.0.0.2"), ip(ppp.PrimaryDNS, "10.0.0.53"), ip(ppp.SecondaryDNS, "10.0.0.54")}},
		{name: "wrong address, right server", asked: []ppp.Option{ip(ppp.IPAddress, "10.0.0.9"), ip(ppp.PrimaryDNS, "10.0.0.53")}, code: ppp.CodeConfigureNak, want: []ppp.Option{ip(ppp.IPAddress, "10.0.0.2")}},
		{name: "VJ and NBNS", asked: []ppp.Option{vj, ip(ppp.IPAddress, zero), ip(ppp.PrimaryNBNS, zero)}, code: ppp.CodeConfigureReject, want: []ppp.Option{vj, ip(ppp.PrimaryNBNS, zero)}},
		{name: "one DNS and two NBNS", cfg: nbns, asked: []ppp.Option{ip(ppp.IPAddress, zero), ip(ppp.PrimaryDNS, zero), ip(ppp.SecondaryDNS, zero)}, code: ppp.CodeConfigureReject, want: []ppp.Option{ip(ppp.SecondaryDNS, zero)}},
		{name: "NBNS given", cfg: nbns, asked: []ppp.Option{ip(ppp.IPAddress, "10.0.0.2"), ip(ppp.PrimaryNBNS, zero), ip(ppp.SecondaryNBNS, zero)}, code: ppp.CodeConfigureNak, want: []ppp.Option{ip(ppp.PrimaryNBNS, "10.0.0.60"), ip(ppp.SecondaryNBNS, "10.0.0.61")}},
		{name: "as accel-ppp", cfg: func(c *Config) { c.Quirks.RejectIPCP = []uint8{129, 131} }, asked: []ppp.Option{ip(ppp.IPAddress, zero), ip(ppp.PrimaryDNS, zero)}, code: ppp.CodeConfigureReject, want: []ppp.Option{ip(ppp.PrimaryDNS, zero)}},
		{name: "no address", code: ppp.CodeConfigureNak, want: []ppp.Option{ip(ppp.IPAddress, "10.0.0.2")}},
		{name: "address of three octets", asked: []ppp.Option{ppp.RawOption{Type: 3, Data: []byte{1, 2, 3}}}, code: ppp.CodeConfigureNak, want: []ppp.Option{ip(ppp.IPAddress, "10.0.0.2")}},
		{name: "two addresses of old", asked: []ppp.Option{ppp.RawOption{Type: 1, Data: make([]byte, 8)}}, code: ppp.CodeConfigureReject},
		{name: "server's address", client: true, asked: []ppp.Option{ip(ppp.IPAddress, "1.0.0.1")}, code: ppp.CodeConfigureAck},
		{name: "a server without address", client: true, code: ppp.CodeConfigureAck},
		{name: "a server that asks", client: true, asked: []ppp.Option{ip(ppp.IPAddress, zero), ip(ppp.PrimaryDNS, zero)}, code: ppp.CodeConfigureReject},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := serverConfig()
			if tt.client {
				cfg = clientConfig()
			}
			if tt.cfg != nil {
				tt.cfg(&cfg)
			}
			e := network(t, cfg)
			e.say(t, epoch, ppp.ProtocolIPCP, configureRequest(3, tt.asked...))
			got := e.heard(t)
			want := tt.want
			if want == nil {
				want = tt.asked
			}
			if d := cmp.Diff(ppp.Configure{Code: tt.code, Identifier: 3, Options: want}, got[len(got)-1].(ppp.Configure), equateAddr); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// ipcpClient returns a client that has asked for its addresses.
func ipcpClient(t *testing.T, o ...ppp.Option) (*end, func(ppp.Code, ...ppp.Option) []ppp.Message) {
	t.Helper()
	cfg := clientConfig()
	cfg.IPCP, cfg.IPV6CP = o, nil
	e := network(t, cfg)
	e.say(t, epoch, ppp.ProtocolIPCP, configureRequest(1, ip(ppp.IPAddress, "10.0.0.1")))
	asked := e.heard(t)[0].(ppp.Configure)
	return e, func(code ppp.Code, o ...ppp.Option) []ppp.Message {
		if code == ppp.CodeConfigureAck && o == nil {
			o = asked.Options
		}
		e.say(t, epoch, ppp.ProtocolIPCP, ppp.Configure{Code: code, Identifier: asked.Identifier, Options: o})
		got := e.heard(t)
		if len(got) > 0 {
			asked, _ = got[0].(ppp.Configure)
		}
		return got
	}
}

func TestIPCPClient(t *testing.T) {
	all := append([]ppp.Option{ppp.IPCompressionProtocol{MaxSlotID: 15, CompSlotID: true}},
		askFor(ppp.IPAddress, ppp.PrimaryDNS, ppp.PrimaryNBNS, ppp.SecondaryDNS, ppp.SecondaryNBNS)...)
	e, answer := ipcpClient(t, all...)
	answer(ppp.CodeConfigureReject, all[0], all[5])
	got := answer(ppp.CodeConfigureNak, ip(ppp.IPAddress, "10.0.0.2"), ip(ppp.PrimaryDNS, "10.0.0.53"), ip(ppp.PrimaryNBNS, "10.0.0.60"), ip(ppp.SecondaryDNS, "0.0.0.0"))
	want := []ppp.Option{ip(ppp.IPAddress, "10.0.0.2"), ip(ppp.PrimaryDNS, "10.0.0.53"), ip(ppp.PrimaryNBNS, "10.0.0.60")}
	if d := cmp.Diff(want, got[0].(ppp.Configure).Options, equateAddr); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	answer(ppp.CodeConfigureAck)
	up, ok := find[IPv4Up](e)
	if d := cmp.Diff(Addresses{Local: addr("10.0.0.2"), Peer: addr("10.0.0.1"), DNS: []netip.Addr{addr("10.0.0.53")}, NBNS: []netip.Addr{addr("10.0.0.60")}}, up.Addresses, equateAddr); d != "" || !ok {
		t.Errorf("(-want +got):\n%s", d)
	}

	// An address that was not asked for, but proposed.
	e, answer = ipcpClient(t, []ppp.Option{}...)
	answer(ppp.CodeConfigureNak, ip(ppp.IPAddress, "10.0.0.7"), ip(ppp.PrimaryDNS, "10.0.0.53"))
	answer(ppp.CodeConfigureAck)
	if up, _ := find[IPv4Up](e); up.Local != addr("10.0.0.7") || len(up.DNS) != 0 {
		t.Errorf("%+v", up)
	}
}

func TestIPCPClientWithoutAddress(t *testing.T) {
	for _, tt := range []struct {
		code ppp.Code
		with []ppp.Option
		says string
	}{
		{ppp.CodeConfigureReject, askFor(ppp.IPAddress), "rejected the request"},
		{ppp.CodeConfigureNak, askFor(ppp.IPAddress), "proposed 0.0.0.0"},
		{ppp.CodeConfigureAck, nil, "acknowledged 0.0.0.0"},
	} {
		e, answer := ipcpClient(t, askFor(ppp.IPAddress)...)
		got := answer(tt.code, tt.with...)
		if m, ok := got[0].(ppp.Terminate); !ok || m.Code != ppp.CodeTerminateRequest {
			t.Errorf("%v is answered by %v", tt.code, got)
		}
		e.say(t, epoch, ppp.ProtocolIPCP, ppp.Terminate{Code: ppp.CodeTerminateAck})
		c, ok := find[Terminating](e)
		if !ok || stepOf(c.Err) != StepIPCP || !strings.Contains(c.Err.Error(), tt.says) {
			t.Errorf("%v: %v", tt.code, c.Err)
		}
		if count[IPv4Up](e) != 0 || e.Ready(ppp.ProtocolIPv4) {
			t.Error("it came up")
		}
	}
}

// A client that will not have its address ends its IPCP.
func TestIPCPServerInsists(t *testing.T) {
	for _, want := range [][]ppp.Option{{}, {ip(ppp.IPAddress, "6.6.6.6")}} {
		cfg := serverConfig()
		cfg.IPV6CP = nil
		e := network(t, cfg)
		for i := range 30 {
			e.say(t, epoch, ppp.ProtocolIPCP, configureRequest(uint8(i), want...))
		}
		e.Expire(epoch.Add(3 * time.Second))
		e.Expire(epoch.Add(6 * time.Second))
		if c, ok := find[Terminating](e); !ok || stepOf(c.Err) != StepIPCP {
			t.Errorf("%v: %v", want, e.events)
		}
		if count[IPv4Up](e) != 0 {
			t.Error("it came up")
		}
	}
}

func TestIPV6CPAnswers(t *testing.T) {
	mine, theirs := ppp.InterfaceIdentifier{7: 1}, ppp.InterfaceIdentifier{7: 2}
	raw := ppp.RawOption{Type: 99, Data: []byte{1}}
	cfg := clientConfig()
	cfg.IPV6CP = []ppp.Option{mine}
	ask := func(cfg Config, o ...ppp.Option) ppp.Configure {
		e := network(t, cfg)
		e.say(t, epoch, ppp.ProtocolIPV6CP, configureRequest(3, o...))
		got := e.heard(t)
		return got[len(got)-1].(ppp.Configure)
	}
	if got := ask(cfg, theirs); got.Code != ppp.CodeConfigureAck {
		t.Errorf("another identifier: %v", got)
	}
	for _, o := range []ppp.Option{mine, ppp.InterfaceIdentifier{}, ppp.RawOption{Type: 1, Data: []byte{1}}} {
		got := ask(cfg, o)
		if id, ok := got.Options[0].(ppp.InterfaceIdentifier); got.Code != ppp.CodeConfigureNak || !ok || id == mine || id == (ppp.InterfaceIdentifier{}) || id[0]&2 != 0 {
			t.Errorf("%v: %v", o, got)
		}
	}
	if got := ask(cfg, theirs, raw); got.Code != ppp.CodeConfigureReject || len(got.Options) != 1 {
		t.Errorf("an unknown option: %v", got)
	}
	server := serverConfig()
	server.Assign = func(string) (Addresses, error) {
		a, _ := assign("")
		a.LocalInterface, a.PeerInterface = mine, theirs
		return a, nil
	}
	for _, o := range [][]ppp.Option{{}, {mine}, {ppp.InterfaceIdentifier{}}} {
		if got := ask(server, o...); got.Code != ppp.CodeConfigureNak || got.Options[0] != theirs {
			t.Errorf("%v: %v", o, got)
		}
	}
	if got := ask(server, theirs); got.Code != ppp.CodeConfigureAck {
		t.Errorf("the assigned one: %v", got)
	}
}

func TestIPV6CPRequests(t *testing.T) {
	cfg := clientConfig()
	cfg.IPCP = nil
	e := network(t, cfg)
	theirs := ppp.InterfaceIdentifier{7: 2}
	e.say(t, epoch, ppp.ProtocolIPV6CP, configureRequest(1, theirs))
	asked := e.heard(t)[0].(ppp.Configure)
	answer := func(code ppp.Code, o ...ppp.Option) ppp.InterfaceIdentifier {
		e.say(t, epoch, ppp.ProtocolIPV6CP, ppp.Configure{Code: code, Identifier: asked.Identifier, Options: o})
		asked, _ = e.heard(t)[0].(ppp.Configure)
		id, _ := asked.Options[0].(ppp.InterfaceIdentifier)
		return id
	}
	proposed := ppp.InterfaceIdentifier{7: 9}
	if got := answer(ppp.CodeConfigureNak, proposed); got != proposed {
		t.Errorf("asks for %v", got)
	}
	for _, bad := range []ppp.InterfaceIdentifier{{}, theirs} {
		if got := answer(ppp.CodeConfigureNak, bad); got == bad || got == proposed || got == (ppp.InterfaceIdentifier{}) {
			t.Errorf("asks for %v after a Nak with %v", got, bad)
		}
	}
	e.say(t, epoch, ppp.ProtocolIPV6CP, ppp.Configure{Code: ppp.CodeConfigureReject, Identifier: asked.Identifier, Options: asked.Options})
	e.say(t, epoch, ppp.ProtocolIPV6CP, ppp.Terminate{Code: ppp.CodeTerminateAck})
	if c, ok := find[Terminating](e); !ok || stepOf(c.Err) != StepIPV6CP {
		t.Errorf("after a Reject: %v", e.events)
	}
}

// Options that no implementation is known to ask for do no harm.
func TestUnusualRequests(t *testing.T) {
	odd := ppp.RawOption{Type: 99, Data: []byte{1}}
	client, server := clientConfig(), serverConfig()
	client.LCP, server.LCP = []ppp.Option{odd}, []ppp.Option{odd}
	client.IPV6CP = append(client.IPV6CP, odd)
	server.IPCP, server.IPV6CP = append(server.IPCP, odd, ip(ppp.PrimaryDNS, "10.0.0.9")), []ppp.Option{odd}
	server.Assign = func(string) (Addresses, error) {
		a, err := assign("")
		a.Local = netip.Addr{}
		return a, err
	}
	p := newPair(t, client, server)
	p.open()
	p.mustRun(time.Second, "up", p.quiet)
	if a := p.client().Addresses(); a.Peer.IsValid() || a.Local != addr("10.0.0.2") {
		t.Errorf("%+v", a)
	}
	// The other way to refuse them.
	for _, number := range []ppp.Protocol{ppp.ProtocolIPCP, ppp.ProtocolIPV6CP, ppp.ProtocolCCP} {
		cfg := serverConfig()
		cfg.IPCP, cfg.IPV6CP, cfg.CCP = append(cfg.IPCP, odd), []ppp.Option{odd}, []ppp.Option{odd}
		e := network(t, cfg)
		e.say(t, epoch, number, configureRequest(1, odd))
		asked := e.heard(t)[0].(ppp.Configure)
		e.say(t, epoch, number, ppp.Configure{Code: ppp.CodeConfigureNak, Identifier: asked.Identifier, Options: []ppp.Option{odd, ip(ppp.IPAddress, "6.6.6.6")}})
		got := e.heard(t)[0].(ppp.Configure).Options
		want := []ppp.Option{}
		if number == ppp.ProtocolIPCP {
			want = append(want, ip(ppp.IPAddress, "10.0.0.1"))
		}
		if d := cmp.Diff(want, append([]ppp.Option{}, got...), equateAddr); d != "" {
			t.Errorf("%v (-want +got):\n%s", number, d)
		}
	}
}
