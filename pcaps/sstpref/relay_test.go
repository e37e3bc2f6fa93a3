package sstpref

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

// A relay stands between a client and the rig's server with the server's own
// certificate, so that the crypto binding holds: it shows each packet to a hook,
// which says what goes on in its place. So each end can be made to misbehave at
// any point of a conversation that is right up to there.
type relay struct {
	hook func(r *relay, p passing) []sstp.Packet

	pumps    sync.WaitGroup
	mu       sync.Mutex
	muted    bool
	conns    []net.Conn // towards the client, and the server
	toClient net.Conn   // in TLS
	toServer net.Conn
}

// A passing packet is on its way.
type passing struct {
	sstp.Packet
	fromClient bool
}

// is tells whether it is that control message.
func (p passing) is(t sstp.MessageType) bool {
	m, err := p.ControlMessage()
	return err == nil && m.Type == t
}

// carries tells whether it is a PPP frame of that protocol, with that code, 0 for
// any.
func (p passing) carries(protocol ppp.Protocol, code ppp.Code) bool {
	if p.Control {
		return false
	}
	f, err := ppp.ParseFrame(p.Data)
	return err == nil && f.Protocol == protocol && (code == 0 || len(f.Payload) > 0 && f.Payload[0] == byte(code))
}

// through returns a dialer that goes through a relay.
func (r *rig) through(hook func(r *relay, p passing) []sstp.Packet) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		near, left := newWire(tcpWindow, "198.51.100.7")
		right, far := newWire(tcpWindow, "198.51.100.7")
		l := &relay{hook: hook, conns: []net.Conn{left, right}}
		l.toClient = tls.Server(left, ServerTLS(rigRSA(), 0, 0))
		l.toServer = tls.Client(right, &tls.Config{InsecureSkipVerify: true})
		r.server.admit(far)
		l.start(r.t)
		return near, nil
	}
}

// start runs the relay until the test is over.
func (l *relay) start(t *testing.T) {
	l.pumps.Go(func() { l.pump(l.toClient, l.toServer, true) })
	l.pumps.Go(func() { l.pump(l.toServer, l.toClient, false) })
	t.Cleanup(func() {
		l.cut()
		l.pumps.Wait()
	})
}

// pump passes the head on, and then packets.
func (l *relay) pump(from, to net.Conn, fromClient bool) {
	if err := l.pass(from, to, fromClient); err != nil && !l.isMuted() {
		_ = to.Close()
	}
	_ = from.Close()
}

func (l *relay) pass(from, to net.Conn, fromClient bool) error {
	var buf []byte
	inHead := true
	for {
		b := make([]byte, 16<<10)
		n, err := from.Read(b)
		if err != nil {
			return err
		}
		buf = append(buf, b[:n]...)
		if inHead {
			end := bytes.Index(buf, []byte("\r\n\r\n"))
			if end < 0 {
				continue
			}
			inHead = false
			if err := l.write(to, buf[:end+4]); err != nil {
				return err
			}
			buf = buf[end+4:]
		}
		for {
			p, n, err := sstp.ParsePacket(buf)
			if errors.Is(err, io.ErrUnexpectedEOF) {
				break
			}
			if err != nil {
				return err
			}
			for _, out := range l.hook(l, passing{p, fromClient}) {
				if err := l.write(to, out.Append(nil)); err != nil {
					return err
				}
			}
			buf = buf[n:]
		}
	}
}

func (l *relay) write(to net.Conn, b []byte) error {
	if l.isMuted() {
		return nil
	}
	_, err := to.Write(b)
	return err
}

// mute swallows all that comes from now on, the ends of the connections too.
func (l *relay) mute() {
	l.mu.Lock()
	l.muted = true
	l.mu.Unlock()
}

func (l *relay) isMuted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.muted
}

// cut ends both connections without a word.
func (l *relay) cut() {
	for _, c := range l.conns {
		_ = c.Close()
	}
}

// as passes a packet on as it is.
func as(p passing) []sstp.Packet { return []sstp.Packet{p.Packet} }

// pppPacket is a packet of PPP in an SSTP packet.
func pppPacket(protocol ppp.Protocol, m ppp.Message) sstp.Packet {
	payload, err := m.Append(nil)
	if err != nil {
		panic(err)
	}
	return sstp.Packet{Data: ppp.Frame{Protocol: protocol, Payload: payload}.Append(nil)}
}

func control(m sstp.Message) sstp.Packet { return sstp.NewControlMessage(m).Packet() }

// A watch counts what passes, and knows the relay that it passes.
type watch struct {
	mu     sync.Mutex
	counts map[string]int
	relay  atomic.Pointer[relay]
}

// hook is a relay's that changes nothing.
func (w *watch) hook(l *relay, p passing) []sstp.Packet {
	w.relay.Store(l)
	w.see(p)
	return as(p)
}

// see counts p as that of a side.
func (w *watch) see(p passing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts == nil {
		w.counts = map[string]int{}
	}
	side := "server "
	if p.fromClient {
		side = "client "
	}
	if m, err := p.ControlMessage(); err == nil {
		w.counts[side+m.Type.String()]++
	} else {
		w.counts[side+"data"]++
	}
}

// count is how many passed of a kind: "server call_abort".
func (w *watch) count(kind string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[kind]
}

// far is where p goes.
func (l *relay) far(p passing) net.Conn {
	if p.fromClient {
		return l.toServer
	}
	return l.toClient
}
