package record_test

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tshark reads a capture and returns what it prints.
func tshark(t testing.TB, capture []byte, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("tshark")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("tshark is needed here: %v (apt-get install tshark)", err)
		}
		t.Skipf("no tshark: %v", err)
	}
	path := filepath.Join(t.TempDir(), "capture.pcapng")
	if err := os.WriteFile(path, capture, 0o600); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"-r", path, "-n", "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"}, args...)
	command := exec.CommandContext(t.Context(), program, args...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("tshark %q: %v\n%s", args, err, &stderr)
	}
	return string(out)
}

// faults are what tshark's experts say from warnings on.
func faults(t testing.TB, capture []byte) {
	t.Helper()
	if out := tshark(t, capture, "-Y", "_ws.expert.severity >= 0x600000 || tcp.analysis.flags"); out != "" {
		t.Errorf("tshark is not content:\n%.2000s", out)
	}
}

// TestTshark: tshark finds nothing wrong, and opens every byte.
func TestTshark(t *testing.T) {
	recordings(t, func(t *testing.T, r recording) {
		faults(t, r.capture)
		var got [2][]byte
		for line := range strings.Lines(tshark(t, r.capture, "-q", "-z", "follow,tls,raw,0")) {
			from := 0
			if line[0] == '\t' {
				from = 1
			}
			if b, err := hex.DecodeString(strings.TrimSpace(line)); err == nil {
				got[from] = append(got[from], b...)
			}
		}
		if bytes.HasPrefix(got[0], []byte("HTTP")) { // which side it indents is its own matter
			got[0], got[1] = got[1], got[0]
		}
		if !bytes.Equal(got[0], r.client) || !bytes.Equal(got[1], r.server) {
			t.Errorf("opened %s and %s", short(got[0]), short(got[1]))
		}
	})
}

// TestTsharkEnds: nor with ends of other kinds.
func TestTsharkEnds(t *testing.T) {
	t.Run("ports used again", func(t *testing.T) {
		capture, f := begin(t)
		client, server := addrPort("10.0.0.1:50000"), addrPort("10.0.0.2:443")
		for range 3 {
			near, far := inMemory(tcpAddr(client), tcpAddr(server))(t)
			c, s := handshake(t, tls.VersionTLS13, capture.Conn(near, false), far, capture.KeyLog(), nil)
			post(t, c, s, repeat("x", 100_000), repeat("y", 100_000))
			c.NetConn().Close()
		}
		got := finish(t, capture, f)
		if out := tshark(t, got, "-Y", "_ws.expert.severity >= 0x600000"); out != "" {
			t.Errorf("tshark is not content:\n%.2000s", out)
		}
		if n := strings.Count(tshark(t, got, "-Y", "http.request"), "POST"); n != 3 {
			t.Errorf("%d requests", n)
		}
		if n := len(sessions(t, got)); n != 3 {
			t.Errorf("%d sessions", n)
		}
	})
	t.Run("half closed", func(t *testing.T) {
		capture, f := begin(t)
		near, far := loopback(t, "127.0.0.1:0")
		conn := capture.Conn(near, false)
		conn.Write([]byte("hello"))
		conn.(halfCloser).CloseWrite()
		go func() {
			io.Copy(io.Discard, far)
			far.Write(repeat("z", 200_000))
			far.Close()
		}()
		for b := make([]byte, 10_000); ; {
			if _, err := conn.Read(b); err != nil {
				break
			}
		}
		conn.Close()
		faults(t, finish(t, capture, f))
	})
	t.Run("still open", func(t *testing.T) {
		capture, f := begin(t)
		conn := capture.Conn(echo(t), false)
		for range 50 {
			exchange(t, conn, repeat("both ways", 70_000))
		}
		faults(t, finish(t, capture, f))
	})
	t.Run("both ends in one capture", func(t *testing.T) {
		capture, f := begin(t)
		near, far := loopback(t, "127.0.0.1:0")
		c, s := handshake(t, tls.VersionTLS13, capture.Conn(near, false), capture.Conn(far, true), capture.KeyLog(), nil)
		post(t, c, s, repeat("x", 200_000), repeat("y", 200_000))
		c.Close()
		s.Close()
		got := finish(t, capture, f)
		faults(t, got)
		all := sessions(t, got)
		if len(all) != 2 || !bytes.Equal(all[0].plain[0].Bytes(), all[1].plain[0].Bytes()) || !bytes.Equal(all[0].plain[1].Bytes(), all[1].plain[1].Bytes()) {
			t.Errorf("%d sessions", len(all))
		}
	})
}
