package matrix

import (
	"bufio"
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// deviceServer runs the server's side on the loopback.
func deviceServer(t *testing.T, port int) (control string, log func() string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var lines []string
	s := DeviceServer{Bind: "127.0.0.1", Port: port, Log: func(text string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, text)
	}}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String(), func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(lines, "\n")
	}
}

// Without a device between them, tunnels leak, and all else passes.
func TestDevice(t *testing.T) {
	control, log := deviceServer(t, 0)
	cells := ForDevice([]Cell{
		cell("windows", "rras", "1.3", "records-100", Direct, ""),
		cell("windows", "rras", "1.3", "records-100", "explicit", ""),
		cell("sstpc", "softether", "1.2", "padding-full", Direct, ""),
		cell("windows", "rras", "1.3", "connect-bare", "proxy", ""),
		cell("go", benignServer, "1.3", None, Direct, "grpc-stream"),
	}, false)
	if len(cells) != 3 || cells[0].Path != "dut" {
		t.Fatalf("cells %+v", cells)
	}
	r := runCells(t, Options{Device: &Device{Peer: "127.0.0.1", Control: control}}, cells[0], cells[2])
	if c := r.Counts; c.Leaks != 1 || c.Right != 1 || c.Errors != 0 || r.Cells[0].Finding(Opened).Verdict != "confirmed" {
		t.Errorf("%+v\n%s", c, log())
	}
	// A cell that there is not, and one with nobody to ask.
	r = runCells(t, Options{Device: &Device{Peer: "127.0.0.1", Control: control}}, cells[1])
	if c := r.Cells[0]; c.Status() != MarkError || !strings.Contains(c.Reason, "there is no such cell") {
		t.Errorf("%s: %s", c.Status(), c.Reason)
	}
	r = runCells(t, Options{Device: &Device{Peer: "127.0.0.1", Control: "127.0.0.1:1"}}, cells[0])
	if c := r.Cells[0]; c.Status() != MarkError || !strings.Contains(c.Reason, "does sstplab matrix --role server run there?") {
		t.Errorf("%s: %s", c.Status(), c.Reason)
	}
	// A device that lets nothing through: all is cut, what is no tunnel wrongly.
	r = runCells(t, Options{Device: &Device{Peer: "127.0.0.2", Control: control}}, cells[0], cells[2])
	if c := r.Counts; c.Right != 1 || c.FalseAlarms != 1 || r.Cells[0].Outcome.How != "reset" || r.Cells[1].Outcome.Stage != "tcp" {
		t.Errorf("%+v %+v %+v", c, r.Cells[0].Outcome, r.Cells[1].Outcome)
	}
	r = runCells(t, Options{}, cells[0])
	if c := r.Cells[0]; !c.Skipped {
		t.Errorf("%s: %s", c.Status(), c.Reason)
	}
}

// With a port of its own, there is one far end at a time.
func TestDevicePort(t *testing.T) {
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := probe.Addr().(*net.TCPAddr).Port
	_ = probe.Close()
	control, log := deviceServer(t, port)
	var cells []Cell
	for _, name := range []string{None, "early", "segments-7"} {
		cells = append(cells, cell("windows", "rras", "1.3", name, "dut", ""))
	}
	r := runCells(t, Options{Parallel: 3, Device: &Device{Peer: "127.0.0.1", Control: control}}, cells...)
	if r.Counts.Leaks != 3 {
		t.Errorf("%+v\n%s", r.Counts, log())
	}
}

// Who says nothing sensible gets nothing.
func TestDeviceGarbage(t *testing.T) {
	control, log := deviceServer(t, 0)
	for _, text := range []string{"GET / HTTP/1.1\r\n\r\n", "{\"cell\":{}}\n", strings.Repeat("{", 1<<16)} {
		c, err := net.DialTimeout("tcp", control, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte(text)) // it may be over by then
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		line, err := bufio.NewReader(c).ReadString('\n')
		if err == nil && !strings.Contains(line, `"error"`) {
			t.Errorf("%.20q was answered %q", text, line)
		}
		_ = c.Close()
	}
	if !strings.Contains(log(), "cannot be read") {
		t.Error(log())
	}
}
