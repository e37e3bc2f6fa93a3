package interop

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// frontHost is the address of a web server that also takes SSTP, as RRAS does.
const frontHost = "10.2.0.20"

// A tunnel that begins after ordinary requests in the same TLS is dropped all the
// same. The TLS is that of two relays around the proxy; both have the SSTP server's
// certificate, so that its hash is what the client binds to.
func TestSSTPAfterRequests(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		version  uint16
		requests []string // paths; a number is how long the answer is
		client   string
		end      string // dropped before that
	}{
		{"one_TLS_1.3", tls.VersionTLS13, []string{"/"}, "windows", beforeResponse},
		{"one_TLS_1.2", tls.VersionTLS12, []string{"/"}, "sstpc", beforeResponse},
		{"some_TLS_1.3", tls.VersionTLS13, []string{"/", "/favicon.ico", "/style.css", "/logo.png"}, "sstpc", beforeResponse},
		{"some_TLS_1.2", tls.VersionTLS12, []string{"/", "/favicon.ico", "/style.css", "/logo.png"}, "windows", beforeResponse},
		{"page_TLS_1.3", tls.VersionTLS13, []string{"/12000"}, "windows", beforeIP},
		{"page_TLS_1.2", tls.VersionTLS12, []string{"/favicon.ico", "/12000"}, "reference", beforeIP},
		// These clear a connection: rules tls.bulk_response and tls.long_response.
		// What follows in the first 128 KiB takes that back.
		{"download_TLS_1.3", tls.VersionTLS13, []string{"/17000"}, "windows", beforeIP},
		{"pages_TLS_1.2", tls.VersionTLS12, []string{"/12000", "/12000", "/12000"}, "reference", beforeIP},
		// Then the kernel carries it.
		{"long_download_TLS_1.3", tls.VersionTLS13, []string{"/200000"}, "windows", never},
		{"long_download_TLS_1.2", tls.VersionTLS12, []string{"/70000", "/70000"}, "reference", never},
	} {
		for _, w := range sstpWays[1:3] {
			t.Run(test.name+"/"+w.name, func(t *testing.T) {
				t.Parallel()
				s := newSSTPLab(newLab(t), w)
				v := s.vpn(vpns[0])
				s.front(v)
				f := &frontClient{lab: s.lab, version: test.version, roots: labtest.Shared.Pool, paths: test.requests, connect: w.name == "explicit"}
				s.to = func(*vpn) string { return f.listen() }
				s.endsBefore(v, test.client, test.end, fmt.Sprint(test.requests))
				if f.answers != len(test.requests) {
					t.Errorf("%d of %d requests were answered", f.answers, len(test.requests))
				}
			})
		}
	}
}

// What a tunnel is dropped before, if it is.
const (
	beforeResponse = "the client's response"
	beforeIP       = "the first IP packet"
	never          = ""
)

// endsBefore calls, and checks that the tunnel is dropped before that.
func (s *sstpLab) endsBefore(v *vpn, client, what, how string) {
	s.T.Helper()
	told := s.warden.Told()
	o := v.call(client, s.to(v), s.more...)
	if what == never || o.Checked {
		if !o.Checked || what != never {
			s.T.Errorf("%s to %s, %s: it should be dropped before %q: %+v", client, v, how, what, o)
		}
		return
	}
	e := s.warden.closed(told)
	d := e.Decision
	if d.Action != "drop" || !d.Enforced || e.Proxy.End != "dropped" || o.packets != 0 || what == beforeResponse && o.authenticated {
		s.T.Errorf("%s to %s, %s: it should be dropped before %q: %+v, event %+v, decision %+v", client, v, how, what, o, e, d)
	}
}

// front serves TLS: ordinary requests itself, and SSTP by the server.
func (s *sstpLab) front(v *vpn) {
	s.T.Helper()
	if err := s.Server.Address(netlab.Uplink, frontHost+"/24"); err != nil {
		s.T.Fatal(err)
	}
	ln := tls.NewListener(s.Listen(s.Server, frontHost+":443"), &tls.Config{Certificates: []tls.Certificate{labtest.Shared.Leaf}})
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go s.frontOne(conn, v)
		}
	}()
}

func (s *sstpLab) frontOne(conn net.Conn, v *vpn) {
	defer conn.Close()
	for {
		b := make([]byte, 16<<10)
		n, err := conn.Read(b) // clients write a head at once
		if err != nil {
			return
		}
		method, rest, _ := strings.Cut(string(b[:n]), " ")
		if method != http.MethodGet {
			s.handOn(conn, b[:n], v)
			return
		}
		size := 300
		_, _ = fmt.Sscanf(rest, "/%d ", &size)
		if _, err := fmt.Fprintf(conn, "HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s", size, noise()[:size]); err != nil {
			return
		}
	}
}

// handOn has the SSTP server go on with a connection.
func (s *sstpLab) handOn(conn net.Conn, first []byte, v *vpn) {
	raw, err := s.Server.Dial(s.T.Context(), direct(v), net.Dialer{})
	if err != nil {
		return
	}
	defer raw.Close()
	server := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	if _, err := server.Write(first); err == nil {
		both(conn, server)
	}
}

// A frontClient takes SSTP clients on the client, and carries each in TLS of its own
// to the front, after some requests.
type frontClient struct {
	lab     *lab
	version uint16
	roots   *x509.CertPool
	paths   []string
	connect bool // through the explicit proxy
	answers int
}

func (f *frontClient) listen() string {
	ln := tls.NewListener(f.lab.Listen(f.lab.Client, "127.0.0.1:0"), &tls.Config{Certificates: []tls.Certificate{labtest.Shared.Leaf}})
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = f.carry(conn) // the client notices
	}()
	return ln.Addr().String()
}

func (f *frontClient) carry(conn net.Conn) error {
	to := frontHost + ":443"
	if f.connect {
		to = proxy4
	}
	raw, err := f.lab.dial(to)
	if err != nil {
		return err
	}
	defer raw.Close()
	if f.connect {
		if err := connectVia(raw, frontHost+":443"); err != nil {
			return err
		}
	}
	server := tls.Client(raw, &tls.Config{ServerName: labtest.WebName, RootCAs: f.roots, MaxVersion: f.version})
	r := bufio.NewReader(server)
	for _, path := range f.paths {
		if _, err := fmt.Fprintf(server, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n", path, labtest.WebName); err != nil {
			return err
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		f.answers++
	}
	both(conn, server) // the front says nothing by itself, so that r is empty
	return nil
}
