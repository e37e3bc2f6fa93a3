package interop

import (
	"crypto/tls"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sstpwarden/pcaps/netlab/labtest"
	"sstpwarden/pcaps/sstpref/profile"
)

// openedWays are ways of SSTP clients to a proxy that opens TLS.
var openedWays = []struct{ way, sstp string }{{"tproxy_opened", "tproxy"}, {"explicit_opened", "explicit"}}

// newOpenedLab has a proxy that opens TLS.
func newOpenedLab(l *lab, openedWay, ofSSTP string, flags ...string) *sstpLab {
	l.T.Helper()
	w := ways[slices.IndexFunc(ways, func(w way) bool { return w.name == openedWay })]
	p := &passage{lab: l, way: w}
	s := &sstpLab{lab: p.lab, table: tableHead(), sstpWay: sstpWays[slices.IndexFunc(sstpWays, func(w sstpWay) bool { return w.name == ofSSTP })]}
	s.web = s.plainWeb()
	s.warden = p.lab.warden(slices.Concat(p.flags(), s.Forgetful(), flags)...)
	s.roots = p.roots()
	return s
}

// In opened TLS a tunnel is dropped when it is asked for: at the HTTP request.
func TestSSTPInOpenedTLS(t *testing.T) {
	t.Parallel()
	for _, w := range openedWays {
		t.Run(w.way, func(t *testing.T) {
			t.Parallel()
			s := newOpenedLab(newLab(t), w.way, w.sstp)
			for _, v := range s.vpns(vpns...) {
				for _, client := range profile.ClientNames() {
					if !v.Serves(client) || client == "windows7" {
						continue
					}
					o, e := s.called(v, client)
					d := e.Decision
					if d == nil || d.Action != "drop" || !d.Enforced || e.Proxy.End != "dropped" || o.authenticated || o.packets != 0 ||
						!e.Proxy.Opened || o.Step != "http" {
						t.Errorf("%s to %s: %+v, event %+v, decision %+v", client, v, o, e, d)
					}
				}
			}
			s.afterRequests()
		})
	}
}

// A client whose TLS is too old to be opened goes on as it is, and is inspected as
// without.
func TestOldTLSIsNotOpened(t *testing.T) {
	t.Parallel()
	for _, w := range openedWays {
		t.Run(w.way, func(t *testing.T) {
			t.Parallel()
			s := newOpenedLab(newLab(t), w.way, w.sstp)
			ln := tls.NewListener(s.Listen(s.Server, ":444"), &tls.Config{Certificates: []tls.Certificate{labtest.Shared.Leaf}, MinVersion: tls.VersionTLS10})
			server := &http.Server{Handler: http.HandlerFunc(whoami), ReadHeaderTimeout: labtest.Patience}
			go func() { _ = server.Serve(ln) }()
			t.Cleanup(func() { _ = server.Close() })
			line := []string{"curl", "--silent", "--show-error", "--fail", "--max-time", "30", "--cacert", labtest.Shared.CA, "--ciphers", "DEFAULT@SECLEVEL=0", "--tlsv1.0", "--tls-max", "1.1"}
			if w.sstp == "explicit" {
				line = append(line, "--proxy", "http://"+proxy4)
			}
			if _, stderr, err := s.Try(s.Client, append(line, "https://"+labtest.WebName+":444/")...); err != nil {
				t.Errorf("curl: %v, %s", err, stderr)
			}
			v := s.vpn(vpns[1])
			s.endsBefore(v, "windows7", beforeResponse, "TLS 1.0")
		})
	}
}

// afterRequests checks a tunnel that begins after ordinary requests.
func (s *sstpLab) afterRequests() {
	s.T.Helper()
	v := s.vpn(labtest.VPN{Profile: "softether", TLS: "1.3", Host: "10.2.0.19", Port: "443"})
	v.behind = true
	s.front(v)
	f := &frontClient{lab: s.lab, version: tls.VersionTLS13, roots: s.roots, paths: []string{"/", "/200000", "/"}, connect: s.name == "explicit"}
	s.to = func(*vpn) string { return f.listen() }
	o, e := s.called(v, "windows")
	if d := e.Decision; f.answers != 3 || d.Action != "drop" || !d.Enforced || e.Proxy.End != "dropped" || !e.Proxy.Opened || o.authenticated || o.packets != 0 || o.Step != "http" {
		s.T.Errorf("after requests: %+v, event %+v, decision %+v", o, e, d)
	}
}

// A tunnel that is found in opened TLS and allowed does not survive that, but is
// remembered and works at the second attempt, until it is forgotten.
func TestSSTPIsRemembered(t *testing.T) {
	t.Parallel()
	for _, w := range openedWays {
		t.Run(w.way, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			s := newOpenedLab(l, w.way, w.sstp, "--data", l.sanctioned(vpns[0].Host, vpns[3].Host))
			all := s.vpns(vpns[0], vpns[3])
			for i, v := range all {
				first := func(client string) {
					o, e := s.called(v, client)
					if o.Status == 0 || o.packets != 0 || !e.Proxy.Opened || !e.Proxy.Remembered || e.Decision.Action != "log" {
						t.Errorf("%s to %s at first: %+v, event %+v, decision %+v", client, v, o, e, e.Decision)
					}
				}
				later := func(client string) {
					o, e := s.called(v, client)
					if o.Status != 0 || !o.Checked || e.Proxy.Opened || e.Proxy.Bypass != "tunnel" || e.Decision.Action != "log" || !e.Proxy.Spliced {
						t.Errorf("%s to %s later: %+v, event %+v, decision %+v", client, v, o, e, e.Decision)
					}
				}
				first("windows")
				later("windows")
				later("sstpc") // it is the client's address that counts
				list := s.bypass(s.warden)
				if len(list) != 1+i || !slices.ContainsFunc(list, func(e listed) bool {
					return e.Kind == "tunnel" && strings.HasPrefix(e.Address, v.Host) && strings.HasPrefix(e.Client, "10.1.0.2")
				}) {
					t.Errorf("the list is %+v", list)
				}
			}
			s.Run(s.Router, labtest.Sstpwarden, "bypass", "clear", "--kind", "tunnel", "--admin", "unix:"+s.warden.Admin)
			if list := s.bypass(s.warden); len(list) != 0 {
				t.Errorf("after it was cleared, the list is %+v", list)
			}
			o, e := s.called(all[0], "windows")
			if o.Status == 0 || !e.Proxy.Opened || !e.Proxy.Remembered {
				t.Errorf("once forgotten: %+v, event %+v", o, e)
			}
		})
	}
}
