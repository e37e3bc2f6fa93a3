package matrix

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref"
	"sstpwarden/pcaps/pppref/pppauth"
	"sstpwarden/pcaps/sstpref/profile"
)

// A framing is how PPP frames lie in a stream.
type framing struct {
	// opening is what client and server say before PPP, "" for nothing.
	request, response string
	header            func(n int) []byte
	length            func(header []byte) int
}

// pppScenarios are other VPNs that carry PPP in TLS (FACTS 6.2).
var pppScenarios = []Scenario{
	pppOver("ppp-f5", "PPP behind an HTTP request, with headers of 4 bytes, as F5 BIG-IP has it", framing{
		request:  "GET /myvpn?sess=5a1f6b2f&hdlc_framing=no&ipv4=yes&ipv6=no&Z=0123456789abcdef&hostname=bGFi HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) F5 Networks Client\r\nCookie: MRHSession=0123456789abcdef0123456789abcdef\r\n\r\n",
		response: "HTTP/1.0 200 OK\r\nServer: Apache\r\nX-VPN-client-IP: 10.99.0.2\r\nX-VPN-server-IP: 10.99.0.1\r\nContent-Type: application/octet-stream\r\nConnection: close\r\nX-VPN-server-IPv6: none\r\nX-VPN-client-IPv6: none\r\nCache-Control: no-cache\r\n\r\n",
		header:   func(n int) []byte { return binary.BigEndian.AppendUint16([]byte{0xf5, 0x00}, uint16(n)) },
		length:   func(h []byte) int { return int(binary.BigEndian.Uint16(h[2:])) },
	}),
	pppOver("ppp-fortinet", "PPP behind an HTTP request, with headers of 6 bytes, as Fortinet has it", framing{
		request: "GET /remote/sslvpn-tunnel HTTP/1.1\r\nHost: sslvpn\r\nCookie: SVPNCOOKIE=0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz\r\n\r\n",
		header: func(n int) []byte {
			b := binary.BigEndian.AppendUint16(nil, uint16(n+6))
			return binary.BigEndian.AppendUint16(append(b, 0x50, 0x50), uint16(n))
		},
		length: func(h []byte) int { return int(binary.BigEndian.Uint16(h[4:])) },
	}),
	pppOver("ppp-plain", "PPP in TLS with headers of 2 bytes and nothing before it, as over stunnel", framing{
		header: func(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) },
		length: func(h []byte) int { return int(binary.BigEndian.Uint16(h)) },
	}),
}

func pppOver(name, about string, f framing) Scenario {
	return Scenario{
		Name: name, About: about,
		client: func(ctx context.Context, c net.Conn) error {
			if _, err := io.WriteString(c, f.request); err != nil {
				return err
			}
			if err := expect(c, f.response); err != nil {
				return err
			}
			return newPPPEnd(f, c, pppref.Client).run(ctx)
		},
		server: func(c net.Conn) error {
			if err := expect(c, f.request); err != nil {
				return err
			}
			if _, err := io.WriteString(c, f.response); err != nil {
				return err
			}
			return newPPPEnd(f, c, pppref.Server).run(context.Background())
		},
	}
}

func expect(c net.Conn, text string) error {
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	if string(b) != text {
		return fmt.Errorf("%q came in place of %q", b, text)
	}
	return nil
}

// A pppEnd is one end of PPP on a stream.
type pppEnd struct {
	framing
	c      net.Conn
	client bool

	mu   sync.Mutex
	link *pppref.Link
	up   bool
	err  error
}

func newPPPEnd(f framing, c net.Conn, role pppref.Role) *pppEnd {
	e := &pppEnd{framing: f, c: c, client: role == pppref.Client}
	p := profile.ReferenceClient().PPP
	config := pppref.Config{
		Role: role, LCP: p.LCP, IPCP: p.IPCP, Methods: []pppauth.Method{pppauth.MSCHAPv2}, Send: e.send, Event: e.event,
		NewParty: func(m pppauth.Method) (pppauth.Party, error) {
			return pppauth.NewPeer(m, pppauth.Credentials{Name: userName, Password: userPassword})
		},
	}
	if !e.client {
		s := profile.ReferenceServer().PPP
		config.LCP, config.IPCP = s.LCP, s.IPCP
		config.NewParty = func(m pppauth.Method) (pppauth.Party, error) {
			return pppauth.NewAuthenticator(m, pppauth.Authenticator{Name: "lab", Password: func(name string) (string, bool) { return userPassword, name == userName }})
		}
		config.Assign = func(string) (pppref.Addresses, error) {
			return pppref.Addresses{Local: innerServer, Peer: innerClient, DNS: []netip.Addr{innerServer}}, nil
		}
	}
	e.link, e.err = pppref.NewLink(config)
	return e
}

func (e *pppEnd) send(f ppp.Frame) { e.write(f.Append(nil)) }

func (e *pppEnd) write(body []byte) {
	if _, err := e.c.Write(append(e.header(len(body)), body...)); err != nil && e.err == nil {
		e.err = err
	}
}

func (e *pppEnd) event(v pppref.Event) {
	switch v := v.(type) {
	case pppref.IPv4Up:
		e.up = true
	case pppref.Down:
		if e.err == nil && v.Err != nil && !e.up {
			e.err = v.Err
		}
	}
}

// pppPackets are IP packets that a client sends over PPP, each answered with one of as
// many bytes.
var pppPackets = []int{84, 84, 60, 52, 571, 1400, 1400, 52, 1400, 1400, 52, 84}

// run speaks PPP, and then sends packets, as the client, or answers them until the stream
// ends.
func (e *pppEnd) run(ctx context.Context) error {
	if e.err != nil {
		return e.err
	}
	e.mu.Lock()
	e.link.Open(time.Now())
	e.mu.Unlock()
	stop := make(chan struct{})
	defer close(stop)
	go e.tick(stop)
	sent, waiting := 0, false
	for {
		if e.client && !waiting && e.isUp() {
			if sent == len(pppPackets) {
				return nil
			}
			e.data(pppPackets[sent])
			sent, waiting = sent+1, true
		}
		came, err := e.frame()
		switch {
		case errors.Is(err, io.EOF) && !e.client:
			return nil
		case err != nil:
			return errors.Join(err, context.Cause(ctx))
		case came:
			waiting = false
		}
	}
}

func (e *pppEnd) isUp() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.up
}

// tick runs PPP's timers.
func (e *pppEnd) tick(stop chan struct{}) {
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			e.mu.Lock()
			if at, ok := e.link.Deadline(); ok && !at.After(now) {
				e.link.Expire(now)
			}
			e.mu.Unlock()
		case <-stop:
			return
		}
	}
}

// frame reads a frame, and says whether it was one of data.
func (e *pppEnd) frame() (data bool, err error) {
	head := make([]byte, len(e.header(0)))
	if _, err := io.ReadFull(e.c, head); err != nil {
		return false, err
	}
	body := make([]byte, e.length(head))
	if _, err := io.ReadFull(e.c, body); err != nil {
		return false, err
	}
	f, err := ppp.ParseFrame(body)
	if err != nil {
		return false, err
	}
	if f.Protocol == ppp.ProtocolIPv4 {
		if !e.client {
			e.data(len(f.Payload))
		}
		return true, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.link.Receive(time.Now(), f)
	return false, e.err
}

// data sends an IP packet of that size.
func (e *pppEnd) data(size int) {
	packet := make([]byte, size)
	packet[0] = 0x45
	binary.BigEndian.PutUint16(packet[2:], uint16(size))
	e.mu.Lock()
	defer e.mu.Unlock()
	acfc, pfc := e.link.DataForm()
	e.write(ppp.Frame{Protocol: ppp.ProtocolIPv4, ACFC: acfc, PFC: pfc, Payload: packet}.Append(nil))
}
