//go:build interop

package interop

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Who may log in. sstpc hands the password to pppd in a file of options, so it has
// none of their special characters.
const (
	user     = "alice"
	password = "c0rrect-h0rse"
)

// An event is a line of sstplab's with --json. Raw is all of it.
type event struct {
	Event          string `json:"event"`
	Version        string `json:"version"`
	State          string `json:"state"`
	Authentication string `json:"authentication"`
	Method         string `json:"method"`
	User           string `json:"user"`
	Peer           string `json:"peer"`
	Reason         string `json:"reason"`
	By             string `json:"by"`
	Step           string `json:"step"`
	Status         int    `json:"status"`
	Raw            string `json:"-"`
}

// An sstplab is a running sstplab, server or client, whose events are read in
// their order.
type sstplab struct {
	*process
	read int // how much of the log was handed on
}

// sstplab starts it with a key log, and calls it by that name.
func (n *namespace) sstplab(name string, args ...string) *sstplab {
	n.lab.t.Helper()
	command := append([]string{filepath.Join(guestDir, "sstplab")}, args...)
	command = append(command, "--json", "--verbose", "--keylog", filepath.Join(n.lab.dir, name+".keys"))
	return &sstplab{process: n.start(name, command...)}
}

// serve starts a server for alice with the lab's certificate.
func (l *lab) serve(args ...string) *sstplab {
	l.t.Helper()
	s := l.server.sstplab("serve", append([]string{
		"serve", "--listen", ":443", "--cert", l.certs.serverCert, "--key", l.certs.serverKey,
		"--user", user + ":" + password, "--pool", pool,
	}, args...)...)
	s.await("listening")
	return s
}

// await returns the next event of that name, and passes over others. One of
// "failed" or "refused" that nobody awaits is fatal.
func (s *sstplab) await(name string) event {
	s.t.Helper()
	return s.awaitThat(name, func(e event) bool { return e.Event == name })
}

// awaitState waits until the call is in that state.
func (s *sstplab) awaitState(state string) {
	s.t.Helper()
	s.awaitThat("call in state "+state, func(e event) bool { return e.Event == "call" && e.State == state })
}

func (s *sstplab) awaitThat(what string, is func(event) bool) event {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for ended := false; ; {
		for {
			e, ok := s.next()
			if !ok {
				break
			}
			if is(e) {
				return e
			}
			if e.Event == "failed" || e.Event == "refused" {
				s.t.Fatalf("%s: waiting for %s, there came %s", s.name, what, e.Raw)
			}
		}
		switch {
		case ended:
			s.t.Fatalf("%s ended without %s", s.name, what)
		case time.Now().After(deadline):
			s.t.Fatalf("%s: no %s in %v", s.name, what, patience)
		}
		select {
		case <-s.done:
			ended = true // what it said last is still to be read
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// next returns the log's next event, if it is there. Other lines are passed over.
func (s *sstplab) next() (event, bool) {
	b, err := os.ReadFile(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	for {
		line, _, whole := bytes.Cut(b[s.read:], []byte("\n"))
		if !whole {
			return event{}, false
		}
		s.read += len(line) + 1
		e := event{Raw: string(line)}
		if json.Unmarshal(line, &e) == nil {
			return e, true
		}
	}
}

// stop ends it and checks that it says goodbye.
func (s *sstplab) stop() {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	if status := s.wait(); status != 0 {
		s.t.Errorf("%s: exit status %d after SIGTERM, want 0", s.name, status)
	}
}

// checkUp checks what the server tells of a client from TLS to IP. The server
// enters Server_Call_Connected only behind the crypto binding (MS-SSTP 3.3.5.2.3).
// Version and method may be "" for any.
func (s *sstplab) checkUp(tlsVersion, method string) {
	s.t.Helper()
	if e := s.await("tls"); tlsVersion != "" && e.Version != "TLS "+tlsVersion {
		s.t.Errorf("the server sees %s, want TLS %s", e.Raw, tlsVersion)
	}
	s.awaitState("server_call_connected_pending")
	if e := s.await("authenticated"); e.User != user || method != "" && e.Method != method {
		s.t.Errorf("the server says %s, want user %s by %q", e.Raw, user, method)
	}
	s.awaitState("server_call_connected")
	if e := s.await("up"); e.User != user {
		s.t.Errorf("the server says %s, want user %s", e.Raw, user)
	}
}

// checkGone checks that the server has the client's end as told by the client.
func (s *sstplab) checkGone() {
	s.t.Helper()
	if e := s.await("disconnected"); e.By != "peer" || e.User != user {
		s.t.Errorf("the server says %s, want user %s by the peer", e.Raw, user)
	}
}

// logHas checks that a log of the test has that text.
func (l *lab) logHas(name, text string) {
	l.t.Helper()
	b, err := os.ReadFile(filepath.Join(l.dir, name+".log"))
	if err != nil {
		l.t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(text)) {
		l.t.Errorf("%s.log has nothing of %q", name, text)
	}
}

// pppdHas checks that pppd has logged that text.
func (l *lab) pppdHas(text string) {
	l.t.Helper()
	l.logHas("pppd", text)
}

// seconds logs how long something took.
func seconds(t *testing.T, what string, since time.Time) {
	t.Helper()
	t.Logf("%s after %.1f s", what, time.Since(since).Seconds())
}
