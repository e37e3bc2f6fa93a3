package interop

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// A proxy that is told to stop lets end what runs, takes nothing new, and lets new
// connections past it, whether or not anybody else has the kernel translate addresses.
func TestStop(t *testing.T) {
	for _, w := range ways[:3] {
		for _, nat := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s nat %v", w.name, nat), func(t *testing.T) {
				t.Parallel()
				p := w.passage(t, "curl", "nft")
				if nat {
					p.Run(p.Router, "nft", "add table inet other; add chain inet other pre { type nat hook prerouting priority 0; }; add rule inet other pre tcp dport 2222 redirect to :22")
				}
				p.stops()
			})
		}
	}
}

func (p *passage) stops() {
	p.T.Helper()
	server := p.web()
	streams := []*stream{p.stream("http://" + labtest.Web4Name + "/events/1"), p.stream("https://" + labtest.Web4Name + "/events/2"), p.stream("https://" + labtest.Web4Name + ":8443/events/3")}
	p.warden.Signal(syscall.SIGTERM)
	p.warden.WaitFor("stopping")
	p.Eventually("nothing new is taken", func() bool {
		taken := server.connections()
		conn, err := p.dialTo(netlab.Server4 + ":80")
		if err != nil {
			return p.mode == "explicit" && server.connections() == taken
		}
		defer conn.Close()
		status, body, err := ask(conn, "GET /whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		return p.mode != "explicit" && err == nil && status == http.StatusOK && strings.Contains(body, `"Remote":"`+netlab.Client4+":")
	})
	if p.warden.Ended() {
		p.T.Error("the proxy has ended though connections run")
	}
	for i, s := range streams {
		close(server.gate(string(rune('1' + i))))
		s.ends()
	}
	if s := p.warden.Wait(); s != 0 {
		p.T.Errorf("exit status %d", s)
	}
	if strings.Contains(p.warden.Text(), "cutting") {
		p.T.Error("connections were cut")
	}
}

// A stream is curl that gets events.
type stream struct {
	p   *passage
	cmd interface{ Wait() error }
	out io.Reader
}

// stream starts one, and waits for the first event.
func (p *passage) stream(address string) *stream {
	p.T.Helper()
	cmd := p.Command(p.T.Context(), p.Client, p.curl("--no-buffer", "--http1.1", address)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.T.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.T.Fatal(err)
	}
	b := make([]byte, len("data: first\n\n"))
	if _, err := io.ReadFull(out, b); err != nil {
		p.T.Fatalf("%s: %q, %v", address, b, err)
	}
	return &stream{p, cmd, out}
}

// ends checks that the rest has come.
func (s *stream) ends() {
	s.p.T.Helper()
	b, err := io.ReadAll(s.out)
	if string(b) != "data: second\n\n" || err != nil {
		s.p.T.Errorf("the rest of the stream is %q, %v", b, err)
	}
	if err := s.cmd.Wait(); err != nil {
		s.p.T.Errorf("curl: %v", err)
	}
}

// Of the requests that are made while a transparent proxy stops none is lost: those on
// connections that it has or is about to get, nor later ones, which go past.
func TestStopUnderLoad(t *testing.T) {
	for _, w := range ways[1:3] {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			p := w.passage(t)
			p.web()
			urls := []string{"http://" + netlab.Server4, "https://" + netlab.Server4, "https://" + netlab.Server4 + ":8443"}
			loads := []*traffic{p.load(netlab.Client4, nil, urls...), p.load(netlab.Client4b, nil, urls...), p.load(netlab.Client4b, nil, urls[:1]...)}
			for _, tr := range loads {
				p.Eventually("there is load", func() bool { return tr.done.Load() > 5 })
			}
			p.warden.Stop()
			loads = append(loads, p.load(netlab.Client4, nil, urls...))
			for _, tr := range loads {
				tr.checkAll()
			}
			if strings.Contains(p.warden.Text(), "cutting") {
				t.Error("connections were cut")
			}
		})
	}
}

// What does not end is cut in the end.
func TestStopCuts(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.web()
	w := l.warden(append(append(explicit(), transparent("redirect")...), "--config", l.File("stop.yaml", "stop_timeout: 300ms\n"))...)
	tunnel := l.connect(proxy4)
	if err := connectVia(tunnel, netlab.Server4+":80"); err != nil {
		t.Fatal(err)
	}
	conns := []net.Conn{tunnel, l.connect(netlab.Server4 + ":80"), l.connect(proxy4)}
	l.Eventually("both tunnels are there", func() bool { return w.metric("tunnels") == 2 })
	w.Stop()
	for _, conn := range conns {
		if got := endOf(t, conn); got != "" {
			t.Errorf("it said %q", got)
		}
	}
	w.WaitFor("end=stopped")
}

// Reloading under load drops no connection.
func TestReload(t *testing.T) {
	t.Parallel()
	l := newLab(t, "curl", "htpasswd")
	server := l.web()
	users := filepath.Join(l.Dir, "users")
	l.Run(l.Router, "htpasswd", "-B", "-C", "4", "-b", "-c", users, "alice", "secret")
	set := filepath.Join(l.Dir, "policies")
	l.Run(l.Router, labtest.Sstpwarden, "policy", "init", set)
	config := l.File("config.yaml", "policy: {dir: policies}\n")
	w := l.warden(append(append(explicit(), transparent("tproxy")...), "--config", config, "--auth", users)...)
	urls := []string{"http://" + netlab.Server4, "https://" + netlab.Server4}
	login := url.UserPassword("alice", "secret")
	loads := []*traffic{
		l.load(netlab.Client4b, nil, urls...),
		l.load(netlab.Client4, &url.URL{Scheme: "http", User: login, Host: proxy4}, urls...),
	}
	p := &passage{lab: l, way: ways[2], ca: labtest.Shared.CA}
	long := p.stream("http://" + labtest.Web4Name + "/events/long")
	for n := range 10 {
		before := strings.Count(w.Text(), "component=policies")
		w.Signal(syscall.SIGHUP)
		l.Eventually("policies are reloaded", func() bool { return strings.Count(w.Text(), "component=policies") > before })
		time.Sleep(time.Duration(n) * pause)
	}
	close(server.gate("long"))
	long.ends()
	for _, tr := range loads {
		tr.checkAll()
	}
	if text := w.Text(); strings.Contains(text, "level=ERROR") || strings.Contains(text, "not reloaded") {
		t.Errorf("the proxy says\n%s", labtest.Tail(text))
	}
}

// A change of a policy's file counts from the next connection on; one that is wrong
// changes nothing.
func TestPolicyChanges(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	data := l.sanctioned(vpns[0].Host)
	s := newSSTPLab(l, sstpWays[1], "--data", data)
	v := s.vpn(vpns[0])
	let := func(when string) {
		if o, e := s.called(v, "windows"); !o.Checked || e.Decision.Action != "log" {
			t.Errorf("%s: %+v, event %+v", when, o, e)
		}
	}
	change := func(text, word string) {
		before := strings.Count(s.warden.Text(), word)
		if err := os.WriteFile(data, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		s.Eventually("the change is seen", func() bool { return strings.Count(s.warden.Text(), word) > before })
	}
	good, err := os.ReadFile(data)
	if err != nil {
		t.Fatal(err)
	}
	let("sanctioned")
	change("sanctioned: {}\n", "msg=reloaded component=policies reason=file")
	s.dropped(v, "windows")
	change("sanctioned: [", "msg=\"not reloaded")
	s.dropped(v, "windows")
	change(string(good), "msg=reloaded component=policies reason=file")
	let("sanctioned again")
}
