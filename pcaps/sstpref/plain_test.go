package sstpref

import (
	"crypto/x509"
	"log/slog"
	"net"
	"testing"
	"time"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// A plainRig is a client and the rig's server with a relay between them and without
// TLS, which would only slow down those who try many conversations.
type plainRig struct {
	*rig
	client *Session
	end    *inner
	relay  *relay
	input  *wire // the server's end of the connection, and the client's
	output *wire
}

// newPlainRig starts both ends. The hook sees what passes.
func newPlainRig(t *testing.T, m pppauth.Method, window int, hook func(r *relay, p passing) []sstp.Packet) *plainRig {
	t.Helper()
	p := &plainRig{rig: newRig(t, func(c *ServerConfig) {
		c.Log, c.Methods = slog.New(slog.DiscardHandler), []pppauth.Method{m}
	})}
	near, left := newWire(window, "198.51.100.7")
	right, far := newWire(window, "198.51.100.7")
	p.relay = &relay{hook: hook, conns: []net.Conn{left, right}, toClient: left, toServer: right}
	p.input, p.output = far, near
	p.servePlain(far)
	p.dialPlain(near)
	p.relay.start(t)
	return p
}

// servePlain is what the server does once TLS is done.
func (p *plainRig) servePlain(c net.Conn) {
	p.server.serving.Go(func() {
		defer c.Close()
		r := &headReader{from: c}
		if _, _, err := readRequest(r, sstp.URIPath, false); err != nil {
			return
		}
		s, err := p.server.session(c, p.server.Log, func() {})
		if err != nil {
			p.t.Error(err)
			return
		}
		s.run(func() ([]byte, error) {
			s.out.response(p.server.Profile.Response(time.Now()).Append(nil))
			s.open()
			return r.buf, nil
		})
		if err := s.Err(); err == nil { // nobody on this side has asked for it
			p.t.Error("the server's session ended without a reason")
		}
	})
}

// dialPlain is what Dial does then.
func (p *plainRig) dialPlain(c net.Conn) {
	d := &dialer{ClientConfig: ClientConfig{
		Host: "vpn.example", Insecure: true, Credentials: newRigCredentials(),
		Carry: func(up Up, t Tunnel) (Port, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.end = &inner{Tunnel: t, up: up}
			return p.end, nil
		},
	}, began: time.Now()}
	if err := d.prepare(); err != nil {
		p.t.Fatal(err)
	}
	s, err := d.session(c, &TLSInfo{Certificates: []*x509.Certificate{rigRSA().Leaf}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.client = s
	go s.run(func() ([]byte, error) { return d.begin(s) })
}

// finished waits until both sessions are over, and checks that nothing of them is
// left.
func (p *plainRig) finished(within time.Duration) {
	p.t.Helper()
	late := time.AfterFunc(within, func() {
		p.t.Errorf("the conversation is not over after %v", within)
		p.relay.cut()
		p.client.Close()
	})
	<-p.client.Done()
	p.server.serving.Wait()
	late.Stop()
	p.relay.cut()
	if err := p.idle(); err != nil {
		p.t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.end != nil && !p.end.closed {
		p.t.Error("the client's port was not closed")
	}
}
