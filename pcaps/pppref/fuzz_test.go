package pppref

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// What one call may bring forth at most: LCP that opens sends an Ack, an echo, three
// Identifications and a first message or, without authentication, the requests of
// three network protocols; LCP that closes takes two network protocols down.
const (
	maxFrames = 12
	maxEvents = 8
)

// FuzzLink gives a link any frames at any times, and looks at what must hold after
// each: not much is sent, of a size that fits; a link that is down stays down, one
// that is not has its timers; data passes only after authentication.
//
// The input is a byte that says what link it is, then frames: a byte of time, a byte
// that says what the frame is, a length, and that many octets.
func FuzzLink(f *testing.F) {
	for _, conversation := range []string{pppdAccel, pppdSoftEther, windowsRRAS + windowsEnd} {
		for kind := range byte(8) {
			f.Add(corpusOf(f, kind, conversation))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		e := newEnd(t, "x", fuzzConfig(t, data[0]))
		watch := &watcher{t: t, end: e}
		now := epoch
		e.Open(now)
		watch.look()
		for data = data[1:]; len(data) >= 3; {
			now = now.Add(time.Duration(data[0]) * 50 * time.Millisecond)
			kind, n := data[1], int(data[2])
			data = data[3:]
			octets := data[:min(n, len(data))]
			data = data[len(octets):]
			switch kind {
			case 0xff:
				e.Close(now, string(octets))
			case 0xfe:
				e.LowerDown(now)
			case 0xfd:
				e.Heard(now)
			default:
				if d, ok := e.Deadline(); ok && !now.Before(d) {
					e.Expire(now)
					watch.look()
				}
				if fr, err := ppp.ParseFrame(watch.answer(kind, octets)); err == nil {
					e.Receive(now, fr)
				}
			}
			watch.look()
		}
		// Left alone, it ends or waits for echoes that nobody answers.
		for range 200 {
			d, ok := e.Deadline()
			if !ok {
				break
			}
			e.Expire(d)
			watch.look()
		}
		if _, ok := e.Deadline(); ok {
			t.Errorf("timers for ever in phase %v: %+v", e.Phase(), e.events)
		}
	})
}

func fuzzConfig(t *testing.T, kind byte) Config {
	cfg := []Config{
		clientConfig(), serverConfig(), windowsClient(), rrasServer(t), softEtherServer(), accelServer(),
		pppdClient(0x93cf8669, ppp.InterfaceIdentifier{7: 1}), clientConfig(),
	}[kind&7]
	if kind&7 == 7 {
		cfg.Methods, cfg.Quirks.SkipAuthentication, cfg.Quirks.RefuseNCP = nil, true, ByConfigureReject
	}
	cfg.EchoFailures = 3
	return cfg
}

type watcher struct {
	t      *testing.T
	end    *end
	seen   int
	said   []ppp.Frame // all that was sent so far
	down   bool
	proved bool
	asked  map[ppp.Protocol]byte
}

// look checks what came of one call.
func (w *watcher) look() {
	w.t.Helper()
	e := w.end
	fresh := e.events[w.seen:]
	if len(e.sent) > maxFrames || len(fresh) > maxEvents {
		w.t.Errorf("%d frames and %d events: %v, %v", len(e.sent), len(fresh), e.sent, fresh)
	}
	if w.down && (len(e.sent) > 0 || len(fresh) > 0) {
		w.t.Errorf("it is down and says %v, %v", e.sent, fresh)
	}
	if w.asked == nil {
		w.asked = map[ppp.Protocol]byte{}
	}
	for _, f := range e.sent {
		octets := f.Append(nil)
		if _, err := ppp.ParseFrame(octets); err != nil || len(octets) > DefaultMaxFrame {
			w.t.Errorf("%v of %d octets: %v", f, len(octets), err)
		}
		if f.Protocol == ppp.ProtocolLCP && f.ACFC && !e.cfg.Quirks.ShortLCP {
			w.t.Errorf("LCP without address and control: %v", f)
		}
		if ppp.Code(f.Payload[0]) == ppp.CodeConfigureRequest {
			w.asked[f.Protocol] = f.Payload[1]
		}
	}
	for _, v := range fresh {
		switch v.(type) {
		case LCPUp:
			w.proved = false
		case Authenticated:
			w.proved = true
		case IPv4Up, IPv6Up:
			if !w.proved {
				w.t.Errorf("%T before authentication: %v", v, e.events)
			}
		case Down:
			w.down = true
		}
	}
	if (e.Ready(ppp.ProtocolIPv4) || e.Ready(ppp.ProtocolIPv6)) && (!w.proved || w.down || e.Phase() != Network) {
		w.t.Errorf("data may pass in phase %v: %v", e.Phase(), e.events)
	}
	if mtu := e.MTU(); mtu < minMRU || mtu > DefaultMaxFrame {
		w.t.Errorf("MTU %d", mtu)
	}
	if w.down != (e.Phase() == Dead) {
		w.t.Errorf("down: %v, phase %v", w.down, e.Phase())
	}
	w.seen = len(e.events)
	w.said = append(w.said, e.sent...)
	e.sent = nil
}

// answer gives an answer the identifier of the request that it is to answer, which a
// fuzzer would not hit. An odd kind leaves the octets as they are.
func (w *watcher) answer(kind byte, octets []byte) []byte {
	f, err := ppp.ParseFrame(octets)
	if err != nil || kind&1 == 1 || len(f.Payload) < 2 {
		return octets
	}
	if c := ppp.Code(f.Payload[0]); c >= ppp.CodeConfigureAck && c <= ppp.CodeConfigureReject && f.Protocol != ppp.ProtocolCHAP {
		f.Payload = append([]byte{f.Payload[0], w.asked[f.Protocol]}, f.Payload[2:]...)
	}
	return f.Append(nil)
}

// corpusOf is a whole conversation as FuzzLink's input, both sides of it.
func corpusOf(f *testing.F, kind byte, conversation string) []byte {
	data := []byte{kind}
	for _, octets := range octetsOf(f, conversation) {
		data = append(data, 1, 0, byte(len(octets)))
		data = append(data, octets...)
	}
	return data
}

// The bound on what a frame can bring forth holds for the worst frame there is, one
// with as many options as fit.
func TestManyOptions(t *testing.T) {
	var options []byte
	for len(options)+6 <= 4080 {
		options = append(options, 3, 4, 0xc0, 0x23) // PAP again and again
	}
	packet := append([]byte{1, 1}, binary.BigEndian.AppendUint16(nil, uint16(4+len(options)))...)
	packet = append(packet, options...)
	for _, cfg := range []Config{clientConfig(), serverConfig()} {
		e := newEnd(t, "x", cfg)
		e.Open(epoch)
		e.sent = nil
		e.Receive(epoch, ppp.Frame{Protocol: ppp.ProtocolLCP, Payload: packet})
		if len(e.sent) != 1 || len(e.sent[0].Payload) > len(packet) {
			t.Errorf("%v", e.sent)
		}
	}
}

// A Party that has more to say than fits is not sent in part.
func TestOversizedMessage(t *testing.T) {
	cfg := clientConfig()
	cfg.MaxFrame = 64
	cfg.Identification = []string{strings.Repeat("x", 53)}
	cfg.Methods = []pppauth.Method{pppauth.PAP}
	server := serverConfig()
	server.Methods = cfg.Methods
	p := newPair(t, cfg, server)
	p.touch = func(_ int, from *end, f ppp.Frame) (int, time.Duration) {
		if from == p.client() && len(f.Append(nil)) > 64 {
			t.Errorf("%v", f)
		}
		return 1, 0
	}
	p.open()
	p.mustRun(time.Second, "up", p.quiet)
	p.client().say(t, p.now, ppp.ProtocolIPXCP, ppp.Packet{Code: 1, Data: make([]byte, 500)})
	p.collect()
	if count[Identified](p.server()) != 0 || len(p.inFlight) != 1 {
		t.Errorf("events %v, in flight %v", p.server().events, p.inFlight)
	}
}
