package interop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

const (
	// idleTunnels are held at once, or as many as the limit of open files lets a
	// proxy hold: it has two for each.
	idleTunnels = 10_000
	spareFiles  = 300
	// idleMemory is what so many may take, in bytes.
	idleMemory = 512 << 20
)

// roleHold is a server that holds connections, so that this process has files
// enough for the clients' ends.
const roleHold = "hold"

// What it is told: the port, and the file of what server and clients say to each
// other.
const (
	portVariable   = "INTEROP_PORT"
	scriptVariable = "INTEROP_SCRIPT"
)

// idleKinds are what went through a tunnel before it is idle.
var idleKinds = []struct {
	name, port string // of the server that has the other ends
	script     func() (script, error)
	settled    bool
}{
	{"silent", "9001", func() (script, error) { return nil, nil }, false},
	{"hello", "9002", func() (script, error) { return script{{true, clientHello()}}, nil }, false},
	{"after_a_page", "9003", func() (script, error) { return recordPage(20_000) }, false},
	{"after_a_download", "9004", func() (script, error) { return recordPage(200_000) }, true},
}

// Idle tunnels take little memory, whether anything went through them or not, and
// stay alive.
func TestIdleTunnels(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	config := l.File("limits.yaml", "proxy:\n  limits: {connections: 30000, per_client: 30000}\n")
	w := l.warden(append(explicit(), "--config", config)...)
	n := (tunnelsForFiles(t) + len(idleKinds) - 1) / len(idleKinds)
	var all []net.Conn
	for _, kind := range idleKinds {
		s, err := kind.script()
		if err != nil {
			t.Fatal(err)
		}
		l.holder(kind.port, s)
		before, began := w.Memory(), time.Now()
		conns := l.openTunnels(n, kind.port, s)
		took := time.Since(began)
		all = append(all, conns...)
		l.Eventually(fmt.Sprintf("the proxy has %d tunnels", len(all)), func() bool { return w.metric("tunnels") == float64(len(all)) })
		if kind.settled {
			l.Eventually("all are spliced", func() bool { return w.metric("spliced_total") == float64(n) })
		}
		used := w.Memory()
		t.Logf("%d tunnels more, %s, made in %v: VmRSS %d MiB, %d bytes each", n, kind.name, took.Round(time.Millisecond), used>>20, (used-before)/int64(n))
		if most := idleMemory / idleTunnels * int64(len(all)); used > most {
			t.Errorf("the proxy takes %d MiB for %d tunnels, and may take %d", used>>20, len(all), most>>20)
		}
	}
	for i := 0; i < len(all); i += len(all) / 150 {
		checkEcho(t, all[i])
	}
	if n := w.metric("tunnels"); n != float64(len(all)) {
		t.Errorf("of %d tunnels there are %v at the end", len(all), n)
	}
}

// tunnelsForFiles is how many tunnels the limit of open files allows.
func tunnelsForFiles(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return min(idleTunnels, int(limit.Max-spareFiles)/2)
}

// A script is what both ends of a connection say, in turn.
type script []line

type line struct {
	Client bool // who says it
	Text   []byte
}

// play plays one part, and waits for the other's.
func (s script) play(conn net.Conn, client bool) error {
	_ = conn.SetDeadline(time.Now().Add(2 * labtest.Patience))
	for _, l := range s {
		if l.Client == client {
			if _, err := conn.Write(l.Text); err != nil {
				return err
			}
			continue
		}
		if _, err := io.CopyN(io.Discard, conn, int64(len(l.Text))); err != nil {
			return err
		}
	}
	return conn.SetDeadline(time.Time{})
}

// holder starts the server.
func (l *lab) holder(port string, s script) {
	l.T.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		l.T.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		l.T.Fatal(err)
	}
	p := l.Start(l.Server, "holder-"+port, "env", roleVariable+"="+roleHold, portVariable+"="+port, scriptVariable+"="+l.File("script-"+port, string(text)), self)
	p.WaitFor("holding")
}

// hold is the server: it plays its part and then echoes.
func hold() error {
	text, err := os.ReadFile(filepath.Clean(os.Getenv(scriptVariable)))
	if err != nil {
		return err
	}
	var s script
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", ":"+os.Getenv(portVariable))
	if err != nil {
		return err
	}
	fmt.Println("holding")
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			if s.play(conn, false) != nil {
				return
			}
			b := make([]byte, 64)
			for {
				n, err := conn.Read(b)
				if err != nil {
					return
				}
				if _, err := conn.Write(b[:n]); err != nil {
					return
				}
			}
		}()
	}
}

// openTunnels makes tunnels to a holder until there are n.
func (l *lab) openTunnels(n int, port string, s script) []net.Conn {
	l.T.Helper()
	const workers = 16
	var mu sync.Mutex
	var conns []net.Conn
	var failed error
	l.T.Cleanup(func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	})
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			err := l.Client.Do(func() error {
				for range (n + i) / workers {
					conn, err := openTunnel(port, s)
					if err != nil {
						return err
					}
					mu.Lock()
					conns = append(conns, conn)
					mu.Unlock()
				}
				return nil
			})
			mu.Lock()
			failed = errors.Join(failed, err)
			mu.Unlock()
		})
	}
	wg.Wait()
	if failed != nil {
		l.T.Fatalf("after %d tunnels: %v", len(conns), failed)
	}
	return conns
}

func openTunnel(port string, s script) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", proxy4, labtest.Patience)
	if err != nil {
		return nil, err
	}
	if err = connectVia(conn, netlab.Server4+":"+port); err == nil {
		err = s.play(conn, true)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, conn.SetDeadline(time.Time{})
}

// checkEcho checks that a tunnel is alive.
func checkEcho(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(labtest.Patience))
	sent, got := []byte{23, 3, 3, 0, 1, 42}, make([]byte, 6) // a record of application data
	if _, err := conn.Write(sent); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(sent, got) {
		t.Fatalf("a tunnel gave %q back, %v", got, err)
	}
}
