package netlab

import (
	"context"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("network namespaces take root")
	}
	t.Skip("network namespaces take root")
}

// What one host sends reaches the other through the router, in both families, and
// programs run on the hosts.
func TestRouted(t *testing.T) {
	needRoot(t)
	l, err := NewRouted()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, server := range []string{Server4, Server6, Server4b, Server6b} {
		ln, err := l.Server.Listen(ctx, net.JoinHostPort(server, "80"), net.ListenConfig{})
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		go func() {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, conn.RemoteAddr().String())
			_ = conn.Close()
		}()
		conn, err := l.Client.Dial(ctx, ln.Addr().String(), net.Dialer{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(conn)
		if err != nil || string(b) != conn.LocalAddr().String() {
			t.Errorf("%s sees %q, %v; want %s", server, b, err, conn.LocalAddr())
		}
		_ = conn.Close()
	}
	var out strings.Builder
	cmd := l.Client.Command(ctx, "cat", "/proc/self/net/dev")
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), Uplink) || strings.Contains(out.String(), Inside) {
		t.Errorf("the client's interfaces: %s, %v", &out, err)
	}
}

// However a program is run, it is run on the host.
func TestCommand(t *testing.T) {
	needRoot(t)
	h, err := NewHost("alone")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for name, run := range map[string]func(*Cmd) ([]byte, error){
		"Output": (*Cmd).Output, "CombinedOutput": (*Cmd).CombinedOutput,
	} {
		out, err := run(h.Command(t.Context(), "sh", "-c", "ls /proc/self/net/dev_snmp6; exit 3"))
		if err == nil || string(out) != "lo\n" {
			t.Errorf("%s: the host's links are %q, error %v; want lo and status 3", name, out, err)
		}
	}
}
