package profile_test

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
	"sstpwarden/pcaps/sstpref/profile"
)

// unhex reads hexadecimal digits, spaces apart.
func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// made are values in place of those that an endpoint makes up.
type made struct {
	magic    ppp.MagicNumber
	id       ppp.InterfaceIdentifier
	address  string
	auth     ppp.AuthenticationProtocol
	endpoint []byte
}

// packet is a whole SSTP packet with a Configure-Request.
func packet(t *testing.T, p ppp.Protocol, identifier uint8, acfc bool, options []ppp.Option, m made) []byte {
	t.Helper()
	options = slices.Clone(options)
	for i, o := range options {
		switch o := o.(type) {
		case ppp.MagicNumber:
			options[i] = m.magic
		case ppp.InterfaceIdentifier:
			options[i] = m.id
		case ppp.AuthenticationProtocol:
			options[i] = m.auth
		case ppp.EndpointDiscriminator:
			options[i] = ppp.EndpointDiscriminator{Class: o.Class, Address: m.endpoint}
		case ppp.IPCPAddress:
			if m.address != "" && o.Type == ppp.IPAddress {
				options[i] = ppp.IPCPAddress{Type: o.Type, Addr: netip.MustParseAddr(m.address)}
			}
		}
	}
	body, err := ppp.Configure{Code: ppp.CodeConfigureRequest, Identifier: identifier, Options: options}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return sstp.Packet{Data: ppp.Frame{Protocol: p, ACFC: acfc, Payload: body}.Append(nil)}.Append(nil)
}

// The first requests of real captures, byte for byte. A protocol's first request
// on the wire may come after LCP has agreed on ACFC.
func TestFirstRequest(t *testing.T) {
	mschapv2 := ppp.AuthenticationProtocol{Protocol: ppp.ProtocolCHAP, Algorithm: ppp.CHAPMSCHAPv2}
	win, sstpc := client(t, "windows7"), client(t, "sstpc")
	rras, softether, accel := server(t, "rras"), server(t, "softether"), server(t, "accel")
	for _, tt := range []struct {
		name       string
		protocol   ppp.Protocol
		identifier uint8
		acfc       bool
		options    []ppp.Option
		made       made
		want       string
	}{
		{
			"windows7 LCP", ppp.ProtocolLCP, 0, false, win.LCP,
			made{magic: 0x11223344},
			"1000001d ff03 c021 01000015 01040ffb 050611223344 0702 0802 0d0306",
		},
		{
			"windows7 IPCP", ppp.ProtocolIPCP, 5, true, win.IPCP,
			made{},
			"10000028 8021 01050022 030600000000 810600000000 820600000000 830600000000 840600000000",
		},
		{
			"windows7 IPV6CP", ppp.ProtocolIPV6CP, 4, true, win.IPV6CP,
			made{id: ppp.InterfaceIdentifier{0x24, 0xbb, 0xa3, 0x68, 0xe6, 0x7b, 0x35, 0xa5}},
			"10000014 8057 0104000e 010a24bba368e67b35a5",
		},
		{
			"rras LCP", ppp.ProtocolLCP, 0, false, rras.LCP,
			made{
				magic: 0x55667788, auth: ppp.AuthenticationProtocol{Protocol: ppp.ProtocolEAP},
				endpoint: unhex(t, "000102030405060708090a0b0c0d0e0f00000000"),
			},
			"1000003c ff03 c021 01000034 01040ffb 0304c227 050655667788 0702 0802 0d0306 1104064e 131701000102030405060708090a0b0c0d0e0f00000000",
		},
		{
			"rras CCP", ppp.ProtocolCCP, 4, true, rras.CCP,
			made{},
			"10000010 80fd 0104000a 120601000001",
		},
		{
			"rras IPCP", ppp.ProtocolIPCP, 5, true, rras.IPCP,
			made{address: "192.168.100.100"},
			"10000010 8021 0105000a 0306c0a86464",
		},
		{
			"sstpc LCP", ppp.ProtocolLCP, 1, false, sstpc.LCP,
			made{magic: 0x93cf8669},
			"1000001c ff03 c021 01010014 020600000000 050693cf8669 0702 0802",
		},
		{
			"sstpc IPCP", ppp.ProtocolIPCP, 1, false, sstpc.IPCP,
			made{},
			"10000024 ff03 8021 0101001c 0206002d0f01 030600000000 810600000000 830600000000",
		},
		{
			"sstpc IPV6CP", ppp.ProtocolIPV6CP, 1, false, sstpc.IPV6CP,
			made{id: ppp.InterfaceIdentifier{0x9d, 0x0c, 0x0c, 0xde, 0x52, 0x31, 0xde, 0x94}},
			"10000016 ff03 8057 0101000e 010a9d0c0cde5231de94",
		},
		{
			"softether LCP", ppp.ProtocolLCP, 0, false, softether.LCP,
			made{auth: ppp.AuthenticationProtocol{Protocol: ppp.ProtocolPAP}},
			"10000010 ff03 c021 01000008 0304c023",
		},
		{
			"softether LCP, MS-CHAP-V2", ppp.ProtocolLCP, 1, false, softether.LCP,
			made{auth: mschapv2},
			"10000011 ff03 c021 01010009 0305c22381",
		},
		{
			"softether IPCP", ppp.ProtocolIPCP, 2, false, softether.IPCP,
			made{address: "1.0.0.1"},
			"10000012 ff03 8021 0102000a 030601000001",
		},
		{
			"accel LCP", ppp.ProtocolLCP, 0xbc, false, accel.LCP,
			made{magic: 0x7a925759, auth: mschapv2},
			"1000001b ff03 c021 01bc0013 0305c22381 01040578 05067a925759",
		},
		{
			"accel LCP, PAP", ppp.ProtocolLCP, 0x10, false, accel.LCP,
			made{magic: 0x24809416, auth: ppp.AuthenticationProtocol{Protocol: ppp.ProtocolPAP}},
			"1000001a ff03 c021 01100012 0304c023 01040578 050624809416",
		},
		{
			"accel IPCP", ppp.ProtocolIPCP, 0x4f, false, accel.IPCP,
			made{address: "192.168.40.1"},
			"10000012 ff03 8021 014f000a 0306c0a82801",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := packet(t, tt.protocol, tt.identifier, tt.acfc, tt.options, tt.made)
			if diff := cmp.Diff(unhex(t, tt.want), got); diff != "" {
				t.Errorf("packet (-want +got):\n%s", diff)
			}
		})
	}
}

// FACTS 5.1: the sizes of first requests as SSTP packets.
func TestFirstRequestSize(t *testing.T) {
	mschapv2 := made{auth: ppp.AuthenticationProtocol{Protocol: ppp.ProtocolCHAP, Algorithm: ppp.CHAPMSCHAPv2}}
	for _, tt := range []struct {
		name              string
		ppp               profile.PPP
		lcp, ipcp, ipv6cp int // 0: not spoken
	}{
		{"windows", client(t, "windows").PPP, 29, 42, 22},
		{"windows7", client(t, "windows7").PPP, 29, 42, 22},
		{"sstpc", client(t, "sstpc").PPP, 28, 36, 22},
		{"osc", client(t, "osc").PPP, 16, 24, 0},
		{"mihomo", client(t, "mihomo").PPP, 16, 18, 0},
		{"mikrotik", client(t, "mikrotik").PPP, 22, 18, 0},
		{"accel", server(t, "accel").PPP, 27, 18, 0},
		{"softether", server(t, "softether").PPP, 17, 18, 0},
	} {
		size := func(p ppp.Protocol, options []ppp.Option) int {
			if options == nil {
				return 0
			}
			return len(packet(t, p, 1, false, options, mschapv2))
		}
		got := [3]int{size(ppp.ProtocolLCP, tt.ppp.LCP), size(ppp.ProtocolIPCP, tt.ppp.IPCP), size(ppp.ProtocolIPV6CP, tt.ppp.IPV6CP)}
		if want := [3]int{tt.lcp, tt.ipcp, tt.ipv6cp}; got != want {
			t.Errorf("%s: LCP, IPCP, IPV6CP of %v bytes, want %v", tt.name, got, want)
		}
	}
}

// Real capture: Windows 7 says what it is, with the GUID of its request.
func TestIdentification(t *testing.T) {
	id := guid(t, "0D528CAC-464E-423A-A399-9470E234BC54")
	want := []string{
		"MSRASV5.20", "MSRAS-0-CLIENT001-WIN7",
		string(unhex(t, "ac8c520d 4e46 3a42 a399 9470e234bc54")),
	}
	sizes := []int{24, 37, 30} // FACTS 5.1, with ACFC
	want[1] = "MSRAS-0-" + strings.Repeat("x", 15)
	got := client(t, "windows7").Identification(strings.Repeat("x", 15), id)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("identifications (-want +got):\n%s", diff)
	}
	for i, text := range got {
		b, err := ppp.Identification{Identifier: 1, MagicNumber: 1, Message: text}.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		f := ppp.Frame{Protocol: ppp.ProtocolLCP, ACFC: client(t, "windows7").ShortLCP, Payload: b}
		if n := (sstp.Packet{Data: f.Append(nil)}).Len(); n != sizes[i] {
			t.Errorf("identification %d: %d bytes, want %d", i, n, sizes[i])
		}
	}
	if client(t, "sstpc").Identification != nil {
		t.Error("sstpc says what it is, which pppd does not")
	}
}

// Real capture: the Terminate-Request of Windows 7.
func TestTerminateData(t *testing.T) {
	got := client(t, "windows7").TerminateData(0x11223344)
	b, err := ppp.Terminate{Code: ppp.CodeTerminateRequest, Identifier: 10, Data: got}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := sstp.Packet{Data: ppp.Frame{Protocol: ppp.ProtocolLCP, Payload: b}.Append(nil)}.Append(nil)
	if diff := cmp.Diff(unhex(t, "10000018 ff03 c021 050a0010 11223344 003ccd74 00000000"), p); diff != "" {
		t.Errorf("packet (-want +got):\n%s", diff)
	}
}

// Real captures: what servers say of an authentication, and their echoes.
func TestTexts(t *testing.T) {
	success := ppp.MSCHAPv2Success{AuthenticatorResponse: [20]byte(unhex(t, "E204E18AF371FA8C9CB114AA12E166746A262F75"))}
	success.Message = server(t, "accel").SuccessText
	if got, want := success.String(), "S=E204E18AF371FA8C9CB114AA12E166746A262F75 M=Authentication succeeded"; got != want {
		t.Errorf("accel's success: %q, want %q", got, want)
	}
	if got, want := server(t, "accel").Failure.String(), "E=691 R=0 V=3 M=Authentication failure"; got != want {
		t.Errorf("accel's failure: %q, want %q", got, want)
	}
	if got := server(t, "softether").AuthName + server(t, "softether").SuccessText + server(t, "accel").AuthName; got != "(none)" {
		t.Errorf("names and texts of SoftEther and accel-ppp: %q", got)
	}
	echo := ppp.Echo{Code: ppp.CodeEchoRequest, Identifier: 4, Data: []byte(server(t, "softether").LCPEchoData)}
	b, err := echo.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(unhex(t, "09040018 00000000 41686f2042616b61204d616e756b6500"), b); diff != "" {
		t.Errorf("SoftEther's echo (-want +got):\n%s", diff)
	}
}

// What an endpoint relies on in every profile.
func TestComplete(t *testing.T) {
	check := func(name string, p profile.PPP, m profile.Messages) {
		if len(p.LCP) == 0 || len(p.IPCP) == 0 || len(p.Methods) == 0 || p.RestartTimer <= 0 {
			t.Errorf("%s: incomplete: %+v", name, p)
		}
		for _, e := range []profile.EchoTimer{m.Hello, p.LCPEcho} {
			if e.Min > e.Max || e.Min < 0 || e.Misses < 0 || (e.Max == 0) != (e == profile.EchoTimer{}) {
				t.Errorf("%s: echo timer %+v", name, e)
			}
		}
		if m.LengthReserved > 15 || m.Coalesce < 0 || m.Coalesce > 1<<14 {
			t.Errorf("%s: %+v", name, m)
		}
		for _, o := range slices.Concat(p.LCP, p.IPCP) {
			if slices.Contains(p.RejectLCP, o.OptionType()) && slices.Contains(p.LCP, o) {
				t.Errorf("%s: asks for %T and rejects it", name, o)
			}
		}
	}
	for _, name := range profile.ClientNames() {
		c := client(t, name)
		check(name, c.PPP, c.Messages)
		if c.Name != name || c.Request == nil || c.Connect == nil || (c.Hello == "") != (name == "reference") {
			t.Errorf("client %s: incomplete", name)
		}
		if c.CBCP != slices.Contains(c.LCP, ppp.Option(ppp.Callback{Operation: ppp.CallbackCBCP})) {
			t.Errorf("client %s: asks for callback and does not do CBCP, or the reverse", name)
		}
		if slices.ContainsFunc(c.LCP, func(o ppp.Option) bool { return o.OptionType() == 3 }) {
			t.Errorf("client %s asks the server to authenticate itself", name)
		}
	}
	for _, name := range profile.ServerNames() {
		s := server(t, name)
		check(name, s.PPP, s.Messages)
		if s.Name != name || s.Response == nil || s.Refusal == nil || s.HashProtocols.Strongest() == 0 {
			t.Errorf("server %s: incomplete", name)
		}
		if !slices.ContainsFunc(s.LCP, func(o ppp.Option) bool { return o.OptionType() == 3 }) {
			t.Errorf("server %s asks nobody to authenticate", name)
		}
	}
	if m := client(t, "mihomo").Methods; len(m) != 1 || m[0] != pppauth.PAP {
		t.Errorf("mihomo does %v, want PAP alone", m)
	}
}

// A profile can be changed without changing what others get.
func TestFresh(t *testing.T) {
	a := client(t, "windows7")
	a.LCP[0], a.Methods[0] = ppp.MRU(1), 0
	if b := client(t, "windows7"); b.LCP[0] != ppp.MRU(sstp.MaxDataLen) || b.Methods[0] == 0 {
		t.Error("changing one copy of a profile changed another")
	}
}
