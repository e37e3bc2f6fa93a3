package interop

import (
	"crypto/tls"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sstpwarden/pcaps/sstpref/profile"
)

// openedWays are ways of SSTP clients to a proxy that opens TLS.
var openedWays = []struct{ way, sstp string }{{"tproxy_opened", "tproxy"}, {"explicit_opened", "explicit"}}

// newOpenedLab has a proxy that opens TLS.
func newOpenedLab(t *testing.T, openedWay, ofSSTP string, flags ...string) *sstpLab {
	t.Helper()
	w := ways[slices.IndexFunc(ways, func(w way) bool { return w.name == openedWay })]
	p := &passage{lab: newLab(t), way: w}
	s := &sstpLab{lab: p.lab, table: tableHead(), sstpWay: sstpWays[slices.IndexFunc(sstpWays, func(w sstpWay) bool { return w.name == ofSSTP })]}
	s.web = s.plainWeb()
	s.warden = p.lab.warden(slices.Concat(p.flags(), s.forgetful(), flags)...)
	s.roots = p.roots()
	return s
}

// In opened TLS a tunnel is dropped when it is asked for: at the HTTP request.
func TestSSTPInOpenedTLS(t *testing.T) {
	t.Parallel()
	for _, w := range openedWays {
		t.Run(w.way, func(t *testing.T) {
			t.Parallel()
			s := newOpenedLab(t, w.way, w.sstp)
			for _, v := range s.vpns(vpns...) {
				for _, client := range profile.ClientNames() {
					if !v.serves(client) || client == "windows7" {
						continue
					}
					o, e := s.called(v, client)
					d := e.Decision
					if d == nil || d.Action != "drop" || !d.Enforced || e.Proxy.End != "dropped" || o.authenticated || o.packets != 0 ||
						!e.Proxy.Opened || o.step != "http" {
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
			s := newOpenedLab(t, w.way, w.sstp)
			ln := tls.NewListener(s.listen(s.Server, ":444"), &tls.Config{Certificates: []tls.Certificate{shared.leaf}, MinVersion: tls.VersionTLS10})
			server := &http.Server{Handler: http.HandlerFunc(whoami), ReadHeaderTimeout: patience}
			go func() { _ = server.Serve(ln) }()
			t.Cleanup(func() { _ = server.Close() })
			line := []string{"curl", "--silent", "--show-error", "--fail", "--max-time", "30", "--cacert", shared.ca, "--ciphers", "DEFAULT@SECLEVEL=0", "--tlsv1.0", "--tls-max", "1.1"}
			if w.sstp == "explicit" {
				line = append(line, "--proxy", "http://"+proxy4)
			}
			if _, stderr, err := s.try(s.Client, append(line, "https://"+webName+":444/")...); err != nil {
				t.Errorf("curl: %v, %s", err, stderr)
			}
			v := s.vpn(vpns[1])
			v.process.waitFor(`"event":"listening"`)
			s.endsBefore(v, "windows7", beforeResponse, "TLS 1.0")
		})
	}
}

// afterRequests checks a tunnel that begins after ordinary requests.
func (s *sstpLab) afterRequests() {
	s.t.Helper()
	v := s.vpn(vpn{profile: "softether", tls: "1.3", host: "10.2.0.19", port: "443", behind: true})
	v.process.waitFor(`"event":"listening"`)
	s.front(v)
	f := &frontClient{lab: s.lab, version: tls.VersionTLS13, roots: s.roots, paths: []string{"/", "/200000", "/"}, connect: s.name == "explicit"}
	s.to = func(*vpn) string { return f.listen() }
	o, e := s.called(v, "windows")
	if d := e.Decision; f.answers != 3 || d.Action != "drop" || !d.Enforced || e.Proxy.End != "dropped" || !e.Proxy.Opened || o.authenticated || o.packets != 0 || o.step != "http" {
		s.t.Errorf("after requests: %+v, event %+v, decision %+v", o, e, d)
	}
}

// A tunnel that is found in opened TLS and allowed does not survive that, but is
// remembered and works at the second attempt, until it is forgotten.
func TestSSTPIsRemembered(t *testing.T) {
	t.Parallel()
	for _, w := range openedWays {
		t.Run(w.way, func(t *testing.T) {
			t.Parallel()
			need(t)
			s := newOpenedLab(t, w.way, w.sstp, "--data", sanctioned(t, vpns[0].host, vpns[3].host))
			all := s.vpns(vpns[0], vpns[3])
			for i, v := range all {
				first := func(client string) {
					o, e := s.called(v, client)
					if o.status == 0 || o.packets != 0 || !e.Proxy.Opened || !e.Proxy.Remembered || e.Decision.Action != "log" {
						t.Errorf("%s to %s at first: %+v, event %+v, decision %+v", client, v, o, e, e.Decision)
					}
				}
				later := func(client string) {
					o, e := s.called(v, client)
					if o.status != 0 || !o.checked || e.Proxy.Opened || e.Proxy.Bypass != "tunnel" || e.Decision.Action != "log" || !e.Proxy.Spliced {
						t.Errorf("%s to %s later: %+v, event %+v, decision %+v", client, v, o, e, e.Decision)
					}
				}
				first("windows")
				later("windows")
				later("sstpc") // it is the client's address that counts
				list := s.bypass(s.warden)
				if len(list) != 1+i || !slices.ContainsFunc(list, func(e listed) bool {
					return e.Kind == "tunnel" && strings.HasPrefix(e.Address, v.host) && strings.HasPrefix(e.Client, "10.1.0.2")
				}) {
					t.Errorf("the list is %+v", list)
				}
			}
			s.run(s.Router, sstpwarden, "bypass", "clear", "--kind", "tunnel", "--admin", "unix:"+s.warden.admin)
			if list := s.bypass(s.warden); len(list) != 0 {
				t.Errorf("after it was cleared, the list is %+v", list)
			}
			o, e := s.called(all[0], "windows")
			if o.status == 0 || !e.Proxy.Opened || !e.Proxy.Remembered {
				t.Errorf("once forgotten: %+v, event %+v", o, e)
			}
		})
	}
}
