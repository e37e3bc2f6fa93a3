package pppref

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// Conversations as they were recorded: C from the client, S from the server.
const (
	// sstp-client 1.0.18 with pppd 2.4.9 and accel-ppp 1.14.
	pppdAccel = `
S ff03c02101bc00130305c223810104057805067a925759
C ff03c02101010014020600000000050693cf866907020802
S ff03c0210401000e02060000000007020802
C ff03c02102bc00130305c223810104057805067a925759
C ff03c0210102000a050693cf8669
S ff03c0210202000a050693cf8669
S ff03c223010100151022a3f134e96f335e19c2e6e05f0376a1
C ff03c0210900000893cf8669
S ff03c0210a0000087a925759
C ff03c2230201003b319d60a42faf8796bd92bea41efa14e6a50000000000000000b087ad12c2a24f65ccef118d67edb39a73e3a47b3d81c48f00616c696365
S ff03c22303010049533d45323034453138414633373146413843394342313134414131324531363637343641323632463735204d3d41757468656e7469636174696f6e20737563636565646564
S ff038021014f000a0306c0a82801
C ff0380210101001c0206002d0f01030600000000810600000000830600000000
C ff0380570101000e010a9d0c0cde5231de94
C ff038021024f000a0306c0a82801
S ff038021040100160206002d0f01810600000000830600000000
S ff03c02108be00068057
C ff0380210102000a030600000000
S ff0380210302000a0306c0a82802
C ff0380210103000a0306c0a82802
S ff0380210203000a0306c0a82802`
	// A fork of sstp-client with pppd 2.4.9 and SoftEther 4.44.
	pppdSoftEther = `
C ff03c021010100140206000000000506d86fc8a407020802
S ff03c021010000080304c023
S ff03c021040100140206000000000506d86fc8a407020802
C ff03c021030000090305c22381
S ff03c021010100090305c22381
C ff03c02101020004
S ff03c02102020004
C ff03c021020100090305c22381
S ff03c2230100001b106440d94c9e28f383e646506cd6a9523b286e6f6e6529
C ff03c0210900000800000000
S ff03c0210a00000800000000
C ff03c2230200003b31091b0206bb623c57114d38db0f695b75000000000000000085fafc6049f6fc8afd60fbfaa87cfcde35a660926f00e64b00616c696365
S ff03c2230300002e533d37333339353643433732324230304432383039413341424235433538313531383944373246334137
C ff0380210101001c0206002d0f01030600000000810600000000830600000000
S ff0380210102000a030601000001
C ff0380570101000e010a7cc7f046451cba65
S ff038021040100100206002d0f01830600000000
S ff03c0210803001480570101000e010a7cc7f046451cba65
C ff0380210202000a030601000001
C ff03802101020010030600000000810600000000
S ff038021030200100306c0a81e0a8106c0a81e01
C ff038021010300100306c0a81e0a8106c0a81e01
S ff038021020300100306c0a81e0a8106c0a81e01`
	// As Windows 7 and Windows Server 2008 R2 do it, with values made up. The server did not answer the client's
	// first requests of IPV6CP and IPCP; what stands here came two seconds later.
	windowsRRAS = `
C ff03c0210100001501040ffb050611223344070208020d0306
S ff03c0210100003401040ffb0304c227050655667788070208020d03061104064e131701000102030405060708090a0b0c0d0e0f00000000
S ff03c0210200001501040ffb050611223344070208020d0306
C ff03c0210400001f1104064e131701000102030405060708090a0b0c0d0e0f00000000
S ff03c0210101001901040ffb0304c227050655667788070208020d0306
C ff03c021030100090305c22381
S ff03c0210102001a01040ffb0305c22381050655667788070208020d0306
C ff03c0210202001a01040ffb0305c22381050655667788070208020d0306
C c0210c010012112233444d5352415356352e3230
C c0210c02001f112233444d535241532d302d434c49454e54303030312d57494e37
C c0210c0300181122334433221100554477668899aabbccddeeff
S c2230100001d10a0a1a2a3a4a5a6a7a8a9aaabacadaeaf5345525645522d31
C c223020000463b0b1b2b3b4b5b6b7b8b9babbbcbdbebfa0000000000000000c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7004558414d504c455c616c696365696e64
S c2230300002e533d41414141414141414141414141414141414141414141414141414141414141414141414141414141
S c029010100060102
C c029020100060102
S c029030100060102
C 80570107000e010a0211223344556677
C 802101060022030600000000810600000000820600000000830600000000840600000000
S 80fd0104000a120601000001
S 80210105000a0306c0a86464
C c0210808001080fd0104000a120601000001
C 80210205000a0306c0a86464
S 8021030600220306c0a864658106c0a800018206c0a882e58306c0a882f58406c0a882f5
S c0210806001480570107000e010a0211223344556677
C 8021010900220306c0a864658106c0a800018206c0a882e58306c0a882f58406c0a882f5
S 8021020900220306c0a864658106c0a800018206c0a882e58306c0a882f58406c0a882f5`
	windowsEnd = `
C ff03c021050a001011223344003ccd7400000000
S ff03c021060a001011223344003ccd7400000000`
)

// octetsOf returns the frames of a conversation.
func octetsOf(t testing.TB, conversation string) [][]byte {
	t.Helper()
	var frames [][]byte
	for line := range strings.Lines(strings.TrimSpace(conversation)) {
		_, octets, _ := strings.Cut(strings.TrimSpace(line), " ")
		b, err := hex.DecodeString(octets)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, b)
	}
	return frames
}

// recorded is a Party that says what was said then.
type recorded struct {
	own           []ppp.Message
	authenticator bool
	outcome       pppauth.Outcome
}

func (r *recorded) next() []ppp.Message {
	if len(r.own) == 0 {
		return nil
	}
	m := r.own[0]
	r.own = r.own[1:]
	return []ppp.Message{m}
}

func (r *recorded) Start() []ppp.Message {
	if r.authenticator {
		return r.next()
	}
	return nil
}

func (r *recorded) Receive(m ppp.Message) []ppp.Message {
	if _, ok := m.(ppp.CHAPSuccess); ok || r.authenticator {
		r.outcome = pppauth.Outcome{State: pppauth.Succeeded, Name: "alice"}
	}
	return r.next()
}

func (r *recorded) Timeout() []ppp.Message   { return nil }
func (r *recorded) Outcome() pppauth.Outcome { return r.outcome }
func (r *recorded) Close()                   {}

// replay plays the peer's side of a conversation to a link of cfg, and returns, of each
// protocol, what the link said and what was said then. Identifiers of requests are
// passed over: answers that are played get that of the request they answer.
func replay(t *testing.T, cfg Config, conversation string) (*end, map[ppp.Protocol][]string, map[ppp.Protocol][]string) {
	t.Helper()
	own := "C"
	if cfg.Role == Server {
		own = "S"
	}
	said, then := map[ppp.Protocol][]string{}, map[ppp.Protocol][]string{}
	var theirs []ppp.Frame
	party := &recorded{authenticator: cfg.Role == Server}
	for line := range strings.Lines(strings.TrimSpace(conversation)) {
		from, octets, _ := strings.Cut(strings.TrimSpace(line), " ")
		f, err := ppp.ParseFrame(unhex(t, octets))
		if err != nil {
			t.Fatal(err)
		}
		if from != own {
			theirs = append(theirs, f)
			continue
		}
		then[f.Protocol] = append(then[f.Protocol], spelled(f))
		if f.Protocol == ppp.ProtocolCHAP {
			m, _, err := ppp.ParseMessage(f.Protocol, f.Payload)
			if err != nil {
				t.Fatal(err)
			}
			party.own = append(party.own, m)
		}
	}
	cfg.NewParty = func(pppauth.Method) (pppauth.Party, error) { return party, nil }
	e := newEnd(t, "x", cfg)
	asked := map[ppp.Protocol]byte{}
	listen := func() {
		for _, f := range e.sent {
			if ppp.Code(f.Payload[0]) == ppp.CodeConfigureRequest {
				asked[f.Protocol] = f.Payload[1]
			}
			said[f.Protocol] = append(said[f.Protocol], spelled(f))
		}
		e.sent = nil
	}
	e.Open(epoch)
	listen()
	for _, f := range theirs {
		if c := ppp.Code(f.Payload[0]); c >= ppp.CodeConfigureAck && c <= ppp.CodeConfigureReject && f.Protocol != ppp.ProtocolCHAP && f.Protocol != ppp.ProtocolCBCP {
			f.Payload[1] = asked[f.Protocol]
		}
		e.Receive(epoch, f)
		listen()
	}
	return e, said, then
}

// spelled is a frame without the identifier that its sender chose.
func spelled(f ppp.Frame) string {
	b := f.Append(nil)
	id := len(b) - len(f.Payload) + 1
	switch c := ppp.Code(f.Payload[0]); {
	case f.Protocol == ppp.ProtocolCHAP || f.Protocol == ppp.ProtocolCBCP:
	case c == ppp.CodeConfigureAck || c == ppp.CodeConfigureNak || c == ppp.CodeConfigureReject || c == ppp.CodeTerminateAck || c == ppp.CodeEchoReply:
	default:
		b[id] = 0
	}
	if f.Protocol == ppp.ProtocolLCP && ppp.Code(f.Payload[0]) == ppp.CodeProtocolReject && len(f.Payload) > 7 {
		b[id+6] = 0 // of the packet that is rejected
	}
	return fmt.Sprintf("%x", b)
}

func accelServer() Config {
	return Config{
		Role: Server, LCP: []ppp.Option{pppauth.MSCHAPv2.Option(), ppp.MRU(1400), ppp.MagicNumber(0x7a925759)},
		IPCP: askFor(ppp.IPAddress), Methods: []pppauth.Method{pppauth.MSCHAPv2},
		Assign: func(string) (Addresses, error) {
			return Addresses{Local: addr("192.168.40.1"), Peer: addr("192.168.40.2")}, nil
		},
		Quirks: Quirks{RejectLCP: []uint8{2, 7, 8}, RejectProtocolOnly: true},
	}
}

func softEtherServer() Config {
	return Config{
		Role: Server, IPCP: askFor(ppp.IPAddress), Methods: []pppauth.Method{pppauth.PAP, pppauth.MSCHAPv2},
		Assign: func(string) (Addresses, error) {
			return Addresses{Local: addr("1.0.0.1"), Peer: addr("192.168.30.10"), DNS: []netip.Addr{addr("192.168.30.1")}}, nil
		},
		FullHeaders: true,
		Quirks:      Quirks{PassiveLCP: true, PassiveNCP: true, RejectLCP: []uint8{2, 5, 7, 8}},
	}
}

func pppdClient(magic ppp.MagicNumber, id ppp.InterfaceIdentifier) Config {
	return Config{
		Role:    Client,
		LCP:     []ppp.Option{ppp.ACCM(0), magic, ppp.ProtocolFieldCompression{}, ppp.AddressAndControlFieldCompression{}},
		IPCP:    append([]ppp.Option{ppp.IPCompressionProtocol{MaxSlotID: 15, CompSlotID: true}}, askFor(ppp.IPAddress, ppp.PrimaryDNS, ppp.SecondaryDNS)...),
		IPV6CP:  []ppp.Option{id},
		Methods: []pppauth.Method{pppauth.MSCHAPv2, pppauth.EAPMSCHAPv2},

		EchoInterval: 30e9, EchoAtOnce: true,
		Quirks: Quirks{FirstIdentifier: 1},
	}
}

// A link that is made like one end of a recorded conversation says what that end
// said, and comes up.
func TestReplay(t *testing.T) {
	rras := rrasServer(t)
	rras.Assign = func(string) (Addresses, error) {
		return Addresses{
			Local: addr("192.168.100.100"), Peer: addr("192.168.100.101"),
			DNS:  []netip.Addr{addr("192.168.0.1"), addr("192.168.130.245")},
			NBNS: []netip.Addr{addr("192.168.130.229"), addr("192.168.130.245")},
		}, nil
	}
	for _, tt := range []struct {
		name         string
		cfg          Config
		conversation string
		up           Addresses
	}{
		{
			"pppd to accel-ppp", pppdClient(0x93cf8669, ppp.InterfaceIdentifier{0x9d, 0x0c, 0x0c, 0xde, 0x52, 0x31, 0xde, 0x94}), pppdAccel,
			Addresses{Local: addr("192.168.40.2"), Peer: addr("192.168.40.1")},
		},
		{"accel-ppp to pppd", accelServer(), pppdAccel, Addresses{Local: addr("192.168.40.1"), Peer: addr("192.168.40.2")}},
		{
			"pppd to SoftEther", pppdClient(0xd86fc8a4, ppp.InterfaceIdentifier{0x7c, 0xc7, 0xf0, 0x46, 0x45, 0x1c, 0xba, 0x65}), pppdSoftEther,
			Addresses{Local: addr("192.168.30.10"), Peer: addr("1.0.0.1"), DNS: []netip.Addr{addr("192.168.30.1")}},
		},
		{"SoftEther to pppd", softEtherServer(), pppdSoftEther, Addresses{Local: addr("1.0.0.1"), Peer: addr("192.168.30.10"), DNS: []netip.Addr{addr("192.168.30.1")}}},
		{
			"Windows to RRAS", windowsClient(), windowsRRAS, Addresses{
				Local: addr("192.168.100.101"), Peer: addr("192.168.100.100"),
				DNS:  []netip.Addr{addr("192.168.0.1"), addr("192.168.130.245")},
				NBNS: []netip.Addr{addr("192.168.130.229"), addr("192.168.130.245")},
			},
		},
		{
			"RRAS to Windows", rras, windowsRRAS, Addresses{
				Local: addr("192.168.100.100"), Peer: addr("192.168.100.101"),
				DNS:  []netip.Addr{addr("192.168.0.1"), addr("192.168.130.245")},
				NBNS: []netip.Addr{addr("192.168.130.229"), addr("192.168.130.245")},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, said, then := replay(t, tt.cfg, tt.conversation)
			if d := cmp.Diff(then, said); d != "" {
				t.Errorf("(-then +now):\n%s", d)
			}
			up, ok := find[IPv4Up](e)
			if d := cmp.Diff(tt.up, up.Addresses, equateAddr); d != "" || !ok || !e.Ready(ppp.ProtocolIPv4) {
				t.Errorf("up: %v (-want +got):\n%s", ok, d)
			}
		})
	}
}

// Windows' Terminate-Request, and RRAS's Ack of it.
func TestReplayEnd(t *testing.T) {
	e, _, _ := replay(t, windowsClient(), windowsRRAS)
	e.Close(epoch, "")
	if got, want := spelled(e.sent[0]), "ff03c0210500001011223344003ccd7400000000"; got != want {
		t.Errorf("Windows: %s, want %s", got, want)
	}
	_, ack, _ := strings.Cut(windowsEnd, "S ff03c021")
	packet := unhex(t, ack)
	e.Receive(epoch, ppp.Frame{Protocol: ppp.ProtocolLCP, Payload: packet[:len(packet)-1]})
	if e.down() != nil {
		t.Error("down after a part of an Ack")
	}
	e.Receive(epoch, ppp.Frame{Protocol: ppp.ProtocolLCP, Payload: packet})
	if d := e.down(); d == nil || d.Err != nil {
		t.Errorf("Windows: %+v", d)
	}

	e, _, _ = replay(t, rrasServer(t), windowsRRAS+windowsEnd)
	if len(e.events) == 0 || e.failedAt() != 0 {
		t.Errorf("RRAS: %v", e.events)
	}
	c, ok := find[Terminating](e)
	if !ok || stepOf(c.Err) != StepTerminated {
		t.Errorf("RRAS: %v", e.events)
	}
}
