package pppref

import (
	"testing"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// Option lists of real implementations, from captures of them.
func windowsClient() Config {
	return Config{
		Role: Client,
		LCP: []ppp.Option{
			ppp.MRU(4091), ppp.MagicNumber(0x11223344),
			ppp.ProtocolFieldCompression{},
			ppp.AddressAndControlFieldCompression{},
			ppp.Callback{Operation: ppp.CallbackCBCP},
		},
		IPCP:           askFor(ppp.IPAddress, ppp.PrimaryDNS, ppp.PrimaryNBNS, ppp.SecondaryDNS, ppp.SecondaryNBNS),
		IPV6CP:         []ppp.Option{ppp.InterfaceIdentifier{0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77}},
		Methods:        []pppauth.Method{pppauth.MSCHAPv2},
		Identification: []string{"MSRASV5.20", "MSRAS-0-CLIENT0001-WIN7", "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff"},
		Quirks: Quirks{
			SharedIdentifiers: true, ShortLCP: true, IPv6First: true, Callback: true,
			TerminateData: func(magic uint32, _ string) []byte {
				return append([]byte{byte(magic >> 24), byte(magic >> 16), byte(magic >> 8), byte(magic)}, 0, 0x3c, 0xcd, 0x74, 0, 0, 0, 0)
			},
		},
	}
}

func rrasServer(t *testing.T) Config {
	return Config{
		Role: Server,
		LCP: []ppp.Option{
			ppp.MRU(4091),
			ppp.AuthenticationProtocol{Protocol: ppp.ProtocolEAP},
			ppp.MagicNumber(0x55667788),
			ppp.ProtocolFieldCompression{},
			ppp.AddressAndControlFieldCompression{},
			ppp.Callback{Operation: ppp.CallbackCBCP},
			ppp.MRRU(1614),
			ppp.EndpointDiscriminator{Class: ppp.EndpointLocal, Address: unhex(t, "000102030405060708090a0b0c0d0e0f00000000")},
		},
		IPCP:    askFor(ppp.IPAddress),
		CCP:     []ppp.Option{ppp.MPPE(0x01000001)},
		Methods: []pppauth.Method{pppauth.EAPMSCHAPv2, pppauth.MSCHAPv2},
		Assign:  assign,
		Quirks:  Quirks{SharedIdentifiers: true, ShortLCP: true, Callback: true, PassiveLCP: true, CopyTerminateData: true},
	}
}

// octets are the sizes of the SSTP data packets that carry what e has sent.
func (e *end) octets() []int {
	var sizes []int
	for _, f := range e.sent {
		sizes = append(sizes, sstp.HeaderLen+len(f.Append(nil)))
	}
	return sizes
}

// Sizes of first Configure-Requests of LCP.
func TestFirstRequestSizes(t *testing.T) {
	mschap := ppp.AuthenticationProtocol{Protocol: ppp.ProtocolCHAP, Algorithm: ppp.CHAPMSCHAPv2}
	accel := []ppp.Option{mschap, ppp.MRU(1400), ppp.MagicNumber(0)}
	for _, tt := range []struct {
		name    string
		lcp     []ppp.Option
		methods []pppauth.Method // of a server
		want    int
	}{
		{"Windows", windowsClient().LCP, nil, 29},
		{"pppd", []ppp.Option{ppp.ACCM(0), ppp.MagicNumber(0), ppp.ProtocolFieldCompression{}, ppp.AddressAndControlFieldCompression{}}, nil, 28},
		{"Open SSTP Client, mihomo", []ppp.Option{ppp.MRU(1500)}, nil, 16},
		{"RRAS", rrasServer(t).LCP, []pppauth.Method{pppauth.EAPTLS}, 60},
		{"accel-ppp with MS-CHAP-V2", accel, []pppauth.Method{pppauth.MSCHAPv2}, 27},
		{"accel-ppp with PAP", accel, []pppauth.Method{pppauth.PAP}, 26},
		{"SoftEther with EAP", nil, []pppauth.Method{pppauth.EAPMSCHAPv2}, 16},
		{"SoftEther with MS-CHAP-V2", nil, []pppauth.Method{pppauth.MSCHAPv2}, 17},
	} {
		cfg := clientConfig()
		if tt.methods != nil {
			cfg = serverConfig()
			cfg.Methods = tt.methods
		}
		cfg.LCP = tt.lcp
		e := newEnd(t, "x", cfg)
		e.Open(epoch)
		if got := e.octets(); len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s: %v octets, want %d", tt.name, got, tt.want)
		}
	}
}

// A Windows client's sizes against an RRAS server's, both ours, as the two wrote them
// to each other.
func TestWindowsSizes(t *testing.T) {
	p := newPair(t, windowsClient(), rrasServer(t))
	sizes := map[string][]int{}
	p.touch = func(_ int, from *end, f ppp.Frame) (int, time.Duration) {
		sizes[from.name] = append(sizes[from.name], sstp.HeaderLen+len(f.Append(nil)))
		return 1, 0
	}
	p.open()
	p.mustRun(2*time.Second, "up", func() bool {
		return p.client().Ready(ppp.ProtocolIPv4) && p.server().Ready(ppp.ProtocolIPv4) && len(p.inFlight) == 0
	})
	p.client().Close(p.now, "")
	p.collect()
	p.mustRun(time.Minute, "down", p.bothDown)

	user, challenge := len("alice"), len("server")
	want := map[string][]int{
		// request, reject, nak, ack, three identifications, response, CBCP, IPV6CP,
		// IPCP, Protocol-Reject of CCP, ack, IPCP without NBNS, with addresses, terminate
		"client": {29, 39, 17, 34, 24, 22 + len("CLIENT0001-WIN7"), 30, 60 + user, 12, 20, 40, 22, 16, 28, 28, 24},
		// request, ack, request without multilink, with MS-CHAP-V2, challenge, success,
		// CBCP twice, CCP, IPCP, Protocol-Reject of IPV6CP, reject, nak, ack, terminate
		"server": {60, 29, 33, 34, 27 + challenge, 52, 12, 12, 16, 16, 26, 22, 28, 28, 24},
	}
	for name, w := range want {
		if !equal(sizes[name], w) {
			t.Errorf("%s:\n got %v\nwant %v", name, sizes[name], w)
		}
	}
	if p.client().down().Err != nil || count[Identified](p.server()) != 3 {
		t.Errorf("client %v, server %v", p.client().events, p.server().events)
	}
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// Control frames of the network protocols with and without address and control.
func TestNetworkSizes(t *testing.T) {
	vj := ppp.IPCompressionProtocol{MaxSlotID: 15, CompSlotID: true}
	for _, tt := range []struct {
		name   string
		ipcp   []ppp.Option
		v6     []ppp.Option
		full   bool
		octets []int
	}{
		{"Windows", windowsClient().IPCP, windowsClient().IPV6CP, false, []int{40, 20}},
		{"Windows, nothing compressed", windowsClient().IPCP, windowsClient().IPV6CP, true, []int{42, 22}},
		{"address alone", askFor(ppp.IPAddress), nil, false, []int{16}},
		{"Open SSTP Client", askFor(ppp.IPAddress, ppp.PrimaryDNS), nil, true, []int{24}},
		{"pppd", append([]ppp.Option{vj}, askFor(ppp.IPAddress, ppp.PrimaryDNS, ppp.SecondaryDNS)...), nil, false, []int{34}},
	} {
		cfg := clientConfig()
		cfg.IPCP, cfg.IPV6CP, cfg.FullHeaders = tt.ipcp, tt.v6, tt.full
		p := newPair(t, cfg, serverConfig())
		var sizes []int
		p.touch = func(_ int, from *end, f ppp.Frame) (int, time.Duration) {
			if f.Protocol&0xff00 == 0x8000 && from == p.client() && f.Payload[0] == 1 && f.Payload[1] == 0 {
				sizes = append(sizes, sstp.HeaderLen+len(f.Append(nil)))
			}
			return 1, 0
		}
		p.open()
		p.mustRun(time.Second, "up", func() bool { return p.client().Ready(ppp.ProtocolIPv4) })
		if !equal(sizes, tt.octets) {
			t.Errorf("%s: %v, want %v", tt.name, sizes, tt.octets)
		}
		if acfc, pfc := p.client().DataForm(); acfc == tt.full || pfc == tt.full {
			t.Errorf("%s: data form %v, %v", tt.name, acfc, pfc)
		}
		if want := map[bool]int{false: 4090, true: 4087}[tt.full]; p.client().MTU() != want {
			t.Errorf("%s: MTU %d, want %d", tt.name, p.client().MTU(), want)
		}
	}
}

func TestMTU(t *testing.T) {
	for _, tt := range []struct {
		mru              ppp.Option
		maxFrame, maxMTU int
		want             int
	}{
		{nil, 0, 0, 1500},
		{ppp.MRU(1400), 0, 0, 1400},
		{ppp.MRU(65535), 0, 0, 4087},
		{ppp.MRU(4091), 0, 1400, 1400},
		{ppp.MRU(4091), 2000, 0, 1996},
		{ppp.MRU(800), 0, 1400, 800},
	} {
		server := serverConfig()
		server.LCP = nil
		if tt.mru != nil {
			server.LCP = []ppp.Option{tt.mru}
		}
		client := clientConfig()
		client.MaxFrame, client.MaxMTU = tt.maxFrame, tt.maxMTU
		p := newPair(t, client, server)
		if got := p.client().MTU(); got > DefaultMRU {
			t.Errorf("MTU %d before LCP", got)
		}
		p.open()
		p.mustRun(time.Second, "up", p.quiet)
		if got := p.client().MTU(); got != tt.want {
			t.Errorf("%v, %d, %d: MTU %d, want %d", tt.mru, tt.maxFrame, tt.maxMTU, got, tt.want)
		}
	}
}
