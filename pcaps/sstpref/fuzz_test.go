package sstpref

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// The fuzz targets let a conversation go on as it should up to a stage, and then
// have one end say what the input says instead. The first byte of the input is
// the stage, with flags.
const (
	stageMask  = 0x07
	flagFrames = 0x08 // the input is a list of frames, else bytes as they are
	flagUnread = 0x10 // what the other end says is not read any more
	flagSmall  = 0x20 // the window is small
	flagHangUp = 0x40 // the connection is closed then, else nothing more is said
	flagCHAP   = 0x80 // authentication is by MS-CHAP-V2, else by EAP
)

// stages are how far the conversation goes, by the first packet that does not pass.
// From the last stage on, the tunnel is up.
var stages = [...]func(p passing) bool{
	func(passing) bool { return true },
	message(sstp.MessageCallConnectAck),
	fromServer(ppp.ProtocolLCP, ppp.CodeConfigureAck),
	func(p passing) bool {
		return !p.fromClient && (p.carries(ppp.ProtocolEAP, 0) || p.carries(ppp.ProtocolCHAP, 0))
	},
	message(sstp.MessageCallConnected),
	fromServer(ppp.ProtocolIPCP, 0),
	fromServer(ppp.ProtocolIPCP, ppp.CodeConfigureAck),
	func(passing) bool { return false },
}

// protocols are those of a frame in the input, by its first byte. 0 stands for a
// control packet.
var protocols = [...]ppp.Protocol{
	0, ppp.ProtocolLCP, ppp.ProtocolEAP, ppp.ProtocolIPCP, ppp.ProtocolIPV6CP, ppp.ProtocolCCP,
	ppp.ProtocolCHAP, ppp.ProtocolPAP, ppp.ProtocolCBCP, ppp.ProtocolIPv4, ppp.ProtocolIPv6, ppp.ProtocolCompressed,
}

// frames makes packets of input: each is a protocol, a length and so many bytes, of
// which the first two are code and identifier, or message type and number of
// attributes.
func frames(input []byte) []byte {
	var out []byte
	for len(input) >= 4 {
		protocol, n := protocols[int(input[0])%len(protocols)], min(int(input[1]), len(input)-4)
		code, id, body := input[2], input[3], input[4:4+n]
		input = input[4+n:]
		var p sstp.Packet
		switch protocol {
		case 0:
			p = sstp.Packet{Control: true, Data: append([]byte{0, code, 0, id}, body...)}
		case ppp.ProtocolIPv4, ppp.ProtocolIPv6, ppp.ProtocolCompressed:
			p.Data = ppp.Frame{Protocol: protocol, Payload: append([]byte{code, id}, body...)}.Append(nil)
		default:
			payload := append(binary.BigEndian.AppendUint16([]byte{code, id}, uint16(4+len(body))), body...)
			p.Data = ppp.Frame{Protocol: protocol, Payload: payload}.Append(nil)
		}
		out = p.Append(out)
	}
	return out
}

// framed is the opposite, for seeds.
func framed(first byte, packets ...sstp.Packet) []byte {
	out := []byte{first | flagFrames}
	for _, p := range packets {
		kind, body := byte(0), p.Data
		if p.Control {
			body = append([]byte{body[1], body[3]}, body[4:]...)
		} else {
			f, err := ppp.ParseFrame(p.Data)
			if err != nil {
				panic(err)
			}
			for i, protocol := range protocols {
				if protocol == f.Protocol {
					kind = byte(i)
				}
			}
			body = f.Payload
			if f.Protocol.IsControl() {
				body = append([]byte{body[0], body[1]}, body[4:]...)
			}
		}
		out = append(append(out, kind, byte(len(body)-2)), body...)
	}
	return out
}

// seeds are inputs of each stage.
func seeds() [][]byte {
	configure := func(protocol ppp.Protocol, code ppp.Code, options ...ppp.Option) sstp.Packet {
		return pppPacket(protocol, ppp.Configure{Code: code, Identifier: 1, Options: options})
	}
	request := control(sstp.CallConnectRequest{EncapsulatedProtocolID: sstp.EncapsulatedProtocolPPP})
	say := []sstp.Packet{
		request,
		control(sstp.CallConnectAck{CryptoBindingRequest: sstp.CryptoBindingRequest{HashProtocolBitmask: 3}}),
		control(sstp.CallConnectNak{StatusInfo: []sstp.StatusInfo{{AttribID: 1, Status: 4, AttribValue: []byte{0, 1}}}}),
		control(sstp.CallConnected{CryptoBinding: sstp.CryptoBinding{HashProtocol: 2, CertHash: make([]byte, 32), CompoundMAC: make([]byte, 32)}}),
		control(sstp.EchoRequest{}), control(sstp.EchoResponse{}),
		configure(ppp.ProtocolLCP, ppp.CodeConfigureRequest, ppp.MRU(1400), ppp.MagicNumber(7), ppp.ProtocolFieldCompression{}),
		configure(ppp.ProtocolLCP, ppp.CodeConfigureNak, ppp.MRU(100), ppp.AuthenticationProtocol{Protocol: ppp.ProtocolPAP}),
		configure(ppp.ProtocolLCP, ppp.CodeConfigureReject, ppp.MagicNumber(7)),
		pppPacket(ppp.ProtocolLCP, ppp.Echo{Code: ppp.CodeEchoRequest, MagicNumber: 7}),
		pppPacket(ppp.ProtocolLCP, ppp.ProtocolReject{Protocol: ppp.ProtocolIPCP}),
		pppPacket(ppp.ProtocolEAP, ppp.EAP{Code: ppp.EAPResponse, Identifier: 1, Data: ppp.EAPIdentity(rigUser)}),
		pppPacket(ppp.ProtocolEAP, ppp.EAP{Code: ppp.EAPSuccess, Identifier: 1}),
		configure(ppp.ProtocolIPCP, ppp.CodeConfigureRequest, ppp.IPCPAddress{Type: ppp.IPAddress, Addr: netip.IPv4Unspecified()}),
		configure(ppp.ProtocolIPV6CP, ppp.CodeConfigureRequest, ppp.InterfaceIdentifier{1}),
		pppPacket(ppp.ProtocolLCP, ppp.Terminate{Code: ppp.CodeTerminateRequest, Identifier: 3, Data: []byte("bye")}),
		control(sstp.CallDisconnect{StatusInfo: &sstp.StatusInfo{}}), control(sstp.CallDisconnectAck{}),
		control(sstp.CallAbort{StatusInfo: &sstp.StatusInfo{AttribID: 2, Status: 5}}),
	}
	var out [][]byte
	for stage := range byte(len(stages)) {
		out = append(out, framed(stage, say...), framed(stage|flagUnread|flagSmall|flagCHAP, say...), []byte{stage, sstp.Version, 1, 0, 8, 0, 8, 0, 0, sstp.Version})
		for _, p := range say {
			out = append(out, framed(stage|flagHangUp, p))
		}
	}
	return out
}

// FuzzServer has a client say anything to the server, at any stage.
func FuzzServer(f *testing.F) { fuzzEnd(f, true) }

// FuzzClient has a server say anything to the client.
func FuzzClient(f *testing.F) { fuzzEnd(f, false) }

func fuzzEnd(f *testing.F, server bool) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) == 0 || len(input) > 16<<10 {
			return
		}
		synctest.Test(t, func(t *testing.T) { tryInput(t, server, input[0], input[1:]) })
	})
}

// tryInput has the stage's conversation, and then the input goes to the server or
// to the client, of which then nothing is to be left.
func tryInput(t *testing.T, server bool, first byte, input []byte) {
	if first&flagFrames != 0 {
		input = frames(input)
	}
	window := tcpWindow
	if first&flagSmall != 0 {
		window = 1 << 10
	}
	at := stages[first&stageMask]
	reached, over := make(chan struct{}), make(chan struct{})
	once, said := sync.OnceFunc(func() { close(reached) }), atomic.Int64{}
	var done atomic.Bool
	method := pppauth.EAPMSCHAPv2
	if first&flagCHAP != 0 {
		method = pppauth.MSCHAPv2
	}
	p := newPlainRig(t, method, window, func(_ *relay, p passing) []sstp.Packet {
		if done.Load() || at(p) {
			done.Store(true)
			once()
			if p.fromClient != server {
				said.Add(int64(p.Len()))
				if first&flagUnread != 0 {
					<-over
				}
			}
			return nil
		}
		return as(p)
	})
	if first&stageMask == byte(len(stages)-1) {
		<-p.client.Up()
		synctest.Wait()
		done.Store(true)
		once()
	}
	select {
	case <-reached:
	case <-time.After(10 * time.Second):
		t.Error("the stage was not reached")
	}
	p.relay.mute()
	to := p.relay.toClient
	if server {
		to = p.relay.toServer
	}
	writing := make(chan struct{})
	go func() {
		defer close(writing)
		_, _ = to.Write(input)
		if first&flagHangUp != 0 {
			_ = to.Close()
		}
	}()
	p.finished(30 * time.Minute)
	close(over)
	<-writing
	// Timers send too, for minutes; what is asked is answered, a few times its size at most.
	if got, most := said.Load(), int64(32<<10+64*len(input)); got > most {
		t.Errorf("%d bytes were answered to %d", got, len(input))
	}
}

// An op is something that happens to one packet of a conversation.
type op uint8

const (
	opDrop op = iota
	opRepeat
	opCut  // some of its bytes
	opFlip // one of its bytes
	opSwap // with the next one of the same side
	opLate // by 5 s, and what comes behind it too
	opEcho // back to who sent it, too
	opKeep // send it again later, in place of another
	opStop // everything from here on
)

// ops is how many there are.
const ops = int(opStop) + 1

// FuzzConversation changes a conversation of two ends that are right: each three
// bytes of the input are the number of packets that pass before, what happens to
// the next, and where.
func FuzzConversation(f *testing.F) {
	for o := range byte(ops) {
		for n := range byte(40) {
			f.Add([]byte{n, o, n})
		}
	}
	f.Add([]byte{0, 1, 0, 1, 3, 9, 0, 4, 0, 2, 7, 0, 3, 7, 0, 5, 2, 8})
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) > 300 {
			return
		}
		synctest.Test(t, func(t *testing.T) { tryConversation(t, input) })
	})
}

func tryConversation(t *testing.T, input []byte) {
	c := &conversation{input: input}
	p := newPlainRig(t, pppauth.MSCHAPv2, tcpWindow, c.hook)
	select {
	case <-p.client.Up():
		time.Sleep(time.Second)
		for n := range 5 {
			_ = p.end.WritePacket(packet(4, 100, n))
			p.mu.Lock()
			server := p.inside[rigUser]
			p.mu.Unlock()
			if server != nil {
				_ = server.WritePacket(packet(4, 100, n))
			}
		}
		time.Sleep(3 * time.Minute)
		closing := make(chan struct{})
		go func() {
			defer close(closing)
			_ = p.client.Disconnect(t.Context(), "user request")
		}()
		p.finished(5 * time.Minute)
		<-closing
	case <-p.client.Done():
		if p.client.Err() == nil {
			t.Error("the client's session ended without a reason")
		}
		p.finished(5 * time.Minute)
	}
}

// A conversation is changed as its input says.
type conversation struct {
	mu    sync.Mutex
	input []byte
	next  [2]*sstp.Packet // to be swapped, of each side
	kept  *sstp.Packet
}

func (c *conversation) hook(l *relay, p passing) []sstp.Packet {
	out, late := c.change(l, p)
	if late {
		time.Sleep(5 * time.Second)
	}
	return out
}

func (c *conversation) change(l *relay, p passing) (out []sstp.Packet, late bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	side := 0
	if p.fromClient {
		side = 1
	}
	p.Data = append([]byte(nil), p.Data...)
	out = as(p)
	if held := c.next[side]; held != nil {
		out, c.next[side] = append(out, *held), nil
	}
	if len(c.input) < 3 {
		return out, false
	}
	if c.input[0] > 0 {
		c.input[0]--
		return out, false
	}
	what, where := op(int(c.input[1])%ops), int(c.input[2])
	c.input = c.input[3:]
	switch what {
	case opDrop:
		return nil, false
	case opRepeat:
		return append(out, out...), false
	case opCut:
		out[0].Data = p.Data[:where%(len(p.Data)+1)]
	case opFlip:
		if len(p.Data) > 0 {
			p.Data[where%len(p.Data)] ^= byte(1 << (where % 8))
		}
	case opSwap:
		c.next[side] = &out[0]
		return out[1:], false
	case opLate:
		late = true
	case opEcho:
		back := l.toClient
		if side == 0 {
			back = l.toServer
		}
		_, _ = back.Write(p.Append(nil))
	case opKeep:
		if c.kept != nil {
			out = append(out, *c.kept)
		}
		c.kept = &p.Packet
	case opStop:
		l.mute()
	}
	return out, late
}
