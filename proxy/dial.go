package proxy

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"sstpwarden/inspect/httphead"
	"sstpwarden/nfq/nft"
)

// fallbackDelay is how long an address has before the next is tried beside it
// (RFC 8305, Section 5).
const fallbackDelay = 250 * time.Millisecond

// resolve gives the addresses of a host, which may be one itself.
func (s *Server) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeouts.Dial)
	defer cancel()
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i] = all[i].Unmap()
	}
	return all, nil
}

// dialAny connects to one of the addresses: in their order, and to the next as
// well when one takes long.
func (s *Server) dialAny(ctx context.Context, addrs []netip.Addr, port uint16) (*net.TCPConn, error) {
	if len(addrs) == 0 {
		return nil, errors.New("no address to connect to")
	}
	if len(addrs) == 1 {
		return s.dialAddr(ctx, netip.AddrPortFrom(addrs[0], port), netip.Addr{})
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		conn *net.TCPConn
		err  error
	}
	results := make(chan result, len(addrs))
	next := time.NewTimer(0)
	defer next.Stop()
	var failed error
	for started, pending := 0, 0; ; {
		select {
		case <-next.C:
			if started == len(addrs) {
				break
			}
			to := netip.AddrPortFrom(addrs[started], port)
			started++
			pending++
			next.Reset(fallbackDelay)
			go func() {
				conn, err := s.dialAddr(ctx, to, netip.Addr{})
				results <- result{conn, err}
			}()
		case r := <-results:
			pending--
			if r.err == nil {
				go func() { // whoever comes too late
					for range pending {
						if late := <-results; late.conn != nil {
							_ = late.conn.Close()
						}
					}
				}()
				return r.conn, nil
			}
			if failed == nil {
				failed = r.err
			}
			if pending == 0 && started == len(addrs) {
				return nil, failed
			}
			next.Reset(0)
		}
	}
}

// dialAddr connects to one address, which the rules for destinations allow. From,
// if it is set, is the client's address, which the connection is to come from.
func (s *Server) dialAddr(ctx context.Context, to netip.AddrPort, from netip.Addr) (*net.TCPConn, error) {
	d := net.Dialer{KeepAliveConfig: keepAlive}
	prepare := s.mark
	if from.IsValid() {
		// A port of its own: the client's is taken, in the eyes of conntrack.
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
		prepare = nft.TransparentDialControl(s.config.Mark)
	}
	d.ControlContext = func(ctx context.Context, network, address string, c syscall.RawConn) error {
		if err := s.config.Destinations.Control(ctx, network, address, c); err != nil {
			return err
		}
		return prepare(network, address, c)
	}
	conn, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// keepAlive finds out that a peer is gone that nothing is to be sent to.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Minute, Interval: time.Minute, Count: 5}

// mark marks a connection as the proxy's own.
func (s *Server) mark(network, address string, c syscall.RawConn) error {
	if s.config.Mark == 0 {
		return nil
	}
	return nft.MarkControl(s.config.Mark)(network, address, c)
}

// parseTarget reads host:port.
func parseTarget(address string) (target, error) {
	a, err := httphead.ParseAuthority(address)
	if err == nil && a.Port == 0 {
		err = errors.New("the port is missing")
	}
	return target{host: a.Host, port: a.Port}, err
}

// A target is where a tunnel is to go.
type target struct {
	host  string // name or address
	port  uint16
	addrs []netip.Addr // of the name; none where an upstream proxy finds them
}

func (t target) String() string { return net.JoinHostPort(t.host, strconv.Itoa(int(t.port))) }

// dial connects to a target, through the upstream proxy where there is one. Early
// is what the server sent already. Header are further fields of the CONNECT.
func (s *Server) dial(ctx context.Context, t target, header httphead.Fields) (l *leg, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeouts.Dial)
	defer cancel()
	var conn *net.TCPConn
	var early []byte
	if s.config.Upstream != nil {
		conn, early, err = s.dialUpstream(ctx, t, header)
	} else {
		conn, err = s.dialAny(ctx, t.addrs, t.port)
	}
	if err != nil {
		return nil, err
	}
	return newLeg(conn, early)
}

// An upstreamError says that the proxy behind this one did not connect.
type upstreamError struct {
	proxy  string
	status int
	reason string
}

func (e *upstreamError) Error() string {
	return fmt.Sprintf("upstream proxy %s answered %d %s", e.proxy, e.status, e.reason)
}

// dialUpstream asks the upstream proxy for a tunnel.
func (s *Server) dialUpstream(ctx context.Context, t target, header httphead.Fields) (*net.TCPConn, []byte, error) {
	if err := s.mayAsk(t); err != nil {
		return nil, nil, err
	}
	conn, err := s.dialProxy(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to the upstream proxy: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })
	early, err := s.askUpstream(conn, t, header)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, early, nil
}

// mayAsk says whether the upstream proxy may be asked for a target.
func (s *Server) mayAsk(t target) error {
	if err := s.config.Destinations.CheckName(t.host, t.port); err != nil {
		return err
	}
	for _, a := range t.addrs {
		if err := s.config.Destinations.Check(netip.AddrPortFrom(a, t.port)); err != nil {
			return err
		}
	}
	return nil
}

// dialProxy connects to the upstream proxy, which the rules for destinations do
// not concern: the operator named it.
func (s *Server) dialProxy(ctx context.Context) (*net.TCPConn, error) {
	d := net.Dialer{KeepAliveConfig: keepAlive, Control: s.mark}
	conn, err := d.DialContext(ctx, "tcp", upstreamAddr(s))
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

func upstreamAddr(s *Server) string {
	u := s.config.Upstream
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "80")
	}
	return u.Host
}

func (s *Server) askUpstream(conn *net.TCPConn, t target, header httphead.Fields) (early []byte, err error) {
	head := httphead.Request{Method: "CONNECT", Target: t.String(), Fields: httphead.Fields{{Name: "Host", Value: t.String()}}}
	if u := s.config.Upstream.User; u != nil {
		password, _ := u.Password()
		login := base64.StdEncoding.EncodeToString([]byte(u.Username() + ":" + password))
		head.Fields = append(head.Fields, httphead.Field{Name: "Proxy-Authorization", Value: "Basic " + login})
	}
	head.Fields = append(head.Fields, header...)
	if _, err := conn.Write(head.Append(nil)); err != nil {
		return nil, fmt.Errorf("asking the upstream proxy: %w", err)
	}
	resp, early, err := readAnswer(conn)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the upstream proxy's answer: %w", err)
	case resp.Status/100 != 2:
		return nil, &upstreamError{upstreamAddr(s), resp.Status, resp.Reason}
	}
	return early, nil
}

// readAnswer reads the head of the answer to a CONNECT, and what came behind it.
// Interim answers are passed over.
func readAnswer(from io.Reader) (resp httphead.Response, early []byte, err error) {
	r := bufio.NewReaderSize(from, httphead.MaxHeadLen)
	var scanner httphead.Scanner
	for {
		b, _ := r.Peek(r.Buffered())
		resp, used, err := scanner.Response(b)
		switch {
		case err == nil && resp.Status/100 == 1:
			_, _ = r.Discard(used)
		case err == nil:
			return resp, append([]byte(nil), b[used:]...), nil
		case !errors.Is(err, io.ErrUnexpectedEOF):
			return resp, nil, err
		default:
			if _, err := r.Peek(len(b) + 1); err != nil {
				return resp, nil, err
			}
		}
	}
}
